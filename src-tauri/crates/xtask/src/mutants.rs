//! `cargo xtask mutants`: breaks the code that nothing may be lost by, one line at a time, and looks whether a test notices.
//!
//! What survives is killed by a new test, or stands in `.cargo/mutants.toml` with the reason.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::steps::{Steps, seconds, shown};
use crate::{packages, tools};

/// The code that nothing may be lost by.
const GUARDED: &[&str] = &[
    "src-tauri/crates/annex/src/branch/**",
    "src-tauri/crates/annex/src/checkout/**",
    "src-tauri/crates/annex/src/exchange/**",
    "src-tauri/crates/annex/src/intake/**",
    "src-tauri/crates/annex/src/locks.rs",
    "src-tauri/crates/annex/src/ref_lock.rs",
    "src-tauri/crates/annex/src/store/**",
    "src-tauri/crates/assistant/src/guards/**",
];

/// Breaks these files, or all that are guarded, and tells what no test noticed. It works in a copy of the project.
///
/// # Errors
///
/// When something cannot be installed, the tests fail without any change, or a change was not noticed.
pub(crate) fn run(yes: bool, files: &[String]) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("system packages", || packages::install(&[packages::BUILD], yes))?;
    let nextest = steps.step("cargo-nextest", || tools::nextest(&place))?;
    let mutants = steps.step("cargo-mutants", || tools::mutants(&place))?;

    let report = place.target.join("mutants");
    std::fs::create_dir_all(&report).with_context(|| format!("{} cannot be made", report.display()))?;
    let mut cargo = place.cargo(&["mutants", "--no-shuffle", "--output"]);
    cargo.arg(&report);
    // The copy takes what is built already of others' crates from here.
    cargo.env("CARGO_TARGET_DIR", &place.target);
    cargo.env("PATH", tools::first_in_path(nextest.iter().chain(&mutants))?);
    let guarded = GUARDED.iter().map(ToString::to_string);
    let wanted: Vec<String> = if files.is_empty() {
        guarded.collect()
    } else {
        files.to_vec()
    };
    wanted.iter().for_each(|file| _ = cargo.args(["--file", file]));

    println!("\n▶ mutants\n  $ {}", shown(&cargo));
    let began_at = Instant::now();
    let status = cargo.status().context("cargo-mutants could not be started")?;
    let outcomes = report.join("mutants.out");
    let count = |name: &str| lines(&outcomes.join(name)).len();
    let (caught, late, unviable) = (count("caught.txt"), count("timeout.txt"), count("unviable.txt"));
    let missed = lines(&outcomes.join("missed.txt"));
    let tried = caught + late + missed.len();
    println!(
        "\n  {tried} changes: {caught} noticed, {late} made a test hang, {} not noticed; {unviable} do not compile",
        missed.len()
    );
    if let Some(each) = began_at
        .elapsed()
        .checked_div(u32::try_from(tried + unviable).unwrap_or(u32::MAX))
    {
        println!("  {} for each", seconds(each));
    }
    missed.iter().for_each(|line| println!("  not noticed: {line}"));
    match missed.is_empty() {
        // It says by other codes what is counted here.
        true if tried > 0 => Ok(()),
        true => bail!("cargo-mutants tried nothing ({status}); its own message stands above"),
        false => bail!(
            "{} changes were not noticed: write a test for each, or list it in .cargo/mutants.toml with the reason",
            missed.len()
        ),
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
