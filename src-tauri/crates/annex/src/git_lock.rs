//! git's own locks of single files: the index and the refs.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, futimens};

use crate::{Error, Result};

/// What a lock file of ours holds. git writes what is to come into its lock file; this is no index and no ref.
pub(crate) const MARK: &[u8] = b"anabranch holds this while it edits the index\n";

/// When a lock file of ours says that it was changed: a drive that is pulled out keeps a file's times, not its content.
const MARKED_AT: i64 = 981_173_106;

/// git's commands hold the lock for moments; what holds it longer waits for a person, as `git commit` for its message.
const PATIENCE: Duration = Duration::from_secs(2);

/// `<file>.lock`, held: no git command changes the file meanwhile. Removed when dropped.
///
/// The file is locked as well, so that one that was left by a process that died can be told and is taken over.
#[derive(Debug)]
pub(crate) struct GitLock {
    path: PathBuf,
    _locked: File,
}

impl GitLock {
    /// Takes the lock of the file `name` in `directory`, waiting for a moment if git has it.
    pub(crate) fn take(directory: &Path, name: &OsStr) -> Result<Self> {
        let mut lock = name.to_owned();
        lock.push(".lock");
        let path = directory.join(lock);
        let began = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let attempt = Self::create(directory, &path).map_err(Error::io("create", &path))?;
            if let Some(locked) = attempt {
                return Ok(Self { path, _locked: locked });
            }
            if remove_abandoned(&path) {
                continue;
            }
            if began.elapsed() + pause > PATIENCE {
                return Err(Error::Busy(path));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Creates the lock file; none if there is one. It appears with its content and its lock, not before.
    fn create(directory: &Path, path: &Path) -> std::io::Result<Option<File>> {
        // Costs one system call where the lock is busy, instead of a file.
        if path.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let nameless = rustix::fs::openat(CWD, directory, flags, Mode::from_raw_mode(0o644));
        let (file, named) = match nameless {
            Ok(file) => (File::from(file), false),
            // The file system cannot; then a crash between these steps leaves a lock that somebody has to remove.
            Err(_) => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create_new(true).mode(0o644);
                match options.open(path) {
                    Ok(file) => (file, true),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
        try_lock(&file);
        (&file).write_all(MARK)?;
        mark(&file)?;
        if !named {
            let source = format!("/proc/self/fd/{}", file.as_raw_fd());
            match rustix::fs::linkat(CWD, source, CWD, path, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Some(file))
    }
}

impl Drop for GitLock {
    fn drop(&mut self) {
        // What stays is recognised as abandoned by the next one.
        let _ = fs::remove_file(&self.path);
    }
}

fn mark(file: &File) -> std::io::Result<()> {
    let time = Timespec {
        tv_sec: MARKED_AT,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(futimens(file, &times)?)
}

/// Removes the locks that a killed process of this program has left in a git directory: git's own commands wait for a
/// person to do so. Those of git, and those that are held, stay.
pub(crate) fn remove_all_abandoned(git_dir: &Path) {
    remove_abandoned(&git_dir.join("index.lock"));
    let mut directories = vec![git_dir.join("refs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
            } else if path.extension() == Some(OsStr::new("lock")) {
                remove_abandoned(&path);
            }
        }
    }
}

/// Removes a lock file of this program whose process is gone. Says whether it is worth trying again at once.
fn remove_abandoned(path: &Path) -> bool {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).write(true).custom_flags(flags.bits().cast_signed());
    let Ok(file) = options.open(path) else {
        return path
            .symlink_metadata()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound);
    };
    let mut content = Vec::new();
    let read = (&file).take(MARK.len() as u64 + 1).read_to_end(&mut content);
    let is_marked = || file.metadata().is_ok_and(|found| found.mtime() == MARKED_AT);
    let is_ours = read.is_ok() && (content == MARK || content.is_empty() && is_marked());
    if !is_ours || !try_lock(&file) {
        return false;
    }
    // Whoever else found it abandoned needs this lock too: while it is held, the name stays with this file.
    let same = match (file.metadata(), path.symlink_metadata()) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        _ => false,
    };
    same && fs::remove_file(path).is_ok()
}

fn try_lock(file: &File) -> bool {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, File};

    use super::{GitLock, MARK, mark, remove_all_abandoned};

    #[test]
    fn what_a_killed_process_or_a_pulled_drive_left_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let git_dir = directory.path();
        let heads = git_dir.join("refs/heads");
        fs::create_dir_all(heads.join("synced")).unwrap();
        fs::write(git_dir.join("index.lock"), MARK).unwrap();
        // The content was not on the disk yet.
        mark(&File::create(heads.join("synced/main.lock")).unwrap()).unwrap();
        File::create(heads.join("of git.lock")).unwrap();
        fs::write(heads.join("of git too.lock"), "0123\n").unwrap();
        let held = GitLock::take(&heads, OsStr::new("held")).unwrap();
        remove_all_abandoned(git_dir);
        let mut left: Vec<_> = fs::read_dir(&heads)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["held.lock", "of git too.lock", "of git.lock", "synced"]);
        assert_eq!(fs::read_dir(heads.join("synced")).unwrap().count(), 0);
        assert!(!git_dir.join("index.lock").exists());
        drop(held);
        assert!(!heads.join("held.lock").exists());
    }
}
