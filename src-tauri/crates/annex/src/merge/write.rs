//! Writing a tree that differs from another in a few paths.

use std::collections::BTreeMap;

use bstr::{BStr, ByteSlice};
use git2::{ObjectType, Odb, Oid};

use crate::tree::raw::{self, Blob, Mode};
use crate::{Error, Result};

/// Writes the tree that `tree` becomes when each path has what is given, or nothing. Directories that become empty go.
/// The changes are sorted by path; none of the files that they make is above another.
pub(super) fn write_changes(odb: &Odb<'_>, tree: Option<Oid>, changes: &[(&BStr, Option<Blob>)]) -> Result<Oid> {
    match changed(odb, tree, changes, 0)? {
        Some(id) => Ok(id),
        None => write(odb, &BTreeMap::new()),
    }
}

/// An entry by its name with a slash after directories: the order of git.
type Entries = BTreeMap<Vec<u8>, (Option<Mode>, Oid)>;

fn key(name: &[u8], is_directory: bool) -> Vec<u8> {
    let mut key = name.to_vec();
    if is_directory {
        key.push(b'/');
    }
    key
}

/// None if nothing is left.
fn changed(odb: &Odb<'_>, tree: Option<Oid>, changes: &[(&BStr, Option<Blob>)], skip: usize) -> Result<Option<Oid>> {
    let mut entries = Entries::new();
    if let Some(tree) = tree {
        let object = raw::read(odb, tree)?;
        let old = raw::parse(object.data()).ok_or_else(|| raw::malformed(tree))?;
        entries.extend(
            old.iter()
                .map(|entry| (key(entry.name, entry.mode.is_none()), (entry.mode, entry.id))),
        );
    }
    let mut below: BTreeMap<&[u8], Vec<(&BStr, Option<Blob>)>> = BTreeMap::new();
    for &(path, blob) in changes {
        let rest = &path[skip..];
        match (rest.find_byte(b'/'), blob) {
            (Some(slash), _) => below.entry(&rest[..slash]).or_default().push((path, blob)),
            (None, Some(blob)) => {
                entries.insert(key(rest, false), (Some(blob.mode), blob.id));
            }
            (None, None) => {
                entries.remove(&key(rest, false));
            }
        }
    }
    for (name, changes) in below {
        let directory = key(name, true);
        let old = entries.get(&directory).map(|(_, id)| *id);
        match changed(odb, old, &changes, skip + name.len() + 1)? {
            Some(id) => entries.insert(directory, (None, id)),
            None => entries.remove(&directory),
        };
    }
    match entries.is_empty() {
        true => Ok(None),
        false => write(odb, &entries).map(Some),
    }
}

fn write(odb: &Odb<'_>, entries: &Entries) -> Result<Oid> {
    let mut data = Vec::with_capacity(entries.len() * 48);
    for (key, (mode, id)) in entries {
        let (name, mode) = match mode {
            None => (&key[..key.len() - 1], "40000".to_owned()),
            Some(mode) => (key.as_slice(), format!("{:o}", mode.bits())),
        };
        data.extend_from_slice(mode.as_bytes());
        data.push(b' ');
        data.extend_from_slice(name);
        data.push(0);
        data.extend_from_slice(id.as_bytes());
    }
    odb.write(ObjectType::Tree, &data)
        .map_err(Error::git("write a directory of a merge"))
}
