//! Opening what lies in a work tree without ever following a symlink in it.

use std::os::fd::{AsFd, OwnedFd};

use bstr::ByteSlice;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, ResolveFlags, openat, openat2, statat};
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

    /// True if no file is at a path: nothing, or a directory, or a file in place of a directory above it. A file that a
    /// file system finds by another spelling of its name is not there.
    pub(crate) fn is_gone(&mut self, path: &[u8]) -> bool {
        match self.stat(path) {
            Ok(stat) => stat.is_directory() || !self.is_spelt_so(path),
            Err(errno) => matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }
}

impl Directories<'_> {
    /// True if a path that is there is listed under exactly this name, in directories that are as well.
    fn is_spelt_so(&self, path: &[u8]) -> bool {
        let Ok(mut directory) = open_directory(self.root, b"") else {
            return true;
        };
        let mut names = path.split(|&b| b == b'/').peekable();
        while let Some(name) = names.next() {
            if !is_spelt_so(&directory, name) {
                return false;
            }
            if names.peek().is_some() {
                match open_child(&directory, name) {
                    Ok(child) => directory = child,
                    Err(_) => return true,
                }
            }
        }
        true
    }
}

/// False if a name that is found in a directory is there only because its file system takes several spellings for one.
pub(crate) fn is_spelt_so(directory: impl AsFd + Copy, name: &[u8]) -> bool {
    let Some(other) = other_spelling(name) else { return true };
    // Nearly always, there is nothing of the other spelling. The number of its inode tells nothing: FUSE may give one file a
    // number for each spelling.
    if statat(directory, other, AtFlags::SYMLINK_NOFOLLOW).is_err() {
        return true;
    }
    let mut buffer = [std::mem::MaybeUninit::uninit(); 8 << 10];
    let Ok(listed) = openat(directory, ".", DIRECTORY, Mode::empty()) else {
        return true;
    };
    let mut listing = RawDir::new(&listed, &mut buffer);
    while let Some(entry) = listing.next() {
        match entry {
            Ok(entry) if entry.file_name().to_bytes() == name => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    false
}

/// A name with the case of its first letter changed; none if it has no letter.
fn other_spelling(name: &[u8]) -> Option<Vec<u8>> {
    let mut other = Vec::with_capacity(name.len() + 2);
    for (start, end, letter) in name.char_indices() {
        let changed = match letter.is_uppercase() {
            true => letter.to_lowercase().to_string(),
            false => letter.to_uppercase().to_string(),
        };
        if letter != char::REPLACEMENT_CHARACTER && changed.as_bytes() != &name[start..end] {
            other.extend_from_slice(changed.as_bytes());
            other.extend_from_slice(&name[end..]);
            return Some(other);
        }
        other.extend_from_slice(&name[start..end]);
    }
    None
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
pub(crate) fn open_file(directory: impl AsFd, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    openat(directory, name, flags, Mode::empty())
}

fn not_a_directory(errno: Errno) -> Errno {
    match errno {
        Errno::LOOP => Errno::NOTDIR,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::other_spelling;

    #[test]
    fn another_spelling_differs_in_the_case_of_one_letter() {
        for (name, other) in [
            ("readme", Some("Readme")),
            ("Readme", Some("readme")),
            ("1-a", Some("1-A")),
            ("\u{e9}t\u{e9}", Some("\u{c9}t\u{e9}")),
            ("123.\u{4e2d}", None),
        ] {
            assert_eq!(
                other_spelling(name.as_bytes()),
                other.map(|other| other.as_bytes().to_vec())
            );
        }
        assert_eq!(other_spelling(b"\xff\xfea"), Some(b"\xff\xfeA".to_vec()));
    }
}
