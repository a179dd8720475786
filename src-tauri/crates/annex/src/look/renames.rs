use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, StatxFlags, statx};

use super::{Candidate, Look, Prior};
use crate::index::IndexEntry;
use crate::openat::Directories;

/// Finds the files that are the same as ones that are gone: same inode, size, modification time and kind, and not made
/// later. Their content need not be read again, however many a renamed directory holds.
///
/// Empty files are left out. git runs its filter on each of them whenever it compares it with the index, and git-annex's
/// filter puts the extension that the file has now into its key: with the key of the name before, `git status` would say
/// that the file is modified, for good.
pub(super) fn recognise(look: &mut Look, root: &OwnedFd) {
    let mut gone = HashMap::new();
    for removed in &look.removed {
        let entry = &removed.entry;
        gone.insert((entry.ino, entry.mtime, entry.size), entry);
    }
    if gone.is_empty() {
        return;
    }
    let renumbered: BTreeMap<u32, u32> = look.renumbered.iter().copied().collect();
    let mut directories = Directories::below(root);
    let candidates = look.added.iter_mut().chain(&mut look.modified);
    for candidate in candidates.filter(|candidate| candidate.size() > 0) {
        let probe = IndexEntry::new(b"", 0, model::Oid([0; 20]), &candidate.stat);
        let Some(entry) = gone.get(&(probe.ino, probe.mtime, probe.size)) else {
            continue;
        };
        let device = renumbered.get(&entry.dev).copied().unwrap_or(entry.dev);
        let is_same = device == probe.dev
            && entry.is_same_inode(&candidate.stat)
            && !entry.is_intent_to_add()
            && was_there_before(&mut directories, candidate, entry);
        candidate.known = is_same.then(|| Prior::of(entry));
    }
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
