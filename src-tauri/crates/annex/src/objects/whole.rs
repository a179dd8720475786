use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use git2::Oid;
use sha1::{Digest, Sha1};

use super::OBJECT_MODE;
use super::durable::sync_names;
use super::kept::Kept;
use crate::{Directory, Error, NewFile, Result};

/// Where in an index of version 2 the number of objects stands, and where their names begin: gitformat-pack(5).
const COUNT_AT: u64 = 8 + 255 * 4;
const NAMES_AT: usize = 8 + 256 * 4;
const NAME: usize = 20;

/// Copies the packs in `from` of which every object is among `objects` into `to`, as they are, and gives the objects that
/// are left. A pack that is not what its checksum says is left too: reading its objects tells what is damaged.
///
/// What a burst adds is one pack here; taking it apart and packing it again was the longest part of a push.
pub(super) fn copy(from: &Path, to: &Arc<Directory>, objects: &[Oid], kept: &mut Kept) -> Result<Vec<Oid>> {
    let mut left: HashSet<Oid> = objects.iter().copied().collect();
    let packs = match std::fs::read_dir(from) {
        Ok(packs) => packs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(objects.to_vec()),
        Err(error) => return Err(Error::io("list", from)(error)),
    };
    for index in packs.flatten().map(|entry| entry.path()) {
        if index.extension().is_none_or(|end| end != "idx") {
            continue;
        }
        let Some(names) = names(&index, left.len()).filter(|names| names.iter().all(|name| left.contains(name))) else {
            continue;
        };
        // Objects that only promise others lead to what is not there.
        if !index.with_extension("promisor").exists() && copy_pack(&index, to, kept)? {
            names.iter().for_each(|name| _ = left.remove(name));
        }
    }
    sync_names(to, [to])?;
    Ok(objects.iter().copied().filter(|object| left.contains(object)).collect())
}

/// The objects of a pack by its index; none if there are more than `most`, or if it cannot be read.
fn names(index: &Path, most: usize) -> Option<Vec<Oid>> {
    let file = File::open(index).ok()?;
    let (mut start, mut count) = ([0; 8], [0; 4]);
    file.read_exact_at(&mut start, 0).ok()?;
    file.read_exact_at(&mut count, COUNT_AT).ok()?;
    let count = u32::from_be_bytes(count) as usize;
    if start != *b"\xfftOc\0\0\0\x02" || !(1..=most).contains(&count) {
        return None;
    }
    let mut names = vec![0; count * NAME];
    file.read_exact_at(&mut names, NAMES_AT as u64).ok()?;
    names
        .chunks_exact(NAME)
        .map(|name| Oid::from_bytes(name).ok())
        .collect()
}

/// Copies a pack and its index and makes both durable, the index last, as it is what makes a pack visible. False if they
/// are not whole, or do not belong together.
fn copy_pack(index: &Path, to: &Arc<Directory>, kept: &mut Kept) -> Result<bool> {
    let (Some(index_name), Some(pack)) = (index.file_name(), index.with_extension("pack").canonicalize().ok()) else {
        return Ok(false);
    };
    let Some((pack_copy, pack_sum)) = copy_checked(&pack, to, "tmp_pack_")? else {
        return Ok(false);
    };
    let Some((mut index_copy, _)) = copy_checked(index, to, "tmp_idx_")? else {
        return Ok(false);
    };
    let mut of_pack = [0; NAME];
    let length = index_copy.file().metadata().map_err(Error::io("examine", index))?.len();
    let read = index_copy
        .file()
        .read_exact_at(&mut of_pack, length.saturating_sub(2 * NAME as u64));
    if read.is_err() || of_pack != pack_sum {
        return Ok(false);
    }
    if let Some(name) = Path::new(index_name).file_stem().and_then(|name| name.to_str()) {
        kept.keep(to, name);
    }
    pack_copy.rename(Path::new(index_name).with_extension("pack").as_os_str())?;
    index_copy.rename(index_name)?;
    Ok(true)
}

/// Copies a file that ends with the hash of all before, and makes it durable. None if that is not so, or if it cannot be
/// read.
fn copy_checked(from: &Path, directory: &Arc<Directory>, prefix: &str) -> Result<Option<(NewFile, [u8; NAME])>> {
    let opened = File::open(from).and_then(|file| Ok((file.metadata()?.len(), file)));
    let Ok((length, mut file)) = opened else {
        return Ok(None);
    };
    let mut copy = directory.new_file(prefix, OBJECT_MODE)?;
    let mut hash = Sha1::new();
    let mut left = length.saturating_sub(NAME as u64);
    let mut block = vec![0; 1 << 18];
    while left > 0 {
        let most = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        let Ok(filled @ 1..) = file.read(&mut block[..most]) else {
            return Ok(None);
        };
        hash.update(&block[..filled]);
        let written = copy.write_all(&block[..filled]);
        written.map_err(|error| Error::io("write", &copy.path())(error))?;
        left -= filled as u64;
    }
    let mut sum = [0; NAME];
    if file.read_exact(&mut sum).is_err() || hash.finalize()[..] != sum {
        return Ok(None);
    }
    let written = copy.write_all(&sum).and_then(|()| copy.file().sync_data());
    written.map_err(|error| Error::io("write", &copy.path())(error))?;
    Ok(Some((copy, sum)))
}
