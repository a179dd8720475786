//! Merging what others committed into the branch that is checked out.
//!
//! The merge is made by libgit2 in memory: three-way, with renames found, text files merged by lines. What is left in
//! conflict is resolved by git-annex's rules, so that a repository where git-annex resolves the same conflict gets the
//! same tree:
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
//! git also guesses that a directory was renamed and moves new files along, which libgit2 does not: here a file that
//! one side adds to a directory that the other renamed stays where it was added.

mod resolve;
#[cfg(test)]
mod tests;
mod variant;

use std::os::unix::ffi::OsStringExt;

use git2::Repository;
use model::{Oid, RepoPath};

use crate::tree::raw::{self, Mode};
use crate::tree::{Head, git2_oid, our_oid};
use crate::{Annex, CheckoutOptions, Error, Result, standins};
use resolve::Labels;

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
    merged: bool,
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
        let head = self.head()?;
        let mut progress = Progress {
            commit: head.commit,
            merged: false,
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
        if progress.merged {
            standins::make_objects_durable(self)?;
        }
        let done = self.check_out(commit, &options.checkout)?;
        if !done.blocked.is_empty() {
            return Ok(MergeOutcome::Blocked { paths: done.blocked });
        }
        Ok(match progress.merged {
            false => MergeOutcome::FastForwarded {
                commit,
                kept: done.kept,
            },
            true => MergeOutcome::Merged {
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
    let mut how = git2::MergeOptions::new();
    how.find_renames(true);
    let mut index = git
        .merge_commits(&our_commit, &their_commit, Some(&how))
        .map_err(merging())?;
    let mut resolved = Vec::new();
    if index.has_conflicts() {
        let odb = git.odb().map_err(merging())?;
        let label = theirs.reference.replace('/', "_");
        let labels = Labels {
            ours: "HEAD",
            theirs: &label,
        };
        if !options.resolve {
            return Ok(Some(resolve::resolve(&mut index, &odb, &labels)?.all()));
        }
        let found = resolve::resolve(&mut index, &odb, &labels)?;
        if !found.unresolved.is_empty() {
            return Ok(Some(found.unresolved));
        }
        resolved = found.resolved;
    }
    settle_modes(git, &mut index, our_id, their_id)?;
    let tree = index
        .write_tree_to(git)
        .and_then(|tree| git.find_tree(tree))
        .map_err(merging())?;
    let message = match resolved.is_empty() {
        true => clean_message(theirs.reference, &head.branch),
        false => "git-annex automatic merge conflict fix\n".to_owned(),
    };
    let who = standins::signature(git)?;
    let merged = git
        .commit(None, &who, &who, &message, &tree, &[&our_commit, &their_commit])
        .map_err(merging())?;
    progress.commit = Some(our_oid(merged));
    progress.merged = true;
    progress.resolved.append(&mut resolved);
    Ok(None)
}

/// Merges the permissions of files that both sides gave the same content, which libgit2 leaves to chance: as git does,
/// the side that changed them wins, and executable if there was nothing to change.
fn settle_modes(git: &Repository, index: &mut git2::Index, ours: git2::Oid, theirs: git2::Oid) -> Result<()> {
    let merging = || Error::git("merge the permissions of files");
    let base = match git.merge_base(ours, theirs) {
        Ok(base) => Some(git.find_commit(base).map_err(merging())?.tree_id()),
        Err(error) if error.code() == git2::ErrorCode::NotFound => None,
        Err(error) => return Err(merging()(error)),
    };
    let odb = git.odb().map_err(merging())?;
    let tree = |id| git.find_commit(id).map(|commit| commit.tree_id()).map_err(merging());
    let mut changed = std::collections::HashMap::new();
    raw::differences(&odb, base, Some(tree(ours)?), &mut |path, old, new| {
        if let Some(new) = new.filter(|new| new.mode != Mode::Symlink) {
            changed.insert(path.to_vec(), (old, new));
        }
        Ok(())
    })?;
    let mut settled = Vec::new();
    raw::differences(&odb, base, Some(tree(theirs)?), &mut |path, _, new| {
        let (Some(new), Some((old, ours))) = (new, changed.get(path)) else {
            return Ok(());
        };
        if new.id == ours.id && new.mode != ours.mode && new.mode != Mode::Symlink {
            let was_executable = old.is_some_and(|old| old.mode == Mode::Executable);
            let mode = if was_executable { Mode::File } else { Mode::Executable };
            settled.push((path.to_vec(), mode));
        }
        Ok(())
    })?;
    for (path, mode) in settled {
        let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(path));
        if let Some(mut entry) = index.get_path(&path, 0) {
            entry.mode = mode.bits();
            index.add(&entry).map_err(merging())?;
        }
    }
    Ok(())
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
