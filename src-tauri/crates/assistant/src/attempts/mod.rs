//! When work on this repository is tried again after it failed.

use std::time::Duration;

use model::Timestamp;

use crate::facts::Failure;
use crate::pacing;

/// A lock that is held for so long is told.
const HELD_FOR_LONG: Duration = Duration::from_secs(7);

/// Failures in a row of work on this repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    failures: u32,
    /// The last one failed because of a lock.
    locked_since: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    /// Why the last one failed, in words for people.
    trouble: Option<String>,
}

impl Attempts {
    /// Work was done: nothing holds the next back.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Work failed, which holds further work back for a while. A lock is no trouble before it was held for long: programs let
    /// go of it in a moment.
    pub(crate) fn failed(&mut self, now: Timestamp, failure: Failure, chance: u64) {
        self.failures = self.failures.saturating_add(1);
        let (pause, trouble) = match failure {
            Failure::Busy(why) => {
                let since = *self.locked_since.get_or_insert(now);
                let is_long = now.since(since) >= HELD_FOR_LONG;
                (pacing::lock_after(self.failures, chance), is_long.then_some(why))
            }
            Failure::Gone(why) | Failure::Other(why) => {
                self.locked_since = None;
                (pacing::retry_after(self.failures, chance), Some(why))
            }
        };
        self.retry_at = Some(now + pause);
        self.trouble = trouble;
    }

    /// What failed may well succeed now.
    pub(crate) fn retry_soon(&mut self, now: Timestamp) {
        self.retry_at = self.retry_at.map(|at| at.min(now + pacing::SOON));
    }

    /// The next try waits for nothing.
    pub(crate) fn retry_at_once(&mut self) {
        self.retry_at = None;
    }

    /// When the next try may be; none if it may be now.
    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Forgets what was waited for until now.
    pub(crate) fn forget_past(&mut self, now: Timestamp) {
        self.retry_at.take_if(|at| *at <= now);
    }

    /// Why the last try failed, in words for people.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// True while the next try waits for a lock that another program holds.
    pub(crate) fn waits_for_lock(&self) -> bool {
        self.locked_since.is_some() && self.retry_at.is_some()
    }
}
