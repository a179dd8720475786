//! What the system says about a file without reading it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, RawMode};

/// A moment as the file system records it: seconds and nanoseconds since the epoch.
pub(crate) type FileTime = (i64, u32);

/// How long ago a moment was; none if it lies ahead, as after the clock was set back.
pub(crate) fn age((seconds, nanoseconds): FileTime, now: SystemTime) -> Option<Duration> {
    let since_epoch = Duration::new(u64::try_from(seconds).ok()?, nanoseconds);
    now.duration_since(UNIX_EPOCH.checked_add(since_epoch)?).ok()
}

/// True if a moment is less than this long ago; false if it lies ahead.
pub(crate) fn is_younger(moment: FileTime, now: SystemTime, than: Duration) -> bool {
    age(moment, now).is_some_and(|age| age < than)
}

/// A file that was modified longer ago than this is older than an index that is written now, in whole seconds. git has its
/// filter read each file that is not.
pub(crate) const AT_REST: Duration = Duration::from_secs(2);

/// True if git believes an index that is written now about a file that was modified at that moment.
pub(crate) fn is_at_rest(modified: FileTime, now: SystemTime) -> bool {
    age(modified, now).is_some_and(|age| age > AT_REST)
}

/// All that tells whether a file is still the one that was looked at: equal data, equal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) mtime: FileTime,
    pub(crate) ctime: FileTime,
}

impl Stat {
    /// True if all but the time of the inode's last change is the same: that time changes with the number of names.
    pub(crate) fn is_same_file(&self, other: &Stat) -> bool {
        Stat {
            ctime: other.ctime,
            ..*self
        } == *other
    }

    /// True for a regular file.
    pub(crate) fn is_file(&self) -> bool {
        self.kind() == FileType::RegularFile
    }

    /// True for a symlink.
    pub(crate) fn is_symlink(&self) -> bool {
        self.kind() == FileType::Symlink
    }

    /// True for a directory.
    pub(crate) fn is_directory(&self) -> bool {
        self.kind() == FileType::Directory
    }

    /// True if the owner may execute it.
    pub(crate) fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode as RawMode)
    }
}

// The widths of these fields differ between architectures.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
impl From<rustix::fs::Stat> for Stat {
    fn from(stat: rustix::fs::Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            mode: stat.st_mode as u32,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            size: stat.st_size as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::is_younger;

    #[test]
    fn a_moment_is_younger_only_while_less_time_has_passed() {
        let after = |milliseconds: u64| {
            let now = UNIX_EPOCH + Duration::from_millis(5_000 + milliseconds);
            is_younger((5, 0), now, Duration::from_millis(2))
        };
        assert_eq!([0, 1, 2, 3].map(after), [true, true, false, false]);
        assert!(!is_younger((5, 0), UNIX_EPOCH, Duration::from_secs(9)), "it lies ahead");
        assert!(!is_younger((5, 0), UNIX_EPOCH + Duration::from_secs(5), Duration::ZERO));
    }
}
