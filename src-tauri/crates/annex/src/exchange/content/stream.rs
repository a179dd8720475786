//! Content that arrives from another computer, one after the other.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use model::{Key, Uuid};

use super::{LOCKED_SINGLY, Outcome, TOGETHER, TOGETHER_BYTES, TOGETHER_LOCKED, TURN, Terms, Wanted};
use crate::locks::LockFile;
use crate::store::{Incoming, Receipt, SMALL, Store, repeat};
use crate::transfer::TransferLock;
use crate::{Error, Verdict, Verifier};

/// Contents on their way from one repository to this one. Those that are complete are stored together.
pub struct Arrivals<'a> {
    store: &'a Store<'a>,
    from: &'a Uuid,
    terms: Terms,
    /// If not one by one, other engines are kept away by the turn, and these keys were on their way already.
    in_turn: Option<(LockFile, Vec<Key>)>,
    complete: Vec<(Key, Incoming, Option<TransferLock>)>,
    bytes: u64,
    locked: usize,
}

impl<'a> Arrivals<'a> {
    /// Begins a batch of `count` keys from the repository `from`. None if it was cancelled before its turn came.
    ///
    /// # Errors
    ///
    /// If this repository cannot be written.
    pub fn begin(
        store: &'a Store<'a>,
        from: &'a Uuid,
        terms: Terms,
        count: usize,
        cancelled: &AtomicBool,
    ) -> crate::Result<Option<Self>> {
        let in_turn = match count > LOCKED_SINGLY {
            false => None,
            true => {
                let path = store
                    .annex()
                    .git_dir()
                    .join("anabranch")
                    .join(format!("from-{from}.lck"));
                let turn = loop {
                    if let Some(turn) = LockFile::try_exclusive(&path)? {
                        break turn;
                    }
                    if cancelled.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    thread::sleep(TURN);
                };
                Some((turn, TransferLock::running(store)))
            }
        };
        Ok(Some(Self {
            store,
            from,
            terms,
            in_turn,
            complete: Vec::new(),
            bytes: 0,
            locked: 0,
        }))
    }

    /// The offset from which the content of a key is wanted. Returns an outcome if it is not wanted at all.
    pub fn wants(&self, key: &Key) -> Result<u64, Outcome> {
        if self.store.holds(key).map_err(failure)? {
            return Err(Outcome::AlreadyPresent);
        }
        self.terms.admit(key)?;
        let size = key.size().unwrap_or(0);
        if self.is_small(key) {
            return Ok(0);
        }
        let there = self.store.partial_size(key);
        let need = size.saturating_sub(there);
        self.store
            .check_reserve(need, self.terms.reserve)
            .map_err(|error| failed(error, need))?;
        Ok(there)
    }

    /// True for content that is not worth resuming, nor a lock of its own in a large batch.
    fn is_small(&self, key: &Key) -> bool {
        key.size().is_some_and(|size| size <= SMALL)
    }

    /// Begins to receive content: `length` bytes from `offset` on.
    pub fn receive(&self, wanted: &Wanted, offset: u64, length: u64) -> Result<Receipt<'a>, Outcome> {
        let Wanted { key, path } = wanted;
        let all = offset.checked_add(length).ok_or(Outcome::Corrupt)?;
        if key.size().is_some_and(|size| size != all) {
            return Err(Outcome::Corrupt);
        }
        self.store
            .check_reserve(length, self.terms.reserve)
            .map_err(|error| failed(error, length))?;
        let lock = match &self.in_turn {
            Some((_, others)) if self.is_small(key) => match others.contains(key) {
                true => return Err(Outcome::Busy),
                false => None,
            },
            Some(_) | None => {
                let full = !self.is_small(key);
                let lock = TransferLock::acquire((self.from, None), self.store, key, path.as_ref(), full);
                Some(lock.map_err(failure)?.ok_or(Outcome::Busy)?)
            }
        };
        if self.is_small(key) {
            // Nothing of it is resumed.
            let _ = fs::remove_file(self.store.partial_path(key));
        }
        let receipt = self.store.begin_receipt(key, lock, offset).map_err(failure)?;
        receipt.ok_or(Outcome::Busy)
    }

    /// Takes content that has arrived whole. Returns the outcomes that are known now: its own if it is not what its key says, and
    /// those of all that wait if they are many.
    pub fn arrived(&mut self, receipt: Receipt<'a>, is_valid: bool) -> Vec<(Key, Outcome)> {
        let (key, size) = (receipt.key().clone(), receipt.size());
        match receipt.complete(is_valid) {
            Ok(Some((incoming, lock))) => {
                self.bytes += size;
                self.locked += usize::from(lock.is_some());
                self.complete.push((key, incoming, lock));
            }
            Ok(None) => return vec![(key, Outcome::Corrupt)],
            Err(error) => return vec![(key, failure(error))],
        }
        let is_full = self.complete.len() == TOGETHER || self.bytes > TOGETHER_BYTES || self.locked == TOGETHER_LOCKED;
        match is_full {
            true => self.finish(),
            false => Vec::new(),
        }
    }

    /// Stores all that is complete, for good.
    pub fn finish(&mut self) -> Vec<(Key, Outcome)> {
        let complete = std::mem::take(&mut self.complete);
        (self.bytes, self.locked) = (0, 0);
        if complete.is_empty() {
            return Vec::new();
        }
        let mut batch = match self.store.batch() {
            Ok(batch) => batch,
            Err(error) => {
                let outcome = |(key, ..): (Key, Incoming, Option<TransferLock>)| (key, failure(repeat(&error)));
                return complete.into_iter().map(outcome).collect();
            }
        };
        let mut locks = Vec::new();
        for (key, incoming, lock) in complete {
            batch.add(&key, incoming);
            locks.extend(lock);
        }
        let stored = batch.finish();
        drop(locks);
        let outcome = |(key, stored): (Key, crate::Result<()>)| {
            let size = key.size().unwrap_or(0);
            let outcome = stored.map_or_else(|error| failed(error, size), |()| Outcome::Stored);
            (key, outcome)
        };
        stored.into_iter().map(outcome).collect()
    }
}

fn failure(error: Error) -> Outcome {
    failed(error, 0)
}

fn failed(error: Error, need: u64) -> Outcome {
    if error.is_disk_full() {
        return Outcome::DiskFull { need };
    }
    match matches!(error, Error::Busy(_)) {
        true => Outcome::Busy,
        false => Outcome::Failed(error),
    }
}

/// True if the content of a key that is here is what the key says, as far as that tells; none if it is not here, or cannot
/// be read.
pub fn is_intact(store: &Store<'_>, key: &Key) -> Option<bool> {
    let mut file = store.open(key).ok()?;
    let mut verifier = Verifier::for_key(key);
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part).ok()? {
            0 => return Some(verifier.finish() != Verdict::Wrong),
            length => verifier.update(&part[..length]),
        }
    }
}
