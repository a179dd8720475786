//! Making repositories, by Anabranch and by git-annex, and syncing them once.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Sandbox, attempt, over_ssh, run};

/// Whose program acts on a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// `anabranch`.
    Anabranch,
    /// The real git-annex.
    GitAnnex,
}

impl Actor {
    /// Makes a repository at a name in the sandbox.
    #[track_caller]
    pub fn init(self, sandbox: &Sandbox, name: &str) -> PathBuf {
        let path = sandbox.path(name);
        match self {
            Actor::Anabranch => {
                run(sandbox.anabranch(["init"]).arg(&path).args(["--description", name]));
            }
            Actor::GitAnnex => {
                run(sandbox.command("git").args(["init", "--quiet"]).arg(&path));
                run(&mut sandbox.git(&path, ["annex", "init", "--quiet", name]));
            }
        }
        path
    }

    /// Clones a repository to a name in the sandbox.
    #[track_caller]
    pub fn clone(self, sandbox: &Sandbox, source: &Path, name: &str, is_bare: bool) -> PathBuf {
        let path = sandbox.path(name);
        match self {
            Actor::Anabranch => {
                let mut clone = sandbox.anabranch(["clone"]);
                clone.arg(source).arg(&path).args(["--description", name]);
                if is_bare {
                    clone.arg("--bare");
                }
                run(&mut clone);
            }
            Actor::GitAnnex => {
                let mut clone = sandbox.command("git");
                clone.args(["clone", "--quiet"]).args(is_bare.then_some("--bare"));
                run(clone.arg(source).arg(&path));
                run(&mut sandbox.git(&path, ["annex", "init", "--quiet", name]));
            }
        }
        over_ssh::move_remotes(sandbox, source);
        over_ssh::move_remotes(sandbox, &path);
        path
    }

    /// Syncs a repository with its remotes once: adds, commits, pulls, pushes, transfers.
    ///
    /// It may say that something is still waiting; it must not fail in another way. Returns all that it said.
    #[track_caller]
    pub fn sync(self, sandbox: &Sandbox, repository: &Path) -> String {
        match self {
            Actor::Anabranch => {
                let mut sync = sandbox.anabranch(["sync"]);
                sync.arg(repository);
                let output = attempt(&mut sync);
                let is_fine = matches!(output.status.code(), Some(0 | 2));
                let said = crate::run::told(&sync, &output);
                assert!(is_fine, "{said}");
                // The edits of a test may leave less than half of the files, and are on purpose.
                if !said.contains("'anabranch answer yes'") {
                    return said;
                }
                let mut answer = sandbox.anabranch(["answer", "yes"]);
                let output = attempt(answer.arg(repository));
                said + "\n" + &crate::run::told(&answer, &output)
            }
            // Its exit code says too whether a push raced; only the state after all rounds counts.
            Actor::GitAnnex => {
                let mut sync = sandbox.git(repository, ["annex", "assist"]);
                let output = attempt(&mut sync);
                crate::run::told(&sync, &output)
            }
        }
    }
}

/// Makes a folder of so many pictures, `0.jpg` and so on, all of them added.
///
/// # Panics
///
/// When it cannot be made.
#[track_caller]
pub fn pictures(sandbox: &Sandbox, name: &str, count: u32) -> PathBuf {
    let folder = Actor::Anabranch.init(sandbox, name);
    for number in 0..count {
        fs::write(folder.join(format!("{number}.jpg")), format!("picture {number}\n")).unwrap();
    }
    Actor::Anabranch.sync(sandbox, &folder);
    folder
}

/// Makes `remote` known in a repository under a name, unless it is known already.
#[track_caller]
pub fn connect(sandbox: &Sandbox, repository: &Path, name: &str, remote: &Path) {
    let known = attempt(&mut sandbox.git(repository, ["config", "--get-regexp", r"^remote\..*\.url$"]));
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    let path = remote.to_str().expect("sandbox paths are text");
    let far = sandbox.other_computer().map(|far| far.address(remote));
    let url = far.as_deref().unwrap_or(path);
    if !known
        .lines()
        .any(|line| line.split_once(' ').is_some_and(|(_, known)| known == url))
    {
        run(&mut sandbox.git(repository, ["remote", "add", name, url]));
    }
}

/// Makes two repositories known to each other under their folders' names.
#[track_caller]
pub fn connect_both(sandbox: &Sandbox, left: &Path, right: &Path) {
    for (from, to) in [(left, right), (right, left)] {
        let name = to.file_name().expect("a repository has a name").to_string_lossy();
        connect(sandbox, from, &name, to);
    }
}
