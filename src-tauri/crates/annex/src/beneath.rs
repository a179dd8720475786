//! Opening what lies in a work tree without ever following a symlink in it.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{Errno, Result};

/// How directories are opened: for listing, and never through a symlink.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens one directory right below another; `ENOTDIR` if a symlink has that name.
pub(crate) fn open_child(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    openat(directory, name, DIRECTORY, Mode::empty()).map_err(not_a_directory)
}

/// Opens the directory at `path` below `root`; the empty path is `root` itself. `ENOTDIR` if any component is a symlink.
pub(crate) fn open_directory(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd> {
    if path.is_empty() {
        return openat(root, ".", DIRECTORY, Mode::empty());
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, DIRECTORY, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that know nothing of the call.
        Err(Errno::NOSYS | Errno::PERM) => {
            let mut components = path.split(|&b| b == b'/');
            let first = components.next().unwrap_or(b".");
            components.try_fold(open_child(root, first)?, |directory, name| open_child(&directory, name))
        }
        outcome => outcome.map_err(not_a_directory),
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
