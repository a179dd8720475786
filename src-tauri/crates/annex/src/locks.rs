//! git-annex's lock files, taken so that git-annex notices.
//!
//! git-annex uses POSIX record locks over a whole file. Open-file-description locks exclude them (and each other, also
//! between threads of one process) and end with their own descriptor; `flock` does not interoperate at all.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{AtFlags, statat};

use crate::{Directory, Error, Result};

/// A lock file that this process holds; dropping it releases the lock and leaves the file.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    directory: Arc<Directory>,
    name: OsString,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shared,
    Exclusive,
}

/// How long to wait for a lock. Programs hold these locks for moments. If one was stopped while it held a lock, the caller
/// reports the lock as busy and tries again later.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

impl LockFile {
    /// Waits until nobody else holds the lock in any way. Busy if that takes longer than [`PATIENCE`].
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        let (directory, name) = place(path)?;
        Self::exclusive_in(&directory, name)
    }

    /// Waits until nobody else holds the lock exclusively. Busy as [`Self::exclusive`].
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        let (directory, name) = place(path)?;
        Self::shared_in(&directory, name)
    }

    /// Waits until nobody else holds the lock `name` in a directory in any way. Busy as [`Self::exclusive`].
    pub(crate) fn exclusive_in(directory: &Arc<Directory>, name: &OsStr) -> Result<Self> {
        Self::wait(directory, name, Kind::Exclusive, PATIENCE)
    }

    /// Waits until nobody else holds the lock `name` in a directory exclusively. Busy as [`Self::exclusive`].
    pub(crate) fn shared_in(directory: &Arc<Directory>, name: &OsStr) -> Result<Self> {
        Self::wait(directory, name, Kind::Shared, PATIENCE)
    }

    fn wait(directory: &Arc<Directory>, name: &OsStr, kind: Kind, patience: Duration) -> Result<Self> {
        let began = Instant::now();
        loop {
            if let Some(lock) = Self::acquire(directory, name, kind)? {
                return Ok(lock);
            }
            if began.elapsed() >= patience {
                return Err(Error::Busy(directory.path().join(name)));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Takes the lock alone; none if anybody holds it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let (directory, name) = place(path)?;
        Self::try_exclusive_in(&directory, name)
    }

    /// Takes the lock `name` in a directory alone; none if anybody holds it.
    pub(crate) fn try_exclusive_in(directory: &Arc<Directory>, name: &OsStr) -> Result<Option<Self>> {
        Self::acquire(directory, name, Kind::Exclusive)
    }

    /// Takes the lock `name` in a directory along with other shared holders; none if somebody holds it exclusively.
    pub(crate) fn try_shared_in(directory: &Arc<Directory>, name: &OsStr) -> Result<Option<Self>> {
        Self::acquire(directory, name, Kind::Shared)
    }

    #[cfg(test)]
    pub(crate) fn try_shared(path: &Path) -> Result<Option<Self>> {
        let (directory, name) = place(path)?;
        Self::try_shared_in(&directory, name)
    }

    /// Lets others share what was held exclusively, without a moment in which nobody holds it.
    pub(crate) fn make_shared(self) -> Result<Self> {
        match set_lock(&self.file, Kind::Shared).map_err(Error::io("lock", &self.path()))? {
            true => Ok(self),
            false => Err(Error::Busy(self.path())),
        }
    }

    /// Deletes the file of a lock held exclusively and releases it.
    pub(crate) fn remove_and_unlock(self) -> Result<()> {
        self.directory.remove(&self.name).map(drop)
    }

    /// Releases the lock, and deletes the file if nobody else holds it.
    pub(crate) fn unlock_and_tidy(self) -> Result<()> {
        let Self { file, directory, name } = self;
        drop(file);
        match Self::try_exclusive_in(&directory, &name)? {
            Some(alone) => alone.remove_and_unlock(),
            None => Ok(()),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    fn acquire(directory: &Arc<Directory>, name: &OsStr, kind: Kind) -> Result<Option<Self>> {
        let path = || directory.path().join(name);
        loop {
            let file = open(directory, name, kind)?;
            #[cfg(test)]
            tests::opened();
            if !set_lock(&file, kind).map_err(|error| Error::io("lock", &path())(error))? {
                return Ok(None);
            }
            // Whoever held it before may have unlinked it: then this is a lock on a file that nobody will look at.
            let ours = file.metadata().map_err(|error| Error::io("examine", &path())(error))?;
            match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(there) if (there.st_dev, there.st_ino) == (ours.dev(), ours.ino()) => {
                    return Ok(Some(Self {
                        file,
                        directory: Arc::clone(directory),
                        name: name.to_owned(),
                    }));
                }
                Ok(_) | Err(rustix::io::Errno::NOENT) => {}
                Err(errno) => return Err(Error::io("examine", &path())(errno.into())),
            }
        }
    }
}

/// True if somebody (also this process) holds the lock exclusively; changes nothing and creates nothing.
pub(crate) fn is_locked_exclusively(path: &Path) -> Result<bool> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(false);
    };
    match Directory::find_below(top_of(above), above)? {
        Some(directory) => is_locked_exclusively_in(&directory, name),
        None => Ok(false),
    }
}

/// True if somebody (also this process) holds the lock `name` in a directory exclusively.
pub(crate) fn is_locked_exclusively_in(directory: &Directory, name: &OsStr) -> Result<bool> {
    let Some(file) = directory.open(name, false)? else {
        return Ok(false);
    };
    let mut found = whole_file(Kind::Shared);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found))
        .map_err(|errno| Error::io("test the lock of", &directory.path().join(name))(errno.into()))?;
    Ok(i32::from(found.l_type) != libc::F_UNLCK)
}

/// A lock file is as accessible as its directory: what git-annex makes of every `core.sharedRepository` and umask.
fn open(directory: &Arc<Directory>, name: &OsStr, kind: Kind) -> Result<File> {
    loop {
        if let Some(file) = directory.open(name, kind == Kind::Exclusive)? {
            return Ok(file);
        }
        match directory.create_new(name, 0o666) {
            Ok(file) => {
                share_like_directory(&file, directory);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create the lock file", &directory.path().join(name))(error)),
        }
    }
}

/// The directory of a lock file, which is made up to and with `annex` or `anabranch`. The git directory around that is never made:
/// where it is missing the drive is gone, and what would be made lies on another file system.
fn place(path: &Path) -> Result<(Arc<Directory>, &OsStr)> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::io("open the lock file", path)(
            io::ErrorKind::InvalidInput.into(),
        ));
    };
    Ok((Arc::new(Directory::make_below(top_of(above), above)?), name))
}

/// The git directory that a directory of lock files lies in.
fn top_of(directory: &Path) -> &Path {
    let ours = |level: &&Path| level.ends_with("annex") || level.ends_with("anabranch");
    let git_dir = directory.ancestors().find(ours).and_then(Path::parent);
    git_dir.unwrap_or(directory)
}

/// Failing is no reason not to lock: it only concerns other users of a shared repository.
fn share_like_directory(file: &File, directory: &Directory) {
    if let (Ok(directory), Ok(now)) = (directory.stat(), file.metadata()) {
        let wanted = (directory.st_mode | 0o200) & 0o666;
        if wanted & !now.mode() != 0 {
            let _ = file.set_permissions(Permissions::from_mode(wanted));
        }
    }
}

/// False if another holder is in the way.
fn set_lock(file: &File, kind: Kind) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(kind))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn whole_file(kind: Kind) -> libc::flock {
    let lock_type = match kind {
        Kind::Shared => libc::F_RDLCK,
        Kind::Exclusive => libc::F_WRLCK,
    };
    libc::flock {
        l_type: lock_type as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::ffi::OsStr;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::{Kind, LockFile, is_locked_exclusively};
    use crate::{Directory, Error};

    thread_local! {
        static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }

    /// Does something as soon as this thread has opened a lock file, and before it locks it.
    fn meanwhile(act: impl FnOnce() + 'static) {
        MEANWHILE.set(Some(Box::new(act)));
    }

    pub(super) fn opened() {
        if let Some(act) = MEANWHILE.take() {
            act();
        }
    }

    #[test]
    fn shared_holders_exclude_the_exclusive_one_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("annex/some/x.lck");
        let first = LockFile::try_shared(&path).unwrap().unwrap();
        let second = LockFile::try_shared(&path).unwrap().unwrap();
        assert!(LockFile::try_exclusive(&path).unwrap().is_none());
        assert!(!is_locked_exclusively(&path).unwrap());
        drop((first, second));
        let alone = LockFile::try_exclusive(&path).unwrap().unwrap();
        assert!(LockFile::try_shared(&path).unwrap().is_none());
        assert!(is_locked_exclusively(&path).unwrap());
        let shared = alone.make_shared().unwrap();
        assert!(LockFile::try_shared(&path).unwrap().is_some());
        assert!(LockFile::try_exclusive(&path).unwrap().is_none());
        drop(shared);
        assert!(LockFile::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_on_an_unlinked_file_is_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lck");
        let first = LockFile::exclusive(&path).unwrap();
        meanwhile(|| first.remove_and_unlock().unwrap());
        let second = LockFile::exclusive(&path).unwrap();
        assert!(path.exists());
        assert!(LockFile::try_exclusive(&path).unwrap().is_none());
        second.unlock_and_tidy().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_somebody_keeps_is_not_waited_for_for_ever() {
        let top = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::top(top.path()).unwrap());
        let name = OsStr::new("x.lck");
        let kept = LockFile::try_exclusive_in(&directory, name).unwrap();
        for kind in [Kind::Shared, Kind::Exclusive] {
            let busy = LockFile::wait(&directory, name, kind, Duration::from_millis(20)).unwrap_err();
            assert!(matches!(busy, Error::Busy(path) if path == top.path().join("x.lck")));
        }
        let (told, waited) = mpsc::channel();
        let other = Arc::clone(&directory);
        let waiting = thread::spawn(move || {
            meanwhile(move || told.send(()).unwrap());
            LockFile::wait(&other, OsStr::new("x.lck"), Kind::Exclusive, Duration::from_secs(60)).is_ok()
        });
        waited.recv().unwrap();
        drop(kept);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn tidying_leaves_the_file_to_others_who_hold_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lck");
        let first = LockFile::shared(&path).unwrap();
        let second = LockFile::shared(&path).unwrap();
        first.unlock_and_tidy().unwrap();
        assert!(path.exists());
        second.unlock_and_tidy().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_on_a_file_that_was_replaced_is_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lck");
        let first = LockFile::exclusive(&path).unwrap();
        let replaced = path.clone();
        meanwhile(move || {
            fs::remove_file(&replaced).unwrap();
            fs::write(&replaced, "").unwrap();
            drop(first);
        });
        let second = LockFile::exclusive(&path).unwrap();
        assert!(LockFile::try_exclusive(&path).unwrap().is_none());
        drop(second);
    }

    #[test]
    fn a_lock_is_as_accessible_as_its_directory() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("usual"), "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let usual = mode(&top.path().join("usual"));
        for (directory, wanted) in [(0o770, 0o660), (0o777, 0o666), (0o700, usual)] {
            let path = top.path().join(format!("{directory:o}"));
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(directory)).unwrap();
            let lock = LockFile::exclusive(&path.join("x.lck")).unwrap();
            assert_eq!(mode(&lock.path()), wanted, "in a directory of {directory:o}");
        }
    }

    #[test]
    fn no_lock_is_taken_through_a_symlink_or_below_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("x.lck"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        LockFile::try_shared(&link).unwrap_err();
        LockFile::try_exclusive(&file.join("x.lck")).unwrap_err();
        is_locked_exclusively(&file.join("x.lck")).unwrap_err();
    }

    #[test]
    fn many_make_the_same_lock_file_at_once() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let path = directory.path().join(format!("{round}.lck"));
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        assert!(LockFile::try_shared(&path).unwrap().is_some());
                    });
                }
            });
        }
    }

    #[test]
    fn a_lock_that_cannot_be_removed_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lck");
        let gone = LockFile::exclusive(&path).unwrap();
        fs::remove_file(&path).unwrap();
        gone.remove_and_unlock().unwrap();
        let lock = LockFile::exclusive(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        lock.remove_and_unlock().unwrap_err();
    }

    #[test]
    fn no_lock_is_taken_in_a_directory_that_was_removed() {
        let directory = tempfile::tempdir().unwrap();
        let gone = Arc::new(Directory::make_below(directory.path(), &directory.path().join("gone")).unwrap());
        fs::remove_dir(directory.path().join("gone")).unwrap();
        LockFile::try_exclusive_in(&gone, OsStr::new("x.lck")).unwrap_err();
    }

    #[test]
    fn testing_creates_nothing_and_a_missing_repository_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("annex").join("annex");
        assert!(!is_locked_exclusively(&gone.join("daemon.pid")).unwrap());
        assert!(LockFile::try_exclusive(&gone.join("othertmp.lck")).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
