//! `cargo xtask bench scale --files N`: what a change costs in a folder of N files, 1,000 in each directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::idle;
use super::pair::{Pair, Who, wait};

/// Files in one directory.
const IN_DIRECTORY: usize = 1000;
/// How many changes are measured, one by one.
const CHANGES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(1200);

/// One row: its name and the figure with its unit.
type Figure = (&'static str, f64, &'static str);

/// Measures each of these builds, one after the other, and prints them side by side.
pub(super) fn run(files: usize, builds: &[PathBuf]) -> Result<()> {
    let mut columns = Vec::new();
    for build in builds {
        println!("\n▶ {} with {files} files", build.display());
        columns.push(measure(files, build)?);
    }
    println!(
        "\n| {files} files | {} |",
        ["ours", "the other build"][..builds.len()].join(" | ")
    );
    println!("| --- | {} |", vec!["---"; builds.len()].join(" | "));
    for (at, (name, ..)) in columns[0].iter().enumerate() {
        let figures: Vec<String> = columns.iter().map(|column| words(&column[at])).collect();
        println!("| {name} | {} |", figures.join(" | "));
    }
    Ok(())
}

fn words((_, figure, unit): &Figure) -> String {
    format!("{figure:.3} {unit}")
}

fn path_of(number: usize) -> PathBuf {
    PathBuf::from(format!("d{:04}", number / IN_DIRECTORY)).join(format!("file-{number}.txt"))
}

fn measure(files: usize, build: &Path) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut note = |name, figure, unit| {
        let figure = (name, figure, unit);
        println!("  {name}: {}", words(&figure));
        figures.push(figure);
    };
    let mut pair = Pair::make(&Who::Ours(build.to_owned()))?;
    pair.stop()?;
    for number in 0..files {
        let path = pair.laptop.join(path_of(number));
        if number % IN_DIRECTORY == 0 {
            fs::create_dir_all(path.parent().context("no directory")?)?;
        }
        fs::write(path, format!("content of file {number}\n"))?;
    }
    nix::unistd::sync();

    // The other clone follows by itself, so the first figure is of both.
    let start = Instant::now();
    pair.sync(&pair.laptop)?;
    note(
        "first add, with the clone beside it",
        files as f64 / start.elapsed().as_secs_f64(),
        "files/s",
    );
    let fresh = pair.home().join("fresh");
    let start = Instant::now();
    pair.clone(&pair.laptop, &fresh)?;
    pair.sync(&fresh)?;
    note(
        "fresh clone filled",
        files as f64 / start.elapsed().as_secs_f64(),
        "files/s",
    );
    pair.git(&pair.laptop, &["remote", "remove", "fresh"])?;
    fs::remove_dir_all(fresh.join(".git/anabranch"))?;

    pair.start()?;
    change(&pair, 1, "to wake both")?;
    rest(&pair)?;
    note("memory at rest", most(&pair, idle::memory)?, "MiB");

    let (mut times, before, burnt) = (Vec::new(), written(&pair)?, processor(&pair)?);
    for number in 0..CHANGES {
        let at = number * 997 % files;
        times.push(change(&pair, at, &format!("change {number}"))?);
        std::thread::sleep(Duration::from_millis(300));
    }
    rest(&pair)?;
    times.sort();
    let changes = CHANGES as f64;
    note(
        "save → other clone, median",
        times[CHANGES / 2].as_secs_f64() * 1000.0,
        "ms",
    );
    note("the slowest of them", times[CHANGES - 1].as_secs_f64() * 1000.0, "ms");
    let bytes = written(&pair)?
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .max();
    note(
        "bytes written a change, by the engine that writes more",
        bytes.unwrap_or(0) as f64 / changes / 1000.0,
        "kB",
    );
    note(
        "processor a change, both engines",
        (processor(&pair)? - burnt) * 1000.0 / changes,
        "ms",
    );

    let (old, new) = (Path::new("d0000"), Path::new("renamed"));
    let start = Instant::now();
    fs::rename(pair.laptop.join(old), pair.laptop.join(new))?;
    let count = || fs::read_dir(pair.other.join(new)).map_or(0, Iterator::count);
    let in_first = IN_DIRECTORY.min(files);
    wait(PATIENCE, || count() == in_first && !pair.other.join(old).exists()).context("the rename did not arrive")?;
    note("rename of a directory of 1,000", start.elapsed().as_secs_f64(), "s");
    let start = Instant::now();
    fs::remove_file(pair.laptop.join(new).join("file-7.txt"))?;
    wait(PATIENCE, || !pair.other.join(new).join("file-7.txt").exists()).context("the deletion did not arrive")?;
    note("one deletion", start.elapsed().as_secs_f64() * 1000.0, "ms");
    rest(&pair)?;
    note("memory, the larger engine at its peak", most(&pair, idle::peak)?, "MiB");

    let start = Instant::now();
    pair.why(&pair.laptop.join(path_of(files - 1)))?;
    note("'why', the whole program", start.elapsed().as_secs_f64() * 1000.0, "ms");
    pair.output(&pair.laptop, &["status", "--porcelain"])?;
    let start = Instant::now();
    let status = pair.output(&pair.laptop, &["status", "--porcelain"])?;
    note("'git status', the second", start.elapsed().as_secs_f64(), "s");
    anyhow::ensure!(status.is_empty(), "git finds changes: {status}");

    pair.stop()?;
    let start = Instant::now();
    pair.start()?;
    change(&pair, files / 2, "after the start")?;
    note("start → first synced change", start.elapsed().as_secs_f64(), "s");
    Ok(figures)
}

/// Saves a file, and waits until it is in the other clone.
fn change(pair: &Pair, number: usize, content: &str) -> Result<Duration> {
    let (here, there) = (pair.laptop.join(path_of(number)), pair.other.join(path_of(number)));
    let start = Instant::now();
    fs::write(here, content)?;
    let arrived = || fs::read(&there).is_ok_and(|found| found == content.as_bytes());
    wait(PATIENCE, arrived).with_context(|| format!("{} did not arrive", there.display()))?;
    Ok(start.elapsed())
}

/// Waits until both engines have been still for a while.
fn rest(pair: &Pair) -> Result<()> {
    let mut last = processor(pair)?;
    for _ in 0..PATIENCE.as_secs() {
        std::thread::sleep(Duration::from_secs(1));
        let now = processor(pair)?;
        if now - last < 0.015 {
            return Ok(());
        }
        last = now;
    }
    Ok(())
}

fn most(pair: &Pair, figure: fn(u32) -> Result<f64>) -> Result<f64> {
    let figures: Result<Vec<f64>> = pair.processes().into_iter().map(figure).collect();
    Ok(figures?.into_iter().fold(0.0, f64::max))
}

fn written(pair: &Pair) -> Result<Vec<u64>> {
    pair.processes().into_iter().map(idle::written).collect()
}

/// Seconds of processor that both engines have used.
fn processor(pair: &Pair) -> Result<f64> {
    let all: Result<Vec<f64>> = pair.processes().into_iter().map(idle::processor).collect();
    Ok(all?.into_iter().sum())
}
