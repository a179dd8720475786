//! Doing what a plan says. Every file is looked at once more right before it is touched.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::path::Path;

use git2::Odb;
use model::{Key, RepoPath};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::entry::{entry, trusts_mode};
use super::obstacle::{Obstacle, Waiting};
use super::place::{OpenWorkTree, Parent, Seen, look_at, meant};
use super::plan::{LeafContent, Move, Plan, Write};
use super::rename::{Renamed, rename_inside};
use super::taken_away::{Taken, TakenAway};
use super::{Before, Step};
use crate::conversions::Outgoing;
use crate::durable::{sync_file, sync_file_system};
use crate::index::IndexEntry;
use crate::objects::each_part;
use crate::store::found;
use crate::tree::raw::{Blob, Mode};
use crate::{Error, Incoming, Result, Store};

/// From this many files on, two threads write.
pub(super) const MANY: usize = 256;
/// Up to this many files are made durable one by one; more by writing out the whole file system once.
pub(super) const FEW: usize = 8;

/// What was done, for the index.
#[derive(Default)]
pub(super) struct Done {
    pub(super) removed: Vec<RepoPath>,
    pub(super) entries: Vec<IndexEntry>,
    /// Paths that were left as they are, with their index entries: files that changed at the last moment, or that the
    /// system does not let go.
    pub(super) waiting: Vec<Waiting>,
    /// Unlocked files that are pointers, because the contents of their keys were not here when they were made.
    pub(super) pointers: Vec<(RepoPath, Key)>,
    pub(super) changed: usize,
}

impl Done {
    fn put(&mut self, path: &RepoPath, blob: Blob, content: &LeafContent, seen: Option<&Seen>) {
        self.changed += 1;
        self.entries.push(entry(path, blob, seen));
        if let (LeafContent::Annexed { key, pointer }, Some(seen)) = (content, seen)
            && seen.size == pointer.len() as u64
        {
            self.pointers.push((path.clone(), key.clone()));
        }
    }

    fn wait(&mut self, path: &RepoPath, why: Obstacle) {
        self.waiting.push(Waiting {
            path: path.as_bytes().into(),
            why,
        });
    }

    fn append(&mut self, mut other: Done) {
        self.removed.append(&mut other.removed);
        self.entries.append(&mut other.entries);
        self.waiting.append(&mut other.waiting);
        self.pointers.append(&mut other.pointers);
        self.changed += other.changed;
    }
}

/// A plan, and all files that it puts in place, complete and on disk.
pub(super) struct Ready<'a> {
    how: How<'a>,
    plan: Plan,
    made: Vec<(Write, Made)>,
    /// Files for which the disk has no room before others are deleted.
    unmade: Vec<Write>,
}

impl<'a> Ready<'a> {
    /// Makes the files of a plan, without touching the work tree.
    pub(super) fn make(
        store: &Store<'_>,
        outgoing: &'a Outgoing,
        top: &'a Path,
        mut plan: Plan,
        thin: bool,
    ) -> Result<Self> {
        outgoing.prepare_all(plan.writes.iter().map(|write| {
            let blob = (write.content == LeafContent::Regular).then_some(write.blob.id);
            (&write.path, blob)
        }))?;
        let writes = std::mem::take(&mut plan.writes);
        let how = How {
            outgoing,
            top,
            thin,
            durable: writes.len() <= FEW,
        };
        let unmade = match plan.deletions.is_empty() {
            true => Vec::new(),
            false => writes.clone(),
        };
        let made = match in_two(store, writes, &|store, writes| how.make_all(store, writes)) {
            Err(error) if error.is_disk_full() && !unmade.is_empty() => {
                let made = Vec::new();
                return Ok(Self {
                    how,
                    plan,
                    made,
                    unmade,
                });
            }
            made => made?,
        };
        if !how.durable {
            // Before any of them gets its name: after a power cut an empty file under a final name would count as an edit.
            write_out(top)?;
        }
        let made = made.into_iter().flatten().collect();
        Ok(Self {
            how,
            plan,
            made,
            unmade: Vec::new(),
        })
    }

    /// Changes the work tree. When this returns, what was written is on disk.
    ///
    /// `before` is called before each change that one thread makes.
    pub(super) fn act(self, store: &Store<'_>, before: &mut Before<'_>) -> Result<Done> {
        let Self {
            how,
            plan,
            mut made,
            mut unmade,
        } = self;
        let mut clearing = Clearing {
            store,
            place: OpenWorkTree::open(how.top)?,
            target: OpenWorkTree::open(how.top)?,
            taken_away: TakenAway::new(store),
            left: BTreeSet::new(),
            done: Done {
                waiting: plan.waiting,
                ..Done::default()
            },
        };
        for (path, blob, flags) in plan.index_only {
            clearing.change_entry(path, blob, flags);
        }
        for (path, blob, seen) in plan.accepted {
            clearing.done.entries.push(entry(&path, blob, Some(&seen)));
        }
        for change in plan.moves {
            before(Step::File)?;
            unmade.extend(clearing.rename(change)?);
        }
        for (path, seen) in plan.deletions {
            before(Step::File)?;
            clearing.delete(path, &seen)?;
        }
        clearing.taken_away.finish()?;
        before(Step::File)?;
        remove_empty_parents(&mut clearing.place, clearing.left)?;
        for directory in &plan.directories {
            remove_empty_directories(&clearing.place.shown(directory));
        }

        let mut done = clearing.done;
        made.extend(How { durable: true, ..how }.make_all(store, unmade)?);
        if made.is_empty() {
            return Ok(done);
        }
        done.append(how.place_all(store, made, before)?);
        if !how.durable {
            write_out(how.top)?;
        }
        Ok(done)
    }
}

/// Makes room in the work tree for the files that are put in place: names change, and files go.
struct Clearing<'a> {
    store: &'a Store<'a>,
    place: OpenWorkTree,
    /// The work tree once more, for the new name of a file.
    target: OpenWorkTree,
    taken_away: TakenAway<'a>,
    /// The directories that lose a file.
    left: BTreeSet<RepoPath>,
    done: Done,
}

impl Clearing<'_> {
    /// Changes what the index has of a path, and nothing else.
    fn change_entry(&mut self, path: RepoPath, blob: Option<Blob>, flags: u16) {
        match blob {
            Some(blob) => {
                let mut entry = entry(&path, blob, None);
                entry.extended = flags;
                self.done.entries.push(entry);
            }
            None => {
                // Gone already, perhaps in an attempt that was cut off before it came to the directory.
                self.left.extend(path.parent());
                self.done.removed.push(path);
            }
        }
    }

    /// Changes the name of a file. If the file has changed, the one with the new name is returned, to be made.
    fn rename(&mut self, change: Move) -> Result<Option<Write>> {
        let Move { from, seen, to, .. } = &change;
        match rename_inside(&mut self.place, &mut self.target, from, seen, to, self.store) {
            Ok(Renamed::Done(seen)) => {
                self.left.extend(from.parent());
                self.done.put(to, change.blob, &change.content, Some(&seen));
                self.done.removed.push(change.from);
            }
            Ok(Renamed::SourceChanged) => {
                self.done.wait(from, Obstacle::Changed);
                return Ok(Some(Write {
                    path: change.to,
                    blob: change.blob,
                    content: change.content,
                    replaces: None,
                }));
            }
            Ok(Renamed::TargetExists) => self.done.wait(to, Obstacle::Changed),
            Ok(Renamed::SameName) => self.done.wait(to, Obstacle::SameName),
            Err(error) => {
                let is_denied =
                    matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied);
                let why = Obstacle::of(&error).ok_or(error)?;
                if is_denied {
                    // Perhaps it is the old name that may not go.
                    self.done.wait(from, why.clone());
                }
                self.done.wait(to, why);
            }
        }
        Ok(None)
    }

    fn delete(&mut self, path: RepoPath, seen: &Seen) -> Result<()> {
        match delete(&mut self.taken_away, &mut self.place, &path, seen) {
            Ok(Taken::Done) => {
                self.left.extend(path.parent());
                self.done.changed += 1;
                self.done.removed.push(path);
            }
            Ok(Taken::Changed) => self.done.wait(&path, Obstacle::Changed),
            Ok(Taken::Open) => self.done.wait(&path, Obstacle::Open),
            Err(error) => self.done.wait(&path, Obstacle::of(&error).ok_or(error)?),
        }
        Ok(())
    }
}

/// Does something with many files on two threads, each with a scratch directory of its own.
pub(super) fn in_two<T: Send, R: Send>(
    store: &Store<'_>,
    mut items: Vec<T>,
    work: &(dyn Fn(&Store<'_>, Vec<T>) -> Result<R> + Sync),
) -> Result<Vec<R>> {
    if items.len() < MANY {
        return work(store, items).map(|done| vec![done]);
    }
    let second = items.split_off(items.len() / 2);
    let (ours, theirs) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let store = &store.beside();
            let _scratch = store.hold_scratch()?;
            work(store, second)
        });
        let ours = work(store, items);
        (ours, other.join())
    });
    let theirs = theirs.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Ok(vec![ours?, theirs?])
}

/// Writes out the file system that the work tree is on.
pub(super) fn write_out(top: &Path) -> Result<()> {
    let directory = File::open(top).map_err(Error::io("open", top))?;
    sync_file_system(&directory).map_err(|e| Error::io("write to disk", top)(e.into()))
}

/// Makes the content of one file durable.
pub(super) fn sync(new: &Incoming) -> Result<()> {
    let path = new.path();
    File::open(&path)
        .and_then(|file| Ok(sync_file(&file)?))
        .map_err(Error::io("write", &path))
}

/// What all files of a checkout have in common.
#[derive(Clone, Copy)]
struct How<'a> {
    outgoing: &'a Outgoing,
    top: &'a Path,
    thin: bool,
    /// Whether each file is made durable on its own.
    durable: bool,
}

/// A file that is to be put in place.
enum Made {
    /// It is complete.
    New(Incoming),
    /// Nothing had to be made: only permissions change, or a directory is made for a submodule.
    InPlace,
    Waits(Obstacle),
}

impl How<'_> {
    /// Makes all files, without touching the work tree.
    fn make_all(&self, store: &Store<'_>, writes: Vec<Write>) -> Result<Vec<(Write, Made)>> {
        let git = store.annex().git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let maker = Maker {
            store,
            how: self,
            odb: &odb,
        };
        let make = |write| maker.make(&write).map(|made| (write, made));
        writes.into_iter().map(make).collect()
    }

    /// Puts all files in place.
    fn place_all(&self, store: &Store<'_>, made: Vec<(Write, Made)>, before: &mut Before<'_>) -> Result<Done> {
        let mut placing = Placing {
            place: OpenWorkTree::open(self.top)?,
            taken_away: TakenAway::new(store),
            trust_mode: trusts_mode(&*store.annex().git()?),
        };
        let mut done = Done::default();
        for (write, made) in made {
            before(Step::File)?;
            let placed = match placing.put(&write, made) {
                Ok(placed) => placed,
                Err(error) => Err(Obstacle::of(&error).ok_or(error)?),
            };
            match placed {
                Ok(seen) => done.put(&write.path, write.blob, &write.content, seen.as_ref()),
                Err(obstacle) => done.wait(&write.path, obstacle),
            }
        }
        placing.taken_away.finish()?;
        Ok(done)
    }
}

/// True if all that differs are the permissions.
fn is_only_mode(write: &Write) -> bool {
    // A file with a second name may be the object itself, which must not become executable.
    write.replaces.as_ref().is_some_and(|(seen, old)| {
        let is_link = old.mode == Mode::Symlink || write.blob.mode == Mode::Symlink;
        old.id == write.blob.id && !is_link && seen.links <= 1
    })
}

struct Maker<'a> {
    store: &'a Store<'a>,
    how: &'a How<'a>,
    odb: &'a Odb<'a>,
}

impl Maker<'_> {
    fn make(&self, write: &Write) -> Result<Made> {
        let path = &write.path;
        if write.content == LeafContent::Submodule || is_only_mode(write) {
            return Ok(Made::InPlace);
        }
        let executable = write.blob.mode == Mode::Executable;
        Ok(Made::New(match &write.content {
            LeafContent::Symlink(target) => match self.store.scratch_symlink(target) {
                Err(Error::Io { source, .. }) if has_no_symlinks(&source) => {
                    return Ok(Made::Waits(Obstacle::Refused("this disk has no symbolic links")));
                }
                made => made?,
            },
            LeafContent::Annexed { key, pointer } => {
                match found(self.store.content_for_work_tree(key, path, self.how.thin, executable))? {
                    Some(new) => {
                        if self.how.durable {
                            sync(&new)?;
                        }
                        new
                    }
                    None => self.file(pointer, executable)?,
                }
            }
            LeafContent::Regular | LeafContent::Submodule => match self.how.outgoing.file(path, write.blob.id)? {
                Some(Ok(converted)) => self.copy(&converted, executable)?,
                Some(Err(why)) => return Ok(Made::Waits(Obstacle::Unconverted(why))),
                None => {
                    let objects = self.store.annex().git_dir().join("objects");
                    let (mut file, new) = self.store.work_tree_file(executable)?;
                    let written = each_part(self.odb, &objects, write.blob.id, &mut |part| file.write_all(part))?;
                    self.written(written, &file, new)?
                }
            },
        }))
    }

    /// A new file with the bytes of another.
    fn copy(&self, from: &Path, executable: bool) -> Result<Incoming> {
        let (mut file, new) = self.store.work_tree_file(executable)?;
        let mut copied = File::open(from).and_then(|mut from| std::io::copy(&mut from, &mut file));
        if self.how.durable {
            copied = copied.and_then(|size| Ok(sync_file(&file).map(|()| size)?));
        }
        copied.map_err(|error| Error::io("write", &new.path())(error))?;
        Ok(new)
    }

    fn file(&self, data: &[u8], executable: bool) -> Result<Incoming> {
        let (mut file, new) = self.store.work_tree_file(executable)?;
        let written = file.write_all(data);
        self.written(written, &file, new)
    }

    fn written(&self, mut written: io::Result<()>, file: &File, new: Incoming) -> Result<Incoming> {
        if self.how.durable {
            written = written.and_then(|()| Ok(sync_file(file)?));
        }
        written.map_err(|error| Error::io("write", &new.path())(error))?;
        Ok(new)
    }
}

struct Placing<'a> {
    place: OpenWorkTree,
    taken_away: TakenAway<'a>,
    trust_mode: bool,
}

impl Placing<'_> {
    /// Gives a file its place, or says what keeps it from that. The inner none is for what has no stat data.
    fn put(&mut self, write: &Write, made: Made) -> Result<std::result::Result<Option<Seen>, Obstacle>> {
        let path = &write.path;
        let new = match made {
            Made::New(new) => new,
            Made::Waits(obstacle) => return Ok(Err(obstacle)),
            Made::InPlace if write.content == LeafContent::Submodule => return self.put_submodule(write),
            Made::InPlace => return Ok(self.change_mode(write)?.map(Some).ok_or(Obstacle::Changed)),
        };
        let error = self.place.error("write", path);
        let parent = match self.place.parent(path, true)? {
            Parent::Open(parent) => parent,
            Parent::Missing | Parent::InTheWay(_) => return Ok(Err(Obstacle::Changed)),
        };
        match &write.replaces {
            Some((seen, _)) => match self.taken_away.replace(new, parent, path, seen) {
                Ok(Taken::Done) => {}
                Ok(Taken::Changed) => return Ok(Err(Obstacle::Changed)),
                Ok(Taken::Open) => return Ok(Err(Obstacle::Open)),
                Err(errno) => return Err(error(errno)),
            },
            None => match put_new(&new, parent, path) {
                Ok(true) => new.moved_away(),
                Ok(false) if self.place.is_folded(path)? => return Ok(Err(Obstacle::SameName)),
                Ok(false) => return Ok(Err(Obstacle::Changed)),
                Err(errno) => return Err(error(errno)),
            },
        }
        Ok(self.place.look(path)?.map(Some).ok_or(Obstacle::Changed))
    }

    fn put_submodule(&mut self, write: &Write) -> Result<std::result::Result<Option<Seen>, Obstacle>> {
        if let Some((seen, _)) = &write.replaces {
            match delete(&mut self.taken_away, &mut self.place, &write.path, seen)? {
                Taken::Done => {}
                Taken::Changed => return Ok(Err(Obstacle::Changed)),
                Taken::Open => return Ok(Err(Obstacle::Open)),
            }
        }
        let error = self.place.error("create the directory", &write.path);
        let Parent::Open(parent) = self.place.parent(&write.path, true)? else {
            return Ok(Err(Obstacle::Changed));
        };
        match rustix::fs::mkdirat(
            parent,
            &**write.path.file_name(),
            rustix::fs::Mode::from_raw_mode(0o777),
        ) {
            Ok(()) | Err(Errno::EXIST) => Ok(Ok(None)),
            Err(errno) => Err(error(meant(parent, errno))),
        }
    }

    /// Changes only the permissions; none if the file is another by now.
    fn change_mode(&mut self, write: &Write) -> Result<Option<Seen>> {
        let Some((seen, _)) = &write.replaces else {
            return Ok(None);
        };
        let path = &write.path;
        let Some(file) = self.place.read(path)? else {
            return Ok(None);
        };
        if self.place.look(path)?.as_ref() != Some(seen) {
            return Ok(None);
        }
        if !self.trust_mode {
            return Ok(Some(*seen));
        }
        let mode = match write.blob.mode {
            Mode::Executable => seen.mode | (seen.mode & 0o444) >> 2,
            Mode::File | Mode::Symlink | Mode::Submodule => seen.mode & !0o111,
        };
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(mode & 0o7777))
            .map_err(self.place.error("change the permissions of", path))?;
        self.place.look(path)
    }
}

fn has_no_symlinks(error: &std::io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP))
}

/// Gives a new file its name; false if the name is taken.
fn put_new(new: &Incoming, parent: BorrowedFd<'_>, path: &RepoPath) -> rustix::io::Result<bool> {
    let put = match rustix::fs::renameat_with(CWD, new.path(), parent, &**path.file_name(), RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // The file system cannot promise it; then looking first is the best there is.
        Err(Errno::INVAL | Errno::NOSYS) if look_at(parent, path)?.is_none() => {
            rustix::fs::renameat(CWD, new.path(), parent, &**path.file_name()).map(|()| true)
        }
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(errno),
    };
    put.map_err(|errno| match new.path().symlink_metadata() {
        Ok(_) => meant(parent, errno),
        Err(_) => errno,
    })
}

/// Takes the file that was seen out of the work tree.
pub(super) fn delete(
    taken_away: &mut TakenAway<'_>,
    place: &mut OpenWorkTree,
    path: &RepoPath,
    seen: &Seen,
) -> Result<Taken> {
    let error = place.error("remove", path);
    let Parent::Open(parent) = place.parent(path, false)? else {
        return Ok(Taken::Done);
    };
    match look_at(parent, path) {
        Ok(Some(_)) => taken_away.delete(parent, path, seen).map_err(error),
        Ok(None) => Ok(Taken::Done),
        Err(errno) => Err(error(errno)),
    }
}

/// Removes the directories that lost a file, and theirs, as far as they are empty.
fn remove_empty_parents(place: &mut OpenWorkTree, mut directories: BTreeSet<RepoPath>) -> Result<()> {
    // A directory sorts before what is in it.
    while let Some(directory) = directories.pop_last() {
        // One that may not be removed stays: that it is empty harms nobody.
        if place.remove_if_empty(&directory).is_ok_and(|removed| removed) {
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
