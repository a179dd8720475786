//! The directories in which content is completed before it gets its final name: `othertmp` and `tmp`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, Mode, OFlags, openat, symlinkat, unlinkat};

use super::layout::{Layout, umask};
use crate::locks::LockFile;
use crate::{Annex, Error, Result, make_below};

/// An open directory for unfinished files; its lock is held as long as anything in it is in use.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) directory: File,
    pub(super) path: PathBuf,
    _lock: Option<LockFile>,
}

/// Tells apart the files of all threads of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Room {
    /// Opens `othertmp`, or with a `name` a directory of this name in it, under its shared lock. What a crash left there is
    /// removed when nobody else uses it, as git-annex does it.
    pub(super) fn scratch(annex: &Annex, layout: &Layout, name: Option<&str>) -> Result<Self> {
        let mut path = annex.annex_file("othertmp");
        let lock_path = annex.annex_file("othertmp.lck");
        let lock = match LockFile::try_exclusive(&lock_path)? {
            Some(alone) => {
                empty(&path);
                alone.make_shared()?
            }
            None => LockFile::shared(&lock_path)?,
        };
        // Only now: git-annex deletes the directory when it is alone.
        path.extend(name);
        make_directory(annex, &path, layout)?;
        Self::open(path, Some(lock))
    }

    /// Opens `tmp`, whose files are guarded by the transfer lock of their key.
    pub(super) fn partials(annex: &Annex, layout: &Layout) -> Result<Self> {
        let path = annex.annex_file("tmp");
        make_directory(annex, &path, layout)?;
        Self::open(path, None)
    }

    fn open(path: PathBuf, lock: Option<LockFile>) -> Result<Self> {
        let directory = File::open(&path).map_err(Error::io("open", &path))?;
        Ok(Self {
            directory,
            path,
            _lock: lock,
        })
    }

    /// A new file of a name that nobody else uses, with exactly this mode.
    pub(super) fn create(&self, mode: u32) -> Result<(File, OsString)> {
        loop {
            let name = self.new_name();
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            match openat(&self.directory, &name, flags, Mode::from_raw_mode(mode)) {
                Ok(made) => {
                    let file = File::from(made);
                    if mode & umask() != 0 {
                        set_mode(&file, mode, &self.path)?;
                    }
                    return Ok((file, name));
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(Error::io("create a file in", &self.path)(errno.into())),
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
                Err(errno) => return Err(Error::io("create a symlink in", &self.path)(errno.into())),
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
    /// The size of the content in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the file lies now.
    pub fn path(&self) -> PathBuf {
        self.room.path.join(&self.name)
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

/// Makes a directory of the annex, and those above it, as accessible as the repository is. The git directory itself is
/// never made: where it is missing the drive is gone.
pub(super) fn make_directory(annex: &Annex, path: &Path, layout: &Layout) -> Result<()> {
    for path in make_below(annex.git_dir(), path).map_err(Error::io("create the directory", path))? {
        let made = fs::metadata(&path).map_err(Error::io("examine", &path))?.mode() & 0o7777;
        let wanted = layout.directory_mode(made);
        if wanted != made {
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted))
                .map_err(Error::io("set the permissions of", &path))?;
        }
    }
    Ok(())
}

/// Best effort: what cannot be removed only takes space.
fn empty(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match fs::remove_file(&path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::IsADirectory | io::ErrorKind::PermissionDenied
                ) =>
            {
                let _ = fs::remove_dir_all(&path);
            }
            _ => {}
        }
    }
}
