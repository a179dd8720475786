use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid};

use crate::{Error, Result};

/// Writes objects into files of their own and makes them durable: all are written, then all fsynced, then all renamed,
/// so that the file system commits its journal once for most of them. That is half the time of libgit2, which finishes
/// each before the next.
pub(super) fn write<'o>(directory: &Path, objects: impl Iterator<Item = &'o (Oid, ObjectType, Vec<u8>)>) -> Result<()> {
    let mut files = Vec::new();
    let mut directories = BTreeSet::new();
    for (id, kind, content) in objects {
        let name = id.to_string();
        let inside = directory.join(&name[..2]);
        match std::fs::create_dir(&inside) {
            Ok(()) => _ = directories.insert(directory.to_owned()),
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => {}
            Err(problem) => return Err(Error::io("create", &inside)(problem)),
        }
        // A name that git takes for the remains of a crash, and clears away in time.
        let file = tempfile::Builder::new()
            .prefix("tmp_obj_")
            .permissions(Permissions::from_mode(0o444))
            .tempfile_in(&inside)
            .map_err(Error::io("create a file in", &inside))?;
        fill(&file, *kind, content).map_err(Error::io("write", file.path()))?;
        files.push((file, inside.join(&name[2..])));
        directories.insert(inside);
    }
    for (file, path) in &files {
        file.as_file().sync_all().map_err(Error::io("make durable", path))?;
    }
    for (file, path) in files {
        file.persist(&path)
            .map_err(|problem| Error::io("rename", &path)(problem.error))?;
    }
    for path in directories {
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("make durable", &path))?;
    }
    Ok(())
}

fn fill(file: &tempfile::NamedTempFile, kind: ObjectType, content: &[u8]) -> std::io::Result<()> {
    let mut deflate = ZlibEncoder::new(Vec::with_capacity(content.len() / 2 + 64), Compression::fast());
    write!(deflate, "{kind} {}\0", content.len())?;
    deflate.write_all(content)?;
    file.as_file().write_all(&deflate.finish()?)
}
