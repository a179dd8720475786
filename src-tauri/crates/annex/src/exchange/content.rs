//! Content copied from one repository on this machine to another, and to and from places that are no repositories.

mod destination;
mod place;
mod stream;

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use model::{Key, RepoPath, Uuid};

use destination::{Destination, LOCKED_SINGLY, Together};
use place::Source;
pub use place::{ContentPlace, send};
pub use stream::{Arrival, Arrivals, is_intact};

use crate::store::{Incoming, LARGE, Onlooker, Reached, SMALL, Store, Unfinished, repeat};
use crate::transfer::TransferLock;
use crate::{Annex, Error, is_secure_backend};

/// A key whose content is wanted in another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: Key,
    /// A file that has it, to be shown by others; decides nothing.
    pub path: Option<RepoPath>,
}

/// How the transfer of the content of a key ended.
#[derive(Debug)]
pub enum CopyOutcome {
    /// It is in the destination for good. The caller writes the logs.
    Stored,
    /// It was there before.
    AlreadyPresent,
    /// Another program is transferring it just now.
    Busy,
    /// The source does not have it, whatever its logs say.
    SourceMissing,
    /// The source's object is not what its key says. Nothing was stored; the source was not changed.
    Corrupt,
    /// The destination has no room for it without touching the reserve, or is full.
    DiskFull {
        /// The size of the content in bytes.
        need: u64,
    },
    /// Something else prevented it. What is complete stays; what is not is resumed another time.
    Failed(Error),
    /// The caller ended it before.
    Cancelled,
}

/// What the settings of the two ends ask of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// So many bytes are left free at the destination (`annex.diskreserve`).
    pub reserve: u64,
    /// Contents are compared with their keys. If false (`annex.verify`), only their sizes are, as far as keys tell them.
    pub verify: bool,
    /// Only keys travel whose hashes are secure (`annex.securehashesonly`).
    pub secure_hashes_only: bool,
}

impl Terms {
    /// Ends the transfer of a key that may not travel.
    fn admit(self, key: &Key) -> Result<(), CopyOutcome> {
        if !self.secure_hashes_only || is_secure_backend(key.backend()) {
            return Ok(());
        }
        let backend = key.backend();
        let why = format!("annex.securehashesonly forbids keys of the backend {backend}; nothing was transferred");
        Err(CopyOutcome::Failed(Error::Refused(why)))
    }
}

/// Copies the content of `wanted` from `source` to `dest`, under git-annex's locks. `progress` hears how far a key is, from
/// several threads; nothing new is begun once `cancelled` is set, and large content stops. Each key has its outcome, in no
/// certain order.
pub fn transfer(
    source: &Annex,
    dest: &Annex,
    wanted: &[Wanted],
    terms: Terms,
    progress: &(dyn Fn(&Key, Reached) + Sync),
    cancelled: &AtomicBool,
) -> Vec<(Key, CopyOutcome)> {
    let source = Source::Repository(source.store());
    let store = dest.store();
    let transfer = Transfer {
        source: &source,
        dest: Destination::new(&store, source.uuid(), terms),
        progress,
        cancelled,
    };
    transfer.all_of(wanted)
}

/// Copies the content of `wanted` from the place `from`, which has this uuid, to `dest`; else as [`transfer`].
pub fn receive(
    (from, uuid): (&dyn ContentPlace, &Uuid),
    dest: &Annex,
    wanted: &[Wanted],
    terms: Terms,
    progress: &(dyn Fn(&Key, Reached) + Sync),
    cancelled: &AtomicBool,
) -> Vec<(Key, CopyOutcome)> {
    let store = dest.store();
    let transfer = Transfer {
        source: &Source::Place(from, uuid),
        dest: Destination::new(&store, uuid, terms),
        progress,
        cancelled,
    };
    transfer.all_of(wanted)
}

struct Transfer<'a> {
    source: &'a Source<'a>,
    dest: Destination<'a>,
    progress: &'a (dyn Fn(&Key, Reached) + Sync),
    cancelled: &'a AtomicBool,
}

/// How others are kept from transferring the same content.
#[derive(Clone, Copy)]
enum Locking<'o> {
    /// By git-annex's locks for the key.
    Singly,
    /// Only other engines are, by the turn; git-annex is respected if it is transferring the key already. Should it begin
    /// to meanwhile, both do the work, and the object that is there first is kept.
    InTurn { others: &'o [Key] },
}

/// What is wanted, and its size.
type Weighed<'w> = (&'w Wanted, u64);

impl Transfer<'_> {
    fn all_of(&self, wanted: &[Wanted]) -> Vec<(Key, CopyOutcome)> {
        let mut outcomes = Vec::with_capacity(wanted.len());
        let (mut many, mut together) = (Vec::new(), Together::default());
        let mut large = Vec::new();
        for one in wanted {
            let size = self.source.size_of(&one.key);
            if size >= LARGE {
                large.push((one, size));
                continue;
            }
            if together.is_full(size) {
                let bytes = std::mem::take(&mut together).bytes();
                outcomes.extend(self.in_turn(&std::mem::take(&mut many), bytes));
            }
            together.add(size, size > SMALL);
            many.push((one, size));
        }
        outcomes.extend(self.in_turn(&many, together.bytes()));
        for (one, size) in large {
            outcomes.push((one.key.clone(), self.large(one, size)));
        }
        outcomes
    }

    fn in_turn(&self, wanted: &[Weighed<'_>], bytes: u64) -> Vec<(Key, CopyOutcome)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        match self.dest.turn(self.cancelled) {
            Ok(Some(_turn)) => self.many(wanted, bytes),
            Ok(None) => self.all(wanted, |_| CopyOutcome::Cancelled),
            Err(error) => self.all(wanted, |size| self.dest.failure(repeat(&error), size)),
        }
    }

    fn all(&self, wanted: &[Weighed<'_>], outcome: impl Fn(u64) -> CopyOutcome) -> Vec<(Key, CopyOutcome)> {
        let outcomes = wanted.iter().map(|(one, size)| (one.key.clone(), outcome(*size)));
        outcomes.collect()
    }

    /// Copies contents that are stored together, on two threads: the disk has little to do with small files, the
    /// processor much.
    fn many(&self, wanted: &[Weighed<'_>], bytes: u64) -> Vec<(Key, CopyOutcome)> {
        if let Err(error) = self.dest.store.check_reserve(bytes, self.dest.terms.reserve) {
            if wanted.len() == 1 {
                return vec![(wanted[0].0.key.clone(), self.dest.failure(error, wanted[0].1))];
            }
            // Perhaps not all of it is missing there, or a part has room.
            let (first, second) = wanted.split_at(wanted.len() / 2);
            let sum = |part: &[Weighed<'_>]| part.iter().map(|(_, size)| size).sum();
            let mut outcomes = self.many(first, sum(first));
            outcomes.extend(self.many(second, sum(second)));
            return outcomes;
        }
        let singly = wanted.len() <= LOCKED_SINGLY;
        let others = if singly {
            Vec::new()
        } else {
            TransferLock::running(self.dest.store)
        };
        let next = AtomicUsize::new(0);
        let arrived = Mutex::new(Vec::with_capacity(wanted.len()));
        let outcomes = Mutex::new(Vec::new());
        let work = |dest: &Store<'_>| {
            let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
            while let Some((one, size)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let locking = match singly || *size > SMALL {
                    true => Locking::Singly,
                    false => Locking::InTurn { others: &others },
                };
                match self.fetch(one, *size, locking, dest) {
                    Ok((incoming, lock)) => here.push((one.key.clone(), incoming, lock)),
                    Err(outcome) => elsewhere.push((one.key.clone(), outcome)),
                }
            }
            lock_of(&arrived).append(&mut here);
            lock_of(&outcomes).append(&mut elsewhere);
        };
        if wanted.len() < 16 {
            work(self.dest.store);
        } else {
            thread::scope(|scope| {
                scope.spawn(|| work(&self.dest.store.beside()));
                work(self.dest.store);
            });
        }
        let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.extend(
            self.dest
                .store_all(arrived.into_inner().unwrap_or_else(PoisonError::into_inner)),
        );
        outcomes
    }

    fn large(&self, wanted: &Wanted, size: u64) -> CopyOutcome {
        // What is there of it already takes no room any more.
        let partial = fs::symlink_metadata(self.dest.store.partial_path(&wanted.key)).map_or(0, |found| found.len());
        let dest = &self.dest;
        if let Err(error) = dest
            .store
            .check_reserve(size.saturating_sub(partial), dest.terms.reserve)
            && !dest.store.is_present(&wanted.key)
        {
            return dest.failure(error, size);
        }
        match self.fetch(wanted, size, Locking::Singly, dest.store) {
            Ok((incoming, lock)) => dest
                .store_all(vec![(wanted.key.clone(), incoming, lock)])
                .pop()
                .map_or(CopyOutcome::Stored, |(_, outcome)| outcome),
            Err(outcome) => outcome,
        }
    }

    /// Copies the content of a key to where it can be stored from, by this thread's `dest`. Its locks come along.
    fn fetch(
        &self,
        wanted: &Wanted,
        size: u64,
        locking: Locking<'_>,
        dest: &Store<'_>,
    ) -> Result<(Incoming, Option<TransferLock>), CopyOutcome> {
        let key = &wanted.key;
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(CopyOutcome::Cancelled);
        }
        if self.dest.is_gone.load(Ordering::Relaxed) {
            let gone = Error::io("write to", self.dest.store.annex().git_dir());
            return Err(CopyOutcome::Failed(gone(io::ErrorKind::NotFound.into())));
        }
        let lock = self.lock(wanted, size, locking)?;
        if dest.has(key).map_err(|error| self.dest.failure(error, size))? {
            return Err(CopyOutcome::AlreadyPresent);
        }
        self.dest.terms.admit(key)?;
        // The open file stays readable even if the object is removed; the lock tells others to wait with that.
        let _kept = match size > SMALL {
            true => self.source.lock_content_shared(key),
            false => None,
        };
        let content = self.source.open(key).map_err(|error| match error.is_not_found() {
            true => CopyOutcome::SourceMissing,
            false => CopyOutcome::Failed(error),
        })?;
        let onlooker = Onlooker {
            progress: &|reached| {
                (self.progress)(key, reached);
                if let Some(lock) = &lock {
                    lock.report(reached.there);
                }
            },
            cancelled: Some(self.cancelled),
        };
        match dest.copy_in_watched(&content, key, self.dest.terms.verify, &onlooker) {
            Ok(incoming) => Ok((incoming, lock)),
            Err(why) => Err(self.unfinished(why, key, size)),
        }
    }

    /// Keeps others from transferring the content of a key; none where that is left to the turn.
    fn lock(&self, wanted: &Wanted, size: u64, locking: Locking<'_>) -> Result<Option<TransferLock>, CopyOutcome> {
        let Wanted { key, path } = wanted;
        match locking {
            Locking::Singly => {
                let source = self.source.end();
                let lock = TransferLock::acquire(source, self.dest.store, key, path.as_ref(), size > SMALL);
                let lock = lock.map_err(|error| self.dest.failure(error, size))?;
                lock.map(Some).ok_or(CopyOutcome::Busy)
            }
            Locking::InTurn { others } if others.contains(key) => Err(CopyOutcome::Busy),
            Locking::InTurn { .. } => Ok(None),
        }
    }

    /// How the transfer of the content of a key ended that was not copied whole.
    fn unfinished(&self, why: Unfinished, key: &Key, size: u64) -> CopyOutcome {
        match why {
            Unfinished::Cancelled => CopyOutcome::Cancelled,
            Unfinished::Wrong => CopyOutcome::Corrupt,
            Unfinished::Reading(error) => CopyOutcome::Failed(Error::io("read", &self.source.path(key))(error)),
            Unfinished::Writing(error) => {
                let path = self.dest.store.object_path(key);
                self.dest.failure(Error::io("write", &path)(error), size)
            }
            Unfinished::Failed(error) => self.dest.failure(error, size),
        }
    }
}

fn lock_of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
