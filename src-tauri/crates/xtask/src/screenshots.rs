//! `cargo xtask screenshots`: pictures of the real program on a real desktop.

use anyhow::Result;

use crate::place::Place;
use crate::steps::Steps;
use crate::{packages, ui};

/// Installs what is missing, builds, and takes the pictures.
///
/// # Errors
///
/// When something cannot be installed or built, or does not show what it should.
pub(crate) fn run(yes: bool) -> Result<()> {
    let mut steps = Steps::new();
    let place = Place::find()?;
    let needs = [
        packages::BUILD,
        packages::WINDOW,
        packages::DESKTOP,
        packages::SCREEN,
        packages::TEST,
        packages::PICTURES,
    ];
    steps.step("system packages", || packages::install(&needs, yes))?;
    ui::build(&mut steps, &place)?;
    let folder = place.root.join("src-tauri/pictures");
    let mut take = place.cargo(&[
        "run",
        "--quiet",
        "--package",
        "whole-system",
        "--example",
        "pictures",
        "--",
    ]);
    steps.command("pictures", take.arg(folder))
}
