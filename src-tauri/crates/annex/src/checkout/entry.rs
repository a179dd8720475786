//! Index entries as a checkout makes and believes them.

use model::RepoPath;

use super::place::Seen;
use crate::index::Entry;
use crate::oid::{from_git, to_git};
use crate::stat::FileTime;
use crate::tree::raw::{Blob, Mode};

/// What an entry stages.
pub(super) fn staged(entry: &Entry) -> Option<Blob> {
    Mode::from_bits(entry.mode).map(|mode| Blob {
        mode,
        id: to_git(entry.oid),
    })
}

/// True if the file is the one that the entry was made from, unchanged.
///
/// An entry that is not older than the index itself (`written_at`) proves nothing: the file may have changed within the
/// same tick of the clock.
pub(super) fn is_unmodified(entry: &Entry, seen: &Seen, written_at: FileTime) -> bool {
    let same_kind = match Mode::from_bits(entry.mode) {
        Some(Mode::File) => !seen.is_executable(),
        Some(Mode::Executable) => seen.is_executable(),
        Some(Mode::Symlink) => true,
        Some(Mode::Submodule) | None => false,
    };
    same_kind && seen.mtime < written_at && entry.is_of(seen, true)
}

/// The entry for a file that was just written; without stat data if it is not known to be what is staged.
pub(super) fn entry(path: &RepoPath, blob: Blob, seen: Option<&Seen>) -> Entry {
    let (mode, id) = (blob.mode.bits(), from_git(blob.id));
    match seen {
        Some(seen) => Entry::new(path.as_bytes(), mode, id, seen),
        None => Entry::without_stat(path.as_bytes(), mode, id),
    }
}
