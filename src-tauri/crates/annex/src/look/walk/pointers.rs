//! Pointers and links that git left wrong.

use super::*;
impl Walk<'_> {
    /// Finds out whether an unchanged file that stands for a content is as it should be: a pointer holds its content when
    /// that is here, and a symlink leads to the objects. git leaves both otherwise when it moves or writes files.
    pub(super) fn stand_in(&mut self, path: &[u8], entry: &EntryRef<'_>, stat: Stat) {
        if entry.is_not_looked_at() {
            return;
        }
        match entry.mode {
            SYMLINK => {
                let Ok(path) = RepoPath::parse(path) else { return };
                let is_misplaced = self.blob(entry).is_some_and(|target| {
                    key_of_symlink(target.data()).is_some() && !leads_to_objects(&path, target.data())
                });
                if is_misplaced {
                    self.look.modified.push(Candidate {
                        path,
                        stat,
                        prior: Some(Prior::of(entry)),
                        known: None,
                    });
                }
            }
            REGULAR | EXECUTABLE => {
                if let Some(key) = self.pointer(entry)
                    && self.store.is_present(&key)
                    && let Ok(path) = RepoPath::parse(path)
                {
                    self.look.unfilled.push((path, key));
                }
            }
            _ => {}
        }
    }

    /// The key that a file stands for which is the pointer itself.
    pub(super) fn pointer(&self, entry: &EntryRef<'_>) -> Option<Key> {
        if !POINTER_SIZES.contains(&u64::from(entry.size)) {
            return None;
        }
        let (size, _) = self.objects.read_header(to_git(entry.oid)).ok()?;
        // A file that holds its content has that content's size.
        (size == entry.size as usize)
            .then(|| self.blob(entry))
            .flatten()
            .and_then(|blob| key_of_pointer(blob.data()))
    }

    pub(super) fn blob(&self, entry: &EntryRef<'_>) -> Option<OdbObject<'_>> {
        self.objects.read(to_git(entry.oid)).ok()
    }

    pub(super) fn is_unchanged(&self, entry: &EntryRef<'_>, stat: &Stat) -> bool {
        if entry.mode == GITLINK || entry.is_not_looked_at() {
            return true;
        }
        let mode = match () {
            () if stat.is_symlink() => SYMLINK,
            () if !self.trust_mode && matches!(entry.mode, REGULAR | EXECUTABLE) => entry.mode,
            () if stat.is_executable() => EXECUTABLE,
            () => REGULAR,
        };
        // What changed in the moment in which the index was written cannot be told by its times: a change sets both, so
        // one of them that is older is enough. A symlink cannot change.
        let is_at_rest = stat.mtime.min(stat.ctime) < self.written_at || stat.is_symlink();
        entry.mode == mode && entry.is_of(stat, self.trust_ctime) && is_at_rest && !entry.is_intent_to_add()
    }
}
