use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

use flate2::Crc;
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

use super::OBJECT_MODE;
use super::deflate::Deflater;
use super::durable::sync_names;
use super::kept::Kept;
use super::pack_file::PackFile;
use super::source::Source;
use crate::{Directory, Error, NewFile, Result};

/// The types of pack entries: gitformat-pack(5).
pub(super) const COMMIT: u8 = 1;
pub(super) const TREE: u8 = 2;
pub(super) const BLOB: u8 = 3;
pub(super) const TAG: u8 = 4;
/// A delta whose base is an earlier entry, given by its distance in bytes.
pub(super) const OFFSET_DELTA: u8 = 6;
/// A delta whose base is an object of the same pack, given by its id.
pub(super) const REF_DELTA: u8 = 7;

/// Writes one pack with its index into `directory` and makes both durable.
///
/// It contains no deltas: the objects of a burst have little in common. [`super::fold`] makes deltas later.
pub(super) fn write<S: Source + ?Sized>(directory: &Arc<Directory>, objects: &S) -> Result<Kept> {
    let mut pack = NewPack::begin(directory, objects.count())?;
    let mut deflater = Deflater::new();
    for at in 0..objects.count() {
        objects.give(at, &mut |kind, content| {
            let data = deflater.deflate(kind, &[], content)?;
            let kind = match kind {
                ObjectType::Commit => COMMIT,
                ObjectType::Tree => TREE,
                ObjectType::Tag => TAG,
                ObjectType::Any | ObjectType::Blob => BLOB,
            };
            pack.put(objects.id(at), &[&header(kind, content.len()), data])
        })?;
    }
    let pack = pack.finish()?;
    let mut kept = Kept::default();
    kept.keep(directory, &pack.name());
    pack.publish()?;
    Ok(kept)
}

/// A pack that is being written. Format: gitformat-pack(5), index version 2.
pub(super) struct NewPack<'d> {
    directory: &'d Arc<Directory>,
    pack: Hashing,
    count: u32,
    /// Of each entry: its id, its offset, its checksum.
    places: Vec<(Oid, u64, u32)>,
}

impl<'d> NewPack<'d> {
    /// Begins one that will hold `count` objects.
    pub(super) fn begin(directory: &'d Arc<Directory>, count: usize) -> Result<Self> {
        let too_many = |_| Error::Refused("more than four billion git objects at once; nothing was changed".to_owned());
        let mut new = Self {
            directory,
            pack: Hashing::new(directory.new_file("tmp_pack_", OBJECT_MODE)?),
            count: u32::try_from(count).map_err(too_many)?,
            places: Vec::with_capacity(count),
        };
        let begun = new.pack.put(b"PACK\0\0\0\x02");
        let begun = begun.and_then(|()| new.pack.put(&new.count.to_be_bytes()));
        begun.map_err(new.failed())?;
        Ok(new)
    }

    /// Adds an entry: its header and its compressed data, in any number of parts.
    pub(super) fn put(&mut self, id: Oid, parts: &[&[u8]]) -> Result<()> {
        let start = self.pack.written;
        let mut crc = Crc::new();
        for part in parts {
            crc.update(part);
            self.pack.put(part).map_err(self.failed())?;
        }
        self.places.push((id, start, crc.sum()));
        Ok(())
    }

    /// Ends the pack and makes it durable. It stays invisible.
    pub(super) fn finish(self) -> Result<Written<'d>> {
        let failed = self.failed();
        if self.places.len() != self.count as usize {
            return Err(failed(io::ErrorKind::InvalidData.into()));
        }
        let (pack, checksum) = self.pack.finish().map_err(failed)?;
        Ok(Written {
            directory: self.directory,
            pack,
            checksum,
            places: self.places,
        })
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<'d> {
        Error::io("write a pack in", self.directory.path())
    }
}

/// A pack that is complete, but has no index and no final name yet.
pub(super) struct Written<'d> {
    directory: &'d Arc<Directory>,
    pack: NewFile,
    checksum: [u8; 20],
    places: Vec<(Oid, u64, u32)>,
}

impl Written<'_> {
    /// Its name, without the extension.
    pub(super) fn name(&self) -> String {
        format!("pack-{}", hex::encode(self.checksum))
    }

    /// Reads it back and checks every object.
    pub(super) fn is_sound(&self) -> Result<bool> {
        let mut bytes = Vec::new();
        let read = self.pack.reopen().and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(Error::io("read a pack in", self.directory.path()))?;
        let places = self.places.iter();
        let places = places.map(|(id, offset, _)| Some((usize::try_from(*offset).ok()?, *id)));
        let pack = places
            .collect::<Option<_>>()
            .and_then(|places| PackFile::of(bytes, places));
        Ok(pack.is_some_and(|pack| pack.is_sound()))
    }

    /// Writes the index and makes the pack visible. The index is renamed last, because git finds packs by it.
    pub(super) fn publish(mut self) -> Result<()> {
        let name = self.name();
        self.places.sort_unstable_by_key(|place| place.0);
        let mut index = Hashing::new(self.directory.new_file("tmp_idx_", OBJECT_MODE)?);
        let written = write_index(&mut index, &self.places, &self.checksum);
        let (index, _) = written
            .and_then(|()| index.finish())
            .map_err(Error::io("write a pack in", self.directory.path()))?;
        for (file, extension) in [(self.pack, "pack"), (index, "idx")] {
            file.rename(format!("{name}.{extension}"))?;
        }
        sync_names(self.directory, [self.directory])
    }
}

/// Reads the type and the inflated size of an entry, byte by byte; none if it ends early or the size is too large.
pub(super) fn read_header(next: &mut dyn FnMut() -> Option<u8>) -> Option<(u8, u64)> {
    let mut byte = next()?;
    let kind = byte >> 4 & 7;
    let (mut size, mut shift) = (u64::from(byte & 15), 4);
    while byte & 0x80 != 0 {
        byte = next()?;
        size |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
    }
    Some((kind, size))
}

/// The type and the inflated size of an entry: seven bits at a time, but four in the first byte, after the type.
pub(super) fn header(kind: u8, mut size: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(10);
    let mut byte = (kind << 4) | (size & 15) as u8;
    size >>= 4;
    while size > 0 {
        header.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    header.push(byte);
    header
}

fn write_index(index: &mut Hashing, places: &[(Oid, u64, u32)], pack: &[u8; 20]) -> io::Result<()> {
    index.put(b"\xfftOc\0\0\0\x02")?;
    let mut end = 0;
    for first in 0..=u8::MAX {
        end += places[end..].partition_point(|(id, ..)| id.as_bytes()[0] <= first);
        // Not more than the count, which fits.
        index.put(&(end as u32).to_be_bytes())?;
    }
    for (id, ..) in places {
        index.put(id.as_bytes())?;
    }
    for (.., crc) in places {
        index.put(&crc.to_be_bytes())?;
    }
    // Offsets from 2 GiB on go into a table of their own.
    let far: Vec<u64> = places
        .iter()
        .map(|place| place.1)
        .filter(|&offset| offset >> 31 != 0)
        .collect();
    let mut next_far = 0u32;
    for &(_, offset, _) in places {
        let word = if offset >> 31 == 0 {
            offset as u32
        } else {
            next_far += 1;
            (next_far - 1) | 1 << 31
        };
        index.put(&word.to_be_bytes())?;
    }
    for offset in far {
        index.put(&offset.to_be_bytes())?;
    }
    index.put(pack)
}

/// A file that ends with the hash of all that was written into it.
struct Hashing {
    file: BufWriter<NewFile>,
    hash: Sha1,
    written: u64,
}

impl Hashing {
    fn new(file: NewFile) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 18, file),
            hash: Sha1::new(),
            written: 0,
        }
    }

    fn put(&mut self, data: &[u8]) -> io::Result<()> {
        self.hash.update(data);
        self.written += data.len() as u64;
        self.file.write_all(data)
    }

    /// Ends the file and makes it durable.
    fn finish(mut self) -> io::Result<(NewFile, [u8; 20])> {
        let hash: [u8; 20] = self.hash.finalize().into();
        self.file.write_all(&hash)?;
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.file().sync_data()?;
        Ok((file, hash))
    }
}
