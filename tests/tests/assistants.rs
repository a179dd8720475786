//! Our engine at one end of a remote, git-annex's own assistant at the other: both bring everything across, and rest.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::skip::needs_git_annex;
use whole_system::{Chance, Engine, Sandbox, checks, eventually, trees};

/// git-annex's assistant, stopped when it is let go of.
struct Assistant(Child);

impl Assistant {
    fn start(sandbox: &Sandbox, repository: &Path) -> Self {
        let mut command = sandbox.git(repository, ["annex", "assistant", "--foreground"]);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap())
    }
}

impl Drop for Assistant {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        // It may have ended by itself; waiting tells.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[test]
fn our_engine_and_git_annex_s_assistant_do_not_fight() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut chance = Chance::new();
    let ours = Actor::Anabranch.init(&sandbox, "ours");
    fs::write(ours.join("first"), "first").unwrap();
    Actor::Anabranch.sync(&sandbox, &ours);
    let theirs = Actor::GitAnnex.clone(&sandbox, &ours, "theirs", false);
    connect_both(&sandbox, &ours, &theirs);
    Actor::GitAnnex.sync(&sandbox, &theirs);

    let engine = Engine::start(&sandbox, &[&ours]);
    let assistant = Assistant::start(&sandbox, &theirs);
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::from([("first".into(), b"first".to_vec())]);
    for round in 0..3 {
        for (clone, name) in [(&ours, "ours"), (&theirs, "theirs")] {
            for number in 0..5 {
                let path = PathBuf::from(format!("by {name} {round} {number}.bin"));
                let bytes = chance.bytes(20_000);
                fs::write(clone.join(&path), &bytes).unwrap();
                files.insert(path, bytes);
            }
        }
        for clone in [&ours, &theirs] {
            eventually(Duration::from_secs(100), || trees::holds(clone, &files));
        }
    }
    checks::come_to_rest(&sandbox, &[&ours, &theirs], Duration::from_secs(40));
    engine.stop();
    drop(assistant);
    for clone in [&ours, &theirs] {
        checks::assert_whole(&sandbox, clone);
    }
}
