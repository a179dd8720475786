use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use bstr::ByteSlice;
use model::RepoPath;
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::{Candidate, Look, Prior, Removed};
use crate::index::IndexEntry;
use crate::openat::Directories;
use crate::stat::is_at_rest;

/// Finds the files that are the same as ones that are gone: same inode, size, modification time and kind, and not made
/// later. Their content need not be read again, however many a renamed directory holds.
///
/// Leaves out files with another extension that git runs its filter on, whatever the index says: empty files, and files
/// as young as the index. git-annex's filter puts the extension that the file has now into its key:
/// with the key of the name before, `git status` would say that the file is modified, for good.
pub(super) fn recognise(look: &mut Look, root: &OwnedFd) {
    let mut gone = HashMap::new();
    for removed in &look.removed {
        let entry = &removed.entry;
        gone.insert((entry.ino, entry.mtime, entry.size), removed);
    }
    if gone.is_empty() {
        return;
    }
    let renumbered: BTreeMap<u32, u32> = look.renumbered.iter().copied().collect();
    let mut directories = Directories::below(root);
    let now = SystemTime::now();
    for candidate in look.added.iter_mut().chain(&mut look.modified) {
        let probe = IndexEntry::new(b"", 0, model::Oid([0; 20]), &candidate.stat);
        let Some(Removed { path, entry }) = gone.get(&(probe.ino, probe.mtime, probe.size)) else {
            continue;
        };
        let is_read_by_git = candidate.size() == 0 || !is_at_rest(candidate.stat.mtime, now);
        if is_read_by_git && !have_one_extension(path, &candidate.path) {
            continue;
        }
        let device = renumbered.get(&entry.dev).copied().unwrap_or(entry.dev);
        let is_same = device == probe.dev
            && entry.is_same_inode(&candidate.stat)
            && !entry.is_intent_to_add()
            && was_there_before(&mut directories, candidate, entry);
        candidate.known = is_same.then(|| Prior::of(entry));
    }
}

/// True if keys have the same extension under both names, whatever the settings say of it.
fn have_one_extension(one: &RepoPath, other: &RepoPath) -> bool {
    let behind_dot = |path: &RepoPath| {
        let name = path.file_name().trim_start_with(|char| char == '.').to_vec();
        name.find_byte(b'.').map(|dot| name[dot..].to_vec())
    };
    behind_dot(one) == behind_dot(other)
}

/// True if the file was made before the entry was staged. File systems give the number of a deleted file's inode to the
/// next new one, and unpacked archives often have the same modification time throughout.
fn was_there_before(directories: &mut Directories<'_>, candidate: &Candidate, entry: &IndexEntry) -> bool {
    let Ok((directory, name)) = directories.of(candidate.path.as_bytes()) else {
        return false;
    };
    let wanted = StatxFlags::BTIME | StatxFlags::INO;
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, wanted).is_ok_and(|found| {
        let made = (found.stx_btime.tv_sec as u32, found.stx_btime.tv_nsec);
        let is_known = StatxFlags::from_bits_retain(found.stx_mask).contains(wanted);
        is_known && found.stx_ino == candidate.stat.ino && made <= entry.ctime
    })
}
