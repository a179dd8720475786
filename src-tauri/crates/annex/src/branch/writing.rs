use git2::Oid;

use super::{REF, journal, tip, tree_of};
use crate::identity::{of_merge, signature};
use crate::locks::LockFile;
use crate::logs::{self, PresenceLog};
use crate::objects::{Bulk, Tree, TreeEntry};
use crate::ref_lock::move_ref;
use crate::{Annex, Error, Result};

/// The right to change the branch: `journal.lck`, and what waited in the journal when it was taken.
pub(super) struct Writer<'a> {
    pub(super) annex: &'a Annex,
    pub(super) repo: &'a git2::Repository,
    pending: Vec<journal::Pending>,
    _lock: LockFile,
}

/// Makes the new content of the numbered file from the old one; none leaves it as it is.
pub(super) type Edit<'e> = dyn Fn(usize, &[u8]) -> Option<Vec<u8>> + 'e;

impl<'a> Writer<'a> {
    /// Waits for the lock and reads the journal.
    pub(super) fn lock(annex: &'a Annex, repo: &'a git2::Repository) -> Result<Self> {
        let lock = journal::lock(annex)?;
        let pending = journal::pending(annex)?;
        Ok(Self {
            annex,
            repo,
            pending,
            _lock: lock,
        })
    }

    /// Commits what waits in the journal, if anything does.
    pub(super) fn fold(&self) -> Result<Option<Oid>> {
        if self.pending.is_empty() {
            return tip(self.repo);
        }
        self.record(&[], &|_, _| None).map(Some)
    }

    /// Commits what waits in the journal and what `edit` makes of the files at `paths` (sorted, each once); nothing
    /// if that changes nothing.
    pub(super) fn record(&self, paths: &[Vec<u8>], edit: &Edit<'_>) -> Result<Oid> {
        let old = tip(self.repo)?;
        let base = old.map(|tip| tree_of(self.repo, tip)).transpose()?;
        let mut all: Vec<Vec<u8>> = self.pending.iter().map(|pending| pending.path.clone()).collect();
        all.extend_from_slice(paths);
        all.sort_unstable();
        all.dedup();

        let mut bulk = Bulk::begin(self.repo)?;
        let tree = bulk.rewrite(base, &all, &mut |bulk, at, entry| {
            let path = &all[at];
            let blob = entry.filter(|entry| entry.is_blob());
            if entry.is_some() && blob.is_none() {
                return Ok(entry);
            }
            let waiting = self.pending.binary_search_by(|pending| pending.path.cmp(path)).ok();
            let waiting = waiting.map(|at| self.pending[at].content.as_slice());
            let edited = paths.binary_search(path).ok();
            let content = match (waiting, blob) {
                // Others may have moved the branch since that was journaled, as `git push` does. The newest line of each
                // repository counts.
                (Some(waiting), Some(blob)) if logs::key_of_location_log(path).is_some() => {
                    PresenceLog::parse(&logs::union(&bulk.read_blob(blob.id)?, waiting)).to_bytes()
                }
                (Some(waiting), _) => waiting.to_vec(),
                (None, Some(blob)) => bulk.read_blob(blob.id)?,
                (None, None) => Vec::new(),
            };
            let new = edited.and_then(|at| edit(at, &content));
            match (new, waiting) {
                (Some(new), _) => Ok(Some(TreeEntry::file(bulk.blob(&new)?))),
                (None, Some(_)) => Ok(Some(TreeEntry::file(bulk.blob(&content)?))),
                (None, None) => Ok(entry),
            }
        })?;
        let tree = match tree {
            Some(tree) => tree,
            None => bulk.tree(Tree::default())?,
        };
        let (parents, subject) = match old {
            Some(old) if base == Some(tree) => {
                self.forget_pending()?;
                return Ok(old);
            }
            Some(old) => (vec![old], self.subject("update")),
            None => (Vec::new(), self.subject("branch created")),
        };
        let new = self.commit(bulk, tree, &parents, old, &subject)?;
        self.forget_pending()?;
        Ok(new)
    }

    /// Commits a tree and moves the branch from `old` to it.
    pub(super) fn commit(
        &self,
        bulk: Bulk<'_>,
        tree: Oid,
        parents: &[Oid],
        old: Option<Oid>,
        subject: &str,
    ) -> Result<Oid> {
        self.commit_by(&signature(self.repo), bulk, tree, parents, old, subject)
    }

    /// Commits a merge and moves the branch from `old` to it. Whoever merges the same parents makes the same commit.
    pub(super) fn commit_merge(
        &self,
        bulk: Bulk<'_>,
        tree: Oid,
        parents: &[Oid],
        old: Option<Oid>,
        subject: &str,
    ) -> Result<Oid> {
        let mut parents = parents.to_vec();
        parents.sort_unstable();
        self.commit_by(&of_merge(self.repo, &parents)?, bulk, tree, &parents, old, subject)
    }

    fn commit_by(
        &self,
        who: &git2::Signature<'_>,
        mut bulk: Bulk<'_>,
        tree: Oid,
        parents: &[Oid],
        old: Option<Oid>,
        subject: &str,
    ) -> Result<Oid> {
        let new = bulk.commit(tree, parents, who, subject)?;
        let _kept = bulk.finish()?;
        self.move_branch(new, old, subject)?;
        Ok(new)
    }

    /// Moves the branch, unless somebody without the lock has moved it meanwhile.
    pub(super) fn move_branch(&self, new: Oid, old: Option<Oid>, subject: &str) -> Result<()> {
        match move_ref(self.repo, REF, old, new, subject)? {
            true => Ok(()),
            false => Err(Error::Busy(self.annex.git_dir().join(REF))),
        }
    }

    /// The subject of an ordinary commit: `annex.commitmessage`, else git-annex's own.
    fn subject(&self, own: &str) -> String {
        let set = self
            .repo
            .config()
            .and_then(|config| config.get_string("annex.commitmessage"));
        set.ok()
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| own.to_owned())
    }

    fn forget_pending(&self) -> Result<()> {
        self.pending.iter().try_for_each(journal::Pending::remove)
    }
}
