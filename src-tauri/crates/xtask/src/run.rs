//! `cargo xtask run`: Anabranch with its tray and window where there is a display, in the terminal where there is none.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::Place;
use crate::steps::Steps;
use crate::{display, packages, sample, ui};

/// Installs what building needs, builds in release, and runs Anabranch as a user does. Without a display it runs in the
/// terminal on the folders; with none, it shows the sample.
///
/// # Errors
///
/// If something cannot be installed, built or started, or the sample does not get up to date.
pub(crate) fn run(folders: &[PathBuf], yes: bool) -> Result<()> {
    let mut steps = Steps::new();
    let place = Place::find()?;
    if display::is_there() {
        let desktop = build_desktop(&mut steps, &place, yes)?;
        // Whoever runs this wants to see it, whether the desktop has a tray or not.
        return become_program(&desktop, "--window", folders);
    }
    println!("there is no display, so this stays in the terminal");
    let anabranch = build(&mut steps, &place, yes)?;
    if folders.is_empty() {
        return show_sample(&place, &anabranch);
    }
    become_program(&anabranch, "run", folders)
}

/// Builds likewise, and shows Anabranch's main job on a sample.
///
/// # Errors
///
/// As for [`run`].
pub(crate) fn run_sample(yes: bool) -> Result<()> {
    let place = Place::find()?;
    let anabranch = build(&mut Steps::new(), &place, yes)?;
    show_sample(&place, &anabranch)
}

fn show_sample(place: &Place, anabranch: &Path) -> Result<()> {
    sample::run(anabranch, &place.tools().join("git-annex/git_annex/git-annex"))
}

fn build(steps: &mut Steps, place: &Place, yes: bool) -> Result<PathBuf> {
    steps.step("system packages", || packages::install(&[packages::BUILD], yes))?;
    let arguments = ["build", "--release", "--package", "cli", "--bin", "anabranch"];
    steps.command("build", &mut place.cargo(&arguments))?;
    Ok(place.target.join("release/anabranch"))
}

/// Builds the window, the program that holds it, and the one that git runs in its folders.
pub(crate) fn build_desktop(steps: &mut Steps, place: &Place, yes: bool) -> Result<PathBuf> {
    let needs = [packages::BUILD, packages::WINDOW, packages::DESKTOP];
    steps.step("system packages", || packages::install(&needs, yes))?;
    ui::build(steps, place)?;
    let programs = ["--bin", "anabranch", "--bin", "anabranch-desktop"];
    let arguments = [["build", "--release", "--workspace"].as_slice(), &programs].concat();
    steps.command("build", &mut place.cargo(&arguments))?;
    Ok(place.target.join("release/anabranch-desktop"))
}

/// Replaces this process, so that signals and the terminal are the program's own.
fn become_program(program: &Path, argument: &str, folders: &[PathBuf]) -> Result<()> {
    println!("\n▶ {} {argument}", program.display());
    let error = Command::new(program).arg(argument).args(folders).exec();
    Err(error).with_context(|| format!("{} could not be started", program.display()))
}
