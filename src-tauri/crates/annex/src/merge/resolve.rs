//! What becomes of each path in conflict.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;
use git2::{Index, IndexEntry, IndexTime, Odb};
use model::{Key, RepoPath};

use super::variant::{Side, variant, variants};
use crate::tree::annexed;
use crate::tree::raw::{Blob, Mode};
use crate::{Error, Result};

/// How one side of a merge is called in names: `HEAD`, or the merged ref with `/` as `_`.
pub(super) struct Labels<'a> {
    pub(super) ours: &'a str,
    pub(super) theirs: &'a str,
}

/// A path in conflict, with what each side has there.
#[derive(Debug, Default)]
struct Conflict {
    ours: Option<Blob>,
    theirs: Option<Blob>,
}

/// One version of a file in conflict.
#[derive(Debug, Clone)]
struct Version {
    blob: Blob,
    side: Side,
}

impl Version {
    fn key(&self) -> Option<&Key> {
        match &self.side {
            Side::Annexed(key) => Some(key),
            Side::InGit(_) => None,
        }
    }
}

/// The paths that were in conflict.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Those that are resolved now.
    pub(super) resolved: Vec<RepoPath>,
    /// Those for which there is no rule: submodules.
    pub(super) unresolved: Vec<RepoPath>,
}

impl Resolved {
    /// All paths that were in conflict.
    pub(super) fn all(mut self) -> Vec<RepoPath> {
        self.resolved.append(&mut self.unresolved);
        self.resolved
    }
}

/// Resolves every conflict in a merged index, as git-annex does where it has a rule (see the parent module).
pub(super) fn resolve(index: &mut Index, odb: &Odb<'_>, labels: &Labels<'_>) -> Result<Resolved> {
    let mut done = Resolved::default();
    let conflicts = conflicts_of(index)?;
    let mut removed = BTreeSet::new();
    let mut added: BTreeMap<BString, Blob> = BTreeMap::new();
    let mut waiting = Vec::new();
    for (path, conflict) in conflicts {
        let shown = shown(&path)?;
        let version = |blob: Option<Blob>| -> Result<Option<Version>> {
            let Some(blob) = blob else { return Ok(None) };
            let side = match annexed(odb, blob)? {
                Some(annexed) => Side::Annexed(annexed.key),
                None => Side::InGit(blob.id),
            };
            Ok(Some(Version { blob, side }))
        };
        let (ours, theirs) = (version(conflict.ours)?, version(conflict.theirs)?);
        let is_submodule = |version: &Option<Version>| version.as_ref().is_some_and(|v| v.blob.mode == Mode::Submodule);
        if is_submodule(&ours) || is_submodule(&theirs) {
            done.unresolved.push(shown);
            continue;
        }
        removed.insert(path.clone());
        done.resolved.push(shown);
        waiting.push((path, ours, theirs));
    }
    for path in &removed {
        index
            .remove_all_stages(path)
            .map_err(Error::git(format!("resolve the conflict at {path}")))?;
    }
    // What is below a path is known only when all conflicts are out of the index, but for those that keep their path.
    let mut directories = directories_of(index);
    for (path, ours, theirs) in &waiting {
        if ours.is_some() || theirs.is_some() {
            add_parents(path, &mut directories);
        }
    }
    for (path, ours, theirs) in waiting {
        settle(&path, ours, theirs, directories.contains(&path), labels, &mut added);
    }
    for (path, blob) in added {
        let path = shown(&path)?;
        index
            .add(&plain_entry(&path, blob))
            .map_err(Error::git(format!("resolve a conflict with {path}")))?;
    }
    Ok(done)
}

/// Decides about one path.
fn settle(
    path: &BString,
    ours: Option<Version>,
    theirs: Option<Version>,
    is_directory: bool,
    labels: &Labels<'_>,
    added: &mut BTreeMap<BString, Blob>,
) {
    let mut add = |name: BString, blob: Blob| added.insert(name, blob);
    match (ours, theirs) {
        (None, None) => {}
        (Some(ours), Some(theirs)) => match (ours.key(), theirs.key()) {
            (Some(a), Some(b)) if a == b => {
                add(path.clone(), same_key(ours.blob, theirs.blob));
            }
            (Some(_), None) if !is_directory => {
                add(variant(path, &ours.side), ours.blob);
                add(path.clone(), theirs.blob);
            }
            (None, Some(_)) if !is_directory => {
                add(path.clone(), ours.blob);
                add(variant(path, &theirs.side), theirs.blob);
            }
            (None, None) if ours.blob.id == theirs.blob.id && !is_directory && ours.is_link() == theirs.is_link() => {
                // Only the permissions differ: executable wins on both sides alike.
                let executable = ours.blob.mode == Mode::Executable;
                add(path.clone(), if executable { ours.blob } else { theirs.blob });
            }
            _ => {
                let (a, b) = variants(path, &ours.side, &theirs.side);
                add(a, ours.blob);
                add(b, theirs.blob);
            }
        },
        (Some(one), None) => settle_one(path, one, is_directory, labels.ours, &mut add),
        (None, Some(one)) => settle_one(path, one, is_directory, labels.theirs, &mut add),
    }
}

/// Decides about a file that only one side has.
fn settle_one(
    path: &BString,
    one: Version,
    is_directory: bool,
    label: &str,
    add: &mut impl FnMut(BString, Blob) -> Option<Blob>,
) {
    match (&one.side, is_directory) {
        (Side::Annexed(_), true) => {
            let mut renamed = path.clone();
            renamed.push(b'~');
            renamed.extend_from_slice(label.as_bytes());
            add(variant(&renamed, &one.side), one.blob);
        }
        (Side::Annexed(_), false) | (Side::InGit(_), true) => {
            add(variant(path, &one.side), one.blob);
        }
        (Side::InGit(_), false) => {
            add(path.clone(), one.blob);
        }
    }
}

impl Version {
    fn is_link(&self) -> bool {
        self.blob.mode == Mode::Symlink
    }
}

/// One content in two forms: unlocked wins; of two pointers or two links that are written differently, both sides
/// take the same one.
fn same_key(ours: Blob, theirs: Blob) -> Blob {
    let rank = |blob: Blob| match blob.mode {
        Mode::Executable => 2,
        Mode::File => 1,
        Mode::Symlink | Mode::Submodule => 0,
    };
    std::cmp::max_by_key(ours, theirs, |&blob| (rank(blob), blob.id))
}

fn conflicts_of(index: &Index) -> Result<BTreeMap<BString, Conflict>> {
    let mut all: BTreeMap<BString, Conflict> = BTreeMap::new();
    let reading = || Error::git("read the conflicts of a merge");
    for conflict in index.conflicts().map_err(reading())? {
        let conflict = conflict.map_err(reading())?;
        let blob = |entry: &IndexEntry| Mode::from_bits(entry.mode).map(|mode| Blob { mode, id: entry.id });
        // With a rename, each side may have a path of its own.
        if let Some(entry) = &conflict.ancestor {
            all.entry(entry.path.clone().into()).or_default();
        }
        if let Some(entry) = &conflict.our {
            all.entry(entry.path.clone().into()).or_default().ours = blob(entry);
        }
        if let Some(entry) = &conflict.their {
            all.entry(entry.path.clone().into()).or_default().theirs = blob(entry);
        }
    }
    Ok(all)
}

/// Every directory that the index has a file in.
fn directories_of(index: &Index) -> BTreeSet<BString> {
    let mut directories = BTreeSet::new();
    for entry in index.iter() {
        add_parents(&entry.path.into(), &mut directories);
    }
    directories
}

fn add_parents(path: &BString, directories: &mut BTreeSet<BString>) {
    let mut rest = path.as_slice();
    while let Some(slash) = rest.iter().rposition(|&b| b == b'/') {
        rest = &rest[..slash];
        if !directories.insert(rest.into()) {
            return;
        }
    }
}

fn shown(path: &BString) -> Result<RepoPath> {
    RepoPath::parse(path).map_err(|why| {
        Error::Refused(format!(
            "two commits are not merged, because one contains {path:?} ({why}); nothing was changed. Remove that path in the repository that it came from"
        ))
    })
}

fn plain_entry(path: &RepoPath, blob: Blob) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: blob.mode.bits(),
        uid: 0,
        gid: 0,
        file_size: 0,
        id: blob.id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

trait RemoveAllStages {
    fn remove_all_stages(&mut self, path: &BString) -> std::result::Result<(), git2::Error>;
}

impl RemoveAllStages for Index {
    fn remove_all_stages(&mut self, path: &BString) -> std::result::Result<(), git2::Error> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        for stage in 0..=3 {
            match self.remove(path, stage) {
                Err(error) if error.code() != git2::ErrorCode::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
