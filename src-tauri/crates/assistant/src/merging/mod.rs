//! Decides when to merge, and tracks what merges left undone.

use std::collections::BTreeSet;

use model::{RepoPath, Timestamp};

use crate::facts::Id;
use crate::pacing;

/// The state of merging: the reasons for which the next merge waits, and the files that the last one left as they were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merging {
    /// The merge that was blocked by files that must be scanned and committed first.
    blocked: Option<Id>,
    /// True if the last merge was blocked: the next one leaves files in its way as they are.
    was_blocked: bool,
    retry_at: Option<Timestamp>,
    /// Consecutive merges that left something unmerged and changed nothing.
    in_vain: u32,
    /// Files that could not follow the last merge.
    waiting: BTreeSet<Vec<u8>>,
    /// Consecutive merges that left such files.
    waits: u32,
    waiting_until: Option<Timestamp>,
}

impl Merging {
    /// True if there is something to merge now. `unmerged` tells whether branches are unmerged.
    pub(crate) fn is_due(&self, unmerged: bool) -> bool {
        let may_merge = unmerged && self.retry_at.is_none();
        let may_follow = !self.waiting.is_empty() && self.waiting_until.is_none();
        (may_merge || may_follow) && self.blocked.is_none()
    }

    /// True if the next merge leaves files in its way as they are.
    pub(crate) fn is_partial(&self) -> bool {
        self.was_blocked || !self.waiting.is_empty()
    }

    /// Records that files changed: a waiting file may be able to follow now.
    pub(crate) fn changed(&mut self, now: Timestamp, paths: &[RepoPath]) {
        if paths.iter().any(|path| self.waits_at(path.as_bytes())) {
            self.waiting_until = self.waiting_until.map(|at| at.min(now + pacing::SOON));
        }
    }

    /// True if this path, one above it or one below it waits.
    fn waits_at(&self, path: &[u8]) -> bool {
        let mut ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let below = [path, b"/"].concat();
        self.waiting.contains(path)
            || ends.any(|(end, _)| self.waiting.contains(&path[..end]))
            || self
                .waiting
                .range(below.clone()..)
                .next()
                .is_some_and(|next| next.starts_with(&below))
    }

    /// Records that the findings of a scan were ingested. A merge that was blocked after that scan stays blocked.
    pub(crate) fn unblock(&mut self, look: Id) {
        self.blocked.take_if(|merge| *merge < look);
    }

    /// Stops waiting, except for files in the way.
    pub(crate) fn retry_at_once(&mut self) {
        self.retry_at = None;
        self.waiting_until = None;
    }

    /// Merges what is unmerged at once, since the user has answered about it.
    pub(crate) fn retry_unmerged(&mut self) {
        self.retry_at = None;
    }

    /// Records the end of a merge. After one that left something unmerged and changed nothing, the next one waits: a ref was
    /// pushed meanwhile, or must not be merged at all.
    pub(crate) fn ended(&mut self, now: Timestamp, in_vain: bool, chance: u64) {
        if in_vain {
            self.in_vain = self.in_vain.saturating_add(1);
            self.retry_at = Some(now + pacing::retry_soon_after(self.in_vain, chance));
        } else {
            self.in_vain = 0;
        }
    }

    /// Records that a merge could not be checked out.
    pub(crate) fn blocked(&mut self, merge: Id) {
        self.blocked = Some(merge);
        self.was_blocked = true;
    }

    /// Records that a merge was checked out except for these files.
    pub(crate) fn followed(&mut self, now: Timestamp, waiting: Vec<RepoPath>, chance: u64) {
        self.was_blocked = false;
        self.waits = if waiting.is_empty() {
            0
        } else {
            self.waits.saturating_add(1)
        };
        let pause = pacing::look_again_after(self.waits, chance);
        self.waiting_until = (!waiting.is_empty()).then(|| now + pause);
        self.waiting = waiting.iter().map(|path| path.as_bytes().to_vec()).collect();
    }

    /// When merges that wait may start.
    pub(crate) fn wakes(&self) -> [Option<Timestamp>; 2] {
        [self.retry_at, self.waiting_until]
    }

    /// Clears the times that have been reached.
    pub(crate) fn forget_past(&mut self, now: Timestamp) {
        self.retry_at.take_if(|at| *at <= now);
        self.waiting_until.take_if(|at| *at <= now);
    }
}

#[cfg(test)]
mod tests {
    use model::{RepoPath, Timestamp};

    use super::Merging;

    #[test]
    fn what_changes_at_above_or_below_a_waiting_file_concerns_it() {
        let mut merging = Merging::default();
        let waiting = ["a/b", "a/b-c", "d"].map(|path| RepoPath::parse(path.as_bytes()).unwrap());
        merging.followed(Timestamp(0), waiting.to_vec(), 0);
        for (path, expected) in [
            ("a/b", true),
            ("a/b/x", true),
            ("a/b/x/y", true),
            ("a", true),
            ("d/e", true),
            ("a/bc", false),
            ("a/c", false),
            ("ab", false),
            ("e", false),
        ] {
            assert_eq!(merging.waits_at(path.as_bytes()), expected, "{path}");
        }
    }
}
