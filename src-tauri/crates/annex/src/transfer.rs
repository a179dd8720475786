//! Transfer locks, which keep two programs from transferring the same content at once, and the files by which
//! `git annex info` shows a running transfer.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::{Key, RepoPath, Uuid};

use crate::Result;
use crate::locks::{LockFile, is_locked_exclusively};
use crate::store::{Store, file_name};

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
    /// repositories, and the transfer becomes visible on both sides. None if somebody transfers it already.
    pub(crate) fn acquire(
        source: &Store<'_>,
        dest: &Store<'_>,
        key: &Key,
        path: Option<&RepoPath>,
        full: bool,
    ) -> Result<Option<Self>> {
        let mut lock_name = std::ffi::OsString::from("lck.");
        lock_name.push(file_name(key));
        let mut locked = Self {
            locks: Vec::new(),
            reports: Vec::new(),
            last_report: Mutex::new(Instant::now()),
        };
        let downloading = downloads(dest);
        dest.make_directory(&downloading)?;
        match LockFile::try_exclusive(&downloading.join(&lock_name))? {
            Some(lock) => locked.locks.push(lock),
            None => return Ok(None),
        }
        if !full {
            return Ok(Some(locked));
        }
        let receiving = directory(dest, "download", source.annex().uuid());
        dest.make_directory(&receiving)?;
        match LockFile::try_exclusive(&receiving.join(&lock_name))? {
            Some(lock) => locked.locks.push(lock),
            None => return Ok(None),
        }
        locked.reports.extend(Report::begin(dest, &receiving, key, path));
        // A source that cannot be written (a read-only drive) can still be read: nobody else uploads from it either.
        let sending = directory(source, "upload", dest.annex().uuid());
        if source.make_directory(&sending).is_ok() {
            match LockFile::try_exclusive(&sending.join(&lock_name)) {
                Ok(Some(lock)) => locked.locks.push(lock),
                Ok(None) => return Ok(None),
                Err(_) => return Ok(Some(locked)),
            }
            locked.reports.extend(Report::begin(source, &sending, key, path));
        }
        Ok(Some(locked))
    }

    /// The keys that somebody downloads into `dest` just now.
    pub(crate) fn running(dest: &Store<'_>) -> Vec<Key> {
        let directory = downloads(dest);
        let Ok(entries) = fs::read_dir(&directory) else {
            return Vec::new();
        };
        let locked = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            let key = Key::from_file_name(name.as_bytes().strip_prefix(b"lck.")?).ok()?;
            // A lock file that a crash left behind is held by nobody.
            is_locked_exclusively(&entry.path())
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
    path: PathBuf,
    start: Duration,
    associated: Vec<u8>,
}

impl Report {
    fn begin(store: &Store<'_>, directory: &std::path::Path, key: &Key, path: Option<&RepoPath>) -> Option<Self> {
        let (file, temporary) = store.scratch_file(0o666 & !0o022).ok()?;
        let report = Self {
            file,
            path: directory.join(file_name(key)),
            start: SystemTime::now().duration_since(UNIX_EPOCH).ok()?,
            associated: path
                .map(|path| path.as_path().as_os_str().as_bytes().to_vec())
                .unwrap_or_default(),
        };
        report.write(None);
        fs::rename(temporary.path(), &report.path).ok()?;
        temporary.moved_away();
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
        let _ = fs::remove_file(&self.path);
    }
}

fn downloads(dest: &Store<'_>) -> PathBuf {
    dest.annex().annex_file("transfer").join("download").join("lck")
}

fn directory(store: &Store<'_>, direction: &str, other: &Uuid) -> PathBuf {
    store
        .annex()
        .annex_file("transfer")
        .join(direction)
        .join(other.as_str())
}
