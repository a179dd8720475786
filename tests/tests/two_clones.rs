//! Anabranch at one end, the real git-annex at the other: after random edits on both, both have the same, and all of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::run::told;
use whole_system::skip::needs_git_annex;
use whole_system::{Chance, Engine, Sandbox, attempt, checks, edits, eventually, run, trees};

/// What may differ between two clones that are to agree.
#[derive(Clone, Copy)]
struct Case {
    ours: Actor,
    theirs: Actor,
    /// Who makes the first repository.
    maker: Actor,
    is_unlocked: bool,
    /// Whether the two know only a bare repository between them.
    is_bare_between: bool,
}

const CASE: Case = Case {
    ours: Actor::Anabranch,
    theirs: Actor::GitAnnex,
    maker: Actor::Anabranch,
    is_unlocked: true,
    is_bare_between: false,
};

/// The checks themselves: git-annex agrees with itself.
#[test]
fn git_annex_with_itself() {
    agree(Case {
        ours: Actor::GitAnnex,
        maker: Actor::GitAnnex,
        ..CASE
    });
}

#[test]
fn unlocked_side_by_side() {
    agree(CASE);
}

#[test]
fn unlocked_through_a_bare_repository() {
    agree(Case {
        is_bare_between: true,
        ..CASE
    });
}

#[test]
fn locked_side_by_side() {
    agree(Case {
        maker: Actor::GitAnnex,
        is_unlocked: false,
        ..CASE
    });
}

#[test]
fn locked_through_a_bare_repository() {
    agree(Case {
        maker: Actor::GitAnnex,
        is_unlocked: false,
        is_bare_between: true,
        ..CASE
    });
}

#[test]
fn two_of_ours_through_a_bare_repository() {
    agree(Case {
        theirs: Actor::Anabranch,
        is_bare_between: true,
        ..CASE
    });
}

fn agree(case: Case) {
    if !needs_git_annex() {
        return;
    }
    let mut chance = Chance::new();
    let sandbox = Sandbox::new();
    let first = case.maker.init(&sandbox, "first");
    let unlocked = case.is_unlocked.to_string();
    run(&mut sandbox.git(&first, ["config", "annex.addunlocked", &unlocked]));
    fs::write(first.join(edits::ALWAYS_HERE), "A branch needs a file to begin with.\n").unwrap();
    edits::edit(&mut chance, &first, 10);
    case.maker.sync(&sandbox, &first);

    let (ours, theirs, between);
    if case.is_bare_between {
        between = Some(case.maker.clone(&sandbox, &first, "between", true));
        whole_system::clones::connect(&sandbox, &first, "between", between.as_deref().unwrap());
        case.maker.sync(&sandbox, &first);
        ours = case.ours.clone(&sandbox, between.as_deref().unwrap(), "ours", false);
        theirs = case
            .theirs
            .clone(&sandbox, between.as_deref().unwrap(), "theirs", false);
    } else {
        between = None;
        let (second, is_ours) = if case.maker == case.ours {
            (case.theirs, true)
        } else {
            (case.ours, false)
        };
        let second = second.clone(&sandbox, &first, if is_ours { "theirs" } else { "ours" }, false);
        connect_both(&sandbox, &first, &second);
        (ours, theirs) = if is_ours { (first, second) } else { (second, first) };
    }
    for clone in [&ours, &theirs] {
        run(&mut sandbox.git(clone, ["config", "annex.addunlocked", &unlocked]));
    }
    wait_for_rest(&sandbox, case, &ours, &theirs, "before the first round");

    for round in 1..=4 {
        let by_us = edits::edit(&mut chance, &ours, 8);
        let by_them = edits::edit(&mut chance, &theirs, 8);
        let story = format!("round {round}\nours: {:#?}\ntheirs: {:#?}", by_us.lines, by_them.lines);
        wait_for_rest(&sandbox, case, &ours, &theirs, &story);
        let standing = trees::contents(&trees::tree(&ours));
        let written = by_us.kept_beside(&by_them).chain(by_them.kept_beside(&by_us));
        let lost: Vec<_> = written.filter(|(digest, _)| !standing.contains(*digest)).collect();
        assert!(
            lost.is_empty(),
            "contents that somebody had just written are gone: {lost:?}\n{story}"
        );
    }
    for clone in [&ours, &theirs] {
        checks::assert_whole(&sandbox, clone);
        checks::assert_copies(&sandbox, clone, 2);
    }
    if let Some(between) = between {
        checks::assert_whole(&sandbox, &between);
    }
}

/// Lets both sync in turn until they agree: mostly two turns each; git-annex with itself has been seen to need five.
fn wait_for_rest(sandbox: &Sandbox, case: Case, ours: &Path, theirs: &Path, story: &str) {
    let (mut differing, mut said) = (String::new(), [String::new(), String::new()]);
    for _ in 0..8 {
        said = [case.ours.sync(sandbox, ours), case.theirs.sync(sandbox, theirs)];
        let agreed = trees::same(&[ours, theirs])
            .and_then(|()| checks::same_commit_tree(sandbox, &[ours, theirs]))
            .and_then(|()| checks::is_clean(sandbox, ours))
            .and_then(|()| checks::is_clean(sandbox, theirs));
        match agreed {
            Ok(()) => return,
            Err(difference) => differing = difference,
        }
    }
    let history =
        [ours, theirs].map(|clone| run(&mut sandbox.git(clone, ["log", "--graph", "--oneline", "--all", "-30"])));
    panic!(
        "after eight turns each: {differing}\n{story}\nat last:\n{}\n{}",
        said.join("\n"),
        history.join("\n")
    );
}

/// Without git-annex on the machine, the filter is our own; `git status`, `git add` and `git checkout` work with it.
#[test]
fn git_works_where_git_annex_is_not_installed() {
    let sandbox = Sandbox::without_git_annex();
    let first = Actor::Anabranch.init(&sandbox, "first");
    fs::write(first.join("a file.bin"), vec![7; 40_000]).unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    checks::is_clean(&sandbox, &first).unwrap();

    // As with git-annex, `git add` adds to git itself unless the settings say what belongs into the annex.
    fs::write(first.join("small.txt"), "to git\n").unwrap();
    run(&mut sandbox.git(&first, ["add", "small.txt"]));
    assert_eq!(run(&mut sandbox.git(&first, ["show", ":small.txt"])), "to git\n");
    run(&mut sandbox.git(&first, ["config", "annex.largefiles", "largerthan=1kb"]));
    fs::write(first.join("by git.bin"), vec![8; 40_000]).unwrap();
    run(&mut sandbox.git(&first, ["add", "by git.bin"]));
    let staged = run(&mut sandbox.git(&first, ["show", ":by git.bin"]));
    assert!(
        staged.starts_with("/annex/objects/"),
        "git add did not make a pointer: {staged}"
    );
    run(&mut sandbox.git(&first, ["commit", "--quiet", "--message", "by hand"]));

    fs::remove_file(first.join("a file.bin")).unwrap();
    run(&mut sandbox.git(&first, ["checkout", "--", "a file.bin"]));
    assert_eq!(fs::read(first.join("a file.bin")).unwrap(), vec![7; 40_000]);
    checks::is_clean(&sandbox, &first).unwrap();
    checks::assert_whole(&sandbox, &first);
}

/// A push into a clone that nobody runs brings its files too, as git-annex's own post-receive does.
#[test]
fn a_push_brings_the_files_of_an_idle_clone() {
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    fs::write(first.join("letter.txt"), "Dear all,\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    trees::same(&[&first, &second]).unwrap();
    assert_eq!(fs::read_to_string(second.join("letter.txt")).unwrap(), "Dear all,\n");
    checks::assert_whole(&sandbox, &second);
}

/// Files that are gone are asked about, also where no engine runs; the question can be answered there.
#[test]
fn a_question_is_answered_without_an_engine() {
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    fs::create_dir(first.join("photos")).unwrap();
    for number in 0..9 {
        fs::write(first.join(format!("photos/{number}.jpg")), [number; 500]).unwrap();
    }
    fs::write(first.join("letter.txt"), "Dear all,\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    trees::same(&[&first, &second]).unwrap();
    let mut retouched = trees::tree(&first);

    fs::remove_dir_all(first.join("photos")).unwrap();
    let asks = || {
        let mut command = sandbox.anabranch(["sync"]);
        let output = attempt(command.arg(&first));
        assert_eq!(output.status.code(), Some(2), "{}", told(&command, &output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("9 of 10 files are gone"), "{said}");
        // The change from elsewhere that waits with it is not told as a trouble of its own.
        assert!(!said.contains("in their way"), "{said}");
    };
    fs::write(second.join("photos/3.jpg"), "retouched\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &second);
    for _ in 0..4 {
        asks();
    }
    run(sandbox.anabranch(["answer", "no"]).arg(&first));
    retouched.insert(
        "photos/3.jpg".into(),
        trees::tree(&second)[Path::new("photos/3.jpg")].clone(),
    );
    assert_eq!(trees::tree(&first), retouched);

    fs::remove_dir_all(first.join("photos")).unwrap();
    asks();
    run(sandbox.anabranch(["answer", "yes"]).arg(&first));
    assert_eq!(trees::files(&first), BTreeSet::from(["letter.txt".into()]));
    // Of the other it was not said.
    assert_eq!(trees::tree(&second), retouched);
    let mut command = sandbox.anabranch(["sync"]);
    let output = attempt(command.arg(&second));
    assert_eq!(output.status.code(), Some(2), "{}", told(&command, &output));
    assert_eq!(trees::tree(&second), retouched);
    run(sandbox.anabranch(["answer", "yes"]).arg(&second));
    trees::same(&[&first, &second]).unwrap();
}

/// Many deletions that arrive are asked about before they are in the folder, again after each start, and again when there
/// are more of them; everything else goes on.
#[test]
fn many_deletions_that_arrive_are_asked_about() {
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    fs::create_dir(first.join("photos")).unwrap();
    for number in 0..9 {
        fs::write(first.join(format!("photos/{number}.jpg")), [number; 500]).unwrap();
    }
    Actor::Anabranch.sync(&sandbox, &first);
    trees::same(&[&first, &second]).unwrap();
    let photos = trees::tree(&first);

    let delete = |count: usize| {
        for number in 0..count {
            run(&mut sandbox.git(&second, ["rm", "--quiet", &format!("photos/{number}.jpg")]));
        }
        run(&mut sandbox.git(&second, ["commit", "--quiet", "--message", "git-annex in a bad day"]));
    };
    let sync = || {
        let mut command = sandbox.anabranch(["sync"]);
        let output = attempt(command.arg(&first));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    let asks = |figures: &str| {
        let (code, said) = sync();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(figures) && said.contains("in a bad day"), "{said}");
    };
    delete(6);
    asks("deleted 6 of the 9 files");
    fs::write(first.join("letter.txt"), "Dear all,\n").unwrap();
    asks("deleted 6 of the 10 files");
    checks::is_clean(&sandbox, &first).unwrap();
    let mut wanted = photos;
    wanted.insert(
        "letter.txt".into(),
        trees::tree(&first)[Path::new("letter.txt")].clone(),
    );
    assert_eq!(trees::tree(&first), wanted);

    run(sandbox.anabranch(["answer", "no"]).arg(&first));
    assert_eq!(sync().0, Some(0));
    assert_eq!(trees::tree(&first), wanted);
    trees::same(&[&first, &second]).unwrap();
    for clone in [&first, &second] {
        checks::assert_whole(&sandbox, clone);
    }

    delete(9);
    asks("deleted 9 of the 10 files");
    run(sandbox.anabranch(["answer", "yes"]).arg(&first));
    assert_eq!(trees::files(&first), BTreeSet::from(["letter.txt".into()]));
    assert_eq!(sync().0, Some(0));
    trees::same(&[&first, &second]).unwrap();
}

/// What git-annex enabled by itself, and nobody has found to be right, keeps everything here, as git-annex does.
#[test]
fn nothing_is_sent_while_a_remote_is_not_verified() {
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    let set = |name: &str, value: &str| run(&mut sandbox.git(&first, ["config", name, value]));
    let enable = || {
        set("remote.shared.annex-rsyncurl", "host.example:photos");
        set("remote.shared.annex-uuid", "b2b8f4a1-1d0a-4a5c-9b65-5d2f3f6c7a10");
        set("remote.shared.annex-verified", "automatic");
    };
    let asks = || {
        let mut command = sandbox.anabranch(["sync"]);
        let output = attempt(command.arg(&first));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("shared") && said.contains("host.example:photos"),
            "{said}"
        );
    };
    let exists = |name: &str| second.join(name).symlink_metadata().is_ok();
    for (name, answer) in [("one.txt", "yes"), ("two.txt", "no")] {
        enable();
        fs::write(first.join(name), name).unwrap();
        fs::write(second.join(format!("from second, {name}")), name).unwrap();
        run(&mut sandbox.git(&second, ["add", "."]));
        run(&mut sandbox.git(&second, ["commit", "--quiet", "--message", name]));
        asks();
        assert!(!exists(name), "neither commits nor contents are sent");
        assert!(
            first.join(format!("from second, {name}")).exists(),
            "what comes from there is taken"
        );
        run(sandbox.anabranch(["answer", answer]).arg(&first));
        Actor::Anabranch.sync(&sandbox, &first);
        assert!(exists(name));
        let listed = run(&mut sandbox.git(&first, ["config", "--list", "--local"]));
        let is_verified = listed.contains("remote.shared.annex-verified=verified");
        assert_eq!(
            (is_verified, listed.contains("remote.shared.")),
            (answer == "yes", answer == "yes")
        );
    }
}

/// A changed file that somebody has not saved to git yet is never written over by a push.
#[test]
fn a_push_leaves_a_changed_clone_alone() {
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    fs::write(first.join("letter.txt"), "one\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    Actor::Anabranch.sync(&sandbox, &second);
    connect_both(&sandbox, &first, &second);
    fs::write(second.join("letter.txt"), "mine, not saved to git\n").unwrap();
    fs::write(first.join("letter.txt"), "two\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    assert_eq!(
        fs::read_to_string(second.join("letter.txt")).unwrap(),
        "mine, not saved to git\n"
    );
    Actor::Anabranch.sync(&sandbox, &second);
    Actor::Anabranch.sync(&sandbox, &first);
    trees::same(&[&first, &second]).unwrap();
    let texts: BTreeSet<String> = trees::files(&first)
        .iter()
        .map(|path| fs::read_to_string(first.join(path)).unwrap())
        .collect();
    let both = BTreeSet::from(["mine, not saved to git\n".to_owned(), "two\n".to_owned()]);
    assert_eq!(texts, both, "a conflict keeps both");
}

/// Two engines on the two ends of one remote come to rest: no more commits once all is up to date.
#[test]
fn two_engines_come_to_rest() {
    let mut chance = Chance::new();
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    let engines = [Engine::start(&sandbox, &[&first]), Engine::start(&sandbox, &[&second])];
    let by_first = edits::edit(&mut chance, &first, 20);
    let by_second = edits::edit(&mut chance, &second, 20);
    let in_step = || {
        let standing = trees::contents(&trees::tree(&first));
        let mut written = by_first.kept_beside(&by_second).chain(by_second.kept_beside(&by_first));
        let has_all = written.all(|(digest, _)| standing.contains(digest));
        let all = if has_all {
            Ok(())
        } else {
            Err("not all contents are there yet".to_owned())
        };
        all.and_then(|()| trees::same(&[&first, &second]))
            .and_then(|()| checks::same_commit_tree(&sandbox, &[&first, &second]))
    };
    eventually(Duration::from_secs(60), in_step);
    checks::come_to_rest(&sandbox, &[&first, &second], Duration::from_secs(30));
    for engine in engines {
        engine.stop();
    }
    for clone in [&first, &second] {
        checks::assert_whole(&sandbox, clone);
    }
}

/// `git annex info` shows what we transfer while we do: the transfer locks and files are git-annex's own.
#[test]
fn git_annex_sees_our_transfers() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    // Each takes some four seconds, on whatever machine.
    run(&mut sandbox.git(&first, ["config", "annex.bwlimit-upload", "2mb"]));
    let engine = Engine::start(&sandbox, &[&first]);
    fs::write(first.join("film.mkv"), Chance::from_seed(1).bytes(8 << 20)).unwrap();
    // Frozen as soon as a transfer is there, because a look by git-annex may take longer than the transfer.
    eventually(Duration::from_secs(60), || {
        let is_running = [&first, &second].iter().any(|clone| {
            let files = trees::files(&clone.join(".git/annex/transfer"));
            let mut names = files.iter().map(|path| path.to_string_lossy());
            names.any(|name| !name.contains("failed") && !name.contains("lck."))
        });
        if is_running {
            Ok(())
        } else {
            Err("no transfer was seen")
        }
    });
    engine.freeze();
    let seen = [&first, &second].map(|clone| {
        // It merges nothing: the engine may be frozen with the lock on the journal in its hand.
        let merges = "annex.merge-annex-branches=false";
        let mut info = sandbox.command("timeout");
        info.current_dir(clone)
            .args(["--kill-after=5", "60", "git", "-c", merges, "annex", "info", "--fast"]);
        run(&mut info)
    });
    engine.thaw();
    let seen = seen.concat();
    assert!(
        seen.contains("film") || seen.contains("SHA256E-s8388608"),
        "git annex info saw no transfer:\n{seen}"
    );
    eventually(Duration::from_secs(60), || trees::same(&[&first, &second]));
    engine.stop();
    checks::assert_whole(&sandbox, &second);
}
