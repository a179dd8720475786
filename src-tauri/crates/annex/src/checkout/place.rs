//! The work tree, entered one directory at a time and never through a symlink.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use model::RepoPath;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::openat::{is_spelt_so, open_file};
use crate::stat::Stat;
use crate::{Error, Result};

/// What was seen of a file when something was decided about it: if this is still so, the file is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stat: Stat,
    pub(crate) links: u64,
}

impl std::ops::Deref for Seen {
    type Target = Stat;

    fn deref(&self) -> &Stat {
        &self.stat
    }
}

impl Seen {
    #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
    pub(crate) fn of(stat: rustix::fs::Stat) -> Self {
        Self {
            links: stat.st_nlink as u64,
            stat: stat.into(),
        }
    }
}

/// Where the parent directory of a path is.
pub(super) enum Parent<'a> {
    /// Open, to be used with the file's name.
    Open(BorrowedFd<'a>),
    /// There is no such directory.
    Missing,
    /// This path is where a directory should be, but it is a file or a symlink.
    InTheWay(RepoPath),
}

/// The work tree of a repository, with the directories from the top to the last file used kept open.
pub(super) struct OpenWorkTree {
    top: PathBuf,
    root: OwnedFd,
    entered: Vec<(Vec<u8>, OwnedFd)>,
}

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl OpenWorkTree {
    pub(super) fn open(top: &Path) -> Result<Self> {
        // The top itself may be reached through a symlink: that is how the user named it.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let root = rustix::fs::open(top, flags, Mode::empty()).map_err(|e| Error::io("open", top)(e.into()))?;
        Ok(Self {
            top: top.to_owned(),
            root,
            entered: Vec::new(),
        })
    }

    /// The full path, for messages.
    pub(super) fn shown(&self, path: &RepoPath) -> PathBuf {
        self.top.join(path.as_path())
    }

    /// For `map_err`: wraps the system's answer about a path of the work tree.
    pub(super) fn error(&self, doing: &'static str, path: &RepoPath) -> impl FnOnce(Errno) -> Error + use<> {
        let shown = self.shown(path);
        move |errno| Error::io(doing, &shown)(errno.into())
    }

    /// Opens the directory that holds `path`, making it if asked.
    pub(super) fn parent(&mut self, path: &RepoPath, make: bool) -> Result<Parent<'_>> {
        let bytes = path.as_bytes();
        let directories = &bytes[..bytes.rfind_byte(b'/').unwrap_or(0)];
        let mut depth = 0;
        let mut end = 0;
        for name in directories.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
            end += name.len() + usize::from(depth > 0);
            if self.entered.get(depth).is_none_or(|(entered, _)| entered != name) {
                self.entered.truncate(depth);
                let above = self.entered.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
                let mut opened = rustix::fs::openat(above, name, DIRECTORY, Mode::empty());
                if make && matches!(opened, Err(Errno::NOENT)) {
                    match rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(self.error("create the directory of", path)(meant(above, errno))),
                    }
                    opened = rustix::fs::openat(above, name, DIRECTORY, Mode::empty());
                }
                match opened {
                    Ok(fd) => self.entered.push((name.to_vec(), fd)),
                    Err(Errno::NOENT) => return Ok(Parent::Missing),
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        let what = RepoPath::parse(&bytes[..end]).unwrap_or_else(|_| path.clone());
                        return Ok(Parent::InTheWay(what));
                    }
                    Err(errno) => return Err(self.error("open the directory of", path)(errno)),
                }
            }
            depth += 1;
        }
        self.entered.truncate(depth);
        Ok(Parent::Open(
            self.entered.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()),
        ))
    }

    /// Looks at a path without following a symlink; none if it is not there, or not in a directory.
    pub(super) fn look(&mut self, path: &RepoPath) -> Result<Option<Seen>> {
        let found = match self.parent(path, false)? {
            Parent::Open(parent) => look_at(parent, path),
            Parent::Missing | Parent::InTheWay(_) => Ok(None),
        };
        found.map_err(self.error("look at", path))
    }

    /// True if what is found at `path` has another name there: the file system takes several spellings for one.
    pub(super) fn is_folded(&mut self, path: &RepoPath) -> Result<bool> {
        let is_spelt_so = match self.parent(path, false)? {
            Parent::Open(parent) => is_spelt_so(parent, path.file_name()),
            Parent::Missing | Parent::InTheWay(_) => true,
        };
        match path.parent() {
            Some(above) if is_spelt_so => self.is_folded(&above),
            _ => Ok(!is_spelt_so),
        }
    }

    /// Opens a file for reading; fails if it is a symlink.
    pub(super) fn read(&mut self, path: &RepoPath) -> Result<Option<File>> {
        let opened = match self.parent(path, false)? {
            Parent::Open(parent) => open_file(parent, path.file_name()),
            Parent::Missing | Parent::InTheWay(_) => return Ok(None),
        };
        match opened {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT | Errno::LOOP) => Ok(None),
            Err(errno) => Err(self.error("open", path)(errno)),
        }
    }

    /// The target of a symlink; none if it is none.
    pub(super) fn target(&mut self, path: &RepoPath) -> Result<Option<Vec<u8>>> {
        let read = match self.parent(path, false)? {
            Parent::Open(parent) => rustix::fs::readlinkat(parent, &**path.file_name(), Vec::new()),
            Parent::Missing | Parent::InTheWay(_) => return Ok(None),
        };
        match read {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(self.error("read the symlink", path)(errno)),
        }
    }

    /// Removes a directory if it is empty; false if it is not, or not there.
    pub(super) fn remove_if_empty(&mut self, path: &RepoPath) -> Result<bool> {
        let removed = match self.parent(path, false)? {
            Parent::Open(parent) => rustix::fs::unlinkat(parent, &**path.file_name(), AtFlags::REMOVEDIR),
            Parent::Missing | Parent::InTheWay(_) => return Ok(false),
        };
        match removed {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::NOTDIR | Errno::BUSY) => Ok(false),
            Err(errno) => Err(self.error("remove the directory", path)(errno)),
        }
    }
}

/// What the system means that gives nothing a name in a directory. exFAT over FUSE says of a name that it cannot hold that it
/// is not there; that is so where the directory itself has gone.
pub(super) fn meant(directory: BorrowedFd<'_>, errno: Errno) -> Errno {
    let is_there = || rustix::fs::fstat(directory).is_ok_and(|found| found.st_nlink > 0);
    match errno {
        Errno::NOENT if is_there() => Errno::INVAL,
        errno => errno,
    }
}

/// Looks at a file in an open directory, without following a symlink.
pub(crate) fn look_at(parent: BorrowedFd<'_>, path: &RepoPath) -> rustix::io::Result<Option<Seen>> {
    match rustix::fs::statat(parent, &**path.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Seen::of(stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_made_is_unfit_unless_its_directory_has_gone() {
        let top = tempfile::tempdir().unwrap();
        let place = OpenWorkTree::open(top.path()).unwrap();
        assert_eq!(meant(place.root.as_fd(), Errno::NOENT), Errno::INVAL);
        assert_eq!(meant(place.root.as_fd(), Errno::NOSPC), Errno::NOSPC);
        drop(top);
        assert_eq!(meant(place.root.as_fd(), Errno::NOENT), Errno::NOENT);
    }
}
