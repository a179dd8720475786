//! Objects that are not what their key says.
//!
//! Whatever is stored is verified and write-protected, so it stays what it is. But `annex.thin` makes an object the same
//! inode as a file of the work tree, which anybody may write to; and a file system that was damaged shows it in sizes first.
//! Such objects are read before they are used: what is not the content of its key is set aside.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use model::Key;

use super::copy::{Onlooker, Unfinished, show};
use super::{Store, found};
use crate::logs::{Presence, VectorClock};
use crate::{Error, HashVerdict, Result, Verifier};

impl Store<'_> {
    /// True if the content of `key` is here. An object that may be another is read; if it is, it is set aside, and the
    /// caller logs the content as missing.
    pub fn holds(&self, key: &Key) -> Result<bool> {
        let Some(object) = found(self.open(key))? else {
            return Ok(false);
        };
        let examined = object
            .metadata()
            .map_err(Error::io("examine", &self.object_path(key)))?;
        if !self.is_suspect(key, &examined) || self.is_content(key, &object, &examined)? {
            return Ok(true);
        }
        self.set_bad(key)?;
        Ok(false)
    }

    /// Opens the content of `key` for use; [`std::io::ErrorKind::NotFound`] inside the error if it is not here. An object
    /// that is something else is set aside, and logged as missing.
    pub(crate) fn open_sound(&self, key: &Key) -> Result<File> {
        let object = self.open(key)?;
        let place = self.object_path(key);
        let examined = object.metadata().map_err(Error::io("examine", &place))?;
        if !self.is_suspect(key, &examined) || self.is_content(key, &object, &examined)? {
            return Ok(object);
        }
        if self.set_bad(key)? {
            self.log_missing(key)?;
        }
        Err(Error::io("open", &place)(std::io::ErrorKind::NotFound.into()))
    }

    /// Logs that the content of `key` is not here any more.
    pub(crate) fn log_missing(&self, key: &Key) -> Result<()> {
        let missing = (key.clone(), self.annex.uuid().clone(), Presence::Missing);
        let branch = self.annex.branch();
        branch.record_presence(&[missing], VectorClock::now()).map(drop)
    }

    /// True for an object of another size than that of its key, and for one that somebody else may have written to.
    fn is_suspect(&self, key: &Key, found: &Metadata) -> bool {
        let is_writable = found.mode() & 0o222 != 0 && self.layout().object_mode(0o444) & 0o222 == 0;
        is_writable || found.nlink() > 1 || !has_size_of(key, found)
    }

    fn is_content(&self, key: &Key, object: &File, found: &Metadata) -> Result<bool> {
        if !has_size_of(key, found) {
            return Ok(false);
        }
        let mut verifier = Verifier::for_key(key);
        let onlooker = Onlooker {
            progress: &|_| {},
            cancelled: None,
        };
        match show(object, found.len(), &mut |part| verifier.update(part), &onlooker) {
            Ok(_) => Ok(verifier.finish() != HashVerdict::Wrong),
            Err(Unfinished::Failed(error)) => Err(error),
            Err(Unfinished::Reading(error) | Unfinished::Writing(error)) => {
                Err(Error::io("read", &self.object_path(key))(error))
            }
            Err(Unfinished::Cancelled | Unfinished::Wrong) => Err(Error::Busy(self.object_path(key))),
        }
    }
}

/// False if the key names a size and the file has another.
pub(super) fn has_size_of(key: &Key, found: &Metadata) -> bool {
    key.is_chunk() || key.size().is_none_or(|size| size == found.len())
}
