//! `git-annex-shell` by Anabranch, asked the same as the real one, without ssh between.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use whole_system::clones::Actor;
use whole_system::skip::needs_git_annex;
use whole_system::{Sandbox, attempt, checks, programs, run};

const HERE: &str = "SHA256E-s6--5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03.txt";
const FOO: &str = "SHA256E-s4--b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c.txt";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

/// The real git-annex-shell, and ours.
struct Shells {
    sandbox: Sandbox,
    /// A repository of git-annex with the content of one key.
    template: PathBuf,
    programs: [PathBuf; 2],
}

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    code: Option<i32>,
    said: String,
}

impl Shells {
    fn new() -> Option<Shells> {
        if !needs_git_annex() {
            return None;
        }
        let sandbox = Sandbox::new();
        let template = Actor::GitAnnex.init(&sandbox, "template");
        fs::write(template.join("hello.txt"), "hello\n").unwrap();
        run(&mut sandbox.git(&template, ["annex", "add", "--quiet", "."]));
        run(&mut sandbox.git(&template, ["commit", "--quiet", "-m", "a"]));
        fs::create_dir(sandbox.path("ours")).unwrap();
        let ours = sandbox.path("ours/git-annex-shell");
        symlink(programs::anabranch(), &ours).unwrap();
        let real = programs::git_annex().unwrap().with_file_name("git-annex-shell");
        Some(Shells {
            sandbox,
            template,
            programs: [real, ours],
        })
    }

    /// A copy of the template for each.
    fn repositories(&self, name: &str) -> [PathBuf; 2] {
        ["real", "ours"].map(|whose| {
            let path = self.sandbox.path("home").join(format!("{name} {whose}"));
            run(self.sandbox.command("cp").arg("-a").args([&self.template, &path]));
            path
        })
    }

    fn command(&self, whose: usize, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.sandbox.command(&self.programs[whose]);
        command.args(arguments).envs(variables.iter().copied());
        command.current_dir(self.sandbox.path("home"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What both answer to the same words and the same input. `REPO` stands for the repository of each.
    fn ask(&self, repositories: &[PathBuf; 2], line: &str, variables: &[(&str, &str)], input: &str) -> [Answer; 2] {
        [0, 1].map(|whose| {
            let path = repositories[whose].to_str().unwrap();
            let name = repositories[whose].file_name().unwrap().to_str().unwrap();
            let uuid = run(&mut self
                .sandbox
                .git(&repositories[whose], ["config", "--default", "none", "annex.uuid"]));
            let fill = |text: &str| {
                text.replace("REPO", path)
                    .replace("NAME", name)
                    .replace("SELF", uuid.trim())
            };
            let words: Vec<String> = line.split('|').map(fill).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let variables: Vec<(&str, String)> = variables.iter().map(|(name, value)| (*name, fill(value))).collect();
            let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let mut child = self.command(whose, &words, &variables).spawn().unwrap();
            // It may have ended before it has read all.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            let output = child.wait_with_output().unwrap();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(!complaint.contains("panicked"), "{complaint}");
            // It may have got one just now.
            let uuid = run(&mut self
                .sandbox
                .git(&repositories[whose], ["config", "--default", "none", "annex.uuid"]));
            let said = String::from_utf8_lossy(&output.stdout).replace(uuid.trim(), "UUID");
            Answer {
                code: output.status.code(),
                // Ours says more, which git-annex ignores.
                said: said.replace("anabranch.offers=1\nanabranch.merges=1\n", ""),
            }
        })
    }

    #[track_caller]
    fn same(&self, repositories: &[PathBuf; 2], line: &str, variables: &[(&str, &str)], input: &str) -> Answer {
        let [mut real, mut ours] = self.ask(repositories, line, variables, input);
        if ours.said.contains("refs/heads/") {
            // git-annex has refs of its own here.
            (real.said, ours.said) = (String::new(), String::new());
        }
        assert_eq!(ours, real, "{line} {variables:?} {input:?}");
        ours
    }
}

#[test]
fn each_command_ends_as_git_annexs_own_does() {
    let Some(shells) = Shells::new() else { return };
    let repositories = shells.repositories("photos");
    let (uuid, other) = ("UUID", "00000000-0000-0000-0000-00000000dead");
    for line in [
        "configlist|REPO",
        "configlist|NAME",
        "configlist|~/NAME",
        "configlist|/~/NAME",
        "configlist|REPO/.git",
        "configlist|REPO/nothing",
        "configlist|-REPO",
        "configlist",
        "-c|git-annex-shell 'configlist' 'REPO'",
        "-c|git-annex-shell 'configlist' '/~/NAME'",
        "-c|git-annex-shell configlist",
        "-c|configlist 'REPO'",
        "-c|ls",
        "-c|git-upload-pack '--help'",
        "-c|git-upload-pack '-x'",
        "-c|git-upload-pack 'REPO/nothing'",
        "git-upload-pack|REPO",
        "frobnicate|REPO",
        "inannex|REPO|HERE",
        "inannex|REPO|FOO",
        "inannex|REPO|HERE|HERE",
        "inannex|REPO|notakey",
        "inannex|REPO",
        "p2pstdio|REPO",
        "p2pstdio|REPO|CLIENT",
        "p2pstdio|REPO|CLIENT|x",
        "p2pstdio|REPO|CLIENT|--bogus",
        "p2pstdio|REPO|CLIENT|--uuid|OTHER",
        "dropkey|REPO|HERE",
        "gcryptsetup|REPO|x",
        "inannex|REPO|HERE",
        "dropkey|REPO|HERE|--force",
        "inannex|REPO|HERE",
    ] {
        let line = line
            .replace("HERE", HERE)
            .replace("FOO", FOO)
            .replace("CLIENT", CLIENT)
            .replace("OTHER", other);
        shells.same(&repositories, &line, &[], "");
    }
    assert!(
        shells
            .same(&repositories, "configlist|REPO", &[], "")
            .said
            .contains(uuid)
    );
}

#[test]
fn a_repository_without_an_annex_is_listed_and_made_one_as_by_git_annex() {
    let Some(shells) = Shells::new() else { return };
    let read_only = [("GIT_ANNEX_SHELL_READONLY", "1")];
    for is_bare in [false, true] {
        let repositories = ["real", "ours"].map(|whose| {
            let path = shells.sandbox.path(format!("plain {is_bare} {whose}"));
            let mut init = shells.sandbox.command("git");
            run(init
                .args(["init", "--quiet"])
                .args(is_bare.then_some("--bare"))
                .arg(&path));
            path
        });
        let same = |line: &str, variables: &[(&str, &str)]| shells.same(&repositories, line, variables, "");
        assert_eq!(same("configlist|REPO", &[]).said, "annex.uuid=\ncore.gcrypt-id=\n");
        assert_eq!(same("p2pstdio|REPO|x", &[]).code, Some(1));
        assert_eq!(same("p2pstdio|REPO|x|--uuid|y", &[]).code, Some(1));
        assert_eq!(same("configlist|REPO|--|autoinit=1", &read_only).code, Some(1));
        assert_eq!(same("configlist|REPO", &[]).said, "annex.uuid=\ncore.gcrypt-id=\n");
        let made = same("configlist|REPO|--|autoinit=1|--", &[]);
        assert_eq!(made.said, "annex.uuid=UUID\ncore.gcrypt-id=\n");
        assert_eq!(same("configlist|REPO", &[]), made);
        for repository in &repositories {
            let version = run(&mut shells.sandbox.git(repository, ["config", "annex.version"]));
            assert_eq!(version, "10\n");
            run(&mut shells
                .sandbox
                .git(repository, ["rev-parse", "--verify", "--quiet", "git-annex"]));
        }
        // Whoever brought a git-annex branch there has meant it to be one.
        for repository in &repositories {
            run(&mut shells.sandbox.git(repository, ["config", "--remove-section", "annex"]));
        }
        assert_eq!(same("configlist|REPO", &[]), made);
    }
}

#[test]
fn what_the_account_forbids_is_refused_as_by_git_annex() {
    let Some(shells) = Shells::new() else { return };
    let repositories = shells.repositories("photos");
    let others = shells.repositories("other");
    let ask = format!("p2pstdio|REPO|{CLIENT}");
    let talk = format!(
        "VERSION 4\nCHECKPRESENT {HERE}\nLOCKCONTENT {HERE}\nUNLOCKCONTENT\nGET 0  {HERE}\nSUCCESS\nREMOVE {FOO}\n\
         REMOVE-BEFORE 999999999 {FOO}\nPUT f {FOO}\n"
    );
    for variable in ["READONLY", "APPENDONLY", "LIMITED"] {
        let variable = format!("GIT_ANNEX_SHELL_{variable}");
        let variables = [(variable.as_str(), "1")];
        let same = |line: &str, input: &str| shells.same(&repositories, line, &variables, input);
        same("configlist|REPO", "");
        same(&format!("inannex|REPO|{HERE}"), "");
        same(&format!("dropkey|REPO|{FOO}"), "");
        same(&ask, &talk);
        same("-c|git-upload-pack 'REPO'", "0000");
        same("-c|git-receive-pack 'REPO'", "0000");
        same("-c|frobnicate 'REPO'", "");
    }
    for only in ["REPO", "REPO/", "NAME", "~/NAME", "/~/NAME", "REPO/../NAME"] {
        let variables = [("GIT_ANNEX_SHELL_DIRECTORY", only)];
        for line in [
            "configlist|REPO",
            "configlist|NAME",
            "configlist|/~/NAME",
            "configlist|REPO/..",
            "configlist|/",
            "-c|git-upload-pack 'REPO'",
            "-c|git-upload-pack '~/NAME'",
            "-c|git-upload-pack '/'",
        ] {
            shells.same(&repositories, line, &variables, "0000");
        }
        let elsewhere = format!("configlist|{}", others[0].display());
        assert_eq!(shells.same(&repositories, &elsewhere, &variables, "").code, Some(1));
    }
}

/// What a client sends, one connection after the other, in the same repository.
#[test]
fn connections_are_answered_as_by_git_annex() {
    let Some(shells) = Shells::new() else { return };
    let repositories = shells.repositories("photos");
    let line = format!("p2pstdio|REPO|{CLIENT}|--uuid|SELF");
    for (talk, code) in [
        ("CHECKPRESENT HERE\nCHECKPRESENT FOO\n", 0),
        (
            "GET 0 f HERE\nSUCCESS\nGET 2 f HERE\nSUCCESS\nGET 9 f HERE\nFAILURE\nGET 0  FOO\nFAILURE\n",
            0,
        ),
        (
            "VERSION 4\nGET 0 f HERE\nSUCCESS\nGET 2 f HERE\nxx\nGET 9 f HERE\nERROR x\nGET 0  FOO\nSUCCESS-PLUS a\n",
            0,
        ),
        // Ahead of the answers.
        (
            "VERSION 4\nGET 0 f HERE\nSUCCESS\nGET 0 f HERE\nSUCCESS\nGET 0 f HERE\nSUCCESS\nCHECKPRESENT HERE\n",
            0,
        ),
        ("VERSION 4\nPUT f FOO\nDATA 4\nfo", 1),
        ("VERSION 4\nPUT f FOO\nDATA 2\no\nVALID\nPUT f FOO\n", 0),
        ("REMOVE FOO\nREMOVE FOO\nCHECKPRESENT FOO\n", 0),
        ("PUT f FOO\nDATA 4\nbar\nPUT f FOO\nERROR x\nCHECKPRESENT FOO\n", 0),
        (
            "VERSION 4\nPUT f FOO\nDATA 4\nbar\nVALID\nPUT f FOO\nDATA 4\nfoo\nINVALID\nCHECKPRESENT FOO\n",
            0,
        ),
        ("VERSION 4\nREMOVE FOO\nPUT  FOO\nDATA 4\nfoo\n", 0),
        (
            "VERSION 4\nREMOVE-BEFORE 1 FOO\nCHECKPRESENT FOO\nREMOVE-BEFORE 999999999 FOO\nCHECKPRESENT FOO\n",
            0,
        ),
        (
            "VERSION 4\nPUT f FOO\nDATA-PRESENT\nPUT f FOO\nVALID\nPUT f FOO\nDATA 7\ntoolong\nVALID\nCHECKPRESENT FOO\n",
            0,
        ),
        ("LOCKCONTENT FOO\nLOCKCONTENT HERE\nREMOVE HERE\nCHECKPRESENT HERE\n", 0),
        (
            "LOCKCONTENT HERE\nUNLOCKCONTENT\nREMOVE HERE\nCHECKPRESENT HERE\nLOCKCONTENT HERE\n",
            0,
        ),
        (
            "FOO\n\nSUCCESS\nVERSION 9\nBYPASS a b\nCONNECT x\nAUTH a b\nERROR x\nCHECKPRESENT FOO\n",
            0,
        ),
        ("CONNECT git-upload-pack\n", 1),
        ("NOTIFYCHANGE\n", 1),
    ] {
        let talk = talk.replace("HERE", HERE).replace("FOO", FOO);
        let answer = shells.same(&repositories, &line, &[], &talk);
        assert_eq!(answer.code, Some(code), "{talk}");
    }
    let last = format!("PUT f {FOO}\nDATA 4\nfoo\n");
    shells.same(&repositories, &line, &[], &last);
    for path in &repositories {
        run(&mut shells.sandbox.git(path, ["annex", "fsck", "--quiet", "--key", FOO]));
    }
}

/// A command that runs, and is talked to line by line.
struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        Running {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ends as a client's connection does; returns the exit code.
    fn close(mut self) -> Option<i32> {
        drop(self.input);
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// The files beside the object, besides itself.
fn beside_object(repository: &Path) -> Vec<String> {
    let objects = repository.join(".git/annex/objects");
    let object = run(Command::new("find").arg(&objects).args(["-name", HERE, "-type", "f"]));
    let names = fs::read_dir(Path::new(object.trim()).parent().unwrap()).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != HERE);
    names.sort();
    names.into_iter().map(|name| name.replace(HERE, "")).collect()
}

#[test]
fn a_lock_holds_for_git_annex_and_outlives_a_server_that_is_killed() {
    let Some(shells) = Shells::new() else { return };
    let repositories = shells.repositories("photos");
    let connect = |whose: usize| {
        let path = repositories[whose].to_str().unwrap();
        let mut running = Running::start(shells.command(whose, &["p2pstdio", path, CLIENT], &[]));
        assert!(running.hear().starts_with("AUTH-SUCCESS "));
        running
    };
    let lock = |running: &mut Running| {
        running.say(&format!("LOCKCONTENT {HERE}"));
        assert_eq!(running.hear(), "SUCCESS");
    };
    for whose in [0, 1] {
        let repository = &repositories[whose];
        let is_dropped = |expected: bool| {
            let drop = shells
                .sandbox
                .git(repository, ["annex", "drop", "--force", "hello.txt"])
                .output()
                .unwrap();
            assert_eq!(drop.status.success(), expected, "{whose}");
            let mut ours = shells.sandbox.command(&shells.programs[1]);
            let drop = ours
                .args(["dropkey"])
                .arg(repository)
                .args([HERE, "--force"])
                .output()
                .unwrap();
            assert_eq!(drop.status.success(), expected, "{whose}");
        };
        let mut first = connect(whose);
        lock(&mut first);
        assert_eq!(beside_object(repository), [".lck", ".rtl", ".rtm"]);
        let mut second = connect(whose);
        lock(&mut second);
        is_dropped(false);
        first.say("UNLOCKCONTENT");
        assert_eq!(first.close(), Some(0));
        is_dropped(false);
        assert_eq!(beside_object(repository), [".lck", ".rtl", ".rtm"]);
        assert_eq!(second.close(), Some(0));
        assert_eq!(beside_object(repository), [""; 0]);

        let mut killed = connect(whose);
        lock(&mut killed);
        killed.child.kill().unwrap();
        killed.child.wait().unwrap();
        is_dropped(false);
        assert!(beside_object(repository).contains(&".rtm".to_owned()));
        let mut third = connect(whose);
        third.say(&format!("REMOVE {HERE}"));
        assert_eq!(third.close(), Some(1));
        // Ten minutes later.
        let object = run(Command::new("find")
            .arg(repository.join(".git/annex/objects"))
            .args(["-name", "*.rtm"]));
        run(Command::new("chmod")
            .arg("u+w")
            .arg(Path::new(object.trim()).parent().unwrap()));
        fs::write(object.trim(), "1000000000s").unwrap();
        is_dropped(true);
    }
}

#[test]
fn changes_of_refs_are_told_as_by_git_annex() {
    let Some(shells) = Shells::new() else { return };
    let repositories = shells.repositories("photos");
    for whose in [0, 1] {
        let repository = &repositories[whose];
        let git = |arguments: &[&str]| run(&mut shells.sandbox.git(repository, arguments)).trim().to_owned();
        let path = repository.to_str().unwrap();
        let mut running = Running::start(shells.command(whose, &["notifychanges", path], &[]));
        assert_eq!(running.hear(), "READY");
        let all = git(&["for-each-ref", "--format=%(objectname)"]);
        assert_eq!(running.hear(), format!("CHANGED {}", all.replace('\n', " ")));
        let head = git(&["rev-parse", "HEAD"]);
        git(&["branch", "new"]);
        assert_eq!(running.hear(), format!("CHANGED {head}"));
        git(&["branch", "-d", "new"]);
        git(&["commit", "--quiet", "--allow-empty", "-m", "more"]);
        assert_eq!(running.hear(), format!("CHANGED {}", git(&["rev-parse", "HEAD"])));
        running.close();
    }
}

/// What our own clients ask a server that is ours, and what it answers.
#[test]
fn contents_that_are_offered_are_stored_or_refused_with_a_reason() {
    let Some(shells) = Shells::new() else { return };
    let repository = &shells.repositories("photos")[1];
    let path = repository.to_str().unwrap();
    let bar = "SHA256E-s4--7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730.txt";
    let serve = |variables: &[(&str, &str)], talk: &str| {
        let command = shells.command(1, &["p2pstdio", path, CLIENT], variables);
        let talk = talk.replace("HERE", HERE).replace("FOO", FOO).replace("BAR", bar);
        let said = talk_to(command, &format!("VERSION 4\n{talk}"));
        said.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let git = |arguments: &[&str]| run(&mut shells.sandbox.git(repository, arguments));
    let refused = serve(&[("GIT_ANNEX_SHELL_READONLY", "1")], "OFFER f FOO\nCHECKPRESENT FOO\n");
    assert!(
        refused[0].starts_with("UNWANTED FAILED ") && refused[1] == "FAILURE",
        "{refused:?}"
    );
    git(&["config", "annex.diskreserve", "1000pb"]);
    assert_eq!(
        serve(&[], "OFFER f FOO\nDATA 4\nfoo\nVALID\n"),
        ["WANTED 0", "UNSTORED FULL"]
    );
    git(&["config", "--unset", "annex.diskreserve"]);
    git(&["config", "annex.securehashesonly", "true"]);
    let refused = serve(&[], "OFFER f WORM-s1--x\n");
    assert!(
        refused[0].starts_with("UNWANTED FAILED annex.securehashesonly"),
        "{refused:?}"
    );
    git(&["config", "--unset", "annex.securehashesonly"]);
    let talk = "OFFER f FOO\nOFFER f HERE\nOFFER f BAR\nDATA 4\nfou\nVALID\nGONE\n";
    assert_eq!(serve(&[], talk), ["WANTED 0", "HELD", "WANTED 0", "UNSTORED WRONG"]);
    // What came before the end is kept, and logged.
    let append = [("GIT_ANNEX_SHELL_APPENDONLY", "1")];
    let talk = "OFFER f BAR\nOFFER f FOO\nDATA 4\nbar\nVALID\nDATA 4\nfo";
    assert_eq!(serve(&append, talk)[..2], ["WANTED 0", "WANTED 0"]);
    assert_eq!(serve(&[], "OFFER f BAR\n"), ["HELD"]);
    assert!(git(&["annex", "find", "--format=${key}\n", "--anything"]).contains("SHA256E"));
    assert!(git(&["annex", "whereis", "--key", bar]).contains("1 copy"));
    // What is found damaged is not said to be here, whatever becomes of the offer.
    let mut find = Command::new("find");
    let object = run(find
        .arg(repository.join(".git/annex/objects"))
        .args(["-type", "f", "-name", bar]));
    run(Command::new("chmod").args(["u+w", object.trim()]));
    fs::write(object.trim(), "no bar").unwrap();
    assert_eq!(serve(&[], "OFFER f BAR\nGONE\n"), ["WANTED 0"]);
    let told = attempt(&mut shells.sandbox.git(repository, ["annex", "whereis", "--key", bar]));
    assert!(String::from_utf8_lossy(&told.stdout).contains("0 copies"), "{told:?}");
    assert_eq!(serve(&[], "OFFER f BAR\nDATA 4\nbar\nVALID\n"), ["WANTED 0", "STORED"]);
    // What arrived is stored and acknowledged even if the rest never follows.
    let mut silent = Running::start(shells.command(1, &["p2pstdio", path, CLIENT], &[]));
    silent.say(&format!("VERSION 4\nOFFER f SHA256E-s4--bf07a7fbb825fc0aae7bf4a1177b2b31fcf8a3feeaf7092761e18c859ee52a9c\nOFFER f {FOO}\nDATA 4\nbaz\nVALID"));
    let said: Vec<String> = (0..5).map(|_| silent.hear()).collect();
    assert_eq!(said[2..], ["WANTED 0", "WANTED 0", "STORED"]);
    silent.close();
    let talk = "OFFER f FOO\nDATA 4\nfoo\nINVALID\n";
    assert_eq!(serve(&[], talk), ["WANTED 0", "STORED"]);
    git(&["annex", "fsck", "--quiet", "--all"]);
}

/// Sends all of a talk, and returns all that is said.
fn talk_to(command: Command, talk: &str) -> String {
    let mut running = Running::start(command);
    running.input.write_all(talk.as_bytes()).unwrap();
    drop(running.input);
    let mut said = String::new();
    running.output.read_to_string(&mut said).unwrap();
    running.child.wait().unwrap();
    said
}

/// Nothing that a client sends is stored where it should not be, or makes the server fail.
#[test]
fn a_client_that_lies_does_no_harm() {
    let Some(shells) = Shells::new() else { return };
    let repository = &shells.repositories("photos")[1];
    let path = repository.to_str().unwrap();
    let before = run(Command::new("find").arg(repository).args(["-name", "*.log"]));
    let offers = format!("VERSION 4\n{}", format!("OFFER f {FOO}\n").repeat(5000));
    let talks: [&[u8]; 13] = [
        offers.as_bytes(),
        b"VERSION 4\nOFFER ../../x WORM-s1--..%2f..\nDATA 1\nxVALID\n",
        b"VERSION 4\nOFFER f /--../../x\nGONE\nGONE\nDATA 3\nfoo\n",
        b"VERSION 4\nOFFER f SHA256E-s4--b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c.txt\nDATA 18446744073709551615\nfoo\n",
        b"VERSION 4\nOFFER f SHA256E-s4--b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c.txt\nDATA 4\nbar\nVALID\n",
        &[b'x'; 100_000],
        b"PUT f ../../../../x--y\nDATA 1\nx",
        b"PUT ../../x WORM-s1--..%2f..\nDATA 1\nxVALID\n",
        b"GET 18446744073709551615 f SHA256E-s6--x\nSUCCESS\n",
        b"VERSION 4\nPUT f SHA256E-s4--b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c.txt\nDATA 18446744073709551615\nfoo\n",
        b"PUT f SHA256E--x\nDATA 9999999999999999\nfoo\n",
        b"\0\0\n\xff\xfe\nCHECKPRESENT \xff-s1--\xff\n",
        b"LOCKCONTENT /--../../x\nREMOVE /--/etc/passwd\nREMOVE -s1--\n",
    ];
    for talk in talks {
        let mut running = Running::start(shells.command(1, &["p2pstdio", path, CLIENT], &[]));
        // It may end before it has read all.
        let _ = running.input.write_all(talk);
        let code = running.close();
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
    }
    for client in ["../../x", "", "/etc", "a/b"] {
        let running = Running::start(shells.command(1, &["p2pstdio", path, client], &[]));
        assert_eq!(running.close(), Some(1), "{client}");
    }
    assert_eq!(
        run(Command::new("find").arg(repository).args(["-name", "*.log"])),
        before
    );
    run(&mut shells.sandbox.git(repository, ["annex", "fsck", "--quiet", "--all"]));
    checks::is_clean(&shells.sandbox, repository).unwrap();
}
