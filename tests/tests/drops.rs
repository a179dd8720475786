//! Content is dropped here where git-annex would drop it, and kept where git-annex would keep it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::run::told;
use whole_system::skip::{needs_git_annex, needs_sshd};
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, Sandbox, Sshd, attempt, checks, eventually, run, trees};

const SOON: Duration = Duration::from_secs(30);

/// A laptop with a file, which a second clone and a directory remote can have too.
struct Scene {
    sandbox: Sandbox,
    laptop: PathBuf,
    other: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        let sandbox = Sandbox::new();
        let laptop = Actor::GitAnnex.init(&sandbox, "laptop");
        run(&mut sandbox.git(&laptop, ["config", "annex.addunlocked", "true"]));
        fs::write(laptop.join("file"), "content").unwrap();
        run(&mut sandbox.git(&laptop, ["annex", "add", "--quiet", "file"]));
        run(&mut sandbox.git(&laptop, ["commit", "--quiet", "-m", "file"]));
        let other = Actor::GitAnnex.clone(&sandbox, &laptop, "other", false);
        connect_both(&sandbox, &laptop, &other);
        let directory = sandbox.path("directory");
        fs::create_dir(&directory).unwrap();
        let scene = Scene { sandbox, laptop, other };
        let place = format!("directory={}", directory.display());
        scene.annex(&["initremote", "disk", "type=directory", "encryption=none", &place]);
        scene.annex(&["sync", "--quiet", "--no-content"]);
        scene
    }

    /// Runs git-annex in the laptop, with arguments or with a line of them.
    fn annex(&self, arguments: &[&str]) {
        run(&mut self.sandbox.git(&self.laptop, [&["annex"], arguments].concat()));
    }

    fn set_up(&self, steps: &[&str]) {
        for step in steps {
            let words: Vec<&str> = step.split(' ').collect();
            match words[..] {
                ["config", name, value] => {
                    run(&mut self.sandbox.git(&self.laptop, ["config", name, value]));
                }
                ["away"] => fs::rename(&self.other, self.sandbox.path("away")).unwrap(),
                ["lost"] => lose_content(&self.other.join(".git/annex/objects")),
                ["attributes", pattern, value] => {
                    fs::write(self.laptop.join(".gitattributes"), format!("{pattern} {value}\n")).unwrap();
                }
                ["deleted", name] => {
                    run(&mut self.sandbox.git(&self.laptop, ["add", name]));
                    fs::remove_file(self.laptop.join(name)).unwrap();
                }
                ["fetched", command, value] => {
                    run(&mut self.sandbox.git(&self.other, ["annex", command, value]));
                    run(&mut self.sandbox.git(&self.laptop, ["fetch", "--quiet", "other"]));
                }
                ["locked", name] => {
                    fs::copy(self.laptop.join("file"), self.laptop.join(name)).unwrap();
                    let add = ["-c", "annex.addunlocked=false", "annex", "add", "--quiet", name];
                    run(&mut self.sandbox.git(&self.laptop, add));
                }
                ["same", name] => {
                    fs::copy(self.laptop.join("file"), self.laptop.join(name)).unwrap();
                    self.annex(&["add", "--quiet", name]);
                    run(&mut self.sandbox.git(&self.laptop, ["commit", "--quiet", "-m", name]));
                }
                _ => self.annex(&words),
            }
        }
    }

    /// Has a program drop the file. Returns whether it says that it did, and what it says.
    fn drop_by(&self, actor: Actor) -> (bool, String) {
        let mut command = match actor {
            Actor::GitAnnex => self.sandbox.git(&self.laptop, ["annex", "drop", "file"]),
            Actor::Anabranch => self.sandbox.anabranch(["drop"]),
        };
        if actor == Actor::Anabranch {
            command.arg(self.laptop.join("file"));
        }
        let output = attempt(&mut command);
        (output.status.success(), told(&command, &output))
    }

    fn is_here(&self) -> bool {
        fs::read(self.laptop.join("file")).unwrap() == b"content"
    }

    /// The repositories that have the file, as git-annex knows it.
    fn holders(&self) -> String {
        let said = run(&mut self.sandbox.git(
            &self.laptop,
            ["annex", "find", "--anything", "--format=${key}\n", "file"],
        ));
        let log = run(&mut self
            .sandbox
            .git(&self.laptop, ["annex", "whereis", "--json", "--key", said.trim()]));
        let known: serde_json::Value = serde_json::from_str(&log).unwrap();
        let names = ["whereis", "untrusted"].map(|list| known[list].as_array().unwrap().clone());
        let mut names: Vec<String> = names
            .concat()
            .iter()
            .map(|one| one["description"].as_str().unwrap().replace(['[', ']'], ""))
            .collect();
        names.sort();
        names.join(" ")
    }
}

impl Scene {
    /// The repositories that have each file, as git-annex knows it.
    fn holders_of_all(&self) -> String {
        let format = ["annex", "list", "--allrepos"];
        run(&mut self.sandbox.git(&self.laptop, format))
    }
}

fn lose_content(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let _ = std::process::Command::new("chmod").arg("u+w").arg(&path).status();
            lose_content(&path);
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// What happens first, and whether the file can be dropped then.
const CASES: [(&[&str], bool); 27] = [
    (&[], false),
    (&["copy --to other file"], true),
    (&["copy --to disk file"], true),
    (&["copy --to other file", "numcopies 2"], false),
    (&["copy --to other file", "mincopies 2"], false),
    (&["copy --to other file", "copy --to disk file", "numcopies 2"], true),
    (&["copy --to other file", "copy --to disk file", "mincopies 2"], true),
    (&["copy --to other file", "config annex.numcopies 2"], false),
    (
        &["copy --to other file", "config annex.numcopies 2", "numcopies 1"],
        true,
    ),
    (&["copy --to other file", "away"], false),
    (&["copy --to other file", "trust --force other", "away"], true),
    (
        &[
            "copy --to other file",
            "config remote.other.annex-trustlevel trusted",
            "away",
        ],
        true,
    ),
    (&["copy --to other file", "untrust other"], false),
    (&["copy --to disk file", "untrust disk"], false),
    (
        &["copy --to other file", "config remote.other.annex-trustlevel untrusted"],
        false,
    ),
    (&["copy --to other file", "dead other"], false),
    (&["copy --to other file", "lost"], false),
    (&["copy --to other file", "required . include=f*"], false),
    (&["copy --to other file", "required . include=g*"], true),
    (&["copy --to other file", "attributes file annex.numcopies=2"], false),
    (&["copy --to other file", "attributes file annex.mincopies=2"], false),
    (
        &["copy --to other file", "same twin", "attributes twin annex.numcopies=2"],
        false,
    ),
    (
        &[
            "copy --to other file",
            "locked twin",
            "attributes twin annex.numcopies=2",
        ],
        false,
    ),
    (&["copy --to other file", "locked twin", "required . include=t*"], false),
    (&["copy --to other file", "fetched numcopies 2"], false),
    (
        &[
            "copy --to other file",
            "attributes file annex.numcopies=2",
            "deleted .gitattributes",
        ],
        false,
    ),
    (&["copy --to other file", "attributes file annex.numcopies=3x"], false),
];

#[test]
fn what_git_annex_drops_is_dropped_and_what_it_keeps_is_kept() {
    if !needs_git_annex() {
        return;
    }
    let check = |(steps, is_dropped): &(&[&str], bool)| {
        let mut scene = Scene::new();
        scene.set_up(steps);
        let ends = [Actor::GitAnnex, Actor::Anabranch].map(|actor| {
            let (is_success, said) = scene.drop_by(actor);
            let case = format!("{actor:?} after {steps:?}: {said}");
            assert_eq!((is_success, scene.is_here()), (*is_dropped, !is_dropped), "{case}");
            let holders = scene.holders();
            if *is_dropped && actor == Actor::GitAnnex {
                scene = Scene::new();
                scene.set_up(steps);
            }
            holders
        });
        assert_eq!(ends[0], ends[1], "{steps:?}");
    };
    // Each has a world of its own; most of the time is git-annex's.
    let (one, other) = CASES.split_at(CASES.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| other.iter().for_each(check));
        one.iter().for_each(check);
    });
}

/// What the laptop wants, besides what a program was told before, and what it needs to keep.
const WANTED: [&[&str]; 10] = [
    &["wanted . exclude=*"],
    &["wanted . present"],
    // As git-annex takes it, this matches nothing.
    &["wanted . not present"],
    &["wanted . copies=2"],
    &["wanted . not copies=2"],
    &["wanted . approxlackingcopies=1"],
    &["wanted . exclude=*", "required . include=b*"],
    &["wanted . standard", "group . client", "group disk archive"],
    &["wanted . exclude=*", "numcopies 2"],
    &["wanted . exclude=*", "untrust disk"],
];

/// What is wanted is forgotten again after each.
const FORGET: [&str; 5] = [
    "required . ",
    "ungroup . client",
    "ungroup disk archive",
    "numcopies 1",
    "semitrust disk",
];

#[test]
fn what_is_not_wanted_here_is_dropped_by_itself_where_git_annex_drops_it() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new();
    fs::create_dir(scene.laptop.join("archive")).unwrap();
    fs::write(scene.laptop.join(".gitattributes"), "twice annex.numcopies=2\n").unwrap();
    for (name, content) in [
        ("at other", "1"),
        ("at disk", "2"),
        ("both", "3"),
        ("archive/both", "4"),
        ("archive/at other", "5"),
        ("archive/same", "both are the same"),
        ("same", "both are the same"),
        ("twice", "6"),
        ("nowhere", "7"),
    ] {
        fs::write(scene.laptop.join(name), content).unwrap();
    }
    let git = |arguments: &[&str]| run(&mut scene.sandbox.git(&scene.laptop, arguments));
    git(&["annex", "add", "--quiet", "."]);
    git(&["commit", "--quiet", "-m", "files"]);
    scene.annex(&["sync", "--quiet", "--no-content"]);
    for (to, names) in [
        (
            "other",
            &["at other", "both", "archive/both", "archive/at other", "same", "twice"][..],
        ),
        ("disk", &["at disk", "both", "archive/both"]),
    ] {
        scene.annex(&[&["copy", "--quiet", "--to", to], names].concat());
    }
    for place in ["other", "disk"] {
        scene.annex(&["wanted", "--quiet", place, "present"]);
    }
    let here = || -> Vec<PathBuf> {
        let files = trees::files(&scene.laptop).into_iter();
        let is_here = |path: &PathBuf| {
            !fs::read_to_string(scene.laptop.join(path))
                .unwrap()
                .starts_with("/annex/")
        };
        files.filter(is_here).collect()
    };
    let all = here();
    let mut fewer = 0;
    for wanted in WANTED {
        for step in wanted {
            let words: Vec<&str> = step.splitn(3, ' ').collect();
            scene.annex(&words);
        }
        let ends = [Actor::GitAnnex, Actor::Anabranch].map(|actor| {
            let said = match actor {
                Actor::GitAnnex => git(&["annex", "sync", "--content"]),
                Actor::Anabranch => actor.sync(&scene.sandbox, &scene.laptop),
            };
            let (left, holders) = (here(), scene.holders_of_all());
            git(&["annex", "get", "--quiet", "."]);
            assert_eq!(here(), all);
            (left, holders, said)
        });
        let [theirs, ours] = &ends;
        assert_eq!((&theirs.0, &theirs.1), (&ours.0, &ours.1), "{wanted:?}: {}", ours.2);
        fewer += usize::from(theirs.0.len() < all.len());
        for step in FORGET {
            let words: Vec<&str> = step.splitn(3, ' ').collect();
            scene.annex(&words);
        }
    }
    assert_eq!(fewer, 9, "most drop something");
}

/// Anabranch doesn't look up metadata yet, so it can't know that this is not wanted.
#[test]
fn what_depends_on_what_is_not_looked_up_stays() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new();
    scene.set_up(&["copy --to other file", "wanted . metadata=tag=keep"]);
    let said = Actor::Anabranch.sync(&scene.sandbox, &scene.laptop);
    assert!(scene.is_here(), "{said}");
}

/// A program may be killed between the removal of content and the log of it.
#[test]
fn content_that_is_gone_already_is_logged_as_missing() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new();
    scene.set_up(&["copy --to other file", "wanted . exclude=*"]);
    lose_content(&scene.laptop.join(".git/annex/objects"));
    let before = scene.holders();
    Actor::Anabranch.sync(&scene.sandbox, &scene.laptop);
    let after = scene.holders();
    assert!(
        before.contains("laptop") && !after.contains("laptop"),
        "{before}, then {after}"
    );
}

#[test]
fn the_reason_why_content_is_kept_names_the_places_that_do_not_count() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new();
    scene.set_up(&["copy --to other file", "copy --to disk file", "untrust disk", "away"]);
    let (_, said) = scene.drop_by(Actor::Anabranch);
    let expected = "file: kept, since the one other copy that is needed could not be confirmed. \
                    Not counted: other (not reachable), disk (untrusted)";
    assert!(said.contains(expected), "{said}");
    // What is not here is no failure; what is not managed is one, and does not hold up the rest.
    let away = scene.sandbox.path("away");
    let mut drop_twice = scene.sandbox.anabranch(["drop"]);
    let output = attempt(drop_twice.arg(scene.laptop.join("missing")).arg(&away));
    let said = told(&drop_twice, &output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("missing: no file is there") && said.contains("file: dropped"),
        "{said}"
    );
    assert_eq!(run(scene.sandbox.anabranch(["drop"]).arg(&away)).trim(), "");
}

#[test]
fn what_a_rule_keeps_from_coming_stays_dropped() {
    let sandbox = Sandbox::new();
    let laptop = Actor::Anabranch.init(&sandbox, "laptop");
    fs::create_dir(laptop.join("raw")).unwrap();
    for name in ["raw/one", "two"] {
        fs::write(laptop.join(name), name).unwrap();
    }
    Actor::Anabranch.sync(&sandbox, &laptop);
    Actor::Anabranch.clone(&sandbox, &laptop, "other", true);
    Actor::Anabranch.sync(&sandbox, &laptop);
    let rule = "[[rule]]\ndirectory = \"raw\"\nallow = \"content-up\"\n";
    fs::write(laptop.join(".git/anabranch/policy.toml"), rule).unwrap();
    run(sandbox.anabranch(["drop"]).arg(&laptop));
    let said = Actor::Anabranch.sync(&sandbox, &laptop);
    let read = |name: &str| fs::read_to_string(laptop.join(name)).unwrap();
    assert!(read("raw/one").starts_with("/annex/objects/"), "{said}");
    assert_eq!(read("two"), "two", "{said}");
}

/// The content on another computer is locked there while it is dropped here.
#[test]
fn a_copy_on_another_computer_is_locked_there_while_content_is_dropped() {
    if !needs_sshd() {
        return;
    }
    for shell in [Shell::Anabranch, Shell::GitAnnex] {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "server", shell, Login::Everything, &[]);
        let laptop = Actor::Anabranch.init(&sandbox, "laptop");
        for number in 0..3 {
            fs::write(laptop.join(format!("{number}")), format!("content {number}")).unwrap();
        }
        let server = sshd.home().join("photos");
        run(sandbox.command("git").args(["init", "--quiet", "--bare"]).arg(&server));
        run(&mut sandbox.git(&laptop, ["remote", "add", "server", &sshd.address(&server)]));
        Actor::Anabranch.sync(&sandbox, &laptop);
        // One is lost there, although the log says that it has it.
        let held = trees::objects(&server);
        let lost = held.values().next().unwrap();
        run(sandbox.command("chmod").arg("u+w").arg(lost.parent().unwrap()));
        fs::remove_file(lost).unwrap();
        let mut drop_all = sandbox.anabranch(["drop"]);
        let output = attempt(drop_all.arg(&laptop));
        let said = told(&drop_all, &output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let count = |what: &str| said.lines().filter(|line| line.contains(what)).count();
        assert_eq!(
            (count(": dropped"), count("it has no whole copy any more")),
            (2, 1),
            "{said}"
        );
        let here = || {
            let names = (0..3).map(|number| laptop.join(number.to_string()));
            names
                .filter(|path| fs::read_to_string(path).unwrap().starts_with("content"))
                .count()
        };
        assert_eq!(here(), 1);
        // No lock is left behind there.
        let left = trees::files(&server.join("annex/objects"));
        let left: Vec<_> = left.iter().filter(|path| path.extension().is_some()).collect();
        assert!(left.is_empty(), "{shell:?}: {left:?}");
        let said = Actor::Anabranch.sync(&sandbox, &laptop);
        assert_eq!(here(), 3, "{said}");
    }
}

/// A folder with so many files, and a clone, which has their content too.
fn two_clones(sandbox: &Sandbox, files: usize) -> [PathBuf; 2] {
    let laptop = Actor::Anabranch.init(sandbox, "laptop");
    for number in 0..files {
        fs::write(laptop.join(format!("{number}")), format!("content {number}")).unwrap();
    }
    Actor::Anabranch.sync(sandbox, &laptop);
    let other = Actor::Anabranch.clone(sandbox, &laptop, "other", false);
    connect_both(sandbox, &laptop, &other);
    Actor::Anabranch.sync(sandbox, &other);
    [laptop, other]
}

/// Two clones that drop the same content at the same moment, each of which would count the other.
#[test]
fn of_two_that_drop_at_once_one_keeps_the_content() {
    if !needs_git_annex() {
        return;
    }
    const FILES: usize = 30;
    let sandbox = Sandbox::new();
    let [laptop, other] = two_clones(&sandbox, FILES);
    for opponent in [Actor::Anabranch, Actor::GitAnnex] {
        let dropping = |folder: &Path, actor: Actor| match actor {
            Actor::Anabranch => attempt(sandbox.anabranch(["drop"]).arg(folder)),
            Actor::GitAnnex => attempt(&mut sandbox.git(folder, ["annex", "drop", "--quiet"])),
        };
        thread::scope(|scope| {
            scope.spawn(|| dropping(&other, opponent));
            dropping(&laptop, Actor::Anabranch);
        });
        let count = |folder: &Path| trees::objects(&folder.join(".git")).len();
        assert!(count(&laptop) + count(&other) >= FILES, "{opponent:?}");
        for folder in [&laptop, &other, &laptop] {
            Actor::Anabranch.sync(&sandbox, folder);
        }
        assert_eq!([count(&laptop), count(&other)], [FILES; 2], "all are back");
    }
}

/// Neither drops its copy while the other may drop the last one that it counts on.
#[test]
fn two_engines_that_want_nothing_keep_one_copy_of_each_file() {
    if !needs_git_annex() {
        return;
    }
    const FILES: usize = 100;
    let sandbox = Sandbox::new();
    let [laptop, other] = two_clones(&sandbox, FILES);
    Actor::Anabranch.sync(&sandbox, &laptop);
    for folder in [&laptop, &other] {
        run(&mut sandbox.git(folder, ["annex", "wanted", "--quiet", ".", "exclude=*"]));
    }
    let engine = Engine::start(&sandbox, &[&laptop, &other]);
    let copies = || [&laptop, &other].map(|folder| trees::objects(&folder.join(".git")));
    eventually(SOON, || {
        let [here, there] = copies();
        assert!(
            here.keys().chain(there.keys()).collect::<BTreeSet<_>>().len() == FILES,
            "one is lost"
        );
        match here.len() + there.len() == FILES {
            true => Ok(()),
            false => Err(format!("{} here and {} there", here.len(), there.len())),
        }
    });
    engine.stop();
    for folder in [&laptop, &other] {
        Actor::Anabranch.sync(&sandbox, folder);
    }
    assert_eq!(copies().map(|copies| copies.len()).iter().sum::<usize>(), FILES);
    checks::assert_whole(&sandbox, &laptop);
}

#[test]
fn an_archive_frees_the_laptop_and_gives_back_what_is_wanted_again() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let laptop = Actor::Anabranch.init(&sandbox, "laptop");
    fs::create_dir(laptop.join("archive")).unwrap();
    fs::write(laptop.join("film"), "a film").unwrap();
    fs::write(laptop.join("note"), "a note").unwrap();
    Actor::Anabranch.sync(&sandbox, &laptop);
    Actor::Anabranch.clone(&sandbox, &laptop, "shelf", true);
    Actor::Anabranch.sync(&sandbox, &laptop);
    for (place, group) in [(".", "client"), ("shelf", "archive")] {
        run(&mut sandbox.git(&laptop, ["annex", "group", "--quiet", place, group]));
        run(&mut sandbox.git(&laptop, ["annex", "wanted", "--quiet", place, "standard"]));
    }
    let engine = Engine::start(&sandbox, &[&laptop]);
    let becomes = |name: &str, is_here: bool| {
        eventually(SOON, || {
            let found = fs::read_to_string(laptop.join(name)).map_err(|error| error.to_string())?;
            match (found == "a film", found.starts_with("/annex/objects/")) {
                (true, _) if is_here => Ok(()),
                (_, true) if !is_here => Ok(()),
                _ => Err(found),
            }
        });
    };
    fs::rename(laptop.join("film"), laptop.join("archive/film")).unwrap();
    becomes("archive/film", false);
    fs::rename(laptop.join("archive/film"), laptop.join("film")).unwrap();
    becomes("film", true);
    assert_eq!(fs::read_to_string(laptop.join("note")).unwrap(), "a note");
    eventually(SOON, || checks::is_clean(&sandbox, &laptop));
    engine.stop();
    checks::assert_whole(&sandbox, &laptop);
}
