use std::time::{Duration, Instant, SystemTime};

use model::Timestamp;

/// The engine's clock: milliseconds since its start. It never goes back, even if the time of day does.
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

    /// How long until `at`, rounded up, so that a sleeper does not wake too early.
    pub(crate) fn until(self, at: Timestamp) -> Duration {
        at.since(self.now()) + Duration::from_millis(1)
    }
}

/// The time of day in seconds since the epoch.
pub(crate) fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
