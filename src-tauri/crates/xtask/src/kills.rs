//! `cargo xtask kills`: two engines are killed while they sync, again and again.

use anyhow::Result;

use crate::place::Place;
use crate::steps::Steps;
use crate::{packages, steps, tools};

/// Builds the program and the example that kills it, then runs the example.
///
/// # Errors
///
/// When something cannot be installed or built, or a kill shows a fault: which one stands above.
pub(crate) fn run(yes: bool, kills: usize) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("system packages", || packages::install(&[packages::BUILD], yes))?;
    let git_annex = steps.step("git-annex", || tools::git_annex(&place))?;
    steps.command(
        "build",
        &mut place.cargo(&["build", "--package", "cli", "--bin", "anabranch"]),
    )?;
    let mut example = place.cargo(&["run", "--quiet", "--package", "whole-system", "--example", "kills"]);
    example
        .args(["--", &kills.to_string()])
        .env("ANABRANCH_BINARY", place.target.join("debug/anabranch"))
        .env("ANABRANCH_GIT_ANNEX", git_annex);
    let found = steps.step("kills", || steps::succeed(&mut example));
    println!("{}", steps.summary());
    found
}
