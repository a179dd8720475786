//! Tracks which commits are merged, and which paths wait.

use super::*;

/// The result of the last merge.
#[derive(Default)]
pub(super) struct State {
    /// Commits known to be merged. A merged commit stays merged.
    merged: BTreeSet<Oid>,
    /// Commits held for the user's answer, each with the head that it was judged against. With another head, it is
    /// judged again.
    held: BTreeSet<(Option<Oid>, Oid)>,
    /// Why no branch can be synced, if none can: an adjusted branch or none is checked out.
    unsynced: Option<String>,
    /// The commit of the last merge, if it could not be checked out completely, and the paths that wait.
    ahead: Option<Oid>,
    waiting: Vec<Waiting>,
    /// True if programs may still write to files that a checkout replaced or removed.
    has_retired: bool,
}

impl FolderState {
    fn merging(&self) -> MutexGuard<'_, State> {
        lock(&self.merging)
    }

    /// The current refs. A repository that cannot be read has no heads, and nothing is done with it.
    ///
    /// While paths wait, the commit of the work tree is the merge that they wait for, unless there are newer commits
    /// that it does not contain.
    pub(crate) fn refs(&self) -> Refs {
        let Ok(refs) = self.read_refs() else {
            return Refs::default();
        };
        let (ahead, held) = {
            let state = self.merging();
            (state.ahead, state.held.clone())
        };
        let ahead = ahead.filter(|ahead| refs.tree.is_none_or(|head| self.annex.contains(*ahead, head)));
        let is_due = |(tip, _): &(Oid, String)| {
            let is_there = ahead.is_some_and(|ahead| self.annex.contains(ahead, *tip));
            !is_there && !held.contains(&(refs.tree, *tip))
        };
        // The user merged it by hand, or its branch is gone: a merge withdraws the question.
        let is_over = |held: &(Option<Oid>, Oid)| {
            let mut incoming = refs.incoming.iter();
            held.0 != refs.tree || !incoming.any(|(tip, _)| *tip == held.1)
        };
        let is_due = refs.incoming.iter().any(is_due) || held.iter().any(is_over);
        let is_merged_here = || !self.annex.is_bare() && self.syncs_tree();
        Refs {
            heads: Heads {
                tree: ahead.or(refs.tree),
                annex: refs.annex,
            },
            unmerged: refs.annex_behind || (is_due && is_merged_here()),
        }
    }

    /// Replaces the commits that wait for the user's answer.
    pub(crate) fn hold_deletions(&self, held: impl IntoIterator<Item = (Option<Oid>, Oid)>) {
        self.merging().held = held.into_iter().collect();
    }

    /// The ref of an unmerged branch that contains this commit; none if there is none.
    pub(crate) fn leads_to(&self, commit: Oid) -> Result<Option<String>, AnnexError> {
        let mut incoming = self.incoming()?.into_iter();
        Ok(incoming.find_map(|(tip, reference)| self.annex.contains(tip, commit).then_some(reference)))
    }

    /// Remembers the paths that the last merge could not update, and its commit; false if they are the same as before.
    pub(crate) fn set_waiting(&self, ahead: Option<Oid>, waiting: Vec<Waiting>) -> bool {
        let mut state = self.merging();
        state.ahead = ahead;
        let is_other = waiting.is_empty() || state.waiting != waiting;
        state.waiting = waiting;
        is_other
    }

    /// Deletes replaced files that no program has open any more, and restores those that were written to as versions.
    pub(crate) fn resolve_retired(&self) {
        let retired = match self.annex.resolve_retired(SystemTime::now()) {
            Ok(retired) => retired,
            Err(error) => return self.log.note(error.to_string()),
        };
        for version in &retired.brought_back {
            self.log.note(format!(
                "a program wrote to a file that Anabranch was replacing: its version is kept as {version}"
            ));
        }
        self.merging().has_retired = !retired.open.is_empty();
    }

    /// True if programs may still write to files that a checkout replaced or removed.
    pub(crate) fn has_retired(&self) -> bool {
        self.merging().has_retired
    }

    /// The paths that the last merge could not update, with the reasons.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        self.merging().waiting.clone()
    }

    /// Why no branch of this folder can be synced now, if none can; as text for the user.
    pub(crate) fn unsynced(&self) -> Option<String> {
        self.merging().unsynced.clone()
    }

    /// The unmerged branches, with the names of their refs.
    pub(crate) fn incoming(&self) -> Result<Vec<(Oid, String)>, AnnexError> {
        Ok(self.read_refs()?.incoming)
    }

    pub(super) fn read_refs(&self) -> Result<RefsState, AnnexError> {
        let mut merged = std::mem::take(&mut self.merging().merged);
        let refs = self.annex.refs(&self.remotes.pulled(), &mut merged);
        let mut state = self.merging();
        state.merged.append(&mut merged);
        state.unsynced = match &refs {
            Err(AnnexError::Refused(why)) => Some(why.clone()),
            Ok(_) | Err(_) => None,
        };
        refs
    }
}
