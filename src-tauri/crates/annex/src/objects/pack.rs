use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use flate2::Crc;
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

use super::deflate::Deflater;
use super::loose::{OBJECT_MODE, sync_names};
use super::source::Source;
use crate::{Directory, Error, NewFile, Result};

/// Writes one pack with its index into `directory` and makes both durable.
///
/// No deltas are searched: a burst is mostly short, unlike objects, and git makes deltas when it repacks. Format:
/// gitformat-pack(5), index version 2. The index is renamed last, as it is what makes a pack visible.
pub(super) fn write<S: Source + ?Sized>(directory: &Arc<Directory>, objects: &S) -> Result<()> {
    let too_many = |_| Error::Refused("more than four billion git objects at once; nothing was changed".to_owned());
    let count = u32::try_from(objects.count()).map_err(too_many)?;
    let failed = || Error::io("write a pack in", directory.path());
    let mut pack = Hashing::new(directory.new_file("tmp_pack_", OBJECT_MODE)?);
    pack.put(b"PACK\0\0\0\x02").map_err(failed())?;
    pack.put(&count.to_be_bytes()).map_err(failed())?;
    let mut places = Vec::with_capacity(objects.count());
    let mut deflater = Deflater::new();
    for at in 0..objects.count() {
        let start = pack.written;
        objects.give(at, &mut |kind, content| {
            let header = header(kind, content.len());
            let data = deflater.deflate(kind, &[], content)?;
            let mut crc = Crc::new();
            crc.update(&header);
            crc.update(data);
            places.push((objects.id(at), start, crc.sum()));
            pack.put(&header).and_then(|()| pack.put(data)).map_err(failed())
        })?;
    }
    let (pack, name) = pack.finish().map_err(failed())?;
    places.sort_unstable_by_key(|place| place.0);
    let mut index = Hashing::new(directory.new_file("tmp_idx_", OBJECT_MODE)?);
    write_index(&mut index, &places, &name).map_err(failed())?;
    let (index, _) = index.finish().map_err(failed())?;
    for (file, end) in [(pack, "pack"), (index, "idx")] {
        file.rename(format!("pack-{}.{end}", hex::encode(name)))?;
    }
    sync_names(directory, [directory])
}

/// Kind and size of an object: seven bits at a time, the first byte with three for the kind.
fn header(kind: ObjectType, mut size: usize) -> Vec<u8> {
    let kind: u8 = match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        ObjectType::Any | ObjectType::Blob => 3,
    };
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
