//! A file that is not synced, and a place that is not up to date: does the status say which, why, and what to do?

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use whole_system::asking::status;
use whole_system::clones::Actor;
use whole_system::drives::{Share, SmallDisk};
use whole_system::run::told;
use whole_system::skip::{needs_root, or_skipped};
use whole_system::{Engine, Sandbox, attempt, eventually, run};

/// A folder with one synced file.
fn folder(sandbox: &Sandbox, name: &str) -> PathBuf {
    let folder = Actor::Anabranch.init(sandbox, name);
    fs::write(folder.join("letter"), "Dear all,\n").unwrap();
    Actor::Anabranch.sync(sandbox, &folder);
    folder
}

fn why(sandbox: &Sandbox, path: &Path) -> String {
    run(sandbox.anabranch(["why"]).arg(path))
}

/// All that a command says that is to fail or to wait.
#[track_caller]
fn complains(mut command: std::process::Command) -> String {
    let output = attempt(&mut command);
    assert!(!output.status.success(), "{}", told(&command, &output));
    told(&command, &output)
}

#[track_caller]
fn has(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

#[test]
fn a_clone_without_an_engine_is_reported_until_its_files_follow() {
    let sandbox = Sandbox::new();
    let folder = folder(&sandbox, "folder");
    let clone = sandbox.path("clone");
    run(sandbox.anabranch(["clone"]).arg(&folder).arg(&clone));
    Actor::Anabranch.sync(&sandbox, &folder);
    let sync = |folder: &Path| {
        let mut command = sandbox.anabranch(["sync"]);
        command.arg(folder);
        command
    };
    fs::write(clone.join("letter"), "Dear all there,\n").unwrap();
    fs::write(folder.join("letter"), "Dear all here,\n").unwrap();
    for _ in 0..3 {
        has(&complains(sync(&folder)), &["clone", "letter", "not committed"]);
    }
    has(
        &why(&sandbox, &clone.join("letter")),
        &["changed here", "not committed"],
    );
    run(sandbox
        .command("git")
        .arg("-C")
        .arg(&clone)
        .args(["checkout", "-q", "letter"]));
    run(&mut sync(&folder));
    assert_eq!(fs::read(clone.join("letter")).unwrap(), b"Dear all here,\n");

    let git = |args: &[&str]| run(sandbox.command("git").arg("-C").arg(&clone).args(args));
    git(&["checkout", "-q", "--detach"]);
    fs::write(folder.join("news"), "later\n").unwrap();
    for _ in 0..2 {
        has(&complains(sync(&folder)), &["clone", "no branch is checked out"]);
    }
    git(&["checkout", "-q", "main"]);
    run(&mut sync(&folder));
    assert!(clone.join("news").exists());
}

#[test]
fn why_says_that_its_answer_may_be_old() {
    let sandbox = Sandbox::new();
    let folder = folder(&sandbox, "folder");
    let clone = sandbox.path("clone");
    run(sandbox.anabranch(["clone"]).arg(&folder).arg(&clone));
    for place in [&clone, &folder] {
        Actor::Anabranch.sync(&sandbox, place);
    }
    assert!(!why(&sandbox, &folder.join("letter")).contains("latest commits"));
    fs::write(clone.join("letter"), "Dear all there,\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &clone);
    assert_eq!(fs::read(folder.join("letter")).unwrap(), b"Dear all there,\n");
    has(&why(&sandbox, &folder.join("letter")), &["latest commits"]);
}

#[test]
fn each_file_that_is_not_synced_has_its_own_reason() {
    let sandbox = Sandbox::new();
    let folder = folder(&sandbox, "folder");
    fs::write(folder.join(".gitignore"), "# none\n*.log\n").unwrap();
    fs::write(folder.join("x.log"), "x\n").unwrap();
    mkfifo(&folder.join("pipe"), Mode::S_IRWXU).unwrap();
    run(sandbox.command("git").args(["init", "-q"]).arg(folder.join("code")));
    fs::write(folder.join("code/main.c"), "c\n").unwrap();
    // A project that was synced as files, and is a repository since.
    fs::create_dir(folder.join("letters")).unwrap();
    fs::write(folder.join("letters/1"), "Dear A,\n").unwrap();
    fs::create_dir(folder.join("project")).unwrap();
    fs::write(folder.join("project/a.c"), "a\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &folder);
    run(sandbox.command("git").args(["init", "-q"]).arg(folder.join("project")));
    fs::write(folder.join("project/b.c"), "b\n").unwrap();
    let mut open = File::create(folder.join("disk.img")).unwrap();
    open.write_all(b"x").unwrap();

    let mut sync = sandbox.anabranch(["sync"]);
    sync.arg(&folder);
    let said = complains(sync);
    has(
        &said,
        &[
            "a program is still writing disk.img",
            "code is a git repository of its own, so Anabranch does not sync its files. To sync it, add it as a folder",
            "project has become a git repository of its own: Anabranch still syncs 1 file in it from before",
        ],
    );
    for (path, reason) in [
        ("disk.img", "a program has it open for writing"),
        ("x.log", "it is ignored, by line 2 of"),
        ("pipe", "it is not a regular file but"),
        (
            "code/main.c",
            "is a git repository of its own, so Anabranch syncs nothing new in it",
        ),
        (
            "project/b.c",
            "is a git repository of its own, so Anabranch syncs nothing new in it",
        ),
        ("code", "code is a git repository of its own"),
        ("letters", "it is a directory; ask about a file in it"),
        ("nothing", "this folder has no file of that name"),
    ] {
        has(&why(&sandbox, &folder.join(path)), &[reason]);
    }
    fs::write(folder.join("new"), "new\n").unwrap();
    has(&why(&sandbox, &folder.join("new")), &["it is new"]);
    drop(open);
}

#[test]
fn another_branch_at_either_end_is_told_with_what_to_do() {
    let sandbox = Sandbox::new();
    let first = folder(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    Actor::Anabranch.sync(&sandbox, &second);
    run(&mut sandbox.git(&second, ["checkout", "-q", "-b", "work"]));
    fs::write(first.join("news"), "news\n").unwrap();
    let sync = |folder: &Path| {
        let mut sync = sandbox.anabranch(["sync"]);
        sync.arg(folder);
        complains(sync)
    };
    for (here, ours, theirs) in [(&first, "main", "work"), (&second, "work", "main")] {
        has(
            &sync(here),
            &[
                &format!("is on the branch {theirs} and this folder on {ours}"),
                "Nothing is lost",
                &format!("Run 'git checkout {theirs}' here, or 'git checkout {ours}' there"),
            ],
        );
    }
    run(&mut sandbox.git(&second, ["checkout", "-q", "--detach"]));
    has(
        &sync(&second),
        &["has no branch checked out", "Run 'git checkout BRANCH'"],
    );
    run(&mut sandbox.git(&second, ["checkout", "-q", "main"]));
    for clone in [&first, &second] {
        Actor::Anabranch.sync(&sandbox, clone);
    }
    assert_eq!(fs::read_to_string(second.join("news")).unwrap(), "news\n");
}

#[test]
fn contents_that_git_settings_hold_back_are_told_with_the_setting() {
    let sandbox = Sandbox::new();
    let first = folder(&sandbox, "first");
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    let sync = |folder: &Path| Actor::Anabranch.sync(&sandbox, folder);
    run(&mut sandbox.git(&second, ["config", "remote.origin.annex-ignore", "true"]));
    has(
        &sync(&second),
        &["1 file is only in first, and git's settings let no content come from there"],
    );
    run(&mut sandbox.git(&second, ["config", "--unset", "remote.origin.annex-ignore"]));
    sync(&second);
    for (setting, value, told) in [
        ("annex-ignore", "true", "annex-ignore is set for it"),
        ("annex-readonly", "true", "annex-readonly is set for it"),
        ("annex-push", "false", "annex-push is off for it"),
    ] {
        let name = format!("remote.second.{setting}");
        run(&mut sandbox.git(&first, ["config", &name, value]));
        fs::write(first.join(setting), setting).unwrap();
        let said = run(sandbox.anabranch(["sync"]).arg(&first));
        has(&said, &["up to date", &format!("second: gets no content: {told}")]);
        has(&why(&sandbox, &first.join(setting)), &["second"]);
        run(&mut sandbox.git(&first, ["config", "--unset", &name]));
        sync(&first);
    }
}

#[test]
fn a_lock_that_was_left_at_a_drive_is_told_with_its_age_and_goes_with_its_cause() {
    let sandbox = Sandbox::new();
    let folder = folder(&sandbox, "folder");
    let drive = Actor::Anabranch.clone(&sandbox, &folder, "drive.git", true);
    Actor::Anabranch.sync(&sandbox, &folder);
    let lock = drive.join("refs/heads/main.lock");
    let left = File::create(&lock).unwrap();
    left.set_modified(SystemTime::now() - Duration::from_secs(3 * 3600))
        .unwrap();
    fs::write(folder.join("news"), "news\n").unwrap();
    let mut sync = sandbox.anabranch(["sync"]);
    sync.arg(&folder);
    has(&complains(sync), &["drive.git/refs/heads/main.lock", "3 hours"]);
    fs::remove_file(&lock).unwrap();
    run(sandbox.anabranch(["sync"]).arg(&folder));
    let tip = |repository: &Path| run(&mut sandbox.git(repository, ["rev-parse", "main"]));
    assert_eq!(tip(&folder), tip(&drive));
}

#[test]
fn names_reach_the_terminal_without_control_characters() {
    let sandbox = Sandbox::new();
    let folder = folder(&sandbox, "red\u{1b}[31m");
    let is_harmless = |text: &str| !text.contains('\u{1b}');
    let engine = Engine::spawn(&sandbox, &[&folder]);
    engine.says("red\u{fffd}[31m");
    // The path of the log is the test's own.
    let words = engine.words();
    let (_, said) = words.split_once('\n').unwrap();
    assert!(is_harmless(said), "{said:?}");
    engine.stop();
    let missing = sandbox.path("not \u{1b}[31m there");
    for arguments in [["run"], ["sync"], ["status"], ["init"]] {
        let mut command = sandbox.anabranch(arguments);
        let output = match arguments {
            ["init"] => command.arg(missing.join("letter")).arg("--description"),
            _ => command.arg(&missing),
        };
        let output = attempt(output);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.is_empty() && is_harmless(&said), "{arguments:?}: {said:?}");
    }
}

#[test]
fn changes_behind_a_mount_are_found_in_the_time_that_is_told() {
    if !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let server = sandbox.path("server");
    fs::create_dir(&server).unwrap();
    let Some(_share) = or_skipped("mount", Share::new(&sandbox, &server, "share")) else {
        return;
    };
    let there = folder(&sandbox, "share/there");
    let here = Actor::Anabranch.clone(&sandbox, &there, "here", false);
    Actor::Anabranch.sync(&sandbox, &here);
    let engine = Engine::start(&sandbox, &[&there, &here]);
    eventually(Duration::from_secs(20), || {
        let notes = status(&sandbox, &there)?["notes"].to_string();
        let words = "Anabranch notices changes that others make in this folder only every 30 seconds";
        notes.contains(words).then_some(()).ok_or(notes)
    });
    fs::write(server.join("there/news"), "from another computer\n").unwrap();
    eventually(Duration::from_secs(60), || {
        match fs::read_to_string(here.join("news")) {
            Ok(text) if text == "from another computer\n" => Ok(()),
            found => Err(format!("{found:?}")),
        }
    });
    engine.stop();
}

#[test]
fn changes_in_a_remote_behind_a_mount_are_found_in_the_time_that_is_told() {
    if !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let server = sandbox.path("server");
    fs::create_dir(&server).unwrap();
    let Some(_share) = or_skipped("mount", Share::new(&sandbox, &server, "share")) else {
        return;
    };
    let there = folder(&sandbox, "share/there");
    let here = Actor::Anabranch.clone(&sandbox, &there, "here", false);
    Actor::Anabranch.sync(&sandbox, &here);
    let engine = Engine::start(&sandbox, &[&here]);
    eventually(Duration::from_secs(20), || {
        let notes = status(&sandbox, &here)?["notes"].to_string();
        let words = "Anabranch notices changes that others make in origin only every 30 seconds";
        notes.contains(words).then_some(()).ok_or(notes)
    });
    let real = server.join("there");
    // Nobody pushes to the folder: it has to find the change itself.
    run(&mut sandbox.git(&real, ["config", "remote.here.annex-push", "false"]));
    fs::write(real.join("news"), "from another computer\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &real);
    eventually(Duration::from_secs(60), || {
        match fs::read_to_string(here.join("news")) {
            Ok(text) if text == "from another computer\n" => Ok(()),
            found => Err(format!("{found:?}")),
        }
    });
    engine.stop();
}

#[test]
fn a_disk_that_is_mounted_in_the_folder_is_seen_and_its_going_deletes_nothing() {
    if !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let here = folder(&sandbox, "here");
    let clone = Actor::Anabranch.clone(&sandbox, &here, "clone", false);
    Actor::Anabranch.sync(&sandbox, &here);
    fs::create_dir(here.join("disk")).unwrap();
    let engine = Engine::start(&sandbox, &[&here]);
    let Some(disk) = or_skipped("mount", SmallDisk::new(&sandbox, "here/disk", 12)) else {
        return;
    };
    for name in ["disk/a", "disk/b"] {
        fs::write(here.join(name), name).unwrap();
        eventually(Duration::from_secs(20), || match fs::read_to_string(clone.join(name)) {
            Ok(text) if text == name => Ok(()),
            found => Err(format!("{found:?}")),
        });
    }
    drop(disk);
    let mut sync = sandbox.anabranch(["sync"]);
    sync.arg(&here);
    has(&complains(sync), &["Anabranch does not sync disk: it is empty"]);
    for name in ["disk/a", "disk/b"] {
        assert_eq!(fs::read_to_string(clone.join(name)).unwrap(), name);
    }
    engine.stop();
}
