//! `cargo xtask mutants`: breaks the code that keeps files safe, one line at a time, and checks whether a test notices.
//!
//! One build holds all changes, each switched on by a variable ([`switch`]); for each, only those tests run that reach it.
//! Changes that cannot be switched are built one by one. A surviving change needs a new test, or a line in `.cargo/mutants.toml`
//! with the reason.

mod change;
mod compile;
mod outcomes;
mod sites;
mod switch;
mod tree;
mod trial;
mod weave;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::change::Change;
use self::compile::{Form, packages as packages_of, sift, write};
use self::outcomes::{Outcome, Outcomes};
use self::tree::Tree;
use self::trial::Measured;
use crate::place::Place;
use crate::steps::{Steps, seconds};
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
    let mutants = steps.step("cargo-mutants", || tools::mutants(&place))?;
    let guarded = GUARDED.iter().map(ToString::to_string);
    let files: Vec<String> = if files.is_empty() {
        guarded.collect()
    } else {
        files.to_vec()
    };
    let path = tools::first_in_path(&mutants)?;
    let changes = steps.step("what to change", || change::list(&place, &files, &path))?;

    let folder = place.target.join("mutants");
    let tree = steps.step("a copy of the project", || Tree::copy(&place, &folder, &changes))?;
    let path = folder.join("outcomes.tsv");
    let mut outcomes = Outcomes::open(&path, &tree.digest)?;
    println!("  outcomes are written to {} as they come", path.display());
    let began_at = Instant::now();
    let is_open = |number: &usize| outcomes.of(&changes[*number].name).is_none();
    let open: BTreeSet<usize> = (0..changes.len()).filter(is_open).collect();
    println!(
        "  {} changes, {} of them known already",
        changes.len(),
        changes.len() - open.len()
    );
    if !open.is_empty() {
        try_all(&mut steps, &tree, &changes, open.clone(), &mut outcomes)?;
    }
    println!("{}", steps.summary());
    if let Some(each) = u32::try_from(open.len())
        .ok()
        .and_then(|tried| began_at.elapsed().checked_div(tried))
    {
        println!("  {} for each", seconds(each));
    }
    report(&changes, &outcomes, &path)
}

fn try_all(
    steps: &mut Steps,
    tree: &Tree,
    changes: &[Change],
    open: BTreeSet<usize>,
    outcomes: &mut Outcomes,
) -> Result<()> {
    let mut switched = open;
    let others = steps.step("what can be switched", || {
        sift(tree, changes, &mut switched, Form::Switched)
    })?;
    println!("  {} can be switched, {} cannot", switched.len(), others.len());
    let plain = steps.step("which of the others compile", || {
        compiling(tree, changes, others, outcomes)
    })?;
    println!("  {} compile", plain.len());

    let all: BTreeSet<usize> = switched.union(&plain).copied().collect();
    let unchanged = || {
        write(tree, changes, &switched, Form::Switched)?;
        let built = trial::build(tree, &packages_of(changes, &all))?;
        trial::measure(&built.context("the copy does not build; cargo's own message stands above")?)
    };
    let tests = steps.step("the tests with no change on", unchanged)?;
    println!("  {} tests", tests.len());
    steps.step("each change that is switched", || {
        let shared = Mutex::new((&mut *outcomes, 0));
        trial::in_parallel(switched.iter().copied().collect(), |number| {
            let outcome = trial::attempt(*number, &tests)?;
            let (outcomes, done) = &mut *shared.lock().unwrap_or_else(PoisonError::into_inner);
            *done += 1;
            tell(&changes[*number], &outcome, *done, switched.len());
            outcomes.add(&changes[*number].name, outcome)
        })
    })?;
    steps.step("each change that has to be built", || {
        alone(tree, changes, &plain, &tests, outcomes)
    })?;
    // A change that damaged the copy would have made all after it look noticed.
    let again = steps.step("the tests with no change on, again", unchanged);
    again.map(drop).or_else(|error| {
        outcomes.forget()?;
        Err(error.context("the outcomes are not to be trusted, and forgotten"))
    })
}

/// Those of these changes that compile as they are; of the others it is written down that they do not.
fn compiling(
    tree: &Tree,
    changes: &[Change],
    mut left: BTreeSet<usize>,
    outcomes: &mut Outcomes,
) -> Result<BTreeSet<usize>> {
    let mut compiling = BTreeSet::new();
    while !left.is_empty() {
        // One in each function, so that it is plain which of them an error comes from.
        let mut round = BTreeSet::new();
        let mut taken: Vec<(&str, Range<usize>)> = Vec::new();
        for number in &left {
            let change = &changes[*number];
            let function = change.function(&tree.texts[&change.file])?;
            let is_apart = |(file, other): &(&str, Range<usize>)| {
                *file != change.file || function.end <= other.start || other.end <= function.start
            };
            if taken.iter().all(is_apart) {
                taken.push((&change.file, function));
                round.insert(*number);
            }
        }
        left.retain(|number| !round.contains(number));
        for number in sift(tree, changes, &mut round, Form::Plain)? {
            outcomes.add(&changes[number].name, Outcome::DoesNotCompile)?;
        }
        compiling.extend(round);
    }
    Ok(compiling)
}

/// Builds each change by itself, and runs all tests of its package.
fn alone(
    tree: &Tree,
    changes: &[Change],
    plain: &BTreeSet<usize>,
    tests: &[Measured],
    outcomes: &mut Outcomes,
) -> Result<()> {
    for (done, number) in plain.iter().enumerate() {
        let change = &changes[*number];
        let only = BTreeSet::from([*number]);
        write(tree, changes, &only, Form::Plain)?;
        let outcome = match trial::build(tree, &packages_of(changes, &only))? {
            Some(_) => trial::attempt_all(&change.package, *number, tests)?,
            None => Outcome::DoesNotCompile,
        };
        tell(change, &outcome, done + 1, plain.len());
        outcomes.add(&change.name, outcome)?;
    }
    Ok(())
}

fn tell(change: &Change, outcome: &Outcome, done: usize, all: usize) {
    if matches!(outcome, Outcome::NotNoticed { .. }) {
        println!("  not noticed: {}", change.name);
    }
    if done.is_multiple_of(50) || done == all {
        println!("  {done} of {all}");
    }
}

fn report(changes: &[Change], outcomes: &Outcomes, path: &Path) -> Result<()> {
    let (mut noticed, mut hung, mut uncompilable, mut missed) = (0, 0, 0, Vec::new());
    for Change { name, .. } in changes {
        match outcomes.of(name).with_context(|| format!("{name} was not tried"))? {
            Outcome::Noticed(_) => noticed += 1,
            Outcome::Hung(_) => hung += 1,
            Outcome::DoesNotCompile => uncompilable += 1,
            Outcome::NotNoticed { is_reached: true } => missed.push(name.clone()),
            Outcome::NotNoticed { is_reached: false } => missed.push(format!("{name} (no test reaches it)")),
        }
    }
    let tried = noticed + hung + missed.len();
    println!(
        "  {tried} changes: {noticed} noticed, {hung} made a test hang, {} not noticed; {uncompilable} do not compile",
        missed.len()
    );
    missed.iter().for_each(|name| println!("  not noticed: {name}"));
    println!("  each with the test that noticed it: {}", path.display());
    ensure!(tried > 0, "nothing was tried");
    if !missed.is_empty() {
        bail!(
            "{} changes were not noticed: write a test for each, or list it in .cargo/mutants.toml with the reason",
            missed.len()
        );
    }
    Ok(())
}
