//! Which keys failed to transfer, and when they are retried. Kept in memory only, so that the next start tries
//! everything again.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Key, Timestamp, Uuid};

/// The keys that failed to transfer, by source and destination.
#[derive(Debug, Default)]
pub(crate) struct Retries(BTreeMap<(Uuid, Uuid), BTreeMap<Key, Failure>>);

#[derive(Debug, Clone, Copy)]
struct Failure {
    /// The number of consecutive failures.
    count: u32,
    retry_at: Timestamp,
}

impl Retries {
    /// Counts a failure. `retry_after` tells how long to hold the key back, given the number of consecutive failures.
    pub(crate) fn note(
        &mut self,
        key: &Key,
        (source, destination): (&Uuid, &Uuid),
        now: Timestamp,
        retry_after: impl Fn(u32) -> Duration,
    ) {
        let of_way = self.0.entry((source.clone(), destination.clone())).or_default();
        let failure = of_way.entry(key.clone()).or_insert(Failure {
            count: 0,
            retry_at: now,
        });
        failure.count = failure.count.saturating_add(1);
        failure.retry_at = now + retry_after(failure.count);
    }

    /// Tells which keys are held back between a source and a destination.
    pub(crate) fn held(&self, source: &Uuid, destination: &Uuid, now: Timestamp) -> impl Fn(&Key) -> bool {
        let of_way = self.0.get(&(source.clone(), destination.clone()));
        move |key| of_way.is_some_and(|of_way| of_way.get(key).is_some_and(|failure| failure.retry_at > now))
    }

    /// When the next key may be retried; none if none is held back.
    pub(crate) fn next_retry(&self, now: Timestamp) -> Option<Timestamp> {
        let failures = self.0.values().flat_map(BTreeMap::values);
        failures.map(|failure| failure.retry_at).filter(|at| *at > now).min()
    }

    /// Forgets the failures of a key to reach a destination.
    pub(crate) fn forget_key(&mut self, key: &Key, to: &Uuid) {
        for ((_, destination), of_way) in &mut self.0 {
            if destination == to {
                of_way.remove(key);
            }
        }
    }

    /// Forgets all failures of transfers from or to a repository, for example because it has come back.
    pub(crate) fn forget_repository(&mut self, uuid: &Uuid) {
        self.0
            .retain(|(source, destination), _| source != uuid && destination != uuid);
    }

    /// Forgets all failures of transfers to a repository that has space again.
    pub(crate) fn forget_to(&mut self, uuid: &Uuid) {
        self.0.retain(|(_, destination), _| destination != uuid);
    }

    /// Forgets all failures.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
