use std::cmp::Ordering;

use bstr::ByteSlice;
use git2::Oid;

/// The mode of a regular file.
const BLOB: u32 = 0o100_644;
/// The mode of a directory.
pub(crate) const DIRECTORY: u32 = 0o040_000;

/// What a tree says about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    /// Type and permissions, as git writes them.
    pub(crate) mode: u32,
    /// The blob, tree or (submodules) commit.
    pub(crate) id: Oid,
}

impl TreeEntry {
    /// A regular file.
    pub(crate) fn file(id: Oid) -> Self {
        Self { mode: BLOB, id }
    }

    /// True for a directory.
    pub(crate) fn is_directory(self) -> bool {
        self.mode == DIRECTORY
    }

    /// True for what has a blob: a file or a symbolic link.
    pub(crate) fn is_blob(self) -> bool {
        matches!(self.mode & 0o170_000, 0o100_000 | 0o120_000)
    }
}

/// A name, and its entries in two trees.
pub(crate) type Difference<'t> = (&'t [u8], Option<TreeEntry>, Option<TreeEntry>);

/// One git tree, to be read and changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    entries: Vec<(Vec<u8>, TreeEntry)>,
}

impl Tree {
    /// Reads git's format; none if damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::with_capacity(bytes.len() / 30);
        for item in items(bytes) {
            let (name, entry) = item?;
            entries.push((name.to_vec(), entry));
        }
        // Trees by other programs are not always in git's order; ours must be.
        if !entries.is_sorted_by(|a, b| order(a, b).is_lt()) {
            entries.sort_by(order);
        }
        Some(Self { entries })
    }

    /// Git's format.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.iter().map(|(name, _)| name.len() + 28).sum());
        for (name, entry) in &self.entries {
            bytes.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(entry.id.as_bytes());
        }
        bytes
    }

    /// True if there are no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in git's order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], TreeEntry)> {
        self.entries.iter().map(|(name, entry)| (name.as_slice(), *entry))
    }

    /// The entry of this name, whatever it is.
    pub(crate) fn get(&self, name: &[u8]) -> Option<TreeEntry> {
        self.position(name).ok().map(|at| self.entries[at].1)
    }

    /// The names whose entries differ between this tree and a newer one, each with both entries. A name that changes between a
    /// directory and something else comes twice.
    pub(crate) fn differences<'t>(&'t self, newer: &'t Self) -> impl Iterator<Item = Difference<'t>> {
        let (mut old, mut new) = (self.entries.iter().peekable(), newer.entries.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let order = match (old.peek(), new.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(old), Some(new)) => order(old, new),
                };
                let before = if order.is_le() { old.next() } else { None };
                let after = if order.is_ge() { new.next() } else { None };
                if let Some((name, _)) = before.or(after)
                    && before != after
                {
                    let entry = |found: Option<&(Vec<u8>, TreeEntry)>| found.map(|(_, entry)| *entry);
                    return Some((name.as_slice(), entry(before), entry(after)));
                }
            }
        })
    }

    /// Sets, or with none removes, what has this name.
    pub(crate) fn set(&mut self, name: &[u8], entry: Option<TreeEntry>) {
        match (self.position(name), entry) {
            (Ok(at), Some(entry)) if self.entries[at].1.is_directory() == entry.is_directory() => {
                self.entries[at].1 = entry;
            }
            (Ok(at), entry) => {
                self.entries.remove(at);
                if entry.is_some() {
                    self.set(name, entry);
                }
            }
            (Err(_), None) => {}
            (Err(_), Some(entry)) => {
                let new = (name.to_vec(), entry);
                let at = self.entries.partition_point(|old| order(old, &new).is_lt());
                self.entries.insert(at, new);
            }
        }
    }

    /// A name sorts in one place as a file and in another as a directory.
    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        let search = |directory| {
            self.entries
                .binary_search_by(|(old, entry)| compare(old, entry.is_directory(), name, directory))
        };
        search(false).or_else(|_| search(true))
    }
}

/// The entries of a tree in git's format; none, as the last, where it is damaged.
pub(super) fn items(mut bytes: &[u8]) -> impl Iterator<Item = Option<(&[u8], TreeEntry)>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let item = split_item(bytes);
        bytes = item.map_or(&[], |(_, rest)| rest);
        Some(item.map(|(item, _)| item))
    })
}

pub(super) type Item<'t> = (&'t [u8], TreeEntry);

pub(super) fn split_item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (mode, rest) = split_once(bytes, b' ')?;
    let (name, rest) = split_once(rest, 0)?;
    let (id, rest) = rest.split_at_checked(20)?;
    let mode = u32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?;
    let id = Oid::from_bytes(id).ok()?;
    Some(((name, TreeEntry { mode, id }), rest))
}

/// The bytes before the first `at`, and those after it.
fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at(bytes.find_byte(at)?);
    Some((before, &rest[1..]))
}

fn order(a: &(Vec<u8>, TreeEntry), b: &(Vec<u8>, TreeEntry)) -> Ordering {
    compare(&a.0, a.1.is_directory(), &b.0, b.1.is_directory())
}

/// Git's order: by bytes, where a directory's name counts as ending in `/`.
fn compare(a: &[u8], a_is_directory: bool, b: &[u8], b_is_directory: bool) -> Ordering {
    let common = a.len().min(b.len());
    let next = |name: &[u8], is_directory: bool| name.get(common).copied().or(is_directory.then_some(b'/'));
    a[..common]
        .cmp(&b[..common])
        .then_with(|| next(a, a_is_directory).cmp(&next(b, b_is_directory)))
        .then_with(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree() -> impl Strategy<Value = Tree> {
        let entry = (any::<bool>(), 0u8..3).prop_map(|(is_directory, id)| TreeEntry {
            mode: if is_directory { DIRECTORY } else { BLOB },
            id: Oid::from_bytes(&[id; 20]).unwrap(),
        });
        prop::collection::btree_map("[a-c.]{1,3}", entry, 0..12).prop_map(|entries| {
            let mut tree = Tree::default();
            for (name, entry) in entries {
                tree.set(name.as_bytes(), Some(entry));
            }
            tree
        })
    }

    proptest! {
        #[test]
        fn the_differences_make_one_tree_of_the_other(old in tree(), new in tree()) {
            let mut changed = old.clone();
            for (name, before, after) in old.differences(&new) {
                prop_assert!(before != after);
                prop_assert!(before.is_none() || before == old.get(name));
                prop_assert!(after.is_none() || after == new.get(name));
                if after.is_some() || new.get(name).is_none() {
                    changed.set(name, after);
                }
            }
            prop_assert_eq!(changed.into_bytes(), new.clone().into_bytes());
            prop_assert_eq!(new.differences(&new).count(), 0);
        }
    }
}
