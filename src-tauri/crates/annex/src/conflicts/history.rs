//! Whose commit brought which version.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use git2::{Odb, Repository};
use model::RepoPath;

use super::Brought;
use crate::tree::raw::{self, Blob, Mode};
use crate::{Error, Result};

/// How many commits are looked at.
pub(super) const FAR: usize = 1000;

/// Finds the last commits that brought these versions, by the name that the file had and the version.
///
/// A merge gives versions their names but brings none of them, nor does it bring a version to give it another name: what
/// counts is the commit by which the content came to stand at the name of the file, or, if there is none, at one of
/// theirs. There it may also have been brought back.
pub(super) fn brought(
    git: &Repository,
    odb: &Odb<'_>,
    conflicts: &BTreeMap<RepoPath, Vec<(RepoPath, Blob)>>,
) -> Result<BTreeMap<(RepoPath, Blob), Brought>> {
    let mut found = BTreeMap::new();
    let mut names: HashMap<&[u8], &RepoPath> = HashMap::new();
    let mut wanted: BTreeSet<(&RepoPath, Blob)> = BTreeSet::new();
    for (path, versions) in conflicts {
        names.insert(path.as_bytes(), path);
        names.extend(versions.iter().map(|(name, _)| (name.as_bytes(), path)));
        wanted.extend(versions.iter().map(|(_, blob)| (path, *blob)));
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let walking = || Error::git("read the history");
    let mut walk = git.revwalk().map_err(walking())?;
    // In the order that a walk has by itself, no more commits are read than are looked at.
    walk.push_head().map_err(walking())?;
    for id in walk.take(FAR) {
        let commit = git.find_commit(id.map_err(walking())?).map_err(walking())?;
        let before = match commit.parent_count() {
            0 => None,
            1 => Some(commit.parent(0).and_then(|parent| parent.tree()).map_err(walking())?),
            _ => continue,
        };
        raw::differences(
            odb,
            before.as_ref().map(git2::Tree::id),
            Some(commit.tree_id()),
            &mut |name, _, now| {
                let version = names.get(name).copied().zip(now);
                let Some((path, blob)) = version.filter(|version| wanted.contains(version)) else {
                    return Ok(());
                };
                let mut siblings = conflicts[path].iter().map(|(name, _)| name).chain([path]);
                if siblings.any(|name| file_at(before.as_ref(), name) == Some(blob)) {
                    return Ok(());
                }
                let author = commit.author();
                let who = String::from_utf8_lossy(author.name_bytes()).into_owned();
                let at = u64::try_from(author.when().seconds()).unwrap_or(0);
                let brought = Brought { who, at };
                if name == path.as_bytes() {
                    wanted.remove(&(path, blob));
                    found.insert((path.clone(), blob), brought);
                } else {
                    found.entry((path.clone(), blob)).or_insert(brought);
                }
                Ok(())
            },
        )?;
        if wanted.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// The file at a path of a tree; none if there is none, or a directory.
pub(super) fn file_at(tree: Option<&git2::Tree<'_>>, path: &RepoPath) -> Option<Blob> {
    let entry = tree?.get_path(path.as_path()).ok()?;
    let mode = Mode::from_bits(entry.filemode_raw().cast_unsigned())?;
    Some(Blob { mode, id: entry.id() })
}
