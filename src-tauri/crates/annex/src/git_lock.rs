//! git's own locks of single files: the index and the refs.

pub(crate) mod mark;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{AtFlags, FileType, statat};

use crate::{Directory, Error, Result};
use mark::{is_marked, mark};

/// git's commands hold the lock for moments; what holds it longer waits for a person, as `git commit` for its message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How long nobody has had a lock if no other git command follows: one of a script takes some ten milliseconds to its lock.
const REST: Duration = Duration::from_millis(50);

/// The mode of a lock file, of which the umask takes what it takes.
const MODE: u32 = 0o644;

/// `<file>.lock`, held: no git command changes the file meanwhile. Removed when dropped.
///
/// The file is locked as well, so that one that was left by a process that died can be told and is taken over.
#[derive(Debug)]
pub(crate) struct GitLock {
    directory: Arc<Directory>,
    name: OsString,
    _locked: File,
}

impl GitLock {
    /// Takes the lock of the file `name` in `directory`, waiting for a moment if git has it.
    pub(crate) fn take(directory: &Arc<Directory>, name: &OsStr) -> Result<Self> {
        Self::take_within(PATIENCE, directory, name)
    }

    /// As [`Self::take`], waiting no longer than `patience`.
    pub(crate) fn take_within(patience: Duration, directory: &Arc<Directory>, name: &OsStr) -> Result<Self> {
        let mut lock = name.to_owned();
        lock.push(".lock");
        let began = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let path = || directory.path().join(&lock);
            let attempt = Self::create(directory, &lock).map_err(|error| Error::io("create", &path())(error))?;
            if let Some(locked) = attempt {
                return Ok(Self {
                    directory: Arc::clone(directory),
                    name: lock,
                    _locked: locked,
                });
            }
            if remove_abandoned(directory, &lock) {
                continue;
            }
            if began.elapsed() + pause > patience {
                directory.refuse_other_than_file(&lock)?;
                return Err(Error::Busy(path()));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// As [`Self::take_within`], but where somebody has the lock, not right after them: a git command is often followed by
    /// another, which fails if it meets ours. In the second half of `patience` it is taken at any moment.
    pub(crate) fn take_at_rest(patience: Duration, directory: &Arc<Directory>, name: &OsStr) -> Result<Self> {
        let began = Instant::now();
        let half = began + patience / 2;
        loop {
            let may_rest = Instant::now() < half;
            let left = match may_rest {
                true => Duration::ZERO,
                false => patience.saturating_sub(began.elapsed()),
            };
            match Self::take_within(left, directory, name) {
                Err(Error::Busy(_)) if may_rest => Self::wait_for_rest(half, directory, name),
                other => return other,
            }
        }
    }

    /// Waits until nobody has had the lock for a while, but not beyond `until`.
    pub(crate) fn wait_for_rest(until: Instant, directory: &Arc<Directory>, name: &OsStr) {
        let mut lock = name.to_owned();
        lock.push(".lock");
        let mut free_since = Instant::now();
        while Instant::now() < until && free_since.elapsed() < REST {
            thread::sleep(REST / 10);
            if directory.kind(&lock).is_some() {
                free_since = Instant::now();
            }
        }
    }

    /// Creates the lock file; none if there is one. It appears with its content and its lock, not before.
    fn create(directory: &Arc<Directory>, name: &OsStr) -> std::io::Result<Option<File>> {
        // Costs one system call where the lock is busy, instead of a file.
        if directory.kind(name).is_some() {
            return Ok(None);
        }
        let Some(file) = directory.nameless(MODE)? else {
            return Self::create_named(directory, name);
        };
        hold(&file)?;
        match directory.give_name(&file, name) {
            Ok(()) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same where there are no nameless files: under another name first. What a crash or a power cut leaves of that is
    /// no lock, and once the lock has its name, it has its mark. That name ends as locks do, as git takes all others below
    /// `refs` for refs.
    fn create_named(directory: &Arc<Directory>, name: &OsStr) -> std::io::Result<Option<File>> {
        let mut new = directory
            .new_file_between("", ".lock", MODE)
            .map_err(std::io::Error::other)?;
        hold(new.file())?;
        match new.rename_new(name) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            // The file system cannot rename so; then a crash right now leaves a lock that somebody has to remove.
            Err(_) => {}
        }
        match directory.create_new(name, MODE) {
            Ok(file) => hold(&file).map(|()| Some(file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for GitLock {
    fn drop(&mut self) {
        // What stays is recognised as abandoned by the next one.
        let _ = self.directory.remove(&self.name);
    }
}

/// Locks a new file and marks it as one of this program.
fn hold(file: &File) -> std::io::Result<()> {
    try_lock(file);
    mark(file)
}

/// Removes the locks that a killed process of this program has left in a git directory: git's own commands wait for a
/// person to do so. Those of git, and those that are held, stay.
pub(crate) fn remove_all_abandoned(git_dir: &Path) {
    let Ok(top) = Directory::top(git_dir) else { return };
    remove_abandoned(&top, OsStr::new("index.lock"));
    if let Ok(Some(refs)) = top.find("refs") {
        remove_abandoned_below(&refs);
    }
}

fn remove_abandoned_below(directory: &Directory) {
    for (name, kind) in directory.names().unwrap_or_default() {
        if kind == FileType::Directory {
            if let Ok(Some(below)) = directory.find(&name) {
                remove_abandoned_below(&below);
            }
        } else if Path::new(&name).extension() == Some(OsStr::new("lock")) {
            remove_abandoned(directory, &name);
        }
    }
}

/// Removes a lock file of this program whose process is gone. Says whether it is worth trying again at once.
fn remove_abandoned(directory: &Directory, name: &OsStr) -> bool {
    let file = match directory.open(name, true) {
        Ok(Some(file)) => file,
        Ok(None) => return true,
        Err(_) => return false,
    };
    if !is_marked(&file) || !try_lock(&file) {
        return false;
    }
    // Whoever else found it abandoned needs this lock too: while it is held, the name stays with this file.
    let same = match (file.metadata(), statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.st_dev, named.st_ino),
        _ => false,
    };
    same && directory.remove(name).is_ok_and(|removed| removed)
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

    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::mark::{MARK, date};
    use super::{GitLock, PATIENCE, REST, remove_all_abandoned, try_lock};
    use crate::Directory;

    #[test]
    fn a_lock_is_not_taken_between_two_git_commands() {
        let directory = tempfile::tempdir().unwrap();
        let open = Arc::new(Directory::top(directory.path()).unwrap());
        let path = directory.path().join("index.lock");
        File::create_new(&path).unwrap();
        let began = Instant::now();
        thread::scope(|scope| {
            let ours = scope.spawn(|| GitLock::take_at_rest(PATIENCE, &open, OsStr::new("index")).unwrap());
            for _ in 0..5 {
                thread::sleep(Duration::from_millis(20));
                fs::remove_file(&path).unwrap();
                let removed_at = Instant::now();
                thread::sleep(REST / 5);
                let next = File::create_new(&path);
                // On a machine that was busy elsewhere meanwhile, it was no rest of ours that was too short.
                if removed_at.elapsed() > REST / 2 || began.elapsed() > PATIENCE / 4 {
                    break;
                }
                next.unwrap();
            }
            // Not there if ours was faster than a busy machine.
            let _ = fs::remove_file(&path);
            ours.join().unwrap();
        });
    }

    #[test]
    fn without_nameless_files_a_lock_has_its_mark_as_soon_as_it_has_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.lock");
        let (open, name) = (
            Arc::new(Directory::top(directory.path()).unwrap()),
            OsStr::new("index.lock"),
        );
        let held = GitLock::create_named(&open, name).unwrap().unwrap();
        assert!(GitLock::create_named(&open, name).unwrap().is_none());
        assert_eq!(fs::read(&path).unwrap(), MARK);
        let other = File::options().read(true).write(true).open(&path).unwrap();
        assert!(!try_lock(&other), "it is not locked");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "another file was left"
        );
        drop(held);
        assert!(GitLock::take(&open, OsStr::new("index")).is_ok(), "not taken over");
    }

    #[test]
    fn what_a_killed_process_or_a_pulled_drive_left_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let git_dir = directory.path();
        let heads = git_dir.join("refs/heads");
        fs::create_dir_all(heads.join("synced")).unwrap();
        fs::write(git_dir.join("index.lock"), MARK).unwrap();
        // The content was not on the disk yet.
        date(&File::create(heads.join("synced/main.lock")).unwrap()).unwrap();
        File::create(heads.join("of git.lock")).unwrap();
        fs::write(heads.join("of git too.lock"), "0123\n").unwrap();
        let open = Arc::new(Directory::top(&heads).unwrap());
        let held = GitLock::take(&open, OsStr::new("held")).unwrap();
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
