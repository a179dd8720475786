//! Folding small packs into one.
//!
//! Each burst of changes is a pack, and a folder that never rests would gather them without end: git packs only when
//! nothing else happens, and in a repository on a drive nobody does. Folding takes no object away: all that a pack holds
//! is in the new one, which is durable before the old ones go. Whoever looks for an object in a pack that has gone looks
//! into the directory again, git and libgit2 both.
//!
//! Which packs are folded follows from their sizes, so that each object is written anew a few times at most: those that
//! are not twice as large as all smaller ones together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use git2::{ObjectType, Oid};
use rustix::fs::{AtFlags, FileType, statat};

use super::deflate::Deflater;
use super::pack::{NewPack, REF_DELTA, TREE, header};
use super::pack_file::{PackEntry, PackFile};
use super::tree_delta::{apply, tree_delta};
use crate::{Directory, Result};

/// More small packs than this are folded. git thinks of packing at 50 (`gc.autoPackLimit`).
pub(super) const MANY: usize = 24;
/// At least so many are folded at once.
const FEWEST: usize = MANY / 2;
/// A pack of this size or more, in bytes, stays: folding must not take long, nor much memory.
const LARGE: u64 = 8 << 20;

/// Folds small packs if there are many in `packs`.
///
/// What belongs to somebody else's order stays: packs that are kept (`.keep`), that belong to a partial clone
/// (`.promisor`), that hold what is to be removed (`.mtimes`) or have a bitmap, and all of them where git has an index of
/// several packs. A pack that is damaged or of another version stays too.
///
/// # Errors
///
/// If the new pack cannot be written. Nothing has changed then.
pub(super) fn fold(packs: &Arc<Directory>) -> Result<()> {
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, kind) in packs.names()? {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("multi-pack-index") {
            return Ok(());
        }
        if let Some((pack, end)) = name.split_once('.').filter(|_| kind == FileType::RegularFile) {
            ends.entry(pack.to_owned()).or_default().push(end.to_owned());
        }
    }
    let is_plain = |ends: &[String]| {
        let has = |wanted: &str| ends.iter().any(|end| end == wanted);
        has("pack") && has("idx") && ends.iter().all(|end| ["pack", "idx", "rev"].contains(&end.as_str()))
    };
    ends.retain(|_, ends| is_plain(ends));
    if ends.len() <= MANY {
        return Ok(());
    }
    let small = ends.into_keys().filter_map(|name| Small::find(packs, name)).collect();
    match chosen(small) {
        small if small.is_empty() => Ok(()),
        small => fold_into_one(packs, &small),
    }
}

/// A pack that may be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Small {
    /// Without its end.
    name: String,
    /// In bytes.
    size: u64,
    /// When it was written: seconds and nanoseconds.
    written: (i64, i64),
}

impl Small {
    fn find(packs: &Directory, name: String) -> Option<Self> {
        let found = statat(packs, format!("{name}.pack"), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let size = u64::try_from(found.st_size).ok().filter(|size| *size < LARGE)?;
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        let written = (found.st_mtime as i64, found.st_mtime_nsec as i64);
        Some(Self { name, size, written })
    }
}

/// Which of the small packs are folded, oldest first; none if there are few.
fn chosen(mut small: Vec<Small>) -> Vec<Small> {
    if small.len() <= MANY {
        return Vec::new();
    }
    small.sort_by_key(|pack| pack.size);
    let mut total = 0;
    let mut count = 0;
    for pack in &small {
        if count >= FEWEST && pack.size > 2 * total {
            break;
        }
        total += pack.size;
        count += 1;
    }
    small.truncate(count);
    small.sort_by_key(|pack| pack.written);
    small
}

fn fold_into_one(packs: &Arc<Directory>, small: &[Small]) -> Result<()> {
    let mut ids = HashSet::new();
    let mut folded = Vec::new();
    for Small { name, .. } in small {
        let Some(pack) = PackFile::read(packs, name) else {
            continue;
        };
        let known = pack.entries.iter().filter(|entry| ids.contains(&entry.id)).count();
        if pack.hangs_together() && 0 < known && known < pack.entries.len() {
            continue;
        }
        ids.extend(pack.entries.iter().map(|entry| entry.id));
        folded.push(name);
    }
    if folded.len() < FEWEST {
        return Ok(());
    }
    let mut new = NewPack::begin(packs, ids.len())?;
    let mut trees = Trees::default();
    let mut deflater = Deflater::new();
    for name in &folded {
        let Some(pack) = PackFile::read(packs, name) else {
            // Somebody else has packed meanwhile.
            return Ok(());
        };
        let chain = pack.longest_chain();
        for entry in pack.entries.iter().filter(|entry| ids.remove(&entry.id)) {
            match trees.delta(&pack, entry, chain) {
                None => new.put(entry.id, &[pack.entry(entry)])?,
                Some((base, delta)) => {
                    let data = deflater.deflate(ObjectType::Blob, &[], &delta)?;
                    new.put(entry.id, &[&header(REF_DELTA, delta.len()), base.as_bytes(), data])?;
                }
            }
        }
    }
    let new = new.finish()?;
    for name in folded.into_iter().filter(|name| **name != new) {
        // The index first: without it the pack is nothing to anybody.
        for end in ["idx", "rev", "pack"] {
            packs.remove(format!("{name}.{end}"))?;
        }
    }
    Ok(())
}

/// Trees that were just written, of which the next versions are written as what differs: of the top of a git-annex branch
/// or of a large directory that is most of what a change writes.
#[derive(Default)]
struct Trees {
    /// Newest last.
    recent: VecDeque<(Oid, Vec<u8>)>,
    /// The sizes of all of them, in bytes.
    bytes: usize,
    /// How many differences lie between each object that is stored as one and one that is stored whole.
    depths: HashMap<Oid, usize>,
}

impl Trees {
    /// Shorter ones are written as they are.
    const SHORTEST: usize = 1 << 10;
    /// How many bytes of trees are remembered. Longer trees are written as they are.
    const MOST: usize = 16 << 20;
    /// The greatest depth that git itself makes (`pack.depth`).
    const DEEPEST: usize = 50;
    /// How many are tried, of those that begin and end most alike.
    const TRIED: usize = 2;

    /// What the tree differs in from one before it, and from which, if that is worth it. `chain` is how many differences may
    /// follow on it in its pack.
    fn delta(&mut self, pack: &PackFile, entry: &PackEntry, chain: Option<usize>) -> Option<(Oid, Vec<u8>)> {
        if let Some(base) = entry.base {
            let depth = self.depths.get(&base).copied().unwrap_or(0);
            self.depths.insert(entry.id, depth + 1);
        }
        if entry.kind != TREE || !(Self::SHORTEST..=Self::MOST).contains(&entry.size) {
            return None;
        }
        let (chain, tree) = (chain?, pack.inflate(entry)?);
        let depth_of = |base| self.depths.get(base).copied().unwrap_or(0) + 1;
        let near = self.recent.iter().filter(|(base, content)| {
            content.len().abs_diff(tree.len()) <= tree.len() / 8 && depth_of(base) + chain <= Self::DEEPEST
        });
        let mut near: Vec<_> = near.collect();
        near.sort_by_cached_key(|(_, content)| Reverse(common(content, &tree)));
        let deltas = near.into_iter().take(Self::TRIED).filter_map(|(base, content)| {
            // Proven, since the tree itself goes.
            let delta = tree_delta(content, &tree).filter(|delta| apply(content, delta).as_ref() == Some(&tree))?;
            Some((*base, delta))
        });
        let best = deltas.min_by_key(|(_, delta)| delta.len());
        let best = best.filter(|(_, delta)| delta.len() <= tree.len() / 8);
        if let Some((base, _)) = &best {
            self.depths.insert(entry.id, depth_of(base));
        }
        self.bytes += tree.len();
        self.recent.push_back((entry.id, tree));
        while self.bytes > Self::MOST {
            self.bytes -= self.recent.pop_front().map_or(0, |(_, old)| old.len());
        }
        best
    }
}

/// About how many bytes are the same at the beginning and at the end.
fn common(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let first = a.chunks(STEP).zip(b.chunks(STEP)).take_while(|(a, b)| a == b).count();
    let last = a.rchunks(STEP).zip(b.rchunks(STEP)).take_while(|(a, b)| a == b).count();
    (first + last) * STEP
}

#[cfg(test)]
mod tests;
