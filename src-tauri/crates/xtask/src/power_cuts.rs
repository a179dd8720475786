//! `cargo xtask powercuts`: the power is cut while Anabranch works, a few thousand times.

use anyhow::Result;

use crate::place::Place;
use crate::steps::Steps;
use crate::{packages, steps};

/// Builds what is cut and what cuts, and cuts so many times.
///
/// # Errors
///
/// When something cannot be installed or built, or a cut shows a fault: which one stands above.
pub(crate) fn run(yes: bool, cuts: usize) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("system packages", || {
        packages::install(&[packages::BUILD, packages::FUSE], yes)
    })?;
    steps.command(
        "build",
        &mut place.cargo(&["build", "--package", "cli", "--bin", "anabranch"]),
    )?;
    let mut example = place.cargo(&["run", "--quiet", "--package", "whole-system", "--example", "powercuts"]);
    example
        .args(["--", &cuts.to_string()])
        .env("ANABRANCH_BINARY", place.target.join("debug/anabranch"));
    let found = steps.step("power cuts", || steps::succeed(&mut example));
    println!("{}", steps.summary());
    found
}
