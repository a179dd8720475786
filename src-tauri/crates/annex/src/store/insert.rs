//! Incoming content gets its final name: many at once, with two syncs for all.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use model::Key;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, chmodat, mkdirat, openat, renameat_with, statat};
use rustix::io::Errno;

use super::layout::{Layout, umask};
use super::room::Incoming;
use super::{Store, file_name};
use crate::{Error, Result};

/// From this number of files on, one sync of the file system costs less than one per file.
const MANY: usize = 8;

/// From this number on, two threads place faster than one.
const WORTH_A_THREAD: usize = 64;

/// Content that is complete and is to become objects together.
#[derive(Debug)]
pub struct Batch<'a> {
    objects: File,
    path: std::path::PathBuf,
    layout: &'a Layout,
    /// What `mkdir` gives the directories below `objects`.
    made: u32,
    entries: Vec<(Key, Incoming)>,
}

impl Store<'_> {
    /// Begins to collect content to be stored together.
    pub fn batch(&self) -> Result<Batch<'_>> {
        let path = self.annex.annex_file("objects");
        let objects = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directory(&path)?;
                File::open(&path)
            }
            other => other,
        }
        .map_err(Error::io("open", &path))?;
        let inherited = objects.metadata().map_err(Error::io("examine", &path))?.mode() & 0o2000;
        Ok(Batch {
            objects,
            path,
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

    /// The number of contents added.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Makes all content durable, gives each its final name, and makes the names durable. For each key: `Ok` if its
    /// content is here for good (an object that was there already is kept); only then may a log say so.
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
        let elsewhere = Path::new(&self.layout.other_directories(key)).join(name).join(name);
        if self.is_object(&elsewhere) {
            incoming.discard();
            return Ok(Placed::default());
        }
        let mut placed = Placed {
            directories: self.layout.directories(key),
            new_from: None,
        };
        let directory = Path::new(&placed.directories).join(name);
        let object = directory.join(name);
        let failed = |errno: Errno| Error::io("store", &self.path.join(&object))(errno.into());
        // Others remove empty directories and lock them down whenever they like, hence the attempts.
        for _ in 0..8 {
            let new = self.make_object_directory(&mut placed, &directory).map_err(failed)?;
            let moved = renameat_with(
                &incoming.room.directory,
                &incoming.name,
                &self.objects,
                &object,
                RenameFlags::NOREPLACE,
            );
            let moved = match moved {
                // Not every file system can refuse to replace.
                Err(Errno::INVAL | Errno::NOSYS) if self.is_object(&object) => Err(Errno::EXIST),
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::renameat(&incoming.room.directory, &incoming.name, &self.objects, &object)
                }
                other => other,
            };
            match moved {
                Ok(()) => {
                    incoming.keep = true;
                    self.lock_down(&directory).map_err(failed)?;
                    return Ok(placed);
                }
                Err(Errno::EXIST) if self.is_object(&object) => {
                    incoming.discard();
                    return Ok(Placed::default());
                }
                Err(Errno::NOENT) => {}
                Err(Errno::ACCESS) if !new => self
                    .chmod(&directory, self.layout.directory_mode(self.made) | 0o200)
                    .map_err(failed)?,
                Err(errno) => return Err(failed(errno)),
            }
        }
        Err(Error::Busy(self.path.join(&object)))
    }

    /// True if the directory of the object was made just now. Most new objects need their second hash directory, and
    /// the first is there: so that is tried first, and nothing is looked at before.
    fn make_object_directory(&self, placed: &mut Placed, directory: &Path) -> std::result::Result<bool, Errno> {
        let above = self.layout.directory_mode(self.made);
        let first = placed.directories.find('/').unwrap_or(0);
        loop {
            match self.mkdir(Path::new(&placed.directories), above) {
                Ok(()) => placed.made_in(first),
                Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => {
                    match self.mkdir(Path::new(&placed.directories[..first]), above) {
                        Ok(()) => placed.made_in(0),
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno),
                    }
                    continue;
                }
                Err(errno) => return Err(errno),
            }
            return match self.mkdir(directory, self.made) {
                Ok(()) => {
                    placed.made_in(placed.directories.len());
                    Ok(true)
                }
                // Gone again, if somebody removes empty directories just now: the caller tries again.
                Err(Errno::EXIST | Errno::NOENT) => Ok(false),
                Err(errno) => Err(errno),
            };
        }
    }

    fn mkdir(&self, directory: &Path, mode: u32) -> std::result::Result<(), Errno> {
        mkdirat(&self.objects, directory, Mode::from_raw_mode(0o777))?;
        if mode != self.made {
            self.chmod(directory, mode)?;
        }
        Ok(())
    }

    fn lock_down(&self, directory: &Path) -> std::result::Result<(), Errno> {
        let mode = self.layout.locked_down_mode(self.made);
        if mode == self.made {
            return Ok(());
        }
        self.chmod(directory, mode)
    }

    fn chmod(&self, directory: &Path, mode: u32) -> std::result::Result<(), Errno> {
        match chmodat(&self.objects, directory, Mode::from_raw_mode(mode), AtFlags::empty()) {
            // File systems without permissions say so; removed meanwhile is for the caller's next step to find.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOENT) => Ok(()),
            other => other,
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
            return rustix::fs::syncfs(&self.objects).map_err(|e| Error::io("write to disk", &self.path)(e.into()));
        }
        for (key, placed) in stored().filter(|(_, placed)| !placed.directories.is_empty()) {
            self.sync_directory(&Path::new(&placed.directories).join(file_name(key)))?;
            let Some(new_from) = placed.new_from else { continue };
            let mut level = Some(Path::new(&placed.directories));
            while let Some(path) = level.filter(|path| path.as_os_str().len() >= new_from) {
                self.sync_directory(if path.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    path
                })?;
                level = path.parent();
            }
        }
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let outcome = openat(&self.objects, directory, flags, Mode::empty()).and_then(rustix::fs::fsync);
        match outcome {
            // A file system that cannot sync a directory keeps names in order by itself or not at all.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(errno) => Err(Error::io("write to disk", &self.path.join(directory))(errno.into())),
        }
    }
}

/// Which directories got new names; nothing if the object was there already.
#[derive(Debug, Default)]
struct Placed {
    directories: String,
    /// Length of the shortest prefix of `directories` in which a directory was made.
    new_from: Option<usize>,
}

impl Placed {
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
            .map(|(_, incoming)| if incoming.durable { Ok(()) } else { sync_file(incoming) })
            .collect();
    }
    // The directory was opened before anything was written, so an error of any of the writes is reported here.
    let outcome = waiting
        .clone()
        .next()
        .map_or(Ok(()), |(_, incoming)| rustix::fs::syncfs(&incoming.room.directory));
    entries
        .iter()
        .map(|(_, incoming)| match outcome {
            Err(errno) if !incoming.durable => Err(Error::io("write to disk", &incoming.room.path)(errno.into())),
            _ => Ok(()),
        })
        .collect()
}

fn sync_file(incoming: &Incoming) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&incoming.room.directory, &incoming.name, flags, Mode::empty())
        .and_then(rustix::fs::fdatasync)
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
