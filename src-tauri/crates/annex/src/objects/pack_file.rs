use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress, Status};
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

use super::hash;
use super::pack::{BLOB, COMMIT, OFFSET_DELTA, REF_DELTA, TAG, TREE, read_header};
use super::tree_delta::apply;
use crate::Directory;

const ID: usize = 20;
/// Where the ids begin in an index of version 2: gitformat-pack(5).
const IDS_AT: usize = 8 + 256 * 4;

/// The largest object, in bytes, that is inflated. A pack may claim any size, and a few bytes can inflate to gigabytes.
pub(super) const MOST: usize = 64 << 20;

/// A small pack in memory. Its checksums were verified.
pub(super) struct PackFile {
    bytes: Vec<u8>,
    /// In the order of their offsets.
    pub(super) entries: Vec<PackEntry>,
    /// Reused, because creating one takes longer than inflating a small object.
    inflater: RefCell<Decompress>,
}

/// One object in a pack.
pub(super) struct PackEntry {
    pub(super) id: Oid,
    /// See [`super::pack`].
    pub(super) kind: u8,
    /// The inflated size, in bytes.
    pub(super) size: usize,
    /// The base of a delta that names it by its id.
    pub(super) base: Option<Oid>,
    /// How many bytes before this entry the base of a delta is, if the delta says that instead.
    distance: usize,
    start: usize,
    /// Where its compressed data begin.
    data: usize,
    end: usize,
}

impl PackFile {
    /// Reads the pack with this name, given without the extension. None if the pack or its index is damaged, has another
    /// version, or contains a type of entry or a size that this program does not handle.
    pub(super) fn read(packs: &Directory, name: &str) -> Option<Self> {
        let read = |end: &str| packs.read(format!("{name}.{end}")).ok().flatten();
        let (index, bytes) = (checked(read("idx")?)?, checked(read("pack")?)?);
        let word = |at: usize| Some(u32::from_be_bytes(*index.get(at..)?.first_chunk()?));
        let count = word(IDS_AT - 4)?;
        let count_at = count as usize;
        let is_whole = index.starts_with(b"\xfftOc\0\0\0\x02")
            && index.len() == IDS_AT + count_at.checked_mul(ID + 8)? + 2 * ID
            && index[index.len() - 2 * ID..][..ID] == bytes[bytes.len() - ID..]
            && bytes.starts_with(b"PACK\0\0\0\x02")
            && bytes.get(8..12)? == count.to_be_bytes();
        if !is_whole {
            return None;
        }
        let mut places = Vec::with_capacity(count_at);
        for at in 0..count_at {
            let id = Oid::from_bytes(&index[IDS_AT + at * ID..][..ID]).ok()?;
            let offset = word(IDS_AT + count_at * (ID + 4) + at * 4)? as usize;
            places.push((offset, id));
        }
        Self::of(bytes, places)
    }

    /// Parses a pack whose objects are at these offsets.
    pub(super) fn of(bytes: Vec<u8>, mut places: Vec<(usize, Oid)>) -> Option<Self> {
        places.sort_unstable();
        let ends = places.iter().skip(1).map(|(offset, _)| *offset);
        let ends: Vec<usize> = ends.chain([bytes.len() - ID]).collect();
        let entries = places.iter().zip(ends);
        let entries = entries.map(|(&(start, id), end)| PackEntry::read(&bytes, id, start, end));
        let entries = entries.collect::<Option<_>>()?;
        let inflater = RefCell::new(Decompress::new(true));
        Some(Self {
            bytes,
            entries,
            inflater,
        })
    }

    /// The bytes of an entry, header included.
    pub(super) fn entry(&self, entry: &PackEntry) -> &[u8] {
        &self.bytes[entry.start..entry.end]
    }

    /// Inflates an entry; none if it is damaged.
    pub(super) fn inflate(&self, entry: &PackEntry) -> Option<Vec<u8>> {
        let mut content = Vec::with_capacity(entry.size);
        let mut state = self.inflater.borrow_mut();
        state.reset(true);
        let data = &self.bytes[entry.data..entry.end];
        let status = state.decompress_vec(data, &mut content, FlushDecompress::Finish);
        let is_whole = matches!(status, Ok(Status::StreamEnd)) && content.len() == entry.size;
        is_whole.then_some(content)
    }

    /// Resolves every entry and compares its hash with its id.
    pub(super) fn is_sound(&self) -> bool {
        let by_id = self
            .entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (entry.id, at))
            .collect();
        let mut known = Known::default();
        (0..self.entries.len()).all(|at| {
            let found = self.resolve(at, &by_id, &mut known);
            found.is_some_and(|(kind, content)| hash(kind, &content).is_ok_and(|id| id == self.entries[at].id))
        })
    }

    /// The type and content of an entry; none if it is damaged or a base is missing.
    fn resolve(&self, at: usize, by_id: &HashMap<Oid, usize>, known: &mut Known) -> Option<(ObjectType, Arc<Vec<u8>>)> {
        // Down to an entry that is no delta, or was resolved before.
        let mut chain = Vec::new();
        let mut next = at;
        let (kind, mut content) = loop {
            if let Some((kind, content)) = known.contents.get(&next) {
                break (*kind, Arc::clone(content));
            }
            let entry = &self.entries[next];
            let kind = match entry.kind {
                COMMIT => ObjectType::Commit,
                TREE => ObjectType::Tree,
                BLOB => ObjectType::Blob,
                TAG => ObjectType::Tag,
                _ => {
                    chain.push(next);
                    next = self
                        .base_of(entry, by_id)
                        .filter(|_| chain.len() <= self.entries.len())?;
                    continue;
                }
            };
            let content = Arc::new(self.inflate(entry)?);
            known.add(next, kind, &content);
            break (kind, content);
        };
        while let Some(at) = chain.pop() {
            content = Arc::new(apply(&content, &self.inflate(&self.entries[at])?)?);
            known.add(at, kind, &content);
        }
        Some((kind, content))
    }

    fn base_of(&self, entry: &PackEntry, by_id: &HashMap<Oid, usize>) -> Option<usize> {
        if let Some(base) = &entry.base {
            return by_id.get(base).copied();
        }
        let start = entry.start.checked_sub(entry.distance)?;
        self.entries.binary_search_by_key(&start, |entry| entry.start).ok()
    }

    /// True if deltas name their bases by distance, so that no entry may be left out or moved.
    pub(super) fn hangs_together(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == OFFSET_DELTA)
    }

    /// The length of the longest chain of deltas; none if a base comes after its delta or is named by distance.
    pub(super) fn longest_chain(&self) -> Option<usize> {
        let mut depths = HashMap::with_capacity(self.entries.len());
        for entry in &self.entries {
            let depth = match (entry.kind, &entry.base) {
                (OFFSET_DELTA, _) => return None,
                (_, None) => 0,
                (_, Some(base)) => depths.get(base)? + 1,
            };
            depths.insert(entry.id, depth);
        }
        Some(depths.into_values().max().unwrap_or(0))
    }
}

impl PackEntry {
    fn read(bytes: &[u8], id: Oid, start: usize, end: usize) -> Option<Self> {
        let mut rest = bytes.get(start..end)?.iter();
        let (kind, size) = read_header(&mut || rest.next().copied())?;
        let size = usize::try_from(size).ok().filter(|size| *size <= MOST)?;
        let mut rest = rest.as_slice();
        let mut distance = 0usize;
        let base = match kind {
            REF_DELTA => {
                let (base, data) = rest.split_at_checked(ID)?;
                rest = data;
                Some(Oid::from_bytes(base).ok()?)
            }
            OFFSET_DELTA => {
                // Seven bits at a time, with one added for each further byte: gitformat-pack(5).
                loop {
                    let (byte, data) = rest.split_first()?;
                    rest = data;
                    distance = distance.checked_mul(128)? | usize::from(byte & 0x7f);
                    if byte & 0x80 == 0 {
                        break;
                    }
                    distance = distance.checked_add(1)?;
                }
                None
            }
            COMMIT..=TAG => None,
            _ => return None,
        };
        let data = end - rest.len();
        Some(Self {
            id,
            kind,
            size,
            base,
            distance,
            start,
            data,
            end,
        })
    }
}

/// Recently resolved entries: most deltas have one of them as their base.
#[derive(Default)]
struct Known {
    contents: HashMap<usize, (ObjectType, Arc<Vec<u8>>)>,
    bytes: usize,
}

impl Known {
    /// The most bytes of content to keep.
    const MOST: usize = 4 << 20;

    fn add(&mut self, at: usize, kind: ObjectType, content: &Arc<Vec<u8>>) {
        if self.bytes + content.len() > Self::MOST {
            self.contents.clear();
            self.bytes = 0;
        }
        self.bytes += content.len();
        self.contents.insert(at, (kind, Arc::clone(content)));
    }
}

/// Verifies the checksum at the end of a file; none if it is wrong.
fn checked(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(ID)?)?;
    let is_whole = Sha1::digest(content)[..] == *sum && content.len() >= 12;
    is_whole.then_some(bytes)
}
