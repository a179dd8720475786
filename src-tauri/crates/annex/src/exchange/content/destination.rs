//! The end of a transfer at which content arrives: whose turn it is, what is stored together, and what a failure means.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use model::{Key, Uuid};

use super::{CopyOutcome, Terms};
use crate::locks::LockFile;
use crate::store::{Incoming, Store, repeat};
use crate::transfer::TransferLock;
use crate::{Error, Result};

/// Limits of what is stored together: what is lost when the power fails, and what has to be waited for at the end.
pub(super) const TOGETHER_BYTES: u64 = 256 << 20;
pub(super) const TOGETHER: usize = 8192;
/// Content that is locked keeps its transfer locks until it is stored: five open files each.
pub(super) const TOGETHER_LOCKED: usize = 64;
/// Up to this number small contents are locked one by one as well. More are not: a lock file made and removed for each
/// costs more than the content (ext4 without a journal also passes over inodes deleted just before, all of them each time).
pub(super) const LOCKED_SINGLY: usize = 16;
/// How often somebody who waits for the turn looks again.
const TURN: Duration = Duration::from_millis(5);

/// Content that has arrived and waits to be stored, with the locks that are kept until then.
pub(super) type Arrived = (Key, Incoming, Option<TransferLock>);

/// A repository on this machine to which content comes from one other repository or place.
pub(super) struct Destination<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) from: &'a Uuid,
    pub(super) terms: Terms,
    /// It cannot be written any more: a drive that was pulled out.
    pub(super) is_gone: AtomicBool,
}

impl<'a> Destination<'a> {
    pub(super) fn new(store: &'a Store<'a>, from: &'a Uuid, terms: Terms) -> Self {
        Self {
            store,
            from,
            terms,
            is_gone: AtomicBool::new(false),
        }
    }

    /// Takes the turn if nobody has it. Two engines at the two ends of a remote may come upon the same contents at once: the
    /// second waits until the first has stored its own, and then finds them there.
    pub(super) fn try_turn(&self) -> Result<Option<LockFile>> {
        let name = format!("from-{}.lck", self.from);
        LockFile::try_exclusive(&self.store.annex().git_dir().join("anabranch").join(name))
    }

    /// Waits for the turn. None if it was cancelled before.
    pub(super) fn turn(&self, cancelled: &AtomicBool) -> Result<Option<LockFile>> {
        loop {
            if let Some(turn) = self.try_turn()? {
                return Ok(Some(turn));
            }
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            thread::sleep(TURN);
        }
    }

    /// Stores contents for good, and says how that ended for each.
    pub(super) fn store_all(&self, arrived: Vec<Arrived>) -> Vec<(Key, CopyOutcome)> {
        if arrived.is_empty() {
            return Vec::new();
        }
        let mut batch = match self.store.batch() {
            Ok(batch) => batch,
            Err(error) => {
                let outcome = |(key, ..): Arrived| (key, self.failure(repeat(&error), 0));
                return arrived.into_iter().map(outcome).collect();
            }
        };
        let mut locks = Vec::new();
        for (key, incoming, lock) in arrived {
            batch.add(&key, incoming);
            locks.extend(lock);
        }
        let stored = batch.finish();
        drop(locks);
        let outcome = |(key, stored): (Key, Result<()>)| {
            let size = key.size().unwrap_or(0);
            let outcome = stored.map_or_else(|error| self.failure(error, size), |()| CopyOutcome::Stored);
            (key, outcome)
        };
        stored.into_iter().map(outcome).collect()
    }

    /// What a failure here means for this key, and whether it means anything for those that follow.
    pub(super) fn failure(&self, error: Error, need: u64) -> CopyOutcome {
        let dead = matches!(&error, Error::Io { source, .. } if is_dead(source));
        let outcome = failure(error, need);
        if matches!(outcome, CopyOutcome::Failed(_)) && (dead || fs::metadata(self.store.annex().annex_dir()).is_err())
        {
            self.is_gone.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

/// How the transfer of a key ended that this error stopped, which needed so much room.
pub(super) fn failure(error: Error, need: u64) -> CopyOutcome {
    if error.is_disk_full() {
        return CopyOutcome::DiskFull { need };
    }
    match matches!(error, Error::Busy(_)) {
        true => CopyOutcome::Busy,
        false => CopyOutcome::Failed(error),
    }
}

/// True for what only happens when the whole file system is in trouble.
fn is_dead(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let dead = [
        Errno::IO,
        Errno::NODEV,
        Errno::NXIO,
        Errno::ROFS,
        Errno::STALE,
        Errno::NOTCONN,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| dead.iter().any(|errno| errno.raw_os_error() == code))
}

/// How much is to be stored together.
#[derive(Default)]
pub(super) struct Together {
    count: usize,
    bytes: u64,
    locked: usize,
}

impl Together {
    /// True if there is no place for one more of this size.
    pub(super) fn is_full(&self, size: u64) -> bool {
        self.count >= TOGETHER || self.bytes + size > TOGETHER_BYTES || self.locked >= TOGETHER_LOCKED
    }

    pub(super) fn add(&mut self, size: u64, is_locked: bool) {
        self.count += 1;
        self.bytes += size;
        self.locked += usize::from(is_locked);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
