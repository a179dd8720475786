//! Index entries as a checkout makes and believes them.

use model::RepoPath;

use super::place::Seen;
use crate::index::IndexEntry;
use crate::oid::{from_git, to_git};
use crate::stat::FileTime;
use crate::tree::raw::{Blob, Mode};

/// What an entry stages.
pub(super) fn staged<P>(entry: &IndexEntry<P>) -> Option<Blob> {
    Mode::from_bits(entry.mode).map(|mode| Blob {
        mode,
        id: to_git(entry.oid),
    })
}

/// True if the file is the one that the entry was made from, unchanged.
///
/// An entry that is not older than the index itself (`written_at`) proves nothing: the file may have changed within the
/// same tick of the clock.
/// The executable bit counts only with `trust_mode`: git's `core.fileMode`, false where the file system has no such
/// permission.
pub(super) fn is_unmodified<P>(entry: &IndexEntry<P>, seen: &Seen, written_at: FileTime, trust_mode: bool) -> bool {
    let same_kind = match Mode::from_bits(entry.mode) {
        Some(Mode::File) => !trust_mode || !seen.is_executable(),
        Some(Mode::Executable) => !trust_mode || seen.is_executable(),
        Some(Mode::Symlink) => true,
        Some(Mode::Submodule) | None => false,
    };
    same_kind && seen.mtime < written_at && entry.is_of(seen, true)
}

/// The entry for a file that was just written; without stat data if it is not known to be what is staged.
pub(super) fn entry(path: &RepoPath, blob: Blob, seen: Option<&Seen>) -> IndexEntry {
    let (mode, id) = (blob.mode.bits(), from_git(blob.id));
    match seen {
        Some(seen) => IndexEntry::new(path.as_bytes(), mode, id, seen),
        None => IndexEntry::without_stat(path.as_bytes(), mode, id),
    }
}

/// Whether the file system keeps permissions, as git found when it made the repository (`core.fileMode`).
pub(super) fn trusts_mode(git: &git2::Repository) -> bool {
    let config = git.config().and_then(|mut config| config.snapshot());
    config
        .and_then(|config| config.get_bool("core.fileMode"))
        .unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_entry_proves_nothing_of_a_file_that_is_as_young_as_the_index() {
        let file = tempfile::tempfile().unwrap();
        let seen = Seen::of(rustix::fs::fstat(file.as_fd()).unwrap());
        let path = RepoPath::parse(b"f").unwrap();
        let blob = Blob {
            mode: Mode::File,
            id: git2::Oid::ZERO_SHA1,
        };
        let entry = entry(&path, blob, Some(&seen));
        let (seconds, nanoseconds) = seen.mtime;
        assert!(!is_unmodified(&entry, &seen, seen.mtime, true));
        assert!(is_unmodified(&entry, &seen, (seconds + 1, nanoseconds), true));
    }
}
