//! `cargo xtask fuzz`: anything is sent to the parsers of what other computers say.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::place::Place;
use crate::steps::{Steps, shown, succeed};
use crate::{packages, tools};

/// The folder of the targets, below the project's top.
const FOLDER: &str = "tests/fuzz";

/// Runs each target for so many minutes. Inputs that reach new code stay in the build folder for the next run.
///
/// # Errors
///
/// When something cannot be installed or built, or a target fails: the input stands above, and is in the build folder.
pub(crate) fn run(yes: bool, minutes: u64) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("system packages", || {
        packages::install(&[packages::BUILD, packages::FUZZ], yes)
    })?;
    let programs = steps.step("cargo-fuzz", || tools::fuzz(&place))?;
    let path = tools::first_in_path(&programs)?;
    let build = place.target.join("fuzz");
    for target in targets(&place)? {
        let corpus = build.join("corpus").join(&target);
        let artifacts = build.join("artifacts").join(&target);
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))?;
        }
        // The parsers have no unsafe code, so the sanitizer, which needs a nightly toolchain, would find nothing more.
        let mut cargo = place.cargo(&[
            "fuzz",
            "run",
            "--fuzz-dir",
            FOLDER,
            "--sanitizer",
            "none",
            "--target-dir",
        ]);
        cargo.arg(&build).arg(&target).arg(&corpus).arg("--");
        cargo.arg(format!("-artifact_prefix={}/", artifacts.display()));
        cargo.arg(format!(
            "-dict={}",
            place.root.join(FOLDER).join("words.dict").display()
        ));
        let time = Duration::from_secs(60 * minutes);
        cargo.arg(format!("-max_total_time={}", time.as_secs()));
        cargo.arg("-verbosity=0").env("PATH", &path);
        steps.step(&format!("fuzz {target}"), || {
            println!("  $ {}", shown(&cargo));
            succeed(&mut cargo)
        })?;
    }
    println!("{}", steps.summary());
    Ok(())
}

/// The names of the targets.
fn targets(place: &Place) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(place.root.join(FOLDER).join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo could not read the fuzz targets")?;
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    Ok(targets
        .filter(|target| target.is_bin())
        .map(|target| target.name.clone())
        .collect())
}
