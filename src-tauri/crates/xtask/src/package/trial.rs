//! The package in a clean Debian, installed by its own apt and started there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::steps::{shown, succeed};

/// The release that the package is for.
const RELEASE: &str = "bookworm";

/// What is done in there.
const SCRIPT: &str = include_str!("trial.sh");

/// Makes a clean Debian at `root`, installs the package there, and starts both programs as a user.
///
/// # Errors
///
/// When that is not possible, or the programs do not do there what they should.
pub(super) fn run(root: &Path, package: &Path) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "only root can make a clean Debian; the package itself is made: {}",
        package.display()
    );
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("{} cannot be removed", root.display()))?;
    }
    let mut make = Command::new("mmdebstrap");
    make.args(["--mode=root", "--variant=minbase", RELEASE]).arg(root);
    run_shown(&mut make)?;
    fs::copy(package, root.join("tmp/anabranch.deb")).context("the package cannot be copied into the clean Debian")?;
    fs::write(root.join("tmp/trial.sh"), SCRIPT).context("nothing can be written in the clean Debian")?;
    // Namespaces of its own, so that whatever runs or is mounted there ends with it.
    let mut inside = Command::new("unshare");
    inside.args([
        "--mount",
        "--pid",
        "--ipc",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "chroot",
    ]);
    inside.arg(root).args(["/usr/bin/env", "--ignore-environment"]);
    inside.args([
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL=C.UTF-8",
        "sh",
        "/tmp/trial.sh",
    ]);
    run_shown(&mut inside)?;
    // One in which something went wrong is left to be looked at.
    fs::remove_dir_all(root).with_context(|| format!("{} cannot be removed", root.display()))
}

fn run_shown(command: &mut Command) -> Result<()> {
    println!("  $ {}", shown(command));
    succeed(command)
}
