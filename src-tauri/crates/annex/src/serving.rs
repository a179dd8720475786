//! Content that is sent to others.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};

use model::{Key, RepoPath, Uuid};

use crate::store::{ContentLock, SMALL, found};
use crate::transfer::TransferLock;
use crate::{Error, Result, Store};

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
