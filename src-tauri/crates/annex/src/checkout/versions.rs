//! Giving versions of a file that are in conflict other names, or taking them out of the work tree.

use model::RepoPath;

use super::act::{Renamed, delete, rename_inside};
use super::alone;
use super::entry::staged;
use super::place::{Place, Seen};
use super::plan::Planner;
use crate::index::Staged;
use crate::tree::raw::Blob;
use crate::tree::tree_of;
use crate::{Annex, Error, Result};

impl Annex {
    /// Renames files of the work tree, or removes those that get no name, as the user would: the index is left as it is,
    /// and what has changed is found by the next look.
    ///
    /// Refused before anything is touched: if one of the files is not as it was committed last, so that what is removed
    /// is always in the history, or if a new name is taken.
    pub fn rename_versions(&self, versions: &[(RepoPath, Option<RepoPath>)]) -> Result<()> {
        let Some(top) = self.work_tree() else {
            return Err(Error::Refused(format!("{self:?} is bare: it has no files to rename")));
        };
        let _alone = alone(self)?;
        self.finish()?;
        let git = self.git()?;
        // Nobody commits while it is held.
        let index = Staged::open(&git)?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let committed = match self.head()?.commit {
            Some(commit) => git.find_tree(tree_of(&git, commit)?).ok(),
            None => None,
        };
        let is_committed = |path: &RepoPath, blob: Blob| {
            let found = committed.as_ref().and_then(|tree| tree.get_path(path.as_path()).ok());
            found.is_some_and(|found| found.id() == blob.id && found.filemode_raw().cast_unsigned() == blob.mode.bits())
        };
        let store = self.store();
        let (mut place, mut target) = (Place::open(top)?, Place::open(top)?);
        let mut seen = Vec::with_capacity(versions.len());
        for (path, to) in versions {
            let changed = || {
                Error::Refused(format!(
                    "{path} is not as it was committed last; nothing was changed. Try again when it is in step"
                ))
            };
            let entry = index.index().entry(path.as_bytes()).ok_or_else(changed)?;
            let now = place.look(path)?.ok_or_else(changed)?;
            let mut planner = Planner {
                store: &store,
                odb: &odb,
                index: index.index(),
                place: &mut place,
                finishing: false,
            };
            let is_known = staged(entry).is_some_and(|blob| is_committed(path, blob));
            if !is_known || !planner.is_unmodified(path, entry, &now)? {
                return Err(changed());
            }
            seen.push(Version {
                path,
                to: to.as_ref(),
                seen: now,
            });
        }
        for to in seen.iter().filter_map(|version| version.to) {
            let is_version = versions.iter().any(|(path, _)| path == to);
            if !is_version && (place.look(to)?.is_some() || index.index().entry(to.as_bytes()).is_some()) {
                return Err(Error::Refused(format!(
                    "there is another file with the name {to}; nothing was changed. Rename it first"
                )));
            }
        }
        act(&mut place, &mut target, &seen)
    }
}

/// A file, and the name that it is to have.
struct Version<'a> {
    path: &'a RepoPath,
    to: Option<&'a RepoPath>,
    seen: Seen,
}

/// First makes room, then renames, then removes what is left: cut off in between, no version has gone before the one
/// that takes its name was there, but for the one that has the name itself.
fn act(place: &mut Place, target: &mut Place, versions: &[Version<'_>]) -> Result<()> {
    let gone = |version: &&Version<'_>| version.to.is_none();
    let is_wanted = |path: &RepoPath| versions.iter().any(|version| version.to == Some(path));
    let (first, last): (Vec<_>, Vec<_>) = versions
        .iter()
        .filter(gone)
        .partition(|version| is_wanted(version.path));
    let changed = |path: &RepoPath| {
        Error::Refused(format!(
            "{path} was changed at this very moment and is left as it is; nothing is lost. Look at the versions again"
        ))
    };
    let remove = |place: &mut Place, version: &Version<'_>| match delete(place, version.path, &version.seen)? {
        true => Ok(()),
        false => Err(changed(version.path)),
    };
    for version in first {
        remove(place, version)?;
    }
    for version in versions {
        let Some(to) = version.to.filter(|to| *to != version.path) else {
            continue;
        };
        match rename_inside(place, target, version.path, &version.seen, to)? {
            Renamed::Done(_) => {}
            Renamed::SourceChanged => return Err(changed(version.path)),
            Renamed::TargetExists => return Err(changed(to)),
        }
    }
    for version in last {
        remove(place, version)?;
    }
    Ok(())
}
