//! Trees of the staged entries, and the cache in the index of those that are known already.

use bstr::ByteSlice;
use model::Oid;

use super::{Entries, Span};
use crate::{Error, Result};

/// Directories nested deeper than this are refused: no work tree has them, and each costs a stack frame.
const MAX_DEPTH: usize = 512;

/// The known tree of one directory (the index's `TREE` extension).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct CachedTree {
    /// The number of entries below the directory, and the tree they make; none if something changed there.
    known: Option<(usize, Oid)>,
    /// By length of the name, then by name, as git sorts them.
    children: Vec<(Box<[u8]>, CachedTree)>,
}

impl CachedTree {
    /// The tree of all entries, if nothing changed since it was made.
    pub(crate) fn root(&self) -> Option<Oid> {
        self.known.map(|(_, oid)| oid)
    }

    /// Reads the extension; none if it is malformed: it is a cache.
    pub(crate) fn parse(mut data: &[u8]) -> Option<Self> {
        let rest = &mut data;
        let (name, tree) = Self::parse_one(rest, 0)?;
        (name.is_empty() && rest.is_empty()).then_some(tree)
    }

    fn parse_one(data: &mut &[u8], depth: usize) -> Option<(Box<[u8]>, Self)> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (name, rest) = data.split_once_str(b"\0")?;
        let (count, rest) = rest.split_once_str(b" ")?;
        let (children, rest) = rest.split_once_str(b"\n")?;
        let number = |digits: &[u8]| digits.to_str().ok()?.parse::<i64>().ok();
        let count = number(count)?;
        *data = rest;
        let known = match usize::try_from(count) {
            Err(_) => None,
            Ok(count) => {
                let oid = data.first_chunk::<20>()?;
                *data = &data[20..];
                Some((count, Oid(*oid)))
            }
        };
        let mut tree = Self {
            known,
            children: Vec::new(),
        };
        for _ in 0..number(children)? {
            tree.children.push(Self::parse_one(data, depth + 1)?);
        }
        tree.children.sort_by(|(a, _), (b, _)| order(a, b));
        Some((name.into(), tree))
    }

    /// Writes the extension.
    pub(crate) fn write(&self, name: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(name);
        out.push(0);
        match self.known {
            Some((count, _)) => out.extend_from_slice(count.to_string().as_bytes()),
            None => out.extend_from_slice(b"-1"),
        }
        out.extend_from_slice(format!(" {}\n", self.children.len()).as_bytes());
        if let Some((_, oid)) = self.known {
            out.extend_from_slice(&oid.0);
        }
        for (name, child) in &self.children {
            child.write(name, out);
        }
    }

    /// Forgets the trees of all directories above a path, because what is staged there changes.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        self.known = None;
        let (component, rest) = match path.split_once_str(b"/") {
            Some((component, rest)) => (component, Some(rest)),
            None => (path, None),
        };
        if let Ok(at) = self.children.binary_search_by(|(name, _)| order(name, component)) {
            match rest {
                Some(rest) => self.children[at].1.forget(rest),
                // A file takes the place of the directory.
                None => {
                    self.children.remove(at);
                }
            }
        }
    }

    /// Makes the trees of all directories whose tree is not known, through `write`, which is given each tree's content
    /// and returns its id; `exists` tells whether a tree that was known is still there.
    pub(crate) fn complete(
        &mut self,
        entries: Entries<'_>,
        exists: &dyn Fn(Oid) -> bool,
        write: &mut dyn FnMut(&[u8]) -> Result<Oid>,
    ) -> Result<Oid> {
        if let Some((count, oid)) = self.known
            && count == entries.len()
            && exists(oid)
        {
            return Ok(oid);
        }
        let made = self.make(entries, &entries.all(), 0, 0, exists, write);
        made.map(|(oid, _)| oid)
    }

    /// The tree of a directory, if it is known: the cache is trusted only where the entries bear it out.
    fn trusted(&self, entries: usize, exists: &dyn Fn(Oid) -> bool) -> Option<Oid> {
        let known = self.known.filter(|&(count, oid)| count == entries && exists(oid));
        known.map(|(_, oid)| oid)
    }

    /// Makes the tree of a span of entries whose paths have the directory up to `start` in common. Returns the tree and whether
    /// it has no line.
    fn make(
        &mut self,
        entries: Entries<'_>,
        span: &Span,
        start: usize,
        depth: usize,
        exists: &dyn Fn(Oid) -> bool,
        write: &mut dyn FnMut(&[u8]) -> Result<Oid>,
    ) -> Result<(Oid, bool)> {
        let mut rest = entries.iter(span);
        if depth > MAX_DEPTH {
            return Err(Error::Refused(format!(
                "{} lies more than {MAX_DEPTH} directories deep; nothing was committed. Move it further up",
                rest.peek().map(|entry| entry.path).unwrap_or_default().as_bstr()
            )));
        }
        let mut old = std::mem::take(&mut self.children);
        let mut tree = Vec::with_capacity(entries.count(span).min(1000) * 40);
        let mut is_whole = true;
        while let Some(entry) = rest.peek() {
            let name = &entry.path[start..];
            let Some(end) = name.find_byte(b'/') else {
                if entry.is_intent_to_add() {
                    is_whole = false;
                } else {
                    line(&mut tree, entry.mode, name, entry.oid);
                }
                rest.next();
                continue;
            };
            let (name, prefix) = (&name[..end], &entry.path[..=start + end]);
            let child = old.binary_search_by(|(known, _)| order(known, name));
            let mut child = child.map(|at| std::mem::take(&mut old[at].1)).unwrap_or_default();
            let below = entries.with_prefix(rest.rest(), prefix, child.known.map(|(count, _)| count));
            match child.trusted(entries.count(&below), exists) {
                Some(oid) => line(&mut tree, 0o40000, name, oid),
                None => {
                    let (oid, is_empty) = child.make(entries, &below, prefix.len(), depth + 1, exists, write)?;
                    is_whole &= child.known.is_some();
                    if !is_empty {
                        line(&mut tree, 0o40000, name, oid);
                    }
                }
            }
            rest.pass(&below);
            self.children.push((name.into(), child));
        }
        self.children.sort_by(|(a, _), (b, _)| order(a, b));
        let is_empty = tree.is_empty();
        let oid = write(&tree)?;
        // git does not keep what leaves entries out either.
        self.known = is_whole.then_some((entries.count(span), oid));
        Ok((oid, is_empty))
    }
}

fn line(tree: &mut Vec<u8>, mode: u32, name: &[u8], oid: Oid) {
    tree.extend_from_slice(format!("{mode:o} ").as_bytes());
    tree.extend_from_slice(name);
    tree.push(0);
    tree.extend_from_slice(&oid.0);
}

fn order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
