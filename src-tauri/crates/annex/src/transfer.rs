//! Transfer locks, which keep two programs from transferring the same content at once, and the files by which
//! `git annex info` shows a running transfer.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::{Key, RepoPath, Uuid};

use crate::locks::{LockFile, is_locked_exclusively_in};
use crate::store::{Store, file_name};
use crate::{Directory, Result};

/// How often the progress of a transfer is written down.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// The locks of one transfer of one key between two repositories on this machine. Dropping it ends the transfer.
#[derive(Debug)]
pub(crate) struct TransferLock {
    locks: Vec<LockFile>,
    reports: Vec<Report>,
    last_report: Mutex<Instant>,
}

impl TransferLock {
    /// Takes the lock that excludes every other download of `key` into `dest`. With `full` also those for the two
    /// repositories, and the transfer becomes visible on both sides; on one if `from` is no repository. None if somebody
    /// transfers it already.
    pub(crate) fn acquire(
        (from, source): (&Uuid, Option<&Store<'_>>),
        dest: &Store<'_>,
        key: &Key,
        path: Option<&RepoPath>,
        full: bool,
    ) -> Result<Option<Self>> {
        let lock_name = lock_name(key);
        let mut locked = Self::none();
        let downloading = dest.make_directory(DOWNLOADS)?;
        match LockFile::try_exclusive_in(&downloading, &lock_name)? {
            Some(lock) => locked.locks.push(lock),
            None => return Ok(None),
        }
        if !full {
            return Ok(Some(locked));
        }
        let receiving = dest.make_directory(below("download", from))?;
        match LockFile::try_exclusive_in(&receiving, &lock_name)? {
            Some(lock) => locked.locks.push(lock),
            None => return Ok(None),
        }
        locked.reports.extend(Report::begin(dest, receiving, key, path));
        // A source that cannot be written (a read-only drive) can still be read: nobody else uploads from it either.
        if let Some(source) = source
            && let Ok(sending) = source.make_directory(below("upload", dest.annex().uuid()))
        {
            match LockFile::try_exclusive_in(&sending, &lock_name) {
                Ok(Some(lock)) => locked.locks.push(lock),
                Ok(None) => return Ok(None),
                Err(_) => return Ok(Some(locked)),
            }
            locked.reports.extend(Report::begin(source, sending, key, path));
        }
        Ok(Some(locked))
    }

    /// Takes the lock that excludes every other upload of `key` from `source` to the place `to`, which is no repository.
    /// With `full` the transfer becomes visible. None if somebody transfers it already.
    pub(crate) fn upload(
        source: &Store<'_>,
        to: &Uuid,
        key: &Key,
        path: Option<&RepoPath>,
        full: bool,
    ) -> Result<Option<Self>> {
        let mut locked = Self::none();
        let sending = source.make_directory(below("upload", to))?;
        match LockFile::try_exclusive_in(&sending, &lock_name(key))? {
            Some(lock) => locked.locks.push(lock),
            None => return Ok(None),
        }
        if full {
            locked.reports.extend(Report::begin(source, sending, key, path));
        }
        Ok(Some(locked))
    }

    fn none() -> Self {
        Self {
            locks: Vec::new(),
            reports: Vec::new(),
            last_report: Mutex::new(Instant::now()),
        }
    }

    /// The keys that somebody downloads into `dest` just now.
    pub(crate) fn running(dest: &Store<'_>) -> Vec<Key> {
        let Ok(Some(directory)) = dest.find_directory(DOWNLOADS) else {
            return Vec::new();
        };
        let names = directory.names().unwrap_or_default();
        let locked = names.into_iter().filter_map(|(name, _)| {
            let key = Key::from_file_name(name.as_bytes().strip_prefix(b"lck.")?).ok()?;
            // A lock file that a crash left behind is held by nobody.
            is_locked_exclusively_in(&directory, &name)
                .is_ok_and(|locked| locked)
                .then_some(key)
        });
        locked.collect()
    }

    /// Writes down how many bytes are there, if some time has passed since it was last done.
    pub(crate) fn report(&self, bytes: u64) {
        let mut last = self.last_report.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.reports.is_empty() && last.elapsed() >= REPORT_EVERY {
            *last = Instant::now();
            for report in &self.reports {
                report.write(Some(bytes));
            }
        }
    }
}

impl Drop for TransferLock {
    fn drop(&mut self) {
        self.reports.clear();
        while let Some(lock) = self.locks.pop() {
            // A lock file that stays behind is taken over by the next transfer.
            let _ = lock.remove_and_unlock();
        }
    }
}

/// A file that tells others about a transfer. Only for information: failing to write it is no failure.
#[derive(Debug)]
struct Report {
    file: File,
    directory: Arc<Directory>,
    name: OsString,
    start: Duration,
    associated: Vec<u8>,
}

impl Report {
    fn begin(store: &Store<'_>, directory: Arc<Directory>, key: &Key, path: Option<&RepoPath>) -> Option<Self> {
        let (file, temporary) = store.scratch_file(0o666 & !0o022).ok()?;
        let report = Self {
            file,
            directory,
            name: file_name(key),
            start: SystemTime::now().duration_since(UNIX_EPOCH).ok()?,
            associated: path
                .map(|path| path.as_path().as_os_str().as_bytes().to_vec())
                .unwrap_or_default(),
        };
        report.write(None);
        temporary.rename_into(&report.directory, &report.name).ok()?;
        Some(report)
    }

    fn write(&self, bytes: Option<u64>) {
        let mut text = format!("{}.{:09}s", self.start.as_secs(), self.start.subsec_nanos()).into_bytes();
        if let Some(bytes) = bytes {
            text.extend_from_slice(format!(" {bytes}").as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(&self.associated);
        text.push(b'\n');
        // The number only grows, so nothing of the text before is left behind it.
        let _ = self.file.write_all_at(&text, 0);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let _ = self.directory.remove(&self.name);
    }
}

/// Where the locks on downloads are, below `annex`.
const DOWNLOADS: &str = "transfer/download/lck";

fn lock_name(key: &Key) -> OsString {
    let mut name = OsString::from("lck.");
    name.push(file_name(key));
    name
}

fn below(direction: &str, other: &Uuid) -> PathBuf {
    Path::new("transfer").join(direction).join(other.as_str())
}
