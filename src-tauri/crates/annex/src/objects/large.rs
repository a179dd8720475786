//! Blobs of files that git keeps whatever their size: they pass through memory in parts, as loose objects.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Odb, Oid};
use sha1::{Digest, Sha1};
use tempfile::NamedTempFile;

use super::loose::{sync_names, temporary};
use crate::{Error, Result};

/// From this size on a blob is not read as a whole.
pub(crate) const LARGE: u64 = 4 << 20;

/// What passes through memory at a time.
const PART: usize = 256 << 10;
/// What is read at a time of what is compressed; of most objects only the header is wanted.
const BUFFER: usize = 16 << 10;

/// No header of a loose object is longer: a kind, a size, and a zero.
const LONGEST_HEADER: usize = 32;

/// A blob that was made of a file in parts, and is not among the objects yet.
pub(crate) struct Made {
    id: Oid,
    file: NamedTempFile,
}

impl Made {
    /// Makes a blob of the `size` bytes that `source` gives, somewhere in the directory `objects`. The inner error is that
    /// of the source; it is also one to give another number of bytes.
    pub(crate) fn of(objects: &Path, source: &mut dyn Read, size: u64) -> Result<io::Result<Self>> {
        let file = temporary(objects, "tmp_obj_")?;
        let failed = Error::io("write", file.path());
        let mut hash = Sha1::new();
        let mut deflated = ZlibEncoder::new(file.as_file(), Compression::fast());
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
        Ok(Ok(Self { id, file }))
    }

    /// All of its bytes, for what must be seen as a whole.
    pub(crate) fn content(&self) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let path = self.file.path();
        let read = File::open(path).and_then(|file| {
            let opened = Loose::of(file)?.ok_or(ErrorKind::InvalidData)?;
            opened.take(u64::MAX).read_to_end(&mut content)
        });
        read.map_err(Error::io("read", path))?;
        Ok(content)
    }

    /// Gives it its name among the `objects`, and makes both durable.
    pub(crate) fn keep(self, objects: &Path) -> Result<Oid> {
        place(self.file, objects, self.id)?;
        Ok(self.id)
    }
}

/// A loose object that is being read: its content, in parts.
struct Loose<R> {
    kind: Vec<u8>,
    size: u64,
    inflated: ZlibDecoder<BufReader<R>>,
}

impl<R: Read> Loose<R> {
    /// Reads the header; none if there is none.
    fn of(file: R) -> io::Result<Option<Self>> {
        let mut inflated = ZlibDecoder::new(BufReader::with_capacity(BUFFER, file));
        let mut header = Vec::new();
        let mut byte = [0];
        while header.len() < LONGEST_HEADER && inflated.read(&mut byte)? == 1 {
            if byte == [0] {
                let text = std::str::from_utf8(&header).ok().and_then(|text| text.split_once(' '));
                let parsed = text.and_then(|(kind, size)| Some((kind.into(), size.parse().ok()?)));
                return Ok(parsed.map(|(kind, size)| Self { kind, size, inflated }));
            }
            header.push(byte[0]);
        }
        Ok(None)
    }
}

impl<R: Read> Read for Loose<R> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        self.inflated.read(part)
    }
}

fn name_of(objects: &Path, id: Oid) -> PathBuf {
    let name = id.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

/// Opens a blob that is too large for memory, if it is a loose object among `objects`.
fn open(objects: &Path, id: Oid) -> Option<Loose<File>> {
    let file = File::open(name_of(objects, id)).ok()?;
    let loose = Loose::of(file).ok()??;
    (loose.kind == b"blob" && loose.size >= LARGE).then_some(loose)
}

/// Shows the content of a blob to `take`, in parts if it is too large for memory.
pub(crate) fn each_part(
    odb: &Odb<'_>,
    objects: &Path,
    id: Oid,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<io::Result<()>> {
    let reading = || format!("read the file content {id}");
    let Some(mut large) = open(objects, id) else {
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
            Err(error) => return Err(Error::io("read", &name_of(objects, id))(error)),
        }
    }
}

fn damaged(id: Oid) -> Error {
    Error::Damaged(format!(
        "the object {id} is not what its name says; nothing was changed. 'git fsck' tells what is damaged"
    ))
}

/// Copies a blob that is too large for memory from one directory of objects to another, if it is loose there. It is
/// checked, and on disk when this returns. False if there is no such blob.
pub(super) fn copy(from: &Path, to: &Path, id: Oid) -> Result<bool> {
    if open(from, id).is_none() {
        return Ok(false);
    }
    let source = name_of(from, id);
    let mut copy = temporary(to, "tmp_obj_")?;
    let failed = Error::io("copy", &source);
    let read = File::open(&source).and_then(|file| {
        let both = Both { file, copy: &mut copy };
        let mut inflated = ZlibDecoder::new(BufReader::with_capacity(BUFFER, both));
        let (mut hash, mut part) = (Sha1::new(), vec![0; PART]);
        loop {
            match inflated.read(&mut part) {
                Ok(0) => break Ok(hash.finalize()),
                Ok(filled) => hash.update(&part[..filled]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        }
    });
    match read {
        Ok(hash) if hash[..] == *id.as_bytes() => place(copy, to, id).map(|()| true),
        Ok(_) => Err(damaged(id)),
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err(damaged(id)),
        Err(error) => Err(failed(error)),
    }
}

/// Copies what is read from it.
struct Both<'c> {
    file: File,
    copy: &'c mut NamedTempFile,
}

impl Read for Both<'_> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let filled = self.file.read(part)?;
        self.copy.write_all(&part[..filled])?;
        Ok(filled)
    }
}

/// Gives a loose object its name and makes both durable. One that is there already is kept.
fn place(file: NamedTempFile, objects: &Path, id: Oid) -> Result<()> {
    let path = name_of(objects, id);
    // An empty one is what a crash leaves of an object that git wrote without fsync.
    if fs::symlink_metadata(&path).is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    file.as_file().sync_data().map_err(Error::io("make durable", &path))?;
    let inside = path.parent().unwrap_or(objects).to_owned();
    match fs::create_dir(&inside) {
        Err(problem) if problem.kind() != ErrorKind::AlreadyExists => {
            return Err(Error::io("create", &inside)(problem));
        }
        _ => {}
    }
    file.persist(&path)
        .map_err(|problem| Error::io("rename", &path)(problem.error))?;
    sync_names(objects, [inside, objects.to_owned()])
}
