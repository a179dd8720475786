//! Content copied from one repository on this machine to another, and to and from places that are no repositories.

mod place;
mod stream;

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use model::{Key, RepoPath, Uuid};

use place::Source;
pub use place::{Place, send};
pub use stream::{Arrivals, is_intact};

use crate::locks::LockFile;
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
pub enum Outcome {
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
    fn admit(self, key: &Key) -> Result<(), Outcome> {
        if !self.secure_hashes_only || is_secure_backend(key.backend()) {
            return Ok(());
        }
        let backend = key.backend();
        let why = format!("annex.securehashesonly forbids keys of the backend {backend}; nothing was transferred");
        Err(Outcome::Failed(Error::Refused(why)))
    }
}

/// Limits of what is stored together: what is lost when the power fails, and what has to be waited for at the end.
const TOGETHER_BYTES: u64 = 256 << 20;
const TOGETHER: usize = 8192;
/// Content above 1 MiB keeps its transfer locks until it is stored: five open files each.
const TOGETHER_LOCKED: usize = 64;
/// Up to this number small contents are locked one by one as well. More are not: a lock file made and removed for each
/// costs more than the content (ext4 passes over inodes deleted just before, all of them each time).
const LOCKED_SINGLY: usize = 16;
/// How often somebody who waits for the turn looks again.
const TURN: Duration = Duration::from_millis(5);

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
) -> Vec<(Key, Outcome)> {
    let transfer = Transfer {
        source: Source::Repository(source.store()),
        dest: dest.store(),
        terms,
        progress,
        cancelled,
        gone: AtomicBool::new(false),
    };
    transfer.all_of(wanted)
}

/// Copies the content of `wanted` from the place `from`, which has this uuid, to `dest`; else as [`transfer`].
pub fn receive(
    (from, uuid): (&dyn Place, &Uuid),
    dest: &Annex,
    wanted: &[Wanted],
    terms: Terms,
    progress: &(dyn Fn(&Key, Reached) + Sync),
    cancelled: &AtomicBool,
) -> Vec<(Key, Outcome)> {
    let transfer = Transfer {
        source: Source::Place(from, uuid),
        dest: dest.store(),
        terms,
        progress,
        cancelled,
        gone: AtomicBool::new(false),
    };
    transfer.all_of(wanted)
}

/// What is stored together.
#[derive(Default)]
struct Together<'w> {
    wanted: Vec<Weighed<'w>>,
    bytes: u64,
    locked: usize,
}

impl<'w> Together<'w> {
    /// True if there is no place for one more of this size.
    fn is_full(&self, size: u64) -> bool {
        self.wanted.len() == TOGETHER || self.bytes + size > TOGETHER_BYTES || self.locked == TOGETHER_LOCKED
    }

    fn add(&mut self, one: &'w Wanted, size: u64) {
        self.wanted.push((one, size));
        self.bytes += size;
        self.locked += usize::from(size > SMALL);
    }
}

struct Transfer<'a> {
    source: Source<'a>,
    dest: Store<'a>,
    terms: Terms,
    progress: &'a (dyn Fn(&Key, Reached) + Sync),
    cancelled: &'a AtomicBool,
    /// The destination cannot be written any more: a drive that was pulled out.
    gone: AtomicBool,
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

/// Content that has arrived and waits to be stored, with the locks that are kept until then.
type Arrived = (Key, Incoming, Option<TransferLock>);

impl Transfer<'_> {
    fn all_of(&self, wanted: &[Wanted]) -> Vec<(Key, Outcome)> {
        let mut outcomes = Vec::with_capacity(wanted.len());
        let mut together = Together::default();
        let mut large = Vec::new();
        for one in wanted {
            let size = self.source.size_of(&one.key);
            if size >= LARGE {
                large.push((one, size));
                continue;
            }
            if together.is_full(size) {
                let Together { wanted, bytes, .. } = std::mem::take(&mut together);
                outcomes.extend(self.in_turn(&wanted, bytes));
            }
            together.add(one, size);
        }
        outcomes.extend(self.in_turn(&together.wanted, together.bytes));
        for (one, size) in large {
            outcomes.push((one.key.clone(), self.large(one, size)));
        }
        outcomes
    }

    /// Two engines at the two ends of a remote may come upon the same contents at once: the second waits until the first
    /// has stored its own, and then finds them there.
    fn in_turn(&self, wanted: &[Weighed<'_>], bytes: u64) -> Vec<(Key, Outcome)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let name = format!("from-{}.lck", self.source.uuid());
        let path = self.dest.annex().git_dir().join("anabranch").join(name);
        loop {
            match LockFile::try_exclusive(&path) {
                Ok(Some(_turn)) => return self.many(wanted, bytes),
                Ok(None) => thread::sleep(TURN),
                Err(error) => return self.all(wanted, |size| self.failure(repeat(&error), size)),
            }
            if self.cancelled.load(Ordering::Relaxed) {
                return self.all(wanted, |_| Outcome::Cancelled);
            }
        }
    }

    fn all(&self, wanted: &[Weighed<'_>], outcome: impl Fn(u64) -> Outcome) -> Vec<(Key, Outcome)> {
        let outcomes = wanted.iter().map(|(one, size)| (one.key.clone(), outcome(*size)));
        outcomes.collect()
    }

    /// Copies contents that are stored together, on two threads: the disk has little to do with small files, the
    /// processor much.
    fn many(&self, wanted: &[Weighed<'_>], bytes: u64) -> Vec<(Key, Outcome)> {
        if let Err(error) = self.dest.check_reserve(bytes, self.terms.reserve) {
            if wanted.len() == 1 {
                return vec![(wanted[0].0.key.clone(), self.failure(error, wanted[0].1))];
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
            TransferLock::running(&self.dest)
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
            work(&self.dest);
        } else {
            thread::scope(|scope| {
                scope.spawn(|| work(&self.dest.beside()));
                work(&self.dest);
            });
        }
        let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.extend(self.store(arrived.into_inner().unwrap_or_else(PoisonError::into_inner)));
        outcomes
    }

    fn large(&self, wanted: &Wanted, size: u64) -> Outcome {
        // What is there of it already takes no room any more.
        let partial = fs::symlink_metadata(self.dest.partial_path(&wanted.key)).map_or(0, |found| found.len());
        if let Err(error) = self
            .dest
            .check_reserve(size.saturating_sub(partial), self.terms.reserve)
            && !self.dest.is_present(&wanted.key)
        {
            return self.failure(error, size);
        }
        match self.fetch(wanted, size, Locking::Singly, &self.dest) {
            Ok((incoming, lock)) => self
                .store(vec![(wanted.key.clone(), incoming, lock)])
                .pop()
                .map_or(Outcome::Stored, |(_, outcome)| outcome),
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
    ) -> Result<(Incoming, Option<TransferLock>), Outcome> {
        let key = &wanted.key;
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Outcome::Cancelled);
        }
        if self.gone.load(Ordering::Relaxed) {
            let gone = Error::io("write to", self.dest.annex().git_dir());
            return Err(Outcome::Failed(gone(io::ErrorKind::NotFound.into())));
        }
        let lock = self.lock(wanted, size, locking)?;
        if self.dest.holds(key).map_err(|error| self.failure(error, size))? {
            return Err(Outcome::AlreadyPresent);
        }
        self.terms.admit(key)?;
        // The open file stays readable even if the object is removed; the lock tells others to wait with that.
        let _kept = match size > SMALL {
            true => self.source.lock_content_shared(key),
            false => None,
        };
        let content = self.source.open(key).map_err(|error| match error.is_not_found() {
            true => Outcome::SourceMissing,
            false => Outcome::Failed(error),
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
        match dest.copy_in_watched(&content, key, self.terms.verify, &onlooker) {
            Ok(incoming) => Ok((incoming, lock)),
            Err(why) => Err(self.unfinished(why, key, size)),
        }
    }

    /// Keeps others from transferring the content of a key; none where that is left to the turn.
    fn lock(&self, wanted: &Wanted, size: u64, locking: Locking<'_>) -> Result<Option<TransferLock>, Outcome> {
        let Wanted { key, path } = wanted;
        match locking {
            Locking::Singly => {
                let source = self.source.end();
                let lock = TransferLock::acquire(source, &self.dest, key, path.as_ref(), size > SMALL);
                let lock = lock.map_err(|error| self.failure(error, size))?;
                lock.map(Some).ok_or(Outcome::Busy)
            }
            Locking::InTurn { others } if others.contains(key) => Err(Outcome::Busy),
            Locking::InTurn { .. } => Ok(None),
        }
    }

    /// How the transfer of the content of a key ended that was not copied whole.
    fn unfinished(&self, why: Unfinished, key: &Key, size: u64) -> Outcome {
        match why {
            Unfinished::Cancelled => Outcome::Cancelled,
            Unfinished::Wrong => Outcome::Corrupt,
            Unfinished::Reading(error) => Outcome::Failed(Error::io("read", &self.source.path(key))(error)),
            Unfinished::Writing(error) => {
                let path = self.dest.object_path(key);
                self.failure(Error::io("write", &path)(error), size)
            }
            Unfinished::Failed(error) => self.failure(error, size),
        }
    }

    fn store(&self, arrived: Vec<Arrived>) -> Vec<(Key, Outcome)> {
        if arrived.is_empty() {
            return Vec::new();
        }
        let mut batch = match self.dest.batch() {
            Ok(batch) => batch,
            Err(error) => {
                let outcome = |_: &Arrived| self.failure(repeat(&error), 0);
                return arrived.iter().map(|one| (one.0.clone(), outcome(one))).collect();
            }
        };
        let mut locks = Vec::new();
        for (key, incoming, lock) in arrived {
            batch.add(&key, incoming);
            locks.extend(lock);
        }
        let stored = batch.finish();
        drop(locks);
        stored
            .into_iter()
            .map(|(key, outcome)| match outcome {
                Ok(()) => (key, Outcome::Stored),
                Err(error) => {
                    let size = key.size().unwrap_or(0);
                    (key, self.failure(error, size))
                }
            })
            .collect()
    }

    /// What a failure of the destination means for this key, and whether it means anything for those that follow.
    fn failure(&self, error: Error, need: u64) -> Outcome {
        if error.is_disk_full() {
            return Outcome::DiskFull { need };
        }
        if matches!(&error, Error::Busy(_)) {
            return Outcome::Busy;
        }
        let dead = matches!(&error, Error::Io { source, .. } if is_dead(source));
        if dead || fs::metadata(self.dest.annex().annex_dir()).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
        Outcome::Failed(error)
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

fn lock_of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
