//! The index file of git, versions 2 to 4.

use bstr::ByteSlice;
use model::Oid;
use sha1::{Digest, Sha1};

use super::{CachedTree, Entry};

const HEADER: usize = 12;
const CHECKSUM: usize = 20;
const EXTENDED: u16 = 0x4000;
const LENGTH: u16 = 0x0fff;

/// All that the index holds and that has a meaning after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    version: u32,
    /// By path, then by stage.
    pub(crate) entries: Vec<Entry>,
    pub(crate) trees: CachedTree,
    /// The `REUC` extension, carried as it is.
    resolve_undo: Option<Vec<u8>>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            version: 2,
            entries: Vec::new(),
            trees: CachedTree::default(),
            resolve_undo: None,
        }
    }
}

/// Why an index cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Truncated or overwritten.
    Damaged(&'static str),
    /// A kind of index that this program does not edit.
    Unsupported(&'static str),
}

use Fault::{Damaged, Unsupported};

/// The bytes before the checksum of an index, if the checksum is right.
fn body(data: &[u8]) -> Result<&[u8], Fault> {
    let Some((body, checksum)) = data.split_last_chunk::<CHECKSUM>() else {
        return Err(Damaged("it is too short"));
    };
    if body.len() < HEADER || !body.starts_with(b"DIRC") {
        return Err(Damaged("it does not start as an index does"));
    }
    // All zero: written with `index.skipHash`.
    if *checksum != [0; CHECKSUM] && Sha1::digest(body)[..] != *checksum {
        return Err(Damaged("its checksum is wrong"));
    }
    Ok(body)
}

/// True if the bytes of an intact index contain every path literally. Version 4 abbreviates paths; a split index has some in
/// another file, and a sparse index names only a directory.
pub(super) fn is_plain(data: &[u8]) -> bool {
    let is_known = data.last_chunk() != Some(&[0; CHECKSUM]);
    is_known
        && body(data).is_ok_and(|body| {
            let elsewhere = |name: &[u8]| body.contains_str(name);
            matches!(body[4..8], [0, 0, 0, 2 | 3]) && !elsewhere(b"link") && !elsewhere(b"sdir")
        })
}

impl Content {
    /// Reads an index.
    pub(crate) fn parse(data: &[u8]) -> Result<Self, Fault> {
        let body = body(data)?;
        let mut input = Input(&body[4..]);
        let version = input.u32()?;
        if !(2..=4).contains(&version) {
            return Err(Unsupported("it has a version that this program does not know"));
        }
        let count = input.u32()? as usize;
        // An entry takes at least 62 bytes; what claims more entries is no reason to reserve memory for them.
        let mut entries = Vec::<Entry>::with_capacity(count.min(data.len() / 62));
        for _ in 0..count {
            let last = entries.last();
            let entry = input.entry(version, last.map_or(b"", |last| &last.path))?;
            if last.is_some_and(|last| (&last.path, last.stage()) >= (&entry.path, entry.stage())) {
                return Err(Damaged("its entries are not in order"));
            }
            entries.push(entry);
        }
        let mut content = Self {
            version,
            entries,
            ..Self::default()
        };
        while !input.0.is_empty() {
            let name = input.take(4)?;
            let size = input.u32()? as usize;
            let data = input.take(size)?;
            match name {
                b"TREE" => content.trees = CachedTree::parse(data).unwrap_or_default(),
                b"REUC" => content.resolve_undo = Some(data.to_owned()),
                b"link" => return Err(Unsupported("it is split in two (core.splitIndex)")),
                b"sdir" => return Err(Unsupported("it is sparse (index.sparse)")),
                // Caches of git that an edit makes stale; they come back by themselves.
                [b'A'..=b'Z', ..] => {}
                _ => return Err(Unsupported("it has an extension that this program does not know")),
            }
        }
        Ok(content)
    }

    /// Writes the index, checksum included.
    pub(crate) fn write(&self) -> Vec<u8> {
        let version = match self.version {
            4 => 4,
            _ if self.entries.iter().any(|entry| entry.extended != 0) => 3,
            _ => 2,
        };
        let mut out = Vec::with_capacity(self.entries.iter().map(|entry| entry.path.len() + 72).sum::<usize>() + 4096);
        out.extend_from_slice(b"DIRC");
        put(&mut out, version);
        put(&mut out, self.entries.len() as u32);
        let mut last: &[u8] = b"";
        for entry in &self.entries {
            write_entry(entry, (version == 4).then_some(last), &mut out);
            last = &entry.path;
        }
        let mut trees = Vec::new();
        self.trees.write(b"", &mut trees);
        extension(&mut out, b"TREE", &trees);
        if let Some(data) = &self.resolve_undo {
            extension(&mut out, b"REUC", data);
        }
        let checksum = Sha1::digest(&out);
        out.extend_from_slice(&checksum);
        out
    }
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn extension(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(name);
    put(out, data.len() as u32);
    out.extend_from_slice(data);
}

fn write_entry(entry: &Entry, compress_against: Option<&[u8]>, out: &mut Vec<u8>) {
    let start = out.len();
    for number in [
        entry.ctime.0,
        entry.ctime.1,
        entry.mtime.0,
        entry.mtime.1,
        entry.dev,
        entry.ino,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
    ] {
        put(out, number);
    }
    out.extend_from_slice(&entry.oid.0);
    let length = u16::try_from(entry.path.len()).map_or(LENGTH, |length| length.min(LENGTH));
    let extended = if entry.extended == 0 { 0 } else { EXTENDED };
    out.extend_from_slice(&(entry.flags | extended | length).to_be_bytes());
    if entry.extended != 0 {
        out.extend_from_slice(&entry.extended.to_be_bytes());
    }
    match compress_against {
        Some(last) => {
            let same = last.iter().zip(&*entry.path).take_while(|(a, b)| a == b).count();
            varint(out, last.len() - same);
            out.extend_from_slice(&entry.path[same..]);
            out.push(0);
        }
        None => {
            out.extend_from_slice(&entry.path);
            let padding = 8 - (out.len() - start) % 8;
            out.extend_from_slice(&[0; 8][..padding]);
        }
    }
}

/// git's variable-length numbers: each further byte adds one, so that no number has two forms.
fn varint(out: &mut Vec<u8>, mut number: usize) {
    let mut bytes = vec![(number & 127) as u8];
    while number > 127 {
        number = (number >> 7) - 1;
        bytes.push((number & 127) as u8 | 128);
    }
    out.extend(bytes.iter().rev());
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged("it is truncated"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn varint(&mut self) -> Result<usize, Fault> {
        let mut byte = self.take(1)?[0];
        let mut number = usize::from(byte & 127);
        while byte & 128 != 0 {
            byte = self.take(1)?[0];
            number = number
                .checked_add(1)
                .filter(|&number| number < usize::MAX >> 8)
                .map(|number| (number << 7) + usize::from(byte & 127))
                .ok_or(Damaged("a path in it cannot be"))?;
        }
        Ok(number)
    }

    fn entry(&mut self, version: u32, last: &[u8]) -> Result<Entry, Fault> {
        let before = self.0.len();
        let mut entry = Entry {
            ctime: (self.u32()?, self.u32()?),
            mtime: (self.u32()?, self.u32()?),
            dev: self.u32()?,
            ino: self.u32()?,
            mode: self.u32()?,
            uid: self.u32()?,
            gid: self.u32()?,
            size: self.u32()?,
            oid: Oid(*self
                .take(20)?
                .first_chunk()
                .expect("because 20 bytes were asked for and given")),
            flags: 0,
            extended: 0,
            path: Box::default(),
        };
        let flags = self.u16()?;
        entry.flags = flags & !(EXTENDED | LENGTH);
        if flags & EXTENDED != 0 {
            if version < 3 {
                return Err(Damaged("an entry of it has flags that its version does not have"));
            }
            entry.extended = self.u16()?;
        }
        let shared = match version {
            4 => {
                let dropped = self.varint()?;
                let kept = last.len().checked_sub(dropped);
                &last[..kept.ok_or(Damaged("a path in it cannot be"))?]
            }
            _ => b"",
        };
        let end = self.0.find_byte(0).ok_or(Damaged("it is truncated"))?;
        entry.path = [shared, self.take(end)?].concat().into();
        if entry.path.is_empty() {
            return Err(Damaged("a path in it is empty"));
        }
        let padding = match version {
            4 => 1,
            _ => 8 - (before - self.0.len()) % 8,
        };
        self.take(padding)?;
        Ok(entry)
    }
}
