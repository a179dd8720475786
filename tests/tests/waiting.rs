//! A path that cannot follow: does it wait alone, is it told with its reason, and does it follow when it can?

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whole_system::asking::status;
use whole_system::clones::{Actor, connect_both};
use whole_system::{Engine, Sandbox, attempt, checks, eventually, run, trees};

const PATIENCE: Duration = Duration::from_secs(40);

/// Two clones of each other with a file in both.
fn two(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "first");
    fs::write(first.join("ledger.txt"), "page one\n").unwrap();
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    Actor::Anabranch.sync(sandbox, &second);
    (first, second)
}

#[track_caller]
fn holds(file: &Path, text: &str) {
    eventually(PATIENCE, || match fs::read_to_string(file) {
        Ok(found) if found == text => Ok(()),
        found => Err(format!("{}: {found:?}", file.display())),
    });
}

/// Waits until a problem names these words, or none does.
#[track_caller]
fn problem(sandbox: &Sandbox, folder: &Path, words: &[&str], is_there: bool) {
    eventually(PATIENCE, || {
        let problems = status(sandbox, folder)?["problems"].to_string();
        let has = words.iter().all(|word| problems.contains(word));
        if has == is_there { Ok(()) } else { Err(problems) }
    });
}

#[test]
fn an_ignored_file_in_the_way_waits_alone() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    fs::write(second.join(".git/info/exclude"), "local.conf\n").unwrap();
    fs::write(second.join("local.conf"), "mine\n").unwrap();
    let engine = Engine::start(&sandbox, &[&first, &second]);
    fs::write(first.join("local.conf"), "theirs\n").unwrap();
    problem(&sandbox, &second, &["local.conf", "a file of yours"], true);
    fs::write(first.join("news.txt"), "news\n").unwrap();
    holds(&second.join("news.txt"), "news\n");
    fs::write(second.join("reply.txt"), "reply\n").unwrap();
    holds(&first.join("reply.txt"), "reply\n");
    holds(&second.join("local.conf"), "mine\n");
    assert_eq!(run(&mut sandbox.git(&second, ["status", "--porcelain"])), "");

    fs::rename(second.join("local.conf"), second.join("kept.conf")).unwrap();
    holds(&second.join("local.conf"), "theirs\n");
    problem(&sandbox, &second, &["local.conf"], false);
    eventually(PATIENCE, || trees::same(&[&first, &second]));
    engine.stop();
    for clone in [&first, &second] {
        checks::assert_whole(&sandbox, clone);
    }
}

#[test]
fn what_is_changed_back_while_a_path_waits_stays_changed_back() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    fs::write(first.join("edited.txt"), "1\n").unwrap();
    fs::write(first.join("moved.txt"), "1\n").unwrap();
    for clone in [&first, &second, &first] {
        Actor::Anabranch.sync(&sandbox, clone);
    }
    let open = fs::File::options()
        .append(true)
        .open(second.join("ledger.txt"))
        .unwrap();
    let before = trees::files(&first);

    // Only the first one acts, and does not hear of the other in between.
    run(&mut sandbox.git(&first, ["config", "remote.second.annex-pull", "false"]));
    fs::write(first.join("edited.txt"), "2\n").unwrap();
    fs::rename(first.join("moved.txt"), sandbox.path("away.txt")).unwrap();
    fs::write(first.join("new.txt"), "1\n").unwrap();
    fs::write(first.join("ledger.txt"), "page one, corrected\n").unwrap();
    // The second attempt finds the other at a commit that is not here, and waits for the same.
    for _ in 0..2 {
        let told = Actor::Anabranch.sync(&sandbox, &first);
        assert!(told.contains("ledger.txt there waits: a program has it open"), "{told}");
    }
    holds(&second.join("new.txt"), "1\n");
    fs::write(first.join("edited.txt"), "1\n").unwrap();
    fs::rename(sandbox.path("away.txt"), first.join("moved.txt")).unwrap();
    fs::remove_file(first.join("new.txt")).unwrap();
    // It says that the other does not have all changes yet.
    attempt(&mut sandbox.anabranch(["sync", first.to_str().unwrap()]));
    // No engine runs that would know what it waits for.
    let why = run(&mut sandbox.anabranch(["why", second.join("ledger.txt").to_str().unwrap()]));
    assert!(why.contains("Anabranch has a change of it from elsewhere"), "{why}");

    drop(open);
    run(&mut sandbox.git(&first, ["config", "--unset", "remote.second.annex-pull"]));
    for clone in [&second, &first, &second] {
        Actor::Anabranch.sync(&sandbox, clone);
    }
    assert_eq!(trees::files(&first), before);
    holds(&first.join("edited.txt"), "1\n");
    holds(&second.join("edited.txt"), "1\n");
    holds(&second.join("moved.txt"), "1\n");
    assert!(!second.join("new.txt").exists());
    holds(&second.join("ledger.txt"), "page one, corrected\n");
    let answered = attempt(&mut sandbox.anabranch(["answer", "yes", second.to_str().unwrap()]));
    assert_eq!(answered.status.code(), Some(1), "no question was open: {answered:?}");
}

#[test]
fn a_file_arrives_where_the_directory_of_a_submodule_was_removed() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    let other = Actor::Anabranch.init(&sandbox, "other");
    fs::write(other.join("a.txt"), "a\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &other);
    let other = other.to_str().unwrap();
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        other,
        "sub",
    ];
    run(&mut sandbox.git(&first, add));
    run(&mut sandbox.git(&first, ["commit", "-qm", "a submodule"]));
    for clone in [&first, &second] {
        Actor::Anabranch.sync(&sandbox, clone);
    }
    fs::remove_dir(second.join("sub")).unwrap();
    run(&mut sandbox.git(&first, ["rm", "-qf", "sub"]));
    fs::write(first.join("sub"), "a file\n").unwrap();
    for clone in [&first, &second] {
        Actor::Anabranch.sync(&sandbox, clone);
    }
    holds(&second.join("sub"), "a file\n");
    assert_eq!(run(&mut sandbox.git(&second, ["status", "--porcelain"])), "");
}

#[test]
fn a_file_that_a_program_has_open_waits_until_it_is_closed() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    let engine = Engine::start(&sandbox, &[&first, &second]);
    let ledger = second.join("ledger.txt");
    holds(&ledger, "page one\n");
    let mut writer = fs::File::options().append(true).open(&ledger).unwrap();
    writer.write_all(b"page two\n").unwrap();
    fs::write(first.join("ledger.txt"), "page one, corrected\n").unwrap();
    problem(&sandbox, &second, &["ledger.txt", "open for writing"], true);
    fs::write(first.join("news.txt"), "news\n").unwrap();
    holds(&second.join("news.txt"), "news\n");
    writer.write_all(b"page three\n").unwrap();
    drop(writer);

    problem(&sandbox, &second, &["ledger.txt"], false);
    eventually(PATIENCE, || trees::same(&[&first, &second]));
    let texts: Vec<_> = trees::files(&first)
        .iter()
        .filter(|path| path.to_string_lossy().starts_with("ledger"))
        .map(|path| fs::read_to_string(first.join(path)).unwrap())
        .collect();
    for text in ["page one, corrected\n", "page one\npage two\npage three\n"] {
        assert!(
            texts.iter().any(|found| found == text),
            "{text:?} is in none of {texts:?}"
        );
    }
    engine.stop();
    for clone in [&first, &second] {
        checks::assert_whole(&sandbox, clone);
    }
}
