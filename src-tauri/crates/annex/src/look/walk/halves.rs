//! Two threads scan a large work tree, one half each.

use std::cmp::Ordering;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;

use bstr::ByteSlice;
use git2::Repository;

use super::{Look, Scope, Walk};
use crate::index::Index;
use crate::{Annex, Result};

/// The fewest tracked files for which a second thread is worth it.
const WORTH_TWO: usize = 20_000;

/// The part of a work tree that a walk covers. The border is the path of a directory. Paths that sort before it, component by
/// component, are in the first half; all others are in the second. Both halves enter the directories above the border, but only
/// the first half reports on those directories themselves.
#[derive(Debug)]
pub(super) enum Half {
    Both,
    Before(Vec<u8>),
    From(Vec<u8>),
}

impl Half {
    /// True if this half covers a name in a directory, at least in part. `directory` is the directory's path with a slash at
    /// the end; it is empty at the top.
    pub(super) fn covers(&self, directory: &[u8], name: &[u8]) -> bool {
        let (border, is_first) = match self {
            Self::Both => return true,
            Self::Before(border) => (border, true),
            Self::From(border) => (border, false),
        };
        let Some(rest) = border.strip_prefix(directory) else {
            return true;
        };
        let (component, is_last) = match rest.find_byte(b'/') {
            Some(end) => (&rest[..end], false),
            None => (rest, true),
        };
        match name.cmp(component) {
            Ordering::Less => is_first,
            Ordering::Equal => !is_first || !is_last,
            Ordering::Greater => !is_first,
        }
    }

    /// False for a directory that the other half reports on. `path` may end in a slash.
    pub(super) fn reports_on(&self, path: &[u8]) -> bool {
        let Self::From(border) = self else { return true };
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let is_above = |rest: &[u8]| path.is_empty() || rest.starts_with(b"/");
        !border.strip_prefix(path).is_some_and(is_above)
    }
}

/// Scans the whole work tree. Returns what it found, and the open top directory.
pub(in crate::look) fn everything(
    annex: &Annex,
    git: &Repository,
    top: &Path,
    index: &Index,
) -> Result<(Look, OwnedFd)> {
    let entries = index.entries();
    let middle = entries.middle().filter(|_| entries.len() >= WORTH_TWO);
    match middle.and_then(|path| path.rsplit_once_str("/")) {
        Some((directory, _)) => in_halves(annex, git, top, index, directory),
        None => Ok(Walk::new(annex, git, top, index)?.over(&Scope::Everything)),
    }
}

fn in_halves(annex: &Annex, git: &Repository, top: &Path, index: &Index, border: &[u8]) -> Result<(Look, OwnedFd)> {
    let half = |git: &Repository, half: Half| {
        let mut walk = Walk::new(annex, git, top, index)?;
        walk.half = half;
        walk.everything();
        Ok((walk.emptied, walk.renumbered, walk.look))
    };
    let mut first = Walk::new(annex, git, top, index)?;
    first.half = Half::Before(border.to_vec());
    let second = thread::scope(|scope| {
        let second = scope.spawn(|| half(&*annex.git()?, Half::From(border.to_vec())));
        first.everything();
        second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let (emptied, renumbered, look) = second?;
    first.emptied.extend(emptied);
    first.renumbered.extend(renumbered);
    first.look.append(look);
    Ok(first.finish())
}

#[cfg(test)]
mod tests;
