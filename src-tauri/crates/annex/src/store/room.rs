//! The directories in which content is completed before it gets its final name: `othertmp` and `tmp`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, Mode, OFlags, openat, symlinkat, unlinkat};

use super::Store;
use crate::locks::LockFile;
use crate::sharing::umask;
use crate::{Directory, Error, Result};

/// An open directory for unfinished files; its lock is held as long as anything in it is in use.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) directory: Arc<Directory>,
    _lock: Option<LockFile>,
}

/// Tells apart the files of all threads of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// How a file is made that nobody else has.
const NEW: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

impl Room {
    /// Opens `othertmp`, or the directory in it that the store uses, under its shared lock. What a crash left there is
    /// removed when nobody else uses it, as git-annex does it.
    pub(super) fn scratch(store: &Store<'_>) -> Result<Self> {
        let annex = store.make_directory("")?;
        let lock_name = OsStr::new("othertmp.lck");
        let lock = match LockFile::try_exclusive_in(&annex, lock_name)? {
            Some(alone) => {
                if let Some(left) = annex.find("othertmp")? {
                    left.empty();
                }
                alone.make_shared()?
            }
            None => LockFile::shared_in(&annex, lock_name)?,
        };
        // Only now: git-annex deletes the directory when it is alone.
        let mut below = PathBuf::from("othertmp");
        below.extend(store.scratch_name);
        let mode = |made| store.layout().directory_mode(made);
        Ok(Self {
            directory: Arc::new(annex.make_with(below, &mode)?),
            _lock: Some(lock),
        })
    }

    /// Opens `tmp`, whose files are guarded by the transfer lock of their key.
    pub(super) fn partials(store: &Store<'_>) -> Result<Self> {
        Ok(Self {
            directory: store.make_directory("tmp")?,
            _lock: None,
        })
    }

    /// A new file of a name that nobody else uses, with exactly this mode.
    pub(super) fn create(&self, mode: u32) -> Result<(File, OsString)> {
        loop {
            let name = self.new_name();
            match openat(&self.directory, &name, NEW, Mode::from_raw_mode(mode)) {
                Ok(made) => {
                    let file = File::from(made);
                    if mode & umask() != 0 {
                        set_mode(&file, mode, self.directory.path())?;
                    }
                    return Ok((file, name));
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(Error::io("create a file in", self.directory.path())(errno.into())),
            }
        }
    }

    /// A new symlink of a name that nobody else uses.
    pub(super) fn symlink(&self, target: &[u8]) -> Result<OsString> {
        loop {
            let name = self.new_name();
            match symlinkat(target, &self.directory, &name) {
                Ok(()) => return Ok(name),
                Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(Error::io("create a symlink in", self.directory.path())(errno.into())),
            }
        }
    }

    /// A name that no other file of this process has; after a crash an old file may have it.
    pub(super) fn new_name(&self) -> OsString {
        static PROCESS: OnceLock<u32> = OnceLock::new();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("anabranch-{}-{number}", PROCESS.get_or_init(std::process::id)).into()
    }
}

/// A complete file that has not got its final name yet. Dropped before, it is deleted, unless it lies in `tmp`, from
/// where a later transfer goes on with it.
#[derive(Debug)]
pub struct Incoming {
    pub(super) room: Arc<Room>,
    pub(super) name: OsString,
    pub(super) size: u64,
    /// The content has reached the disk.
    pub(super) durable: bool,
    pub(super) keep: bool,
}

impl Incoming {
    /// Where the file lies now.
    pub fn path(&self) -> PathBuf {
        self.room.directory.path().join(&self.name)
    }

    /// The directory that it lies in, and its name there.
    pub(crate) fn place(&self) -> (BorrowedFd<'_>, &OsStr) {
        (self.room.directory.as_fd(), &self.name)
    }

    /// Gives the file a name in a directory, in the place of what has it.
    pub(crate) fn rename_into(mut self, directory: &Directory, name: &OsStr) -> Result<()> {
        directory.rename_here(&self.room.directory, &self.name, name)?;
        self.keep = true;
        Ok(())
    }

    /// Says that the file was renamed away by the caller.
    pub fn moved_away(mut self) {
        self.keep = true;
    }

    /// Deletes the file, also from `tmp`.
    pub(super) fn discard(mut self) {
        self.keep = false;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.keep {
            // Scratch that stays behind is removed by the next process that finds `othertmp` unused.
            let _ = unlinkat(&self.room.directory, &self.name, AtFlags::empty());
        }
    }
}

pub(super) fn set_mode(file: &File, mode: u32, path: &Path) -> Result<()> {
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(Error::io("set the permissions of a file in", path))
}
