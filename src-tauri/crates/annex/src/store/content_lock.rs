//! Locks on the content of one key, and what may be done to an object only under one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Key;
use rustix::fs::{AtFlags, FileType, statat};

use super::Store;
use crate::locks::LockFile;
use crate::{Directory, Result};

/// A lock on the content of a key: while it is held, git-annex on this machine does not remove the object (shared),
/// or nobody else relies on it (exclusive).
#[derive(Debug)]
pub struct ContentLock {
    lock: Option<LockFile>,
    object: PathBuf,
    /// The directory of the object.
    directory: Arc<Directory>,
    name: OsString,
    exclusive: bool,
    /// The permissions that the object's directory is to have when nothing is being done in it.
    locked_down: u32,
}

impl Store<'_> {
    /// Guarantees that the content stays here as long as the lock is held. None if the content is not here or is being
    /// removed.
    pub fn lock_content_shared(&self, key: &Key) -> Result<Option<ContentLock>> {
        self.lock_content(key, false)
    }

    /// Takes the content alone, to remove or replace it. None if it is not here, or somebody relies on it: by a lock,
    /// or by a retention file (`.rtm`) that names a time in the future.
    pub fn try_lock_content_exclusive(&self, key: &Key) -> Result<Option<ContentLock>> {
        let lock = self.lock_content(key, true)?;
        Ok(lock.filter(|lock| !lock.is_retained()))
    }

    /// Moves an object that is not the content of its key to `annex/bad`, or only takes it away if it is there under
    /// another name too, as the file of the work tree that it was made from. False if it is locked or not here; nothing is
    /// changed then. The caller logs the content as missing.
    pub fn set_bad(&self, key: &Key) -> Result<bool> {
        let Some(lock) = self.try_lock_content_exclusive(key)? else {
            return Ok(false);
        };
        let found = statat(&lock.directory, &lock.name, AtFlags::SYMLINK_NOFOLLOW);
        let is_elsewhere = found.is_ok_and(|found| found.st_nlink > 1);
        let bad = match is_elsewhere {
            true => None,
            false => Some(self.make_directory("bad")?),
        };
        with_writable(&lock.directory, lock.locked_down, || match &bad {
            Some(bad) => bad.rename_here(&lock.directory, &lock.name, &lock.name),
            None => lock.directory.remove(&lock.name).map(drop),
        })?;
        lock.leave_no_object(self)?;
        Ok(true)
    }

    fn lock_content(&self, key: &Key, exclusive: bool) -> Result<Option<ContentLock>> {
        let Some(object) = self.find(key) else { return Ok(None) };
        let Some((directory, name)) = self.directory_of(&object)? else {
            return Ok(None);
        };
        let lock_name = with_suffix(&name, ".lck");
        let mode = directory.stat()?.st_mode & 0o7777;
        // Also what somebody else who is in the directory just now has made writable.
        let locked_down = match self.layout().locked_down_mode(mode) {
            strict if mode & 0o200 != 0 => strict,
            _ => mode,
        };
        let lock = with_writable(&directory, locked_down, || {
            if exclusive {
                LockFile::try_exclusive_in(&directory, &lock_name)
            } else {
                LockFile::try_shared_in(&directory, &lock_name)
            }
        });
        let content = ContentLock {
            lock: match lock {
                // The directory was removed meanwhile, and the content with it.
                Err(error) if error.is_not_found() => None,
                lock => lock?,
            },
            object,
            directory,
            name,
            exclusive,
            locked_down,
        };
        // Whoever had the lock before may have removed the content.
        if content.directory.kind(&content.name) == Some(FileType::RegularFile) {
            return Ok(content.lock.is_some().then_some(content));
        }
        let object = content.object.clone();
        drop(content);
        // Perhaps left empty but for the lock file; if not empty, it refuses to go.
        self.remove_empty(object.parent(), 1)?;
        Ok(None)
    }

    /// The directory of an object that was found, opened without following a link, and its name in there.
    fn directory_of(&self, object: &Path) -> Result<Option<(Arc<Directory>, OsString)>> {
        let (Some(above), Some(name)) = (object.parent(), object.file_name()) else {
            return Ok(None);
        };
        let below = above.strip_prefix(self.annex.annex_dir()).unwrap_or(above);
        Ok(self.find_directory(below)?.map(|open| (open, name.to_owned())))
    }

    /// Removes a directory below `objects` and those above it, as many `levels`. Those that hold something refuse to go.
    fn remove_empty(&self, directory: Option<&Path>, levels: usize) -> Result<()> {
        let ancestors = directory.into_iter().flat_map(Path::ancestors);
        for level in ancestors.take(levels) {
            let Some((above, name)) = self.directory_of(level)? else {
                continue;
            };
            if above.remove_directory(name).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl ContentLock {
    fn beside(&self, suffix: &str) -> OsString {
        with_suffix(&self.name, suffix)
    }

    fn is_retained(&self) -> bool {
        let text = self.directory.read(self.beside(".rtm"));
        let until = text.ok().flatten().and_then(|text| retained_until(&text));
        until.is_some_and(|until| until > SystemTime::now())
    }

    /// Says that the content stays until then, whatever becomes of this process; later if somebody else has said so.
    pub(super) fn retain(&self, until: &str) -> Result<()> {
        with_writable(&self.directory, self.locked_down, || {
            let _turn = LockFile::exclusive_in(&self.directory, &self.beside(".rtl"))?;
            let name = self.beside(".rtm");
            let before = self.directory.read(&name)?.and_then(|text| retained_until(&text));
            match before > retained_until(until.as_bytes()) {
                true => Ok(()),
                false => self.directory.replace(&name, until.as_bytes(), 0o644),
            }
        })
    }

    /// Ends a shared lock with what [`ContentLock::retain`] said; what others said stays, and all of it while they hold the
    /// lock.
    pub(super) fn end_retention(mut self, until: &str) -> Result<()> {
        self.lock.take();
        with_writable(&self.directory, self.locked_down, || {
            let name = self.beside(".lck");
            let Some(alone) = LockFile::try_exclusive_in(&self.directory, &name)? else {
                return Ok(());
            };
            let retention = self.beside(".rtm");
            if self.directory.read(&retention)?.as_deref() == Some(until.as_bytes()) {
                self.directory.remove(&retention)?;
                self.directory.remove(self.beside(".rtl"))?;
            }
            alone.remove_and_unlock()
        })
    }

    /// Removes the object, for good when [`ContentLock::sync_removal`] returns. [`ContentLock::leave_no_object`] ends the lock.
    pub(crate) fn remove_object(&self) -> Result<()> {
        with_writable(&self.directory, self.locked_down, || {
            self.directory.remove(&self.name).map(drop)
        })
    }

    /// Waits until it is on disk that the object is gone.
    pub(crate) fn sync_removal(&self) -> Result<()> {
        self.directory.sync()
    }

    /// Tidies up after the object was taken away: retention that has run out, the lock file, empty directories.
    pub(crate) fn leave_no_object(mut self, store: &Store<'_>) -> Result<()> {
        let lock = self.lock.take();
        with_writable(&self.directory, self.locked_down, || {
            let retention = self.beside(".rtm");
            let text = self.directory.read(&retention).ok().flatten();
            if text.is_some_and(|text| retained_until(&text).is_some()) {
                let _ = self.directory.remove(&retention);
                let _ = self.directory.remove(self.beside(".rtl"));
            }
            lock.map_or(Ok(()), LockFile::remove_and_unlock)
        })?;
        store.remove_empty(self.object.parent(), 3)
    }
}

impl Drop for ContentLock {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        // Failing leaves an empty lock file behind, which the next one who locks takes over.
        let _ = with_writable(&self.directory, self.locked_down, || {
            if self.exclusive {
                lock.remove_and_unlock()
            } else {
                lock.unlock_and_tidy()
            }
        });
    }
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

/// Runs `work` while the directory can be written, and leaves it with the permissions `after`.
fn with_writable<T>(directory: &Directory, after: u32, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let needed = after & 0o200 == 0;
    if needed {
        directory.set_mode(after | 0o200)?;
    }
    let outcome = work();
    if needed {
        directory.set_mode(after)?;
    }
    outcome
}

/// The time in a retention file: seconds since the epoch, perhaps with a fraction, perhaps followed by `s`.
fn retained_until(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    let (whole, fraction) = match text.strip_suffix('s').unwrap_or(text).split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text.strip_suffix('s').unwrap_or(text), "0"),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    // A fraction makes it later by less than a second: rounding up errs on the side of keeping.
    let rounded = u64::from(fraction.bytes().any(|b| b != b'0'));
    let seconds = whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(rounded);
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .or_else(|| UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)))
}

#[cfg(test)]
mod tests {
    use super::{retained_until, with_writable};
    use crate::Directory;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn retention_is_read_as_git_annex_reads_it() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(retained_until(b"1795346512s"), at(1_795_346_512));
        assert_eq!(retained_until(b"1795346512.877855224s"), at(1_795_346_513));
        assert_eq!(retained_until(b"1795346512"), at(1_795_346_512));
        for garbage in [&b""[..], b"abc", b"s", b"-5s", b"1.s", b"\xff"] {
            assert_eq!(retained_until(garbage), None, "{garbage:?}");
        }
        assert!(retained_until(b"99999999999999999999999s") > at(1 << 39));
    }

    #[test]
    fn a_directory_can_be_written_only_while_something_is_done_in_it() {
        let top = tempfile::tempdir().unwrap();
        let directory = Directory::top(top.path()).unwrap();
        let mode = || directory.stat().unwrap().st_mode & 0o7777;
        for (after, meanwhile) in [(0o555, 0o755), (0o700, 0o700)] {
            directory.set_mode(after).unwrap();
            assert_eq!(with_writable(&directory, after, || Ok(mode())).unwrap(), meanwhile);
            assert_eq!(mode(), after);
        }
    }
}
