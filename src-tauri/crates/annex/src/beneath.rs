//! Opening what lies in a work tree without ever following a symlink in it.

use std::os::fd::OwnedFd;

use bstr::ByteSlice;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::{Errno, Result};

use crate::stat::Stat;

/// How directories are opened: for listing, and never through a symlink.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How a path of several components is followed: not through a symlink, and not out.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// The directories of the work tree, opened without following symlinks. The last one stays open: files come sorted.
pub(crate) struct Directories<'r> {
    root: &'r OwnedFd,
    last: Option<(Vec<u8>, Result<OwnedFd>)>,
}

impl<'r> Directories<'r> {
    pub(crate) fn below(root: &'r OwnedFd) -> Self {
        Self { root, last: None }
    }

    /// The directory that holds a path, and the path's last component.
    pub(crate) fn of<'p>(&mut self, path: &'p [u8]) -> Result<(&OwnedFd, &'p [u8])> {
        let (directory, name) = path.rsplit_once_str(b"/").unwrap_or((b"", path));
        if self.last.as_ref().is_none_or(|(last, _)| last != directory) {
            self.last = Some((directory.to_owned(), open_directory(self.root, directory)));
        }
        match &self.last {
            Some((_, Ok(open))) => Ok((open, name)),
            Some((_, Err(errno))) => Err(*errno),
            None => Err(Errno::NOENT),
        }
    }

    /// What is at a path now, a symlink itself and not what it leads to.
    pub(crate) fn stat(&mut self, path: &[u8]) -> Result<Stat> {
        let (directory, name) = self.of(path)?;
        statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(Stat::from)
    }

    /// True if no file is at a path: nothing, or a directory, or a file in place of a directory above it.
    pub(crate) fn is_gone(&mut self, path: &[u8]) -> bool {
        match self.stat(path) {
            Ok(stat) => stat.is_directory(),
            Err(errno) => matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }
}

/// Opens one directory right below another; `ENOTDIR` if a symlink has that name.
pub(crate) fn open_child(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    openat(directory, name, DIRECTORY, Mode::empty()).map_err(not_a_directory)
}

/// Opens the directory at `path` below `root`; the empty path is `root` itself. `ENOTDIR` if any component is a symlink.
pub(crate) fn open_directory(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd> {
    if path.is_empty() {
        return openat(root, ".", DIRECTORY, Mode::empty());
    }
    match openat2(root, path, DIRECTORY, Mode::empty(), RESOLVE) {
        // Kernels before 5.6, and sandboxes that know nothing of the call.
        Err(Errno::NOSYS | Errno::PERM) => {
            let mut components = path.split(|&b| b == b'/');
            let first = components.next().unwrap_or(b".");
            components.try_fold(open_child(root, first)?, |directory, name| open_child(&directory, name))
        }
        outcome => outcome.map_err(not_a_directory),
    }
}

/// Opens the file at `path` below `root` as `flags` say, without following a symlink on the way or at its end.
pub(crate) fn open_file_below(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat2(root, path, flags, Mode::empty(), RESOLVE) {
        Err(Errno::NOSYS | Errno::PERM) => {
            let (above, name) = path.rsplit_once_str(b"/").unwrap_or((b"", path));
            openat(open_directory(root, above)?, name, flags, Mode::empty())
        }
        outcome => outcome,
    }
}

/// Opens a file for reading without following a symlink and without waiting for the other end of a pipe.
pub(crate) fn open_file(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    openat(directory, name, flags, Mode::empty())
}

fn not_a_directory(errno: Errno) -> Errno {
    match errno {
        Errno::LOOP => Errno::NOTDIR,
        other => other,
    }
}
