//! Index entries and the stat data in them.

use git2::{IndexEntry, IndexTime};
use model::RepoPath;

use super::place::Seen;
use crate::tree::raw::{Blob, Mode};

/// The flag of an entry that the user does not want in the work tree (sparse checkout).
pub(super) const SKIP_WORKTREE: u16 = 1 << 14;
/// The flag of an entry that was announced (`git add -N`) but has no content yet.
pub(super) const INTENT_TO_ADD: u16 = 1 << 13;

/// What an entry stages.
pub(super) fn staged(entry: &IndexEntry) -> Option<Blob> {
    Mode::from_bits(entry.mode).map(|mode| Blob { mode, id: entry.id })
}

/// True if the file is the one that the entry was made from, unchanged.
///
/// As git does, leaves out the device number, which changes when a drive is plugged in again. An entry that is not
/// older than the index itself (`written_at`) proves nothing: the file may have changed within the same tick of the
/// clock.
pub(super) fn is_unmodified(entry: &IndexEntry, seen: &Seen, written_at: Option<(i64, i64)>) -> bool {
    let same_kind = match Mode::from_bits(entry.mode) {
        Some(Mode::File) => seen.is_file() && !seen.is_executable(),
        Some(Mode::Executable) => seen.is_file() && seen.is_executable(),
        Some(Mode::Symlink) => seen.is_symlink(),
        Some(Mode::Submodule) | None => false,
    };
    let settled = written_at.is_none_or(|written_at| seen.modified < written_at);
    same_kind
        && settled
        && entry.ino == low(seen.ino)
        && entry.file_size == low(seen.size)
        && entry.mtime == time(seen.modified)
        && entry.ctime == time(seen.changed)
}

/// The entry for a file that was just written; without stat data if it is not known to be what is staged.
pub(super) fn entry(path: &RepoPath, blob: Blob, seen: Option<&Seen>) -> IndexEntry {
    let name_length = u16::try_from(path.as_bytes().len()).unwrap_or(u16::MAX).min(0xfff);
    IndexEntry {
        ctime: seen.map_or(IndexTime::new(0, 0), |seen| time(seen.changed)),
        mtime: seen.map_or(IndexTime::new(0, 0), |seen| time(seen.modified)),
        dev: seen.map_or(0, |seen| low(seen.dev)),
        ino: seen.map_or(0, |seen| low(seen.ino)),
        mode: blob.mode.bits(),
        uid: seen.map_or(0, |seen| seen.uid),
        gid: seen.map_or(0, |seen| seen.gid),
        file_size: seen.map_or(0, |seen| low(seen.size)),
        id: blob.id,
        flags: name_length,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the index keeps the low 32 bits")]
fn low(number: u64) -> u32 {
    number as u32
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the index keeps the low 32 bits")]
fn time((seconds, nanoseconds): (i64, i64)) -> IndexTime {
    IndexTime::new(seconds as i32, nanoseconds as u32)
}
