use std::time::Duration;

use model::Timestamp;

/// A limit of bytes per second, shared by all transfers it applies to.
///
/// In any period, no more bytes pass than the limit allows for that period, plus one part of each transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Bytes per second; none for no limit.
    rate: Option<u64>,
    /// Until when the bytes that passed occupy the line, in microseconds.
    busy_until: u64,
}

impl Limit {
    /// Creates a limit of `rate` bytes per second, of which nothing is used yet. None and zero mean no limit.
    pub fn new(rate: Option<u64>) -> Self {
        Self {
            rate: rate.filter(|rate| *rate > 0),
            busy_until: 0,
        }
    }

    /// The same limit, with another rate from now on.
    pub fn with_rate(self, rate: Option<u64>) -> Self {
        Self {
            busy_until: self.busy_until,
            ..Self::new(rate)
        }
    }

    /// Records that bytes passed; returns how long to wait before the next may pass.
    pub fn pass(&mut self, now: Timestamp, bytes: u64) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let now = now.0.saturating_mul(1000);
        let cost = u128::from(bytes) * 1_000_000 / u128::from(rate);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        self.busy_until = self.busy_until.max(now).saturating_add(cost);
        Duration::from_micros(self.busy_until - now)
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use proptest::prelude::*;

    use super::Limit;

    proptest! {
        /// Two transfers that wait as told stay within the limit in every period, plus one part of each.
        #[test]
        fn no_more_passes_than_allowed(
            rate in 1000..10_000_000_u64,
            parts in prop::collection::vec((any::<bool>(), 1..600_000_u64, 0..50_u64), 1..60),
        ) {
            let mut limit = Limit::new(Some(rate));
            let mut ready = [0_u64; 2];
            let mut passed = Vec::new();
            let mut now = 0;
            for (which, bytes, pause) in parts {
                let which = usize::from(which);
                now = now.max(ready[which]) + pause;
                passed.push((now, bytes));
                let wait = limit.pass(Timestamp(now), bytes);
                ready[which] = now + u64::try_from(wait.as_micros().div_ceil(1000)).unwrap();
            }
            let largest = passed.iter().map(|(_, bytes)| *bytes).max().unwrap();
            for (first, &(from, _)) in passed.iter().enumerate() {
                let mut sum = 0;
                for &(to, bytes) in &passed[first..] {
                    sum += bytes;
                    let allowed = rate * (to - from) / 1000 + 2 * largest + rate / 1000 + 1;
                    prop_assert!(sum <= allowed, "{sum} bytes in {} ms", to - from);
                }
            }
        }
    }

    #[test]
    fn transfers_wait_for_nothing_without_a_limit_and_a_new_one_applies_at_once() {
        for rate in [None, Some(0)] {
            let mut limit = Limit::new(rate);
            assert!(limit.pass(Timestamp(5), 1 << 40).is_zero());
            let mut limit = limit.with_rate(Some(1000));
            assert_eq!(limit.pass(Timestamp(5), 500).as_millis(), 500);
            assert_eq!(limit.pass(Timestamp(105), 500).as_millis(), 900);
            assert!(limit.with_rate(None).pass(Timestamp(106), 500).is_zero());
        }
    }
}
