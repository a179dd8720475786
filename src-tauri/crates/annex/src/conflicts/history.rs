//! Whose commit brought which version.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use git2::{Odb, Repository};
use model::RepoPath;

use super::Brought;
use crate::tree::raw::{self, Blob};
use crate::{Error, Result};

/// How many commits are looked at.
const FAR: usize = 1000;

/// Finds the last commits that brought these versions, by the name that the file had and the version.
///
/// A merge gives versions their names but brings none of them: what counts is the commit by which the content came to
/// stand at one of the names.
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
    walk.set_sorting(git2::Sort::TIME).map_err(walking())?;
    walk.push_head().map_err(walking())?;
    for id in walk.take(FAR) {
        let commit = git.find_commit(id.map_err(walking())?).map_err(walking())?;
        let before = match commit.parent_count() {
            0 => None,
            1 => Some(commit.parent(0).map_err(walking())?.tree_id()),
            _ => continue,
        };
        raw::differences(odb, before, Some(commit.tree_id()), &mut |name, _, now| {
            let version = names.get(name).copied().zip(now);
            if let Some((path, blob)) = version.filter(|version| wanted.remove(version)) {
                let author = commit.author();
                let who = String::from_utf8_lossy(author.name_bytes()).into_owned();
                let at = u64::try_from(author.when().seconds()).unwrap_or(0);
                found.insert((path.clone(), blob), Brought { who, at });
            }
            Ok(())
        })?;
        if wanted.is_empty() {
            break;
        }
    }
    Ok(found)
}
