//! What the desktop program costs, measured from outside: `cargo xtask bench desktop` runs it on the release build.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it fails by panicking and tells the person at the terminal"
)]

mod processes;
mod watcher;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use whole_system::asking::{is_in_state, status};
use whole_system::clones::Actor;
use whole_system::{Chance, Desktop, Engine, PATIENCE, Sandbox, run};

use watcher::Watcher;

/// How long the program is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(5);
const FILES: usize = 5_000;
/// What comes to the folder at once, beside a clone that gets it all.
const BURST: usize = 25_000;
/// How long after a burst all is tidied up and given back.
const AFTER_BURST: Duration = Duration::from_secs(60);
const STARTS: usize = 5;
const OPENINGS: usize = 50;
/// What is measured against the last opening: the first ones fill caches that stay.
const WARM: usize = 10;
/// What an allocator may keep back of what it was given, in MiB. A view that does not go as a whole shows as three times
/// as much in so many openings.
const ALLOCATOR: f64 = 1.0;

fn main() {
    let sandbox = Sandbox::without_git_annex();
    let folder = files(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let watcher = Watcher::start(&desktop);
    println!("| the desktop program, {FILES} files in one folder | measured | must be | holds |");
    println!("| --- | --- | --- | --- |");

    let mut starts: Vec<Duration> = (0..STARTS)
        .map(|_| start(&sandbox, &desktop, &watcher, &folder))
        .collect();
    starts.sort();
    row(
        "start → icon in the tray, median of 5",
        starts[STARTS / 2].as_secs_f64(),
        "s",
        0.3,
    );

    let engine = desktop.run(&sandbox, &[&folder]);
    is_in_state(&sandbox, &folder, "safe");
    std::thread::sleep(REST);
    row(
        "memory (PSS) without a window",
        processes::memory(engine.id()),
        "MiB",
        100.0,
    );
    let before = processes::time(engine.id());
    std::thread::sleep(Duration::from_secs(60));
    let spent = processes::time(engine.id()) - before;
    row("processor time of a minute in which nothing happens", spent, "s", 0.1);

    open(&sandbox, &desktop, &folder);
    std::thread::sleep(REST);
    println!(
        "| memory (PSS) with the window open | {:.1} MiB | – | – |",
        processes::memory(engine.id())
    );
    close(&desktop);
    let growth = open_and_close(&sandbox, &desktop, &folder, engine.id());
    row(
        "growth from the 10th to the 50th opening of the window",
        growth,
        "MiB",
        ALLOCATOR,
    );
    engine.stop();
    burst(&sandbox, &desktop, &folder);
}

/// What many files that come at once leave of the memory that they needed.
fn burst(sandbox: &Sandbox, desktop: &Desktop, folder: &Path) {
    let clone = sandbox.path("clone");
    run(&mut sandbox.anabranch([Path::new("clone"), folder, &clone]));
    let engine = desktop.run(sandbox, &[folder]);
    is_in_state(sandbox, folder, "safe");
    std::thread::sleep(REST);
    let before = processes::memory(engine.id());
    let mut chance = Chance::from_seed(2);
    for number in 0..BURST {
        let directory = folder.join(format!("burst-{}", number / 1000));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(number.to_string()), chance.bytes(400)).unwrap();
    }
    let started_at = Instant::now();
    let last = clone
        .join(format!("burst-{}", (BURST - 1) / 1000))
        .join((BURST - 1).to_string());
    let mut peak = before;
    while started_at.elapsed() < PATIENCE * 4
        && !(last.exists() && status(sandbox, folder).is_ok_and(|folder| folder["state"] == "safe"))
    {
        peak = peak.max(processes::memory(engine.id()));
        std::thread::sleep(Duration::from_millis(250));
    }
    std::thread::sleep(AFTER_BURST);
    let after = processes::memory(engine.id());
    println!(
        "| memory (PSS) before, at most during, and after {BURST} files | {before:.1}, {peak:.1} and {after:.1} MiB | – | – |"
    );
    row("memory after them, by what it was before", after / before, "×", 1.3);
    engine.stop();
}

/// A folder of small files that is up to date.
fn files(sandbox: &Sandbox) -> PathBuf {
    let folder = Actor::Anabranch.init(sandbox, "Photos");
    let mut chance = Chance::from_seed(1);
    for number in 0..FILES {
        fs::write(folder.join(number.to_string()), chance.bytes(4096)).unwrap();
    }
    Actor::Anabranch.sync(sandbox, &folder);
    folder
}

/// How long one start takes until the icon announces itself; the program is ended again.
fn start(sandbox: &Sandbox, desktop: &Desktop, watcher: &Watcher, folder: &Path) -> Duration {
    let program = desktop.program(sandbox, &[folder]);
    let started_at = Instant::now();
    let engine = Engine::spawn_program(program, sandbox.path("desktop.log"));
    let announced_at = watcher.next(PATIENCE);
    engine.stop();
    announced_at.duration_since(started_at)
}

/// Opens and closes the window again and again; how much more memory is in use after the last time, in MiB.
fn open_and_close(sandbox: &Sandbox, desktop: &Desktop, folder: &Path, program: Pid) -> f64 {
    let mut warm = 0.0;
    for number in 1..=OPENINGS {
        open(sandbox, desktop, folder);
        // As long as somebody looks at it, so that the page is loaded and shown.
        std::thread::sleep(Duration::from_secs(1));
        close(desktop);
        if number == WARM || number == OPENINGS {
            std::thread::sleep(REST);
        }
        if number == WARM {
            warm = processes::memory(program);
        }
    }
    let last = processes::memory(program);
    println!("| memory (PSS) after {WARM} and after {OPENINGS} openings | {warm:.1} and {last:.1} MiB | – | – |");
    last - warm
}

fn open(sandbox: &Sandbox, desktop: &Desktop, folder: &Path) {
    run(&mut desktop.program(sandbox, &[folder]));
    desktop.has_windows(1);
}

fn close(desktop: &Desktop) {
    desktop.close(desktop.windows("Anabranch")[0]);
    desktop.has_windows(0);
}

fn row(name: &str, figure: f64, unit: &str, limit: f64) {
    let holds = if figure <= limit { "yes" } else { "NO" };
    println!("| {name} | {figure:.2} {unit} | ≤ {limit} {unit} | {holds} |");
}
