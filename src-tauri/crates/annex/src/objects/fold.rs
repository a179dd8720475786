//! Folding small packs into one.
//!
//! Each burst of changes is a pack, and a folder that never rests would gather them without end: git packs only when
//! nothing else happens, and in a repository on a drive nobody does. Folding takes no object away: all that a pack holds
//! is in the new one, which is durable before the old ones go. Whoever looks for an object in a pack that has gone looks
//! into the directory again, git and libgit2 both.
//!
//! Which packs are folded follows from their sizes, so that each object is written anew a few times at most: those that
//! are not larger than all smaller ones together.

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
use super::tree_delta::{apply, tree_delta};
use crate::below::file_system;
use crate::durable::sync_directory;
use crate::{Directory, Result};

/// More small packs than this are folded. git thinks of packing at 50 (`gc.autoPackLimit`).
pub(super) const MANY: usize = 24;
/// So many are folded at once, unless they are [`MUCH`] before.
const FEWEST: usize = MANY / 2;
/// A pack of this size or more, in bytes, stays: folding must not take long, nor much memory.
const LARGE: u64 = 4 << 20;
/// From this size on, in bytes, nothing more is folded with it.
const MUCH: u64 = 2 * LARGE;

/// The files of a pack, in the order in which they go.
const FILES: [&str; 3] = ["idx", "rev", "pack"];
/// How the names of packs begin that are to be removed later.
const RETIRED: &str = "tmp_folded_";

/// Folds small packs if there are many in `packs`.
///
/// What belongs to somebody else's order stays: packs that are kept (`.keep`), that belong to a partial clone
/// (`.promisor`), that hold what is to be removed (`.mtimes`) or have a bitmap, those of another user, and all of them where
/// git has an index of several packs. A pack that is damaged or of another version stays too.
///
/// # Errors
///
/// If the new pack cannot be written. Nothing has changed then.
pub(super) fn fold(packs: &Arc<Directory>) -> Result<()> {
    let names = packs.names()?;
    remove_remains(packs, &names)?;
    let plain = plain(names);
    if plain.len() <= MANY {
        return Ok(());
    }
    let small: Vec<Small> = plain.into_iter().filter_map(|name| Small::find(packs, name)).collect();
    let mut ids = Ids::default();
    let chosen = choose(small, |pack| adds_to(packs, &pack.name, &mut ids));
    match chosen.is_empty() {
        true => Ok(()),
        false => fold_into_one(packs, &chosen, ids),
    }
}

/// The packs, by their names without an end, that nothing but their own index belongs to.
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

/// Which of the small packs are folded, oldest first, of those that can be; none if they are few.
fn choose(mut small: Vec<Small>, mut can_be_folded: impl FnMut(&Small) -> bool) -> Vec<Small> {
    if small.len() <= MANY {
        return Vec::new();
    }
    small.sort_by_key(|pack| pack.size);
    let mut total = 0;
    let mut chosen = Vec::new();
    for pack in small {
        if chosen.len() >= FEWEST && pack.size > total || total >= MUCH {
            break;
        }
        if can_be_folded(&pack) {
            total += pack.size;
            chosen.push(pack);
        }
    }
    if chosen.len() < FEWEST && total < MUCH {
        return Vec::new();
    }
    chosen.sort_by_key(|pack| pack.written);
    chosen
}

/// Adds the ids of a pack to those that will be in the new one. False if it cannot be folded: it is damaged, or hangs together
/// and has objects of another one that does.
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
    /// Those in packs of which none may be left out.
    hanging: HashSet<Oid>,
    /// These packs, which have to be written first.
    first: HashSet<String>,
}

fn fold_into_one(packs: &Arc<Directory>, chosen: &[Small], ids: Ids) -> Result<()> {
    let Ids {
        all: mut ids, first, ..
    } = ids;
    let mut new = NewPack::begin(packs, ids.len())?;
    let mut trees = Trees::default();
    let mut deflater = Deflater::new();
    let (hanging, others): (Vec<&Small>, Vec<&Small>) = chosen.iter().partition(|pack| first.contains(&pack.name));
    for Small { name, .. } in hanging.into_iter().chain(others) {
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
    // The old packs go only for what is proven.
    let Some(new) = new.finish(Some(&PackFile::is_sound), &mut |_| ())? else {
        return Ok(());
    };
    // Not every file system keeps the order of what happens to names.
    if sync_directory(packs).is_err() {
        return Ok(());
    }
    let still_plain = plain(packs.names()?);
    let old = chosen.iter().map(|pack| &pack.name);
    for name in old.filter(|name| **name != new && still_plain.contains(*name)) {
        // What cannot be removed only takes space.
        let _ = remove(packs, name);
    }
    Ok(())
}

/// Removes a pack. The index goes first: without it the pack is nothing to anybody.
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

/// True for a network's file system. Another computer may read a pack there through memory, and its program ends if the
/// file is removed. Under another name it can go on reading.
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

/// Removes packs that got another name a while ago, and what is left of those that were never finished. git would too, when
/// it packs.
fn remove_remains(packs: &Directory, names: &[(OsString, FileType)]) -> Result<()> {
    for (name, _) in names.iter().filter(|(name, _)| are_remains(name, Duration::MAX)) {
        if name.as_encoded_bytes().ends_with(b".keep") && packs.read(name)?.as_deref() != Some(MARK) {
            continue;
        }
        let Ok(found) = statat(packs, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(found.st_ctime.max(0) as u64);
        if changed.elapsed().is_ok_and(|age| are_remains(name, age)) {
            packs.remove(name)?;
        }
    }
    Ok(())
}

/// True for a file of this name that nobody needs any more if it has not changed for so long: reading an object takes no ten
/// minutes, and writing a pack no day.
fn are_remains(name: &OsStr, age: Duration) -> bool {
    const DAY: u64 = 24 * 3600;
    let starts = [
        (RETIRED, 600),
        ("tmp_pack_anabranch-", DAY),
        ("tmp_idx_anabranch-", DAY),
    ];
    let name = name.as_encoded_bytes();
    let is_old = |seconds: u64| age.as_secs() > seconds;
    let mut starts = starts.iter();
    name.ends_with(b".keep") && is_old(DAY)
        || starts.any(|(start, seconds)| name.starts_with(start.as_bytes()) && is_old(*seconds))
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
    const MOST: usize = 8 << 20;
    /// How many trees are remembered.
    const REMEMBERED: usize = 64;
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
        while self.bytes > Self::MOST || self.recent.len() > Self::REMEMBERED {
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
