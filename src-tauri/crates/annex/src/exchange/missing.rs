//! Which objects another repository lacks.

use std::collections::{BinaryHeap, HashSet};
use std::fs;
use std::io::ErrorKind;

use git2::{Oid, Repository};

use crate::tree::raw;
use crate::{Error, Result};

/// Clocks of different machines are trusted to this many seconds when a walk decides where to stop. A clock that is
/// further off costs time, never objects.
const SKEW: i64 = 86_400;

/// Finds the objects that `to` needs to have everything that the commits `tips` of `from` lead to.
///
/// What the branches of `to` lead to is complete there, and nothing else is: a commit that is merely lying about may
/// have come from a transfer that was cut off.
pub(crate) fn missing(from: &Repository, to: &Repository, tips: &[Oid]) -> Result<Vec<Oid>> {
    let mut reachable = Reachable::new(to)?;
    let mut objects = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting = tips.to_vec();
    let odb = from.odb().map_err(Error::git("open the object database"))?;
    let borders = borders(from)?;
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let commit = from
            .find_commit(id)
            .map_err(Error::git(format!("read the commit {id} in {}", from.path().display())))?;
        if reachable.contains(id, commit.time().seconds())? {
            continue;
        }
        // What came before it is not here, and would be missing there: git says that such a commit has parents.
        if borders.contains(&id) {
            return Err(shallow(from));
        }
        objects.push(id);
        waiting.extend(commit.parent_ids());
        let parents = commit.parents().map(|parent| parent.tree_id()).collect::<Vec<_>>();
        // A parent that cannot be read stops the walk at the latest when its turn comes.
        new_in_tree(&odb, commit.tree_id(), parents, &mut seen, &mut objects)?;
    }
    Ok(objects)
}

/// The commits of a shallow clone whose parents it does not have.
fn borders(git: &Repository) -> Result<HashSet<Oid>> {
    let path = git.commondir().join("shallow");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter_map(|line| Oid::from_str(line).ok()).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// Says that a repository has only a part of its history.
pub(crate) fn shallow(git: &Repository) -> Error {
    let shown = git.workdir().unwrap_or(git.path()).display();
    Error::Refused(format!(
        "{shown} has only a part of its history (a shallow clone), and another repository needs all of it; nothing was changed. Run 'git fetch --unshallow' there"
    ))
}

/// Collects what a tree has that none of the trees at the same place in the parents have.
fn new_in_tree(
    odb: &git2::Odb<'_>,
    tree: Oid,
    parents: Vec<Oid>,
    seen: &mut HashSet<Oid>,
    objects: &mut Vec<Oid>,
) -> Result<()> {
    if parents.contains(&tree) || !seen.insert(tree) {
        return Ok(());
    }
    objects.push(tree);
    let mut waiting = vec![(tree, parents)];
    while let Some((tree, parents)) = waiting.pop() {
        let object = raw::read(odb, tree)?;
        let entries = raw::parse(object.data()).ok_or_else(|| raw::malformed(tree))?;
        let old = parents
            .iter()
            .map(|&parent| raw::read(odb, parent))
            .collect::<Result<Vec<_>>>()?;
        let mut old_ids = HashSet::new();
        let mut old_directories = std::collections::HashMap::<Vec<u8>, Vec<Oid>>::new();
        for object in &old {
            for entry in raw::parse(object.data()).ok_or_else(|| raw::malformed(object.id()))? {
                old_ids.insert(entry.id);
                if entry.mode.is_none() {
                    old_directories.entry(entry.name.to_vec()).or_default().push(entry.id);
                }
            }
        }
        for entry in entries {
            let is_submodule = entry.mode == Some(raw::Mode::Submodule);
            if is_submodule || old_ids.contains(&entry.id) || !seen.insert(entry.id) {
                continue;
            }
            objects.push(entry.id);
            if entry.mode.is_none() {
                let parents = old_directories.get(entry.name).cloned().unwrap_or_default();
                waiting.push((entry.id, parents));
            }
        }
    }
    Ok(())
}

/// The commits that the branches of a repository lead to, found as far back as anyone asks.
struct Reachable<'a> {
    repository: &'a Repository,
    odb: git2::Odb<'a>,
    seen: HashSet<Oid>,
    /// Commits whose parents were not looked at yet, the newest first.
    border: BinaryHeap<(i64, Oid)>,
}

impl<'a> Reachable<'a> {
    fn new(repository: &'a Repository) -> Result<Self> {
        let shown = repository.path().display();
        let reading = || Error::git(format!("read the branches of {shown}"));
        let mut all = Self {
            repository,
            odb: repository.odb().map_err(reading())?,
            seen: HashSet::new(),
            border: BinaryHeap::new(),
        };
        for reference in repository.references().map_err(reading())?.flatten() {
            if let Ok(commit) = reference.peel_to_commit() {
                all.meet(&commit);
            }
        }
        Ok(all)
    }

    fn meet(&mut self, commit: &git2::Commit<'_>) {
        if self.seen.insert(commit.id()) {
            self.border.push((commit.time().seconds(), commit.id()));
        }
    }

    fn contains(&mut self, id: Oid, seconds: i64) -> Result<bool> {
        if self.seen.contains(&id) {
            return Ok(true);
        }
        if !self.odb.exists_ext(id, git2::OdbLookupFlags::NO_REFRESH) {
            return Ok(false);
        }
        while self
            .border
            .peek()
            .is_some_and(|(newest, _)| *newest >= seconds.saturating_sub(SKEW))
        {
            let Some((_, next)) = self.border.pop() else { break };
            let commit = self
                .repository
                .find_commit(next)
                .map_err(Error::git(format!("read the commit {next}")))?;
            for parent in commit.parents() {
                self.meet(&parent);
            }
        }
        Ok(self.seen.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::borders;
    use crate::fixture::Fixture;

    #[test]
    fn borders_that_cannot_be_read_are_not_taken_for_none() {
        let here = Fixture::new();
        let git = here.repo();
        assert!(borders(&git).unwrap().is_empty());
        std::fs::create_dir(git.path().join("shallow")).unwrap();
        borders(&git).unwrap_err();
    }
}
