//! Doing what a plan says. Every file is looked at once more right before it is touched.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::BorrowedFd;
use std::path::Path;

use git2::Odb;
use model::RepoPath;
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::entry::entry;
use super::place::{Parent, Place, Seen, look_at};
use super::plan::{Content, Plan, Write};
use super::{Before, Step};
use crate::index::Entry;
use crate::store::found;
use crate::tree::raw::{Blob, Mode};
use crate::{Error, Incoming, Result, Store};

/// From this many files on, two threads write.
const MANY: usize = 256;
/// Up to this many files are made durable one by one; more by writing out the whole file system once.
pub(super) const FEW: usize = 8;

/// What was done, for the index.
#[derive(Default)]
pub(super) struct Done {
    pub(super) removed: Vec<RepoPath>,
    pub(super) entries: Vec<Entry>,
    /// Files that changed at the last moment and were left as they are.
    pub(super) kept: Vec<RepoPath>,
    pub(super) changed: usize,
}

impl Done {
    fn keep(&mut self, path: RepoPath, blob: Option<Blob>) {
        match blob {
            Some(blob) => self.entries.push(entry(&path, blob, None)),
            None => self.removed.push(path.clone()),
        }
        self.kept.push(path);
    }

    fn append(&mut self, mut other: Done) {
        self.removed.append(&mut other.removed);
        self.entries.append(&mut other.entries);
        self.kept.append(&mut other.kept);
        self.changed += other.changed;
    }
}

/// Changes the work tree. When this returns, what was written is on disk.
///
/// `before` is called before each change that one thread makes.
pub(super) fn act(store: &Store<'_>, top: &Path, plan: Plan, thin: bool, before: &mut Before<'_>) -> Result<Done> {
    let mut done = Done::default();
    // The directories that lose a file.
    let mut left = BTreeSet::new();
    for (path, blob, flags) in plan.index_only {
        match blob {
            Some(blob) => {
                if blob.mode == Mode::Submodule {
                    make_submodule(&mut Place::open(top)?, &path)?;
                }
                let mut entry = entry(&path, blob, None);
                entry.extended = flags;
                done.entries.push(entry);
            }
            None => {
                // Gone already, perhaps in an attempt that was cut off before it came to the directory.
                left.extend(path.parent());
                done.removed.push(path);
            }
        }
    }
    for (path, blob) in plan.kept {
        done.keep(path, blob);
    }
    for (path, blob, seen) in plan.accepted {
        done.entries.push(entry(&path, blob, Some(&seen)));
    }

    let mut writes = plan.writes;
    let (mut place, mut target) = (Place::open(top)?, Place::open(top)?);
    for change in plan.moves {
        before(Step::File)?;
        left.extend(change.from.parent());
        done.removed.push(change.from.clone());
        match rename_inside(&mut place, &mut target, &change.from, &change.seen, &change.to)? {
            Renamed::Done(seen) => {
                done.changed += 1;
                done.entries.push(entry(&change.to, change.blob, Some(&seen)));
            }
            Renamed::SourceChanged => {
                done.kept.push(change.from);
                writes.push(Write {
                    path: change.to,
                    blob: change.blob,
                    content: change.content,
                    replaces: None,
                });
            }
            Renamed::TargetExists => {
                done.kept.push(change.from);
                done.keep(change.to, Some(change.blob));
            }
        }
    }
    for (path, seen) in plan.deletions {
        before(Step::File)?;
        left.extend(path.parent());
        done.removed.push(path.clone());
        match delete(&mut place, &path, &seen)? {
            true => done.changed += 1,
            false => done.kept.push(path),
        }
    }
    before(Step::File)?;
    remove_empty_parents(&mut place, left)?;
    for directory in &plan.directories {
        remove_empty_directories(&place.shown(directory));
    }
    place.leave();

    if writes.is_empty() {
        return Ok(done);
    }
    let _scratch = store.hold_scratch()?;
    let few = writes.len() <= FEW;
    if writes.len() < MANY {
        done.append(write_all(store, top, writes, thin, few, before)?);
    } else {
        let second = writes.split_off(writes.len() / 2);
        let (ours, theirs) = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let store = &store.beside();
                let _scratch = store.hold_scratch()?;
                write_all(store, top, second, thin, few, &mut |_| Ok(()))
            });
            let ours = write_all(store, top, writes, thin, few, before);
            (ours, other.join())
        });
        done.append(ours?);
        done.append(theirs.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    if !few {
        write_out(top)?;
    }
    Ok(done)
}

/// Writes out the file system that the work tree is on.
pub(super) fn write_out(top: &Path) -> Result<()> {
    let directory = File::open(top).map_err(Error::io("open", top))?;
    rustix::fs::syncfs(&directory).map_err(|e| Error::io("write to disk", top)(e.into()))
}

/// Makes the content of one file durable.
pub(super) fn sync(new: &Incoming) -> Result<()> {
    let path = new.path();
    File::open(&path)
        .and_then(|file| file.sync_data())
        .map_err(Error::io("write", &path))
}

fn write_all(
    store: &Store<'_>,
    top: &Path,
    writes: Vec<Write>,
    thin: bool,
    durable: bool,
    before: &mut Before<'_>,
) -> Result<Done> {
    let git = store.annex().git()?;
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    let mut writer = Writer {
        store,
        odb: &odb,
        place: Place::open(top)?,
        thin,
        durable,
    };
    let mut done = Done::default();
    for write in writes {
        before(Step::File)?;
        match writer.write(&write)? {
            Some(seen) => {
                done.changed += 1;
                done.entries.push(entry(&write.path, write.blob, seen.as_ref()));
            }
            None => done.keep(write.path, Some(write.blob)),
        }
    }
    Ok(done)
}

struct Writer<'a> {
    store: &'a Store<'a>,
    odb: &'a Odb<'a>,
    place: Place,
    thin: bool,
    /// Whether each file is made durable on its own.
    durable: bool,
}

impl Writer<'_> {
    /// Makes or replaces one file. None if something else is there now, which is left alone; the inner none is for what
    /// has no stat data.
    fn write(&mut self, write: &Write) -> Result<Option<Option<Seen>>> {
        let path = &write.path;
        if write.content == Content::Submodule {
            if let Some((seen, _)) = &write.replaces
                && !delete(&mut self.place, path, seen)?
            {
                return Ok(None);
            }
            make_submodule(&mut self.place, path)?;
            return Ok(Some(None));
        }
        if let Some(seen) = self.change_mode(write)? {
            return Ok(Some(Some(seen)));
        }
        let executable = write.blob.mode == Mode::Executable;
        let new = match &write.content {
            Content::Symlink(target) => self.store.scratch_symlink(target)?,
            Content::Annexed { key, pointer } => {
                match found(self.store.content_for_work_tree(key, path, self.thin, executable))? {
                    Some(new) => {
                        if self.durable {
                            sync(&new)?;
                        }
                        new
                    }
                    None => self.file(pointer, executable)?,
                }
            }
            Content::Regular | Content::Submodule => {
                let object = self
                    .odb
                    .read(write.blob.id)
                    .map_err(Error::git(format!("read the content of {path}")))?;
                self.file(object.data(), executable)?
            }
        };
        let error = self.place.error("write", path);
        let parent = match self.place.parent(path, true)? {
            Parent::Open(parent) => parent,
            Parent::Missing | Parent::InTheWay(_) => return Ok(None),
        };
        let put = match &write.replaces {
            Some((seen, _)) => replace(&new, parent, path, seen),
            None => put_new(&new, parent, path),
        };
        match put.and_then(|put| if put { look_at(parent, path) } else { Ok(None) }) {
            Ok(Some(seen)) => {
                new.moved_away();
                Ok(Some(Some(seen)))
            }
            Ok(None) => Ok(None),
            Err(errno) => Err(error(errno)),
        }
    }

    /// Changes only the permissions, if that is all that differs.
    fn change_mode(&mut self, write: &Write) -> Result<Option<Seen>> {
        let Some((seen, old)) = &write.replaces else {
            return Ok(None);
        };
        // A file with a second name may be the object itself, which must not become executable.
        let only_mode = old.id == write.blob.id && old.mode != Mode::Symlink && write.blob.mode != Mode::Symlink;
        if !only_mode || seen.links > 1 {
            return Ok(None);
        }
        let path = &write.path;
        let Some(file) = self.place.read(path)? else {
            return Ok(None);
        };
        if self.place.look(path)?.as_ref() != Some(seen) {
            return Ok(None);
        }
        let mode = match write.blob.mode {
            Mode::Executable => seen.mode | (seen.mode & 0o444) >> 2,
            Mode::File | Mode::Symlink | Mode::Submodule => seen.mode & !0o111,
        };
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(mode & 0o7777))
            .map_err(self.place.error("change the permissions of", path))?;
        self.place.look(path)
    }

    fn file(&self, data: &[u8], executable: bool) -> Result<Incoming> {
        let (mut file, new) = self.store.work_tree_file(executable)?;
        let mut written = file.write_all(data);
        if self.durable {
            written = written.and_then(|()| file.sync_data());
        }
        written.map_err(|error| Error::io("write", &new.path())(error))?;
        Ok(new)
    }
}

/// Puts a new file in the place of the one that was seen; false if it is not that file any more.
///
/// The two change places, so that nothing can slip in between looking and replacing: what came out is looked at once
/// more, and goes back if it is not what was seen. (Of its times, only that of the last status change may differ.)
/// As it happens, ext4 writes out a file that is renamed over another at once, one by one, and one that changes
/// places not, which makes this the faster way for many; so whoever calls this writes out what must survive.
pub(super) fn replace(
    new: &Incoming,
    parent: BorrowedFd<'_>,
    path: &RepoPath,
    seen: &Seen,
) -> rustix::io::Result<bool> {
    if look_at(parent, path)?.as_ref() != Some(seen) {
        return Ok(false);
    }
    let name = &**path.file_name();
    let exchange = || rustix::fs::renameat_with(CWD, new.path(), parent, name, RenameFlags::EXCHANGE);
    match exchange() {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::renameat(CWD, new.path(), parent, name)?;
            return Ok(true);
        }
        Err(errno) => return Err(errno),
    }
    let out = Seen::of(rustix::fs::statat(CWD, new.path(), AtFlags::SYMLINK_NOFOLLOW)?);
    if out.links != seen.links || !out.is_same_file(seen) {
        exchange()?;
        return Ok(false);
    }
    rustix::fs::unlinkat(CWD, new.path(), AtFlags::empty())?;
    Ok(true)
}

/// Gives a new file its name; false if the name is taken.
fn put_new(new: &Incoming, parent: BorrowedFd<'_>, path: &RepoPath) -> rustix::io::Result<bool> {
    match rustix::fs::renameat_with(CWD, new.path(), parent, &**path.file_name(), RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // The file system cannot promise it; then looking first is the best there is.
        Err(Errno::INVAL | Errno::NOSYS) if look_at(parent, path)?.is_none() => {
            rustix::fs::renameat(CWD, new.path(), parent, &**path.file_name())?;
            Ok(true)
        }
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(errno),
    }
}

pub(super) enum Renamed {
    Done(Seen),
    SourceChanged,
    TargetExists,
}

pub(super) fn rename_inside(
    place: &mut Place,
    target: &mut Place,
    from: &RepoPath,
    seen: &Seen,
    to: &RepoPath,
) -> Result<Renamed> {
    let error = place.error("rename", from);
    let Parent::Open(old) = place.parent(from, false)? else {
        return Ok(Renamed::SourceChanged);
    };
    match look_at(old, from) {
        Ok(now) if now.as_ref() == Some(seen) => {}
        Ok(_) => return Ok(Renamed::SourceChanged),
        Err(errno) => return Err(error(errno)),
    }
    let Parent::Open(new) = target.parent(to, true)? else {
        return Ok(Renamed::TargetExists);
    };
    let (old_name, new_name) = (&**from.file_name(), &**to.file_name());
    let renamed = match rustix::fs::renameat_with(old, old_name, new, new_name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => match look_at(new, to) {
            Ok(None) => rustix::fs::renameat(old, old_name, new, new_name),
            Ok(Some(_)) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        },
        other => other,
    };
    match renamed.and_then(|()| look_at(new, to)) {
        Ok(Some(seen)) => Ok(Renamed::Done(seen)),
        Ok(None) | Err(Errno::EXIST) => Ok(Renamed::TargetExists),
        Err(errno) => Err(error(errno)),
    }
}

/// Unlinks the file that was seen; false if it is not that file any more.
pub(super) fn delete(place: &mut Place, path: &RepoPath, seen: &Seen) -> Result<bool> {
    let error = place.error("remove", path);
    let Parent::Open(parent) = place.parent(path, false)? else {
        return Ok(true);
    };
    let removed = match look_at(parent, path) {
        Ok(Some(now)) if now == *seen => rustix::fs::unlinkat(parent, &**path.file_name(), AtFlags::empty()),
        Ok(Some(_)) => return Ok(false),
        Ok(None) => Ok(()),
        Err(errno) => Err(errno),
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(errno) => Err(error(errno)),
    }
}

fn make_submodule(place: &mut Place, path: &RepoPath) -> Result<()> {
    let error = place.error("create the directory", path);
    let Parent::Open(parent) = place.parent(path, true)? else {
        return Ok(());
    };
    match rustix::fs::mkdirat(parent, &**path.file_name(), rustix::fs::Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(error(errno)),
    }
}

/// Removes the directories that lost a file, and theirs, as far as they are empty.
fn remove_empty_parents(place: &mut Place, mut directories: BTreeSet<RepoPath>) -> Result<()> {
    // A directory sorts before what is in it.
    while let Some(directory) = directories.pop_last() {
        place.leave();
        if place.remove_if_empty(&directory)? {
            directories.extend(directory.parent());
        }
    }
    Ok(())
}

/// Removes a directory with nothing but directories in it. What cannot be removed makes the file that was to come
/// here fail, so errors need no answer.
fn remove_empty_directories(directory: &Path) {
    if let Ok(entries) = fs::read_dir(directory) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_empty_directories(&entry.path());
            }
        }
    }
    let _ = fs::remove_dir(directory);
}
