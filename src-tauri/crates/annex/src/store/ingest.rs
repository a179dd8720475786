//! A file of the work tree, hashed and stored in one pass.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rustix::fs::{AtFlags, CWD, linkat, statat};

use super::Store;
use super::copy::{Copied, LARGE, Onlooker, Source, Unfinished, copy, read_small, show};
use super::receive::{SMALL, keep_time};
use super::room::Incoming;
use crate::durable::sync_file;
use crate::{Backend, Error, Hasher, Result};

/// How the object is to be made from the file.
#[derive(Debug, Clone, Copy)]
pub enum Making<'p> {
    /// A file of its own, sharing blocks where the file system can.
    Copy,
    /// The same inode as the file at this path, with its permissions as they are: for `annex.thin`, and for a locked
    /// file, which the caller has write-protected before and replaces by a symlink afterwards. Where the file system
    /// cannot link, a copy is made.
    Link(&'p Path),
}

/// A file that was hashed, and the incoming object made of it.
#[derive(Debug)]
pub struct Ingested {
    /// The hash in hexadecimal digits: the part of the key that the content decides.
    pub digest: String,
    /// The number of bytes hashed. If it is not the size that the file has now, the file was being written.
    pub size: u64,
    /// The object, to be given to a batch.
    pub incoming: Incoming,
    /// True if the object is the same inode as the file.
    pub linked: bool,
}

impl Store<'_> {
    /// Reads all of `source` once, and makes an incoming object of exactly the bytes that were hashed (except when
    /// linked: then a later write changes both, and the caller's second look at the file must find that out). When it is
    /// `cancelled` it ends between two blocks, with [`Error::Busy`] and nothing made.
    pub fn ingest(
        &self,
        source: &File,
        backend: Backend,
        making: Making<'_>,
        cancelled: Option<&AtomicBool>,
    ) -> Result<Ingested> {
        self.ingest_watched(source, backend, making, cancelled)
            .map_err(|why| match why {
                Unfinished::Failed(error) => error,
                Unfinished::Reading(error) => Error::io("read a file to be added to", self.annex.git_dir())(error),
                Unfinished::Writing(error) => Error::io("store the content of a file in", self.annex.git_dir())(error),
                Unfinished::Wrong | Unfinished::Cancelled => Error::Busy(self.annex.git_dir().to_owned()),
            })
    }

    fn ingest_watched(
        &self,
        source: &File,
        backend: Backend,
        making: Making<'_>,
        cancelled: Option<&AtomicBool>,
    ) -> Copied<Ingested> {
        let found = source.metadata().map_err(Unfinished::Reading)?;
        let onlooker = Onlooker {
            progress: &|_| {},
            cancelled,
        };
        let mut hasher = Hasher::new(backend);
        if let Making::Link(path) = making
            && let Some(mut incoming) = self.link(path, &found)?
        {
            let size = show(source, found.len(), &mut |part| hasher.update(part), &onlooker)?;
            incoming.size = size;
            return Ok(Ingested {
                digest: hasher.finish(),
                size,
                incoming,
                linked: true,
            });
        }
        let incoming = if found.len() <= SMALL {
            let content = read_small(source, found.len())?;
            hasher.update(&content);
            self.write_small(&content, &found)?
        } else {
            self.ingest_large(source, &found, &mut hasher, &onlooker)?
        };
        Ok(Ingested {
            digest: hasher.finish(),
            size: incoming.size,
            incoming,
            linked: false,
        })
    }

    fn ingest_large(
        &self,
        source: &File,
        found: &Metadata,
        hasher: &mut Hasher,
        onlooker: &Onlooker<'_>,
    ) -> Copied<Incoming> {
        let room = self.scratch()?;
        let (dest, name) = room.create(self.layout().object_mode(found.mode()))?;
        let mut incoming = Incoming {
            room,
            name,
            size: 0,
            durable: false,
            keep: false,
        };
        incoming.size = if self.share_blocks(source, &dest, found.len()) {
            // What is hashed is what was cloned, whatever happens to the source meanwhile.
            let size = dest.metadata().map_err(Unfinished::Writing)?.len();
            show(&dest, size, &mut |part| hasher.update(part), onlooker)?
        } else {
            copy(
                Source::File(source),
                &dest,
                0,
                found.len(),
                Some(&mut |part| hasher.update(part)),
                onlooker,
            )?
        };
        keep_time(&dest, found);
        if incoming.size >= LARGE {
            sync_file(&dest).map_err(|errno| Unfinished::Writing(errno.into()))?;
            incoming.durable = true;
        }
        Ok(incoming)
    }

    /// A second name for the file at `path`; none where that is impossible.
    fn link(&self, path: &Path, found: &Metadata) -> Result<Option<Incoming>> {
        let room = self.scratch()?;
        let name = room.new_name();
        if linkat(CWD, path, &room.directory, &name, AtFlags::empty()).is_err() {
            return Ok(None);
        }
        let incoming = Incoming {
            room,
            name,
            size: found.len(),
            durable: false,
            keep: false,
        };
        let linked = statat(&incoming.room.directory, &incoming.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| Error::io("examine", &incoming.path())(errno.into()))?;
        if (linked.st_dev, linked.st_ino) == (found.dev(), found.ino()) {
            return Ok(Some(incoming));
        }
        // Another file has taken its name since it was opened.
        Err(Error::Busy(path.to_owned()))
    }
}
