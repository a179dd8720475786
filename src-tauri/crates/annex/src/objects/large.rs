//! Blobs of files that git keeps whatever their size: they pass through memory in parts.
//!
//! libgit2 reads objects as a whole. So loose objects are read here, and what packs hold as it is. (Of a delta git makes
//! two at most of such a size, below `core.bigFileThreshold`; these are still read as a whole.)

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OBJECT_MODE;
use super::durable::sync_names;
use super::inflated::{BUFFER, Inflated, Opened};
use super::pack::{BLOB, read_header};
use crate::{Directory, Error, NewFile, Result};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Odb, Oid};
use rustix::fs::{AtFlags, statat};
use sha1::{Digest, Sha1};

/// From this size on a blob is not read as a whole.
pub(crate) const LARGE: u64 = 4 << 20;

/// What passes through memory at a time.
const PART: usize = 256 << 10;

/// A blob that was made of a file in parts, and is not among the objects yet.
pub(crate) struct Made {
    id: Oid,
    objects: Arc<Directory>,
    file: NewFile,
}

impl Made {
    /// Makes a blob of the `size` bytes that `source` gives, somewhere in the directory `objects`. The inner error is that
    /// of the source; it is also one to give another number of bytes.
    pub(crate) fn of(objects: &Arc<Directory>, source: &mut dyn Read, size: u64) -> Result<io::Result<Self>> {
        let mut file = objects.new_file("tmp_obj_", OBJECT_MODE)?;
        let path = file.path();
        let failed = Error::io("write", &path);
        let mut hash = Sha1::new();
        let mut deflated = ZlibEncoder::new(file.file(), Compression::fast());
        let header = format!("{} {size}\0", ObjectType::Blob);
        hash.update(&header);
        let mut outcome = deflated.write_all(header.as_bytes());
        let mut part = vec![0; PART];
        let mut left = size;
        while outcome.is_ok() {
            match source.read(&mut part) {
                Ok(0) => break,
                Ok(filled) if filled as u64 <= left => {
                    left -= filled as u64;
                    hash.update(&part[..filled]);
                    outcome = deflated.write_all(&part[..filled]);
                }
                Ok(_) => return Ok(Err(ErrorKind::InvalidData.into())),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        outcome.and_then(|()| deflated.finish().map(drop)).map_err(failed)?;
        if left > 0 {
            return Ok(Err(ErrorKind::UnexpectedEof.into()));
        }
        let id = Oid::from_bytes(&hash.finalize()).map_err(Error::git("name a git object"))?;
        let objects = Arc::clone(objects);
        Ok(Ok(Self { id, objects, file }))
    }

    /// Gives it its name among the objects, and makes both durable.
    pub(crate) fn keep(self) -> Result<Oid> {
        place(self.file, &self.objects, self.id)?;
        Ok(self.id)
    }
}

/// Where a loose object of this name would be.
pub(super) fn name_of(objects: &Path, id: Oid) -> PathBuf {
    let name = id.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

/// Opens a blob, if it is a loose object among `objects` or lies in one of their packs as it is.
fn open(objects: &Path, id: Oid) -> Option<Opened<BufReader<File>>> {
    let blob = match File::open(name_of(objects, id)) {
        Ok(file) => Opened::of(BufReader::with_capacity(BUFFER, file)).ok()??,
        Err(_) => packed(&objects.join("pack"), id)?,
    };
    (blob.kind == b"blob").then_some(blob)
}

/// True for a blob that is too large for memory.
fn is_large(odb: &Odb<'_>, id: Oid) -> bool {
    let header = odb.read_header(id);
    header.is_ok_and(|(size, kind)| kind == ObjectType::Blob && size as u64 >= LARGE)
}

/// Finds a blob in packs: gitformat-pack(5).
fn packed(packs: &Path, id: Oid) -> Option<Opened<BufReader<File>>> {
    for index in fs::read_dir(packs).ok()?.flatten().map(|entry| entry.path()) {
        if index.extension().is_none_or(|end| end != "idx") {
            continue;
        }
        let Some(offset) = offset_in(&index, id) else { continue };
        // Somebody has removed the pack, so another one has its objects.
        let Ok(mut pack) = File::open(index.with_extension("pack")) else {
            continue;
        };
        pack.seek(SeekFrom::Start(offset)).ok()?;
        let mut pack = BufReader::with_capacity(BUFFER, pack);
        let mut next = || {
            let mut byte = [0];
            pack.read_exact(&mut byte).ok().map(|()| byte[0])
        };
        let (kind, size) = read_header(&mut next)?;
        return (kind == BLOB).then(|| Opened::packed(b"blob", size, pack));
    }
    None
}

/// Where an object begins in the pack of an index of version 2; none if it is not there.
fn offset_in(index: &Path, id: Oid) -> Option<u64> {
    const NAMES_AT: u64 = 8 + 256 * 4;
    let file = File::open(index).ok()?;
    let word = |at: u64| {
        let mut word = [0; 4];
        file.read_exact_at(&mut word, at)
            .ok()
            .map(|()| u32::from_be_bytes(word))
    };
    let upto = |byte: u64| word(8 + byte * 4).map(u64::from);
    let first = u64::from(id.as_bytes()[0]);
    let (mut low, mut high) = (if first == 0 { 0 } else { upto(first - 1)? }, upto(first)?);
    if word(0)? != 0xff74_4f63 || word(4)? != 2 {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        let mut name = [0; 20];
        file.read_exact_at(&mut name, NAMES_AT + middle * 20).ok()?;
        match name[..].cmp(id.as_bytes()) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => {
                let count = upto(255)?;
                let offsets_at = NAMES_AT + count * 24;
                let offset = word(offsets_at + middle * 4)?;
                if offset >> 31 == 0 {
                    return Some(u64::from(offset));
                }
                let far_at = offsets_at + count * 4 + u64::from(offset & 0x7fff_ffff) * 8;
                let (high, low) = (word(far_at)?, word(far_at + 4)?);
                return Some(u64::from(high) << 32 | u64::from(low));
            }
        }
    }
    None
}

/// Shows the content of a blob to `take`, in parts if it is too large for memory.
pub(crate) fn each_part(
    odb: &Odb<'_>,
    objects: &Path,
    id: Oid,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<io::Result<()>> {
    let reading = || format!("read the file content {id}");
    let Some(mut large) = is_large(odb, id).then(|| open(objects, id)).flatten() else {
        let object = odb.read(id).map_err(Error::git(reading()))?;
        return Ok(take(object.data()));
    };
    let (mut part, mut left) = (vec![0; PART], large.size);
    loop {
        match large.read(&mut part) {
            Ok(0) if left == 0 => return Ok(Ok(())),
            Ok(filled @ 1..) if filled as u64 <= left => {
                left -= filled as u64;
                if let Err(error) = take(&part[..filled]) {
                    return Ok(Err(error));
                }
            }
            Ok(_) => return Err(damaged(id)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(objects, id, error)),
        }
    }
}

fn damaged(id: Oid) -> Error {
    Error::Damaged(format!(
        "the object {id} is not what its name says; nothing was changed. 'git fsck' tells what is damaged"
    ))
}

/// What went wrong in reading an object.
fn unreadable(objects: &Path, id: Oid, error: io::Error) -> Error {
    match is_damage(&error) {
        true => damaged(id),
        false => Error::io("read an object in", objects)(error),
    }
}

/// True if reading an object failed because it is damaged.
pub(super) fn is_damage(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::InvalidInput,
        ErrorKind::InvalidData,
        ErrorKind::UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

/// Copies a blob that is too large for memory from one directory of objects to another. It is checked, and on disk when
/// this returns. False if it is none, or cannot be read in parts.
pub(super) fn copy(odb: &Odb<'_>, from: &Path, to: &Arc<Directory>, id: Oid) -> Result<bool> {
    if !is_large(odb, id) {
        return Ok(false);
    }
    let Some(mut blob) = open(from, id) else {
        return Ok(false);
    };
    let Ok(file) = File::open(name_of(from, id)) else {
        let size = blob.size;
        let made = Made::of(to, &mut blob, size)?.map_err(|error| unreadable(from, id, error))?;
        if made.id != id {
            return Err(damaged(id));
        }
        return made.keep().map(|_| true);
    };
    let mut copy = to.new_file("tmp_obj_", OBJECT_MODE)?;
    let both = Both { file, copy: &mut copy };
    let mut inflated = Inflated::of(BufReader::with_capacity(BUFFER, both));
    let (mut hash, mut part) = (Sha1::new(), vec![0; PART]);
    loop {
        match inflated.read(&mut part) {
            Ok(0) => break,
            Ok(filled) => hash.update(&part[..filled]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(from, id, error)),
        }
    }
    match hash.finalize()[..] == *id.as_bytes() {
        true => place(copy, to, id).map(|()| true),
        false => Err(damaged(id)),
    }
}

/// Copies what is read from it.
struct Both<'c> {
    file: File,
    copy: &'c mut NewFile,
}

impl Read for Both<'_> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let filled = self.file.read(part)?;
        self.copy.write_all(&part[..filled])?;
        Ok(filled)
    }
}

/// Gives a loose object its name and makes both durable. One that is there already is kept.
fn place(mut file: NewFile, objects: &Arc<Directory>, id: Oid) -> Result<()> {
    let name = id.to_string();
    let (inside, name) = name.split_at(2);
    let inside = Arc::new(objects.make(inside)?);
    // An empty one is what a crash leaves of an object that git wrote without fsync.
    if statat(&inside, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| found.st_size > 0) {
        return Ok(());
    }
    let synced = file.file().sync_data();
    synced.map_err(|error| Error::io("make durable", &file.path())(error))?;
    file.rename_into(&inside, name)?;
    sync_names(objects, [&inside, objects])
}
