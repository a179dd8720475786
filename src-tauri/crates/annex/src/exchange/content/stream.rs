//! Content that arrives from another computer, one after the other.

use std::io::Read;
use std::sync::atomic::AtomicBool;

use model::{Key, Uuid};

use super::destination::{Arrived, Destination, LOCKED_SINGLY, Together, failure};
use super::{CopyOutcome, Terms, Wanted};
use crate::locks::LockFile;
use crate::store::{Receipt, SMALL, Store};
use crate::transfer::TransferLock;
use crate::{HashVerdict, Result as Done, Verifier};

/// Contents on their way from one repository to this one. Those that are complete are stored together.
pub struct Arrivals<'a> {
    dest: Destination<'a>,
    /// While it has the turn, small contents are not locked one by one. These keys were on their way already.
    turn: Option<(LockFile, Vec<Key>)>,
    complete: Vec<Arrived>,
    together: Together,
}

/// Content on its way.
pub struct Arrival<'a> {
    key: Key,
    content: Received<'a>,
}

enum Received<'a> {
    /// Kept in memory until all of it is there, and then written at once.
    Small(Vec<u8>, Option<TransferLock>),
    /// Written as it comes. If it breaks off, it is resumed another time.
    Large(Box<Receipt<'a>>),
}

impl<'a> Arrivals<'a> {
    /// Begins to receive from the repository `from`.
    pub fn new(store: &'a Store<'a>, from: &'a Uuid, terms: Terms) -> Self {
        Self {
            dest: Destination::new(store, from, terms),
            turn: None,
            complete: Vec::new(),
            together: Together::default(),
        }
    }

    /// Waits for the turn if `count` keys are enough to need it. False if it was cancelled before.
    ///
    /// # Errors
    ///
    /// If this repository cannot be written.
    pub fn wait_for_turn(&mut self, count: usize, cancelled: &AtomicBool) -> Done<bool> {
        if count <= LOCKED_SINGLY {
            return Ok(true);
        }
        let turn = self.dest.turn(cancelled)?;
        self.turn = turn.map(|turn| (turn, TransferLock::running(self.dest.store)));
        Ok(self.turn.is_some())
    }

    /// Takes the turn if `count` keys are enough to need it and nobody has it. Otherwise, each key is locked by itself.
    pub fn expect(&mut self, count: usize) {
        if count > LOCKED_SINGLY
            && self.turn.is_none()
            && let Ok(Some(turn)) = self.dest.try_turn()
        {
            self.turn = Some((turn, TransferLock::running(self.dest.store)));
        }
    }

    /// The offset from which the content of a key is wanted. Returns an outcome if it is not wanted at all.
    pub fn wants(&self, key: &Key) -> Result<u64, CopyOutcome> {
        if self.dest.store.has(key).map_err(|error| failure(error, 0))? {
            return Err(CopyOutcome::AlreadyPresent);
        }
        self.dest.terms.admit(key)?;
        if is_small(key) {
            return Ok(0);
        }
        let there = self.dest.store.partial_size(key);
        self.check_room(key.size().unwrap_or(0).saturating_sub(there))?;
        Ok(there)
    }

    fn check_room(&self, need: u64) -> Result<(), CopyOutcome> {
        let checked = self.dest.store.check_reserve(need, self.dest.terms.reserve);
        checked.map_err(|error| failure(error, need))
    }

    /// Begins to receive content: `length` bytes from `offset` on.
    pub fn receive(&self, wanted: &Wanted, offset: u64, length: u64) -> Result<Arrival<'a>, CopyOutcome> {
        let Wanted { key, path } = wanted;
        let all = offset.checked_add(length).ok_or(CopyOutcome::Corrupt)?;
        if key.size().is_some_and(|size| size != all) {
            return Err(CopyOutcome::Corrupt);
        }
        self.check_room(length)?;
        let is_small = is_small(key);
        let lock = match &self.turn {
            Some((_, others)) if is_small => match others.contains(key) {
                true => return Err(CopyOutcome::Busy),
                false => None,
            },
            Some(_) | None => {
                let from = (self.dest.from, None);
                let lock = TransferLock::acquire(from, self.dest.store, key, path.as_ref(), !is_small);
                Some(lock.map_err(|error| failure(error, all))?.ok_or(CopyOutcome::Busy)?)
            }
        };
        let content = match is_small && offset == 0 {
            true => Received::Small(Vec::new(), lock),
            false => {
                let receipt = self.dest.store.begin_receipt(key, lock, offset);
                let receipt = receipt.map_err(|error| failure(error, all))?;
                Received::Large(Box::new(receipt.ok_or(CopyOutcome::Busy)?))
            }
        };
        let key = key.clone();
        Ok(Arrival { key, content })
    }

    /// Takes content that has arrived whole. Returns the outcomes that are known now: its own if it is not what its key says, and
    /// those of all that wait if they are many.
    pub fn arrived(&mut self, arrival: Arrival<'a>, is_valid: bool) -> Vec<(Key, CopyOutcome)> {
        let (key, size) = (arrival.key.clone(), arrival.size());
        match self.complete(arrival, is_valid) {
            Ok(arrived) => {
                self.together.add(size, arrived.2.is_some());
                self.complete.push(arrived);
            }
            Err(outcome) => return vec![(key, outcome)],
        }
        match self.together.is_full(0) {
            true => self.store(),
            false => Vec::new(),
        }
    }

    fn complete(&self, arrival: Arrival<'a>, is_valid: bool) -> Result<Arrived, CopyOutcome> {
        let Arrival { key, content } = arrival;
        let (bytes, lock) = match content {
            Received::Large(receipt) => {
                let size = receipt.size();
                let complete = receipt.complete(is_valid).map_err(|error| failure(error, size))?;
                let (incoming, lock) = complete.ok_or(CopyOutcome::Corrupt)?;
                return Ok((key, incoming, lock));
            }
            Received::Small(bytes, lock) => (bytes, lock),
        };
        let mut verifier = Verifier::for_key(&key);
        verifier.update(&bytes);
        if !verifier.finish().is_right(is_valid) {
            return Err(CopyOutcome::Corrupt);
        }
        let written = self.dest.store.write_whole(&bytes);
        let incoming = written.map_err(|error| failure(error, bytes.len() as u64))?;
        Ok((key, incoming, lock))
    }

    /// Stores all that is complete, for good.
    pub fn store(&mut self) -> Vec<(Key, CopyOutcome)> {
        self.together = Together::default();
        self.dest.store_all(std::mem::take(&mut self.complete))
    }

    /// Stores all that is complete, and lets go of the turn.
    pub fn finish(&mut self) -> Vec<(Key, CopyOutcome)> {
        let stored = self.store();
        self.turn = None;
        stored
    }
}

impl Arrival<'_> {
    /// How much of it is there.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.content {
            Received::Small(bytes, _) => bytes.len() as u64,
            Received::Large(receipt) => receipt.size(),
        }
    }

    /// Takes the next part.
    pub fn write(&mut self, part: &[u8]) -> Result<(), CopyOutcome> {
        match &mut self.content {
            Received::Small(bytes, _) => {
                bytes.extend_from_slice(part);
                Ok(())
            }
            Received::Large(receipt) => {
                let need = self.key.size().unwrap_or(0);
                receipt.write(part).map_err(|error| failure(error, need))
            }
        }
    }
}

/// True for content that is not worth resuming, nor a lock of its own in a large batch.
fn is_small(key: &Key) -> bool {
    key.size().is_some_and(|size| size <= SMALL)
}

/// True if the content of a key that is here is what the key says, as far as that tells; none if it is not here, or cannot
/// be read.
pub fn is_intact(store: &Store<'_>, key: &Key) -> Option<bool> {
    let mut file = store.open(key).ok()?;
    let mut verifier = Verifier::for_key(key);
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part).ok()? {
            0 => return Some(verifier.finish() != HashVerdict::Wrong),
            length => verifier.update(&part[..length]),
        }
    }
}
