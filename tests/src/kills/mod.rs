//! Kill -9, again and again: two clones, an engine in each, a script that changes files at both ends, and both engines
//! killed at once, half of the time while one of them writes git's index.
//!
//! Each end changes a directory of its own, so nothing that the script does makes a conflict. Whenever both clones are
//! equal, the ends swap directories.

mod leftovers;
mod moment;
mod script;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::clones::{Actor, connect_both};
use crate::trees::{self, Entry};
use crate::{Chance, Engine, Sandbox, attempt, checks, eventually, run};
use moment::Moment;
use script::Script;

/// How many kills one pair of clones serves at most: git reads all that they have committed after each.
const OF_ONE_PAIR: usize = 100;

/// After so many kills both clones must become equal before the next.
const UNTIL_EQUAL: usize = 25;

/// How long two clones may take to become equal.
const PATIENCE: Duration = Duration::from_secs(60);

/// With how many files the index is split, unless the environment says another number.
const SPLIT_FROM: (&str, &str) = ("ANABRANCH_TEST_SPLIT_FROM", "1");

/// Kills the engines of one pair of clones after the other, so many times in all.
///
/// # Panics
///
/// With the first fault; what it was after is told before.
pub fn kill_many(chance: &mut Chance, kills: usize, told: &dyn Fn(&str)) {
    let mut left = kills;
    while left > 0 {
        // Told with a fault: `ANABRANCH_SEED` brings this pair as the first.
        let seed = if left == kills { chance.seed() } else { chance.number() };
        let kills = left.min(OF_ONE_PAIR);
        let mut moments = Vec::new();
        let lived = catch_unwind(AssertUnwindSafe(|| Pair::new(seed).live(kills, &mut moments)));
        if let Err(panic) = lived {
            told(&format!(
                "seed {seed}, {kills} kills: a fault after {}; the last: {:?}",
                moments.len(),
                &moments[moments.len().saturating_sub(3)..]
            ));
            resume_unwind(panic);
        }
        let hit = moments.iter().filter(|(_, is_hit)| *is_hit).count();
        told(&format!(
            "seed {seed}, {kills} kills: all right; {hit} of them while the index was written"
        ));
        left -= kills;
    }
}

/// Two clones, and who changes what in them.
struct Pair {
    sandbox: Sandbox,
    chance: Chance,
    clones: [PathBuf; 2],
    /// What changes the files of each clone.
    scripts: [Script; 2],
}

impl Pair {
    fn new(seed: u64) -> Pair {
        let sandbox = Sandbox::new();
        let mut chance = Chance::from_seed(seed);
        let first = Actor::Anabranch.init(&sandbox, "first");
        let scripts = ["one", "two"].map(|directory| Script::new(&mut chance, &first, directory));
        Actor::Anabranch.sync(&sandbox, &first);
        let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
        connect_both(&sandbox, &first, &second);
        Actor::Anabranch.sync(&sandbox, &second);
        Pair {
            sandbox,
            chance,
            clones: [first, second],
            scripts,
        }
    }

    /// Kills both engines so many times, and notes each moment and whether it came.
    fn live(mut self, kills: usize, moments: &mut Vec<(Moment, bool)>) {
        for kill in 1..=kills {
            self.kill(kill % UNTIL_EQUAL == 0, moments);
            self.is_sound();
        }
        let engines = self.start();
        self.become_equal();
        engines.into_iter().for_each(Engine::stop);
        for clone in &self.clones {
            checks::assert_whole(&self.sandbox, clone);
        }
    }

    /// Starts both engines, lets the script work beside them, and kills both.
    fn kill(&mut self, equal_before: bool, moments: &mut Vec<(Moment, bool)>) {
        for clone in &self.clones {
            if self.chance.happens(50) {
                // Makes the index whole, so that the engine makes a new shared part; a lock that a kill has left stops it.
                attempt(&mut self.sandbox.git(clone, ["update-index", "--no-split-index"]));
            }
        }
        let moment = Moment::by(&mut self.chance);
        let is_up_before = equal_before || moment.is_while_up();
        let early = (!is_up_before).then(|| moment.watch(&self.clones));
        let mut engines = self.spawn();
        if is_up_before {
            self.wait_until_up(&mut engines);
        }
        if equal_before {
            self.become_equal();
            self.scripts.swap(0, 1);
        }
        let watched = early.unwrap_or_else(|| moment.watch(&self.clones));
        let (clones, scripts) = (&self.clones, &mut self.scripts);
        let mut chance = Chance::from_seed(self.chance.number());
        thread::scope(|scope| {
            scope.spawn(move || script::work(&mut chance, clones, scripts));
            let is_hit = watched.wait();
            // Also if a panic is about to tell why.
            moments.push((moment, is_hit));
            let ended = engines.each_mut().map(Engine::ended);
            engines.into_iter().for_each(Engine::kill);
            assert_eq!(ended, [None, None], "an engine ended by itself");
        });
        self.sandbox.no_git_runs();
    }

    /// What must hold right after a kill.
    fn is_sound(&self) {
        for (clone, script) in self.clones.iter().zip(&self.scripts) {
            leftovers::are_allowed(&clone.join(".git")).unwrap();
            checks::git_fsck(&self.sandbox, clone);
            self.status(clone);
            let tree = trees::tree(clone);
            let (own, other) = tree.into_iter().partition(|(path, _)| script.owns(path));
            let difference = trees::difference(&script.files, &own);
            assert!(
                difference.is_empty(),
                "written | found in {}: {difference}",
                clone.display()
            );
            self.are_written(clone, &other);
        }
    }

    /// Whether all files came from the script: by now with their content, or without.
    fn are_written(&self, clone: &Path, tree: &trees::Tree) {
        for (path, entry) in tree {
            let is_known = match entry {
                Entry::Content(digest) => self.scripts.iter().any(|script| script.written.contains(digest)),
                Entry::Absent => true,
                Entry::Symlink(_) => false,
            };
            let is_named = self.scripts.iter().any(|script| script.named.contains(path));
            assert!(
                is_known && is_named,
                "nobody wrote {} in {}: {entry:?}",
                path.display(),
                clone.display()
            );
        }
    }

    /// Waits until both clones hold what the script has written, and nothing is left of what was killed.
    fn become_equal(&self) {
        let mut all = self.scripts[0].files.clone();
        all.extend(self.scripts[1].files.clone());
        let clones = self.clones.each_ref().map(PathBuf::as_path);
        eventually(PATIENCE, || {
            for clone in clones {
                let difference = trees::difference(&all, &trees::tree(clone));
                if !difference.is_empty() {
                    return Err(format!("written | found in {}: {difference}", clone.display()));
                }
            }
            checks::same_commit_tree(&self.sandbox, &clones)
        });
        for clone in clones {
            eventually(PATIENCE, || leftovers::are_gone(&clone.join(".git")));
            eventually(PATIENCE, || match self.status(clone) {
                changes if changes.is_empty() => Ok(()),
                changes => Err(format!("git status in {}:\n{changes}", clone.display())),
            });
        }
    }

    /// What `git status` says, which must not fail. It leaves the index as it is, also what a kill has left of it.
    fn status(&self, clone: &Path) -> String {
        let status = ["--no-optional-locks", "status", "--porcelain"];
        run(&mut self.sandbox.git(clone, status))
    }

    fn start(&self) -> [Engine; 2] {
        let mut engines = self.spawn();
        self.wait_until_up(&mut engines);
        engines
    }

    fn spawn(&self) -> [Engine; 2] {
        let (name, default) = SPLIT_FROM;
        let split_from = std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let clones = self.clones.each_ref();
        clones.map(|clone| Engine::spawn_with(&self.sandbox, &[clone], &[(name, &split_from)]))
    }

    fn wait_until_up(&self, engines: &mut [Engine; 2]) {
        for (engine, clone) in engines.iter_mut().zip(&self.clones) {
            engine.wait_until_up(&self.sandbox, clone);
        }
    }
}
