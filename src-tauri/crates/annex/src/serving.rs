//! Content that leaves: sent to others, and removed for them or for ourselves.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};

use model::{Key, RepoPath, Uuid};

use crate::copies::CopiesProof;
use crate::logs::{Presence, VectorClock};
use crate::store::{ContentLock, SMALL, found};
use crate::transfer::TransferLock;
use crate::{Annex, Error, Result, Store};

/// What became of content that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, and logged as missing.
    Removed,
    /// It was not here.
    Missing,
    /// Somebody relies on it, by a lock or by its retention; nothing was changed.
    Locked,
    /// Whoever wants it removed does not want it any more, or its proof has expired; nothing was logged.
    TooLate,
}

impl Annex {
    /// Removes the content of a key for another program, unless somebody relies on it. Unlocked files that have it become
    /// pointers first. Whether there are enough other copies is for that program to know, which is asked once more at the last
    /// moment.
    pub fn remove_content(&self, key: &Key, is_in_time: &dyn Fn() -> bool) -> Result<Removal> {
        match self.lock_to_remove(key)? {
            Ok(lock) => self.remove_locked(key, lock, is_in_time),
            Err(removal) => Ok(removal),
        }
    }

    /// Removes the content of a key, unless somebody relies on it, if `prove` proves that there are enough other copies. It is
    /// called while nobody can rely on this one. Unlocked files that have the content become pointers first.
    ///
    /// # Errors
    ///
    /// The outer ones are of this repository; the inner ones are those of `prove`, and nothing was changed then.
    pub fn drop_content<E>(
        &self,
        key: &Key,
        prove: impl FnOnce() -> std::result::Result<CopiesProof, E>,
    ) -> Result<std::result::Result<Removal, E>> {
        let lock = match self.lock_to_remove(key)? {
            Ok(lock) => lock,
            Err(removal) => return Ok(Ok(removal)),
        };
        let proof = match prove() {
            Ok(proof) => proof,
            Err(error) => return Ok(Err(error)),
        };
        self.remove_locked(key, lock, &|| proof.covers(key, self.uuid()))
            .map(Ok)
    }

    /// The exclusive lock on content that is to be removed, or why it cannot be removed.
    fn lock_to_remove(&self, key: &Key) -> Result<std::result::Result<ContentLock, Removal>> {
        let store = self.store();
        if store.find(key).is_none() {
            return Ok(Err(Removal::Missing));
        }
        Ok(match store.try_lock_content_exclusive(key)? {
            Some(lock) => Ok(lock),
            None => Err(match store.find(key) {
                Some(_) => Removal::Locked,
                None => Removal::Missing,
            }),
        })
    }

    fn remove_locked(&self, key: &Key, lock: ContentLock, is_in_time: &dyn Fn() -> bool) -> Result<Removal> {
        let store = self.store();
        if !is_in_time() {
            return Ok(Removal::TooLate);
        }
        self.depopulate(key)?;
        // In a large folder that takes a while.
        if !is_in_time() {
            return Ok(Removal::TooLate);
        }
        lock.remove_object()?;
        let missing = (key.clone(), self.uuid().clone(), Presence::Missing);
        let logged = self.branch().journal_presence(&[missing], VectorClock::now());
        lock.leave_no_object(&store)?;
        logged?;
        // An engine may have taken the first pointers for files whose content had come, and filled them.
        self.depopulate(key)?;
        Ok(Removal::Removed)
    }
}

/// Content that is sent to another repository.
#[derive(Debug)]
pub struct Sending {
    file: File,
    size: u64,
    changed: (i64, i64),
    _kept: Option<ContentLock>,
    transfer: Option<TransferLock>,
}

impl Store<'_> {
    /// True if the content of `key` is here. An object that turns out to be something else is set aside, and logged as
    /// missing.
    pub fn has(&self, key: &Key) -> Result<bool> {
        Ok(found(self.open_sound(key))?.is_some())
    }

    /// Opens the content of a key to send it to the repository `to`; none if it is not here.
    pub fn send(&self, key: &Key, to: &Uuid, path: Option<&RepoPath>) -> Result<Option<Sending>> {
        // Neither lock is needed to read: they tell others, of what takes long. A drive that is read-only has none.
        let is_small = key.size().is_some_and(|size| size <= SMALL);
        let (_kept, transfer) = match is_small {
            true => (None, None),
            false => (
                self.lock_content_shared(key).ok().flatten(),
                TransferLock::upload(self, to, key, path, true).ok().flatten(),
            ),
        };
        let Some(file) = found(self.open_sound(key))? else {
            return Ok(None);
        };
        let examined = file.metadata().map_err(Error::io("examine", &self.object_path(key)))?;
        Ok(Some(Sending {
            file,
            size: examined.len(),
            changed: (examined.mtime(), examined.mtime_nsec()),
            _kept,
            transfer,
        }))
    }
}

impl Sending {
    /// Copies up to `length` bytes from `offset` on, and says how many; none at the end.
    pub fn copy_to(&self, offset: u64, length: u64, to: &mut impl io::Write) -> io::Result<u64> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        io::copy(&mut file.take(length), to)
    }

    /// Reads all of it from `offset` on.
    pub fn read(&self, offset: u64) -> io::Result<Vec<u8>> {
        let mut content = vec![0; usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX)];
        let length = self.read_at(offset, &mut content)?;
        content.truncate(length);
        Ok(content)
    }

    /// Fills `block` with what it has from `offset` on, and says how much that is: less only at the end.
    pub fn read_at(&self, offset: u64, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < block.len() {
            match self.file.read_at(&mut block[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Tells others how much was sent.
    pub fn report(&self, bytes: u64) {
        if let Some(transfer) = &self.transfer {
            transfer.report(bytes);
        }
    }

    /// True if nobody has written to it since it was opened.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|now| now.len() == self.size && (now.mtime(), now.mtime_nsec()) == self.changed)
    }
}
