//! Whether a file of the work tree can be read now and is whole.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::Postponed;
use crate::lease::is_being_written;
use crate::look::told;
use crate::openat::open_file;
use crate::stat::{FileTime, Stat, is_younger};

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

/// How long a file system may leave changes undated that records whole seconds only; FAT has steps of two.
const COARSE: Duration = Duration::from_secs(2);

/// Waits until a change of the file would show in its time: until the clock that dates changes has gone on since the
/// last one. That takes no more than a tick of the kernel.
pub(super) fn wait_until_datable(stat: &Stat, now: SystemTime) -> Result<(), Postponed> {
    if (stat.ctime.1, stat.mtime.1) == (0, 0) && is_younger(stat.ctime, now, COARSE) {
        return Err(Postponed::TooYoung(COARSE));
    }
    for _ in 0..20 {
        if !passes_soon(clock(), stat.ctime) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The clock that dates changes.
fn clock() -> FileTime {
    let clock = clock_gettime(ClockId::RealtimeCoarse);
    (clock.tv_sec, clock.tv_nsec as u32)
}

/// True if the clock passes a moment soon, and has not yet. Where that is far ahead the clock was set back since, and nothing
/// is gained by waiting.
fn passes_soon(clock: FileTime, moment: FileTime) -> bool {
    clock <= moment && moment.0 <= clock.0 + 1
}

pub(super) fn unreadable(errno: Errno) -> Postponed {
    Postponed::Unreadable(told(errno))
}

pub(super) fn not_stored(errno: Errno) -> Postponed {
    Postponed::NotStored(std::io::Error::from(errno).to_string())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::{COARSE, clock, passes_soon, wait_until_datable};
    use crate::intake::Postponed;
    use crate::stat::Stat;

    #[test]
    fn a_young_file_that_is_dated_in_whole_seconds_waits() {
        let file = rustix::fs::stat("/").map(Stat::from).unwrap();
        let waits = |changed, modified, seconds: u64| {
            let file = Stat {
                ctime: (5, changed),
                mtime: (5, modified),
                ..file
            };
            let outcome = wait_until_datable(&file, UNIX_EPOCH + Duration::from_secs(5 + seconds));
            outcome == Err(Postponed::TooYoung(COARSE))
        };
        assert!(waits(0, 0, 1));
        assert!(!waits(0, 0, 2) && !waits(1, 0, 1) && !waits(0, 1, 1));
    }

    #[test]
    fn a_change_after_the_wait_has_another_time() {
        let file = rustix::fs::stat("/").map(Stat::from).unwrap();
        let file = Stat { ctime: clock(), ..file };
        wait_until_datable(&file, SystemTime::now()).unwrap();
        assert!(clock() > file.ctime);
    }

    #[test]
    fn a_moment_passes_soon_unless_it_has_passed_or_is_far_ahead() {
        let of = |moment| passes_soon((5, 500), moment);
        assert!(!of((4, 900)) && !of((5, 499)));
        assert!(of((5, 500)) && of((5, 501)) && of((6, 900)));
        assert!(!of((7, 0)));
    }
}
