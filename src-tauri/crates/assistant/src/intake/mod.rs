//! Which changes become which commit, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{RepoPath, Timestamp};

use crate::effect::Scope;

/// Changed paths remembered one by one; beyond that, the whole work tree is looked at.
const PATHS: usize = 20_000;
/// A folder without a change for this long is quiet: its next change is looked at without a pause.
const QUIET: Duration = Duration::from_millis(500);
/// In a burst, this long without a further change ends it.
const LULL: Duration = Duration::from_millis(30);
/// A burst is looked at after this long even if it goes on.
const PATIENCE: Duration = Duration::from_millis(1000);
/// So many paths are looked at without waiting for the end of their burst: while they are committed, the next come.
const ENOUGH: usize = 1000;
/// A file that was being written is looked at again after this long, unless it is seen to change before; each time in a
/// row after twice as long, because some files are kept open for days.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_DOUBLINGS: u32 = 7;

/// The part of the work tree that has not been looked at since it changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intake {
    everything: bool,
    paths: BTreeSet<RepoPath>,
    postponed: BTreeSet<RepoPath>,
    postponed_until: Option<Timestamp>,
    postponed_times: u32,
    first_change_at: Option<Timestamp>,
    last_change_at: Option<Timestamp>,
    /// When the last burst was taken; a change soon after it belongs to the same activity.
    taken_at: Option<Timestamp>,
}

impl Intake {
    pub(crate) fn changed(&mut self, now: Timestamp, paths: Vec<RepoPath>) {
        for path in paths {
            self.postponed.remove(&path);
            self.paths.insert(path);
        }
        if self.paths.len() > PATHS {
            self.count_lost(now, None);
        }
        self.note(now);
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

    /// Files to be looked at again after a pause.
    pub(crate) fn postpone(&mut self, now: Timestamp, paths: Vec<RepoPath>) {
        if paths.is_empty() {
            self.postponed_times = 0;
        } else {
            self.postponed.extend(paths);
            self.postponed_until = Some(now + AGAIN * (1 << self.postponed_times.min(AGAIN_DOUBLINGS)));
            self.postponed_times = self.postponed_times.saturating_add(1);
        }
    }

    pub(crate) fn is_postponed(&self) -> bool {
        !self.postponed.is_empty()
    }

    fn note(&mut self, now: Timestamp) {
        self.first_change_at.get_or_insert(now);
        self.last_change_at = Some(now);
    }

    /// When there is something to look at.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let burst = (self.everything || !self.paths.is_empty())
            .then(|| self.burst_ends_at())
            .flatten();
        let again = self.postponed_until.filter(|_| !self.postponed.is_empty());
        burst.into_iter().chain(again).min()
    }

    fn burst_ends_at(&self) -> Option<Timestamp> {
        let (first, last) = (self.first_change_at?, self.last_change_at?);
        if self.taken_at.is_none_or(|taken| first.since(taken) >= QUIET) || self.paths.len() >= ENOUGH {
            return Some(first);
        }
        Some((last + LULL).min(first + PATIENCE))
    }

    /// Takes all that is to be looked at.
    pub(crate) fn take(&mut self, now: Timestamp) -> Scope {
        self.taken_at = Some(now);
        self.first_change_at = None;
        self.postponed_until = None;
        let mut paths = std::mem::take(&mut self.paths);
        paths.append(&mut self.postponed);
        if std::mem::take(&mut self.everything) {
            return Scope::Everything;
        }
        Scope::Paths(paths.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{RepoPath, Timestamp};

    use super::{ENOUGH, Intake, LULL, PATHS, PATIENCE};
    use crate::effect::Scope;

    fn path(name: &str) -> RepoPath {
        RepoPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_change_after_quiet_is_due_at_once_and_a_burst_is_gathered() {
        let mut intake = Intake::default();
        let start = Timestamp(1000);
        intake.changed(start, vec![path("a")]);
        assert_eq!(intake.due_at(), Some(start));
        assert_eq!(intake.take(start), Scope::Paths(vec![path("a")]));
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
    fn of_a_large_burst_the_first_part_is_due_before_it_ends() {
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
    fn too_many_paths_become_a_look_at_everything() {
        let mut intake = Intake::default();
        intake.changed(Timestamp(0), (0..=PATHS).map(|n| path(&n.to_string())).collect());
        assert_eq!(intake.take(Timestamp(0)), Scope::Everything);
    }
}
