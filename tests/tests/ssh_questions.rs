//! What a login on another computer asks, and what becomes of the answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use whole_system::asking::{self, is_in_state, status};
use whole_system::clones::Actor;
use whole_system::skip::{needs_root, needs_sshd};
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, PATIENCE, Sandbox, Sshd, eventually, run};

/// What must be found nowhere.
const SECRET: &str = "correct horse";
/// Its hash, as `openssl passwd -6` makes it.
const HASH: &str =
    "$6$anabranch$hFmEiPmNnsm/zDtHSqGJKN3nx7uisJpAlodp2t0xXqXXTUXgai4IYx/XjEtkcYCJUp3PW/oV4CPx1BXkuMI/p.";

/// A folder with a place on another computer.
struct Scene {
    sandbox: Sandbox,
    sshd: Sshd,
    folder: PathBuf,
    server: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "desk", Shell::Anabranch, Login::Everything, &[]);
        let server = sshd.home().join("photos");
        run(sandbox.anabranch(["init"]).arg(&server));
        let folder = folder(&sandbox, &sshd, "ann", &server);
        Self {
            sandbox,
            sshd,
            folder,
            server,
        }
    }

    fn status(&self) -> Value {
        status(&self.sandbox, &self.folder).unwrap()
    }

    /// The open question, once there is one that says this.
    #[track_caller]
    fn question(&self, part: &str) -> Value {
        asking::question(&self.sandbox, &self.folder, part)
    }

    /// Waits until the status says something of the place.
    #[track_caller]
    fn place_says(&self, part: &str) {
        eventually(PATIENCE, || match self.status()["places"].to_string() {
            places if places.contains(part) => Ok(()),
            places => Err(places),
        });
    }

    #[track_caller]
    fn answer(&self, answer: &str, typed: &str) {
        asking::answer(&self.sandbox, &self.folder, answer, typed);
    }

    fn synced(&self) {
        is_in_state(&self.sandbox, &self.folder, "safe");
    }
}

fn folder(sandbox: &Sandbox, sshd: &Sshd, name: &str, server: &Path) -> PathBuf {
    let folder = Actor::Anabranch.init(sandbox, name);
    fs::write(folder.join("file"), format!("of {name}")).unwrap();
    run(&mut sandbox.git(&folder, ["remote", "add", "desk", &sshd.address(server)]));
    folder
}

/// The programs that ssh has started, or that log in, in a sandbox: their command lines and environments.
fn logins(sandbox: &Sandbox) -> Vec<String> {
    let mark = sandbox.path("ssh_config").display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains(&mark) || line.contains("/anabranch-askpass ")).then(|| {
            let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
            line + &String::from_utf8_lossy(&variables)
        })
    });
    let runtime = sandbox.path("").display().to_string();
    processes.filter(|process| process.contains(&runtime)).collect()
}

fn no_login_is_left(sandbox: &Sandbox) {
    eventually(PATIENCE, || match logins(sandbox) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

#[test]
fn an_unknown_computer_is_sent_nothing_until_the_user_agrees() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.is_unknown(&scene.sandbox);
    let engine = Engine::start(&scene.sandbox, &[&scene.folder]);
    let question = scene.question(&scene.sshd.fingerprint(&scene.sandbox));
    assert_eq!(
        (&question["typed"], &scene.status()["state"]),
        (&Value::Null, &"needs-you".into())
    );
    scene.answer("no", "");
    scene.place_says("you chose not to log in on desk");
    assert_eq!(fs::read_to_string(scene.sshd.known_hosts()).unwrap(), "");
    assert!(!scene.sshd.log().contains("Accepted"), "{}", scene.sshd.log());
    run_sync(&scene);
    scene.question("for the first time");
    scene.answer("yes", "");
    scene.synced();
    assert!(fs::read_to_string(scene.sshd.known_hosts()).unwrap().contains("desk"));
    engine.stop();
    no_login_is_left(&scene.sandbox);
}

/// Asks for a sync. It is not through while a question is open.
fn run_sync(scene: &Scene) {
    let output = scene.sandbox.anabranch(["sync"]).arg(&scene.folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_passphrase_is_asked_for_again_if_it_is_wrong_and_found_nowhere() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.locks_key(&scene.sandbox, SECRET);
    let engine = Engine::start(&scene.sandbox, &[&scene.folder]);
    let question = scene.question("the passphrase of your key");
    assert_eq!(question["typed"], "secret");
    let nowhere = |texts: Vec<String>| assert!(!texts.concat().contains(SECRET), "{texts:?}");
    scene.answer("yes", "wrong");
    scene.question("That was not right.");
    nowhere(logins(&scene.sandbox));
    scene.answer("yes", SECRET);
    scene.synced();
    let log = fs::read_to_string(scene.sandbox.path("engine of ann.log")).unwrap();
    assert!(!logins(&scene.sandbox).is_empty());
    nowhere(logins(&scene.sandbox));
    nowhere(vec![scene.status().to_string(), log]);
    engine.stop();
    no_login_is_left(&scene.sandbox);
}

#[test]
fn a_password_is_asked_for_until_the_server_refuses() {
    if !needs_sshd() || !needs_root() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.wants_password(HASH);
    let ben = folder(&scene.sandbox, &scene.sshd, "ben", &scene.server);
    let engine = Engine::start(&scene.sandbox, &[&scene.folder, &ben]);
    for _ in 0..3 {
        let question = scene.question("the password of root@");
        scene.answer("yes", "wrong");
        eventually(PATIENCE, || match scene.status()["question"]["id"] == question["id"] {
            true => Err(question.to_string()),
            false => Ok(()),
        });
    }
    scene.place_says("desk refused the login with what you entered");
    let problem = &scene.status()["problems"][0];
    assert!(
        problem["what"]
            .as_str()
            .unwrap()
            .starts_with("Anabranch cannot log in on desk: "),
        "{problem}"
    );
    // Any failure is remembered for two seconds.
    std::thread::sleep(Duration::from_secs(3));
    run(&mut scene.sandbox.git(&ben, ["remote", "rename", "desk", "table"]));
    eventually(PATIENCE, || match status(&scene.sandbox, &ben)?["places"][0].clone() {
        place if place["name"] == "table" && place.to_string().contains("refused the login") => Ok(()),
        place => Err(place.to_string()),
    });
    assert_eq!(
        scene.sshd.log().matches("Failed password").count(),
        3,
        "{}",
        scene.sshd.log()
    );
    run_sync(&scene);
    scene.question("the password of root@");
    scene.answer("yes", SECRET);
    scene.synced();
    engine.stop();
}

#[test]
fn a_changed_host_key_is_told_as_a_danger() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.is_known_by_another_key(&scene.sandbox);
    // With two places there, it is told once.
    let second = scene.sshd.address(&scene.server);
    run(&mut scene.sandbox.git(&scene.folder, ["remote", "add", "second", &second]));
    let engine = Engine::start(&scene.sandbox, &[&scene.folder]);
    let mut problem = Value::Null;
    eventually(PATIENCE, || {
        let status = scene.status();
        problem = status["problems"][0].clone();
        match problem["what"].as_str() {
            Some(what) if what.starts_with("DANGER: desk has another host key") => Ok(()),
            _ => Err(status.to_string()),
        }
    });
    assert_eq!(scene.status()["problems"].as_array().unwrap().len(), 1);
    assert!(
        problem["what"]
            .to_string()
            .contains(&scene.sshd.fingerprint(&scene.sandbox)),
        "{problem}"
    );
    assert!(scene.status()["question"].is_null());
    assert!(!scene.sshd.log().contains("Accepted"), "{}", scene.sshd.log());
    let remedy = problem["remedy"].as_str().unwrap().split('\'').nth(1).unwrap();
    run(scene.sandbox.command("sh").args(["-c", remedy]));
    run_sync(&scene);
    scene.question("for the first time");
    scene.answer("yes", "");
    scene.synced();
    engine.stop();
}

#[test]
fn nothing_else_waits_for_an_answer_and_one_is_enough_for_all_folders() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.is_unknown(&scene.sandbox);
    let ben = folder(&scene.sandbox, &scene.sshd, "ben", &scene.server);
    let clone = Actor::Anabranch.clone(&scene.sandbox, &ben, "clone", false);
    let engine = Engine::start(&scene.sandbox, &[&scene.folder, &ben]);
    let question = scene.question("for the first time");
    fs::write(ben.join("new"), "of ben").unwrap();
    eventually(PATIENCE, || match fs::read_to_string(clone.join("new")) {
        Ok(text) if text == "of ben" => Ok(()),
        found => Err(format!("{found:?}")),
    });
    for task in ["pause", "resume"] {
        run(scene.sandbox.anabranch([task]).arg(&scene.folder));
    }
    assert_eq!(status(&scene.sandbox, &ben).unwrap()["question"]["id"], question["id"]);
    assert_eq!(scene.question("for the first time")["id"], question["id"]);
    scene.answer("yes", "");
    scene.synced();
    is_in_state(&scene.sandbox, &ben, "safe");
    engine.stop();
    assert_eq!(
        scene.sshd.log().matches("Accepted publickey").count(),
        1,
        "{}",
        scene.sshd.log()
    );
}

#[test]
fn a_question_ends_with_its_engine() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.is_unknown(&scene.sandbox);
    for is_killed in [false, true] {
        let engine = Engine::start(&scene.sandbox, &[&scene.folder]);
        scene.question("for the first time");
        match is_killed {
            true => engine.kill(),
            false => engine.stop(),
        }
        no_login_is_left(&scene.sandbox);
    }
}

#[test]
fn a_question_is_withdrawn_if_the_server_ends_the_login() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.locks_key(&scene.sandbox, SECRET);
    let engine = Engine::start(&scene.sandbox, &[&scene.folder]);
    scene.question("the passphrase");
    scene.sshd.cut();
    scene.place_says("desk ended the login before you answered");
    assert!(scene.status()["question"].is_null());
    engine.stop();
}

#[test]
fn without_an_engine_the_terminal_asks() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new();
    scene.sshd.locks_key(&scene.sandbox, SECRET);
    let program = scene.sandbox.anabranch(["sync"]).get_program().to_owned();
    let sync = || {
        let mut alone = scene.sandbox.command("setsid");
        alone.arg("--wait").arg(&program).arg("sync").arg(&scene.folder);
        alone
    };
    let output = sync().stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("there is no terminal to ask you at"), "{told}");
    assert_eq!(output.status.code(), Some(2), "{told}");
    let mut clone = scene.sandbox.command("setsid");
    clone
        .arg("--wait")
        .arg(&program)
        .args(["clone", &scene.sshd.address(&scene.server)]);
    let output = clone
        .arg(scene.sandbox.path("clone"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("there is no terminal to ask you at"), "{told}");
    let mut terminal = scene.sandbox.command("script");
    let line = format!("'{}' sync '{}'", program.display(), scene.folder.display());
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = Vec::new();
    let mut output = terminal.stdout.take().unwrap();
    while !told.ends_with(b"> ") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        told.extend(byte);
    }
    let mut input = terminal.stdin.take().unwrap();
    writeln!(input, "{SECRET}").unwrap();
    output.read_to_end(&mut told).unwrap();
    let told = String::from_utf8_lossy(&told);
    terminal.wait().unwrap();
    assert!(scene.sshd.log().contains("Accepted publickey"), "{told}");
    assert!(
        told.contains("the passphrase of your key") && !told.contains(SECRET),
        "{told}"
    );
}
