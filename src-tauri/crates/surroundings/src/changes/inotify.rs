//! One inotify instance, and which directories its watch descriptors stand for.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Bound;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::WatchScope;

pub(super) struct Inotify {
    instance: OwnedFd,
    watched: BTreeMap<Arc<Path>, Watched>,
    /// The directories of each watch descriptor: several if one is mounted in two places, or a symlink leads to it.
    directories: HashMap<i32, Vec<Arc<Path>>>,
    /// Events as the kernel wrote them, read and not yet taken.
    unhandled: Vec<u8>,
    /// Calls since the last reading, each of which may have queued an event.
    calls: usize,
    most_directories: usize,
}

struct Watched {
    descriptor: i32,
    /// None if it is watched only for a missing place to come.
    scope: Option<WatchScope>,
}

/// What happened to a directory, or to the entry of that name in it.
pub(super) struct Event<'a> {
    descriptor: i32,
    pub(super) what: ReadFlags,
    pub(super) name: Option<&'a OsStr>,
}

/// Not that a file was opened or read: our own walks would be told, and overflow the queue. That a directory was removed or
/// unmounted is told in any case, when the kernel ends its watch.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE);

/// The kernel's queue has room for 16,384 events: it is emptied that often while there is other work.
const CALLS: usize = 256;
/// Bytes of events that are held; beyond, the kernel's queue overflows. The end of a million watches takes 16 MiB.
const MOST_UNHANDLED: usize = 64 << 20;
/// A header, and a name of 255 bytes with its end.
const LONGEST_EVENT: usize = 16 + 256;

impl Inotify {
    pub(super) fn new(most_directories: usize) -> io::Result<Self> {
        Ok(Self {
            instance: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            watched: BTreeMap::new(),
            directories: HashMap::new(),
            unhandled: Vec::new(),
            calls: 0,
            most_directories,
        })
    }

    pub(super) fn is_watched(&self, path: &Path) -> bool {
        self.watched.contains_key(path)
    }

    /// How much is watched of a directory; none if it is not, or only for a missing place.
    pub(super) fn scope(&self, path: &Path) -> Option<WatchScope> {
        self.watched.get(path)?.scope
    }

    /// The directories that an event is of. Those whose watch the kernel has ended are still to be forgotten.
    pub(super) fn directories(&mut self, event: &Event<'_>) -> Vec<Arc<Path>> {
        let directories = match event.what.contains(ReadFlags::IGNORED) {
            true => self.directories.remove(&event.descriptor),
            false => self.directories.get(&event.descriptor).cloned(),
        };
        directories.unwrap_or_default()
    }

    /// Watches a directory, or more of one that is watched. Another directory that had its name is forgotten.
    pub(super) fn watch(&mut self, path: &Arc<Path>, scope: Option<WatchScope>, follow: bool) -> io::Result<()> {
        if self.watched.len() >= self.most_directories && !self.is_watched(path) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut flags = EVENTS | WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
        flags.set(WatchFlags::DONT_FOLLOW, !follow);
        // Elsewhere a file that is being written, such as a database, would wake us for nothing.
        flags.set(WatchFlags::MODIFY, scope == Some(WatchScope::WorkTree));
        let descriptor = inotify::add_watch(&self.instance, &**path, flags)?;
        self.called();
        let known = self.watched.get_mut(path);
        let is_known = known.is_some();
        if let Some(known) = known
            && known.descriptor == descriptor
        {
            known.scope = known.scope.max(scope);
            return Ok(());
        }
        let directories = self.directories.entry(descriptor);
        directories.or_insert_with(|| Vec::with_capacity(1)).push(path.clone());
        if is_known {
            // Afterwards, as the directory may be one that was below.
            self.forget(path);
        }
        self.watched.insert(path.clone(), Watched { descriptor, scope });
        Ok(())
    }

    /// True if another directory has the name of one that is watched.
    pub(super) fn is_replaced(&self, path: &Path) -> bool {
        let Some(watched) = self.watched.get(path) else {
            return false;
        };
        // The kernel has one watch for each directory.
        let flags = WatchFlags::ATTRIB | WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
        inotify::add_watch(&self.instance, path, flags).is_ok_and(|descriptor| descriptor != watched.descriptor)
    }

    /// Ends the watch of a directory.
    pub(super) fn unwatch(&mut self, path: &Path) {
        let Some(Watched { descriptor, .. }) = self.watched.remove(path) else {
            return;
        };
        // None if the kernel has ended it.
        let Some(directories) = self.directories.get_mut(&descriptor) else {
            return;
        };
        directories.retain(|directory| **directory != *path);
        if directories.is_empty() {
            self.directories.remove(&descriptor);
            // It fails if the kernel has just ended it.
            let _ = inotify::remove_watch(&self.instance, descriptor);
            self.called();
        }
    }

    /// Ends the watches of a directory and of all below it. True if there was any.
    pub(super) fn forget(&mut self, top: &Path) -> bool {
        let from = (Bound::Included(top), Bound::Unbounded);
        let below = self.watched.range::<Path, _>(from).map(|(path, _)| path);
        let gone: Vec<_> = below.take_while(|path| path.starts_with(top)).cloned().collect();
        gone.iter().for_each(|path| self.unwatch(path));
        !gone.is_empty()
    }

    fn called(&mut self) {
        self.calls += 1;
        if self.calls >= CALLS {
            self.read();
        }
    }

    /// Reads what has happened, to be taken later.
    pub(super) fn read(&mut self) {
        self.calls = 0;
        let mut room = [MaybeUninit::uninit(); 1 << 16];
        // Reading fails only if there is nothing.
        while self.unhandled.len() < MOST_UNHANDLED
            && let Ok((read, rest)) = rustix::io::read(&self.instance, &mut room)
        {
            self.unhandled.extend_from_slice(read);
            if rest.len() >= LONGEST_EVENT {
                break;
            }
        }
    }

    /// True if something was read and not taken.
    pub(super) fn has_read(&self) -> bool {
        !self.unhandled.is_empty()
    }

    /// Takes the events that were read, as [`events`] understands them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unhandled)
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.instance.as_fd()
    }
}

/// The events that the kernel wrote (inotify(7)).
pub(super) fn events(mut bytes: &[u8]) -> impl Iterator<Item = Event<'_>> {
    std::iter::from_fn(move || {
        let (&descriptor, rest) = bytes.split_first_chunk()?;
        let (&what, rest) = rest.split_first_chunk()?;
        let (_cookie, rest) = rest.split_first_chunk::<4>()?;
        let (&length, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(u32::from_ne_bytes(length) as usize)?;
        bytes = rest;
        // It is filled up with zeros.
        let name = name.split(|&byte| byte == 0).next().filter(|name| !name.is_empty());
        Some(Event {
            descriptor: i32::from_ne_bytes(descriptor),
            what: ReadFlags::from_bits_retain(u32::from_ne_bytes(what)),
            name: name.map(OsStr::from_bytes),
        })
    })
}
