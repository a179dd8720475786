//! Incoming content gets its final name: many at once, with two syncs for all.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use model::Key;
use rustix::fs::{AtFlags, FileType, RenameFlags, renameat_with, statat};
use rustix::io::Errno;

use super::layout::Layout;
use super::object_directory::{ObjectDirectories, ObjectDirectory, Placed};
use super::room::Incoming;
use super::{Store, file_name};
use crate::durable::{sync_file, sync_file_system};
use crate::openat::open_file;
use crate::sharing::umask;
use crate::{Directory, Error, Result};

/// From this number of files on, one sync of the file system costs less than one per file.
pub(crate) const MANY: usize = 8;

/// From this number on, two threads place faster than one.
const WORTH_A_THREAD: usize = 64;

/// Content, whether it has reached the disk, and the directory that was made for it ahead.
type Prepared = (((Key, Incoming), Result<()>), Option<Placed>);

/// Content that is complete and is to become objects together.
#[derive(Debug)]
pub struct Batch<'a> {
    store: &'a Store<'a>,
    objects: Arc<Directory>,
    layout: &'a Layout,
    /// What `mkdir` gives the directories below `objects`.
    made: u32,
    entries: Vec<(Key, Incoming)>,
}

impl Store<'_> {
    /// Begins to collect content to be stored together.
    pub fn batch(&self) -> Result<Batch<'_>> {
        let objects = self.make_directory("objects")?;
        let inherited = objects.stat()?.st_mode & 0o2000;
        Ok(Batch {
            store: self,
            objects,
            layout: self.layout(),
            made: 0o777 & !umask() | inherited,
            entries: Vec::new(),
        })
    }
}

impl Batch<'_> {
    /// Adds content that is complete and verified (or hashed) to be `key`.
    pub fn add(&mut self, key: &Key, incoming: Incoming) {
        self.entries.push((key.clone(), incoming));
    }

    /// Makes all content durable, gives each its final name, and makes the names durable. For each key: `Ok` if its
    /// content is here for good (an object that was there already is kept, if it is that content); only then may a log
    /// say so.
    pub fn finish(mut self) -> Vec<(Key, Result<()>)> {
        let entries = std::mem::take(&mut self.entries);
        let placed = match entries.len() < WORTH_A_THREAD {
            true => {
                let synced = sync_content(&entries);
                let entries = entries.into_iter().zip(synced).map(|entry| (entry, None));
                self.place_all(entries.collect())
            }
            false => self.place_many(entries),
        };
        let names = self.sync_names(&placed);
        placed
            .into_iter()
            .map(|(key, outcome)| match (outcome, &names) {
                (Ok(_), Err(error)) => (key, Err(repeat(error))),
                (outcome, _) => (key, outcome.map(|_| ())),
            })
            .collect()
    }

    /// Places many by two threads, each in hash directories of its own. Directories are made while the contents are being
    /// written to disk.
    fn place_many(&self, mut entries: Vec<(Key, Incoming)>) -> Vec<(Key, Result<Placed>)> {
        entries.sort_by_cached_key(|(key, _)| self.layout.directories(key));
        let half = entries.len() / 2;
        let (synced, mut ahead, more) = thread::scope(|scope| {
            let (first, second) = entries.split_at(half);
            let first = scope.spawn(|| self.make_ahead(first));
            let second = scope.spawn(|| self.make_ahead(second));
            (sync_content(&entries), joined(first.join()), joined(second.join()))
        });
        ahead.extend(more);
        let mut first: Vec<_> = entries.into_iter().zip(synced).zip(ahead).collect();
        let rest = first.split_off(half);
        thread::scope(|scope| {
            let beside = scope.spawn(|| self.place_all(rest));
            let mut placed = self.place_all(first);
            placed.extend(joined(beside.join()));
            placed
        })
    }

    /// Makes the directories of objects that are not there. None where that fails: placing the object tries again, and tells
    /// why.
    fn make_ahead(&self, entries: &[(Key, Incoming)]) -> Vec<Option<Placed>> {
        let mut directories = self.directories();
        let mut make = |key: &Key| {
            let name = file_name(key);
            let name = Path::new(&name);
            let elsewhere = self.layout.other_directories(key);
            if self.is_object(&Path::new(&elsewhere).join(name).join(name)) {
                return None;
            }
            let mut placed = Placed::new(self.layout.directories(key));
            directories.make(&mut placed, name).ok()??;
            Some(placed)
        };
        entries.iter().map(|(key, _)| make(key)).collect()
    }

    fn directories(&self) -> ObjectDirectories<'_> {
        ObjectDirectories::new(&self.objects, self.made, self.layout.directory_mode(self.made))
    }

    fn place_all(&self, entries: Vec<Prepared>) -> Vec<(Key, Result<Placed>)> {
        let mut directories = self.directories();
        let mut place = |(((key, incoming), synced), ahead): Prepared| {
            let outcome = match synced {
                Ok(()) => self.place(&key, incoming, ahead, &mut directories),
                Err(error) => {
                    if let Some(placed) = ahead {
                        directories.remove(&placed, Path::new(&file_name(&key)));
                    }
                    Err(error)
                }
            };
            (key, outcome)
        };
        entries.into_iter().map(&mut place).collect()
    }

    fn place(
        &self,
        key: &Key,
        mut incoming: Incoming,
        ahead: Option<Placed>,
        directories: &mut ObjectDirectories<'_>,
    ) -> Result<Placed> {
        let name = file_name(key);
        let name = Path::new(&name);
        let mut is_ahead = ahead.is_some();
        let mut placed = match ahead {
            Some(placed) => placed,
            None => {
                let other = self.layout.other_directories(key);
                let elsewhere = Path::new(&other).join(name).join(name);
                if self.is_object(&elsewhere) && self.is_kept(key, &elsewhere, &incoming)? {
                    incoming.discard();
                    return Ok(Placed::found(other));
                }
                Placed::new(self.layout.directories(key))
            }
        };
        let object = Path::new(&placed.directories).join(name).join(name);
        let failed = |errno: Errno| Error::io("store", &self.objects.path().join(&object))(errno.into());
        // Others remove empty directories and lock them down whenever they like, hence the attempts.
        for _ in 0..8 {
            let opened = std::mem::take(&mut is_ahead).then(|| directories.open(&placed, name));
            let place = match opened.flatten() {
                Some(open) => Some(open),
                None => directories.make(&mut placed, name)?,
            };
            let Some(place) = place else { continue };
            let there = place.below.join(name);
            let moved = renameat_with(
                &incoming.room.directory,
                &incoming.name,
                &place.base,
                &there,
                RenameFlags::NOREPLACE,
            );
            let moved = match moved {
                // Not every file system can refuse to replace.
                Err(Errno::INVAL | Errno::NOSYS) if self.is_object(&object) => Err(Errno::EXIST),
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::renameat(&incoming.room.directory, &incoming.name, &place.base, &there)
                }
                other => other,
            };
            match moved {
                Ok(()) => {
                    incoming.keep = true;
                    self.lock_down(&place).map_err(failed)?;
                    return Ok(placed);
                }
                Err(Errno::EXIST) if self.is_object(&object) => {
                    if self.is_kept(key, &object, &incoming)? {
                        incoming.discard();
                        return Ok(Placed::found(placed.directories));
                    }
                }
                Err(Errno::NOENT) => {}
                Err(Errno::ACCESS) => place
                    .chmod(self.layout.directory_mode(self.made) | 0o200)
                    .map_err(failed)?,
                Err(errno) => return Err(failed(errno)),
            }
        }
        Err(Error::Busy(self.objects.path().join(&object)))
    }

    fn lock_down(&self, place: &ObjectDirectory) -> std::result::Result<(), Errno> {
        let mode = self.layout.locked_down_mode(self.made);
        if mode == self.made {
            return Ok(());
        }
        place.chmod(mode)
    }

    /// True if the object that is there already stays: it is the same file as what comes, or has the content of its key.
    fn is_kept(&self, key: &Key, object: &Path, incoming: &Incoming) -> Result<bool> {
        let there = statat(&self.objects, object, AtFlags::SYMLINK_NOFOLLOW);
        let comes = statat(&incoming.room.directory, &incoming.name, AtFlags::SYMLINK_NOFOLLOW);
        match (there, comes) {
            (Ok(there), Ok(comes)) if (there.st_dev, there.st_ino) == (comes.st_dev, comes.st_ino) => Ok(true),
            _ => self.store.holds(key),
        }
    }

    fn is_object(&self, path: &Path) -> bool {
        statat(&self.objects, path, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
    }

    fn sync_names(&self, placed: &[(Key, Result<Placed>)]) -> Result<()> {
        let stored = || {
            placed
                .iter()
                .filter_map(|(key, placed)| Some((key, placed.as_ref().ok()?)))
        };
        if stored().count() >= MANY {
            return sync_file_system(&self.objects)
                .map_err(|e| Error::io("write to disk", self.objects.path())(e.into()));
        }
        for (key, placed) in stored() {
            self.sync_directory(&Path::new(&placed.directories).join(file_name(key)))?;
            let Some(new_from) = placed.new_from else { continue };
            let mut level = Some(Path::new(&placed.directories));
            while let Some(path) = level.filter(|path| path.as_os_str().len() >= new_from) {
                self.sync_directory(path)?;
                level = path.parent();
            }
        }
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        let missing = || self.objects.failed("write to disk", directory, Errno::NOENT);
        self.objects.find(directory)?.ok_or_else(missing)?.sync()
    }
}

/// One answer for each entry: whether its bytes have reached the disk.
fn sync_content(entries: &[(Key, Incoming)]) -> Vec<Result<()>> {
    let waiting = entries.iter().filter(|(_, incoming)| !incoming.durable);
    if waiting.clone().count() < MANY {
        return entries
            .iter()
            .map(|(_, incoming)| if incoming.durable { Ok(()) } else { sync_one(incoming) })
            .collect();
    }
    // The directory was opened before anything was written, so an error of any of the writes is reported here.
    let outcome = waiting
        .clone()
        .next()
        .map_or(Ok(()), |(_, incoming)| sync_file_system(&incoming.room.directory));
    entries
        .iter()
        .map(|(_, incoming)| match (outcome, incoming.durable) {
            (Ok(()), _) | (Err(_), true) => Ok(()),
            (Err(errno), false) => Err(Error::io("write to disk", incoming.room.directory.path())(errno.into())),
        })
        .collect()
}

fn sync_one(incoming: &Incoming) -> Result<()> {
    open_file(&incoming.room.directory, incoming.name.as_bytes())
        .and_then(sync_file)
        .map_err(|errno| Error::io("write to disk", &incoming.path())(errno.into()))
}

fn joined<T>(outcome: thread::Result<T>) -> T {
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The same error for another file that shares its fate.
pub(crate) fn repeat(error: &Error) -> Error {
    let Error::Io { doing, path, source } = error else {
        return Error::Damaged(error.to_string());
    };
    Error::Io {
        doing,
        path: path.clone(),
        source: match source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::from(source.kind()),
        },
    }
}
