//! Folds small packs into one.
//!
//! Each burst of changes makes a pack. In a folder that never rests they would accumulate, because `git gc` runs only at
//! rest, and never on a drive that has no engine. Folding removes no object: the new pack contains all objects of the old
//! ones, and is verified and durable before they are removed. If git or libgit2 misses a pack, it lists the directory again.
//!
//! Packs of about the same size are folded once there are many of them. So few changes rewrite packs that are much larger than
//! their own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use git2::{ObjectType, Oid};
use rustix::fs::{AtFlags, FileType, statat};

use super::deflate::Deflater;
use super::kept::MARK;
use super::pack::{NewPack, REF_DELTA, TREE, header};
use super::pack_file::{PackEntry, PackFile};
use super::tree_delta::tree_delta;
use crate::below::file_system;
use crate::durable::sync_directory;
use crate::{Directory, Error, Result};

/// How many packs of about the same size may exist. There are four classes of sizes: below 4 KiB, 64 KiB, 1 MiB and [`LARGE`].
/// Together they may have almost as many packs as git allows (50, `gc.autoPackLimit`).
pub(super) const MANY: usize = 12;
/// The fewest packs to fold at once, unless they reach [`MUCH`]; at rest, how many of about the same size may be left.
const FEWEST: usize = MANY / 2;
/// Packs up to this size in bytes are in the same class.
const SMALLEST: u64 = 4095;
/// Packs of this size in bytes are not folded, to bound time and memory.
const LARGE: u64 = 4 << 20;
/// The size in bytes at which no further pack is added to a fold.
const MUCH: u64 = 2 * LARGE;

/// The extensions of a pack's files, in the order of their removal.
const FILES: [&str; 3] = ["idx", "rev", "pack"];
/// The prefix of packs that are removed later.
const RETIRED: &str = "tmp_folded_";

/// Folds small packs if there are many of about the same size in `packs`, and tells whether it did.
///
/// At rest, it folds sooner, so that later changes need not fold the packs of a first add, and search fewer packs.
///
/// It leaves these packs alone: kept ones (`.keep`), those of partial clones (`.promisor`), cruft packs (`.mtimes`), packs
/// with a bitmap, packs of other users, damaged ones, and all packs if there is a multi-pack-index.
///
/// # Errors
///
/// If the new pack cannot be written or verified. Then no old pack was removed.
pub(super) fn fold(packs: &Arc<Directory>, at_rest: bool) -> Result<bool> {
    let many = if at_rest { FEWEST } else { MANY };
    let names = packs.names()?;
    remove_remains(packs, &names);
    let plain = plain(names);
    if plain.len() <= many {
        return Ok(false);
    }
    let small = plain.into_iter().filter_map(|name| Small::find(packs, name));
    for alike in alike(small, many) {
        let mut ids = Ids::default();
        if let Some(chosen) = choose(alike, |pack| adds_to(packs, &pack.name, &mut ids)) {
            return fold_into_one(packs, &chosen, ids);
        }
    }
    Ok(false)
}

/// The packs without any mark, such as `.keep`: their names without the extension.
fn plain(names: Vec<(OsString, FileType)>) -> BTreeSet<String> {
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, kind) in names {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("multi-pack-index") {
            return BTreeSet::new();
        }
        let Some((pack, end)) = name.split_once('.') else {
            continue;
        };
        if kind == FileType::RegularFile || !matches!(end, "pack" | "idx") {
            ends.entry(pack.to_owned()).or_default().push(end.to_owned());
        }
    }
    let is_plain = |ends: &[String]| {
        let has = |wanted: &str| ends.iter().any(|end| end == wanted);
        has("pack") && has("idx") && ends.iter().all(|end| FILES.contains(&end.as_str()))
    };
    let plain = ends.into_iter().filter(|(_, ends)| is_plain(ends));
    plain.map(|(name, _)| name).collect()
}

/// A candidate for folding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Small {
    /// Without the extension.
    name: String,
    /// In bytes.
    size: u64,
    /// When it was written: seconds and nanoseconds.
    written: (i64, i64),
}

impl Small {
    fn find(packs: &Directory, name: String) -> Option<Self> {
        let stat = |end: &str| {
            let found = statat(packs, format!("{name}.{end}"), AtFlags::SYMLINK_NOFOLLOW).ok()?;
            let size = u64::try_from(found.st_size).ok().filter(|size| *size < LARGE)?;
            let is_ours = found.st_uid == rustix::process::geteuid().as_raw();
            is_ours.then_some((size, found))
        };
        let (_, (size, found)) = (stat("idx")?, stat("pack")?);
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        let written = (found.st_mtime as i64, found.st_mtime_nsec as i64);
        Some(Self { name, size, written })
    }
}

/// The packs of about the same size, wherever there are more than `many`: small packs first, and of each size the oldest
/// first.
fn alike(small: impl Iterator<Item = Small>, many: usize) -> impl Iterator<Item = Vec<Small>> {
    let mut by_size: BTreeMap<u32, Vec<Small>> = BTreeMap::new();
    for pack in small {
        by_size
            .entry(pack.size.max(SMALLEST).ilog2() / 4)
            .or_default()
            .push(pack);
    }
    let found = by_size.into_values().filter(move |alike| alike.len() > many);
    found.map(|mut alike| {
        alike.sort_by_key(|pack| pack.written);
        alike
    })
}

/// Chooses the packs to fold, in the same order; none if few can be folded.
fn choose(alike: Vec<Small>, mut can_be_folded: impl FnMut(&Small) -> bool) -> Option<Vec<Small>> {
    let mut total = 0;
    let mut chosen = Vec::new();
    for pack in alike {
        if total >= MUCH {
            break;
        }
        if can_be_folded(&pack) {
            total += pack.size;
            chosen.push(pack);
        }
    }
    (chosen.len() >= FEWEST || total >= MUCH).then_some(chosen)
}

/// Adds the ids of a pack to those of the new one. False if the pack is damaged, or if its deltas name their bases by distance
/// and it shares objects with another such pack.
fn adds_to(packs: &Directory, name: &str, ids: &mut Ids) -> bool {
    let Some(pack) = PackFile::read(packs, name).filter(PackFile::is_sound) else {
        return false;
    };
    let own: HashSet<Oid> = pack.entries.iter().map(|entry| entry.id).collect();
    if pack.hangs_together() {
        if own.len() < pack.entries.len() || !ids.hanging.is_disjoint(&own) {
            return false;
        }
        ids.hanging.extend(&own);
        ids.first.insert(name.to_owned());
    }
    ids.all.extend(own);
    true
}

/// The objects of the new pack.
#[derive(Default)]
struct Ids {
    all: HashSet<Oid>,
    /// Those in packs of which every entry must be copied.
    hanging: HashSet<Oid>,
    /// The names of these packs. They are copied first, because objects that were copied before are left out.
    first: HashSet<String>,
}

/// Replaces packs by one. False if there are not fewer packs now: one of them has gone meanwhile, or they could not be removed.
fn fold_into_one(packs: &Arc<Directory>, chosen: &[Small], ids: Ids) -> Result<bool> {
    let Ids {
        all: mut ids, first, ..
    } = ids;
    let mut new = NewPack::begin(packs, ids.len())?;
    let mut trees = Trees::default();
    let mut deflater = Deflater::new();
    let (hanging, others): (Vec<&Small>, Vec<&Small>) = chosen.iter().partition(|pack| first.contains(&pack.name));
    for Small { name, .. } in hanging.into_iter().chain(others) {
        let Some(pack) = PackFile::read(packs, name) else {
            // Another process has removed it.
            return Ok(false);
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
    let written = new.finish()?;
    if !written.is_sound()? {
        return Err(Error::Damaged(format!(
            "the packs in {} could not be folded; nothing was changed",
            packs.path().display()
        )));
    }
    let new = written.name();
    written.publish()?;
    // Not every file system keeps the order of renames and removals.
    if sync_directory(packs).is_err() {
        return Ok(false);
    }
    let still_plain = plain(packs.names()?);
    let old = chosen.iter().map(|pack| &pack.name);
    let old = old.filter(|name| **name != new && still_plain.contains(*name));
    // If one cannot be removed, it only takes space.
    Ok(old.filter(|name| remove(packs, name).is_ok()).count() > 1)
}

/// Removes a pack, its index first: without an index, git ignores a pack.
fn remove(packs: &Directory, name: &str) -> Result<()> {
    for end in FILES {
        let name = format!("{name}.{end}");
        match may_be_mapped_elsewhere(packs) {
            false => _ = packs.remove(name)?,
            true if packs.kind(&name).is_some() => {
                packs.rename_here(packs, name.as_ref(), format!("{RETIRED}{name}"))?;
            }
            true => {}
        }
    }
    Ok(())
}

/// True on a network file system. If another computer has mapped a pack there, removing the file would kill its program;
/// renaming it does no harm.
fn may_be_mapped_elsewhere(packs: &Directory) -> bool {
    const NETWORK: [u64; 7] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB 2 and 3
        0x0102_1997, // 9p
        0x00c3_6400, // Ceph
        0x5346_414f, // AFS
    ];
    file_system(packs).is_some_and(|kind| NETWORK.contains(&kind))
}

/// Removes packs that were renamed a while ago, and files that a killed process left. If that fails, they only take space.
fn remove_remains(packs: &Directory, names: &[(OsString, FileType)]) {
    for (name, _) in names.iter().filter(|(name, _)| are_remains(name, Duration::MAX)) {
        let Ok(found) = statat(packs, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(found.st_ctime.max(0) as u64);
        let is_old = changed.elapsed().is_ok_and(|age| are_remains(name, age));
        let is_ours = || !is_keep(name) || packs.read(name).is_ok_and(|text| text.as_deref() == Some(MARK));
        if is_old && is_ours() {
            let _ = packs.remove(name);
        }
    }
}

/// True if a file with this name is useless once it has not changed for this long. Reading an object takes less than ten
/// minutes, and writing a pack less than a day.
fn are_remains(name: &OsStr, age: Duration) -> bool {
    const DAY: u64 = 24 * 3600;
    let starts_with = |prefix: &str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    let limit = if starts_with(RETIRED) {
        600
    } else if starts_with("tmp_pack_anabranch-") || starts_with("tmp_idx_anabranch-") || is_keep(name) {
        DAY
    } else {
        return false;
    };
    age.as_secs() > limit
}

fn is_keep(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".keep")
}

/// The trees that were copied last. Later versions of the same tree are written as deltas: trees of large directories, and the
/// root of the git-annex branch, are most of what a change writes.
#[derive(Default)]
struct Trees {
    /// Newest last.
    recent: VecDeque<(Oid, Vec<u8>)>,
    /// Their total size.
    bytes: usize,
    /// The length of the chain of deltas below each object that is a delta.
    depths: HashMap<Oid, usize>,
}

impl Trees {
    /// Shorter trees are copied unchanged. In bytes.
    const SHORTEST: usize = 1 << 10;
    /// The most bytes of trees to keep. Longer trees are copied unchanged.
    const MOST: usize = 8 << 20;
    /// The most trees to keep.
    const REMEMBERED: usize = 64;
    /// The longest chain that git makes by default (`pack.depth`).
    const DEEPEST: usize = 50;
    /// How many bases to try: those with the longest common beginning and end.
    const TRIED: usize = 2;

    /// Makes a delta of a tree, if that is much shorter; returns its base too. `chain` is the longest chain in the pack of
    /// the tree, which the delta may lengthen.
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
        let deltas = near
            .into_iter()
            .take(Self::TRIED)
            .filter_map(|(base, content)| Some((*base, tree_delta(content, &tree)?)));
        let best = deltas.min_by_key(|(_, delta)| delta.len());
        let best = best.filter(|(_, delta)| delta.len() <= tree.len() / 8);
        if let Some((base, _)) = &best {
            self.depths.insert(entry.id, depth_of(base));
        }
        self.bytes += tree.len();
        self.recent.push_back((entry.id, tree));
        while self.bytes > Self::MOST || self.recent.len() > Self::REMEMBERED {
            self.bytes -= self.recent.pop_front().map_or(0, |(_, old)| old.len());
        }
        best
    }
}

/// About how many bytes two trees have in common at the beginning and the end.
fn common(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let first = a.chunks(STEP).zip(b.chunks(STEP)).take_while(|(a, b)| a == b).count();
    let last = a.rchunks(STEP).zip(b.rchunks(STEP)).take_while(|(a, b)| a == b).count();
    (first + last) * STEP
}

#[cfg(test)]
mod tests;
