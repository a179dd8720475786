//! What others have changed in the index.

use std::collections::BTreeSet;

use model::RepoPath;

use super::base::Base;
use super::format::IndexContent;
use super::{Entries, EntryRef, Index, IndexEntry};
use crate::{Annex, Result};

/// The index as it was at a moment.
#[derive(Debug, Clone)]
pub struct IndexState(Index);

/// If more paths than this differ, everything has to be scanned.
const MANY: usize = 20_000;

impl Annex {
    /// The index as it is now. Cheap if this program wrote it last.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Damaged`] for one that cannot be read.
    pub fn index_state(&self) -> Result<IndexState> {
        Index::read_only(self, &*self.git()?).map(IndexState)
    }
}

impl IndexState {
    /// The paths whose entries differ from those before in more than stat data; none if they are too many, or one is no
    /// path that a work tree may have.
    pub fn changed_since(&self, before: &Self) -> Option<Vec<RepoPath>> {
        let (old, new) = (&before.0.content, &self.0.content);
        let changed = match (&old.base, &new.base) {
            (Some(base), Some(other)) if base.checksum == other.checksum => changed_beside(base, old, new),
            (Some(_) | None, _) => changed_anywhere(old.entries(), new.entries()),
        };
        if changed.len() > MANY {
            return None;
        }
        changed.into_iter().map(|path| RepoPath::parse(path).ok()).collect()
    }
}

/// The paths that differ between indexes that have one base.
fn changed_beside<'i>(base: &'i Base, old: &'i IndexContent, new: &'i IndexContent) -> Vec<&'i [u8]> {
    let of_base = |ours: &'i IndexContent, theirs: &'i IndexContent| {
        let is_new = |position: &&u32| theirs.hidden.binary_search(position).is_err();
        ours.hidden.iter().filter(is_new).map(|at| base.path(*at as usize))
    };
    let mut paths: BTreeSet<&[u8]> = of_base(old, new).chain(of_base(new, old)).collect();
    paths.extend(old.own.iter().chain(&new.own).map(|entry| &*entry.path));
    let is_same = |path: &[u8]| {
        let [old, new] = [old, new].map(|content| {
            let entries = content.entries();
            entries.iter(&entries.file(path)).map(|entry| entry.staged())
        });
        old.eq(new)
    };
    paths.into_iter().filter(|path| !is_same(path)).collect()
}

/// The paths that differ between any two indexes, or more than [`MANY`] of them.
fn changed_anywhere<'i>(old: Entries<'i>, new: Entries<'i>) -> Vec<&'i [u8]> {
    let (mut old, mut new) = (old.iter(&old.all()).peekable(), new.iter(&new.all()).peekable());
    let mut changed: Vec<&[u8]> = Vec::new();
    while changed.len() <= MANY {
        let place = |entry: &EntryRef<'i>| (entry.path, entry.stage());
        let first = old.peek().map(place).into_iter().chain(new.peek().map(place)).min();
        let Some((path, _)) = first else { break };
        let ours = old.next_if(|entry| Some(place(entry)) == first);
        let theirs = new.next_if(|entry| Some(place(entry)) == first);
        let is_same = ours.as_ref().map(IndexEntry::staged) == theirs.as_ref().map(IndexEntry::staged);
        if !is_same && changed.last() != Some(&path) {
            changed.push(path);
        }
    }
    changed
}
