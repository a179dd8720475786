use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use rustix::fs::{AtFlags, statat};

use super::deflate::Deflater;
use super::source::Source;
use crate::{Directory, Error, Result};

/// git never changes an object once it is written. Until then it has a name that git takes for the remains of a crash, and
/// clears away in time.
pub(super) const OBJECT_MODE: u32 = 0o444;

/// Writes objects into files of their own and makes them durable: all are written, then all fsynced, then all renamed,
/// so that the file system commits its journal once for most of them. That is half the time of libgit2, which finishes
/// each before the next.
pub(super) fn write<S: Source + ?Sized>(
    directory: &Arc<Directory>,
    objects: &S,
    wanted: &dyn Fn(usize) -> bool,
) -> Result<()> {
    let mut deflater = Deflater::new();
    let mut files = Vec::new();
    let mut directories = BTreeMap::new();
    let mut is_one_made = false;
    for at in (0..objects.count()).filter(|&at| wanted(at)) {
        let name = objects.id(at).to_string();
        let (inside, name) = name.split_at(2);
        let inside = match directories.get(inside) {
            Some(open) => Arc::clone(open),
            None => {
                let found = directory.find(inside)?;
                is_one_made |= found.is_none();
                let open = Arc::new(found.map_or_else(|| directory.make(inside), Ok)?);
                directories.insert(inside.to_owned(), Arc::clone(&open));
                open
            }
        };
        // An empty one is what a crash leaves of an object that git wrote without fsync.
        if statat(&inside, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| found.st_size > 0) {
            continue;
        }
        let mut file = inside.new_file("tmp_obj_", OBJECT_MODE)?;
        objects.give(at, &mut |kind, content| {
            let header = format!("{kind} {}\0", content.len());
            let data = deflater.deflate(kind, header.as_bytes(), content)?;
            file.write_all(data)
                .map_err(|error| Error::io("write", &file.path())(error))
        })?;
        files.push((file, name.to_owned()));
    }
    for (file, _) in &mut files {
        let synced = file.file().sync_data();
        synced.map_err(|error| Error::io("make durable", &file.path())(error))?;
    }
    for (file, name) in files {
        file.rename(&name)?;
    }
    let changed = directories.values().chain(is_one_made.then_some(directory));
    sync_names(directory, changed)
}

/// Makes what happened to names in these directories durable, at the latest when a ref is that is written afterwards.
pub(super) fn sync_names<'d>(top: &Directory, directories: impl IntoIterator<Item = &'d Arc<Directory>>) -> Result<()> {
    if keeps_order(top) {
        return Ok(());
    }
    directories.into_iter().try_for_each(|directory| directory.sync())
}

/// True if the file system has one journal for all that happens to names: the fsync of the ref that is written next
/// writes out all that happened before it. So it is with ext4 and XFS, not with btrfs. (The number of ext4 is also that of
/// ext2, which has no journal, and after a crash needs a check that repairs more than this.)
fn keeps_order(directory: &Directory) -> bool {
    const EXT: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the type differs between architectures"
    )]
    rustix::fs::fstatfs(directory).is_ok_and(|found| matches!(found.f_type as u64, EXT | XFS))
}
