//! The content store of one repository: object files, complete and verified or not there at all.
//!
//! Content comes in two steps. It is made as an [`Incoming`] file ([`Store::copy_in`] for a key that is known,
//! [`Store::ingest`] for a file whose key its hash will tell), then a [`Batch`] makes any number of them durable and
//! gives them their final names. Only after [`Batch::finish`] may a log say that content is present.

mod content_lock;
mod copy;
mod ingest;
mod insert;
mod layout;
mod object_directory;
mod populate;
mod receipt;
mod receive;
mod retention;
mod room;
mod soundness;
#[cfg(test)]
pub(crate) mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use model::Key;

pub use content_lock::ContentLock;
pub use copy::Reached;
pub use ingest::{Ingested, Making};
pub use insert::Batch;
pub use receipt::Receipt;
pub use retention::RetainedLock;
pub use room::Incoming;

pub(crate) use copy::{LARGE, Onlooker, Unfinished};
pub(crate) use insert::{MANY, repeat};
pub use receive::SMALL;

use crate::{Annex, Directory, Error, Result};
use layout::Layout;
use room::Room;
use soundness::has_size_of;

/// The object files of one repository. Made for one piece of work and then dropped: it remembers the settings that it
/// found. Threads may share it.
#[derive(Debug)]
pub struct Store<'a> {
    annex: &'a Annex,
    /// The git directory, opened when it is first needed.
    top: OnceLock<Arc<Directory>>,
    layout: OnceLock<Layout>,
    scratch: Mutex<Weak<Room>>,
    /// The directory within the scratch directory that is used; none for that itself.
    scratch_name: Option<&'static str>,
    /// Set when the file system was found unable to share blocks between files.
    no_reflink: AtomicBool,
}

impl Annex {
    /// The content store of this repository.
    pub fn store(&self) -> Store<'_> {
        Store {
            annex: self,
            top: OnceLock::new(),
            layout: OnceLock::new(),
            scratch: Mutex::new(Weak::new()),
            scratch_name: None,
            no_reflink: AtomicBool::new(false),
        }
    }
}

impl<'a> Store<'a> {
    /// The same store for a second thread, which makes its files in a directory of its own: two that make many files in one
    /// directory wait for each other, on ext4 so long that they need several times as long as one alone.
    pub(crate) fn beside(&self) -> Store<'a> {
        Store {
            scratch_name: Some("beside"),
            ..self.annex.store()
        }
    }
}

impl Store<'_> {
    /// Finds the object file of `key`, in the place for this repository or that of another layout. Only a regular
    /// file counts.
    pub fn find(&self, key: &Key) -> Option<PathBuf> {
        self.places(key)
            .find(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()))
    }

    /// True if the content of `key` is here, as far as its size tells.
    pub fn is_present(&self, key: &Key) -> bool {
        let has_size = |found: fs::Metadata| found.is_file() && has_size_of(key, &found);
        self.places(key)
            .any(|path| fs::symlink_metadata(path).is_ok_and(has_size))
    }

    /// Where the object file of `key` goes in this repository, whether it is there or not.
    pub fn object_path(&self, key: &Key) -> PathBuf {
        self.object_path_in(&self.layout().directories(key), key)
    }

    /// Where partially transferred content of `key` is kept: its size is where the transfer resumes. Guarded by the
    /// transfer lock of the key.
    pub fn partial_path(&self, key: &Key) -> PathBuf {
        let mut path = self.annex.annex_file("tmp");
        path.push(file_name(key));
        path
    }

    /// Opens the object file of `key` for reading; [`io::ErrorKind::NotFound`] inside the error if it is not here.
    pub fn open(&self, key: &Key) -> Result<File> {
        let top = self.top()?;
        for path in self.places(key) {
            let below = path.strip_prefix(self.annex.git_dir()).unwrap_or(&path);
            if let Some(file) = top.open_below(below)? {
                return Ok(file);
            }
        }
        Err(Error::io("open", &self.object_path(key))(
            io::ErrorKind::NotFound.into(),
        ))
    }

    /// Refuses what would leave less than `reserve` bytes free (`annex.diskreserve`) after storing `need` bytes.
    pub fn check_reserve(&self, need: u64, reserve: u64) -> Result<()> {
        let path = self.annex.git_dir();
        let found = rustix::fs::statvfs(path).map_err(|e| Error::io("ask for the free space of", path)(e.into()))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if need.saturating_add(reserve) > free {
            return Err(Error::DiskReserve { need, free, reserve });
        }
        Ok(())
    }

    /// The repository whose store this is.
    pub(crate) fn annex(&self) -> &Annex {
        self.annex
    }

    /// Both places where the object of `key` is looked for, the usual one first.
    fn places(&self, key: &Key) -> impl Iterator<Item = PathBuf> {
        let layout = self.layout();
        [false, true].into_iter().map(move |other| {
            let directories = if other {
                layout.other_directories(key)
            } else {
                layout.directories(key)
            };
            self.object_path_in(&directories, key)
        })
    }

    fn object_path_in(&self, directories: &str, key: &Key) -> PathBuf {
        let name = file_name(key);
        let mut path = self.annex.annex_file("objects");
        path.push(directories);
        path.push(&name);
        path.push(&name);
        path
    }

    fn layout(&self) -> &Layout {
        self.layout
            .get_or_init(|| Layout::read(self.annex).unwrap_or_else(|_| Layout::usual(self.annex)))
    }

    /// The scratch directory; its lock is released when the last file made in it is done with.
    fn scratch(&self) -> Result<Arc<Room>> {
        let mut shared = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = shared.upgrade() {
            return Ok(open);
        }
        let open = Arc::new(Room::scratch(self)?);
        *shared = Arc::downgrade(&open);
        Ok(open)
    }

    /// A new file in the scratch directory, for what is neither content nor in a hurry.
    pub(crate) fn scratch_file(&self, mode: u32) -> Result<(File, Incoming)> {
        let room = self.scratch()?;
        let (file, name) = room.create(mode)?;
        let incoming = Incoming {
            room,
            name,
            size: 0,
            durable: false,
            keep: false,
        };
        Ok((file, incoming))
    }

    /// A free name in the scratch directory, for a file that the caller moves there: deleted when it is dropped.
    pub(crate) fn scratch_name(&self) -> Result<Incoming> {
        let room = self.scratch()?;
        let name = room.new_name();
        Ok(Incoming {
            room,
            name,
            size: 0,
            durable: false,
            keep: false,
        })
    }

    /// Keeps the scratch directory open and locked, so that the many files of one piece of work share one lock.
    pub(crate) fn hold_scratch(&self) -> Result<ScratchHeld> {
        self.scratch().map(ScratchHeld)
    }

    /// A new symlink in the scratch directory.
    pub(crate) fn scratch_symlink(&self, target: &[u8]) -> Result<Incoming> {
        let room = self.scratch()?;
        let name = room.symlink(target)?;
        Ok(Incoming {
            room,
            name,
            size: target.len() as u64,
            durable: false,
            keep: false,
        })
    }

    fn partials(&self) -> Result<Arc<Room>> {
        Ok(Arc::new(Room::partials(self)?))
    }

    fn top(&self) -> Result<&Arc<Directory>> {
        if let Some(open) = self.top.get() {
            return Ok(open);
        }
        let open = Directory::top(self.annex.git_dir())?;
        Ok(self.top.get_or_init(|| Arc::new(open)))
    }

    /// Opens a directory below `annex/`, and makes it and those above it as accessible as the repository is. The git
    /// directory itself is never made: where it is missing the drive is gone.
    pub(crate) fn make_directory(&self, below: impl AsRef<Path>) -> Result<Arc<Directory>> {
        let below = Path::new("annex").join(below);
        let made = self
            .top()?
            .make_with(below, &|made| self.layout().directory_mode(made))?;
        Ok(Arc::new(made))
    }

    /// Opens a directory below `annex/`; none if there is none.
    pub(crate) fn find_directory(&self, below: impl AsRef<Path>) -> Result<Option<Arc<Directory>>> {
        let found = match self.top() {
            Ok(top) => top.find(Path::new("annex").join(below))?,
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        Ok(found.map(Arc::new))
    }
}

/// The scratch directory, open and locked as long as this lives.
#[must_use]
pub(crate) struct ScratchHeld(#[allow(dead_code, reason = "holding it is its use")] Arc<Room>);

/// Tells content that is not here from all other failures.
pub(crate) fn found<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(content) => Ok(Some(content)),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The key as a file name for the file system.
pub(crate) fn file_name(key: &Key) -> std::ffi::OsString {
    std::ffi::OsString::from_vec(key.to_file_name().into())
}
