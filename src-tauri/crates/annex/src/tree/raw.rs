//! Trees as bytes. They may come from anyone, so whatever git would not write is refused where it matters: a name
//! twice (also once as a file and once as a directory), names out of order, empty or with a slash, unknown modes.

use bstr::ByteSlice;
use git2::{ObjectType, Odb, Oid};

use crate::{Error, Result};

/// No comparison reports more paths than this: a few small trees that repeat each other can stand for more files than
/// there are atoms.
const MOST_DIFFERENCES: usize = 10_000_000;
/// Paths longer than this are reported but not followed further down.
const LONGEST_PATH: usize = 4096;

/// What a leaf of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    File,
    Executable,
    Symlink,
    Submodule,
}

impl Mode {
    /// Reads the mode of a tree or index entry; none for a directory.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        match bits & 0o170_000 {
            0o100_000 if bits & 0o100 != 0 => Some(Mode::Executable),
            0o100_000 => Some(Mode::File),
            0o120_000 => Some(Mode::Symlink),
            0o160_000 => Some(Mode::Submodule),
            _ => None,
        }
    }

    /// The mode as git writes it.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Mode::File => 0o100_644,
            Mode::Executable => 0o100_755,
            Mode::Symlink => 0o120_000,
            Mode::Submodule => 0o160_000,
        }
    }
}

/// A leaf of a tree: a file, a symlink, or the commit of a submodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Blob {
    pub(crate) mode: Mode,
    pub(crate) id: Oid,
}

/// One entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawEntry<'a> {
    pub(crate) name: &'a [u8],
    /// None for a directory.
    pub(crate) mode: Option<Mode>,
    pub(crate) id: Oid,
}

impl RawEntry<'_> {
    /// Compares in the order of git: as if directories had a slash at the end of their name.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let tail = |entry: &Self| entry.mode.is_none().then_some(b'/');
        let common = self.name.len().min(other.name.len());
        self.name[..common]
            .cmp(&other.name[..common])
            .then_with(|| match (self.name.len(), other.name.len()) {
                (ours, theirs) if ours == theirs => tail(self).cmp(&tail(other)),
                (ours, theirs) if ours < theirs => tail(self).cmp(&Some(other.name[common])),
                _ => Some(self.name[common]).cmp(&tail(other)),
            })
    }
}

/// Reads the entries of a tree from its bytes; only what cannot be read at all is an error.
pub(crate) fn parse(data: &[u8]) -> Option<Vec<RawEntry<'_>>> {
    let mut entries = Vec::with_capacity(data.len() / 40);
    let mut rest = data;
    while !rest.is_empty() {
        let space = rest.find_byte(b' ').filter(|&at| at <= 7)?;
        let bits = u32::from_str_radix(std::str::from_utf8(&rest[..space]).ok()?, 8).ok()?;
        rest = &rest[space + 1..];
        let end = rest.find_byte(0)?;
        let (name, after) = (&rest[..end], &rest[end + 1..]);
        let id = Oid::from_bytes(after.get(..20)?).ok()?;
        rest = &after[20..];
        let mode = match bits & 0o170_000 {
            0o040_000 => None,
            _ => Some(Mode::from_bits(bits)?),
        };
        entries.push(RawEntry { name, mode, id });
    }
    Some(entries)
}

/// True if the entries are as git would have written them: what two programs cannot read in two ways.
fn is_well_formed(entries: &[RawEntry<'_>]) -> bool {
    let named = entries
        .iter()
        .all(|entry| !entry.name.is_empty() && !entry.name.contains(&b'/'));
    let ordered = entries.windows(2).all(|pair| pair[0].order(&pair[1]).is_lt());
    let once = entries.iter().filter(|entry| entry.mode.is_none()).all(|directory| {
        let as_file = RawEntry {
            mode: Some(Mode::File),
            ..*directory
        };
        entries.binary_search_by(|entry| entry.order(&as_file)).is_err()
    });
    named && ordered && once
}

/// Reads a tree object.
pub(crate) fn read<'a>(odb: &'a Odb<'_>, id: Oid) -> Result<git2::OdbObject<'a>> {
    let object = odb.read(id).map_err(Error::git(format!("read the directory {id}")))?;
    if object.kind() != ObjectType::Tree {
        return Err(Error::Damaged(format!(
            "a commit says that {id} is a directory, but it is not; nothing was changed"
        )));
    }
    Ok(object)
}

/// The answer to a malformed tree.
pub(crate) fn malformed(id: Oid) -> Error {
    Error::Damaged(format!(
        "the directory {id} in git is malformed (names twice, out of order or impossible), so the commit that contains it is not used; nothing was changed. Run 'git fsck' in the repository that it came from"
    ))
}

/// A callback for [`differences`]: the path, what it was, and what it is.
pub(crate) type Found<'a> = dyn FnMut(&[u8], Option<Blob>, Option<Blob>) -> Result<()> + 'a;

/// Reports every leaf that differs between two trees, in no particular order. A file that becomes a directory is
/// reported as gone, and what is below it as new. Fails if a tree that must be opened is malformed.
pub(crate) fn differences(odb: &Odb<'_>, from: Option<Oid>, to: Option<Oid>, found: &mut Found<'_>) -> Result<()> {
    differences_from_all(odb, &[from], to, found)
}

/// As [`differences`], of leaves that differ from what each of several trees has: of a merge, what none of its parents
/// brought. What it was is told by the first tree that has it.
pub(crate) fn differences_from_all(
    odb: &Odb<'_>,
    from: &[Option<Oid>],
    to: Option<Oid>,
    found: &mut Found<'_>,
) -> Result<()> {
    let mut reported = 0;
    let mut path = Vec::new();
    let mut waiting = vec![(Vec::new(), from.to_vec(), to)];
    while let Some((prefix, from, to)) = waiting.pop() {
        if from.contains(&to) {
            continue;
        }
        let objects = from.iter().map(|id| id.map(|id| read(odb, id)).transpose());
        let objects: Vec<_> = objects.collect::<Result<_>>()?;
        let to_object = to.map(|id| read(odb, id)).transpose()?;
        let lists = objects.iter().map(|object| well_formed(object.as_ref()));
        let lists: Vec<Vec<RawEntry<'_>>> = lists.collect::<Result<_>>()?;
        let mut old: Vec<&[RawEntry<'_>]> = lists.iter().map(Vec::as_slice).collect();
        let new = well_formed(to_object.as_ref())?;
        let mut new = new.as_slice();
        let mut before = Vec::with_capacity(from.len());
        loop {
            let firsts = old.iter().copied().chain([new]).filter_map(<[RawEntry<'_>]>::first);
            let Some(next) = firsts.min_by(|a, b| a.order(b)).copied() else {
                break;
            };
            before.clear();
            before.extend(old.iter_mut().map(|entries| take_if_at(entries, &next)));
            let after = take_if_at(&mut new, &next);
            if before.contains(&after) {
                continue;
            }
            reported += 1;
            if reported > MOST_DIFFERENCES {
                return Err(Error::Damaged(format!(
                    "two commits differ in more than {MOST_DIFFERENCES} files and directories, so they are not compared; nothing was changed"
                )));
            }
            path.clear();
            path.extend_from_slice(&prefix);
            path.extend_from_slice(next.name);
            let is_directory = next.mode.is_none();
            if is_directory && path.len() < LONGEST_PATH {
                path.push(b'/');
                let from = before.iter().map(|entry| entry.map(|e| e.id)).collect();
                waiting.push((path.clone(), from, after.map(|e| e.id)));
                continue;
            }
            let blob = |entry: RawEntry<'_>| Blob {
                mode: entry.mode.unwrap_or(Mode::Submodule),
                id: entry.id,
            };
            let was = before.iter().find_map(|entry| *entry);
            found(&path, was.map(blob), after.map(blob))?;
        }
    }
    Ok(())
}

/// Takes the first entry if it has the name of `next`.
fn take_if_at<'a>(entries: &mut &[RawEntry<'a>], next: &RawEntry<'_>) -> Option<RawEntry<'a>> {
    let (first, rest) = entries.split_first().filter(|(first, _)| first.order(next).is_eq())?;
    *entries = rest;
    Some(*first)
}

fn well_formed<'a>(tree: Option<&'a git2::OdbObject<'_>>) -> Result<Vec<RawEntry<'a>>> {
    let Some(tree) = tree else {
        return Ok(Vec::new());
    };
    parse(tree.data())
        .filter(|entries| is_well_formed(entries))
        .ok_or_else(|| malformed(tree.id()))
}

/// Every leaf of a tree by path, for tests.
#[cfg(test)]
pub(crate) fn leaves(odb: &Odb<'_>, tree: Oid) -> std::collections::BTreeMap<Vec<u8>, Blob> {
    let mut all = std::collections::BTreeMap::new();
    differences(odb, None, Some(tree), &mut |path, _, new| {
        all.extend(new.map(|blob| (path.to_vec(), blob)));
        Ok(())
    })
    .unwrap();
    all
}
