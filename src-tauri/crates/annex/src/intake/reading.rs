//! Whether a file of the work tree can be read now and is whole.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::Postponed;
use crate::beneath::open_file;
use crate::lease::{Writers, writers};
use crate::look::told;
use crate::stat::{Stat, age};

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

/// True if any process has the file open for writing; false where the system cannot tell, so the file's stat data before and
/// after reading has to.
pub(crate) fn is_being_written(file: &File) -> bool {
    writers(file) == Writers::Some
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

pub(super) fn unreadable(errno: Errno) -> Postponed {
    Postponed::Unreadable(told(errno))
}

pub(super) fn not_stored(errno: Errno) -> Postponed {
    Postponed::NotStored(std::io::Error::from(errno).to_string())
}
