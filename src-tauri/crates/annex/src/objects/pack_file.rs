use std::collections::HashMap;

use flate2::{Decompress, FlushDecompress, Status};
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

use super::hash;
use super::pack::{BLOB, COMMIT, OFFSET_DELTA, REF_DELTA, TAG, TREE};
use crate::Directory;

const ID: usize = 20;
/// Where the ids begin in an index of version 2: gitformat-pack(5).
const IDS_AT: usize = 8 + 256 * 4;

/// A pack that was read as a whole and is what its checksums say.
pub(super) struct PackFile {
    bytes: Vec<u8>,
    /// In the order in which they lie in the file.
    pub(super) entries: Vec<PackEntry>,
}

/// One object in a pack.
pub(super) struct PackEntry {
    pub(super) id: Oid,
    /// See [`super::pack`].
    pub(super) kind: u8,
    /// How long it is when it is inflated, in bytes.
    pub(super) size: usize,
    /// What it is a difference from, if it says so by an id.
    pub(super) base: Option<Oid>,
    start: usize,
    /// Where its compressed data begin.
    data: usize,
    end: usize,
}

impl PackFile {
    /// Reads the pack of this name without its end. None if it or its index, which has to be of version 2, is not whole, or
    /// if it holds what only newer versions of git know.
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
        places.sort_unstable();
        let ends = places.iter().skip(1).map(|(offset, _)| *offset);
        let ends: Vec<usize> = ends.chain([bytes.len() - ID]).collect();
        let entries = places.iter().zip(ends);
        let entries = entries.map(|(&(start, id), end)| PackEntry::read(&bytes, id, start, end));
        let entries = entries.collect::<Option<_>>()?;
        Some(Self { bytes, entries })
    }

    /// An entry as it lies in the file.
    pub(super) fn entry(&self, entry: &PackEntry) -> &[u8] {
        &self.bytes[entry.start..entry.end]
    }

    /// What an entry holds; none if it is not what its header says.
    pub(super) fn inflate(&self, entry: &PackEntry) -> Option<Vec<u8>> {
        let mut content = Vec::with_capacity(entry.size);
        let mut state = Decompress::new(true);
        let data = &self.bytes[entry.data..entry.end];
        let status = state.decompress_vec(data, &mut content, FlushDecompress::Finish);
        let is_whole = matches!(status, Ok(Status::StreamEnd)) && content.len() == entry.size;
        is_whole.then_some(content)
    }

    /// True if all that is stored whole is what its id says.
    pub(super) fn is_sound(&self) -> bool {
        self.entries.iter().all(|entry| {
            let kind = match entry.kind {
                COMMIT => ObjectType::Commit,
                TREE => ObjectType::Tree,
                BLOB => ObjectType::Blob,
                TAG => ObjectType::Tag,
                _ => return true,
            };
            let content = self.inflate(entry);
            content.is_some_and(|content| hash(kind, &content).is_ok_and(|id| id == entry.id))
        })
    }

    /// True if entries are differences from what lies so many bytes before them, so that none may be left out.
    pub(super) fn hangs_together(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == OFFSET_DELTA)
    }

    /// The greatest number of differences that lie between an object and one that is stored whole; none if that is not
    /// seen at once.
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
        let mut byte = *rest.next()?;
        let kind = byte >> 4 & 7;
        let (mut size, mut shift) = (usize::from(byte & 15), 4);
        while byte & 0x80 != 0 {
            byte = *rest.next()?;
            size |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
        }
        let mut rest = rest.as_slice();
        let base = match kind {
            REF_DELTA => {
                let (base, data) = rest.split_at_checked(ID)?;
                rest = data;
                Some(Oid::from_bytes(base).ok()?)
            }
            COMMIT..=TAG | OFFSET_DELTA => None,
            _ => return None,
        };
        let data = end - rest.len();
        Some(Self {
            id,
            kind,
            size,
            base,
            start,
            data,
            end,
        })
    }
}

/// A file that ends with the hash of all before; none if it does not.
fn checked(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(ID)?)?;
    let is_whole = Sha1::digest(content)[..] == *sum && content.len() >= 12;
    is_whole.then_some(bytes)
}
