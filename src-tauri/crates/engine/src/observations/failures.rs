//! Which keys failed to transfer. Forgotten when the program ends: the next start tries everything again.

use std::collections::BTreeMap;
use std::time::Duration;

use assistant::Direction;
use model::{Key, RemoteName, Timestamp};

/// The keys that failed to transfer, by remote and direction.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<(RemoteName, Direction), BTreeMap<Key, Failure>>);

#[derive(Debug, Clone, Copy)]
struct Failure {
    /// How many times in a row.
    count: u32,
    retry_at: Timestamp,
}

impl Failures {
    /// Counts a failure. `retry_after` says how long to hold the key back, given how many times in a row it has failed.
    pub(crate) fn note(
        &mut self,
        key: &Key,
        (remote, direction): (&RemoteName, Direction),
        now: Timestamp,
        retry_after: impl Fn(u32) -> Duration,
    ) {
        let of_way = self.0.entry((remote.clone(), direction)).or_default();
        let failure = of_way.entry(key.clone()).or_insert(Failure {
            count: 0,
            retry_at: now,
        });
        failure.count = failure.count.saturating_add(1);
        failure.retry_at = now + retry_after(failure.count);
    }

    /// Tells which keys are held back for this remote and direction.
    pub(crate) fn held(&self, remote: &RemoteName, direction: Direction, now: Timestamp) -> impl Fn(&Key) -> bool {
        let of_way = self.0.get(&(remote.clone(), direction));
        move |key| of_way.is_some_and(|of_way| of_way.get(key).is_some_and(|failure| failure.retry_at > now))
    }

    /// When the next key may be tried again; none if none is held back.
    pub(crate) fn next_retry(&self, now: Timestamp) -> Option<Timestamp> {
        let failures = self.0.values().flat_map(BTreeMap::values);
        failures.map(|failure| failure.retry_at).filter(|at| *at > now).min()
    }

    /// Forgets that a key failed to be sent to a remote, or (none) to be fetched.
    pub(crate) fn forget_key(&mut self, key: &Key, to: Option<&RemoteName>) {
        for ((remote, direction), of_way) in &mut self.0 {
            let is_to = match to {
                Some(to) => *direction == Direction::Send && remote == to,
                None => *direction == Direction::Get,
            };
            if is_to {
                of_way.remove(key);
            }
        }
    }

    /// Forgets all failures of a remote: it has come back.
    pub(crate) fn forget_remote(&mut self, remote: &RemoteName) {
        self.0.retain(|(of, _), _| of != remote);
    }

    /// Forgets all failures.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
