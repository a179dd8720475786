//! When to merge, and what merges left undone.

use model::{RepoPath, Timestamp};

use crate::facts::Said;
use crate::pacing;

/// What holds the next merge back, and which files the last one left as they were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merging {
    /// Files in the way are to be looked at and committed first.
    is_blocked: bool,
    /// The last merge was blocked: what is still in the way of the next is left as it is.
    was_blocked: bool,
    retry_at: Option<Timestamp>,
    /// Merges in a row that left something unmerged and changed nothing.
    in_vain: u32,
    /// Files that did not follow the last merge.
    waiting: Vec<RepoPath>,
    /// Merges in a row that left such files.
    waits: u32,
    waiting_until: Option<Timestamp>,
    /// What the user said of deletions that a merge held, until a merge has done it.
    said: Option<Said>,
}

impl Merging {
    /// True if there is something to merge now. `unmerged` says whether branches are.
    pub(crate) fn is_due(&self, unmerged: bool) -> bool {
        let may_merge = unmerged && self.retry_at.is_none();
        let may_follow = !self.waiting.is_empty() && self.waiting_until.is_none();
        (may_merge || may_follow) && !self.is_blocked
    }

    /// True if the next merge leaves what is in its way.
    pub(crate) fn is_partial(&self) -> bool {
        self.was_blocked || !self.waiting.is_empty()
    }

    /// What the user said of deletions that the next merge brings.
    pub(crate) fn said(&self) -> Option<Said> {
        self.said
    }

    /// These files changed: those that wait may be able to follow.
    pub(crate) fn changed(&mut self, now: Timestamp, paths: &[RepoPath]) {
        let concerns = |path: &RepoPath| {
            let mut waiting = self.waiting.iter();
            waiting.any(|other| path.is_within(other) || other.is_within(path))
        };
        if paths.iter().any(concerns) {
            self.waiting_until = self.waiting_until.map(|at| at.min(now + pacing::SOON));
        }
    }

    /// What was in the way was looked at.
    pub(crate) fn unblock(&mut self) {
        self.is_blocked = false;
    }

    /// Waits no longer for anything but what is in the way.
    pub(crate) fn retry_at_once(&mut self) {
        self.retry_at = None;
        self.waiting_until = None;
    }

    /// The user said what becomes of deletions.
    pub(crate) fn answered(&mut self, said: Said) {
        self.said = Some(said);
        self.retry_at = None;
    }

    /// A merge did what the user said.
    pub(crate) fn forget_answer(&mut self) {
        self.said = None;
    }

    /// A merge ended, in vain or not. One that was is not tried again in a tight loop: something was pushed meanwhile, or is
    /// not to be merged at all.
    pub(crate) fn ended(&mut self, now: Timestamp, in_vain: bool, chance: u64) {
        if in_vain {
            self.in_vain = self.in_vain.saturating_add(1);
            self.retry_at = Some(now + pacing::settle_after(self.in_vain, chance));
        } else {
            self.in_vain = 0;
        }
    }

    /// A merge could not be checked out.
    pub(crate) fn blocked(&mut self) {
        self.is_blocked = true;
        self.was_blocked = true;
    }

    /// A merge was checked out, except for these files.
    pub(crate) fn followed(&mut self, now: Timestamp, waiting: Vec<RepoPath>, chance: u64) {
        self.was_blocked = false;
        self.waits = if waiting.is_empty() {
            0
        } else {
            self.waits.saturating_add(1)
        };
        let pause = pacing::look_again_after(self.waits, chance);
        self.waiting_until = (!waiting.is_empty()).then(|| now + pause);
        self.waiting = waiting;
    }

    /// When something may be merged that may not be before.
    pub(crate) fn wakes(&self) -> [Option<Timestamp>; 2] {
        [self.retry_at, self.waiting_until]
    }

    /// Forgets what was waited for until now.
    pub(crate) fn forget_past(&mut self, now: Timestamp) {
        self.retry_at.take_if(|at| *at <= now);
        self.waiting_until.take_if(|at| *at <= now);
    }
}
