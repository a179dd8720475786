//! What is merged, and what of it waits.

use super::*;

/// What is known of the last merge, and of what it left.
#[derive(Default)]
pub(super) struct State {
    /// Commits that are known to be merged; what is merged stays merged.
    merged: BTreeSet<Oid>,
    /// Commits that are not merged before the user has said so, each with the commit that it was judged against: with
    /// another one checked out, it is judged anew.
    held: BTreeSet<(Option<Oid>, Oid)>,
    /// Why no branch can be synced, if it is so: an adjusted branch or none is checked out.
    unsynced: Option<String>,
    /// The last merge as far as it could not be checked out: its commit, and the paths that wait.
    ahead: Option<Oid>,
    waiting: Vec<Waiting>,
    /// Programs may still write to files that a checkout has taken away.
    has_retired: bool,
}

impl FolderState {
    fn merging(&self) -> MutexGuard<'_, State> {
        lock(&self.merging)
    }

    /// The refs as they are now. A repository that cannot be read has no heads, and nothing is done with it.
    ///
    /// While paths wait, the commit of the work tree is the merge that they wait for, unless something was committed since
    /// that is not in it yet.
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
        // The user merged one by hand, or its branch is gone: a merge takes the question back.
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

    /// Remembers which commits wait for the user's word, instead of those before.
    pub(crate) fn hold_deletions(&self, held: impl IntoIterator<Item = (Option<Oid>, Oid)>) {
        self.merging().held = held.into_iter().collect();
    }

    /// The ref of a branch to be merged that contains this commit; none if there is none.
    pub(crate) fn leads_to(&self, commit: Oid) -> Result<Option<String>, AnnexError> {
        let mut incoming = self.incoming()?.into_iter();
        Ok(incoming.find_map(|(tip, reference)| self.annex.contains(tip, commit).then_some(reference)))
    }

    /// Remembers which paths the last merge could not make follow, and its commit; false if they are those of before.
    pub(crate) fn set_waiting(&self, ahead: Option<Oid>, waiting: Vec<Waiting>) -> bool {
        let mut state = self.merging();
        state.ahead = ahead;
        let is_other = waiting.is_empty() || state.waiting != waiting;
        state.waiting = waiting;
        is_other
    }

    /// Deletes old files that nobody has open any more, and brings back what was written to them.
    pub(crate) fn settle_retired(&self) {
        let retired = match self.annex.settle_retired(SystemTime::now()) {
            Ok(retired) => retired,
            Err(error) => return self.log.note(error.to_string()),
        };
        for version in &retired.brought_back {
            self.log.note(format!(
                "a program wrote to a file while it was replaced: what it wrote is kept as {version}"
            ));
        }
        self.merging().has_retired = !retired.open.is_empty();
    }

    /// True if programs may still write to files that a checkout has taken away.
    pub(crate) fn has_retired(&self) -> bool {
        self.merging().has_retired
    }

    /// The paths that the last merge could not make follow, with the reasons.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        self.merging().waiting.clone()
    }

    /// Why no branch of this folder can be synced now, if it is so; in words for people.
    pub(crate) fn unsynced(&self) -> Option<String> {
        self.merging().unsynced.clone()
    }

    /// The branches that are not merged yet, with the names of their refs.
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
