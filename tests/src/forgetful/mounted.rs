use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, KernelConfig, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::libc;
use nix::mount::{MntFlags, umount2};

use super::disk::{Attributes, Content, Disk, Ino, Kind, Name, Node, Record, Recording, Synced};
use super::survive::Rules;
use super::syncs;

/// How long the kernel may remember what it was told: nothing changes but through it.
const FOREVER: Duration = Duration::from_secs(3600);

/// A forgetful disk that is mounted; unmounted when it is let go of.
pub struct Mounted {
    session: Option<BackgroundSession>,
    volume: Arc<Mutex<Volume>>,
    path: PathBuf,
    rules: Rules,
}

impl Mounted {
    /// Mounts a disk at a directory.
    ///
    /// # Errors
    ///
    /// In words, when this machine cannot: there is no FUSE, or it must not be used.
    pub fn mount(disk: Disk, path: &Path, rules: Rules) -> Result<Mounted, String> {
        let volume = Arc::new(Mutex::new(Volume {
            disk: disk.clone(),
            recording: Recording {
                base: disk,
                ..Recording::default()
            },
        }));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("forgetful".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        let files = Files {
            volume: volume.clone(),
            listings: Mutex::default(),
            next_listing: AtomicU64::new(1),
        };
        let session = fuser::spawn_mount(files, path, &config).map_err(|error| format!("FUSE: {error}"))?;
        Ok(Mounted {
            session: Some(session),
            volume,
            path: path.to_owned(),
            rules,
        })
    }

    /// Runs programs whose `sync` and `syncfs` this disk notices, and by whose rules the disk looks to them.
    ///
    /// # Errors
    ///
    /// In words, when the kernel does not let system calls be watched.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, String> {
        let synced = || self.volume().note(Record::Sync(Synced::All));
        syncs::watched(&self.path, self.rules, &synced, work)
    }

    /// Forgets how the disk came to be what it is: all of it is durable now, and the recording begins.
    pub fn begin(&self) {
        let mut volume = self.volume();
        volume.recording = Recording {
            base: volume.disk.clone(),
            ..Recording::default()
        };
    }

    /// What happened since the beginning.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.volume().recording.clone()
    }

    /// How many things have happened since the beginning.
    #[must_use]
    pub fn moment(&self) -> usize {
        self.volume().recording.len()
    }

    /// Makes everything durable, as `sync` does.
    pub fn sync(&self) {
        self.volume().note(Record::Sync(Synced::All));
    }

    fn volume(&self) -> MutexGuard<'_, Volume> {
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        // At once, also while some other program of the machine looks into it, as programs do that watch mounts. Who is not
        // root has to ask, and to wait.
        if umount2(&self.path, MntFlags::MNT_DETACH).is_ok() {
            drop(session);
        } else if let Err(error) = session.umount_and_join() {
            eprintln!("{} could not be unmounted: {error}", self.path.display());
        }
    }
}

/// A disk, and what happens to it.
struct Volume {
    disk: Disk,
    recording: Recording,
}

impl Volume {
    fn note(&mut self, record: Record) {
        self.recording.records.push(record);
    }

    fn attributes(&self, ino: Ino) -> Result<FileAttr, Errno> {
        let node = self.disk.nodes.get(&ino).ok_or(Errno::ENOENT)?;
        let (kind, size) = match &node.kind {
            Kind::File(data) => (FileType::RegularFile, data.len()),
            Kind::Directory(_) => (FileType::Directory, 4096),
            Kind::Symlink(target) => (FileType::Symlink, target.len()),
        };
        Ok(FileAttr {
            ino: INodeNo(ino),
            size: size as u64,
            blocks: size.div_ceil(512) as u64,
            atime: node.attributes.atime,
            mtime: node.attributes.mtime,
            ctime: node.attributes.ctime,
            crtime: node.attributes.mtime,
            kind,
            perm: (node.attributes.mode & 0o7777) as u16,
            nlink: node.names,
            uid: node.attributes.uid,
            gid: node.attributes.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn set_attributes(&mut self, ino: Ino, change: impl FnOnce(&mut Attributes)) {
        if let Some(node) = self.disk.nodes.get_mut(&ino) {
            change(&mut node.attributes);
            let now = node.attributes;
            self.note(Record::Attributes(ino, now));
        }
    }

    fn rename(&mut self, names: Vec<Name>) {
        self.disk.rename(&names);
        let now = SystemTime::now();
        let mut touched: Vec<Ino> = names.iter().map(|name| name.directory).collect();
        touched.dedup();
        let nodes: Vec<Ino> = names
            .iter()
            .flat_map(|name| [name.before, name.after])
            .flatten()
            .collect();
        self.note(Record::Names(names));
        for ino in touched {
            self.set_attributes(ino, |attributes| (attributes.mtime, attributes.ctime) = (now, now));
        }
        for ino in nodes {
            self.set_attributes(ino, |attributes| attributes.ctime = now);
        }
    }

    fn make(&mut self, request: &Request, parent: Ino, name: &OsStr, mode: u32, kind: Kind) -> Result<Ino, Errno> {
        if self.disk.find(parent, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let above = self.disk.nodes.get(&parent).ok_or(Errno::ENOENT)?.attributes;
        let is_directory = matches!(kind, Kind::Directory(_));
        let inherits = above.mode & 0o2000 != 0;
        let now = SystemTime::now();
        let node = Node {
            names: if is_directory { 2 } else { 0 },
            kind,
            attributes: Attributes {
                mode: mode & 0o7777 | if inherits && is_directory { 0o2000 } else { 0 },
                uid: request.uid(),
                gid: if inherits { above.gid } else { request.gid() },
                atime: now,
                mtime: now,
                ctime: now,
            },
        };
        let ino = self.disk.next;
        self.disk.next += 1;
        self.disk.nodes.insert(ino, node.clone());
        self.recording.births.insert(ino, node);
        self.rename(vec![Name {
            directory: parent,
            name: name.to_owned(),
            before: None,
            after: Some(ino),
        }]);
        Ok(ino)
    }

    fn remove(&mut self, parent: Ino, name: &OsStr) -> Result<(), Errno> {
        let ino = self.disk.find(parent, name).ok_or(Errno::ENOENT)?;
        if self.disk.entries(ino).is_some_and(|entries| !entries.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.rename(vec![Name {
            directory: parent,
            name: name.to_owned(),
            before: Some(ino),
            after: None,
        }]);
        Ok(())
    }

    fn move_name(&mut self, from: (Ino, &OsStr), to: (Ino, &OsStr), flags: RenameFlags) -> Result<(), Errno> {
        let moved = self.disk.find(from.0, from.1).ok_or(Errno::ENOENT)?;
        let there = self.disk.find(to.0, to.1);
        let exchanges = flags.contains(RenameFlags::RENAME_EXCHANGE);
        if flags.contains(RenameFlags::RENAME_WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        match there {
            Some(_) if flags.contains(RenameFlags::RENAME_NOREPLACE) => return Err(Errno::EEXIST),
            None if exchanges => return Err(Errno::ENOENT),
            Some(there) if there == moved => return Ok(()),
            Some(there) if !exchanges && self.disk.entries(there).is_some_and(|inside| !inside.is_empty()) => {
                return Err(Errno::ENOTEMPTY);
            }
            Some(_) | None => {}
        }
        let name = |at: (Ino, &OsStr), before, after| Name {
            directory: at.0,
            name: at.1.to_owned(),
            before,
            after,
        };
        self.rename(vec![
            name(from, Some(moved), there.filter(|_| exchanges)),
            name(to, there, Some(moved)),
        ]);
        Ok(())
    }

    fn change(&mut self, ino: Ino, change: Content) {
        let now = SystemTime::now();
        self.disk.change(ino, &change);
        if let Some(node) = self.disk.nodes.get_mut(&ino) {
            (node.attributes.mtime, node.attributes.ctime) = (now, now);
        }
        self.note(Record::Content(ino, change, now));
    }
}

/// What a directory held when its listing began.
type Listing = Arc<Vec<(Ino, FileType, OsString)>>;

/// The file system that the kernel talks to.
///
/// Locks and leases are the kernel's own. Pages that programs map are written through it as well; nothing is kept back,
/// so what a program has written is known here when its call returns.
struct Files {
    volume: Arc<Mutex<Volume>>,
    listings: Mutex<HashMap<u64, Listing>>,
    next_listing: AtomicU64,
}

impl Files {
    fn volume(&self) -> MutexGuard<'_, Volume> {
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self, ino: Ino) -> Listing {
        let volume = self.volume();
        let kind = |ino: Ino| match volume.disk.nodes.get(&ino).map(|node| &node.kind) {
            Some(Kind::Directory(_)) => FileType::Directory,
            Some(Kind::Symlink(_)) => FileType::Symlink,
            Some(Kind::File(_)) | None => FileType::RegularFile,
        };
        let mut listing = vec![
            (ino, FileType::Directory, ".".into()),
            (ino, FileType::Directory, "..".into()),
        ];
        let entries = volume.disk.entries(ino).into_iter().flatten();
        listing.extend(entries.map(|(name, ino)| (*ino, kind(*ino), name.clone())));
        Arc::new(listing)
    }
}

fn entry(volume: &Volume, made: Result<Ino, Errno>, reply: ReplyEntry) {
    match made.and_then(|ino| volume.attributes(ino)) {
        Ok(attributes) => reply.entry(&FOREVER, &attributes, Generation(0)),
        Err(errno) => reply.error(errno),
    }
}

fn answer(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

impl Filesystem for Files {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // What is not granted is slower, not wrong.
        let _ = config.set_max_write(1 << 20);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let volume = self.volume();
        entry(&volume, volume.disk.find(parent.0, name).ok_or(Errno::ENOENT), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.volume().attributes(ino.0) {
            Ok(attributes) => reply.attr(&FOREVER, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut volume = self.volume();
        if let Some(size) = size {
            volume.change(
                ino.0,
                Content::Resize(usize::try_from(size).expect("a test's file fits into memory")),
            );
        }
        let now = SystemTime::now();
        let time = |given: TimeOrNow| match given {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => now,
        };
        if mode.is_some() || uid.is_some() || gid.is_some() || atime.is_some() || mtime.is_some() {
            volume.set_attributes(ino.0, |attributes| {
                attributes.mode = mode.map_or(attributes.mode, |mode| mode & 0o7777);
                attributes.uid = uid.unwrap_or(attributes.uid);
                attributes.gid = gid.unwrap_or(attributes.gid);
                attributes.atime = atime.map_or(attributes.atime, time);
                attributes.mtime = mtime.map_or(attributes.mtime, time);
                attributes.ctime = now;
            });
        }
        match volume.attributes(ino.0) {
            Ok(attributes) => reply.attr(&FOREVER, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.volume().disk.nodes.get(&ino.0).map(|node| &node.kind) {
            Some(Kind::Symlink(target)) => reply.data(target.as_bytes()),
            Some(Kind::File(_) | Kind::Directory(_)) => reply.error(Errno::EINVAL),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: u32, reply: ReplyEntry) {
        // Sockets and pipes are of no use after a cut; the engine's socket is not on the disk that it syncs.
        if mode & libc::S_IFMT != libc::S_IFREG {
            return reply.error(Errno::EPERM);
        }
        let mut volume = self.volume();
        let made = volume.make(request, parent.0, name, mode, Kind::File(Arc::default()));
        entry(&volume, made, reply);
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let mut volume = self.volume();
        let made = volume.make(request, parent.0, name, mode, Kind::Directory(Arc::default()));
        entry(&volume, made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.volume().remove(parent.0, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.volume().remove(parent.0, name), reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let mut volume = self.volume();
        let made = volume.make(request, parent.0, name, 0o777, Kind::Symlink(target.as_os_str().into()));
        entry(&volume, made, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let moved = self
            .volume()
            .move_name((parent.0, name), (new_parent.0, new_name), flags);
        answer(moved, reply);
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut volume = self.volume();
        let made = match volume.disk.find(parent.0, name) {
            Some(_) => Err(Errno::EEXIST),
            None => {
                volume.rename(vec![Name {
                    directory: parent.0,
                    name: name.to_owned(),
                    before: None,
                    after: Some(ino.0),
                }]);
                Ok(ino.0)
            }
        };
        entry(&volume, made, reply);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // There is nothing to do: the kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: i32, reply: ReplyCreate) {
        let mut volume = self.volume();
        let made = volume.make(request, parent.0, name, mode, Kind::File(Arc::default()));
        match made.and_then(|ino| volume.attributes(ino)) {
            Ok(attributes) => reply.created(
                &FOREVER,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let volume = self.volume();
        let Some(Kind::File(data)) = volume.disk.nodes.get(&ino.0).map(|node| &node.kind) else {
            return reply.error(Errno::EBADF);
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let end = (start + size as usize).min(data.len());
        reply.data(&data[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let at = usize::try_from(offset).expect("a test's file fits into memory");
        let bytes = data.to_vec();
        self.volume().change(ino.0, Content::Write { at, bytes });
        reply.written(u32::try_from(data.len()).expect("the kernel writes no more at once"));
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, only_data: bool, reply: ReplyEmpty) {
        self.volume().note(Record::Sync(Synced::File { ino: ino.0, only_data }));
        reply.ok();
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.next_listing.fetch_add(1, Ordering::Relaxed);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = match listings.get(&handle.0) {
            Some(listing) if offset > 0 => listing.clone(),
            Some(_) | None => {
                let listing = self.listing(ino.0);
                listings.insert(handle.0, listing.clone());
                listing
            }
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(listing.len());
        for (at, (ino, kind, name)) in listing.iter().enumerate().skip(start) {
            if reply.add(INodeNo(*ino), at as u64 + 1, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        listings.remove(&handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.volume().note(Record::Sync(Synced::Directory(ino.0)));
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = 100 << 18;
        reply.statfs(blocks, blocks / 2, blocks / 2, 1 << 20, 1 << 19, 4096, 255, 4096);
    }
}
