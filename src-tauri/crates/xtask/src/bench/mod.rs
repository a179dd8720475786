//! `cargo xtask bench`: one table, each row ours, git-annex's assistant's, and what a plain program needs, in one run on
//! one machine. The ratios count; the seconds are those of this machine.

mod floor;
mod idle;
mod layout;
mod lists;
mod pair;
mod rows;
mod scale;
pub(crate) mod soak;
mod syncthing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::place::Place;
use crate::run::build_desktop;
use crate::steps::Steps;
use crate::{packages, tools};

use layout::Layout;
use pair::{Pair, Who};

/// The name of the rows of the desktop program.
const DESKTOP: &str = "desktop";

/// The name of the table of transfers over ssh, which is measured only when it is named.
const SSH: &str = "ssh";

/// The name of the table of what changes cost in a large folder, which is measured only when it is named.
const SCALE: &str = "scale";

/// What one side needed for one row.
#[derive(Debug, Clone)]
pub(super) enum Took {
    /// It was done after this long.
    Time(Duration),
    /// It was not done when patience ended; in words, how far it had come.
    GaveUp(String),
    /// Something else than a time.
    Figure(f64, &'static str),
    /// It was not asked to.
    NotRun,
}

/// One row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) must: &'static str,
    pub(super) floor: String,
    pub(super) ours: Took,
    pub(super) theirs: Took,
    pub(super) holds: Option<bool>,
}

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Installs missing system packages without asking.
    #[arg(long)]
    yes: bool,
    /// Leaves git-annex's assistant and Syncthing out, which take most of the time.
    #[arg(long)]
    only_ours: bool,
    /// Measures another build of anabranch beside it; in the place of git-annex's assistant, except in the table `scale`.
    #[arg(long, value_name = "BINARY")]
    beside: Option<PathBuf>,
    /// How many files the folder of the table `scale` has.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..))]
    files: u32,
    /// Puts all files of the table `scale` into one directory, instead of 1,000 into each.
    #[arg(long)]
    flat: bool,
    /// The rows to measure: one, many, rename, start, large, idle, memory, why, desktop; all of these if none is named. Or
    /// scale: what a large folder costs. Or ssh: how fast content travels to another computer and back.
    rows: Vec<String>,
}

/// Builds in release, and measures.
///
/// # Errors
///
/// When something cannot be installed, built or started, or does not come into step.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Options {
        yes,
        only_ours,
        beside,
        rows,
        ..
    } = options;
    let (yes, only_ours, beside) = (*yes, *only_ours, beside.as_deref());
    let place = Place::find()?;
    let is_named = |row: &str| rows.iter().any(|wanted| wanted == row);
    // The files of `many` are what the others work on.
    let is_needed = |row: &str| row == "many" && (is_named("rename") || is_named("start"));
    let wants = |row: &str| rows.is_empty() || is_named(row) || is_needed(row);
    if rows::ROWS.iter().any(|(name, _)| wants(name)) {
        pairs(&place, yes, only_ours, beside, &wants)?;
    }
    if wants(DESKTOP) {
        desktop(&place, yes)?;
    }
    if is_named(SSH) {
        ssh(&place, yes)?;
    }
    if is_named(SCALE) {
        let mut programs = vec![("ours", Who::Ours(build(&place, yes)?))];
        programs.extend(beside.map(|build| ("the other build", Who::Ours(build.to_owned()))));
        if !only_ours {
            packages::install(&[packages::SYNCTHING], yes)?;
            programs.push(("Syncthing", Who::Syncthing));
            // Last, since it takes longest.
            programs.push(("git-annex's assistant", Who::GitAnnex(tools::git_annex(&place)?)));
        }
        scale::run(&Layout::new(options.files as usize, options.flat), &programs)?;
    }
    Ok(())
}

/// Builds the program in release.
fn build(place: &Place, yes: bool) -> Result<PathBuf> {
    let mut steps = Steps::new();
    steps.step("system packages", || {
        packages::install(&[packages::BUILD, packages::TEST], yes)
    })?;
    steps.command(
        "build",
        &mut place.cargo(&["build", "--release", "--package", "cli", "--bin", "anabranch"]),
    )?;
    Ok(place.target.join("release/anabranch"))
}

fn pairs(place: &Place, yes: bool, only_ours: bool, beside: Option<&Path>, wants: &dyn Fn(&str) -> bool) -> Result<()> {
    let anabranch = build(place, yes)?;
    let other = match beside {
        Some(build) => Some(Who::Ours(build.to_owned())),
        None if only_ours => None,
        None => Some(Who::GitAnnex(tools::git_annex(place)?)),
    };

    let mut table = Vec::new();
    let mut ours = Pair::make(&Who::Ours(anabranch))?;
    measure(&mut ours, &mut table, wants)?;
    drop(ours);
    if let Some(other) = other {
        let mut theirs = Pair::make(&other)?;
        measure(&mut theirs, &mut table, wants)?;
    }
    let name = match beside {
        Some(_) => "the other build",
        None => "git-annex's assistant",
    };
    print(&table, name);
    Ok(())
}

/// Over ssh, rsync and git-annex are beside it.
fn ssh(place: &Place, yes: bool) -> Result<()> {
    packages::install(&[packages::RSYNC], yes)?;
    let program = build(place, yes)?;
    tools::git_annex(place)?;
    let mut figures = place.cargo(&["run", "--quiet", "--package", "whole-system", "--example", "ssh"]);
    Steps::new().command("ssh", figures.env("ANABRANCH_BINARY", &program))
}

/// The desktop program has a table of its own: nothing of git-annex's is beside it.
fn desktop(place: &Place, yes: bool) -> Result<()> {
    let mut steps = Steps::new();
    steps.step("system packages", || packages::install(&[packages::SCREEN], yes))?;
    let program = build_desktop(&mut steps, place, yes)?;
    let mut figures = place.cargo(&["run", "--quiet", "--package", "whole-system", "--example", "figures"]);
    figures
        .env("ANABRANCH_DESKTOP_BINARY", &program)
        .env("ANABRANCH_BINARY", program.with_file_name("anabranch"));
    steps.command("desktop", &mut figures)
}

fn measure(pair: &mut Pair, table: &mut Vec<Row>, wants: &dyn Fn(&str) -> bool) -> Result<()> {
    for (name, row) in rows::ROWS {
        if !wants(name) {
            continue;
        }
        println!("\n▶ {name} ({})", pair.name());
        let measured = row(pair)?;
        println!("  {}", words(&measured.ours));
        match table.iter_mut().find(|row| row.name == measured.name) {
            Some(row) => row.theirs = measured.ours,
            None => table.push(measured),
        }
    }
    Ok(())
}

pub(super) fn words(took: &Took) -> String {
    match took {
        Took::Time(time) => format!("{:.3} s", time.as_secs_f64()),
        Took::GaveUp(how_far) => how_far.clone(),
        Took::Figure(figure, unit) => format!("{figure:.2} {unit}"),
        Took::NotRun => "–".to_owned(),
    }
}

fn print(table: &[Row], other: &str) {
    println!("\n| row | ours | {other} | floor | must be | holds |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for row in table {
        let holds = row.holds.map_or("–", |holds| if holds { "yes" } else { "NO" });
        let (ours, theirs) = (words(&row.ours), words(&row.theirs));
        println!(
            "| {} | {ours} | {theirs} | {} | {} | {holds} |",
            row.name, row.floor, row.must
        );
    }
}
