//! Content is fetched when somebody asks for it, where git-annex would fetch it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::drives::ReadOnly;
use whole_system::run::told;
use whole_system::skip::{needs_git_annex, needs_sshd, or_skipped};
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, Sandbox, Sshd, attempt, checks, eventually, run, trees};

const SOON: Duration = Duration::from_secs(30);

/// A laptop without the content of its two files, one of which is locked, and places that can have it.
struct Scene {
    sandbox: Sandbox,
    laptop: PathBuf,
    other: PathBuf,
}

impl Scene {
    fn new(steps: &[&str]) -> Scene {
        let sandbox = Sandbox::new();
        let laptop = Actor::GitAnnex.init(&sandbox, "laptop");
        let add = |name: &str, is_unlocked: &str| {
            fs::write(laptop.join(name), name).unwrap();
            let setting = format!("annex.addunlocked={is_unlocked}");
            run(&mut sandbox.git(&laptop, ["-c", &setting, "annex", "add", "--quiet", name]));
        };
        add("locked", "false");
        add("unlocked", "true");
        run(&mut sandbox.git(&laptop, ["commit", "--quiet", "-m", "files"]));
        let other = Actor::GitAnnex.clone(&sandbox, &laptop, "other", false);
        connect_both(&sandbox, &laptop, &other);
        let directory = sandbox.path("directory");
        fs::create_dir(&directory).unwrap();
        let scene = Scene { sandbox, laptop, other };
        let place = format!("directory={}", directory.display());
        scene.annex(&["initremote", "disk", "type=directory", "encryption=none", &place]);
        scene.annex(&["sync", "--quiet", "--no-content"]);
        for step in steps {
            let words: Vec<&str> = step.split(' ').collect();
            match words[..] {
                ["config", name, value] => {
                    run(&mut scene.sandbox.git(&scene.laptop, ["config", name, value]));
                }
                ["away"] => fs::rename(&scene.other, scene.sandbox.path("away")).unwrap(),
                ["lost"] => {
                    for object in trees::objects(&scene.other.join(".git")).values() {
                        run(scene.sandbox.command("chmod").arg("u+w").arg(object.parent().unwrap()));
                        fs::remove_file(object).unwrap();
                    }
                }
                ["damaged"] => {
                    for object in trees::objects(&scene.other.join(".git")).values() {
                        run(scene.sandbox.command("chmod").arg("u+w").arg(object));
                        let length = fs::metadata(object).unwrap().len();
                        fs::write(object, vec![b'x'; length as usize]).unwrap();
                    }
                }
                _ => scene.annex(&words),
            }
        }
        scene.annex(&["drop", "--quiet", "--force"]);
        scene
    }

    fn annex(&self, arguments: &[&str]) {
        run(&mut self.sandbox.git(&self.laptop, [&["annex"], arguments].concat()));
    }

    /// Has a program fetch both files. Returns whether it says that it did, and what it says.
    fn get_by(&self, actor: Actor) -> (bool, String) {
        let mut command = match actor {
            Actor::GitAnnex => self.sandbox.git(&self.laptop, ["annex", "get"]),
            Actor::Anabranch => self.sandbox.anabranch(["get"]),
        };
        if actor == Actor::Anabranch {
            command.arg(&self.laptop);
        }
        let output = attempt(&mut command);
        (output.status.success(), told(&command, &output))
    }

    /// How many of the files can be read.
    fn here(&self) -> usize {
        let is_here = |name: &&&str| fs::read_to_string(self.laptop.join(name)).is_ok_and(|text| text == **name);
        ["locked", "unlocked"].iter().filter(is_here).count()
    }

    /// The repositories that have each file, as git-annex knows it.
    fn holders(&self) -> String {
        run(&mut self.sandbox.git(&self.laptop, ["annex", "list", "--allrepos"]))
    }
}

/// The list of holders, in which the second place has nothing.
fn without_other(holders: &str) -> String {
    let without = |line: &str| match line.ends_with("locked") {
        true => format!("{}_{}\n", &line[..1], &line[2..]),
        false => format!("{line}\n"),
    };
    holders.lines().map(without).collect()
}

/// What happens before the content is dropped here, and whether it comes back.
const CASES: [(&[&str], bool); 13] = [
    (&[], false),
    (&["copy --quiet --to other"], true),
    (&["copy --quiet --to disk"], true),
    (&["copy --quiet --to other", "away"], false),
    (&["copy --quiet --to other", "copy --quiet --to disk", "away"], true),
    (&["copy --quiet --to other", "lost"], false),
    (&["copy --quiet --to other", "copy --quiet --to disk", "lost"], true),
    (&["copy --quiet --to other", "damaged"], false),
    (&["copy --quiet --to other", "copy --quiet --to disk", "damaged"], true),
    (&["copy --quiet --to other", "untrust --quiet other"], true),
    (&["copy --quiet --to other", "wanted --quiet . exclude=*"], true),
    (
        &["copy --quiet --to other", "config remote.other.annex-ignore true"],
        false,
    ),
    (
        &["copy --quiet --to other", "config annex.diskreserve 1000000tb"],
        false,
    ),
];

#[test]
fn what_git_annex_gets_is_fetched_and_what_it_cannot_get_is_not() {
    if !needs_git_annex() {
        return;
    }
    let check = |(steps, is_fetched): &(&[&str], bool)| {
        let ends = [Actor::GitAnnex, Actor::Anabranch].map(|actor| {
            let scene = Scene::new(steps);
            let (is_success, said) = scene.get_by(actor);
            let case = format!("{actor:?} after {steps:?}: {said}");
            let here = if *is_fetched { 2 } else { 0 };
            assert_eq!((is_success, scene.here()), (*is_fetched, here), "{case}");
            if *is_fetched {
                checks::assert_whole(&scene.sandbox, &scene.laptop);
            }
            scene.holders()
        });
        let [theirs, ours] = &ends;
        // What is found to be lost is logged too, so that nobody counts on it.
        let expected = match steps.iter().any(|step| ["lost", "damaged"].contains(step)) {
            true => without_other(theirs),
            false => theirs.clone(),
        };
        assert_eq!(*ours, expected, "{steps:?}");
    };
    // Each has a world of its own; most of the time is git-annex's.
    let (one, other) = CASES.split_at(CASES.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| other.iter().for_each(check));
        one.iter().for_each(check);
    });
}

#[test]
fn each_file_that_is_not_fetched_is_named_with_the_reason() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new(&["copy --quiet --to other", "away"]);
    let get = |path: &Path| {
        let mut command = scene.sandbox.anabranch(["get"]);
        let output = attempt(command.arg(path));
        (output.status.code().unwrap(), told(&command, &output))
    };
    let (code, said) = get(&scene.laptop.join("locked"));
    assert_eq!(code, 1, "{said}");
    let expected = "locked: not fetched, since no place could give it: other (not reachable)";
    assert!(said.contains(expected) && !said.contains("unlocked:"), "{said}");
    let (code, said) = get(&scene.laptop.join("missing"));
    assert!(code == 1 && said.contains("missing: no file is there"), "{said}");
    fs::rename(scene.sandbox.path("away"), &scene.other).unwrap();
    let (code, said) = get(&scene.laptop);
    assert!(code == 0 && said.contains("unlocked: fetched"), "{said}");
    // What is here is no failure, and not named.
    let again = run(scene.sandbox.anabranch(["get"]).arg(&scene.laptop));
    assert_eq!(again, "");
}

/// While another program holds the index, content arrives and stays unfilled; the next `get` fills the file.
#[test]
fn the_next_get_fills_and_logs_what_the_last_could_not() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new(&["copy --quiet --to other"]);
    let get = || {
        let mut command = scene.sandbox.anabranch(["get"]);
        let output = attempt(command.arg(&scene.laptop));
        (output.status.code().unwrap(), told(&command, &output))
    };
    let lock = scene.laptop.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let (code, said) = get();
    assert!(code == 1 && said.contains("unlocked: fetched"), "{said}");
    assert_eq!(
        (scene.here(), trees::objects(&scene.laptop.join(".git")).len()),
        (1, 2),
        "{said}"
    );
    fs::remove_file(lock).unwrap();
    let holders = scene.holders();
    let uuid = run(&mut scene.sandbox.git(&scene.laptop, ["config", "annex.uuid"]));
    let key = run(&mut scene.sandbox.git(&scene.laptop, ["annex", "lookupkey", "locked"]));
    scene.annex(&["setpresentkey", key.trim(), uuid.trim(), "0"]);
    assert_ne!(scene.holders(), holders);
    let (code, said) = get();
    assert_eq!((code, scene.here(), scene.holders()), (0, 2, holders), "{said}");
    checks::assert_whole(&scene.sandbox, &scene.laptop);
}

/// Its content arrives, but the file cannot be written.
#[test]
fn a_file_that_cannot_be_written_is_not_said_to_be_fetched() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new(&[]);
    let below = scene.laptop.join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("photo"), "photo").unwrap();
    scene.annex(&["add", "--quiet", "below"]);
    scene.annex(&["unlock", "--quiet", "below"]);
    run(&mut scene.sandbox.git(&scene.laptop, ["commit", "--quiet", "-m", "below"]));
    scene.annex(&["copy", "--quiet", "--to", "other", "below"]);
    scene.annex(&["drop", "--quiet", "below"]);
    let get = || {
        let mut command = scene.sandbox.anabranch(["get"]);
        let output = attempt(command.arg(&below));
        (output.status.code().unwrap(), told(&command, &output))
    };
    let Some(read_only) = or_skipped("a read-only mount", ReadOnly::new(&below)) else {
        return;
    };
    for _ in 0..2 {
        let (code, said) = get();
        let expected = "below/photo: not fetched, since the file could not be written";
        assert!(code == 1 && said.contains(expected), "{said}");
    }
    drop(read_only);
    assert_ne!(fs::read_to_string(below.join("photo")).unwrap(), "photo");
    let (code, said) = get();
    assert_eq!(
        (code, fs::read_to_string(below.join("photo")).unwrap().as_str()),
        (0, "photo"),
        "{said}"
    );
}

/// Somebody added it by hand and has not synced yet.
#[test]
fn a_remote_that_was_never_asked_gives_content() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new(&["copy --quiet --to other"]);
    run(&mut scene
        .sandbox
        .git(&scene.laptop, ["config", "--unset", "remote.other.annex-uuid"]));
    let (is_success, said) = scene.get_by(Actor::Anabranch);
    assert!(is_success && scene.here() == 2, "{said}");
}

#[test]
fn content_comes_from_another_computer_for_the_directory_that_is_named() {
    if !needs_sshd() {
        return;
    }
    for shell in [Shell::Anabranch, Shell::GitAnnex] {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "server", shell, Login::Everything, &[]);
        let laptop = Actor::Anabranch.init(&sandbox, "laptop");
        fs::create_dir(laptop.join("raw")).unwrap();
        for name in ["raw/one", "raw/two", "three"] {
            fs::write(laptop.join(name), name).unwrap();
        }
        let server = sshd.home().join("photos");
        run(sandbox.command("git").args(["init", "--quiet", "--bare"]).arg(&server));
        run(&mut sandbox.git(&laptop, ["remote", "add", "server", &sshd.address(&server)]));
        Actor::Anabranch.sync(&sandbox, &laptop);
        run(sandbox.anabranch(["drop"]).arg(&laptop));
        let said = run(sandbox.anabranch(["get"]).arg(laptop.join("raw")));
        let read = |name: &str| fs::read_to_string(laptop.join(name)).unwrap();
        assert_eq!(
            (read("raw/one"), read("raw/two")),
            ("raw/one".to_owned(), "raw/two".to_owned()),
            "{said}"
        );
        assert!(read("three").starts_with("/annex/objects/"), "{said}");
    }
}

/// A rule holds for what travels by itself.
#[test]
fn what_a_rule_keeps_from_coming_comes_when_asked_for_beside_an_engine() {
    let sandbox = Sandbox::new();
    let laptop = Actor::Anabranch.init(&sandbox, "laptop");
    fs::write(laptop.join("raw"), "raw").unwrap();
    Actor::Anabranch.sync(&sandbox, &laptop);
    Actor::Anabranch.clone(&sandbox, &laptop, "other", true);
    Actor::Anabranch.sync(&sandbox, &laptop);
    fs::write(
        laptop.join(".git/anabranch/policy.toml"),
        "[[rule]]\nallow = \"content-up\"\n",
    )
    .unwrap();
    run(sandbox.anabranch(["drop"]).arg(&laptop));
    let engine = Engine::start(&sandbox, &[&laptop]);
    run(sandbox.anabranch(["get"]).arg(laptop.join("raw")));
    assert_eq!(fs::read_to_string(laptop.join("raw")).unwrap(), "raw");
    eventually(SOON, || checks::is_clean(&sandbox, &laptop));
    engine.stop();
    checks::assert_whole(&sandbox, &laptop);
}
