//! Reports of the work in one folder for the user: what was done, which files are left out and why, and which changes
//! are noticed late.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use annex::Nested;
use contract::Change;
use model::RepoPath;

use super::undecided::Undecided;
use crate::clock::wall_clock;
use crate::work::lock::lock;

/// How many of the latest changes are kept for the user.
const RECENT: usize = 50;

#[derive(Default)]
pub(crate) struct Log(Mutex<State>);

#[derive(Default)]
struct State {
    recent: VecDeque<Change>,
    /// Files that cannot be added, with the reason.
    unfit: BTreeMap<String, String>,
    /// Files that are not added because of a setting or a rule.
    undecided: Undecided,
    /// Files that could not be stored, most likely because the disk is full; they are retried after a while.
    unstored: Undecided,
    /// Directories that are git repositories of their own.
    nested: BTreeMap<String, Nested>,
    /// Parts of the folder whose changes are noticed late.
    blind: BTreeMap<PathBuf, surroundings::Why>,
}

/// Removes the entries of these paths and of all paths below them; without paths, removes all entries.
fn forget_within<T>(told: &mut BTreeMap<String, T>, within: Option<&[RepoPath]>) {
    let Some(paths) = within else {
        told.clear();
        return;
    };
    for path in paths {
        if told.is_empty() {
            break;
        }
        let path = path.to_string();
        let below = format!("{path}/");
        told.retain(|what, _| *what != path && !what.starts_with(&below));
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    pub(crate) fn note(&self, what: String) {
        let mut state = self.lock();
        state.recent.push_front(Change { at: wall_clock(), what });
        state.recent.truncate(RECENT);
    }

    pub(crate) fn recent(&self) -> Vec<Change> {
        self.lock().recent.iter().cloned().collect()
    }

    /// Sets why changes in a part of the folder are noticed late; none if they are noticed at once again.
    pub(crate) fn set_blind(&self, path: PathBuf, why: Option<surroundings::Why>) {
        let mut state = self.lock();
        match why {
            Some(why) => state.blind.insert(path, why),
            None => state.blind.remove(&path),
        };
    }

    /// Forgets directories that are not watched any more.
    pub(crate) fn forget_blind(&self, directories: &[PathBuf]) {
        let is_in = |path: &PathBuf| directories.iter().any(|directory| path.starts_with(directory));
        self.lock().blind.retain(|path, _| !is_in(path));
    }

    pub(crate) fn blind(&self) -> BTreeMap<PathBuf, surroundings::Why> {
        self.lock().blind.clone()
    }

    /// Adds a file that is left out until it is changed, with the reason.
    pub(crate) fn note_unfit(&self, what: String, why: String) {
        self.lock().unfit.insert(what, why);
    }

    /// Replaces the entries of these paths, or all entries, with those of the last scan.
    pub(crate) fn set_unfit(&self, within: Option<&[RepoPath]>, unfit: impl IntoIterator<Item = (String, String)>) {
        let mut state = self.lock();
        state.undecided.forget_within(within);
        state.unstored.forget_within(within);
        forget_within(&mut state.unfit, within);
        state.unfit.extend(unfit);
    }

    /// Replaces the nested repositories within these paths, or everywhere, with those of the last scan.
    pub(crate) fn set_nested(&self, within: Option<&[RepoPath]>, nested: &[Nested]) {
        let mut state = self.lock();
        forget_within(&mut state.nested, within);
        let named = nested.iter().map(|one| (one.path.display().to_string(), one.clone()));
        state.nested.extend(named);
    }

    pub(crate) fn nested(&self) -> BTreeMap<String, Nested> {
        self.lock().nested.clone()
    }

    /// Adds a file that waits until a setting or a rule is corrected.
    pub(crate) fn note_undecided(&self, path: RepoPath, why: String) {
        self.lock().undecided.add(path, why);
    }

    /// Why such files wait: each reason, with the first file and their number.
    pub(crate) fn undecided(&self) -> Vec<(String, RepoPath, usize)> {
        self.lock().undecided.reasons()
    }

    /// Adds a file that could not be stored.
    pub(crate) fn note_unstored(&self, path: RepoPath, why: String) {
        self.lock().unstored.add(path, why);
    }

    /// Why such files are not stored: each reason, with the first file and their number.
    pub(crate) fn unstored(&self) -> Vec<(String, RepoPath, usize)> {
        self.lock().unstored.reasons()
    }

    /// The files that could not be stored.
    pub(crate) fn files_to_store(&self) -> Vec<RepoPath> {
        self.lock().unstored.paths()
    }

    /// True while files wait for a setting or a rule.
    pub(crate) fn has_undecided(&self) -> bool {
        !self.lock().undecided.is_empty()
    }

    /// Why the last scan or ingest left a file out.
    pub(crate) fn left_out(&self, path: &RepoPath) -> Option<String> {
        let state = self.lock();
        let undecided = state.undecided.why(path).map(ToOwned::to_owned);
        let unstored = || state.unstored.why(path).map(ToOwned::to_owned);
        undecided
            .or_else(unstored)
            .or_else(|| state.unfit.get(&path.to_string()).cloned())
    }

    pub(crate) fn unfit(&self) -> BTreeMap<String, String> {
        self.lock().unfit.clone()
    }
}
