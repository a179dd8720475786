//! The index: what is staged for each path, and the stat data of the file that it was staged from.
//!
//! It is read and written here rather than by libgit2, for three reasons. libgit2 erases the sizes of entries that are
//! as young as the index, so that `git status` has to run the filter on each; it moves all entries for each one removed,
//! which takes minutes for a large directory; and it takes several times as long to read.

mod entry;
mod format;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, Metadata, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bstr::ByteSlice;
use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};
use model::Oid;
use rustix::fs::{AtFlags, FileType, statat};

pub(crate) use crate::git_lock::PATIENCE;
#[cfg(test)]
pub(crate) use crate::git_lock::mark::MARK;
pub(crate) use entry::{EXECUTABLE, Entry, GITLINK, REGULAR, SKIP_WORKTREE, SYMLINK};
pub(crate) use tree::CachedTree;

use crate::git_lock::GitLock;
use crate::oid::{from_git, to_git};
use crate::stat::FileTime;
use crate::tree::head::commit_of;
use crate::{Directory, Error, Result};
use format::{Content, Fault};

/// The index as it was when it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    content: Content,
    /// When the file was written: what changed since is not described by it.
    pub(crate) written_at: FileTime,
    /// Which file this was; none if there was none.
    file: Option<IndexFile>,
}

/// Tells one state of the index file from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexFile {
    inode: u64,
    size: u64,
    modified: FileTime,
    /// The checksum that ends the file.
    checksum: [u8; 20],
}

impl IndexFile {
    fn of(metadata: &Metadata, end: &[u8]) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec() as u32),
            checksum: end.last_chunk().copied().unwrap_or_default(),
        }
    }

    /// Reads the end of the index file that is in place now; none if there is none.
    fn in_place(directory: &Directory) -> Result<Option<Self>> {
        let Some(file) = directory.open("index", false)? else {
            return Ok(None);
        };
        let read = || -> std::io::Result<Self> {
            let metadata = file.metadata()?;
            let mut end = [0; 20];
            file.read_at(&mut end, metadata.size().saturating_sub(20))?;
            Ok(Self::of(&metadata, &end))
        };
        read()
            .map(Some)
            .map_err(Error::io("read", &directory.path().join("index")))
    }
}

impl Index {
    /// Reads the index without its lock. One that cannot be read is replaced by what HEAD says
    /// ([`rebuild_from_head`]).
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        match Self::load(repository)? {
            Ok(index) => Ok(index),
            Err(fault) => {
                rebuild_from_head(repository)?;
                Self::load(repository)?.map_err(|_| fault.told(repository))
            }
        }
    }

    /// False if certainly no path in the index ends in `name`. Much cheaper than parsing the index.
    pub(crate) fn may_name(repository: &Repository, name: &[u8]) -> Result<bool> {
        let data = Directory::top(repository.path())?.read("index")?;
        Ok(data.is_none_or(|data| !format::is_plain(&data) || data.contains_str(name)))
    }

    /// There being no index is an empty one only before the first commit: git would take all files for deleted, and
    /// the next commit would say so.
    fn load(repository: &Repository) -> Result<std::result::Result<Self, Fault>> {
        let path = &repository.path().join("index");
        let Some(mut file) = Directory::top(repository.path())?.open("index", false)? else {
            return Ok(match repository.head() {
                Ok(_) => Err(Fault::Damaged("it is missing")),
                Err(_) => Ok(Self::default()),
            });
        };
        let metadata = file.metadata().map_err(Error::io("examine", path))?;
        let mut data = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.read_to_end(&mut data).map_err(Error::io("read", path))?;
        match Content::parse(&data) {
            Ok(content) => Ok(Ok(Self {
                content,
                written_at: (metadata.mtime(), metadata.mtime_nsec() as u32),
                file: Some(IndexFile::of(&metadata, &data)),
            })),
            Err(Fault::Unsupported(reason)) => Err(Error::Refused(format!(
                "{} cannot be used: {reason}; nothing was changed",
                path.display()
            ))),
            Err(damage) => Ok(Err(damage)),
        }
    }

    /// All entries, by path and stage.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.content.entries
    }

    /// The entry staged for a path; none if there is none or a conflict.
    pub(crate) fn entry(&self, path: &[u8]) -> Option<&Entry> {
        let entries = &self.content.entries;
        let at = entries.binary_search_by(|entry| (&*entry.path, entry.stage()).cmp(&(path, 0)));
        at.ok().map(|at| &entries[at])
    }

    /// True if a conflict is unresolved.
    pub(crate) fn has_conflict(&self) -> bool {
        self.content.entries.iter().any(|entry| entry.stage() != 0)
    }

    /// Computes the id of the tree that is staged, without writing it; none while there are conflicts.
    pub(crate) fn staged_tree(&self, repository: &Repository) -> Result<Option<Oid>> {
        if self.has_conflict() {
            return Ok(None);
        }
        if let Some(known) = self.content.trees.root() {
            return Ok(Some(known));
        }
        let odb = repository.odb().map_err(Error::git("open the objects"))?;
        let mut trees = self.content.trees.clone();
        let exists = |oid: Oid| odb.exists(to_git(oid));
        let tree = trees.complete(&self.content.entries, &exists, &mut |content| {
            git2::Oid::hash_object(ObjectType::Tree, content)
                .map(from_git)
                .map_err(Error::git("hash a tree"))
        })?;
        Ok(Some(tree))
    }
}

/// The index while it is edited; dropped without [`Staged::commit`], nothing has changed.
///
/// git's commands fail at once where somebody holds the lock of the index. What takes long can be done with a
/// [`Staged::draft`], and [`Staged::take_lock`] tells if the index is still the one that was read.
#[derive(Debug)]
pub(crate) struct Staged {
    index: Index,
    directory: Arc<Directory>,
    /// None while it is a draft.
    lock: Option<GitLock>,
    changes: BTreeMap<Box<[u8]>, Option<Entry>>,
    made: Option<Made>,
    is_written: bool,
}

/// Takes `index.lock`, unless HEAD is about to move: `git checkout` puts the index of the other branch in place first, and
/// what is in it then belongs to no commit of the branch that HEAD still names.
fn lock(directory: &Arc<Directory>, patience: Duration) -> Result<GitLock> {
    const HEAD_LOCK: &str = "HEAD.lock";
    const PAUSE: Duration = Duration::from_millis(5);
    let began = Instant::now();
    loop {
        let left = patience.saturating_sub(began.elapsed());
        let lock = GitLock::take_at_rest(left, directory, "index".as_ref())?;
        if directory.kind(HEAD_LOCK).is_none() {
            return Ok(lock);
        }
        drop(lock);
        if began.elapsed() >= patience {
            return Err(Error::Busy(directory.path().join(HEAD_LOCK)));
        }
        thread::sleep(PAUSE);
    }
}

/// A new index that holds all changes and has no name.
#[derive(Debug)]
enum Made {
    OnDisk(File),
    /// Where the file system has no files without a name.
    InMemory(Vec<u8>),
}

/// The name of an index that is about to replace the one in place.
const NEW: &str = "index.anabranch";

/// The mode of an index where there was none, of which the umask takes what it takes.
const MODE: u32 = 0o644;

impl Staged {
    /// Takes `index.lock` and reads the index. One that cannot be read is replaced by what HEAD says
    /// ([`rebuild_from_head`]).
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] after two seconds in which some git command held the lock; [`Error::Refused`] for split and
    /// sparse indexes.
    pub(crate) fn open(repository: &Repository) -> Result<Self> {
        let begin = || -> Result<_> {
            let directory = Arc::new(Directory::top(repository.path())?);
            let lock = lock(&directory, PATIENCE)?;
            let index = Index::load(repository)?;
            Ok(index.map(|index| Self::new(index, directory, Some(lock))))
        };
        match begin()? {
            Ok(staged) => Ok(staged),
            Err(_) => {
                rebuild_from_head(repository)?;
                begin()?.map_err(|fault| fault.told(repository))
            }
        }
    }

    /// Reads the index without its lock, to be edited as a draft. One that cannot be read is replaced as by [`Self::open`].
    pub(crate) fn draft(repository: &Repository) -> Result<Self> {
        let directory = Arc::new(Directory::top(repository.path())?);
        Ok(Self::new(Index::read(repository)?, directory, None))
    }

    /// [`Self::open`] if `locked` is true, else [`Self::draft`].
    pub(crate) fn draft_unless(locked: bool, repository: &Repository) -> Result<Self> {
        match locked {
            true => Self::open(repository),
            false => Self::draft(repository),
        }
    }

    fn new(index: Index, directory: Arc<Directory>, lock: Option<GitLock>) -> Self {
        Self {
            index,
            directory,
            lock,
            changes: BTreeMap::new(),
            made: None,
            is_written: false,
        }
    }

    /// Takes `index.lock` for a draft. False if the index is not the one that was read any more: the draft is worth
    /// nothing then.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] after `patience` in which somebody else held it.
    pub(crate) fn take_lock(&mut self, patience: Duration) -> Result<bool> {
        // What was read under the lock is still so, also on a file system that gives a file another inode number.
        if self.lock.is_some() {
            return Ok(true);
        }
        self.lock = Some(lock(&self.directory, patience)?);
        Ok(IndexFile::in_place(&self.directory)? == self.index.file)
    }

    /// Waits until nobody has had `index.lock` for a while, but not beyond `until`.
    pub(crate) fn wait_for_rest(&self, until: Instant) {
        GitLock::wait_for_rest(until, &self.directory, "index".as_ref());
    }

    /// The index as it was read, without the changes made here.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// True if nothing is staged, as far as the changes made here have been applied.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.entries().is_empty()
    }

    /// Stages an entry. What is staged for its path goes, and so does what cannot stand beside it: a file where the
    /// entry needs a directory, files below it.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.changes.insert(entry.path.clone(), Some(entry));
    }

    /// Takes a path out of the index, in all stages.
    pub(crate) fn remove(&mut self, path: &[u8]) {
        self.changes.insert(path.into(), None);
    }

    /// Writes all device numbers `old` as `new`: the same disk, plugged in elsewhere.
    pub(crate) fn renumber_device(&mut self, old: u32, new: u32) {
        for entry in &mut self.index.content.entries {
            if entry.dev == old {
                entry.dev = new;
            }
        }
    }

    /// Makes the tree of all that is staged: `write` is given the content of each tree that is new and returns its id,
    /// `exists` tells whether an object is there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while there are unresolved conflicts.
    pub(crate) fn write_tree(
        &mut self,
        exists: &dyn Fn(Oid) -> bool,
        write: &mut dyn FnMut(&[u8]) -> Result<Oid>,
    ) -> Result<Oid> {
        self.apply();
        if let Some(entry) = self.index.entries().iter().find(|entry| entry.stage() != 0) {
            return Err(Error::Refused(format!(
                "{} has an unresolved conflict, so nothing can be committed; nothing is lost. Put the file right and run 'git add' on it",
                String::from_utf8_lossy(&entry.path)
            )));
        }
        let Content { entries, trees, .. } = &mut self.index.content;
        trees.complete(entries, exists, write)
    }

    /// True if entries lie below a path, as if it were a directory, that have not been removed here.
    pub(crate) fn has_below(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let entries = self.index.entries();
        let start = entries.partition_point(|entry| *entry.path < *below);
        let mut inside = entries[start..]
            .iter()
            .take_while(|entry| entry.path.starts_with(&below));
        inside.any(|entry| !matches!(self.changes.get(&entry.path), Some(None)))
    }

    /// Makes the new file, so that a draft has nothing to do but name it once it is locked.
    ///
    /// It is not synced: what a power cut takes is made again from HEAD.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        if self.made.is_some() && self.changes.is_empty() {
            return Ok(());
        }
        self.apply();
        let content = self.index.content.write();
        let made = self.directory.nameless(MODE).and_then(|nameless| match nameless {
            Some(file) => self.fill(&file, &content).map(|()| Made::OnDisk(file)),
            None => Ok(Made::InMemory(content)),
        });
        self.made = Some(made.map_err(Error::io("write", &self.directory.path().join(NEW)))?);
        Ok(())
    }

    fn fill(&self, mut file: &File, content: &[u8]) -> std::io::Result<()> {
        if let Ok(old) = statat(&self.directory, "index", AtFlags::SYMLINK_NOFOLLOW)
            && FileType::from_raw_mode(old.st_mode) == FileType::RegularFile
        {
            file.set_permissions(Permissions::from_mode(old.st_mode & 0o777))?;
        }
        file.write_all(content)
    }

    /// Puts the new file beside the one in place, so that nothing can fail any more for want of space.
    ///
    /// Only the holder of the lock makes a file of that name, so a crash leaves at most one.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] for a draft whose lock was not taken.
    pub(crate) fn write(&mut self) -> Result<()> {
        if self.lock.is_none() {
            return Err(Error::Busy(self.directory.path().join("index")));
        }
        self.prepare()?;
        self.directory.remove(NEW)?;
        let written = match self.made.take() {
            Some(Made::OnDisk(file)) => self.directory.give_name(&file, NEW),
            Some(Made::InMemory(content)) => self
                .directory
                .create_new(NEW, MODE)
                .and_then(|file| self.fill(&file, &content)),
            None => Ok(()),
        };
        if written.is_err() {
            let _ = self.directory.remove(NEW);
        }
        self.is_written = written.is_ok();
        written.map_err(Error::io("write", &self.directory.path().join(NEW)))
    }

    /// Puts the edited index in place and releases the lock.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] for a draft whose lock was not taken.
    pub(crate) fn commit(mut self) -> Result<()> {
        if !self.is_written || !self.changes.is_empty() {
            self.write()?;
        }
        self.directory.rename_here(&*self.directory, NEW.as_ref(), "index")?;
        drop(self.lock);
        Ok(())
    }

    /// Merges the changes into the entries: one pass, however many there are.
    fn apply(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let mut changes = std::mem::take(&mut self.changes);
        let Content { entries, trees, .. } = &mut self.index.content;
        let mut replaced = Vec::new();
        for (path, change) in &changes {
            trees.forget(path);
            if change.is_none() {
                continue;
            }
            // Files that stand where a directory must be.
            for (at, _) in path.iter().enumerate().filter(|&(_, &b)| b == b'/') {
                let above = &path[..at];
                if entries.binary_search_by(|entry| (*entry.path).cmp(above)).is_ok() {
                    replaced.push(above.to_owned());
                }
            }
            // Files below what becomes a file.
            let below = [&**path, b"/"].concat();
            let start = entries.partition_point(|entry| *entry.path < *below);
            let inside = entries[start..]
                .iter()
                .take_while(|entry| entry.path.starts_with(&below));
            replaced.extend(inside.map(|entry| entry.path.to_vec()));
        }
        for path in replaced {
            trees.forget(&path);
            changes.entry(path.into()).or_insert(None);
        }
        let mut merged = Vec::with_capacity(entries.len() + changes.len());
        let mut changes = changes.into_iter().peekable();
        for entry in std::mem::take(entries) {
            while let Some((_, change)) = changes.next_if(|(path, _)| *path < entry.path) {
                merged.extend(change);
            }
            // All stages of a path that changed are passed over while its change is next.
            if changes.peek().is_none_or(|(path, _)| *path != entry.path) {
                merged.push(entry);
            }
        }
        merged.extend(changes.filter_map(|(_, change)| change));
        *entries = merged;
    }
}

/// Replaces an index that cannot be read by what HEAD's tree says, without touching the work tree. The old one stays as
/// `index.damaged`. Nothing is lost but the knowledge which files were staged; all files count as changed until they
/// have been read once.
pub(crate) fn rebuild_from_head(repository: &Repository) -> Result<()> {
    let directory = Arc::new(Directory::top(repository.path())?);
    let lock = GitLock::take(&directory, "index".as_ref())?;
    if Index::load(repository)?.is_ok() {
        // Somebody else was faster.
        return Ok(());
    }
    let mut content = Content::default();
    if let Ok(head) = repository.head() {
        let commit = commit_of(repository, &head).map_err(Error::git("read the commit of HEAD"))?;
        let tree = commit.tree().map_err(Error::git("read the tree of HEAD"))?;
        tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
            if entry.kind() != Some(ObjectType::Tree) {
                let path = [directory.as_bytes(), entry.name_bytes()].concat();
                let mode = entry.filemode_raw() as u32;
                content
                    .entries
                    .push(Entry::without_stat(&path, mode, from_git(entry.id())));
            }
            TreeWalkResult::Ok
        })
        .map_err(Error::git("read the tree of HEAD"))?;
    }
    content.entries.sort_by(|a, b| a.path.cmp(&b.path));
    // A copy: at no moment is there no index.
    if let Some(damaged) = directory.read("index")? {
        directory.replace("index.damaged", &damaged, 0o644)?;
    }
    let index = Index {
        content,
        written_at: (0, 0),
        file: None,
    };
    Staged::new(index, directory, Some(lock)).commit()
}

impl Fault {
    fn told(self, repository: &Repository) -> Error {
        let path = repository.path().join("index");
        let (Fault::Damaged(reason) | Fault::Unsupported(reason)) = self;
        Error::Damaged(format!(
            "{} cannot be read: {reason}. No file and no commit is lost; it is made anew from the last commit",
            path.display()
        ))
    }
}
