//! Old files that a program may still write to: `<git dir>/anabranch/retired/`.
//!
//! Each lies there as `N`, beside `N.path`, which holds its path in the work tree and the size and time it was retired with.
//! Once it is certain that nobody writes to it any more it is deleted, if it is still what it was; if it was written to, it
//! comes back to the work tree under the name of a version, so that both are kept. Where the system cannot tell who has it
//! open, it comes back as soon as it was written to, still the same file to the program, and is deleted after a day.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use git2::ObjectType;
use model::RepoPath;
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::place::{OpenWorkTree, Parent, Seen};
use crate::lease::{Writers, writers};
use crate::merge::versions_of;
use crate::stat::FileTime;
use crate::{Annex, Directory, Error, Incoming, Result};

/// For so long a file may be written to that nobody can be asked about.
const UNKNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// A file is set aside within this time after its note was written.
const BEING_SET_ASIDE: Duration = Duration::from_secs(60);

/// What came of the retired files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retired {
    /// Files that programs may still write to.
    pub open: Vec<RepoPath>,
    /// Files of the work tree that now hold what was written to retired ones.
    pub brought_back: Vec<RepoPath>,
}

fn path(annex: &Annex) -> PathBuf {
    annex.own_dir().join("retired")
}

/// Sets a file aside that lies in the scratch directory and was this when it was taken from its place; none for one that is
/// to come back in any case.
pub(super) fn retire(annex: &Annex, file: &Incoming, path: &RepoPath, seen: Option<&Seen>) -> Result<()> {
    let directory = Directory::make_below(annex.git_dir(), &self::path(annex))?;
    let named = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    for number in named.. {
        let (to, note) = (format!("{number:x}"), format!("{number:x}.path"));
        let writing = || Error::io("write", directory.path());
        let mut made = match directory.create_new(&note, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.map_err(writing())?,
        };
        let (size, (seconds, nanoseconds)) = seen.map_or((u64::MAX, (0, 0)), |seen| (seen.size, seen.mtime));
        let mut text = format!("{size} {seconds} {nanoseconds}\n").into_bytes();
        text.extend_from_slice(path.as_bytes());
        made.write_all(&text).map_err(writing())?;
        return rustix::fs::renameat_with(CWD, file.path(), &directory, &to, RenameFlags::NOREPLACE)
            .or_else(|errno| match errno {
                Errno::INVAL | Errno::NOSYS => rustix::fs::renameat(CWD, file.path(), &directory, &to),
                errno => Err(errno),
            })
            .map_err(|errno| Error::io("set aside", &file.path())(errno.into()));
    }
    Ok(())
}

impl Annex {
    /// Deletes the retired files that nobody writes to any more, and brings back those that were written to. Costs one
    /// look at a directory where there are none.
    pub fn resolve_retired(&self, now: SystemTime) -> Result<Retired> {
        let mut retired = Retired::default();
        let (Some(top), Some(directory)) = (self.work_tree(), Directory::find_below(self.git_dir(), &path(self))?)
        else {
            return Ok(retired);
        };
        for (note, _) in directory.names()? {
            let Some(name) = note.as_encoded_bytes().strip_suffix(b".path") else {
                continue;
            };
            let name = OsStr::from_bytes(name);
            let Some(about) = directory.read(&note)?.and_then(|text| parse(&text)) else {
                continue;
            };
            match resolve(top, &directory, name, &about, now)? {
                Resolved::Open => retired.open.push(about.path),
                Resolved::Done => _ = directory.remove(&note)?,
                Resolved::BroughtBack(version) => {
                    directory.remove(&note)?;
                    retired.brought_back.push(version);
                }
            }
        }
        Ok(retired)
    }
}

/// How long ago a file was set aside, by its name.
fn age_by(name: &OsStr, now: SystemTime) -> Duration {
    let named = name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok());
    let named = Duration::from_nanos(named.unwrap_or_default());
    now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(named)
}

/// What a note says.
struct About {
    path: RepoPath,
    size: u64,
    mtime: FileTime,
}

enum Resolved {
    Open,
    Done,
    BroughtBack(RepoPath),
}

fn resolve(top: &Path, directory: &Directory, name: &OsStr, about: &About, now: SystemTime) -> Result<Resolved> {
    let Some(opened) = directory.open(name, false)? else {
        // Another process is just setting it aside, or was killed before it did; or the file came back.
        return Ok(match age_by(name, now) < BEING_SET_ASIDE {
            true => Resolved::Open,
            false => Resolved::Done,
        });
    };
    let file = directory.path().join(name);
    let seen = rustix::fs::fstat(&opened).map(Seen::of);
    let seen = seen.map_err(|errno| Error::io("examine", &file)(errno.into()))?;
    let is_written = (seen.size, seen.mtime) != (about.size, about.mtime);
    let (seconds, _) = seen.ctime;
    let at = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let age = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(at);
    match fate(writers(&opened), is_written, age) {
        Fate::Waits => Ok(Resolved::Open),
        Fate::Goes => directory.remove(name).map(|_| Resolved::Done),
        Fate::ComesBack => bring_back(top, &file, &about.path),
    }
}

/// What becomes of a retired file.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Waits,
    Goes,
    ComesBack,
}

fn fate(writers: Writers, is_written: bool, age: Duration) -> Fate {
    match (writers, is_written) {
        (Writers::Some, _) => Fate::Waits,
        (Writers::None | Writers::Unknown, true) => Fate::ComesBack,
        (Writers::Unknown, false) if age <= UNKNOWN_FOR => Fate::Waits,
        (Writers::None | Writers::Unknown, false) => Fate::Goes,
    }
}

/// Gives a file the name of a version of `path`: a function of its content, as a merge names versions.
fn bring_back(top: &Path, file: &Path, path: &RepoPath) -> Result<Resolved> {
    let hashing = || Error::git(format!("read what was written to {path}"));
    let id = git2::Oid::hash_file(ObjectType::Blob, file).map_err(hashing())?;
    let mut place = OpenWorkTree::open(top)?;
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
            Ok(()) => return Ok(Resolved::BroughtBack(version)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("bring back", file)(errno.into())),
        }
    }
    // Both names are taken: it stays until one is free.
    Ok(Resolved::Open)
}

/// None for a note that was cut off, whose file was never retired.
fn parse(text: &[u8]) -> Option<About> {
    let line = text.iter().position(|&byte| byte == b'\n')?;
    let mut numbers = std::str::from_utf8(&text[..line]).ok()?.split(' ');
    let size = numbers.next()?.parse().ok()?;
    let mtime = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let path = RepoPath::parse(&text[line + 1..]).ok()?;
    Some(About { path, size, mtime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_file_waits_for_its_writers_and_a_day_for_those_that_cannot_be_seen() {
        let (day, later) = (Duration::from_secs(86_400), Duration::from_secs(86_401));
        for (writers, is_written, age, expected) in [
            (Writers::Some, false, later, Fate::Waits),
            (Writers::Some, true, later, Fate::Waits),
            (Writers::None, false, Duration::ZERO, Fate::Goes),
            (Writers::None, true, Duration::ZERO, Fate::ComesBack),
            (Writers::Unknown, true, Duration::ZERO, Fate::ComesBack),
            (Writers::Unknown, false, day, Fate::Waits),
            (Writers::Unknown, false, later, Fate::Goes),
        ] {
            assert_eq!(
                fate(writers, is_written, age),
                expected,
                "{writers:?} {is_written} {age:?}"
            );
        }
    }
}
