//! What a server asks that git reaches by http, and what becomes of the answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use whole_system::asking::{answer, is_in_state, question, status};
use whole_system::clones::Actor;
use whole_system::forge::Login;
use whole_system::{Engine, Forge, PATIENCE, Sandbox, eventually, run};

/// The password of the server, and one that must be found nowhere either.
const SECRETS: [&str; 2] = ["secret", "correct horse"];

/// A folder with a place at a server that wants to know who comes.
struct Scene {
    sandbox: Sandbox,
    forge: Forge,
    folder: PathBuf,
    repository: PathBuf,
}

impl Scene {
    fn new(login: Login) -> Self {
        let sandbox = Sandbox::new();
        let forge = Forge::start(&sandbox, login);
        let (repository, address) = forge.repository(&sandbox, "photos.git");
        let folder = Actor::Anabranch.init(&sandbox, "ann");
        fs::write(folder.join("file"), "of ann").unwrap();
        run(&mut sandbox.git(&folder, ["remote", "add", "forge", &address]));
        Self {
            sandbox,
            forge,
            folder,
            repository,
        }
    }

    fn start(&self) -> Engine {
        Engine::start(&self.sandbox, &[&self.folder])
    }

    /// Answers what the server asks for a login.
    #[track_caller]
    fn enter(&self, first: &str, name: &str, password: &str) {
        let asked = question(&self.sandbox, &self.folder, &format!("{first}127.0.0.1:"));
        assert!(asked["text"].as_str().unwrap().contains("your user name"), "{asked}");
        assert_eq!(asked["typed"], "text");
        answer(&self.sandbox, &self.folder, "yes", name);
        let asked = question(
            &self.sandbox,
            &self.folder,
            &format!("wants the password of http://{name}@"),
        );
        assert_eq!(asked["typed"], "secret");
        answer(&self.sandbox, &self.folder, "yes", password);
    }

    /// Waits until the status says something.
    #[track_caller]
    fn says(&self, part: &str) {
        eventually(PATIENCE, || match status(&self.sandbox, &self.folder)?.to_string() {
            status if status.contains(part) => Ok(()),
            status => Err(status),
        });
    }

    fn asks_nothing(&self) -> bool {
        status(&self.sandbox, &self.folder).unwrap()["question"].is_null()
    }

    fn has_file(&self) -> bool {
        let heads = run(&mut self.sandbox.git(&self.repository, ["for-each-ref"]));
        heads.contains("refs/heads/main")
    }

    fn run_sync(&self) {
        let output = self.sandbox.anabranch(["sync"]).arg(&self.folder).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }

    /// A program for git to ask by, and how often it has run.
    fn askpass(&self, script: &str) -> (PathBuf, PathBuf) {
        let (program, log) = (self.sandbox.path("askpass"), self.sandbox.path("askpass.log"));
        fs::write(
            &program,
            format!("#!/bin/sh\necho \"$1\" >> '{}'\n{script}\n", log.display()),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (program, log)
    }
}

/// The files below a directory that have one of the secrets in them.
fn with_secrets(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(with_secrets(&entry.path()));
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            found.extend(SECRETS.iter().any(|secret| text.contains(secret)).then(|| entry.path()));
        }
    }
    found
}

#[test]
fn a_server_gets_the_password_that_the_user_enters_and_it_is_found_nowhere() {
    let scene = Scene::new(Login::Always);
    let engine = scene.start();
    scene.enter("", "ann", SECRETS[1]);
    scene.enter("That was not right. ", "ann", SECRETS[0]);
    is_in_state(&scene.sandbox, &scene.folder, "safe");
    assert!(scene.has_file());
    assert_eq!(scene.forge.refused(), 1);
    // Nobody is asked again by the next run of git.
    fs::write(scene.folder.join("more"), "more").unwrap();
    run(scene.sandbox.anabranch(["sync"]).arg(&scene.folder));
    assert!(scene.asks_nothing());
    assert_eq!(with_secrets(&scene.sandbox.path("")), Vec::<PathBuf>::new());
    engine.stop();
    // Nothing was stored.
    let engine = scene.start();
    question(&scene.sandbox, &scene.folder, "your user name");
    engine.stop();
}

#[test]
fn one_answer_is_enough_for_all_folders_and_for_fetch_and_push() {
    let scene = Scene::new(Login::ToPush);
    let ben = Actor::Anabranch.init(&scene.sandbox, "ben");
    fs::write(ben.join("file"), "of ben").unwrap();
    let (_, other) = scene.forge.repository(&scene.sandbox, "letters.git");
    run(&mut scene.sandbox.git(&ben, ["remote", "add", "forge", &other]));
    let engine = Engine::start(&scene.sandbox, &[&scene.folder, &ben]);
    scene.enter("", "ann", SECRETS[0]);
    is_in_state(&scene.sandbox, &scene.folder, "safe");
    is_in_state(&scene.sandbox, &ben, "safe");
    engine.stop();
}

#[test]
fn nobody_is_asked_again_after_a_no_or_three_wrong_answers_until_the_next_sync() {
    let scene = Scene::new(Login::Always);
    let engine = scene.start();
    question(&scene.sandbox, &scene.folder, "your user name");
    answer(&scene.sandbox, &scene.folder, "no", "");
    scene.says("you chose not to log in on 127.0.0.1:");
    // Another probe asks nothing.
    run(&mut scene.sandbox.git(&scene.folder, ["remote", "rename", "forge", "table"]));
    scene.says("\"name\":\"table\"");
    scene.says("you chose not to log in on 127.0.0.1:");
    assert!(scene.asks_nothing());
    scene.run_sync();
    for first in ["", "That was not right. ", "That was not right. "] {
        scene.enter(first, "ann", SECRETS[1]);
    }
    scene.says("refused the login with what you entered");
    scene.says("Anabranch cannot log in on 127.0.0.1:");
    assert!(scene.asks_nothing());
    assert_eq!(scene.forge.refused(), 3);
    scene.run_sync();
    scene.enter("", "ann", SECRETS[0]);
    is_in_state(&scene.sandbox, &scene.folder, "safe");
    engine.stop();
}

#[test]
fn the_users_own_helpers_and_programs_come_first() {
    let scene = Scene::new(Login::Always);
    let (program, log) = scene.askpass("case \"$1\" in User*) echo ann;; *) echo secret;; esac");
    let set = ["config", "core.askPass", program.to_str().unwrap()];
    run(&mut scene.sandbox.git(&scene.folder, set));
    run(scene.sandbox.anabranch(["sync"]).arg(&scene.folder));
    assert!(scene.has_file());
    let asked = fs::read_to_string(&log).unwrap();
    assert!(
        asked.contains("Username for") && asked.contains("Password for"),
        "{asked}"
    );

    // One that the user closes is not run again before the next sync.
    scene.askpass("exit 1");
    fs::remove_file(&log).unwrap();
    let engine = scene.start();
    scene.says("the program that you have set to ask for passwords");
    let asked = fs::read_to_string(&log).unwrap();
    run(&mut scene.sandbox.git(&scene.folder, ["remote", "rename", "forge", "table"]));
    scene.says("\"name\":\"table\"");
    scene.says("the program that you have set to ask for passwords");
    assert_eq!(fs::read_to_string(&log).unwrap(), asked);
    scene.forge.store_password(&scene.sandbox);
    fs::write(scene.folder.join("more"), "more").unwrap();
    run(scene.sandbox.anabranch(["sync"]).arg(&scene.folder));
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        asked,
        "the credential helper knows it"
    );
    engine.stop();
}

#[test]
fn without_an_engine_the_terminal_asks() {
    let scene = Scene::new(Login::Always);
    let mut terminal = scene.sandbox.command("script");
    let program = scene.sandbox.anabranch(["sync"]).get_program().to_owned();
    let line = format!("'{}' sync '{}'", program.display(), scene.folder.display());
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut told = Vec::new();
    for entered in ["ann", SECRETS[1], "ann", SECRETS[0]] {
        let asked = told.len();
        while !told[asked..].ends_with(b"> ") {
            let mut byte = [0];
            output.read_exact(&mut byte).unwrap();
            told.extend(byte);
        }
        writeln!(input, "{entered}").unwrap();
    }
    output.read_to_end(&mut told).unwrap();
    let told = String::from_utf8_lossy(&told);
    assert!(terminal.wait().unwrap().success() && scene.has_file(), "{told}");
    assert!(
        told.contains("That was not right.") && !told.contains(SECRETS[0]),
        "{told}"
    );
}
