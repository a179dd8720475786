//! Old files that a program may still write to: `<git dir>/anabranch/retired/`.
//!
//! Each lies there as `N`, beside `N.path`, which holds its path in the work tree and the size and time it was retired with.
//! Once it is certain that nobody writes to it any more it is deleted, if it is still what it was; if it was written to, it
//! comes back to the work tree under the name of a version, so that both are kept. Where the system cannot tell who has it
//! open, it comes back as soon as it was written to, still the same file to the program, and is deleted after a day.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use git2::ObjectType;
use model::RepoPath;
use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags};
use rustix::io::Errno;

use super::place::{Parent, Place, Seen};
use crate::lease::{Writers, writers};
use crate::merge::versions_of;
use crate::stat::FileTime;
use crate::{Annex, Error, Incoming, Result, make_below};

/// For so long a file may be written to that nobody can be asked about.
const UNKNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// What came of the retired files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retired {
    /// Files that programs may still write to.
    pub open: Vec<RepoPath>,
    /// Files of the work tree that now hold what was written to retired ones.
    pub brought_back: Vec<RepoPath>,
}

fn directory(annex: &Annex) -> PathBuf {
    annex.own_dir().join("retired")
}

/// Sets a file aside that lies in the scratch directory and was this when it was taken from its place; none for one that is
/// to come back in any case.
pub(super) fn retire(annex: &Annex, file: &Incoming, path: &RepoPath, seen: Option<&Seen>) -> Result<()> {
    let directory = directory(annex);
    make_below(annex.git_dir(), &directory).map_err(Error::io("create the directory", &directory))?;
    let named = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    for number in named.. {
        let (to, note) = (
            directory.join(format!("{number:x}")),
            directory.join(format!("{number:x}.path")),
        );
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .custom_flags(flags)
            .open(&note);
        let mut made = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.map_err(Error::io("write", &note))?,
        };
        let (size, (seconds, nanoseconds)) = seen.map_or((u64::MAX, (0, 0)), |seen| (seen.size, seen.mtime));
        let mut text = format!("{size} {seconds} {nanoseconds}\n").into_bytes();
        text.extend_from_slice(path.as_bytes());
        made.write_all(&text).map_err(Error::io("write", &note))?;
        return rustix::fs::renameat_with(CWD, file.path(), CWD, &to, RenameFlags::NOREPLACE)
            .or_else(|errno| match errno {
                Errno::INVAL | Errno::NOSYS => rustix::fs::renameat(CWD, file.path(), CWD, &to),
                errno => Err(errno),
            })
            .map_err(|errno| Error::io("set aside", &to)(errno.into()));
    }
    Ok(())
}

impl Annex {
    /// Deletes the retired files that nobody writes to any more, and brings back those that were written to. Costs one
    /// look at a directory where there are none.
    pub fn settle_retired(&self, now: SystemTime) -> Result<Retired> {
        let mut retired = Retired::default();
        let directory = directory(self);
        let (Some(top), Ok(found)) = (self.work_tree(), fs::read_dir(&directory)) else {
            return Ok(retired);
        };
        for note in found
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some())
        {
            let file = note.with_extension("");
            let Some((path, size, mtime)) = read_note(&note) else {
                continue;
            };
            match settle(top, &file, &path, size, mtime, now)? {
                Settled::Open => retired.open.push(path),
                Settled::Done => remove(&note)?,
                Settled::BroughtBack(version) => {
                    remove(&note)?;
                    retired.brought_back.push(version);
                }
            }
        }
        Ok(retired)
    }
}

enum Settled {
    Open,
    Done,
    BroughtBack(RepoPath),
}

fn settle(top: &Path, file: &Path, path: &RepoPath, size: u64, mtime: FileTime, now: SystemTime) -> Result<Settled> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = match OpenOptions::new().read(true).custom_flags(flags).open(file) {
        // Killed before it was set aside, or after it came back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settled::Done),
        opened => opened.map_err(Error::io("open", file))?,
    };
    let seen = rustix::fs::fstat(&opened).map(Seen::of);
    let seen = seen.map_err(|errno| Error::io("examine", file)(errno.into()))?;
    let is_written = (seen.size, seen.mtime) != (size, mtime);
    let is_old = || {
        let (seconds, _) = seen.ctime;
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        now.duration_since(at).is_ok_and(|age| age > UNKNOWN_FOR)
    };
    match (writers(&opened), is_written) {
        (Writers::Some, _) => Ok(Settled::Open),
        (Writers::None, false) => remove(file).map(|()| Settled::Done),
        (Writers::Unknown, false) if is_old() => remove(file).map(|()| Settled::Done),
        (Writers::Unknown, false) => Ok(Settled::Open),
        (Writers::None | Writers::Unknown, true) => bring_back(top, file, path),
    }
}

/// Gives a file the name of a version of `path`: a function of its content, as a merge names versions.
fn bring_back(top: &Path, file: &Path, path: &RepoPath) -> Result<Settled> {
    let hashing = || Error::git(format!("read what was written to {path}"));
    let id = git2::Oid::hash_file(ObjectType::Blob, file).map_err(hashing())?;
    let mut place = Place::open(top)?;
    for version in versions_of(path, id) {
        let parent = match place.parent(&version, true)? {
            Parent::Open(parent) => parent,
            Parent::Missing | Parent::InTheWay(_) => {
                return Err(Error::Refused(format!(
                    "{path} was written to while it was replaced, and its directory is gone; what was written is kept in {}",
                    file.display()
                )));
            }
        };
        let name = &**version.file_name();
        let renamed = match rustix::fs::renameat_with(CWD, file, parent, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(CWD, file, parent, name),
                Ok(_) => Err(Errno::EXIST),
                Err(errno) => Err(errno),
            },
            renamed => renamed,
        };
        match renamed {
            Ok(()) => return Ok(Settled::BroughtBack(version)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("bring back", file)(errno.into())),
        }
    }
    // Both names are taken: it stays until one is free.
    Ok(Settled::Open)
}

/// The path, size and time of a retired file; none of a note that was cut off, whose file was never retired.
fn read_note(note: &Path) -> Option<(RepoPath, u64, FileTime)> {
    let text = fs::read(note).ok()?;
    let line = text.iter().position(|&byte| byte == b'\n')?;
    let mut numbers = std::str::from_utf8(&text[..line]).ok()?.split(' ');
    let size = numbers.next()?.parse().ok()?;
    let mtime = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some((RepoPath::parse(&text[line + 1..]).ok()?, size, mtime))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
