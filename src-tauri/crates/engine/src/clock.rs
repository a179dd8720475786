use std::time::{Duration, Instant, SystemTime};

use model::Timestamp;

/// The engine's clock: milliseconds since it was started, never going back, whatever happens to the time of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Timestamp {
        Timestamp::default() + self.start.elapsed()
    }

    /// How long until `at`; rounded up, so that whoever sleeps for it does not wake a moment too early.
    pub(crate) fn until(self, at: Timestamp) -> Duration {
        at.since(self.now()) + Duration::from_millis(1)
    }
}

/// The time of day in seconds since the epoch, for people.
pub(crate) fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
