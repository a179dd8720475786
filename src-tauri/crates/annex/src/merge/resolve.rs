//! What becomes of one path in conflict.

use std::collections::BTreeMap;

use bstr::BString;
use git2::{ObjectType, Odb};
use model::Key;

use super::control::{Control, union};
use super::variant::{Side, variant, variants};
use crate::tree::annexed;
use crate::tree::raw::{Blob, Mode};
use crate::{Error, Result};

/// Text files larger than this are not merged by lines.
pub(super) const LARGEST_TEXT: usize = 16 << 20;

/// How one side of a merge is called in names: `HEAD`, or the merged ref with `/` as `_`.
pub(super) struct Labels<'a> {
    pub(super) ours: &'a str,
    pub(super) theirs: &'a str,
}

/// One version of a file.
#[derive(Debug, Clone)]
pub(super) struct Version {
    blob: Blob,
    side: Side,
}

impl Version {
    /// Its key, if it is annexed.
    pub(super) fn key(&self) -> Option<&Key> {
        match &self.side {
            Side::Annexed(key) => Some(key),
            Side::InGit(_) => None,
        }
    }

    /// True for a regular file with its lines in git.
    fn lies_in_git(&self) -> bool {
        let is_file = matches!(self.blob.mode, Mode::File | Mode::Executable);
        is_file && self.key().is_none()
    }
}

/// Finds out what a blob stands for.
pub(super) fn version(odb: &Odb<'_>, blob: Blob) -> Result<Version> {
    let side = match annexed(odb, blob)? {
        Some(annexed) => Side::Annexed(annexed.key),
        None => Side::InGit(blob.id),
    };
    Ok(Version { blob, side })
}

/// Decides about one path: what is to be added; the path itself goes, unless it is among that.
pub(super) fn resolve(
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
        // One content is enough, wherever it goes: both sides may have it where one of them has a directory, if it was renamed.
        (Some(ours), Some(theirs)) if ours.side == theirs.side && is_directory => {
            add(variant(path, &ours.side), same_key(ours.blob, theirs.blob));
        }
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
            _ => {
                let (a, b) = variants(path, &ours.side, &theirs.side);
                add(a, ours.blob);
                add(b, theirs.blob);
            }
        },
        (Some(one), None) => resolve_one(path, one, is_directory, labels.ours, &mut add),
        (None, Some(one)) => resolve_one(path, one, is_directory, labels.theirs, &mut add),
    }
}

/// Decides about a control file. One version is always at its path: the union where git has the lines of both, else the
/// one that git reads. Only a version that rules nothing, or of which the lines are not in git, stands beside it.
pub(super) fn resolve_control(
    odb: &Odb<'_>,
    path: &BString,
    control: Control,
    ours: Option<Version>,
    theirs: Option<Version>,
    added: &mut BTreeMap<BString, Blob>,
) -> Result<()> {
    let (one, other) = match (ours, theirs) {
        (None, None) => return Ok(()),
        (Some(only), None) | (None, Some(only)) => {
            added.insert(path.clone(), only.blob);
            return Ok(());
        }
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    if one.side == other.side {
        added.insert(path.clone(), same_key(one.blob, other.blob));
        return Ok(());
    }
    let read = |version: &Version| odb.read(version.blob.id).map_err(Error::git("read a file to merge"));
    if one.lies_in_git() && other.lies_in_git() {
        let (a, b) = (read(&one)?, read(&other)?);
        if a.len().max(b.len()) <= LARGEST_TEXT {
            let both = union(control, a.data(), b.data());
            let id = odb
                .write(ObjectType::Blob, &both)
                .map_err(Error::git("write a merged file"))?;
            let mode = one.blob.mode.min(other.blob.mode);
            added.insert(path.clone(), Blob { mode, id });
            return Ok(());
        }
    }
    // The same one on both sides.
    let weight = |version: &Version| {
        let is_link = version.blob.mode == Mode::Symlink;
        (version.lies_in_git(), !is_link, version.blob)
    };
    let (kept, beside) = match weight(&one) > weight(&other) {
        true => (one, other),
        false => (other, one),
    };
    added.insert(path.clone(), kept.blob);
    added.insert(variant(path, &beside.side), beside.blob);
    Ok(())
}

/// Decides about a file that only one side has.
fn resolve_one(
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
