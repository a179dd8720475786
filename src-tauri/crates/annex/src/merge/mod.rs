//! Merging what others committed into the branch that is checked out.
//!
//! The merge is made in memory: what each side changed since the two parted is put together, a file that one side
//! renamed unchanged gets the changes of the other, text files are merged by lines. What is left in conflict is
//! resolved by git-annex's rules, so that a repository where git-annex resolves the same conflict gets the same tree:
//!
//! | ours and theirs | becomes |
//! | --- | --- |
//! | two contents | the path goes; each under its variant name, in its own form |
//! | one content, locked and unlocked | the path, unlocked |
//! | deleted and changed | the changed one, under its variant name |
//! | annexed, and a file or symlink in git | the one in git keeps the path; the annexed one gets its variant name |
//! | annexed, and a directory | the directory stays; the file gets the variant name of `path~HEAD` (ours) or `path~refs_remotes_…` (theirs) |
//!
//! For two files in git whose lines cannot be merged, git-annex has no rule and stops until the user decides. A sync
//! must not stop, so both are kept: the path goes, and each gets a variant name made from its blob's id, the same on
//! every side. A file in git that one side changed and the other deleted stays as it was changed.
//!
//! Where git guesses, this does not: a text file that was renamed *and* edited on one side, and edited on the other,
//! is kept in both versions instead of merged; and a file that one side adds to a directory that the other renamed
//! stays where it was added.

mod keep;
mod resolve;
#[cfg(test)]
mod tests;
mod three_way;
mod variant;
mod write;

use git2::Repository;
use model::{Oid, RepoPath};

use crate::tree::{Head, git2_oid, our_oid};
use crate::identity::signature;
use crate::{Annex, CheckoutOptions, Error, Result};
use resolve::Labels;
use three_way::merge_trees;

/// A commit to merge, and the ref that it was found under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theirs<'a> {
    /// The commit.
    pub commit: Oid,
    /// The full ref, such as `refs/remotes/origin/synced/main`: it names the merge in its message, and files in names.
    pub reference: &'a str,
}

/// How to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeOptions {
    /// `annex.resolvemerge`: false leaves conflicts to the user.
    pub resolve: bool,
    /// How files are checked out.
    pub checkout: CheckoutOptions,
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self {
            resolve: true,
            checkout: CheckoutOptions::default(),
        }
    }
}

/// What a merge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The branch already contains all that was to be merged.
    UpToDate,
    /// The branch was moved forward; no commit was made.
    FastForwarded {
        /// Where the branch is now.
        commit: Oid,
        /// Files that were changed meanwhile; see [`crate::CheckedOut::kept`].
        kept: Vec<RepoPath>,
    },
    /// One or more merge commits were made.
    Merged {
        /// Where the branch is now.
        commit: Oid,
        /// Paths that were in conflict.
        resolved: Vec<RepoPath>,
        /// Files that were changed meanwhile; see [`crate::CheckedOut::kept`].
        kept: Vec<RepoPath>,
    },
    /// Uncommitted changes are in the way; nothing was changed.
    Blocked {
        /// Where.
        paths: Vec<RepoPath>,
    },
    /// There are conflicts that are not to be resolved here; nothing was changed.
    Conflict {
        /// Where.
        paths: Vec<RepoPath>,
    },
}

/// Where a chain of merges got to.
struct Progress {
    commit: Option<Oid>,
    /// The merge commits made so far, in memory.
    merged: Vec<git2::Oid>,
    resolved: Vec<RepoPath>,
}

impl Annex {
    /// Merges commits, one after the other, into the branch that is checked out, and makes the work tree follow.
    ///
    /// Fast-forwards where possible. Histories that have nothing in common are merged as if both had started from an
    /// empty tree. The work tree is touched only when every merge commit exists, and then once.
    pub fn merge_into_head(&self, theirs: &[Theirs<'_>], options: &MergeOptions) -> Result<MergeOutcome> {
        self.finish_checkout()?;
        let git = self.git()?;
        keep::in_memory(&git)?;
        let head = self.head()?;
        let mut progress = Progress {
            commit: head.commit,
            merged: Vec::new(),
            resolved: Vec::new(),
        };
        for theirs in theirs {
            if let Some(paths) = merge_one(&git, &head, &mut progress, theirs, options)? {
                return Ok(MergeOutcome::Conflict { paths });
            }
        }
        let Some(commit) = progress.commit.filter(|_| progress.commit != head.commit) else {
            return Ok(MergeOutcome::UpToDate);
        };
        let is_forward = progress.merged.is_empty();
        keep::store(self, &git, &progress.merged)?;
        let done = self.check_out(commit, &options.checkout)?;
        if !done.blocked.is_empty() {
            return Ok(MergeOutcome::Blocked { paths: done.blocked });
        }
        Ok(match is_forward {
            true => MergeOutcome::FastForwarded {
                commit,
                kept: done.kept,
            },
            false => MergeOutcome::Merged {
                commit,
                resolved: progress.resolved,
                kept: done.kept,
            },
        })
    }
}

/// Merges one commit into where the chain is; returns the conflicts that stop it.
fn merge_one(
    git: &Repository,
    head: &Head,
    progress: &mut Progress,
    theirs: &Theirs<'_>,
    options: &MergeOptions,
) -> Result<Option<Vec<RepoPath>>> {
    let comparing = || format!("compare {} with {}", head.branch, theirs.reference);
    let Some(ours) = progress.commit else {
        progress.commit = Some(theirs.commit);
        return Ok(None);
    };
    let (our_id, their_id) = (git2_oid(ours), git2_oid(theirs.commit));
    let descends = |one, other| git.graph_descendant_of(one, other).map_err(Error::git(comparing()));
    if our_id == their_id || descends(our_id, their_id)? {
        return Ok(None);
    }
    if descends(their_id, our_id)? {
        progress.commit = Some(theirs.commit);
        return Ok(None);
    }
    let merging = || Error::git(format!("merge {} into {}", theirs.reference, head.branch));
    let (our_commit, their_commit) = (
        git.find_commit(our_id).map_err(merging())?,
        git.find_commit(their_id).map_err(merging())?,
    );
    let label = theirs.reference.replace('/', "_");
    let labels = Labels {
        ours: "HEAD",
        theirs: &label,
    };
    let base = base_tree(git, our_id, their_id, 0)?;
    let mut found = merge_trees(git, base, our_commit.tree_id(), their_commit.tree_id(), &labels)?;
    if !options.resolve || !found.unresolved.is_empty() {
        found.unresolved.append(&mut found.resolved);
        if !found.unresolved.is_empty() {
            found.unresolved.sort();
            return Ok(Some(found.unresolved));
        }
    }
    let mut resolved = found.resolved;
    let tree = git.find_tree(found.tree).map_err(merging())?;
    let message = match resolved.is_empty() {
        true => clean_message(theirs.reference, &head.branch),
        false => "git-annex automatic merge conflict fix\n".to_owned(),
    };
    let who = signature(git);
    let merged = git
        .commit(None, &who, &who, &message, &tree, &[&our_commit, &their_commit])
        .map_err(merging())?;
    progress.commit = Some(our_oid(merged));
    progress.merged.push(merged);
    progress.resolved.append(&mut resolved);
    Ok(None)
}

/// The tree that both sides started from; none if they have nothing in common.
///
/// After two repositories merged each other's commits, there is more than one such commit: then those are merged first.
fn base_tree(git: &Repository, ours: git2::Oid, theirs: git2::Oid, depth: usize) -> Result<Option<git2::Oid>> {
    const DEEPEST: usize = 8;
    let comparing = || Error::git("find where two histories parted");
    let mut bases = match git.merge_bases(ours, theirs) {
        Ok(bases) => bases.to_vec(),
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(comparing()(error)),
    };
    // Both sides come to the same base.
    bases.sort();
    let tree = |id| git.find_commit(id).map(|commit| commit.tree_id()).map_err(comparing());
    let Some((&first, others)) = bases.split_first() else {
        return Ok(None);
    };
    let mut merged = tree(first)?;
    let labels = Labels {
        ours: "base",
        theirs: "base",
    };
    for &other in others.iter().filter(|_| depth < DEEPEST) {
        let below = base_tree(git, first, other, depth + 1)?;
        merged = merge_trees(git, below, merged, tree(other)?, &labels)?.tree;
    }
    Ok(Some(merged))
}

/// The message that `git merge --no-edit <ref>` writes.
fn clean_message(reference: &str, branch: &str) -> String {
    let what = if reference.starts_with("refs/remotes/") {
        "remote-tracking branch"
    } else {
        "branch"
    };
    match branch {
        "main" | "master" => format!("Merge {what} '{reference}'\n"),
        _ => format!("Merge {what} '{reference}' into {branch}\n"),
    }
}
