//! `cargo xtask bench scale --files N`: what a folder of N files costs, 1,000 in each directory or all in one.
//!
//! The programs are measured one after the other. What they made stays until the end: ext4 creates files more slowly for
//! minutes after many were deleted.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::layout::Layout;
use super::pair::{Pair, Who, path, wait};
use super::{Took, floor, idle, lists, words};

/// How many changes are measured, one by one; of other programs fewer, which are slower.
const CHANGES: (usize, usize) = (20, 5);
/// How often the engine is asked for each kind of page.
const ASKS: usize = 20;
/// In folders with more files than this, the engine offers to make `git status` faster.
const ASKED_ABOVE: usize = 50_000;
/// How long each row may take.
const PATIENCE: Duration = Duration::from_secs(1200);
/// How long a row that fills a clone may take for each file, if that is longer.
const PATIENCE_PER_FILE: Duration = Duration::from_millis(60);

const FIRST_ADD: &str = "first add, with the clone beside it";
const FRESH_CLONE: &str = "fresh clone filled";
const MEDIAN: &str = "save → other clone, median";

/// The figures of one program, each with the name of its row.
struct Column {
    name: &'static str,
    figures: Vec<(&'static str, Took)>,
}

impl Column {
    fn new(name: &'static str) -> Self {
        let figures = Vec::new();
        Self { name, figures }
    }

    fn note(&mut self, row: &'static str, took: Took) {
        println!("  {row}: {}", words(&took));
        self.figures.push((row, took));
    }

    fn figure(&mut self, row: &'static str, figure: f64, unit: &'static str) {
        self.note(row, Took::Figure(figure, unit));
    }

    fn of(&self, row: &str) -> &Took {
        let found = self.figures.iter().find(|(name, _)| *name == row);
        found.map_or(&Took::NotRun, |(_, took)| took)
    }
}

/// Measures the floor and each of these programs, and prints them side by side.
///
/// # Errors
///
/// When one could not be measured to its end; the table has what is known until then.
pub(super) fn run(layout: &Layout, programs: &[(&'static str, Who)]) -> Result<()> {
    let shape = if layout.in_directory == layout.files {
        format!("{} files in one directory", layout.files)
    } else {
        format!("{} files, {} in a directory", layout.files, layout.in_directory)
    };
    println!("\n▶ floor with {shape}");
    let scratch = tempfile::Builder::new().prefix("anabranch-bench-").tempdir()?;
    let floor = measure_floor(scratch.path(), layout)?;
    let (mut columns, mut kept, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (name, who) in programs {
        println!("\n▶ {name} with {shape}");
        let mut column = Column::new(name);
        if let Err(error) = measure(who, layout.clone(), &mut column, &mut kept) {
            println!("  {error:#}");
            failures.push(*name);
        }
        columns.push(column);
    }
    print(&shape, &columns, &floor);
    ensure!(failures.is_empty(), "not measured to the end: {}", failures.join(", "));
    Ok(())
}

/// A line for each row that any column has.
fn print(shape: &str, columns: &[Column], floor: &Column) {
    let mut rows: Vec<&str> = Vec::new();
    for (row, _) in columns.iter().flat_map(|column| &column.figures) {
        if !rows.contains(row) {
            rows.push(row);
        }
    }
    let line = |cells: Vec<String>| println!("| {} |", cells.join(" | "));
    println!();
    let names = columns.iter().chain([floor]).map(|column| column.name.to_owned());
    line([shape.to_owned()].into_iter().chain(names).collect());
    line(vec!["---".to_owned(); columns.len() + 2]);
    for row in rows {
        let mut cells = vec![row.to_owned()];
        cells.extend(columns.iter().map(|column| cell(column.of(row), floor.of(row))));
        cells.push(words(floor.of(row)));
        line(cells);
    }
}

/// What a program took, and how many times as long as the floor.
fn cell(took: &Took, floor: &Took) -> String {
    match (took, floor) {
        (Took::Figure(own, _), Took::Figure(floor, _)) => format!("{} ({:.1} × the floor)", words(took), floor / own),
        _ => words(took),
    }
}

/// What a plain program takes for the same files, with one thread or two, whichever is faster.
fn measure_floor(directory: &Path, layout: &Layout) -> Result<Column> {
    let mut column = Column::new("floor");
    for (row, clones) in [(FIRST_ADD, 2), (FRESH_CLONE, 1)] {
        let mut best = Duration::MAX;
        for threads in [1, 2] {
            let run = directory.join(format!("{clones}-{threads}"));
            best = best.min(floor::synced_files(&run, threads, clones, layout)?);
        }
        column.figure(row, layout.files as f64 / best.as_secs_f64(), "files/s");
    }
    Ok(column)
}

fn measure(who: &Who, layout: Layout, column: &mut Column, kept: &mut Vec<Pair>) -> Result<()> {
    let mut pair = Pair::at_rest(who)?;
    let measured = rows(&mut pair, layout, column);
    pair.stop()?;
    kept.push(pair);
    measured
}

fn rows(pair: &mut Pair, mut layout: Layout, column: &mut Column) -> Result<()> {
    if let Who::GitAnnex(_) = pair.who() {
        // As in ours, so that files can be edited in place.
        for folder in [&pair.laptop, &pair.other] {
            pair.git(folder, &["config", "annex.addunlocked", "true"])?;
        }
    }
    layout.make(&pair.laptop)?;
    nix::unistd::sync();

    column.note(FIRST_ADD, first_add(pair, &layout)?);
    if matches!(column.of(FIRST_ADD), Took::GaveUp(_)) {
        // All else would be measured while files still arrive.
        return Ok(());
    }
    column.note(FRESH_CLONE, fresh_clone(pair, &layout)?);

    if pair.processes().is_empty() {
        pair.start()?;
    }
    let woken = change(pair, &layout, 1, "to wake both")?;
    woken.context("the engines do not sync")?;
    rest(pair)?;
    // An engine closes what it keeps open, and gives memory back, when it has done nothing for ten seconds.
    std::thread::sleep(Duration::from_secs(12));
    column.figure("memory at rest (VmRSS)", most(pair, idle::memory)?, "MiB");
    column.figure(
        "memory at rest (RssAnon, without mapped files)",
        most(pair, idle::anonymous)?,
        "MiB",
    );
    changes(pair, &layout, column)?;

    let new = "renamed";
    column.note("rename of a directory", rename(pair, &layout, new)?);
    layout.first = new;
    rest(pair)?;
    column.note("one deletion", deletion(pair, &layout)?);
    rest(pair)?;
    column.figure("memory, the largest process at its peak", peak(pair)?, "MiB");

    if pair.is_ours() {
        asks(pair, &layout, column)?;
    }

    pair.stop()?;
    let start = Instant::now();
    pair.start()?;
    let arrived = change(pair, &layout, layout.files / 2, "after the start")?;
    column.note("start → first synced change", time(arrived.map(|_| start.elapsed())));
    Ok(())
}

fn filling(layout: &Layout) -> Duration {
    PATIENCE.max(PATIENCE_PER_FILE.saturating_mul(u32::try_from(layout.files).unwrap_or(u32::MAX)))
}

/// Adds all files, until the other clone has them.
fn first_add(pair: &mut Pair, layout: &Layout) -> Result<Took> {
    let start = Instant::now();
    let left = || filling(layout).saturating_sub(start.elapsed());
    match pair.who() {
        Who::Ours(_) => {
            pair.sync(&pair.laptop, left())?;
        }
        // It brings content to the other clone, whose files only a command there fills.
        Who::GitAnnex(_) => {
            let _ = pair.sync(&pair.laptop, left())? && pair.sync(&pair.other, left())?;
        }
        Who::Syncthing => {
            pair.start()?;
            layout.arrives(&pair.other, left());
        }
    }
    Ok(rate(layout, &pair.other, start.elapsed()))
}

/// Makes a third clone and fills it.
fn fresh_clone(pair: &Pair, layout: &Layout) -> Result<Took> {
    if let Who::Syncthing = pair.who() {
        return Ok(Took::NotRun);
    }
    let fresh = pair.home().join("fresh");
    let start = Instant::now();
    pair.clone(&pair.laptop, &fresh)?;
    pair.sync(&fresh, filling(layout))?;
    let took = rate(layout, &fresh, start.elapsed());
    if pair.is_ours() {
        pair.git(&pair.laptop, &["remote", "remove", "fresh"])?;
        fs::remove_dir_all(fresh.join(".git/anabranch"))?;
    }
    Ok(took)
}

/// How many files a second have arrived in `folder`, if all have.
fn rate(layout: &Layout, folder: &Path, took: Duration) -> Took {
    let (arrived, files) = (layout.arrived(folder), layout.files);
    if arrived == files {
        Took::Figure(files as f64 / took.as_secs_f64(), "files/s")
    } else {
        gave_up(format!("{arrived} of {files}"), took)
    }
}

fn gave_up(how_far: String, after: Duration) -> Took {
    Took::GaveUp(format!("{how_far} after {} s", after.as_secs()))
}

fn time(time: Option<Duration>) -> Took {
    time.map_or_else(|| gave_up("nothing".to_owned(), PATIENCE), Took::Time)
}

/// Saves files, one by one, and notes what that takes.
fn changes(pair: &Pair, layout: &Layout, column: &mut Column) -> Result<()> {
    let count = if pair.is_ours() { CHANGES.0 } else { CHANGES.1 };
    let (before, burnt) = (written(pair), processor(pair)?);
    let mut times = Vec::new();
    for number in 0..count {
        let at = number * 997 % layout.files;
        let Some(time) = change(pair, layout, at, &format!("change {number}"))? else {
            let how_far = format!("{number} of {count} changes, then none");
            column.note(MEDIAN, gave_up(how_far, PATIENCE));
            return Ok(());
        };
        times.push(time);
        std::thread::sleep(Duration::from_millis(300));
    }
    rest(pair)?;
    times.sort();
    column.figure(MEDIAN, milliseconds(times[count / 2]), "ms");
    column.figure("the slowest of them", milliseconds(times[count - 1]), "ms");
    let each = |figure: f64| figure / count as f64;
    let bytes = before.and_then(|before| {
        Ok(written(pair)?
            .iter()
            .zip(before)
            .map(|(after, before)| after - before)
            .fold(0.0, f64::max))
    });
    column.note(
        "bytes written a change, by the engine that writes more",
        bytes.map_or(Took::NotRun, |bytes| Took::Figure(each(bytes) / 1000.0, "kB")),
    );
    column.figure(
        "processor a change, both engines",
        each(processor(pair)? - burnt) * 1000.0,
        "ms",
    );
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Saves a file, and waits until it is in the other clone.
fn change(pair: &Pair, layout: &Layout, number: usize, content: &str) -> Result<Option<Duration>> {
    let (here, there) = (
        pair.laptop.join(layout.path_of(number)),
        pair.other.join(layout.path_of(number)),
    );
    let start = Instant::now();
    fs::write(here, content)?;
    let arrived = || fs::read(&there).is_ok_and(|found| found == content.as_bytes());
    Ok(wait(PATIENCE, arrived).map(|_| start.elapsed()))
}

/// Renames the first directory.
fn rename(pair: &Pair, layout: &Layout, new: &str) -> Result<Took> {
    let start = Instant::now();
    fs::rename(pair.laptop.join(layout.first), pair.laptop.join(new))?;
    let (old, new) = (pair.other.join(layout.first), pair.other.join(new));
    let count = || fs::read_dir(&new).map_or(0, Iterator::count);
    let all = layout.in_directory.min(layout.files);
    let arrived = wait(PATIENCE, || !old.exists() && count() == all).map(|_| start.elapsed());
    Ok(arrived.map_or_else(|| gave_up(format!("{} of {all}", count()), PATIENCE), Took::Time))
}

fn deletion(pair: &Pair, layout: &Layout) -> Result<Took> {
    let path = layout.path_of(7);
    if !pair.other.join(&path).exists() {
        // The rename has not arrived.
        return Ok(Took::NotRun);
    }
    let start = Instant::now();
    fs::remove_file(pair.laptop.join(&path))?;
    let gone = wait(PATIENCE, || !pair.other.join(&path).exists());
    Ok(time(gone.map(|_| start.elapsed())))
}

/// What only ours is asked: where a file is, for pages of the window's lists, and by git what has changed.
fn asks(pair: &Pair, layout: &Layout, column: &mut Column) -> Result<()> {
    let why = pair.why(&pair.laptop.join(layout.path_of(layout.files - 1)))?;
    column.figure("'why', the whole program", milliseconds(why), "ms");
    let middle = layout.files / 2 / lists::PAGE;
    let page = |number| lists::page(&pair.laptop, None, (middle + number % 3) * lists::PAGE);
    column.figure("a page in the middle of the list, median", median(page)?, "ms");
    let begun = |number| lists::page(&pair.laptop, Some(&"file-"[..=number % 5]), 0);
    column.figure("a keystroke of search, all files found, median", median(begun)?, "ms");
    let ended = |number| lists::page(&pair.laptop, Some(&Layout::name(number * 997 % layout.files)), 0);
    column.figure("a keystroke of search, few files found, median", median(ended)?, "ms");

    let status = || {
        let start = Instant::now();
        let status = pair.output(&pair.laptop, &["status", "--porcelain"])?;
        ensure!(status.is_empty(), "git finds changes: {status}");
        Ok(Took::Time(start.elapsed()))
    };
    status()?;
    column.note("'git status', the second", status()?);
    // Older builds do not offer that.
    if layout.files > ASKED_ABOVE && pair.run(&["answer", "yes", path(&pair.laptop)?]).is_ok() {
        // git asks the engine from the first on, and stores which files are untracked at the second.
        status()?;
        status()?;
        column.note("'git status' that asks the engine, the third", status()?);
    }
    Ok(())
}

/// The median time of [`ASKS`] calls, in milliseconds. Each call gets its own number.
fn median(ask: impl Fn(usize) -> Result<Duration>) -> Result<f64> {
    let mut times = (0..ASKS).map(ask).collect::<Result<Vec<_>>>()?;
    times.sort();
    Ok(milliseconds(times[ASKS / 2]))
}

/// Waits until both engines have been still for three seconds: git-annex's assistant waits in between.
fn rest(pair: &Pair) -> Result<()> {
    let (mut last, mut still) = (processor(pair)?, 0);
    for _ in 0..PATIENCE.as_secs() {
        std::thread::sleep(Duration::from_secs(1));
        let now = processor(pair)?;
        still = if now - last < 0.015 { still + 1 } else { 0 };
        if still == 3 {
            return Ok(());
        }
        last = now;
    }
    Ok(())
}

/// A figure of each engine and of its children. What processes share counts for each of them.
fn engines(pair: &Pair, figure: fn(u32) -> Result<f64>) -> Result<Vec<Vec<f64>>> {
    let processes = pair.processes().into_iter();
    processes.map(|process| idle::of_family(process, figure)).collect()
}

fn sums(pair: &Pair, figure: fn(u32) -> Result<f64>) -> Result<Vec<f64>> {
    let engines = engines(pair, figure)?;
    Ok(engines.into_iter().map(|family| family.into_iter().sum()).collect())
}

fn most(pair: &Pair, figure: fn(u32) -> Result<f64>) -> Result<f64> {
    Ok(sums(pair, figure)?.into_iter().fold(0.0, f64::max))
}

fn peak(pair: &Pair) -> Result<f64> {
    Ok(engines(pair, idle::peak)?.into_iter().flatten().fold(0.0, f64::max))
}

fn written(pair: &Pair) -> Result<Vec<f64>> {
    sums(pair, idle::written)
}

/// Seconds of processor that both engines have used.
fn processor(pair: &Pair) -> Result<f64> {
    Ok(sums(pair, idle::processor)?.into_iter().sum())
}
