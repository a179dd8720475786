//! A folder in which git asks the engine which files have changed: is git ever wrong, and is nothing left of it afterwards?

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use whole_system::clones::{Actor, connect_both};
use whole_system::skip::needs_git_annex;
use whole_system::{Chance, Engine, Sandbox, ask, attempt, checks, edits, eventually, run};

const SOON: Duration = Duration::from_secs(30);

fn set(folder: &Path, is_on: bool) -> Value {
    let setting = json!({"set-folder": {"setting": {"quick-git": is_on}}});
    serde_json::from_str(&ask(folder, &setting.to_string())).unwrap()
}

/// What git says, if it says nothing else.
fn status(sandbox: &Sandbox, folder: &Path, options: &[&str], index: &Path) -> Result<String, String> {
    let arguments = [
        &["--no-optional-locks"],
        options,
        &["status", "--porcelain", "--branch"],
    ]
    .concat();
    let output = attempt(sandbox.git(folder, arguments).env("GIT_INDEX_FILE", index));
    match output.status.success() && output.stderr.is_empty() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// git says the same whether it asks the engine or looks for itself.
#[track_caller]
fn assert_right(sandbox: &Sandbox, folder: &Path) {
    let copy = sandbox.path("copy of the index");
    let alone = ["-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"];
    eventually(SOON, || {
        fs::copy(folder.join(".git/index"), &copy).map_err(|error| error.to_string())?;
        let before = status(sandbox, folder, &alone, &copy)?;
        let asking = status(sandbox, folder, &[], &copy)?;
        let after = status(sandbox, folder, &alone, &copy)?;
        match before == after {
            true if asking == before => Ok(()),
            true => panic!("git looks for itself:\n{before}\nand asks the engine:\n{asking}"),
            false => Err("the engine is at work".to_owned()),
        }
    });
}

fn has_extension(folder: &Path, name: &[u8]) -> bool {
    let index = fs::read(folder.join(".git/index")).unwrap();
    index.windows(4).any(|window| window == name)
}

fn two_clones(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "it's the first");
    fs::write(first.join(edits::ALWAYS_HERE), "").unwrap();
    fs::write(first.join(".gitignore"), "*.o\nbuild/\n").unwrap();
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    Actor::Anabranch.sync(sandbox, &first);
    (first, second)
}

/// Changes that leave directories empty, swap them, or make what is ignored.
fn disturb(chance: &mut Chance, folder: &Path) {
    let at = |name: &str| folder.join(name);
    match chance.below(6) {
        0 => fs::create_dir_all(at("swapped/within")).unwrap(),
        1 => {
            let _ = fs::rename(at("swapped"), at("swapped away"));
            let _ = fs::rename(at("work"), at("swapped"));
        }
        2 => _ = fs::remove_dir_all(at("swapped away")),
        3 => {
            fs::create_dir_all(at("swapped/within/build")).unwrap();
            fs::write(at("swapped/within/build/a.o"), "").unwrap();
            fs::write(at("swapped/within/own"), chance.bytes(10)).unwrap();
        }
        4 => fs::write(at("a.o"), "").unwrap(),
        _ => fs::write(at(".gitignore"), *chance.pick(&["*.o\nbuild/\n", "", "own\n"])).unwrap(),
    }
}

#[test]
fn git_is_never_wrong_while_files_change_here_and_elsewhere() {
    for split_from in ["1", "1000000"] {
        let sandbox = Sandbox::new();
        let (first, second) = two_clones(&sandbox);
        let variables = [("ANABRANCH_TEST_SPLIT_FROM", split_from)];
        let mut engine = Engine::spawn_with(&sandbox, &[&first], &variables);
        engine.wait_until_up(&sandbox, &first);
        assert_eq!(set(&first, true), "done");
        let mut chance = Chance::new();
        for round in 0..15 {
            let command = *chance.pick(&["pause", "resume"]);
            run(sandbox.anabranch([command]).arg(&first));
            match round % 5 {
                4 => {
                    edits::edit(&mut chance, &second, 5);
                    Actor::Anabranch.sync(&sandbox, &second);
                }
                _ => {
                    edits::edit(&mut chance, &first, 3);
                    disturb(&mut chance, &first);
                }
            }
            assert_right(&sandbox, &first);
            // git remembers in the index what it has found.
            let _ = attempt(&mut sandbox.git(&first, ["status"]));
            assert_right(&sandbox, &first);
        }
        assert!(has_extension(&first, b"FSMN") && has_extension(&first, b"UNTR"));
        engine.kill();
        edits::edit(&mut chance, &first, 5);
        assert_right(&sandbox, &first);
        let engine = Engine::start(&sandbox, &[&first]);
        edits::edit(&mut chance, &first, 5);
        assert_right(&sandbox, &first);
        run(sandbox.anabranch(["resume"]).arg(&first));
        engine.stop();
        edits::edit(&mut chance, &first, 5);
        assert_right(&sandbox, &first);
        Actor::Anabranch.sync(&sandbox, &first);
        checks::assert_whole(&sandbox, &first);
    }
}

#[test]
fn a_directory_in_the_place_of_another_is_listed_again() {
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    fs::create_dir_all(first.join("top/within")).unwrap();
    fs::write(first.join("top/within/tracked"), "").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(set(&first, true), "done");
    run(sandbox.anabranch(["pause"]).arg(&first));
    fs::write(first.join("top/within/own"), "").unwrap();
    // The second finds in the index what the first has put there.
    for _ in 0..2 {
        run(&mut sandbox.git(&first, ["status"]));
    }
    fs::rename(first.join("top"), first.join("away")).unwrap();
    fs::create_dir_all(first.join("top/within")).unwrap();
    assert_right(&sandbox, &first);
    engine.stop();
}

#[test]
fn what_came_without_an_engine_is_found_after_commands_that_list_nothing() {
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    fs::create_dir(first.join("directory")).unwrap();
    fs::write(first.join("directory/tracked"), "tracked").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let mut engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(set(&first, true), "done");
    run(sandbox.anabranch(["pause"]).arg(&first));
    let arguments: [&[&str]; 4] = [
        &["update-index", "--refresh"],
        &["add", edits::ALWAYS_HERE],
        &["commit", "-qam", "changed"],
        &["reset", "--hard", "--quiet"],
    ];
    for (number, arguments) in arguments.into_iter().enumerate() {
        for _ in 0..2 {
            run(&mut sandbox.git(&first, ["status"]));
        }
        engine.stop();
        fs::write(first.join(format!("directory/{number}")), "").unwrap();
        fs::write(first.join(edits::ALWAYS_HERE), number.to_string()).unwrap();
        engine = Engine::start(&sandbox, &[&first]);
        let _ = attempt(&mut sandbox.git(&first, arguments));
        assert_right(&sandbox, &first);
    }
    engine.stop();
}

#[test]
fn what_git_cannot_add_or_has_several_names_is_seen() {
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    fs::write(first.join("one"), "one").unwrap();
    fs::hard_link(first.join("one"), first.join("another")).unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(set(&first, true), "done");
    run(sandbox.anabranch(["pause"]).arg(&first));
    let settle = || (0..2).for_each(|_| _ = run(&mut sandbox.git(&first, ["status"])));
    settle();
    // Told that anything may have changed, git goes by the times of directories, and two changes in one tick of the clock
    // look to it like one.
    let mut times = (1..).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let mut new_times = |path: &Path| {
        for directory in path
            .ancestors()
            .skip(1)
            .take_while(|directory| directory.starts_with(&first))
        {
            fs::File::open(directory)
                .unwrap()
                .set_modified(times.next().unwrap())
                .unwrap();
        }
    };
    for name in [".GIT", "git~1/within/own", ".git. "] {
        let path = first.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        new_times(&path);
        assert_right(&sandbox, &first);
        settle();
        fs::remove_file(&path).unwrap();
        new_times(&path);
        assert_right(&sandbox, &first);
    }
    settle();
    fs::write(first.join("one"), "more").unwrap();
    assert_right(&sandbox, &first);
    engine.stop();
}

#[test]
fn git_asks_the_engine_and_nobody_after_it_is_turned_off() {
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    let config = || fs::read_to_string(first.join(".git/config")).unwrap();
    let engine = Engine::start(&sandbox, &[&first]);
    let before = config();
    assert_eq!(set(&first, true), "done");
    let told = || whole_system::asking::status(&sandbox, &first).unwrap()["settings"]["quick_git"].clone();
    assert_eq!(told(), json!({"value": "true", "origin": "here"}));
    let answer = |moment: &str| {
        let mut hook = sandbox.command(whole_system::programs::anabranch());
        run(hook.current_dir(&first).args(["fsmonitor", "2", moment]))
    };
    let moment = answer("").split('\0').next().unwrap().to_owned();
    assert!(
        answer("").ends_with("\0/\0"),
        "of an unknown moment everything may have changed"
    );
    fs::write(first.join("a.o"), "").unwrap();
    let changed = answer(&moment);
    assert!(
        changed.contains("\0a.o\0") && !changed.contains(edits::ALWAYS_HERE),
        "{changed:?}"
    );
    run(&mut sandbox.git(&first, ["status"]));
    assert!(has_extension(&first, b"FSMN") && has_extension(&first, b"UNTR"));

    assert_eq!(set(&first, false), "done");
    assert_eq!(config(), before);
    assert!(!has_extension(&first, b"FSMN") && !has_extension(&first, b"UNTR"));
    assert_right(&sandbox, &first);

    // What the user has set stays.
    run(&mut sandbox.git(&first, ["config", "core.untrackedCache", "false"]));
    let theirs = config();
    let refused = set(&first, true);
    assert!(
        refused["refused"].as_str().unwrap().contains("core.untrackedCache"),
        "{refused}"
    );
    assert_eq!(config(), theirs);
    engine.stop();
}

#[test]
fn git_annex_works_where_git_asks_the_engine() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(set(&first, true), "done");
    run(sandbox.anabranch(["pause"]).arg(&first));
    let annex = |arguments: &[&str]| run(&mut sandbox.git(&first, [&["annex"], arguments].concat()));
    for round in 0..2 {
        let (one, other) = (format!("album/one {round}"), format!("album/other {round}"));
        fs::create_dir_all(first.join("album")).unwrap();
        fs::write(first.join(&one), &one).unwrap();
        fs::write(first.join(&other), &other).unwrap();
        run(&mut sandbox.git(&first, ["status"]));
        annex(&["add", "--quiet", "album"]);
        assert_right(&sandbox, &first);
        run(&mut sandbox.git(&first, ["commit", "-qm", "added"]));
        annex(&["unlock", "--quiet", &one]);
        assert_right(&sandbox, &first);
        run(&mut sandbox.git(&first, ["status"]));
        annex(&["lock", "--quiet", &one]);
        annex(&["drop", "--quiet", "--force", &other]);
        assert_right(&sandbox, &first);
        run(&mut sandbox.git(&first, ["status"]));
        assert_right(&sandbox, &first);
    }
    annex(&["fsck", "--quiet", "--fast", "album/one 0"]);
    run(sandbox.anabranch(["resume"]).arg(&first));
    engine.stop();
    checks::git_fsck(&sandbox, &first);
}
