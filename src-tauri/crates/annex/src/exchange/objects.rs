//! Copying git objects. Each is read through libgit2, which checks its hash, so what arrives is what its name says; all
//! of them are on disk when the copying returns, and nothing refers to them before.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use digest::Digest;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use git2::{ObjectType, Odb, Oid, Repository};
use sha1::Sha1;

use crate::{Error, Result};

/// More objects than this go into a pack; fewer become loose files, of which git itself makes packs in time.
///
/// Either way each file is made durable on its own: to write out the whole file system would wait for everything that
/// anyone else is writing.
const MANY: usize = 32;

/// Copies objects from one repository to another.
pub(super) fn copy(from: &Repository, to: &Repository, objects: &[Oid]) -> Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    let odb = from
        .odb()
        .map_err(Error::git(format!("open the objects of {}", from.path().display())))?;
    let directory = to.commondir().join("objects");
    if objects.len() > MANY {
        write_pack(&odb, &directory, objects)
    } else {
        write_loose(&odb, &directory, objects)
    }
}

fn read<'a>(odb: &'a Odb<'_>, id: Oid) -> Result<git2::OdbObject<'a>> {
    odb.read(id).map_err(Error::git(format!(
        "read the object {id} (nothing was changed; 'git fsck' tells what is damaged)"
    )))
}

/// Compresses with one state for many objects: making a new one costs more than compressing a small object.
struct Deflater {
    state: Compress,
    buffer: Vec<u8>,
}

impl Deflater {
    fn new() -> Self {
        Self {
            state: Compress::new(Compression::fast(), true),
            buffer: Vec::new(),
        }
    }

    /// Compresses the parts, one after the other, as one stream.
    fn deflate(&mut self, parts: &[&[u8]]) -> Result<&[u8]> {
        self.state.reset();
        self.buffer.clear();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        // Room for what cannot be compressed.
        self.buffer.reserve(total + total / 1000 + 128);
        let broken = |_| Error::Damaged("compressing a git object failed; nothing was changed".into());
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            let start = self.state.total_in();
            loop {
                let done = usize::try_from(self.state.total_in() - start).unwrap_or(usize::MAX);
                let flush = if last {
                    FlushCompress::Finish
                } else {
                    FlushCompress::None
                };
                let status = self
                    .state
                    .compress_vec(&part[done.min(part.len())..], &mut self.buffer, flush)
                    .map_err(broken)?;
                let all_in = self.state.total_in() - start == part.len() as u64;
                match status {
                    Status::StreamEnd => break,
                    Status::Ok | Status::BufError if all_in && !last => break,
                    Status::Ok | Status::BufError => self.buffer.reserve(total / 2 + 1024),
                }
            }
        }
        Ok(&self.buffer)
    }
}

/// A file under a temporary name that git's own clean-up knows; removed unless it gets its name.
struct Temporary {
    path: PathBuf,
    named: bool,
}

impl Temporary {
    fn create(directory: &Path, prefix: &str) -> Result<(Self, File)> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!("{prefix}{}_{number}", std::process::id()));
            let made = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path);
            match made {
                Ok(file) => return Ok((Self { path, named: false }, file)),
                // Another machine's process, on a drive that both use in turn.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create", &path)(e)),
            }
        }
    }

    fn name(mut self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).map_err(Error::io("write", path))?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named {
            // git removes what is left under such names.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn kind_name(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::Commit => "commit",
        ObjectType::Tree => "tree",
        ObjectType::Tag => "tag",
        ObjectType::Blob | ObjectType::Any => "blob",
    }
}

fn write_loose(odb: &Odb<'_>, directory: &Path, objects: &[Oid]) -> Result<()> {
    let mut deflater = Deflater::new();
    let mut written = Vec::new();
    for &id in objects {
        let name = id.to_string();
        let fan = directory.join(&name[..2]);
        let path = fan.join(&name[2..]);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.len() > 0) {
            continue;
        }
        let object = read(odb, id)?;
        match fs::create_dir(&fan) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io("create", &fan)(e)),
            _ => {}
        }
        let header = format!("{} {}\0", kind_name(object.kind()), object.len());
        let data = deflater.deflate(&[header.as_bytes(), object.data()])?;
        let (temporary, mut file) = Temporary::create(&fan, "tmp_obj_")?;
        file.write_all(data)
            .and_then(|()| file.sync_data())
            .map_err(Error::io("write", &temporary.path))?;
        written.push((temporary, fan, path));
    }
    let mut touched = BTreeSet::new();
    for (temporary, fan, path) in written {
        temporary.name(&path)?;
        touched.insert(fan);
    }
    touched.iter().try_for_each(|fan| sync_directory(fan))
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("write to disk", path))
}

/// Writes, and remembers what a pack index needs to know.
struct Hashing<W> {
    inner: W,
    hash: Sha1,
    written: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha1::new(),
            written: 0,
        }
    }

    fn put(&mut self, data: &[u8]) -> io::Result<()> {
        self.hash.update(data);
        self.written += data.len() as u64;
        self.inner.write_all(data)
    }

    /// Ends the file with the hash of all that was written.
    fn finish(mut self) -> io::Result<(W, [u8; 20])> {
        let hash: [u8; 20] = self.hash.finalize().into();
        self.inner.write_all(&hash)?;
        self.inner.flush()?;
        Ok((self.inner, hash))
    }
}

/// Writes one pack (version 2, no deltas) and its index (version 2). The pack gets its name before the index does:
/// git sees a pack only by its index.
fn write_pack(odb: &Odb<'_>, directory: &Path, objects: &[Oid]) -> Result<()> {
    let directory = directory.join("pack");
    fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
    let count = u32::try_from(objects.len())
        .map_err(|_| Error::Refused("there are too many new objects for one pack; nothing was changed".into()))?;
    let (pack, file) = Temporary::create(&directory, "tmp_pack_")?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |e| Error::io("write", &path)(e)
    };
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 18, file));
    let mut deflater = Deflater::new();
    let mut entries = Vec::with_capacity(objects.len());
    out.put(b"PACK\0\0\0\x02").map_err(failed(&pack.path))?;
    out.put(&count.to_be_bytes()).map_err(failed(&pack.path))?;
    for &id in objects {
        let object = read(odb, id)?;
        let header = entry_header(object.kind(), object.len());
        let offset = out.written;
        let mut crc = Crc::new();
        let data = deflater.deflate(&[object.data()])?;
        crc.update(&header);
        crc.update(data);
        out.put(&header)
            .and_then(|()| out.put(data))
            .map_err(failed(&pack.path))?;
        entries.push((id, crc.sum(), offset));
    }
    let (file, hash) = out.finish().map_err(failed(&pack.path))?;
    let file = file.into_inner().map_err(|e| failed(&pack.path)(e.into_error()))?;
    file.sync_data().map_err(failed(&pack.path))?;

    let (index, file) = Temporary::create(&directory, "tmp_idx_")?;
    let file = write_index(file, &mut entries, &hash).map_err(failed(&index.path))?;
    file.sync_data().map_err(failed(&index.path))?;

    let name = format!("pack-{}", hex::encode(hash));
    for (temporary, extension) in [(pack, "pack"), (index, "idx")] {
        let _ = fs::set_permissions(&temporary.path, Permissions::from_mode(0o444));
        temporary.name(&directory.join(format!("{name}.{extension}")))?;
    }
    sync_directory(&directory)
}

/// Kind and size of an object in a pack: seven bits at a time, the first byte with three for the kind.
fn entry_header(kind: ObjectType, size: usize) -> Vec<u8> {
    let kind: u8 = match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        ObjectType::Blob | ObjectType::Any => 3,
    };
    let mut rest = size >> 4;
    let mut header = vec![kind << 4 | (size & 0xf) as u8];
    while rest > 0 {
        if let Some(last) = header.last_mut() {
            *last |= 0x80;
        }
        header.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    header
}

fn write_index(file: File, entries: &mut [(Oid, u32, u64)], pack: &[u8; 20]) -> io::Result<File> {
    entries.sort_unstable_by_key(|(id, _, _)| *id);
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 16, file));
    out.put(b"\xfftOc\0\0\0\x02")?;
    let mut before = 0;
    for first in 0..=u8::MAX {
        before += entries[before..]
            .iter()
            .take_while(|(id, _, _)| id.as_bytes()[0] == first)
            .count();
        out.put(&u32::try_from(before).unwrap_or(u32::MAX).to_be_bytes())?;
    }
    for (id, _, _) in entries.iter() {
        out.put(id.as_bytes())?;
    }
    for (_, crc, _) in entries.iter() {
        out.put(&crc.to_be_bytes())?;
    }
    // Offsets from 2 GiB on go into a table of their own.
    let mut large = Vec::new();
    for (_, _, offset) in entries.iter() {
        let word = match u32::try_from(*offset) {
            Ok(small) if small < 1 << 31 => small,
            _ => {
                large.push(*offset);
                1 << 31 | u32::try_from(large.len() - 1).unwrap_or(0)
            }
        };
        out.put(&word.to_be_bytes())?;
    }
    for offset in large {
        out.put(&offset.to_be_bytes())?;
    }
    out.put(pack)?;
    let (file, _) = out.finish()?;
    file.into_inner().map_err(io::IntoInnerError::into_error)
}
