//! Files that are kept in several versions, because they were changed in two places at once.
//!
//! Nothing remembers them: a merge leaves the versions under names of their own (see `merge`), and by these they are
//! found again, whoever merged.

mod history;
mod resolving;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use git2::Odb;
use model::{Key, RepoPath};

use crate::index::{EntryRef, Index};
use crate::merge::original;
use crate::tree::annexed;
use crate::tree::raw::{Blob, Mode};
use crate::{Annex, Error, Result};

/// A file that is kept in several versions, or in one that has lost its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name that the file had.
    pub path: RepoPath,
    /// The versions in the order of their names. Of several, one may have the name that the file had. A single one has not:
    /// it was changed in one place and deleted in the other, or the user took the others away.
    pub versions: Vec<Version>,
}

/// One version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The name that it is kept under.
    pub path: RepoPath,
    /// Its key; none if it is in git itself.
    pub key: Option<Key>,
    /// Its bytes; none if not known.
    pub bytes: Option<u64>,
    /// True if its content is here.
    pub is_here: bool,
    /// Whose commit brought it; none if that lies too far back.
    pub brought: Option<Brought>,
}

/// The name that a file had before a merge kept several versions of it, by the name of one of them; none if `path` is no
/// such name.
pub fn unversioned(path: &RepoPath) -> Option<RepoPath> {
    original(path.as_bytes())
}

/// The author of a commit, and when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// The author's name.
    pub who: String,
    /// Seconds since the epoch.
    pub at: u64,
}

impl Annex {
    /// All conflicts, by the versions of the index that are in the work tree. What the user has just removed or renamed is
    /// resolved, though not committed yet.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        let Some(top) = self.work_tree() else {
            return Ok(Vec::new());
        };
        let git = self.git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let index = Index::read(self, &git)?;
        let mut groups: BTreeMap<RepoPath, Vec<(RepoPath, Blob)>> = BTreeMap::new();
        let entries = index.entries();
        for entry in entries.iter(&entries.all()).filter(|entry| entry.stage() == 0) {
            if let Some(path) = original(entry.path) {
                groups.entry(path).or_default().extend(file(&entry));
            }
        }
        for (path, versions) in &mut groups {
            versions.extend(entries.get(path.as_bytes()).as_ref().and_then(file));
            versions.retain(|(name, _)| top.join(name.as_path()).symlink_metadata().is_ok());
            versions.sort();
        }
        groups.retain(|path, versions| versions.iter().any(|(name, _)| name != path));
        let brought = history::brought(&git, &odb, &groups)?;
        let mut conflicts = Vec::with_capacity(groups.len());
        for (path, versions) in groups {
            let versions = versions.into_iter().map(|(name, blob)| {
                let brought = brought.get(&(path.clone(), blob)).cloned();
                self.version(&odb, name, blob, brought)
            });
            conflicts.push(Conflict {
                versions: versions.collect::<Result<_>>()?,
                path,
            });
        }
        Ok(conflicts)
    }

    fn version(&self, odb: &Odb<'_>, path: RepoPath, blob: Blob, brought: Option<Brought>) -> Result<Version> {
        let key = annexed(odb, blob)?.map(|annexed| annexed.key);
        let (bytes, is_here) = match &key {
            Some(key) => (key.size(), self.store().is_present(key)),
            None => {
                let header = odb.read_header(blob.id);
                let (size, _) = header.map_err(Error::git(format!("read the size of {path}")))?;
                (Some(size as u64), true)
            }
        };
        Ok(Version {
            path,
            key,
            bytes,
            is_here,
            brought,
        })
    }
}

/// The file that an entry stands for; none for a submodule and for what no work tree may hold.
fn file(entry: &EntryRef<'_>) -> Option<(RepoPath, Blob)> {
    let mode = Mode::from_bits(entry.mode).filter(|mode| *mode != Mode::Submodule)?;
    let id = crate::oid::to_git(entry.oid);
    Some((RepoPath::parse(entry.path).ok()?, Blob { mode, id }))
}
