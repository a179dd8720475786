//! Places for content that are no repositories: special remotes whose contents are files on this machine.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Key, Uuid};

use super::destination::{TOGETHER_BYTES, failure};
use super::{CopyOutcome, Terms, Wanted};
use crate::store::{ContentLock, Onlooker, Reached, SMALL, Store, Unfinished};
use crate::transfer::TransferLock;
use crate::{Annex, Error, Result};

/// A place for content that is no repository.
pub trait ContentPlace: Sync {
    /// Where the content of a key is, or would be, for messages.
    fn path(&self, key: &Key) -> PathBuf;

    /// Opens the content of a key; none if it is not there.
    fn open(&self, key: &Key) -> Result<Option<File>>;

    /// Makes an empty file for the content of a key. Nobody finds it under the key before [`ContentPlace::keep`].
    fn begin(&self, key: &Key) -> Result<File>;

    /// Makes what was written to such files durable, and to be found under the keys; says how that ended for each.
    fn keep(&self, keys: &[Key]) -> Vec<Result<()>>;

    /// Removes the file that was begun for a key.
    fn discard(&self, key: &Key);

    /// Bytes that can still be written there; none if nobody can tell.
    fn free(&self) -> Option<u64>;
}

/// Where a transfer comes from.
pub(super) enum Source<'a> {
    Repository(Store<'a>),
    Place(&'a dyn ContentPlace, &'a Uuid),
}

impl Source<'_> {
    pub(super) fn uuid(&self) -> &Uuid {
        match self {
            Self::Repository(store) => store.annex().uuid(),
            Self::Place(_, uuid) => uuid,
        }
    }

    /// The repository with its store, if it has one that can be locked.
    pub(super) fn end(&self) -> (&Uuid, Option<&Store<'_>>) {
        match self {
            Self::Repository(store) => (store.annex().uuid(), Some(store)),
            Self::Place(_, uuid) => (uuid, None),
        }
    }

    /// Bytes, as far as they can be told.
    pub(super) fn size_of(&self, key: &Key) -> u64 {
        let found = || match self {
            Self::Repository(store) => Some(fs::symlink_metadata(store.find(key)?).ok()?.len()),
            Self::Place(place, _) => Some(place.open(key).ok()??.metadata().ok()?.len()),
        };
        key.size().or_else(found).unwrap_or(0)
    }

    /// Opens the content of a key; `NotFound` if it is not there.
    pub(super) fn open(&self, key: &Key) -> Result<File> {
        match self {
            Self::Repository(store) => store.open(key),
            Self::Place(place, _) => {
                let missing = || Error::io("open", &place.path(key))(io::ErrorKind::NotFound.into());
                place.open(key)?.ok_or_else(missing)
            }
        }
    }

    /// Keeps the content from being removed, where that can be done.
    pub(super) fn lock_content_shared(&self, key: &Key) -> Option<ContentLock> {
        match self {
            Self::Repository(store) => store.lock_content_shared(key).ok().flatten(),
            Self::Place(..) => None,
        }
    }

    /// Where the content of a key is, for messages.
    pub(super) fn path(&self, key: &Key) -> PathBuf {
        match self {
            Self::Repository(store) => store.object_path(key),
            Self::Place(place, _) => place.path(key),
        }
    }
}

/// So many contents are made durable together: each keeps its lock until then.
const TOGETHER: usize = 256;

/// Copies the content of `wanted` from `source` to the place `to`, which has this uuid, under git-annex's locks. `progress`
/// hears how far a key is; nothing new is begun once `cancelled` is set, and large content stops, to begin again another time.
/// Each key has its outcome, in no certain order.
pub fn send(
    source: &Annex,
    (to, uuid): (&dyn ContentPlace, &Uuid),
    wanted: &[Wanted],
    terms: Terms,
    progress: &(dyn Fn(&Key, Reached) + Sync),
    cancelled: &AtomicBool,
) -> Vec<(Key, CopyOutcome)> {
    let sending = Sending {
        terms,
        store: source.store(),
        to,
        uuid,
        progress,
        cancelled,
    };
    let mut outcomes = Vec::new();
    let (mut written, mut bytes) = (Vec::new(), 0);
    for one in wanted {
        match sending.write(one) {
            Ok((lock, size)) => {
                written.push((one.key.clone(), lock));
                bytes += size;
            }
            Err(outcome) => outcomes.push((one.key.clone(), outcome)),
        }
        if written.len() == TOGETHER || bytes > TOGETHER_BYTES {
            outcomes.extend(sending.keep(std::mem::take(&mut written)));
            bytes = 0;
        }
    }
    outcomes.extend(sending.keep(written));
    outcomes
}

struct Sending<'a> {
    terms: Terms,
    store: Store<'a>,
    to: &'a dyn ContentPlace,
    uuid: &'a Uuid,
    progress: &'a (dyn Fn(&Key, Reached) + Sync),
    cancelled: &'a AtomicBool,
}

impl Sending<'_> {
    /// Writes one content there; its lock comes along, and its size.
    fn write(&self, wanted: &Wanted) -> std::result::Result<(TransferLock, u64), CopyOutcome> {
        let key = &wanted.key;
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(CopyOutcome::Cancelled);
        }
        let is_missing = |error: &Error| error.is_not_found();
        let content = self.store.open(key).map_err(|error| match is_missing(&error) {
            true => CopyOutcome::SourceMissing,
            false => CopyOutcome::Failed(error),
        })?;
        let size = content.metadata().map_or(0, |found| found.len());
        let full = size > SMALL;
        let lock = TransferLock::upload(&self.store, self.uuid, key, wanted.path.as_ref(), full);
        let lock = lock.map_err(|error| failure(error, size))?.ok_or(CopyOutcome::Busy)?;
        if self.holds(key, size).map_err(|error| failure(error, size))? {
            return Err(CopyOutcome::AlreadyPresent);
        }
        self.terms.admit(key)?;
        let has_room = |free| size.saturating_add(self.terms.reserve) <= free;
        if !self.to.free().is_none_or(has_room) {
            return Err(CopyOutcome::DiskFull { need: size });
        }
        let _kept = full.then(|| self.store.lock_content_shared(key).ok().flatten());
        let file = self.to.begin(key).map_err(|error| failure(error, size))?;
        let onlooker = Onlooker {
            progress: &|reached| {
                (self.progress)(key, reached);
                lock.report(reached.there);
            },
            cancelled: Some(self.cancelled),
        };
        let Err(why) = self.store.copy_out(&content, key, &file, self.terms.verify, &onlooker) else {
            return Ok((lock, size));
        };
        self.to.discard(key);
        Err(match why {
            Unfinished::Cancelled => CopyOutcome::Cancelled,
            Unfinished::Wrong => CopyOutcome::Corrupt,
            Unfinished::Reading(error) => CopyOutcome::Failed(Error::io("read", &self.store.object_path(key))(error)),
            Unfinished::Writing(error) => failure(Error::io("write", &self.to.path(key))(error), size),
            Unfinished::Failed(error) => failure(error, size),
        })
    }

    /// True if the key is there with that size. A file of another size cannot be its content.
    fn holds(&self, key: &Key, size: u64) -> Result<bool> {
        let Some(found) = self.to.open(key)? else {
            return Ok(false);
        };
        let found = found.metadata().map_err(Error::io("examine", &self.to.path(key)))?;
        Ok(found.len() == size)
    }

    fn keep(&self, written: Vec<(Key, TransferLock)>) -> Vec<(Key, CopyOutcome)> {
        let (keys, locks): (Vec<Key>, Vec<TransferLock>) = written.into_iter().unzip();
        let kept = self.to.keep(&keys);
        drop(locks);
        let outcome = |(key, kept): (Key, Result<()>)| match kept {
            Ok(()) => (key, CopyOutcome::Stored),
            Err(error) => {
                let size = key.size().unwrap_or(0);
                (key, failure(error, size))
            }
        };
        keys.into_iter().zip(kept).map(outcome).collect()
    }
}
