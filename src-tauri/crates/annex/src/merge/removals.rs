//! Files that a merge would delete: counted before anything is checked out, and kept if the user wants that.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use bstr::{BStr, BString, ByteSlice};
use git2::{Odb, Repository, Sort};
use model::{Key, Oid};

use super::resolve::Labels;
use super::three_way::merge_trees;
use super::write::write_changes;
use super::{Made, MergeOptions, MergeOutcome, Side, Theirs, base_tree, keep, merge_two, newest};
use crate::activity::{Deed, deed};
use crate::identity::signature;
use crate::index::Index;
use crate::oid::{from_git, to_git};
use crate::tree::raw::{self, Blob, Mode};
use crate::tree::{Head, annexed, tree_of};
use crate::{Annex, Error, Result};

/// So many commits are read at the most to find the one that deleted the files.
const COMMITS_READ: usize = 1000;

/// The files that a merge would delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removals {
    /// How many. A file whose content is elsewhere in the merged tree does not count.
    pub removed: usize,
    /// How many files there are.
    pub of: usize,
    /// The branch that is checked out was at this commit.
    pub head: Option<Oid>,
    /// The commit that deletes the most of them, if it was found.
    pub deed: Option<Deed>,
    /// The repository that this commit was made in, if it says so.
    pub made_in: Option<String>,
}

/// What a merge of HEAD that comes to `merged` would delete, if that is more than it may.
pub(super) fn forbidden(
    annex: &Annex,
    git: &Repository,
    head: &Head,
    merged: git2::Oid,
    options: &MergeOptions<'_>,
) -> Result<Option<Removals>> {
    let Some(current) = head.commit else { return Ok(None) };
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    let (before, after) = (tree_of(git, current)?, tree_of(git, from_git(merged))?);
    let mut gone = Gone::between(&odb, before, after)?;
    if gone.files.is_empty() {
        return Ok(None);
    }
    let of = Index::read(annex, git)?.entries().len();
    if (options.may_remove)(gone.files.len(), of) {
        return Ok(None);
    }
    gone.leave_out_renamed(&odb)?;
    gone.leave_out_copies(&odb, after)?;
    let removed = gone.files.len();
    if (options.may_remove)(removed, of) {
        return Ok(None);
    }
    let deed = who(git, &odb, to_git(current), merged)?;
    let made_in = deed.as_ref().and_then(|deed| made_in(git, to_git(deed.commit)));
    Ok(Some(Removals {
        removed,
        of,
        head: head.commit,
        deed,
        made_in,
    }))
}

/// Files of one tree that another lacks.
struct Gone {
    files: Vec<(BString, Blob)>,
    /// What the other tree has at other paths, or otherwise.
    came: Vec<Blob>,
}

impl Gone {
    fn between(odb: &Odb<'_>, before: git2::Oid, after: git2::Oid) -> Result<Self> {
        let mut gone = Self {
            files: Vec::new(),
            came: Vec::new(),
        };
        raw::differences(odb, Some(before), Some(after), &mut |path, old, new| {
            match (old, new) {
                (Some(old), None) if old.mode != Mode::Submodule => gone.files.push((path.into(), old)),
                (_, Some(new)) => gone.came.push(new),
                (_, None) => {}
            }
            Ok(())
        })?;
        gone.leave_out_moved(&|blob| Ok(Some(blob.id)))?;
        Ok(gone)
    }

    /// Leaves out files that were renamed and locked or unlocked at the same time.
    fn leave_out_renamed(&mut self, odb: &Odb<'_>) -> Result<()> {
        let key = |blob: Blob| -> Result<Option<Key>> { Ok(annexed(odb, blob)?.map(|annexed| annexed.key)) };
        self.leave_out_moved(&key)
    }

    /// Leaves out renamed files: each new file accounts for one deleted file with the same content, the first in order.
    fn leave_out_moved<C: Eq + Hash>(&mut self, content: &dyn Fn(Blob) -> Result<Option<C>>) -> Result<()> {
        let mut came: HashMap<C, Vec<Blob>> = HashMap::new();
        let mut others = Vec::new();
        for blob in std::mem::take(&mut self.came) {
            match content(blob)? {
                Some(content) => came.entry(content).or_default().push(blob),
                None => others.push(blob),
            }
        }
        let mut left = Vec::new();
        for (path, blob) in std::mem::take(&mut self.files) {
            let moved = content(blob)?.and_then(|content| came.get_mut(&content)?.pop());
            if moved.is_none() {
                left.push((path, blob));
            }
        }
        self.files = left;
        self.came = others;
        self.came.extend(came.into_values().flatten());
        Ok(())
    }

    /// Leaves out files whose content another file still has. Reads all of the other tree.
    fn leave_out_copies(&mut self, odb: &Odb<'_>, after: git2::Oid) -> Result<()> {
        let mut alone: HashSet<git2::Oid> = self.files.iter().map(|(_, blob)| blob.id).collect();
        raw::differences(odb, None, Some(after), &mut |_, _, new| {
            if let Some(new) = new {
                alone.remove(&new.id);
            }
            Ok(())
        })?;
        self.files.retain(|(_, blob)| alone.contains(&blob.id));
        Ok(())
    }
}

/// The commit that deleted the most files, of those that came.
fn who(git: &Repository, odb: &Odb<'_>, head: git2::Oid, merged: git2::Oid) -> Result<Option<Deed>> {
    let reading = || Error::git("read the history");
    let mut walk = git.revwalk().map_err(reading())?;
    walk.set_sorting(Sort::TIME).map_err(reading())?;
    walk.push(merged).map_err(reading())?;
    walk.hide(head).map_err(reading())?;
    let mut most: Option<Deed> = None;
    for id in walk.take(COMMITS_READ) {
        let Some(deed) = deed(git, odb, id.map_err(reading())?)? else {
            continue;
        };
        if deed.deleted > most.as_ref().map_or(0, |most| most.deleted) {
            most = Some(deed);
        }
    }
    Ok(most)
}

/// The repository that a commit was made in, by its subject: git-annex and we write it there.
fn made_in(git: &Repository, commit: git2::Oid) -> Option<String> {
    let commit = git.find_commit(commit).ok()?;
    let subject = commit.summary().ok()??.strip_prefix("git-annex in ")?.trim();
    (!subject.is_empty()).then(|| subject.to_owned())
}

impl Annex {
    /// Merges a commit into the branch that is checked out, and keeps all files that it would delete.
    ///
    /// They are kept by a commit of its own, so that they come back wherever they were deleted: on top of `theirs` if that
    /// has all that is here, else as the merge of both. To keep a file means that it was never there to be deleted, so
    /// what both have at its path is put together like any two files.
    pub fn merge_and_keep_files(
        &self,
        theirs: &Theirs<'_>,
        message: &str,
        options: &MergeOptions<'_>,
    ) -> Result<MergeOutcome> {
        self.finish_checkout()?;
        // Of its own: what is made is kept in the memory of the handle.
        let git = self.git_alone()?;
        let head = self.head()?;
        let (Some(current), commit) = (head.commit, to_git(theirs.commit)) else {
            return self.merge_into_head(std::slice::from_ref(theirs), options);
        };
        if !newest(&git, &head, std::slice::from_ref(theirs))?
            .iter()
            .any(|side| side.commit == commit)
        {
            return Ok(MergeOutcome::UpToDate);
        }
        keep::in_memory(&git)?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let side = |commit, name: &str| Side {
            commit,
            name: name.to_owned(),
        };
        let (ours, theirs) = (side(to_git(current), super::OURS), side(commit, theirs.reference));
        let is_forward = git
            .graph_descendant_of(theirs.commit, ours.commit)
            .map_err(Error::git("compare two commits"))?;
        let merged = match is_forward {
            true => theirs.commit,
            false => match merge_two(&git, &head, &ours, &theirs, options)? {
                Made::Commit(commit, _) => commit,
                Made::Stuck(paths) => return Ok(MergeOutcome::Conflict { paths }),
            },
        };
        let (before, after) = (tree_of(&git, current)?, tree_of(&git, from_git(merged))?);
        let mut gone = Gone::between(&odb, before, after)?;
        gone.leave_out_renamed(&odb)?;
        gone.files.sort();
        let never: Vec<(&BStr, Option<Blob>)> = gone.files.iter().map(|(path, _)| (path.as_bstr(), None)).collect();
        let base = base_tree(&git, ours.commit, theirs.commit, 0)?;
        let base = base.map(|base| write_changes(&odb, Some(base), &never)).transpose()?;
        let label = theirs.name.replace('/', "_");
        let labels = Labels {
            ours: super::OURS,
            theirs: &label,
        };
        let found = merge_trees(&git, base, before, tree_of(&git, from_git(theirs.commit))?, &labels)?;
        let made = commit_of(&git, &ours, &theirs, is_forward, found.tree, message)?;
        let _kept = keep::store(self, &git, &[made])?;
        self.check_out_merge(&head, from_git(made), Some(found.resolved), options)
    }
}

fn commit_of(
    git: &Repository,
    ours: &Side,
    theirs: &Side,
    is_forward: bool,
    tree: git2::Oid,
    message: &str,
) -> Result<git2::Oid> {
    let keeping = || Error::git("commit the files that are kept");
    let find = |side: &Side| git.find_commit(side.commit).map_err(keeping());
    let tree = git.find_tree(tree).map_err(keeping())?;
    let (ours, theirs) = (find(ours)?, find(theirs)?);
    let parents = match is_forward {
        true => vec![&theirs],
        false => vec![&ours, &theirs],
    };
    let who = signature(git);
    git.commit(None, &who, &who, message, &tree, &parents)
        .map_err(keeping())
}
