//! Tests, each in a process of its own: how long it takes, which changes it reaches, and whether it notices one.

use std::collections::BTreeSet;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use super::compile::messages;
use super::outcomes::Outcome;
use super::tree::Tree;
use crate::steps::output;

/// A test may take this long, or [`PATIENCE`] times as long as without a change, and twice that when it is tried again.
/// Then it hangs.
const LEAST: Duration = Duration::from_secs(20);
const PATIENCE: u32 = 5;

/// How often a test that failed is tried again, until it fails once more.
const AGAIN: usize = 4;

/// What a change may make a test allocate, and write into one file, without end: 8 GiB and 256 MiB.
const MEMORY: &str = "--as=8589934592";
const FILE: &str = "--fsize=268435456";

/// A test that was built.
#[derive(Clone)]
pub(super) struct Test {
    pub(super) package: String,
    /// The crate that it is in, and its name there.
    crate_name: String,
    name: String,
    program: PathBuf,
    folder: PathBuf,
}

/// What a test does when nothing is changed.
pub(super) struct Measured {
    pub(super) test: Test,
    took: Duration,
    reaches: BTreeSet<usize>,
}

enum Ended {
    Passed,
    Failed,
    Hung,
}

/// Builds the tests of these packages; none if they do not build.
///
/// # Errors
///
/// When cargo or a test program does not answer.
pub(super) fn build(tree: &Tree, packages: &BTreeSet<&str>) -> Result<Option<Vec<Test>>> {
    let mut tests = Vec::new();
    for package in packages {
        let (messages, is_good) = messages(&mut tree.cargo(&["test", "--no-run"], [*package]))?;
        if !is_good {
            return Ok(None);
        }
        for message in messages {
            let Message::CompilerArtifact(built) = message else {
                continue;
            };
            let Some(program) = built.executable.filter(|_| built.profile.test) else {
                continue;
            };
            let all = names(program.as_std_path(), &[])?;
            let left_out = names(program.as_std_path(), &["--ignored"])?;
            for name in all.difference(&left_out) {
                tests.push(Test {
                    package: (*package).to_owned(),
                    crate_name: built.target.name.clone(),
                    name: name.clone(),
                    program: program.clone().into(),
                    folder: tree.folder(package)?,
                });
            }
        }
    }
    Ok(Some(tests))
}

/// Runs all tests with no change on; with the shortest first.
///
/// # Errors
///
/// When a test does not pass.
pub(super) fn measure(tests: &[Test]) -> Result<Vec<Measured>> {
    let place = scratch()?;
    let measured = in_parallel(tests.iter().enumerate().collect(), |&(index, test)| {
        let list = place.path().join(index.to_string());
        let limit = LEAST * PATIENCE;
        let (ended, took) = test.run("ANABRANCH_MUTANTS_REACHED", list.as_os_str(), limit)?;
        if !matches!(ended, Ended::Passed) {
            bail!("{} does not pass with no change at all", test.shown());
        }
        // One that reaches nothing writes nothing.
        let reached = fs::read_to_string(&list).unwrap_or_default();
        let reaches: Result<BTreeSet<usize>, _> = reached.lines().map(str::parse).collect();
        Ok(Measured {
            test: test.clone(),
            took,
            reaches: reaches.context("the list of what a test reaches is broken")?,
        })
    });
    let mut measured = measured?;
    measured.sort_by_key(|each| each.took);
    Ok(measured)
}

/// Switches a change on and runs the tests that reach it, until one notices.
///
/// # Errors
///
/// When a test cannot be run.
pub(super) fn attempt(number: usize, tests: &[Measured]) -> Result<Outcome> {
    run_until_noticed(number, tests.iter().filter(|each| each.reaches.contains(&number)))
}

/// Runs all tests of a package whose source is changed, until one notices.
///
/// # Errors
///
/// When a test cannot be run.
pub(super) fn attempt_all(package: &str, number: usize, tests: &[Measured]) -> Result<Outcome> {
    run_until_noticed(number, tests.iter().filter(|each| each.test.package == package))
}

fn run_until_noticed<'a>(number: usize, tests: impl Iterator<Item = &'a Measured>) -> Result<Outcome> {
    let number = number.to_string();
    let mut is_reached = false;
    for Measured { test, took, .. } in tests {
        is_reached = true;
        let limit = LEAST.max(*took * PATIENCE);
        let fails = |limit| -> Result<Option<Outcome>> {
            Ok(match test.run("ANABRANCH_MUTANT", number.as_ref(), limit)?.0 {
                Ended::Passed => None,
                Ended::Failed => Some(Outcome::Noticed(test.shown())),
                Ended::Hung => Some(Outcome::Hung(test.shown())),
            })
        };
        if fails(limit)?.is_none() {
            continue;
        }
        // On a busy machine a test may fail or be late once, whatever is changed. One that watches a race may fail only
        // now and then.
        for _ in 0..AGAIN {
            if let Some(outcome) = fails(limit * 2)? {
                return Ok(outcome);
            }
        }
    }
    Ok(Outcome::NotNoticed { is_reached })
}

impl Test {
    fn shown(&self) -> String {
        format!("{} {}", self.crate_name, self.name)
    }

    fn run(&self, variable: &str, value: &std::ffi::OsStr, limit: Duration) -> Result<(Ended, Duration)> {
        let place = scratch()?;
        let home = place.path().join("home");
        fs::create_dir(&home).context("no room for a test's files")?;
        // It ends the whole process group, and does so even if this program is ended before.
        let mut command = Command::new("timeout");
        command.args([
            "--signal=KILL",
            &limit.as_secs_f64().to_string(),
            "prlimit",
            MEMORY,
            FILE,
            "--core=0",
        ]);
        command
            .arg(&self.program)
            .args(["--exact", &self.name, "--test-threads=1"]);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        command
            .env("TMPDIR", place.path())
            .env("HOME", home)
            .env(variable, value);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began_at = Instant::now();
        let status = command.status().context("`timeout` could not be started")?;
        let took = began_at.elapsed();
        let ended = match status.success() {
            true => Ended::Passed,
            false if took >= limit => Ended::Hung,
            // There is no such program, or the system is out of something: that says nothing of the change.
            false if matches!(status.code(), Some(125..=127)) => {
                bail!("{} could not be run ({status})", self.shown())
            }
            false => Ended::Failed,
        };
        remove(place)?;
        Ok((ended, took))
    }
}

/// A folder for a test's files: in memory, where most tests take a fifth of the time, unless `TMPDIR` says otherwise. Never
/// in the build folder: what a change breaks must not find its way up to the project's repository.
fn scratch() -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let made = match std::env::var_os("TMPDIR") {
        None if memory.is_dir() => tempfile::tempdir_in(memory),
        _ => tempfile::tempdir(),
    };
    made.context("no room for the tests' files")
}

/// Removes a test's files. One that was ended may have left file systems mounted and folders closed.
fn remove(place: tempfile::TempDir) -> Result<()> {
    let path = place.keep();
    if fs::remove_dir_all(&path).is_ok() {
        return Ok(());
    }
    let mounts = fs::read_to_string("/proc/self/mounts").context("what is mounted cannot be read")?;
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for below in mounted.filter(|below| Path::new(below).starts_with(&path)) {
        let _ = Command::new("umount").args(["--lazy", below]).status();
    }
    let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(&path).status();
    fs::remove_dir_all(&path).with_context(|| format!("{} cannot be removed", path.display()))
}

/// The tests in a program.
fn names(program: &Path, which: &[&str]) -> Result<BTreeSet<String>> {
    let listed = output(Command::new(program).args(["--list", "--format", "terse"]).args(which))?;
    let listed = String::from_utf8(listed).context("a test's name is not a text")?;
    Ok(listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect())
}

/// Does this with each, as many at a time as there are processors; stops at the first error.
///
/// # Errors
///
/// The first one's.
pub(super) fn in_parallel<T: Send + Sync, R: Send>(
    all: Vec<T>,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let worker = || -> Result<Vec<R>> {
        let mut done = Vec::new();
        while let Some(each) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The others stop, too.
            done.push(work(each).inspect_err(|_| next.store(all.len(), Ordering::Relaxed))?);
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut done = Vec::new();
        for each in started {
            done.extend(each.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(done)
    })
}
