//! The mark that distinguishes our lock files from git's.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Result, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, futimens};

/// The content of our lock files. git writes the new content of an index or ref into its own; this is neither.
pub(crate) const MARK: &[u8] = b"anabranch holds this while it edits the index\n";

/// When a lock file of ours says that it was changed: a drive that is pulled out keeps a file's times, not its content.
const MARKED_AT: i64 = 981_173_106;

/// Marks a new lock file.
pub(super) fn mark(mut file: &File) -> Result<()> {
    file.write_all(MARK)?;
    date(file)
}

/// Marks a lock file by its times alone.
pub(super) fn date(file: &File) -> Result<()> {
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

/// True if a lock file is marked.
pub(super) fn is_marked(file: &File) -> bool {
    let mut content = Vec::new();
    let read = file.take(MARK.len() as u64 + 1).read_to_end(&mut content);
    let is_dated = || file.metadata().is_ok_and(|found| found.mtime() == MARKED_AT);
    read.is_ok() && (content == MARK || content.is_empty() && is_dated())
}

/// How long a lock of git has been there; none if it is no lock of git, or one of this program.
pub(crate) fn age(path: &Path) -> Option<Duration> {
    let found = path.symlink_metadata().ok()?;
    let is_gits = path.extension() == Some(OsStr::new("lock")) && found.is_file() && found.mtime() != MARKED_AT;
    // A time to come, by another clock, is none that tells anything.
    is_gits.then(|| found.modified().ok()?.elapsed().ok()).flatten()
}
