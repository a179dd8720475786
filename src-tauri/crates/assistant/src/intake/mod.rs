//! Decides which changes are scanned together, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{RepoPath, Timestamp};

use crate::facts::Scope;

/// The limit of changed paths kept one by one; above it, the whole work tree is scanned.
const PATHS: usize = 20_000;
/// A folder without changes for this long is quiet: its next change is scanned at once.
const QUIET: Duration = Duration::from_millis(500);
/// A burst ends after this long without a further change.
const LULL: Duration = Duration::from_millis(30);
/// A burst is scanned after this long even if it goes on.
const PATIENCE: Duration = Duration::from_millis(1000);
/// This many paths are scanned without waiting for the end of their burst, so that they are committed while the next
/// arrive.
const ENOUGH: usize = 1000;
/// How long until a file that was being written is scanned again, unless it changes before. The time doubles on each
/// retry, because some files stay open for days.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_DOUBLINGS: u32 = 7;
/// A new directory is scanned once nothing was put into it for this long.
const CALM: Duration = Duration::from_millis(100);
/// A new directory is scanned this often even while files still arrive; the scan decides how long they may wait.
const FILLED: Duration = Duration::from_secs(5);

/// The part of the work tree that changed and was not scanned since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intake {
    everything: bool,
    paths: BTreeSet<RepoPath>,
    postponed: BTreeSet<RepoPath>,
    postponed_until: Option<Timestamp>,
    postponed_times: u32,
    first_change_at: Option<Timestamp>,
    last_change_at: Option<Timestamp>,
    /// When the last burst was taken. A change soon after it belongs to the same activity.
    taken_at: Option<Timestamp>,
    /// New directories to scan once nothing is put into them any more.
    filling: BTreeSet<RepoPath>,
    filling_since: Option<Timestamp>,
    /// The number of changes in them since their last scan, and the number at which to scan again to see whether one
    /// directory gets many files. That number doubles each time.
    filled: usize,
    filled_enough: usize,
    /// Since when files are missing, which the next scan has to confirm.
    confirming_since: Option<Timestamp>,
}

impl Intake {
    pub(crate) fn changed(&mut self, now: Timestamp, paths: Vec<RepoPath>) {
        let before = self.paths.len();
        for path in paths {
            self.postponed.remove(&path);
            if self.filling.iter().any(|directory| path.is_within(directory)) {
                self.filled += 1;
            } else {
                self.paths.insert(path);
            }
        }
        if self.paths.len() > PATHS {
            self.count_lost(now, None);
        }
        if self.paths.len() > before {
            self.note(now);
        }
        self.last_change_at = Some(now);
    }

    /// Postpones the scan of these directories until they are complete.
    pub(crate) fn wait_for(&mut self, now: Timestamp, directories: Vec<RepoPath>) {
        self.filling.extend(directories);
        if self.filling.is_empty() {
            self.filling_since = None;
            return;
        }
        if self.filling_since.is_none_or(|since| now >= since + FILLED) {
            self.filling_since = Some(now);
            self.filled_enough = ENOUGH;
        }
        self.last_change_at = Some(now);
    }

    pub(crate) fn count_lost(&mut self, now: Timestamp, within: Option<RepoPath>) {
        match within {
            Some(path) => {
                self.paths.insert(path);
            }
            None => {
                self.everything = true;
                self.paths.clear();
                self.postponed.clear();
            }
        }
        self.note(now);
    }

    /// Scans these files again after a pause.
    pub(crate) fn postpone(&mut self, now: Timestamp, paths: Vec<RepoPath>) {
        if paths.is_empty() {
            self.postponed_times = 0;
        } else {
            self.postponed.extend(paths);
            // All parts of one scan count as one attempt.
            if self.postponed_until.is_none() {
                self.postponed_until = Some(now + AGAIN * (1 << self.postponed_times.min(AGAIN_DOUBLINGS)));
                self.postponed_times = self.postponed_times.saturating_add(1);
            }
        }
    }

    pub(crate) fn is_postponed(&self) -> bool {
        !self.postponed.is_empty()
    }

    pub(crate) fn postponed(&self) -> impl Iterator<Item = &RepoPath> {
        self.postponed.iter()
    }

    /// Scans these paths once more when the burst has ended, with those reported since: files were missing. If the burst
    /// goes on for long, everything is scanned.
    pub(crate) fn confirm(&mut self, now: Timestamp, paths: Vec<RepoPath>) {
        let since = *self.confirming_since.get_or_insert(now);
        if now >= since + PATIENCE {
            return self.count_lost(now, None);
        }
        self.paths.extend(paths);
        self.note(now);
    }

    /// The missing files of the last scan are confirmed.
    pub(crate) fn confirmed(&mut self) {
        self.confirming_since = None;
    }

    /// True if something was reported that was not scanned since.
    pub(crate) fn has_changes(&self) -> bool {
        self.everything || !self.paths.is_empty()
    }

    fn note(&mut self, now: Timestamp) {
        self.first_change_at.get_or_insert(now);
        self.last_change_at = Some(now);
    }

    /// When the next scan is due.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let burst = self.has_changes().then(|| self.burst_ends_at()).flatten();
        let again = self.postponed_until.filter(|_| !self.postponed.is_empty());
        burst.into_iter().chain(again).chain(self.filled_at()).min()
    }

    fn filled_at(&self) -> Option<Timestamp> {
        let (since, last) = (self.filling_since?, self.last_change_at?);
        if self.filling.is_empty() {
            return None;
        }
        match self.filled >= self.filled_enough {
            true => Some(since),
            false => Some((last + CALM).min(since + FILLED)),
        }
    }

    fn burst_ends_at(&self) -> Option<Timestamp> {
        let (first, last) = (self.first_change_at?, self.last_change_at?);
        if self.taken_at.is_none_or(|taken| first.since(taken) >= QUIET) || self.paths.len() >= ENOUGH {
            return Some(first);
        }
        Some((last + LULL).min(first + PATIENCE))
    }

    /// Takes everything that is to be scanned. Also returns whether that confirms the missing files of the last scan.
    pub(crate) fn take(&mut self, now: Timestamp) -> (Scope, bool) {
        self.taken_at = Some(now);
        self.first_change_at = None;
        self.postponed_until = None;
        let mut paths = std::mem::take(&mut self.paths);
        paths.append(&mut self.postponed);
        if !self.filling.is_empty() {
            paths.append(&mut self.filling);
            if std::mem::take(&mut self.filled) >= self.filled_enough {
                self.filled_enough = self.filled_enough.saturating_mul(2);
            }
        }
        let scope = match std::mem::take(&mut self.everything) {
            true => Scope::Everything,
            false => Scope::Paths(paths.into_iter().collect()),
        };
        (scope, self.confirming_since.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{RepoPath, Timestamp};

    use super::{CALM, ENOUGH, FILLED, Intake, LULL, PATHS, PATIENCE};
    use crate::facts::Scope;

    fn path(name: &str) -> RepoPath {
        RepoPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_change_after_quiet_is_due_at_once_and_a_burst_when_it_ends() {
        let mut intake = Intake::default();
        let start = Timestamp(1000);
        intake.changed(start, vec![path("a")]);
        assert_eq!(intake.due_at(), Some(start));
        assert_eq!(intake.take(start).0, Scope::Paths(vec![path("a")]));
        assert_eq!(intake.due_at(), None);

        let soon = start + Duration::from_millis(10);
        intake.changed(soon, vec![path("b")]);
        assert_eq!(intake.due_at(), Some(soon + LULL));
        let mut last = soon;
        for n in 0..200 {
            last = soon + Duration::from_millis(10 * n);
            intake.changed(last, vec![path("c")]);
        }
        assert_eq!(
            intake.due_at(),
            Some(soon + PATIENCE),
            "a burst without end is looked at all the same"
        );
        intake.take(last);
        let later = last + Duration::from_secs(60);
        intake.changed(later, vec![path("d")]);
        assert_eq!(intake.due_at(), Some(later));
    }

    #[test]
    fn the_first_part_of_a_large_burst_is_due_before_it_ends() {
        let mut intake = Intake::default();
        intake.changed(Timestamp(1000), vec![path("a")]);
        intake.take(Timestamp(1000));
        let soon = Timestamp(1010);
        intake.changed(soon, (1..ENOUGH).map(|n| path(&n.to_string())).collect());
        assert_eq!(intake.due_at(), Some(soon + LULL));
        intake.changed(soon, vec![path("last")]);
        assert_eq!(intake.due_at(), Some(soon));
    }

    #[test]
    fn a_new_directory_is_scanned_when_no_more_files_arrive() {
        let mut intake = Intake::default();
        let start = Timestamp(1000);
        intake.changed(start, vec![path("p")]);
        intake.take(start);
        intake.wait_for(start, vec![path("p")]);
        let mut last = start;
        for n in 1..100 {
            last = start + Duration::from_millis(10 * n);
            intake.changed(last, vec![path(&format!("p/{n}"))]);
            assert_eq!(intake.due_at(), Some(last + CALM));
        }
        // Meanwhile other paths are scanned, together with the waiting ones.
        intake.changed(last, vec![path("other")]);
        assert_eq!(intake.due_at(), Some(last));
        assert_eq!(intake.take(last).0, Scope::Paths(vec![path("other"), path("p")]));
        intake.wait_for(last, vec![path("p")]);
        // It does not wait forever.
        for n in 100..600 {
            last = start + Duration::from_millis(10 * n);
            intake.changed(last, vec![path("p/again")]);
        }
        assert_eq!(intake.due_at(), Some(start + FILLED));
        intake.take(last);
        intake.wait_for(last, Vec::new());
        assert_eq!(intake.due_at(), None);
        intake.changed(last, vec![path("p/x")]);
        assert_eq!(intake.take(last).0, Scope::Paths(vec![path("p/x")]));
    }

    #[test]
    fn a_new_directory_that_gets_many_files_is_scanned_early() {
        let mut intake = Intake::default();
        let start = Timestamp(1000);
        let files = |count: usize| (0..count).map(|n| path(&format!("p/{n}"))).collect();
        intake.wait_for(start, vec![path("p")]);
        intake.changed(start, files(ENOUGH));
        assert_eq!(intake.due_at(), Some(start));
        assert_eq!(intake.take(start).0, Scope::Paths(vec![path("p")]));
        // It waits nevertheless; the next scan comes after twice as many files.
        intake.wait_for(start, vec![path("p")]);
        intake.changed(start, files(ENOUGH));
        assert_eq!(intake.due_at(), Some(start + CALM));
        intake.changed(start, files(ENOUGH));
        assert_eq!(intake.due_at(), Some(start));
    }

    #[test]
    fn too_many_paths_become_a_scan_of_everything() {
        let mut intake = Intake::default();
        intake.changed(Timestamp(0), (0..=PATHS).map(|n| path(&n.to_string())).collect());
        assert_eq!(intake.take(Timestamp(0)).0, Scope::Everything);
    }
}
