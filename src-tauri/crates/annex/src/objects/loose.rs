use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::deflate::Deflater;
use super::source::Source;
use crate::{Error, Result};

/// Writes objects into files of their own and makes them durable: all are written, then all fsynced, then all renamed,
/// so that the file system commits its journal once for most of them. That is half the time of libgit2, which finishes
/// each before the next.
pub(super) fn write<S: Source + ?Sized>(directory: &Path, objects: &S, wanted: &dyn Fn(usize) -> bool) -> Result<()> {
    let mut deflater = Deflater::new();
    let mut files = Vec::new();
    let mut directories = BTreeSet::new();
    for at in (0..objects.count()).filter(|&at| wanted(at)) {
        let name = objects.id(at).to_string();
        let inside = directory.join(&name[..2]);
        let path = inside.join(&name[2..]);
        // An empty one is what a crash leaves of an object that git wrote without fsync.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| found.len() > 0) {
            continue;
        }
        match std::fs::create_dir(&inside) {
            Ok(()) => _ = directories.insert(directory.to_owned()),
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => {}
            Err(problem) => return Err(Error::io("create", &inside)(problem)),
        }
        let file = temporary(&inside, "tmp_obj_")?;
        objects.give(at, &mut |kind, content| {
            let header = format!("{kind} {}\0", content.len());
            let data = deflater.deflate(kind, header.as_bytes(), content)?;
            file.as_file().write_all(data).map_err(Error::io("write", file.path()))
        })?;
        files.push((file, path));
        directories.insert(inside);
    }
    for (file, path) in &files {
        file.as_file().sync_data().map_err(Error::io("make durable", path))?;
    }
    for (file, path) in files {
        file.persist(&path)
            .map_err(|problem| Error::io("rename", &path)(problem.error))?;
    }
    sync_names(directory, directories)
}

/// Makes what happened to names in these directories durable, at the latest when a ref is that is written afterwards.
pub(super) fn sync_names(top: &Path, directories: impl IntoIterator<Item = PathBuf>) -> Result<()> {
    if keeps_order(top) {
        return Ok(());
    }
    for path in directories {
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("make durable", &path))?;
    }
    Ok(())
}

/// True if the file system has one journal for all that happens to names: the fsync of the ref that is written next
/// writes out all that happened before it. So it is with ext4 and XFS, not with btrfs. (The number of ext4 is also that of
/// ext2, which has no journal, and after a crash needs a check that repairs more than this.)
fn keeps_order(path: &Path) -> bool {
    const EXT: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the type differs between architectures"
    )]
    rustix::fs::statfs(path).is_ok_and(|found| matches!(found.f_type as u64, EXT | XFS))
}

/// A new file under a name that git takes for the remains of a crash, and clears away in time.
pub(super) fn temporary(directory: &Path, prefix: &str) -> Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o444))
        .tempfile_in(directory)
        .map_err(Error::io("create a file in", directory))
}
