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
//! every side. A file in git that one side changed and the other deleted stays as it was changed. Of a
//! [control file](control), the rules of both hold on, at its own path.
//!
//! Where git guesses, this does not: a text file that was renamed *and* edited on one side, and edited on the other,
//! is kept in both versions instead of merged; and a file that one side adds to a directory that the other renamed
//! stays where it was added.
//!
//! # The same commit everywhere
//!
//! Two repositories often merge the same two commits, each in its turn as "ours". Would they make different commits of
//! it, both had to merge again, and again: each sync would start the next. So a merge commit says nothing of the
//! repository that made it. Its parents are sorted by id, its author and time are those of the newest parent's
//! committer, its message names only the branch; then the ids are equal, and both are done. More than two commits are
//! put together in the order of their ids, whichever of them was checked out. Only a file that meets a directory gets a
//! name that tells whose it was, as git-annex has it.

mod control;
mod keep;
mod removals;
mod resolve;
#[cfg(test)]
mod tests;
mod three_way;
mod variant;
mod write;

use git2::Repository;
use model::{Oid, RepoPath};

use crate::identity::of_merge;
use crate::oid::{from_git, to_git};
use crate::tree::Head;
use crate::{Annex, CheckedOut, CheckoutOptions, Error, Result, Waiting};
pub use removals::Removals;
use resolve::Labels;
use three_way::merge_trees;

pub use control::is_control_file;
pub(crate) use variant::{original, versions_of};

/// A commit to merge, and the ref that it was found under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theirs<'a> {
    /// The commit.
    pub commit: Oid,
    /// The full ref, such as `refs/remotes/origin/synced/main`: it may come to stand in the names of files.
    pub reference: &'a str,
}

/// How to merge.
#[derive(Clone, Copy)]
pub struct MergeOptions<'a> {
    /// `annex.resolvemerge`: false leaves conflicts to the user.
    pub resolve: bool,
    /// How files are checked out.
    pub checkout: CheckoutOptions,
    /// Whether a merge may delete so many of so many files.
    pub may_remove: &'a dyn Fn(usize, usize) -> bool,
}

impl Default for MergeOptions<'_> {
    fn default() -> Self {
        Self {
            resolve: true,
            checkout: CheckoutOptions::default(),
            may_remove: &|_, _| true,
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
        /// Where the branch is now, or, if paths wait, where it will be when they no longer do.
        commit: Oid,
        /// Paths that did not follow; see [`crate::CheckedOut::waiting`].
        waiting: Vec<Waiting>,
    },
    /// One or more merge commits were made.
    Merged {
        /// Where the branch is now, or, if paths wait, where it will be when they no longer do.
        commit: Oid,
        /// Paths that were in conflict.
        resolved: Vec<RepoPath>,
        /// Paths that did not follow; see [`crate::CheckedOut::waiting`].
        waiting: Vec<Waiting>,
    },
    /// Uncommitted changes are in the way; nothing was changed.
    Blocked {
        /// Where.
        paths: Vec<RepoPath>,
    },
    /// It would delete more files than it may; nothing was changed.
    Removes(Removals),
    /// There are conflicts that are not to be resolved here; nothing was changed.
    Conflict {
        /// Where.
        paths: Vec<RepoPath>,
    },
}

/// One of the commits that are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Side {
    commit: git2::Oid,
    /// The ref that it was found under.
    name: String,
}

/// What the branch that is checked out is called in the names of files.
const OURS: &str = "HEAD";

impl Annex {
    /// Merges commits into the branch that is checked out, and makes the work tree follow.
    ///
    /// Fast-forwards where possible. Histories that have nothing in common are merged as if both had started from an
    /// empty tree. The work tree is touched only when every merge commit exists, and then once.
    pub fn merge_into_head(&self, theirs: &[Theirs<'_>], options: &MergeOptions<'_>) -> Result<MergeOutcome> {
        self.finish_checkout()?;
        // Of its own: what is made is kept in the memory of the handle.
        let git = self.git_alone()?;
        let head = self.head()?;
        let mut sides = newest(&git, &head, theirs)?;
        sides.sort_by_key(|side| side.commit);
        let mut merged = Vec::new();
        let mut resolved = Vec::new();
        let mut sides = sides.into_iter();
        let Some(mut whole) = sides.next() else {
            return Ok(MergeOutcome::UpToDate);
        };
        for side in sides {
            if merged.is_empty() {
                keep::in_memory(&git)?;
            }
            let made = match merge_two(&git, &head, &whole, &side, options)? {
                Made::Commit(commit, paths) => {
                    resolved.extend(paths);
                    commit
                }
                Made::Stuck(paths) => return Ok(MergeOutcome::Conflict { paths }),
            };
            merged.push(made);
            whole.commit = made;
            if side.name == OURS {
                whole.name = side.name;
            }
        }
        let commit = from_git(whole.commit);
        if head.commit == Some(commit) {
            return Ok(MergeOutcome::UpToDate);
        }
        if let Some(removals) = removals::forbidden(self, &git, &head, whole.commit, options)? {
            return Ok(MergeOutcome::Removes(removals));
        }
        let _kept = keep::store(self, &git, &merged)?;
        self.check_out_merge(&head, commit, (!merged.is_empty()).then_some(resolved), options)
    }

    /// Checks a merge out; without `resolved`, nothing had to be merged for it.
    fn check_out_merge(
        &self,
        head: &Head,
        commit: Oid,
        resolved: Option<Vec<RepoPath>>,
        options: &MergeOptions<'_>,
    ) -> Result<MergeOutcome> {
        let CheckedOut {
            blocked,
            waiting,
            ahead,
            ..
        } = self.check_out(head, commit, &options.checkout)?;
        if !blocked.is_empty() {
            return Ok(MergeOutcome::Blocked { paths: blocked });
        }
        let commit = ahead.unwrap_or(commit);
        Ok(match resolved {
            None => MergeOutcome::FastForwarded { commit, waiting },
            Some(resolved) => MergeOutcome::Merged {
                commit,
                resolved,
                waiting,
            },
        })
    }
}

/// The commits that are to be put together: none that another one contains.
fn newest(git: &Repository, head: &Head, theirs: &[Theirs<'_>]) -> Result<Vec<Side>> {
    let ours = head.commit.map(|commit| (commit, OURS));
    let theirs = theirs.iter().map(|theirs| (theirs.commit, theirs.reference));
    let mut newest: Vec<Side> = Vec::new();
    for (commit, name) in ours.into_iter().chain(theirs) {
        let side = Side {
            commit: to_git(commit),
            name: name.to_owned(),
        };
        let contains = |new: &Side, old: &Side| {
            if new.commit == old.commit {
                return Ok(true);
            }
            let compared = git.graph_descendant_of(new.commit, old.commit);
            compared.map_err(Error::git(format!("compare {} with {}", new.name, old.name)))
        };
        let mut is_new = true;
        let mut still = Vec::with_capacity(newest.len() + 1);
        for other in newest {
            is_new &= !contains(&other, &side)?;
            if !is_new || !contains(&side, &other)? {
                still.push(other);
            }
        }
        still.extend(is_new.then_some(side));
        newest = still;
    }
    Ok(newest)
}

/// What came of two commits.
enum Made {
    /// A commit of both, and the paths that were in conflict.
    Commit(git2::Oid, Vec<RepoPath>),
    /// Nothing, because of conflicts at these paths.
    Stuck(Vec<RepoPath>),
}

/// Makes a commit of two. Of which side they are it depends only where [`resolve`] has to name one.
fn merge_two(git: &Repository, head: &Head, one: &Side, other: &Side, options: &MergeOptions<'_>) -> Result<Made> {
    let merging = || Error::git(format!("merge {} into {}", other.name, head.branch));
    let (first, second) = (
        git.find_commit(one.commit).map_err(merging())?,
        git.find_commit(other.commit).map_err(merging())?,
    );
    let label = |side: &Side| side.name.replace('/', "_");
    let labels = Labels {
        ours: &label(one),
        theirs: &label(other),
    };
    let base = base_tree(git, one.commit, other.commit, 0)?;
    let mut found = merge_trees(git, base, first.tree_id(), second.tree_id(), &labels)?;
    if !options.resolve || !found.unresolved.is_empty() {
        found.unresolved.append(&mut found.resolved);
        if !found.unresolved.is_empty() {
            found.unresolved.sort();
            return Ok(Made::Stuck(found.unresolved));
        }
    }
    let tree = git.find_tree(found.tree).map_err(merging())?;
    let message = match found.resolved.is_empty() {
        true => format!("Merge branch '{}'\n", head.branch),
        false => "git-annex automatic merge conflict fix\n".to_owned(),
    };
    let who = of_merge(git, &[one.commit, other.commit])?;
    git.commit(None, &who, &who, &message, &tree, &[&first, &second])
        .map(|commit| Made::Commit(commit, found.resolved))
        .map_err(merging())
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
