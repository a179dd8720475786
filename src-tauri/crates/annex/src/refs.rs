//! Which commits this repository has, and which of those fetched or pushed here are not merged yet.

use std::collections::BTreeSet;

use git2::{ErrorCode, Repository};
use model::{Oid, RemoteName, RepoPath};

use crate::handles::Git;
use crate::oid::{from_git, to_git};
use crate::tree::head::head_of;
use crate::{Annex, Error, Result};

/// The refs that syncing depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefsState {
    /// The commit of the branch that is checked out; none before the first.
    pub tree: Option<Oid>,
    /// The tip of the git-annex branch.
    pub annex: Option<Oid>,
    /// Branches that carry commits for the one checked out, with the full names of their refs.
    pub incoming: Vec<(Oid, String)>,
    /// True if another git-annex branch has commits that ours lacks.
    pub annex_behind: bool,
}

impl RefsState {
    /// True if something is to be merged.
    pub fn is_unmerged(&self) -> bool {
        self.annex_behind || !self.incoming.is_empty()
    }
}

impl Annex {
    /// Reads the refs. Branches of remotes that are not in `pulled` are passed over.
    ///
    /// `merged` remembers commits that were found merged, so that a branch far behind is walked to only once; what is
    /// merged stays merged.
    pub fn refs(&self, pulled: &BTreeSet<RemoteName>, merged: &mut BTreeSet<Oid>) -> Result<RefsState> {
        let git = self.git()?;
        let head = head_of(&git)?;
        let annex = commit_of(&git, "refs/heads/git-annex")?;
        let mut incoming: Vec<(Oid, String)> = Vec::new();
        for (name, tip) in branches(&git, &head.branch, pulled)? {
            let known = merged.contains(&tip) || incoming.iter().any(|(other, _)| *other == tip);
            if !known && !is_merged(&git, tip, head.commit, merged)? {
                incoming.push((tip, name));
            }
        }
        let mut annex_behind = false;
        for tip in self.branch().others(&git)?.into_iter().map(from_git) {
            annex_behind |= !merged.contains(&tip) && !is_merged(&git, tip, annex, merged)?;
        }
        Ok(RefsState {
            tree: head.commit,
            annex,
            incoming,
            annex_behind,
        })
    }

    /// True if the commit is in this repository.
    pub fn has_commit(&self, commit: Oid) -> bool {
        self.git().is_ok_and(|git| git.find_commit(to_git(commit)).is_ok())
    }

    /// True if one commit is the other or comes after it; false if that cannot be told.
    pub fn contains(&self, newer: Oid, older: Oid) -> bool {
        let is_after = |git: Git| git.graph_descendant_of(to_git(newer), to_git(older)).ok();
        newer == older || self.git().ok().and_then(is_after).unwrap_or(false)
    }

    /// True if the branch in which merges wait until they can be checked out (`synced/BRANCH`) comes after the commit that
    /// is checked out, and has something else at a path.
    pub fn lacks_change(&self, path: &RepoPath) -> Result<bool> {
        let git = self.git()?;
        let head = head_of(&git)?;
        let synced = commit_of(&git, &format!("refs/heads/synced/{}", head.branch))?;
        let (Some(head), Some(synced)) = (head.commit, synced) else {
            return Ok(false);
        };
        if head == synced || !self.contains(synced, head) {
            return Ok(false);
        }
        let at = |commit| -> Result<Option<(i32, git2::Oid)>> {
            let tree = git.find_commit(to_git(commit)).and_then(|commit| commit.tree());
            let tree = tree.map_err(Error::git("read a tree"))?;
            match tree.get_path(path.as_path()) {
                Ok(entry) => Ok(Some((entry.filemode(), entry.id()))),
                Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
                Err(error) => Err(Error::git("read a tree")(error)),
            }
        };
        Ok(at(head)? != at(synced)?)
    }

    /// All refs and where they point, and what is checked out, to tell whether any has moved.
    pub fn all_refs(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let git = self.git()?;
        let head = git.find_reference("HEAD").map_err(Error::git("read HEAD"))?;
        let branch = head.symbolic_target_bytes().unwrap_or_default().to_vec();
        let mut all = vec![(b"HEAD".to_vec(), branch)];
        for reference in git.references().map_err(Error::git("list the refs"))? {
            let reference = reference.map_err(Error::git("list the refs"))?;
            let target = reference.target().map(|oid| oid.as_bytes().to_vec());
            all.push((reference.name_bytes().to_vec(), target.unwrap_or_default()));
        }
        Ok(all)
    }

    /// True if the repository that was opened is still at its place: a drive that was pulled out leaves nothing there,
    /// or what its mount point hides.
    pub fn is_there(&self) -> bool {
        Annex::open(self.work_tree().unwrap_or(self.git_dir())).is_ok_and(|there| there.uuid() == self.uuid())
    }
}

fn commit_of(git: &Repository, name: &str) -> Result<Option<Oid>> {
    match git.refname_to_id(name) {
        Ok(oid) => Ok(Some(from_git(oid))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(Error::git(format!("read {name}"))(error)),
    }
}

/// The branches in which others leave commits for `branch`: pushed here, or fetched.
fn branches(git: &Repository, branch: &str, pulled: &BTreeSet<RemoteName>) -> Result<Vec<(String, Oid)>> {
    let mut names = vec![format!("refs/heads/synced/{branch}")];
    for remote in pulled {
        names.push(format!("refs/remotes/{remote}/{branch}"));
        names.push(format!("refs/remotes/{remote}/synced/{branch}"));
    }
    let mut found = Vec::new();
    for name in names {
        if let Some(tip) = commit_of(git, &name)? {
            found.push((name, tip));
        }
    }
    Ok(found)
}

fn is_merged(git: &Repository, tip: Oid, head: Option<Oid>, merged: &mut BTreeSet<Oid>) -> Result<bool> {
    let Some(head) = head else { return Ok(false) };
    let is_merged = head == tip
        || git
            .graph_descendant_of(to_git(head), to_git(tip))
            .map_err(Error::git("compare two branches"))?;
    if is_merged {
        merged.insert(tip);
    }
    Ok(is_merged)
}
