//! Decides when failed work on this repository is retried.

use std::time::Duration;

use model::Timestamp;

use crate::facts::Failure;
use crate::pacing;

/// A lock held for this long is reported to the user.
const HELD_FOR_LONG: Duration = Duration::from_secs(7);

/// Consecutive failures of work on this repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    failures: u32,
    /// When work began to fail because of a lock; none if the last failure had another cause.
    locked_since: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    /// Why the last work failed, as text for the user.
    trouble: Option<String>,
}

impl Attempts {
    /// Records a success: the next work need not wait.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Records a failure, which delays further work for a while. A lock is not reported until it was held for long:
    /// programs usually release it in a moment.
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

    /// Retries soon, because the failed work may succeed now.
    pub(crate) fn retry_soon(&mut self, now: Timestamp) {
        self.retry_at = self.retry_at.map(|at| at.min(now + pacing::SOON));
    }

    /// Lets the next attempt start at once.
    pub(crate) fn retry_at_once(&mut self) {
        self.retry_at = None;
    }

    /// The time of the next attempt; none if it may start now.
    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Clears the time of the next attempt once it is reached.
    pub(crate) fn forget_past(&mut self, now: Timestamp) {
        self.retry_at.take_if(|at| *at <= now);
    }

    /// Why the last attempt failed, as text for the user.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// True while the next attempt waits for a lock that another program holds.
    pub(crate) fn waits_for_lock(&self) -> bool {
        self.locked_since.is_some() && self.retry_at.is_some()
    }
}
