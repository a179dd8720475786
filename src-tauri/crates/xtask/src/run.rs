//! `cargo xtask run`: the engine on folders, or on a sample.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::Place;
use crate::steps::Steps;
use crate::{packages, sample};

/// Installs what building needs, builds in release, and runs Anabranch on the folders; with none, on a sample.
///
/// # Errors
///
/// When something cannot be installed, built or started, or the sample does not come in step.
pub(crate) fn run(folders: &[PathBuf], yes: bool) -> Result<()> {
    let mut steps = Steps::new();
    let place = Place::find()?;
    steps.step("system packages", || packages::install(&[packages::BUILD], yes))?;
    steps.command(
        "build",
        &mut place.cargo(&["build", "--release", "--package", "cli", "--bin", "anabranch"]),
    )?;
    let anabranch = place.target.join("release/anabranch");
    if folders.is_empty() {
        return sample::run(&anabranch, &place.tools().join("git-annex/git_annex/git-annex"));
    }
    become_engine(&anabranch, folders)
}

/// Replaces this process, so that signals and the terminal are the engine's own.
fn become_engine(anabranch: &Path, folders: &[PathBuf]) -> Result<()> {
    println!("\n▶ {} run", anabranch.display());
    let error = Command::new(anabranch).arg("run").args(folders).exec();
    Err(error).with_context(|| format!("{} could not be started", anabranch.display()))
}
