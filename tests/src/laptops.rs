//! Laptops that sync through a server by a real ssh.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::clones::Actor;
use crate::sshd::{Login, Shell};
use crate::{PATIENCE, Sandbox, Sshd, eventually, run};

/// A server with a repository, and two laptops that have it as a remote and do not know each other.
pub struct Scene {
    /// Where everything is.
    pub sandbox: Sandbox,
    /// The server.
    pub sshd: Sshd,
    /// The repository on it.
    pub server: PathBuf,
    /// The folders of the laptops.
    pub laptops: [PathBuf; 2],
}

impl Scene {
    /// Makes all of it; the laptops have the same files.
    ///
    /// # Panics
    ///
    /// If something cannot be made.
    #[must_use]
    pub fn new(shell: Shell, is_bare: bool) -> Self {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "server", shell, Login::Everything, &[]);
        let server = sshd.home().join("photos");
        let mut init = sandbox.command("git");
        init.args(["init", "--quiet", "--initial-branch=main"])
            .args(is_bare.then_some("--bare"));
        run(init.arg(&server));
        run(sandbox.command("ssh").args([
            "server",
            &format!("git-annex-shell configlist '{}' -- autoinit=1 --", server.display()),
        ]));
        let address = sshd.address(&server);
        let ann = Actor::Anabranch.init(&sandbox, "ann");
        run(&mut sandbox.git(&ann, ["remote", "add", "server", &address]));
        // The other one begins with what the first has brought there.
        fs::write(ann.join("before"), "from before").unwrap();
        Actor::Anabranch.sync(&sandbox, &ann);
        let ben = sandbox.path("ben");
        run(sandbox.anabranch(["clone", &address]).arg(&ben));
        let laptops = [ann, ben];
        Self {
            sandbox,
            sshd,
            server,
            laptops,
        }
    }
}

/// Waits until a file of a folder has this text.
#[track_caller]
pub fn follows(folder: &Path, name: &str, text: &str) {
    eventually(PATIENCE, || match fs::read_to_string(folder.join(name)) {
        Ok(found) if found == text => Ok(()),
        found => Err(format!("{}: {found:?}", folder.join(name).display())),
    });
}

/// Puts a program in the place of git-annex-shell there. `real` is what it may run instead.
///
/// # Panics
///
/// If it cannot be written.
pub fn serve_by(scene: &Scene, script: &str) {
    let shell = scene.sandbox.path("sshd of server/bin/git-annex-shell");
    let real = shell.with_file_name("real").join("git-annex-shell");
    fs::create_dir(real.parent().unwrap()).unwrap();
    fs::rename(&shell, &real).unwrap();
    let script = format!("#!/bin/sh\nreal='{}'\n{script}", real.display());
    fs::write(&shell, script).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What `anabranch status` says.
///
/// # Panics
///
/// If it cannot be run.
#[must_use]
pub fn run_status(sandbox: &Sandbox, folder: &Path) -> String {
    let output = sandbox.anabranch(["status"]).arg(folder).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
