//! `git-annex-shell` by Anabranch, with the real git-annex as its client over a real ssh.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use whole_system::asking::is_in_state;
use whole_system::clones::{Actor, pictures};
use whole_system::skip::needs_sshd;
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, PATIENCE, Sandbox, Sshd, attempt, checks, eventually, run, trees};

/// A repository on another computer, and a clone of it here.
struct Scene {
    sandbox: Sandbox,
    _sshd: Sshd,
    server: PathBuf,
    clone: PathBuf,
}

impl Scene {
    /// Where git-annex serves, it has made the repository too; where Anabranch does, git-annex is not installed.
    fn new(shell: Shell, login: Login, is_bare: bool) -> Scene {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "server", shell, login, &[]);
        let server = sshd.home().join("photos");
        let mut init = sandbox.command("git");
        init.args(["init", "--quiet"]).args(is_bare.then_some("--bare"));
        run(init.arg(&server));
        let clone = Actor::GitAnnex.init(&sandbox, "clone");
        run(&mut sandbox.git(&clone, ["remote", "add", "server", &sshd.address(&server)]));
        let scene = Scene {
            sandbox,
            _sshd: sshd,
            server,
            clone,
        };
        // As `git annex sync` does at the first contact; by this the server gets its uuid.
        scene.ssh(&[
            "git-annex-shell",
            "configlist",
            scene.server.to_str().unwrap(),
            "--",
            "autoinit=1",
        ]);
        scene
    }

    fn ssh(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let line = words.join(" ").replacen('\'', "", 2);
        run(self.sandbox.command("ssh").args(["server", &line]))
    }

    fn annex(&self, arguments: &[&str]) -> String {
        run(&mut self.sandbox.git(&self.clone, [&["annex"], arguments].concat()))
    }
}

/// How many tests of git-annex's own a remote passes; it fails at the first that it does not.
fn testremote(shell: Shell, login: Login, is_bare: bool) -> usize {
    let scene = Scene::new(shell, login, is_bare);
    let said = scene.annex(&["testremote", "server", "--size=100kB"]);
    let count = |line: &str| line.strip_prefix("All ")?.split(' ').next()?.parse().ok();
    let mut counts = said.lines().filter_map(count);
    counts.next_back().unwrap_or_else(|| panic!("no count in {said}"))
}

#[test]
fn a_remote_passes_as_many_of_git_annexes_own_tests_as_with_git_annex_there() {
    if !needs_sshd() {
        return;
    }
    let expected = testremote(Shell::GitAnnex, Login::Everything, false);
    for (login, is_bare) in [(Login::Everything, true), (Login::GitAnnexShell, false)] {
        let passed = testremote(Shell::Anabranch, login, is_bare);
        println!("testremote with {login:?}, bare: {is_bare}: {passed} of {expected}");
        assert_eq!(passed, expected);
    }
}

/// What git-annex does with a server, step by step: how each step ended, and what is known at both ends then.
fn life(shell: Shell, is_bare: bool) -> Vec<Vec<String>> {
    let scene = Scene::new(shell, Login::GitAnnexShell, is_bare);
    for name in ["one", "two", "three", "four", "large"] {
        let content = match name {
            "large" => vec![7; 3 << 20],
            name => name.as_bytes().to_vec(),
        };
        fs::write(scene.clone.join(name), content).unwrap();
    }
    scene.annex(&["add", "."]);
    scene.annex(&["unlock", "two"]);
    run(&mut scene.sandbox.git(&scene.clone, ["commit", "--quiet", "-m", "files"]));
    let mut told = Vec::new();
    for step in [
        "copy --to server one",
        "copy --to server one",
        "drop one",
        "drop two",
        "get one",
        "move --to server two three",
        "move --from server three",
        "drop --from server one",
        "drop --from server two",
        "get two",
        "copy --to server --all",
        "fsck --from server",
        "fsck --fast --from server",
        "drop --from server four",
        "sync --content server",
        "assist server",
        "drop large",
        "whereis",
        "lock two",
        "mirror --to server",
        "drop one --numcopies=2",
        "get large",
    ] {
        let words: Vec<&str> = step.split(' ').collect();
        let output = attempt(&mut scene.sandbox.git(&scene.clone, [&["annex"], &words[..]].concat()));
        let mut ended = vec![format!("{step}: {:?}", output.status.code())];
        ended.extend(scene.known());
        told.push(ended);
    }
    scene.annex(&["fsck", "--quiet"]);
    checks::git_fsck(&scene.sandbox, &scene.server);
    trees::objects_are_whole(&checks::git_dir(&scene.sandbox, &scene.server)).unwrap();
    told
}

impl Scene {
    /// Which keys are in the server's annex, and what the logs at both ends say of each.
    fn known(&self) -> Vec<String> {
        let git_dir = checks::git_dir(&self.sandbox, &self.server);
        let mut known: Vec<String> = objects(&git_dir.join("annex/objects"))
            .iter()
            .map(|key| format!("  server has {key}"))
            .collect();
        for (end, repository) in [("clone", &self.clone), ("server", &self.server)] {
            for (name, other) in [("clone", &self.clone), ("server", &self.server)] {
                let uuid = self.git(other, &["config", "annex.uuid"]);
                let said = attempt(&mut self.sandbox.git(
                    repository,
                    ["grep", "-I", "--full-name", uuid.trim(), "git-annex", "--", "*.log"],
                ));
                let said = String::from_utf8(said.stdout).unwrap();
                let logs = said.lines().filter_map(|line| {
                    let (path, line) = line.strip_prefix("git-annex:")?.split_once(".log:")?;
                    let presence = line.split(' ').nth(1).filter(|text| text.len() == 1)?;
                    Some(format!("  {end} says {name} {presence} {}", path.rsplit('/').next()?))
                });
                known.extend(logs);
            }
        }
        known.sort();
        // git-annex keeps two lines of one repository, which it has merged, until it writes that log again.
        known.dedup();
        known
    }

    fn git(&self, repository: &Path, arguments: &[&str]) -> String {
        run(&mut self.sandbox.git(repository, arguments))
    }
}

/// The keys whose objects are below a directory.
fn objects(directory: &Path) -> Vec<String> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => keys.extend(objects(&path)),
            false => keys.push(path.file_name().unwrap().to_str().unwrap().to_owned()),
        }
    }
    keys
}

fn is_the_same(is_bare: bool) {
    if !needs_sshd() {
        return;
    }
    let expected = life(Shell::GitAnnex, is_bare);
    let found = life(Shell::Anabranch, is_bare);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn git_annex_does_the_same_with_a_server_of_either_kind() {
    is_the_same(false);
}

#[test]
fn git_annex_does_the_same_with_a_bare_server_of_either_kind() {
    is_the_same(true);
}

#[test]
fn files_of_the_server_follow_what_is_pushed_and_copied_there() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, Login::GitAnnexShell, false);
    fs::write(scene.clone.join("locked"), "locked").unwrap();
    scene.annex(&["add", "locked"]);
    scene.annex(&["config", "--set", "annex.addunlocked", "true"]);
    fs::write(scene.clone.join("unlocked"), "unlocked").unwrap();
    scene.annex(&["assist", "server"]);
    let at = |name: &str| fs::read_to_string(scene.server.join(name)).unwrap();
    assert_eq!(
        (at("locked"), at("unlocked")),
        ("locked".to_owned(), "unlocked".to_owned())
    );
    checks::is_clean(&scene.sandbox, &scene.server).unwrap();

    // The content of a file that is there comes later.
    fs::write(scene.clone.join("later"), "later").unwrap();
    scene.annex(&["add", "later"]);
    scene.annex(&["sync", "--no-content", "server"]);
    assert!(at("later").starts_with("/annex/objects/"));
    scene.annex(&["copy", "--to", "server", "later"]);
    eventually(PATIENCE, || match at("later") {
        text if text == "later" => Ok(()),
        text => Err(text),
    });
    checks::is_clean(&scene.sandbox, &scene.server).unwrap();

    // It goes again, but not what somebody has written there.
    fs::write(scene.server.join("unlocked"), "edited there").unwrap();
    scene.annex(&["drop", "--from", "server", "later", "unlocked"]);
    assert!(at("later").starts_with("/annex/objects/"));
    assert_eq!(at("unlocked"), "edited there");
    let changed = scene.git(&scene.server, &["status", "--porcelain"]);
    assert_eq!(changed, " M unlocked\n");
}

#[test]
fn an_engine_on_the_server_takes_over_what_comes_at_once() {
    if !needs_sshd() {
        return;
    }
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox, "server", Shell::Anabranch, Login::Everything, &[]);
    let server = pictures(&sandbox, "server", 3);
    let address = sshd.address(&server);
    let clone = sandbox.path("clone");
    run(sandbox.command("git").args(["clone", "--quiet", &address]).arg(&clone));
    run(&mut sandbox.git(&clone, ["annex", "init", "--quiet", "clone"]));
    let engine = Engine::start(&sandbox, &[&server]);
    run(&mut sandbox.git(&clone, ["annex", "get", "."]));
    fs::write(clone.join("new.jpg"), "new").unwrap();
    run(&mut sandbox.git(&clone, ["annex", "assist"]));
    eventually(PATIENCE, || match fs::read_to_string(server.join("new.jpg")) {
        Ok(text) if text == "new" => Ok(()),
        found => Err(format!("{found:?}")),
    });
    is_in_state(&sandbox, &server, "safe");
    run(&mut sandbox.git(&clone, ["annex", "drop", "0.jpg"]));
    run(&mut sandbox.git(&clone, ["annex", "drop", "--from", "origin", "1.jpg"]));
    eventually(PATIENCE, || match fs::read_to_string(server.join("1.jpg")) {
        Ok(text) if text.starts_with("/annex/objects/") => Ok(()),
        found => Err(format!("{found:?}")),
    });
    engine.stop();
    checks::assert_whole(&sandbox, &server);
}
