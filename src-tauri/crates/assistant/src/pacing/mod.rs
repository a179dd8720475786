//! The pace of work: slots, speed limits, retries and back-off.

mod limit;

use std::time::Duration;

pub use limit::Limit;

/// How many transfers run at once, not counting the first with each remote. With one remote at most two run: one of
/// large files and one of small files, so that neither waits for the other.
pub const SLOTS: usize = 4;

/// The longest time until failed work is retried after its surroundings changed.
pub const SOON: Duration = Duration::from_secs(1);

/// How long until a transfer that the user cancelled resumes by itself.
pub const CANCELLED_FOR: Duration = Duration::from_secs(3600);

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(300);
const LOCK_RETRY: Duration = Duration::from_millis(850);
const TRIES_FOR_LOCK: u32 = 30;

/// How long to wait after `failures` consecutive failures: doubles from one second to five minutes, varied by up to a
/// quarter by `chance`, so that two repositories that failed together do not retry together.
pub fn retry_after(failures: u32, chance: u64) -> Duration {
    spread(FIRST_RETRY, LAST_RETRY, failures, chance)
}

/// Like [`retry_after`], for conflicts that end in a moment, such as a ref that another program just moved.
pub fn retry_soon_after(failures: u32, chance: u64) -> Duration {
    spread(Duration::from_millis(20), Duration::from_secs(30), failures, chance)
}

/// Like [`retry_after`], for paths that a checkout could not update: there may be no event when they can follow.
pub fn look_again_after(failures: u32, chance: u64) -> Duration {
    spread(FIRST_RETRY, Duration::from_secs(30), failures, chance)
}

/// Like [`retry_after`], for a lock that another program holds: at least once a second for the first twenty seconds,
/// then every 30 seconds.
pub fn lock_after(failures: u32, chance: u64) -> Duration {
    let last = match failures {
        0..TRIES_FOR_LOCK => LOCK_RETRY,
        TRIES_FOR_LOCK.. => Duration::from_secs(30),
    };
    spread(Duration::from_millis(20), last, failures, chance)
}

/// Spreads the retries of different things, so that they do not all come at once: chance that depends on nothing but the name.
pub fn spread_by(name: &[u8]) -> u64 {
    name.iter()
        .fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

fn spread(first: Duration, last: Duration, failures: u32, chance: u64) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(last);
    let quarter = u64::try_from(doubled.as_millis() / 4).unwrap_or(u64::MAX).max(1);
    doubled - Duration::from_millis(quarter / 2) + Duration::from_millis(chance % quarter)
}

/// A random number generator: the same seed gives the same numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::{LAST_RETRY, retry_after, retry_soon_after};

    #[test]
    fn back_off_grows_and_is_bounded() {
        for chance in [0, 1, 12345, u64::MAX] {
            assert!(retry_after(1, chance) < retry_after(3, chance));
            assert!(retry_after(u32::MAX, chance) <= LAST_RETRY + LAST_RETRY / 4);
            assert!(retry_soon_after(1, chance) < std::time::Duration::from_millis(30));
        }
    }
}
