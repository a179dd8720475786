use std::collections::{BTreeMap, HashMap};

use super::{Look, Prior};

/// Finds the files that are the same as ones that are gone: same inode, size, modification time and kind. Their content
/// need not be read again, however many a renamed directory holds.
pub(super) fn recognise(look: &mut Look) {
    let mut gone = HashMap::new();
    for removed in &look.removed {
        let entry = &removed.entry;
        gone.insert((entry.ino, entry.mtime, entry.size), entry);
    }
    if gone.is_empty() {
        return;
    }
    let renumbered: BTreeMap<u32, u32> = look.renumbered.iter().copied().collect();
    for candidate in look.added.iter_mut().chain(&mut look.modified) {
        let stat = &candidate.stat;
        let probe = crate::index::Entry::new(b"", 0, model::Oid([0; 20]), stat);
        let same = gone.get(&(probe.ino, probe.mtime, probe.size)).filter(|entry| {
            let device = renumbered.get(&entry.dev).copied().unwrap_or(entry.dev);
            entry.is_same_inode(stat) && device == probe.dev
        });
        candidate.known = same.map(|entry| Prior::of(entry));
    }
}
