//! Content of a known key, copied from a file on this machine.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::Key;
use rustix::fs::{Timespec, Timestamps};

use super::copy::{Copied, LARGE, Onlooker, Reached, Source, Unfinished, copy, read_small, show};
use super::room::{Incoming, set_mode};
use super::{Store, file_name};
use crate::durable::sync_file;
use crate::{Directory, Error, HashVerdict, Result, Verifier};

/// Up to this size content is read and written in one go, and starts again when interrupted.
pub const SMALL: u64 = 1 << 20;

/// Below this size sharing blocks saves nothing: the content has to be read anyway. 64 KiB.
const WORTH_SHARING: u64 = 65_536;

impl Store<'_> {
    /// Copies all of `source`, the content of `key`, into an incoming file; permissions and modification time come
    /// along. With `verify`, the content is hashed on the way and compared with the key; otherwise only its size is checked.
    /// `progress` is called with the progress.
    ///
    /// Content of more than 1 MiB goes by [`Store::partial_path`]: what an interrupted transfer left there is checked
    /// and continued. The caller holds the transfer lock of the key.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if `source` is not the content of `key`. Nothing is stored then, and nothing partial stays.
    pub fn copy_in(&self, source: &File, key: &Key, verify: bool, progress: &dyn Fn(Reached)) -> Result<Incoming> {
        let onlooker = Onlooker {
            progress,
            cancelled: None,
        };
        self.copy_in_watched(source, key, verify, &onlooker)
            .map_err(|why| match why {
                Unfinished::Failed(error) => error,
                Unfinished::Wrong => Error::Damaged(format!(
                    "the content found for {key} is not the content of that key; nothing was stored"
                )),
                Unfinished::Reading(error) => Error::Io {
                    doing: "read the content for",
                    path: self.object_path(key),
                    source: error,
                },
                Unfinished::Writing(error) => Error::Io {
                    doing: "write the content for",
                    path: self.object_path(key),
                    source: error,
                },
                Unfinished::Cancelled => Error::Busy(self.object_path(key)),
            })
    }

    pub(crate) fn copy_in_watched(
        &self,
        source: &File,
        key: &Key,
        verify: bool,
        onlooker: &Onlooker<'_>,
    ) -> Copied<Incoming> {
        let found = source.metadata().map_err(Unfinished::Reading)?;
        if key.size().is_some_and(|size| size != found.len()) {
            return Err(Unfinished::Wrong);
        }
        if found.len() > SMALL {
            return self.copy_in_large(source, &found, key, verify, onlooker);
        }
        let content = read_small(source, found.len())?;
        if verify {
            let mut verifier = Verifier::for_key(key);
            verifier.update(&content);
            judge(verifier)?;
        } else {
            is_complete(content.len() as u64, found.len())?;
        }
        let incoming = self.write_small(&content, &found)?;
        (onlooker.progress)(Reached {
            there: incoming.size,
            moved: incoming.size,
        });
        Ok(incoming)
    }

    /// Copies all of `source`, the content of `key`, into an empty file elsewhere. With `verify`, the content is
    /// hashed on the way and compared with the key; otherwise only its size is checked.
    pub(crate) fn copy_out(
        &self,
        source: &File,
        key: &Key,
        dest: &File,
        verify: bool,
        onlooker: &Onlooker<'_>,
    ) -> Copied<()> {
        let found = source.metadata().map_err(Unfinished::Reading)?;
        if key.size().is_some_and(|size| size != found.len()) {
            return Err(Unfinished::Wrong);
        }
        self.fill(source, found.len(), dest, 0, key, verify, onlooker)?;
        keep_time(dest, &found);
        Ok(())
    }

    /// Puts content into a scratch file with the permissions and time of the file that it was read from.
    pub(super) fn write_small(&self, content: &[u8], like: &fs::Metadata) -> Copied<Incoming> {
        let (file, incoming) = self.write_scratch(content, like.mode())?;
        keep_time(&file, like);
        Ok(incoming)
    }

    /// Puts content that came from another computer into a scratch file.
    pub(crate) fn write_whole(&self, content: &[u8]) -> Result<Incoming> {
        self.write_scratch(content, 0o444).map(|(_, incoming)| incoming)
    }

    fn write_scratch(&self, content: &[u8], mode: u32) -> Result<(File, Incoming)> {
        let (file, mut incoming) = self.scratch_file(self.layout().object_mode(mode))?;
        incoming.size = content.len() as u64;
        let written = file.write_all_at(content, 0);
        written.map_err(Error::io("write", &incoming.path()))?;
        Ok((file, incoming))
    }

    fn copy_in_large(
        &self,
        source: &File,
        found: &fs::Metadata,
        key: &Key,
        verify: bool,
        onlooker: &Onlooker<'_>,
    ) -> Copied<Incoming> {
        let room = self.partials()?;
        let mut incoming = Incoming {
            room,
            name: file_name(key),
            size: found.len(),
            durable: false,
            keep: true,
        };
        let path = incoming.path();
        let partials = Arc::clone(&incoming.room.directory);
        let mode = self.layout().object_mode(found.mode());
        let dest = open_partial(&partials, &incoming.name, mode | 0o200)?;
        loop {
            let resumed = dest.metadata().map_err(Unfinished::Writing)?.len();
            if resumed > found.len() {
                dest.set_len(0).map_err(Unfinished::Writing)?;
                continue;
            }
            // As git-annex does: nobody can tell where the first part came from.
            let verify = verify || resumed > 0;
            let outcome = self.fill(source, found.len(), &dest, resumed, key, verify, onlooker);
            match outcome {
                Ok(()) => break,
                // Either the source is wrong or what was there before: only the first is the source's fault.
                Err(Unfinished::Wrong) if resumed > 0 => dest.set_len(0).map_err(Unfinished::Writing)?,
                Err(Unfinished::Wrong) => {
                    incoming.discard();
                    return Err(Unfinished::Wrong);
                }
                Err(why) => return Err(why),
            }
        }
        set_mode(&dest, mode, &path)?;
        keep_time(&dest, found);
        if found.len() >= LARGE {
            sync_file(&dest).map_err(|errno| Unfinished::Writing(errno.into()))?;
            incoming.durable = true;
        }
        Ok(incoming)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the two ends of one copy, and what is known about each"
    )]
    fn fill(
        &self,
        source: &File,
        size: u64,
        dest: &File,
        resumed: u64,
        key: &Key,
        verify: bool,
        onlooker: &Onlooker<'_>,
    ) -> Copied<()> {
        let shares = self.share_blocks(source, dest, size);
        let object = Source::Object(source);
        if !verify {
            let there = match shares {
                true => dest.metadata().map_err(Unfinished::Writing)?.len(),
                false => copy(object, dest, resumed, size, None, onlooker)?,
            };
            return is_complete(there, size);
        }
        let mut verifier = Verifier::for_key(key);
        let mut absorb = |part: &[u8]| verifier.update(part);
        match shares {
            true => _ = show(dest, size, &mut absorb, onlooker)?,
            false => {
                show(dest, resumed, &mut absorb, onlooker)?;
                copy(object, dest, resumed, size, Some(&mut absorb), onlooker)?;
            }
        }
        judge(verifier)
    }

    /// Makes `dest` share the blocks of `source`. False where the file system cannot, or the file is too small.
    pub(super) fn share_blocks(&self, source: &File, dest: &File, size: u64) -> bool {
        if size < WORTH_SHARING || self.no_reflink.load(Ordering::Relaxed) {
            return false;
        }
        let shared = rustix::fs::ioctl_ficlone(dest, source).is_ok();
        if !shared {
            // Asked once: a store lives for one piece of work, whose files mostly come from one place.
            self.no_reflink.store(true, Ordering::Relaxed);
        }
        shared
    }
}

fn judge(verifier: Verifier) -> Copied<()> {
    match verifier.finish() {
        HashVerdict::Matches | HashVerdict::SizeOnly => Ok(()),
        HashVerdict::Wrong => Err(Unfinished::Wrong),
    }
}

/// For content that is not hashed. A program may have changed the source meanwhile.
fn is_complete(there: u64, size: u64) -> Copied<()> {
    match there == size {
        true => Ok(()),
        false => Err(Unfinished::Wrong),
    }
}

/// git-annex carries modification times from repository to repository; a file system that cannot is no failure.
pub(super) fn keep_time(file: &File, like: &fs::Metadata) {
    let time = Timespec {
        tv_sec: like.mtime(),
        tv_nsec: like.mtime_nsec(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    let _ = rustix::fs::futimens(file, &times);
}

pub(super) fn open_partial(partials: &Directory, name: &OsStr, mode: u32) -> Result<File> {
    let create = || {
        partials
            .create_new(name, mode)
            .map_err(Error::io("create", &partials.path().join(name)))
    };
    match partials.open(name, true) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => create(),
        // A link, a device, or a file that was complete and write-protected when a crash came: it starts again.
        Err(_) => {
            partials.remove(name)?;
            create()
        }
    }
}
