//! Locks on the content of one key, and what may be done to an object only under one.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Key;

use super::{Store, file_name};
use crate::locks::LockFile;
use crate::{Error, Result};

/// A lock on the content of a key: while it is held, git-annex on this machine does not remove the object (shared),
/// or nobody else relies on it (exclusive).
#[derive(Debug)]
pub struct ContentLock {
    lock: Option<LockFile>,
    object: PathBuf,
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

    /// Moves an object that is not the content of its key to `annex/bad`. False if it is locked or not here; nothing
    /// is changed then. The caller logs the content as missing.
    pub fn set_bad(&self, key: &Key) -> Result<bool> {
        let Some(lock) = self.try_lock_content_exclusive(key)? else {
            return Ok(false);
        };
        let bad = self.annex.annex_file("bad");
        self.make_directory(&bad)?;
        let target = bad.join(file_name(key));
        with_writable(&lock.directory(), lock.locked_down, || {
            fs::rename(&lock.object, &target).map_err(Error::io("set aside", &lock.object))
        })?;
        lock.leave_no_object()?;
        Ok(true)
    }

    fn lock_content(&self, key: &Key, exclusive: bool) -> Result<Option<ContentLock>> {
        let Some(object) = self.find(key) else { return Ok(None) };
        let mut lock_path = object.clone().into_os_string();
        lock_path.push(".lck");
        let lock_path = PathBuf::from(lock_path);
        let mut content = ContentLock {
            lock: None,
            object,
            exclusive,
            locked_down: 0,
        };
        let directory = content.directory();
        let mode = match fs::metadata(&directory) {
            Ok(found) => found.mode() & 0o7777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("examine", &directory)(error)),
        };
        // Also what somebody else who is in the directory just now has made writable.
        content.locked_down = match self.layout().locked_down_mode(mode) {
            strict if mode & 0o200 != 0 && strict != mode => strict,
            _ => mode,
        };
        content.lock = with_writable(&directory, content.locked_down, || {
            if exclusive {
                LockFile::try_exclusive(&lock_path)
            } else {
                LockFile::try_shared(&lock_path)
            }
        })?;
        // Whoever had the lock before may have removed the content.
        if fs::symlink_metadata(&content.object).is_ok_and(|found| found.is_file()) {
            return Ok(content.lock.is_some().then_some(content));
        }
        drop(content);
        // Perhaps made again for the lock file; if not empty, it refuses to go.
        let _ = fs::remove_dir(&directory);
        Ok(None)
    }
}

impl ContentLock {
    fn directory(&self) -> PathBuf {
        self.object.parent().map(Path::to_owned).unwrap_or_default()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.object.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    fn is_retained(&self) -> bool {
        let until = fs::read(self.beside(".rtm"))
            .ok()
            .and_then(|text| retained_until(&text));
        until.is_some_and(|until| until > SystemTime::now())
    }

    /// Tidies up after the object was taken away: retention that has run out, the lock file, empty directories.
    fn leave_no_object(mut self) -> Result<()> {
        let directory = self.directory();
        let lock = self.lock.take();
        with_writable(&directory, self.locked_down, || {
            let retention = self.beside(".rtm");
            if fs::read(&retention).is_ok_and(|text| retained_until(&text).is_some()) {
                let _ = fs::remove_file(&retention);
                let _ = fs::remove_file(self.beside(".rtl"));
            }
            lock.map_or(Ok(()), LockFile::remove_and_unlock)
        })?;
        // Directories that hold something else refuse to go.
        for level in directory.ancestors().take_while(|level| !level.ends_with("objects")) {
            if fs::remove_dir(level).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for ContentLock {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        // Failing leaves an empty lock file behind, which the next one who locks takes over.
        let _ = with_writable(&self.directory(), self.locked_down, || {
            if self.exclusive {
                lock.remove_and_unlock()
            } else {
                lock.unlock_and_tidy()
            }
        });
    }
}

/// Runs `work` while the directory can be written, and leaves it with the permissions `after`.
fn with_writable<T>(directory: &Path, after: u32, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let needed = after & 0o200 == 0;
    if needed {
        set_mode(directory, after | 0o200)?;
    }
    let outcome = work();
    if needed {
        set_mode(directory, after)?;
    }
    outcome
}

/// A directory that is gone meanwhile needs no permissions.
fn set_mode(directory: &Path, mode: u32) -> Result<()> {
    match fs::set_permissions(directory, fs::Permissions::from_mode(mode)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("set the permissions of", directory)(error))
        }
        _ => Ok(()),
    }
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
    use super::retained_until;
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
        assert!(retained_until(b"99999999999999999999999s").is_some());
    }
}
