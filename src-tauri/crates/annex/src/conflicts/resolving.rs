//! Resolving a conflict, and taking that back: commits that give files other names, which the work tree then follows.

use std::collections::BTreeMap;

use git2::Repository;
use model::RepoPath;

use super::history::{FAR, file_at};
use crate::identity::signature;
use crate::merge::original;
use crate::objects::{Bulk, TreeEntry};
use crate::oid::{from_git, to_git};
use crate::tree::Head;
use crate::tree::raw::{Blob, Mode};
use crate::{Annex, CheckoutOptions, Error, Result};

/// What is to be at each path; none for nothing.
type Changes = BTreeMap<RepoPath, Option<Blob>>;

impl Annex {
    /// Commits that versions of `file` have other names, or none, and makes the work tree follow. What gets no name stays in
    /// the history.
    ///
    /// Refused, before anything is touched: if a version is not as it was committed last, or if a new name is taken.
    pub fn resolve_conflict(
        &self,
        file: &RepoPath,
        versions: &[(RepoPath, Option<RepoPath>)],
        options: &CheckoutOptions,
    ) -> Result<()> {
        let git = self.git()?;
        let head = self.head()?;
        let now = Tree::of_head(&git, &head)?;
        let is_there = |path: &RepoPath| {
            self.work_tree()
                .is_some_and(|top| top.join(path.as_path()).symlink_metadata().is_ok())
        };
        let mut changes = Changes::new();
        for (path, _) in versions {
            changes.insert(path.clone(), None);
        }
        for (path, to) in versions {
            let blob = now.blob(path).filter(|_| is_there(path)).ok_or_else(|| changed(path))?;
            let Some(to) = to else { continue };
            let is_version = versions.iter().any(|(path, _)| path == to);
            if !is_version && (is_there(to) || now.blob(to).is_some()) {
                return Err(taken(to));
            }
            changes.insert(to.clone(), Some(blob));
        }
        let kept = versions.iter().filter(|(_, to)| to.is_some()).count();
        let message = match kept {
            0 => format!("deleted all versions of {file}"),
            1 => format!("kept one version of {file}"),
            _ => format!("kept all versions of {file}"),
        };
        let blocked = self.commit_changes(&git, &head, &changes, &message, options)?;
        match blocked {
            None => Ok(()),
            Some(path) if versions.iter().any(|(version, _)| *version == path) => Err(changed(&path)),
            Some(path) => Err(taken(&path)),
        }
    }

    /// Restores the versions of `file` from before the last commit that resolved its conflict, whoever made
    /// that; the names that it gave them go.
    ///
    /// Refused, before anything is touched: if there is no such commit among the last, or if what it left was changed
    /// since.
    pub fn reopen_conflict(&self, file: &RepoPath, options: &CheckoutOptions) -> Result<()> {
        let git = self.git()?;
        let head = self.head()?;
        let resolved = resolved(&git, &head, file)?.ok_or_else(|| {
            Error::Refused(format!(
                "no conflict of {file} was resolved lately, so there is nothing to take back; nothing was changed"
            ))
        })?;
        let now = Tree::of_head(&git, &head)?;
        let changed = |path: &RepoPath| {
            Error::Refused(format!(
                "{path} was changed since the conflict was resolved; nothing was changed now. What was not kept is in the history"
            ))
        };
        let mut changes = Changes::new();
        for (path, blob) in &resolved.given {
            match now.blob(path) {
                Some(found) if found == *blob => drop(changes.insert(path.clone(), None)),
                // Taken away or renamed by the user, who is free to.
                None => {}
                Some(_) => return Err(changed(path)),
            }
        }
        for (path, (blob, left)) in &resolved.versions {
            let is_as_left = now
                .blob(path)
                .is_none_or(|found| found == *blob || Some(found) == *left);
            if !is_as_left {
                return Err(changed(path));
            }
            changes.insert(path.clone(), Some(*blob));
        }
        let message = format!("brought back the versions of {file}");
        match self.commit_changes(&git, &head, &changes, &message, options)? {
            None => Ok(()),
            Some(path) => Err(changed(&path)),
        }
    }

    /// Commits changes and makes the work tree follow, or says which file is in the way of that; then nothing was
    /// changed.
    fn commit_changes(
        &self,
        git: &Repository,
        head: &Head,
        changes: &Changes,
        message: &str,
        options: &CheckoutOptions,
    ) -> Result<Option<RepoPath>> {
        let Some(parent) = head.commit.map(to_git) else {
            return Err(Error::Refused(
                "nothing was committed here yet; nothing was changed".to_owned(),
            ));
        };
        let base = git.find_commit(parent).map_err(reading())?.tree_id();
        let mut bulk = Bulk::begin(git)?;
        let (paths, blobs): (Vec<Vec<u8>>, Vec<Option<Blob>>) = changes
            .iter()
            .map(|(path, blob)| (path.as_bytes().to_vec(), *blob))
            .unzip();
        let tree = bulk.rewrite(Some(base), &paths, &mut |_, at, _| {
            Ok(blobs[at].map(|blob| TreeEntry {
                mode: blob.mode.bits(),
                id: blob.id,
            }))
        })?;
        let tree = match tree {
            Some(tree) => tree,
            None => bulk.tree(crate::objects::Tree::default())?,
        };
        let commit = bulk.commit(tree, &[parent], &signature(git), message)?;
        let _kept = bulk.finish()?;
        let done = self.check_out(head, from_git(commit), options)?;
        Ok(done.blocked.into_iter().next())
    }
}

fn changed(path: &RepoPath) -> Error {
    Error::Refused(format!(
        "{path} has changes that are not committed yet; nothing was changed. Try again in a moment"
    ))
}

fn taken(path: &RepoPath) -> Error {
    Error::Refused(format!(
        "there is another file with the name {path}; nothing was changed. Rename it first"
    ))
}

fn reading() -> impl FnOnce(git2::Error) -> Error {
    Error::git("read the history")
}

/// The files of a commit.
struct Tree<'g>(Option<git2::Tree<'g>>);

impl<'g> Tree<'g> {
    fn of_head(git: &'g Repository, head: &Head) -> Result<Self> {
        let commit = head.commit.map(|commit| git.find_commit(to_git(commit)));
        let commit = commit.transpose().map_err(reading())?;
        commit
            .map(|commit| commit.tree())
            .transpose()
            .map(Self)
            .map_err(reading())
    }

    /// The file at a path; none if there is none, or a directory.
    fn blob(&self, path: &RepoPath) -> Option<Blob> {
        file_at(self.0.as_ref(), path)
    }

    /// The directory that a file is in; none if there is none.
    fn directory_of(&self, git: &'g Repository, file: &RepoPath) -> Option<git2::Tree<'g>> {
        let tree = self.0.as_ref()?;
        match file.parent() {
            None => Some(tree.clone()),
            Some(parent) => git.find_tree(tree.get_path(parent.as_path()).ok()?.id()).ok(),
        }
    }
}

/// The files of a directory that passes for the one of `file`, by their whole paths.
fn files(directory: Option<&git2::Tree<'_>>, file: &RepoPath) -> BTreeMap<RepoPath, Blob> {
    let above = file
        .parent()
        .map_or_else(Vec::new, |parent| [parent.as_bytes(), b"/"].concat());
    let found = |entry: git2::TreeEntry<'_>| {
        let path = RepoPath::parse(&[&above, entry.name_bytes()].concat()).ok()?;
        let mode = Mode::from_bits(entry.filemode_raw().cast_unsigned())?;
        Some((path, Blob { mode, id: entry.id() }))
    };
    directory
        .iter()
        .flat_map(|tree| tree.iter())
        .filter_map(found)
        .collect()
}

/// How a conflict was resolved.
struct Resolved {
    /// The versions before, and what stood in their place after.
    versions: BTreeMap<RepoPath, (Blob, Option<Blob>)>,
    /// Names that they were given, with what stood there then.
    given: BTreeMap<RepoPath, Blob>,
}

/// The last commit by which a version of `file` went that had not its name, or stood beside others. A merge resolves nothing
/// itself.
fn resolved(git: &Repository, head: &Head, file: &RepoPath) -> Result<Option<Resolved>> {
    if head.commit.is_none() {
        return Ok(None);
    }
    let mut walk = git.revwalk().map_err(reading())?;
    // In the order that a walk has by itself, no more commits are read than are looked at.
    walk.push_head().map_err(reading())?;
    let is_version = |path: &RepoPath| path == file || original(path.as_bytes()).as_ref() == Some(file);
    for id in walk.take(FAR) {
        let commit = git.find_commit(id.map_err(reading())?).map_err(reading())?;
        if commit.parent_count() != 1 {
            continue;
        }
        let before = commit.parent(0).map_err(reading())?;
        let [old, new] = [before, commit].map(|commit| Ok(Tree(Some(commit.tree().map_err(reading())?))));
        let [old, new] = [old?, new?].map(|tree: Tree<'_>| tree.directory_of(git, file));
        if old.as_ref().map(git2::Tree::id) == new.as_ref().map(git2::Tree::id) {
            continue;
        }
        let (old, new) = (files(old.as_ref(), file), files(new.as_ref(), file));
        let versions: BTreeMap<RepoPath, Blob> = old.iter().filter(|(path, _)| is_version(path)).map(owned).collect();
        let is_conflict = versions.keys().any(|path| path != file);
        if !is_conflict || versions.keys().all(|path| new.contains_key(path)) {
            continue;
        }
        let is_given = |(path, blob): &(&RepoPath, &Blob)| {
            !old.contains_key(*path) && versions.values().any(|version| version == *blob)
        };
        let given = new.iter().filter(is_given).map(owned).collect();
        let after = |(path, blob): (RepoPath, Blob)| {
            let left = new.get(&path).copied();
            (path, (blob, left))
        };
        return Ok(Some(Resolved {
            given,
            versions: versions.into_iter().map(after).collect(),
        }));
    }
    Ok(None)
}

fn owned((path, blob): (&RepoPath, &Blob)) -> (RepoPath, Blob) {
    (path.clone(), *blob)
}
