//! The transfers in progress in one folder, and their speed limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use annex::settings::Bandwidth;
use assistant::pacing::Limit;
use assistant::{Direction, Id};
use model::{Key, RemoteName, Timestamp, Uuid};

use crate::clock::{Clock, wall_clock};
use crate::observations::Cancelled;
use crate::work::lock::lock;
use crate::work::process::Process;

pub(crate) struct Transfers {
    clock: Clock,
    process: Arc<Process>,
    /// When this was created. It is part of the names of transfers, so that no other run uses the same names.
    made_at: SystemTime,
    /// The limits for all remotes together, and for each remote.
    limits: Mutex<BTreeMap<(Option<RemoteName>, Direction), Limit>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    underway: BTreeMap<Id, Underway>,
    endings: BTreeMap<Id, Ending>,
}

/// The signal that ends work early, before or after it has begun.
#[derive(Default)]
struct Ending {
    /// Set to end the work.
    now: Arc<AtomicBool>,
    /// When the user cancelled it, and until when the keys it did not deliver are held back.
    held: Option<(Timestamp, Timestamp)>,
}

/// A transfer in progress.
#[derive(Clone)]
pub(crate) struct Underway {
    pub(crate) remote: RemoteName,
    pub(crate) direction: Direction,
    pub(crate) files: usize,
    /// The file being transferred, if it is only one.
    pub(crate) what: String,
    /// Bytes that have arrived.
    pub(crate) done: Arc<AtomicU64>,
    pub(crate) total: u64,
}

impl Transfers {
    pub(crate) fn new(clock: Clock, process: Arc<Process>) -> Self {
        Self {
            clock,
            process,
            made_at: SystemTime::now(),
            limits: Mutex::default(),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Applies limits, in bytes per second.
    pub(crate) fn set_limits(&self, remote: &RemoteName, direction: Direction, limits: Bandwidth) {
        let mut all = lock(&self.limits);
        for (whose, rate) in [(None, limits.all), (Some(remote.clone()), limits.remote)] {
            let limit = all.entry((whose, direction)).or_insert(Limit::new(None));
            *limit = limit.with_rate(rate);
        }
    }

    /// Records that bytes passed to or from a remote; returns how long to wait before the next may pass.
    pub(crate) fn passed(&self, remote: &RemoteName, direction: Direction, bytes: u64) -> Duration {
        let (mut all, now) = (lock(&self.limits), self.clock.now());
        let whose = [None, Some(remote.clone())];
        let waits = whose.map(|whose| all.get_mut(&(whose, direction)).map(|limit| limit.pass(now, bytes)));
        let together = self.process.passed(direction, bytes);
        waits.into_iter().flatten().chain([together]).max().unwrap_or_default()
    }

    /// Makes this work cancellable from now on, even before it has begun.
    pub(crate) fn announce(&self, id: Id) -> Arc<AtomicBool> {
        Arc::clone(&self.lock().endings.entry(id).or_default().now)
    }

    pub(crate) fn begin(&self, id: Id, transfer: Underway) {
        self.lock().underway.insert(id, transfer);
    }

    /// Records that the work has ended.
    pub(crate) fn end(&self, id: Id) {
        let mut state = self.lock();
        state.underway.remove(&id);
        state.endings.remove(&id);
    }

    /// Cancels a transfer, and holds back the keys that it does not deliver.
    pub(crate) fn cancel(&self, id: Id, held_until: Option<Timestamp>) {
        if let Some(ending) = self.lock().endings.get_mut(&id) {
            ending.held = held_until.map(|until| (self.clock.now(), until)).or(ending.held);
            ending.now.store(true, Ordering::Relaxed);
        }
    }

    /// The keys to hold back after a transfer was cancelled without delivering `keys`; none if it was not cancelled by
    /// the user.
    pub(crate) fn held(&self, id: Id, destination: &Uuid, keys: BTreeSet<Key>) -> Option<Cancelled> {
        let held = self.lock().endings.get(&id).and_then(|ending| ending.held);
        let (asked_at, until) = held.filter(|_| !keys.is_empty())?;
        Some(Cancelled {
            destination: destination.clone(),
            keys: Arc::new(keys),
            asked_at,
            until,
            shown: wall_clock() + until.since(self.clock.now()).as_secs(),
        })
    }

    /// All transfers in progress, by name.
    pub(crate) fn all(&self) -> Vec<(String, Underway)> {
        let name = |(id, transfer): (&Id, &Underway)| (self.name(*id), transfer.clone());
        self.lock().underway.iter().map(name).collect()
    }

    /// Finds a transfer in progress by its name.
    pub(crate) fn named(&self, name: &str) -> Option<Id> {
        let state = self.lock();
        state.underway.keys().find(|id| self.name(**id) == name).copied()
    }

    fn name(&self, id: Id) -> String {
        let since = self.made_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{:x}-{}", since.as_nanos(), id.0)
    }
}
