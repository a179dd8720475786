//! Content that another program sends piece by piece.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use model::{Key, RepoPath, Uuid};

use super::copy::{Onlooker, Unfinished, WINDOW, begin_writeback, show};
use super::receive::open_partial;
use super::room::{Incoming, set_mode};
use super::{Store, file_name};
use crate::transfer::TransferLock;
use crate::{Error, Result, Verifier};

/// Content that arrives. It lies in `annex/tmp` until it is complete: if the connection breaks, that stays, and another
/// time it is continued there.
pub struct Receipt<'a> {
    store: &'a Store<'a>,
    key: Key,
    incoming: Incoming,
    file: File,
    verifier: Verifier,
    /// How much is there.
    size: u64,
    /// How much of it the disk is writing already, so that the final sync has little left to do.
    begun: u64,
    /// None where other transfers of the same content are kept away by other means.
    lock: Option<TransferLock>,
}

impl Store<'_> {
    /// How much of the content of a key an interrupted transfer left.
    pub fn partial_size(&self, key: &Key) -> u64 {
        let found = fs::symlink_metadata(self.partial_path(key));
        let size = found.ok().filter(fs::Metadata::is_file).map_or(0, |found| found.len());
        // More than all of it is not a part of it.
        if key.size().is_some_and(|all| size > all) {
            0
        } else {
            size
        }
    }

    /// True if somebody transfers the content of a key to here just now.
    pub fn is_arriving(&self, key: &Key) -> bool {
        let here = self.annex().uuid();
        matches!(TransferLock::acquire((here, None), self, key, None, false), Ok(None))
    }

    /// Begins to take the content of a key from the repository `from`, where [`Store::partial_size`] said that it would be
    /// continued. None if somebody transfers it already, or has since.
    pub fn receive(&self, key: &Key, from: &Uuid, path: Option<&RepoPath>, offset: u64) -> Result<Option<Receipt<'_>>> {
        let Some(lock) = TransferLock::acquire((from, None), self, key, path, true)? else {
            return Ok(None);
        };
        self.begin_receipt(key, Some(lock), offset)
    }

    /// As [`Store::receive`], with a lock that the caller has taken, if any.
    pub(crate) fn begin_receipt(
        &self,
        key: &Key,
        lock: Option<TransferLock>,
        offset: u64,
    ) -> Result<Option<Receipt<'_>>> {
        if self.partial_size(key) != offset {
            return Ok(None);
        }
        let incoming = Incoming {
            room: self.partials()?,
            name: file_name(key),
            size: offset,
            durable: false,
            keep: true,
        };
        let mode = self.layout().object_mode(0o444) | 0o200;
        let file = open_partial(&incoming.room.directory, &incoming.name, mode)?;
        if offset == 0 {
            file.set_len(0).map_err(Error::io("write", &incoming.path()))?;
        }
        let mut verifier = Verifier::for_key(key);
        let onlooker = Onlooker {
            progress: &|_| {},
            cancelled: None,
        };
        show(&file, offset, &mut |part| verifier.update(part), &onlooker).map_err(|why| match why {
            Unfinished::Failed(error) => error,
            Unfinished::Reading(error) | Unfinished::Writing(error) => Error::io("read", &incoming.path())(error),
            Unfinished::Cancelled | Unfinished::Wrong => Error::Busy(incoming.path()),
        })?;
        Ok(Some(Receipt {
            store: self,
            key: key.clone(),
            incoming,
            file,
            verifier,
            size: offset,
            begun: offset,
            lock,
        }))
    }
}

impl Receipt<'_> {
    /// How much of it is there.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next part.
    pub fn write(&mut self, part: &[u8]) -> Result<()> {
        self.file
            .write_all_at(part, self.size)
            .map_err(Error::io("write", &self.incoming.path()))?;
        self.verifier.update(part);
        self.size += part.len() as u64;
        if self.size - self.begun >= WINDOW {
            begin_writeback(&self.file, self.begun, self.size - self.begun);
            self.begun = self.size;
        }
        if let Some(lock) = &self.lock {
            lock.report(self.size);
        }
        Ok(())
    }

    /// Stores what has arrived for good, if it is the content of its key; false if it is not, and then nothing of it stays.
    /// Where the key has no hash to tell, the sender's word counts.
    pub fn finish(self, is_valid: bool) -> Result<bool> {
        let (store, key) = (self.store, self.key.clone());
        let Some((incoming, lock)) = self.complete(is_valid)? else {
            return Ok(false);
        };
        let mut batch = store.batch()?;
        batch.add(&key, incoming);
        let stored = batch.finish().pop().map_or(Ok(()), |(_, stored)| stored);
        drop(lock);
        stored.map(|()| true)
    }

    /// As [`Receipt::finish`], but leaves storing to a [`Batch`](super::Batch): the lock is kept until then.
    pub(crate) fn complete(self, is_valid: bool) -> Result<Option<(Incoming, Option<TransferLock>)>> {
        let Self {
            store,
            mut incoming,
            file,
            verifier,
            size,
            lock,
            ..
        } = self;
        if !verifier.finish().is_right(is_valid) {
            incoming.discard();
            return Ok(None);
        }
        incoming.size = size;
        set_mode(&file, store.layout().object_mode(0o444), &incoming.path())?;
        Ok(Some((incoming, lock)))
    }
}
