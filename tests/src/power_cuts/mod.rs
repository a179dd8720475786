//! Power cuts: two clones on a [forgetful](crate::forgetful) disk, the real program at work in them, and the power cut at
//! every point where something was made durable and at random ones.
//!
//! The program runs once for many cuts: a recording of what it did gives the disk of any moment. Each such disk is mounted
//! again, looked at as it is, synced, and looked at again.

mod campaign;
mod survival;
mod workload;

use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::clones::{Actor, connect_both};
use crate::forgetful::{Disk, Mounted, Recording, Rules};
use crate::{Chance, Sandbox, edits, run};

pub use campaign::cut_many;
use workload::Promise;
pub use workload::Workload;

/// How many lines of what happened last are told with a fault.
const STORY: usize = 60;

/// Two clones that are up to date with each other, on a forgetful disk that is not mounted.
pub struct Pair {
    sandbox: Sandbox,
    disk: Disk,
    first: PathBuf,
    second: PathBuf,
    /// What both hold.
    promises: Vec<Promise>,
}

/// What a cut did that it must not.
#[derive(Debug)]
pub struct Fault {
    /// What the program was doing.
    pub workload: Workload,
    /// By whose rules the disk forgot.
    pub rules: Rules,
    /// The seed of the workload and of its cuts.
    pub seed: u64,
    /// After how many of how many records the power was cut.
    pub at: (usize, usize),
    /// What is wrong.
    pub what: String,
    /// What the disk was asked last.
    pub story: String,
}

impl Pair {
    /// Makes the clones, with some files in both.
    ///
    /// # Errors
    ///
    /// In words, when this machine cannot mount such a disk or watch system calls.
    ///
    /// # Panics
    ///
    /// When a program fails.
    pub fn new(chance: &mut Chance) -> Result<Pair, String> {
        let sandbox = Sandbox::without_git_annex();
        let top = sandbox.path("disk");
        std::fs::create_dir(&top).unwrap();
        let mounted = Mounted::mount(Disk::default(), &top, Rules::Trees)?;
        let (first, second, promises) = mounted.run(|| {
            let first = Actor::Anabranch.init(&sandbox, "disk/first");
            let mut promises = Vec::new();
            for number in 0..12 {
                let text = format!("{number} {}", hex::encode(chance.bytes(500)));
                edits::save(&first, &format!("old/{number}.jpg"), &text);
                promises.push(Promise::of(text.as_bytes(), 0));
            }
            Actor::Anabranch.sync(&sandbox, &first);
            let second = Actor::Anabranch.clone(&sandbox, &first, "disk/second", false);
            connect_both(&sandbox, &first, &second);
            for clone in [&second, &first, &second] {
                Actor::Anabranch.sync(&sandbox, clone);
            }
            (first, second, promises)
        })?;
        mounted.begin();
        let disk = mounted.recording().base().clone();
        drop(mounted);
        Ok(Pair {
            sandbox,
            disk,
            first,
            second,
            promises,
        })
    }

    /// Runs a workload once and cuts the power so many times: at points where something was made durable, and at random
    /// ones. The faults that it finds.
    ///
    /// # Errors
    ///
    /// In words, when this machine cannot mount such a disk or watch system calls.
    ///
    /// # Panics
    ///
    /// When the workload fails without any cut.
    pub fn cut(&self, workload: Workload, rules: Rules, seed: u64, cuts: usize) -> Result<Vec<Fault>, String> {
        let mut chance = Chance::from_seed(seed);
        let (recording, promises) = self.record(workload, rules, &mut chance)?;
        let points = recording.sync_points();
        let mut faults = Vec::new();
        for cut in 0..cuts {
            let at = match cut % 2 {
                0 => *chance.pick(&points),
                _ => chance.below(recording.len() + 1),
            };
            let disk = recording.cut(at, rules, &mut chance);
            let found = disk.clone();
            let promises: Vec<&Promise> = promises.iter().filter(|promise| promise.since <= at).collect();
            if let Err(what) = self.survives(disk, rules, &promises)? {
                self.keep(found, rules, &format!("cut {seed} {cut}"))?;
                faults.push(Fault {
                    workload,
                    rules,
                    seed,
                    at: (at, recording.len()),
                    what,
                    story: recording.story(at, STORY),
                });
            }
        }
        Ok(faults)
    }

    /// Checks files out once, and cuts the power so many times right before the first of them changes. How many of the disks
    /// do not hold the note of the checkout by which the next start finishes it.
    ///
    /// # Errors
    ///
    /// In words, when this machine cannot mount such a disk or watch system calls.
    ///
    /// # Panics
    ///
    /// When no file is checked out.
    pub fn cut_before_files_change(&self, rules: Rules, cuts: usize, chance: &mut Chance) -> Result<usize, String> {
        let (recording, _) = self.record(Workload::Checkout, rules, chance)?;
        let noted = recording.next_naming(0, &|name| name == "checkout").unwrap();
        let is_file = |name: &OsStr| name.to_string_lossy().ends_with(".jpg");
        let changed = recording.next_naming(noted, &is_file).unwrap();
        let note = Path::new("second/.git/anabranch/checkout");
        let lacks = |disk: &Disk| disk.read(note).is_none_or(|note| !note.starts_with(b"from "));
        let disks = (0..cuts).map(|_| recording.cut(changed, rules, chance));
        Ok(disks.filter(lacks).count())
    }

    /// Runs a workload on the disk; what happened, and from when on what must survive.
    fn record(
        &self,
        workload: Workload,
        rules: Rules,
        chance: &mut Chance,
    ) -> Result<(Recording, Vec<Promise>), String> {
        let mounted = Mounted::mount(self.disk.clone(), &self.top(), rules)?;
        let mut promises = self.promises.clone();
        mounted.run(|| workload.perform(self, &mounted, chance, &mut promises))?;
        Ok((mounted.recording(), promises))
    }

    /// Whether a disk that was found after a cut holds what it must, and becomes right again by itself.
    fn survives(&self, disk: Disk, rules: Rules, promises: &[&Promise]) -> Result<Result<(), String>, String> {
        let _mounted = Mounted::mount(disk, &self.top(), rules)?;
        let looked = catch_unwind(AssertUnwindSafe(|| survival::look(self, promises)));
        Ok(looked.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(text.unwrap_or_else(|| "a panic without words".to_owned()))
        }))
    }

    /// Copies a disk, as it was found after a cut, into a directory of the sandbox if that is kept.
    fn keep(&self, disk: Disk, rules: Rules, name: &str) -> Result<(), String> {
        if !Sandbox::is_kept() {
            return Ok(());
        }
        let _mounted = Mounted::mount(disk, &self.top(), rules)?;
        let (from, to) = (self.top(), self.sandbox.path(name));
        run(self.sandbox.command("cp").arg("--archive").args([from, to]));
        Ok(())
    }

    fn top(&self) -> PathBuf {
        self.sandbox.path("disk")
    }

    fn clones(&self) -> [&Path; 2] {
        [&self.first, &self.second]
    }
}
