//! Whether a file of the work tree can be read now and is whole.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::libc;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::Postponed;
use crate::beneath::open_file;
use crate::stat::{FileTime, Stat};

/// Opens a file that is what was seen before, and that nobody is writing.
pub(super) fn open(directory: &OwnedFd, name: &[u8], seen: &Stat) -> Result<File, Postponed> {
    let file = open_file(directory, name)
        .map(File::from)
        .map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => Postponed::Vanished,
            Errno::LOOP => Postponed::Changed,
            other => unreadable(other),
        })?;
    let found = rustix::fs::fstat(&file).map(Stat::from).map_err(unreadable)?;
    if found != *seen {
        return Err(Postponed::Changed);
    }
    match is_being_written(&file) {
        true => Err(Postponed::BeingWritten),
        false => Ok(file),
    }
}

/// Chooses the signal of a descriptor; Linux has the same number for it on every architecture that Rust builds for.
const F_SETSIG: libc::c_int = 10;

/// True if any process has the file open for writing.
///
/// A read lease is only given where nobody does. Where there are no leases (some network file systems, other people's
/// files) the answer is no, and the file's stat data before and after reading has to tell.
pub(super) fn is_being_written(file: &File) -> bool {
    // Whoever opens the file for writing while the lease is held makes the kernel signal this process. The signal of
    // leases, SIGIO, would end it; this one is ignored unless somebody asks for it.
    let outcome = set(file, F_SETSIG, libc::SIGURG).and_then(|()| set(file, libc::F_SETLEASE, libc::F_RDLCK));
    match outcome {
        Ok(()) => {
            // Kept longer, it would make the next writer wait.
            let _ = set(file, libc::F_SETLEASE, libc::F_UNLCK);
            false
        }
        Err(errno) => errno == nix::errno::Errno::EAGAIN,
    }
}

#[allow(unsafe_code, reason = "neither rustix nor nix offers leases")]
fn set(file: &File, command: libc::c_int, value: libc::c_int) -> nix::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and both commands take one int.
    nix::errno::Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), command, value) }).map(drop)
}

/// How long a file system may leave changes undated that records whole seconds only; FAT has steps of two.
const COARSE: Duration = Duration::from_secs(2);

/// Waits until a change of the file would show in its time: until the clock that dates changes has gone on since the
/// last one. That takes no more than a tick of the kernel.
pub(super) fn wait_until_datable(stat: &Stat, now: SystemTime) -> Result<(), Postponed> {
    if stat.ctime.1 == 0 && stat.mtime.1 == 0 && age(stat.ctime, now).is_some_and(|age| age < COARSE) {
        return Err(Postponed::TooYoung(COARSE));
    }
    for _ in 0..20 {
        let clock = clock_gettime(ClockId::RealtimeCoarse);
        let clock = (clock.tv_sec, clock.tv_nsec as u32);
        // Far ahead: the clock was set back since. Nothing is gained by waiting.
        if stat.ctime < clock || stat.ctime.0 > clock.0 + 1 {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// How long ago a moment was; none if it lies ahead, as after the clock was set back.
pub(super) fn age((seconds, nanoseconds): FileTime, now: SystemTime) -> Option<Duration> {
    let since_epoch = Duration::new(u64::try_from(seconds).ok()?, nanoseconds);
    now.duration_since(UNIX_EPOCH.checked_add(since_epoch)?).ok()
}

pub(super) fn unreadable(errno: Errno) -> Postponed {
    Postponed::Unreadable(std::io::Error::from(errno).to_string())
}
