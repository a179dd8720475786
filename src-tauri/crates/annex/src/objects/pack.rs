use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

use super::deflate_error;
use crate::{Error, Result};

/// Writes one pack with its index into `directory` and makes both durable.
///
/// No deltas are searched: a burst is mostly short, unlike objects, and git makes deltas when it repacks. Format:
/// gitformat-pack(5), index version 2. The index is renamed last, as it is what makes a pack visible.
pub(super) fn write(directory: &Path, objects: &[(Oid, ObjectType, Vec<u8>)]) -> Result<()> {
    let too_many = |_| Error::Refused("more than four billion git objects at once; nothing was changed".to_owned());
    let count = u32::try_from(objects.len()).map_err(too_many)?;
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    let mut places = Vec::with_capacity(objects.len());
    let mut deflate = Compress::new(Compression::fast(), true);
    for (id, kind, content) in objects {
        let start = pack.len();
        header(&mut pack, *kind, content.len());
        compress(&mut deflate, content, &mut pack)?;
        let mut crc = Crc::new();
        crc.update(&pack[start..]);
        places.push((*id, start as u64, crc.sum()));
    }
    let name = Sha1::digest(&pack);
    pack.extend_from_slice(&name);
    places.sort_unstable_by_key(|place| place.0);

    std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
    let pack = store(directory, &pack)?;
    let index = store(directory, &index(&places, &name))?;
    for (file, end) in [(pack, "pack"), (index, "idx")] {
        let path = directory.join(format!("pack-{}.{end}", hex::encode(name)));
        file.persist(&path)
            .map_err(|problem| Error::io("rename", &path)(problem.error))?;
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("make durable", directory))
}

fn header(pack: &mut Vec<u8>, kind: ObjectType, mut size: usize) {
    let kind: u8 = match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        ObjectType::Any | ObjectType::Blob => 3,
    };
    let mut byte = (kind << 4) | (size & 15) as u8;
    size >>= 4;
    while size > 0 {
        pack.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    pack.push(byte);
}

fn compress(deflate: &mut Compress, content: &[u8], pack: &mut Vec<u8>) -> Result<()> {
    deflate.reset();
    loop {
        let done = usize::try_from(deflate.total_in()).unwrap_or(content.len());
        pack.reserve(content.len() - done + 64);
        let status = deflate.compress_vec(&content[done..], pack, FlushCompress::Finish);
        if status.map_err(deflate_error)? == Status::StreamEnd {
            return Ok(());
        }
    }
}

fn index(places: &[(Oid, u64, u32)], pack: &[u8]) -> Vec<u8> {
    let mut index = b"\xfftOc\0\0\0\x02".to_vec();
    let mut end = 0;
    for first in 0..=u8::MAX {
        end += places[end..].partition_point(|(id, ..)| id.as_bytes()[0] <= first);
        // Not more than the count, which fits.
        index.extend_from_slice(&(end as u32).to_be_bytes());
    }
    for (id, ..) in places {
        index.extend_from_slice(id.as_bytes());
    }
    for (.., crc) in places {
        index.extend_from_slice(&crc.to_be_bytes());
    }
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
        index.extend_from_slice(&word.to_be_bytes());
    }
    for offset in far {
        index.extend_from_slice(&offset.to_be_bytes());
    }
    index.extend_from_slice(pack);
    let sum = Sha1::digest(&index);
    index.extend_from_slice(&sum);
    index
}

/// A name that git takes for the remains of a crash, and clears away in time.
fn store(directory: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("tmp_pack_")
        .permissions(Permissions::from_mode(0o444))
        .tempfile_in(directory)
        .map_err(Error::io("create a file in", directory))?;
    file.write_all(content)
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", file.path()))?;
    Ok(file)
}
