//! `cargo xtask soak --minutes N`: three engines in a line, with three changes a second. Shows what grows over time.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::pair::{Pair, Who, wait};
use super::{build, idle};
use crate::place::Place;

/// How long from one change to the next.
const EVERY: Duration = Duration::from_millis(333);
/// How many files are changed, one after the other.
const FILES: usize = 500;
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures, and prints a line for each minute.
///
/// # Errors
///
/// When the clones do not become equal.
pub(crate) fn run(yes: bool, minutes: u64) -> Result<()> {
    let anabranch = build(&Place::find()?, yes)?;
    let mut line = Pair::make(&Who::Ours(anabranch))?;
    let last = line.home().join("last");
    line.clone(&line.other, &last)?;
    line.start_in(&last)?;
    let folders = [line.laptop.clone(), line.other.clone(), last.clone()];
    println!("\n| minute | packs | loose objects | open files | memory, MiB | processor a change, ms |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let (start, mut number, mut burnt) = (Instant::now(), 0_usize, processor(&line)?);
    for minute in 1..=minutes {
        let (end, before) = (start + Duration::from_secs(60 * minute), number);
        while Instant::now() < end {
            change(&line.laptop, number)?;
            number += 1;
            std::thread::sleep((start + EVERY * number as u32).saturating_duration_since(Instant::now()));
        }
        let (now, changes) = (processor(&line)?, (number - before).max(1));
        let each = (now - burnt) * 1000.0 / changes as f64;
        burnt = now;
        let most = |count: &dyn Fn(&Path) -> usize| folders.iter().map(|folder| count(folder)).max().unwrap_or(0);
        let processes = line.processes();
        let files: Vec<usize> = processes
            .iter()
            .map(|id| names(Path::new(&format!("/proc/{id}/fd"))))
            .collect();
        let memory: Result<Vec<f64>> = processes.iter().map(|id| idle::memory(*id)).collect();
        println!(
            "| {minute} | {} | {} | {} | {:.0} | {each:.0} |",
            most(&|folder| names(&folder.join(".git/objects/pack")) / 2),
            most(&|folder| names(&folder.join(".git/objects/17")) * 256),
            files.into_iter().max().unwrap_or(0),
            memory?.into_iter().fold(0.0, f64::max),
        );
    }
    let ended = Instant::now();
    wait(PATIENCE, || {
        (0..FILES).all(|number| is_same(&line.laptop, &last, number))
    })
    .context("they are not equal")?;
    println!(
        "\nequal {:.1} s after the last of {number} changes",
        ended.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Every third change appends a line to a log file; the others save a file.
fn change(folder: &Path, number: usize) -> Result<()> {
    if number.is_multiple_of(3) {
        let mut log = File::options().append(true).create(true).open(folder.join("log"))?;
        return Ok(writeln!(log, "line {number}")?);
    }
    let path = folder.join(name(number % FILES));
    fs::create_dir_all(path.parent().context("no directory")?)?;
    Ok(fs::write(path, format!("change {number}\n"))?)
}

fn name(number: usize) -> String {
    match number {
        0 => "log".to_owned(),
        number => format!("d{}/file-{number}", number % 10),
    }
}

fn is_same(one: &Path, other: &Path, number: usize) -> bool {
    let read = |folder: &Path| fs::read(folder.join(name(number))).ok();
    read(one) == read(other)
}

fn names(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

fn processor(line: &Pair) -> Result<f64> {
    let all: Result<Vec<f64>> = line.processes().into_iter().map(idle::processor).collect();
    Ok(all?.into_iter().sum())
}
