//! The base of a split index: the file `sharedindex.<checksum>`, which never changes and holds most entries.

use std::sync::Arc;

use super::format::{Fault, HEADER, Input, body, put, write_entry};
use super::{Entries, EntryRef};

/// The entries of a shared index, parsed only when they are asked for by position.
///
/// The file is read into memory, not mapped: a mapped file kills the program when its drive is pulled out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The checksum that ends the file, which is in its name.
    pub(super) checksum: [u8; 20],
    /// The file in version 2 or 3, of which each entry fills a multiple of 8 bytes.
    data: Vec<u8>,
    /// The offset of each entry after the header, in units of 8 bytes.
    starts: Vec<u32>,
    /// How many entries are sides of unresolved conflicts.
    pub(super) conflicts: usize,
    /// Whether a path ends in `.gitattributes`.
    pub(super) has_attributes: bool,
}

impl Base {
    /// The name of the file of a base.
    pub(super) fn name(checksum: &[u8; 20]) -> String {
        format!("sharedindex.{}", model::Oid(*checksum))
    }

    /// Reads a shared index.
    pub(super) fn parse(data: Vec<u8>) -> Result<Self, Fault> {
        let checksum = data.last_chunk().copied().unwrap_or_default();
        let mut base = Self {
            checksum,
            data,
            starts: Vec::new(),
            conflicts: 0,
            has_attributes: false,
        };
        let mut input = Input(&body(&base.data)?[4..]);
        let version = input.u32()?;
        let count = input.u32()? as usize;
        let data = match version {
            2 | 3 => None,
            4 => Some(expand(&mut input, count)?),
            _ => {
                return Err(Fault::Unsupported(
                    "its base has a version that this program does not know",
                ));
            }
        };
        if let Some(data) = data {
            base.data = data;
        }
        base.find_entries(count)?;
        Ok(base)
    }

    /// Finds and checks all entries.
    fn find_entries(&mut self, count: usize) -> Result<(), Fault> {
        let mut input = Input(&self.data[HEADER..]);
        let whole = input.0.len();
        self.starts = Vec::with_capacity(count.min(whole / 62));
        let mut last: Option<(&[u8], u16)> = None;
        for _ in 0..count {
            let start = whole - input.0.len();
            let path = Input(input.0).path_in_place()?;
            let entry = input.entry_in_place(3)?;
            let this = (entry.path, entry.stage());
            if path != entry.path {
                return Err(Fault::Damaged("an entry of its base has another length than it says"));
            }
            if entry.path.is_empty() || last.is_some_and(|last| last >= this) {
                return Err(Fault::Damaged("the entries of its base are not in order"));
            }
            last = Some(this);
            self.starts.push((start / 8) as u32);
            self.conflicts += usize::from(this.1 != 0);
            self.has_attributes |= entry.path.ends_with(b".gitattributes");
        }
        Ok(())
    }

    /// Makes the base of these entries.
    pub(super) fn of(entries: Entries<'_>) -> Arc<Self> {
        let all = entries.all();
        let is_extended = entries.iter(&all).any(|entry| entry.extended != 0);
        let mut base = Self {
            checksum: [0; 20],
            data: Vec::with_capacity(entries.len() * 128),
            starts: Vec::with_capacity(entries.len()),
            conflicts: 0,
            has_attributes: false,
        };
        header(&mut base.data, if is_extended { 3 } else { 2 }, entries.len());
        for entry in entries.iter(&all) {
            base.starts.push(((base.data.len() - HEADER) / 8) as u32);
            base.conflicts += usize::from(entry.stage() != 0);
            base.has_attributes |= entry.path.ends_with(b".gitattributes");
            write_entry(&entry, None, &mut base.data);
        }
        base.checksum = super::format::checksum(&base.data);
        base.data.extend_from_slice(&base.checksum);
        Arc::new(base)
    }

    /// The file of a base that [`Base::of`] made.
    pub(super) fn file(&self) -> &[u8] {
        &self.data
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    fn at(&self, position: usize) -> &[u8] {
        &self.data[HEADER + 8 * self.starts[position] as usize..]
    }

    /// The path of the entry at a position.
    pub(super) fn path(&self, position: usize) -> &[u8] {
        Input(self.at(position))
            .path_in_place()
            .expect("because all entries were read when the base was")
    }

    /// The entry at a position.
    pub(super) fn entry(&self, position: usize) -> EntryRef<'_> {
        Input(self.at(position))
            .entry_in_place(3)
            .expect("because all entries were read when the base was")
    }
}

fn header(out: &mut Vec<u8>, version: u32, count: usize) {
    out.extend_from_slice(b"DIRC");
    put(out, version);
    put(out, count as u32);
}

/// Converts entries of version 4, which abbreviates paths, to version 3.
fn expand(input: &mut Input<'_>, count: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    header(&mut out, 3, count);
    let mut last: Box<[u8]> = Box::default();
    for _ in 0..count {
        let entry = input.entry(4, &last)?;
        write_entry(&entry.borrowed(), None, &mut out);
        last = entry.path;
    }
    Ok(out)
}
