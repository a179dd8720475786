//! Kill -9 at random moments: what starts again goes on, and nothing is lost.
//!
//! Four tests make [`KILLS`] kills each, and the first half as many: 234 in a run. A kill falls up to 400 ms after an engine's start, while it
//! adds, commits, receives or merges what the test has just written. The first is a short form of `cargo xtask kills`.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::kills::kill_many;
use whole_system::{Chance, Engine, Sandbox, checks, eventually, trees};

/// How many kills each test makes.
const KILLS: usize = 52;

type Files = BTreeMap<PathBuf, Vec<u8>>;

struct World {
    sandbox: Sandbox,
    chance: Chance,
    first: PathBuf,
    second: PathBuf,
}

impl World {
    fn new() -> World {
        let sandbox = Sandbox::new();
        let first = Actor::Anabranch.init(&sandbox, "first");
        let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
        connect_both(&sandbox, &first, &second);
        World {
            sandbox,
            chance: Chance::new(),
            first,
            second,
        }
    }

    /// Starts an engine, lets it work for a random moment, and kills it.
    fn start_and_kill(&mut self, folder: &Path) {
        let engine = Engine::spawn(&self.sandbox, &[folder]);
        std::thread::sleep(Duration::from_millis(self.chance.below(400) as u64));
        engine.kill();
    }

    /// Writes files of random sizes into a folder of a clone, over older ones of the same names.
    fn write(&mut self, clone: &Path, folder: &str, count: usize, sizes: &[usize], files: &mut Files) {
        fs::create_dir_all(clone.join(folder)).unwrap();
        for _ in 0..count {
            let path = Path::new(folder).join(format!("file {}.bin", self.chance.below(40)));
            let most = *self.chance.pick(sizes);
            let length = 1 + self.chance.below(most);
            let bytes = self.chance.bytes(length);
            fs::write(clone.join(&path), &bytes).unwrap();
            files.insert(path, bytes);
        }
    }

    /// Runs both engines undisturbed until both clones hold exactly the files, and looks at everything.
    fn ends_with(&self, files: &Files) {
        let engines = [&self.first, &self.second].map(|clone| Engine::start(&self.sandbox, &[clone]));
        for clone in [&self.first, &self.second] {
            eventually(Duration::from_secs(60), || trees::holds(clone, files));
        }
        eventually(Duration::from_secs(30), || {
            checks::same_commit_tree(&self.sandbox, &[&self.first, &self.second])
        });
        for engine in engines {
            engine.stop();
        }
        for clone in [&self.first, &self.second] {
            checks::assert_whole(&self.sandbox, clone);
        }
    }

    /// What must hold at any moment, also right after a kill.
    fn is_sound(&self) {
        // Over ssh, what serves a killed engine ends a moment later. git fsck would meet what it still writes.
        self.sandbox.no_git_runs();
        for clone in [&self.first, &self.second] {
            checks::git_fsck(&self.sandbox, clone);
            trees::objects_are_whole(&clone.join(".git")).unwrap();
        }
    }
}

#[test]
fn both_killed_while_one_writes_the_index() {
    kill_many(&mut Chance::new(), KILLS / 2, &|line| eprintln!("{line}"));
}

#[test]
fn killed_while_it_adds_and_commits() {
    let mut world = World::new();
    let first = world.first.clone();
    let mut files = Files::new();
    for kill in 0..KILLS {
        world.write(&first, "many", 12, &[4_096], &mut files);
        world.start_and_kill(&first);
        if kill % 10 == 9 {
            world.is_sound();
            trees::holds(&first, &files).unwrap();
        }
    }
    world.ends_with(&files);
}

#[test]
fn killed_while_it_receives() {
    let mut world = World::new();
    let (first, second) = (world.first.clone(), world.second.clone());
    let mut files = Files::new();
    let sender = Engine::start(&world.sandbox, &[&first]);
    for kill in 0..KILLS {
        world.write(&first, "large", 2, &[100_000, 3_000_000], &mut files);
        world.start_and_kill(&second);
        if kill % 10 == 9 {
            trees::objects_are_whole(&second.join(".git")).unwrap();
        }
    }
    sender.stop();
    world.is_sound();
    world.ends_with(&files);
}

#[test]
fn killed_while_it_merges() {
    let mut world = World::new();
    let (first, second) = (world.first.clone(), world.second.clone());
    let mut files = Files::new();
    let mut other = Some(Engine::start(&world.sandbox, &[&second]));
    for kill in 0..KILLS {
        // Both write, apart from each other, so that every round merges.
        world.write(&first, "by first", 4, &[2_000], &mut files);
        world.write(&second, "by second", 4, &[2_000], &mut files);
        world.start_and_kill(&first);
        if kill % 10 == 9 {
            other.take().unwrap().kill();
            world.is_sound();
            other = Some(Engine::start(&world.sandbox, &[&second]));
        }
    }
    drop(other);
    world.ends_with(&files);
}

/// Both change the same file: after every kill and merge, both contents are still somewhere in both trees.
#[test]
fn killed_while_it_resolves_conflicts_and_syncs_once() {
    let mut world = World::new();
    let (first, second) = (world.first.clone(), world.second.clone());
    let mut written = BTreeSet::new();
    for kill in 0..KILLS {
        if kill % 4 == 0 {
            // A new name each time: a later edit of the same file would rightly replace the earlier one.
            for clone in [&first, &second] {
                let bytes = world.chance.bytes(3_000);
                fs::write(clone.join(format!("contested {kill}.txt")), &bytes).unwrap();
                written.insert(trees::digest(&bytes));
            }
        }
        let clone = if world.chance.happens(50) { &first } else { &second };
        let mut sync = world.sandbox.anabranch(["sync"]).arg(clone).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(world.chance.below(200) as u64));
        let _ = sync.kill();
        sync.wait().unwrap();
        if kill % 10 == 9 {
            world.is_sound();
        }
    }
    for _ in 0..3 {
        for clone in [&first, &second] {
            Actor::Anabranch.sync(&world.sandbox, clone);
        }
    }
    trees::same(&[&first, &second]).unwrap();
    let standing = trees::contents(&trees::tree(&first));
    let lost: Vec<_> = written.difference(&standing).collect();
    assert!(
        lost.is_empty(),
        "{} of {} contents are gone: {lost:?}",
        lost.len(),
        written.len()
    );
    for clone in [&first, &second] {
        checks::assert_whole(&world.sandbox, clone);
    }
}
