//! Incoming content gets its final name: many at once, with two syncs for all.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use model::Key;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, chmodat, mkdirat, openat, renameat_with, statat};
use rustix::io::Errno;

use super::layout::Layout;
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
        let synced = sync_content(&entries);
        let placed = if entries.len() < WORTH_A_THREAD {
            self.place_all(entries, &synced)
        } else {
            let (mut first, mut second) = (entries, synced);
            let half = first.len() / 2;
            let (rest, rest_synced) = (first.split_off(half), second.split_off(half));
            thread::scope(|scope| {
                let beside = scope.spawn(|| self.place_all(rest, &rest_synced));
                let mut placed = self.place_all(first, &second);
                match beside.join() {
                    Ok(more) => placed.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
                placed
            })
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

    fn place_all(&self, entries: Vec<(Key, Incoming)>, synced: &[Result<()>]) -> Vec<(Key, Result<Placed>)> {
        entries
            .into_iter()
            .zip(synced)
            .map(|((key, incoming), synced)| {
                let outcome = match synced {
                    Ok(()) => self.place(&key, incoming),
                    Err(error) => Err(repeat(error)),
                };
                (key, outcome)
            })
            .collect()
    }

    fn place(&self, key: &Key, mut incoming: Incoming) -> Result<Placed> {
        let name = file_name(key);
        let name = Path::new(&name);
        let other_directories = self.layout.other_directories(key);
        let elsewhere = Path::new(&other_directories).join(name).join(name);
        if self.is_object(&elsewhere) && self.is_kept(key, &elsewhere, &incoming)? {
            incoming.discard();
            return Ok(Placed::found(other_directories));
        }
        let mut placed = Placed {
            directories: self.layout.directories(key),
            new_from: None,
        };
        let object = Path::new(&placed.directories).join(name).join(name);
        let failed = |errno: Errno| Error::io("store", &self.objects.path().join(&object))(errno.into());
        // Others remove empty directories and lock them down whenever they like, hence the attempts.
        for _ in 0..8 {
            let Some(place) = self.object_directory(&mut placed, name)? else {
                continue;
            };
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

    /// Makes the directory of an object, or opens it if it is there; none if it has gone again, as somebody removes empty
    /// directories just now. What was made just now needs no second look; what was there before may be a link, so it is
    /// opened without following one. Most new objects need their second hash directory, and the first is there.
    fn object_directory(&self, placed: &mut Placed, name: &Path) -> Result<Option<ObjectDirectory>> {
        let above = self.layout.directory_mode(self.made);
        let split = placed.directories.find('/').unwrap_or(0);
        let failed = |below: &Path, errno| self.objects.failed("create the directory", below, errno);
        let first = Path::new(&placed.directories[..split]).to_owned();
        let all = Path::new(&placed.directories).to_owned();
        let base = match open_path(&self.objects, &first) {
            Ok(open) => open,
            Err(Errno::NOENT) => {
                match self.mkdir(&self.objects, &first, above) {
                    Ok(()) => placed.made_in(0),
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(&first, errno)),
                }
                match open_path(&self.objects, &first) {
                    Ok(open) => open,
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(failed(&first, errno)),
                }
            }
            Err(errno) => return Err(failed(&first, errno)),
        };
        let mut place = ObjectDirectory {
            base,
            below: PathBuf::new(),
        };
        for (below, mode) in [(all.clone(), above), (all.join(name), self.made)] {
            let leaf = below.file_name().unwrap_or_default();
            let there = place.below.join(leaf);
            match self.mkdir(&place.base, &there, mode) {
                Ok(()) => {
                    placed.made_in(below.parent().map_or(0, |above| above.as_os_str().len()));
                    place.below = there;
                }
                Err(Errno::EXIST) => match open_path(&place.base, &there) {
                    Ok(base) => {
                        place = ObjectDirectory {
                            base,
                            below: PathBuf::new(),
                        };
                    }
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(failed(&below, errno)),
                },
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(failed(&below, errno)),
            }
        }
        Ok(Some(place))
    }

    fn mkdir(&self, base: impl AsFd, directory: &Path, mode: u32) -> std::result::Result<(), Errno> {
        let base = base.as_fd();
        mkdirat(base, directory, Mode::from_raw_mode(0o777))?;
        if mode != self.made {
            chmod(base, directory, mode)?;
        }
        Ok(())
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

/// The directory of one object.
struct ObjectDirectory {
    /// A directory that is open, reached without following a link.
    base: OwnedFd,
    /// What was made below it just now.
    below: PathBuf,
}

impl ObjectDirectory {
    fn chmod(&self, mode: u32) -> std::result::Result<(), Errno> {
        let below = self.below.as_path();
        chmod(
            &self.base,
            if below.as_os_str().is_empty() {
                Path::new(".")
            } else {
                below
            },
            mode,
        )
    }
}

fn chmod(base: impl AsFd, directory: &Path, mode: u32) -> std::result::Result<(), Errno> {
    match chmodat(base, directory, Mode::from_raw_mode(mode), AtFlags::empty()) {
        // File systems without permissions say so; removed meanwhile is for the caller's next step to find.
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// How directories are opened: to be used and not read, and never through a link.
const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn open_path(base: impl AsFd, directory: &Path) -> std::result::Result<OwnedFd, Errno> {
    openat(base, directory, DIRECTORY, Mode::empty())
}

/// Where an object is, and which directories on the way to it got new names.
#[derive(Debug)]
struct Placed {
    directories: String,
    /// Length of the shortest prefix of `directories` in which a directory was made, or may have been.
    new_from: Option<usize>,
}

impl Placed {
    /// Of an object that was there already. Whoever stored it may have been killed before its names were on disk.
    fn found(directories: String) -> Self {
        Self {
            directories,
            new_from: Some(0),
        }
    }

    fn made_in(&mut self, length: usize) {
        self.new_from = Some(self.new_from.map_or(length, |shortest| shortest.min(length)));
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
