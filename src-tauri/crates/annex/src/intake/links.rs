//! Symlinks put in place of files of the work tree.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, RenameFlags, renameat, renameat_with, statat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::Postponed;
use super::reading::{not_stored, unreadable};
use crate::locks::LockFile;
use crate::stat::Stat;
use crate::{Annex, Directory, Result};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Where symlinks are made before they are put in place: git-annex's `othertmp`, under its shared lock.
pub(super) struct Scratch {
    directory: Arc<Directory>,
    _lock: LockFile,
}

impl Scratch {
    pub(super) fn open(annex: &Annex) -> Result<Self> {
        let lock = LockFile::shared(&annex.annex_file("othertmp.lck"))?;
        let directory = annex.store().make_directory("othertmp")?;
        Ok(Self { directory, _lock: lock })
    }

    /// Puts a symlink where a file or symlink is that `is_expected` knows; nothing else is ever replaced. Returns the
    /// stat data of the new symlink.
    pub(super) fn replace(
        &self,
        directory: &OwnedFd,
        name: &[u8],
        target: &[u8],
        is_expected: &dyn Fn(&Stat) -> bool,
    ) -> std::result::Result<Stat, Postponed> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = OsString::from(format!("anabranch-link-{}-{number}", std::process::id()));
        let temporary = &temporary;
        let _ = unlinkat(&self.directory, temporary, AtFlags::empty());
        symlinkat(target, &self.directory, temporary).map_err(not_stored)?;
        let outcome = self.exchange(directory, name, temporary, is_expected);
        // The symlink, or what it has replaced: known to be expected.
        let _ = unlinkat(&self.directory, temporary, AtFlags::empty());
        outcome
    }

    fn exchange(
        &self,
        directory: &OwnedFd,
        name: &[u8],
        temporary: &OsString,
        is_expected: &dyn Fn(&Stat) -> bool,
    ) -> std::result::Result<Stat, Postponed> {
        let at =
            |directory: BorrowedFd<'_>, name: &[u8]| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(Stat::from);
        let found = at(directory.as_fd(), name).map_err(|errno| match errno {
            Errno::NOENT => Postponed::Vanished,
            other => unreadable(other),
        })?;
        if !is_expected(&found) {
            return Err(Postponed::Changed);
        }
        match renameat_with(&self.directory, temporary, directory, name, RenameFlags::EXCHANGE) {
            Ok(()) => {
                // Only now can nobody put another file there unseen.
                let replaced = at(self.directory.as_fd(), temporary.as_encoded_bytes()).map_err(unreadable)?;
                if !is_expected(&replaced) {
                    return Err(self.put_back(directory, name, temporary));
                }
            }
            // The file system cannot exchange.
            Err(Errno::INVAL | Errno::NOSYS) => {
                renameat(&self.directory, temporary, directory, name).map_err(not_stored)?;
            }
            Err(Errno::NOENT) => return Err(Postponed::Vanished),
            Err(errno) => return Err(not_stored(errno)),
        }
        at(directory.as_fd(), name).map_err(unreadable)
    }
}

impl Scratch {
    /// Gives a file back that came out of the work tree although it was not the one expected.
    fn put_back(&self, directory: &OwnedFd, name: &[u8], temporary: &OsString) -> Postponed {
        if renameat_with(&self.directory, temporary, directory, name, RenameFlags::EXCHANGE).is_ok() {
            return Postponed::Changed;
        }
        // Somebody has removed the symlink meanwhile: the place is free, or taken by yet another file.
        let kept = [name, b".anabranch-kept"].concat();
        for name in [name, &kept] {
            if renameat_with(&self.directory, temporary, directory, name, RenameFlags::NOREPLACE).is_ok() {
                break;
            }
        }
        Postponed::Changed
    }
}
