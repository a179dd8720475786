//! Files that are taken out of the work tree, and the programs that still have them open.
//!
//! A program that has a file open for writing writes into the file, not to its name: once the name leads elsewhere, what it
//! writes is in no file that anybody sees. So a file is taken away only under a lease, which the system gives where
//! nobody has it open for writing, and it is deleted only when, a moment later, still nobody has: a program may have found
//! the file by its name just before. Where one has, or where the system cannot tell, the file is retired instead: see
//! [`super::retired`].

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use model::RepoPath;
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::place::{Seen, look_at};
use super::retired;
use crate::lease::{Lease, Writers, writers};
use crate::openat::open_file;
use crate::{Incoming, Store};

/// So many files are kept open at once before they are deleted.
const AT_ONCE: usize = 64;

/// What became of a file that was to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is gone from its place.
    Done,
    /// Another file is there than was seen, or none; nothing was changed.
    Changed,
    /// A program has it open for writing; nothing was changed.
    Open,
}

/// The files that were taken away and are not deleted yet. [`TakenAway::finish`] deletes them.
pub(crate) struct TakenAway<'a> {
    store: &'a Store<'a>,
    files: Vec<Old>,
}

struct Old {
    path: RepoPath,
    seen: Seen,
    open: Holder,
    /// Where it lies now; dropped, it is deleted.
    file: Incoming,
}

/// What tells who writes to a file.
enum Holder {
    /// Its content is never written through this name: a symlink, or a file that has another name too.
    Nobody,
    /// The file, opened for reading: its lease tells.
    File(File),
    /// Nothing: it may not even be read.
    Unknown,
}

impl<'a> TakenAway<'a> {
    pub(crate) fn new(store: &'a Store<'a>) -> Self {
        Self {
            store,
            files: Vec::new(),
        }
    }

    /// Puts a new file in the place of the one that was seen.
    ///
    /// The two files are exchanged, so that no edit can slip in between check and replacement: the file that came out is
    /// checked once more, and goes back if it is not the one that was seen. (Of its times, only that of the last status change may differ.)
    /// ext4 writes a file to disk at once when it is renamed over another, but not when the two are exchanged. This is
    /// faster for many files, and the caller has to sync what must survive.
    pub(crate) fn replace(
        &mut self,
        new: Incoming,
        parent: BorrowedFd<'_>,
        path: &RepoPath,
        seen: &Seen,
    ) -> Result<Taken, Errno> {
        let name = &**path.file_name();
        let holder = match holder(parent, path, seen)? {
            Ok(holder) => holder,
            Err(taken) => return Ok(taken),
        };
        let lease = match holder.lease() {
            Ok(lease) => lease,
            Err(taken) => return Ok(taken),
        };
        let exchange = || {
            let (scratch, own) = new.place();
            rustix::fs::renameat_with(scratch, own, parent, name, RenameFlags::EXCHANGE)
        };
        match exchange() {
            Ok(()) => {
                if !is_seen(&new, seen) {
                    return exchange().map_or_else(|_| self.give_back(new, path), |()| Ok(Taken::Changed));
                }
                drop(lease);
                self.keep(new, path, seen, holder);
            }
            Err(Errno::NOENT) => return Ok(Taken::Changed),
            Err(Errno::INVAL | Errno::NOSYS) => {
                // A second name keeps the old file, where a file can have one.
                let old = self.store.scratch_name().map_err(|_| Errno::NOENT)?;
                let linked = rustix::fs::linkat(parent, name, CWD, old.path(), AtFlags::empty()).is_ok();
                rustix::fs::renameat(CWD, new.path(), parent, name)?;
                new.moved_away();
                drop(lease);
                if linked {
                    self.keep(old, path, seen, holder);
                }
            }
            Err(errno) => return Err(errno),
        }
        Ok(Taken::Done)
    }

    /// Takes the file that was seen out of the work tree.
    pub(crate) fn delete(&mut self, parent: BorrowedFd<'_>, path: &RepoPath, seen: &Seen) -> Result<Taken, Errno> {
        let name = &**path.file_name();
        let holder = match holder(parent, path, seen)? {
            Ok(holder) => holder,
            Err(taken) => return Ok(taken),
        };
        let lease = match holder.lease() {
            Ok(lease) => lease,
            Err(taken) => return Ok(taken),
        };
        let unlink = || rustix::fs::unlinkat(parent, name, AtFlags::empty()).map(|()| Taken::Done);
        if matches!(holder, Holder::Nobody) {
            return unlink();
        }
        let Ok(old) = self.store.scratch_name() else {
            return unlink();
        };
        match rustix::fs::renameat_with(parent, name, CWD, old.path(), RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(Taken::Done),
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(parent, name, CWD, old.path())?,
            // The git directory lies on another file system.
            Err(Errno::XDEV) => return unlink(),
            Err(errno) => return Err(errno),
        }
        if !is_seen(&old, seen) {
            let back = rustix::fs::renameat_with(CWD, old.path(), parent, name, RenameFlags::NOREPLACE);
            return match back {
                Ok(()) => {
                    old.moved_away();
                    Ok(Taken::Changed)
                }
                Err(_) => self.give_back(old, path),
            };
        }
        drop(lease);
        self.keep(old, path, seen, holder);
        Ok(Taken::Done)
    }

    /// Keeps a file of the user's whose place is taken meanwhile: it comes back as a version.
    fn give_back(&self, file: Incoming, path: &RepoPath) -> Result<Taken, Errno> {
        let kept = retired::retire(self.store.annex(), &file, path, None);
        // Where not even that can be done, it stays in the scratch directory.
        file.moved_away();
        kept.map(|()| Taken::Changed).map_err(|_| Errno::IO)
    }

    fn keep(&mut self, file: Incoming, path: &RepoPath, seen: &Seen, open: Holder) {
        self.files.push(Old {
            path: path.clone(),
            seen: *seen,
            open,
            file,
        });
        if self.files.len() >= AT_ONCE {
            // An error shows again when the rest is finished: what could not be retired is not deleted either.
            let _ = self.flush();
        }
    }

    /// Deletes what was taken away; what somebody may still write to is retired.
    pub(crate) fn finish(mut self) -> crate::Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> crate::Result<()> {
        let mut kept = Vec::new();
        let mut outcome = Ok(());
        for old in self.files.drain(..) {
            let is_done_with = match &old.open {
                Holder::Nobody => true,
                Holder::File(file) => {
                    let is_same = || rustix::fs::fstat(file).is_ok_and(|now| Seen::of(now).is_same_file(&old.seen));
                    writers(file) == Writers::None && is_same()
                }
                Holder::Unknown => false,
            };
            if !is_done_with
                && let Err(error) = retired::retire(self.store.annex(), &old.file, &old.path, Some(&old.seen))
            {
                outcome = Err(error);
                kept.push(old);
            }
        }
        self.files = kept;
        outcome
    }
}

impl Drop for TakenAway<'_> {
    /// After an error, too, nothing is deleted that somebody may write to: what cannot be retired stays in the scratch
    /// directory for as long as this process lives.
    fn drop(&mut self) {
        if self.flush().is_err() {
            for old in self.files.drain(..) {
                old.file.moved_away();
            }
        }
    }
}

impl Holder {
    fn lease(&self) -> Result<Option<Lease<'_>>, Taken> {
        match self {
            Holder::File(file) => match Lease::take(file) {
                Ok(lease) => Ok(Some(lease)),
                Err(Writers::Some) => Err(Taken::Open),
                Err(Writers::None | Writers::Unknown) => Ok(None),
            },
            Holder::Nobody | Holder::Unknown => Ok(None),
        }
    }
}

/// True if a file that was taken away is the one that was seen.
fn is_seen(file: &Incoming, seen: &Seen) -> bool {
    let (scratch, own) = file.place();
    let out = rustix::fs::statat(scratch, own, AtFlags::SYMLINK_NOFOLLOW).map(Seen::of);
    out.is_ok_and(|out| out.links == seen.links && out.is_same_file(seen))
}

/// Finds out whether a file is the one that was seen, and how to tell who writes to it.
fn holder(parent: BorrowedFd<'_>, path: &RepoPath, seen: &Seen) -> rustix::io::Result<Result<Holder, Taken>> {
    if look_at(parent, path)?.as_ref() != Some(seen) {
        return Ok(Err(Taken::Changed));
    }
    if !seen.is_file() || seen.links > 1 {
        return Ok(Ok(Holder::Nobody));
    }
    let Ok(file) = open_file(parent, path.file_name()).map(File::from) else {
        return Ok(Ok(Holder::Unknown));
    };
    if !rustix::fs::fstat(file.as_fd()).is_ok_and(|now| Seen::of(now) == *seen) {
        return Ok(Err(Taken::Changed));
    }
    Ok(Ok(Holder::File(file)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn a_file_that_was_taken_away_is_seen_to_be_another() {
        let fixture = Fixture::new();
        let store = fixture.annex.store();
        let (mut file, taken) = store.work_tree_file(false).unwrap();
        let seen = || rustix::fs::statat(CWD, taken.path(), AtFlags::SYMLINK_NOFOLLOW).map(Seen::of);
        let before = seen().unwrap();
        assert!(is_seen(&taken, &before));
        let other = fixture.path().join("other");
        std::fs::hard_link(taken.path(), &other).unwrap();
        assert!(!is_seen(&taken, &before), "it has got another name");
        std::fs::remove_file(other).unwrap();
        assert!(is_seen(&taken, &before), "and has lost it again");
        file.write_all(b"written").unwrap();
        assert!(!is_seen(&taken, &before), "it was written to");
        assert!(is_seen(&taken, &seen().unwrap()));
    }
}
