//! Editing the index.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use git2::Repository;
use model::Oid;
use rustix::fs::{AtFlags, FileType, Timespec, Timestamps, UTIME_NOW, statat, utimensat};

use super::base::Base;
use super::format::IndexContent;
use super::{CachedTree, Index, IndexEntry, IndexFile, rebuild_from_head, split_from};
use crate::git_lock::{GitLock, PATIENCE};
use crate::{Annex, Directory, Error, Result};

/// The index while it is edited; dropped without [`Staged::commit`], nothing has changed.
///
/// git's commands fail at once where somebody holds the lock of the index. What takes long can be done with a
/// [`Staged::draft`], and [`Staged::take_lock`] tells if the index is still the one that was read.
#[derive(Debug)]
pub(crate) struct Staged {
    annex: Annex,
    index: Index,
    directory: Arc<Directory>,
    /// None while it is a draft.
    lock: Option<GitLock>,
    changes: BTreeMap<Box<[u8]>, Option<IndexEntry>>,
    made: Option<Made>,
    is_written: bool,
    has_new_base: bool,
    is_to_be_whole: bool,
}

impl Annex {
    /// Makes an index whole that was split for its size: some programs cannot read a split index.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] after two seconds in which some git command held the index; it cannot be read or written.
    pub fn make_index_whole(&self) -> Result<()> {
        self.make_whole_from(split_from())
    }

    /// Has git look at the whole work tree again, and remember nothing of it in the index.
    pub(crate) fn forget_git_caches(&self) -> Result<()> {
        let git = self.git()?;
        if !Index::read_only(self, &git)?.content.has_caches() {
            return Ok(());
        }
        let mut staged = Staged::open(self, &git)?;
        Arc::make_mut(&mut staged.index.content).forget_caches();
        staged.commit()
    }

    /// As [`Self::make_index_whole`], for an index that is split if it has at least `split_from` entries.
    pub(super) fn make_whole_from(&self, split_from: usize) -> Result<()> {
        let git = self.git()?;
        let index = Index::read_only(self, &git)?;
        let is_ours = index.content.base.as_ref().map(|base| base.len() >= split_from);
        if is_ours != Some(true) || Form::wanted(&git) == Form::Split {
            return Ok(());
        }
        let mut staged = Staged::open(self, &git)?;
        staged.is_to_be_whole = true;
        staged.commit()
    }
}

/// How the user wants the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing is said.
    Any,
    /// Split (`core.splitIndex`).
    Split,
    /// Without a new base: `core.splitIndex` is false, or it is a linked work tree, for which git does not find the base of
    /// a copied index.
    NotSplit,
    /// Whole: with `index.skipHash`, which `feature.manyFiles` implies, git 2.47.3 writes bases without a checksum and then
    /// reads an index with such a base as empty.
    Whole,
}

impl Form {
    fn wanted(git: &Repository) -> Self {
        let config = git.config().and_then(|mut config| config.snapshot());
        let flag = |name: &str| config.as_ref().ok().and_then(|config| config.get_bool(name).ok());
        if flag("index.skipHash").or_else(|| flag("feature.manyFiles")) == Some(true) {
            return Self::Whole;
        }
        match flag("core.splitIndex") {
            Some(false) => Self::NotSplit,
            _ if git.path() != git.commondir() => Self::NotSplit,
            Some(true) => Self::Split,
            None => Self::Any,
        }
    }
}

/// The bases that this program made, oldest first. It has to be written down: a base does not say who made it, and one that
/// git made may belong to an index that somebody keeps elsewhere.
struct Bases {
    directory: Arc<Directory>,
    made: Vec<String>,
}

impl Bases {
    const LIST: &str = "bases";

    fn of(annex: &Annex) -> Result<Self> {
        let directory = Arc::new(Directory::make_below(annex.git_dir(), &annex.own_dir())?);
        let list = directory.read(Self::LIST)?.unwrap_or_default();
        let is_name = |name: &&str| name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let made = String::from_utf8_lossy(&list)
            .lines()
            .filter(is_name)
            .map(str::to_owned)
            .collect();
        Ok(Self { directory, made })
    }

    fn add(&mut self, base: &Base) -> Result<()> {
        let name = model::Oid(base.checksum).to_string();
        self.made.retain(|made| *made != name);
        self.made.push(name);
        self.write()
    }

    fn write(&self) -> Result<()> {
        self.directory
            .replace(Self::LIST, self.made.join("\n").as_bytes(), 0o644)
    }

    /// Removes all bases but the newest `kept` from the directory of the index. A git command that read the index a moment
    /// ago may still open the one before.
    fn sweep(mut self, directory: &Directory, kept: usize) -> Result<()> {
        let old = self.made.len().saturating_sub(kept);
        if old == 0 {
            return Ok(());
        }
        for name in self.made.drain(..old) {
            directory.remove(format!("sharedindex.{name}"))?;
        }
        self.write()
    }
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

/// How many bases are kept, including the one in use.
const BASES: usize = 3;

/// The mode of an index where there was none, of which the umask takes what it takes.
const MODE: u32 = 0o644;

impl Staged {
    /// Takes `index.lock` and reads the index. One that cannot be read is replaced by what HEAD says
    /// ([`rebuild_from_head`]).
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] after two seconds in which some git command held the lock; [`Error::Refused`] for a sparse index.
    pub(crate) fn open(annex: &Annex, repository: &Repository) -> Result<Self> {
        let begin = || -> Result<_> {
            let directory = Arc::new(Directory::top(repository.path())?);
            let lock = lock(&directory, PATIENCE)?;
            let index = Index::load(annex, repository)?;
            Ok(index.map(|index| Self::new(annex, index, directory, Some(lock))))
        };
        match begin()? {
            Ok(staged) => Ok(staged),
            Err(_) => {
                rebuild_from_head(annex, repository)?;
                begin()?.map_err(|fault| fault.told(&repository.path().join("index")))
            }
        }
    }

    /// Reads the index without its lock, to be edited as a draft. One that cannot be read is replaced as by [`Self::open`].
    pub(crate) fn draft(annex: &Annex, repository: &Repository) -> Result<Self> {
        let directory = Arc::new(Directory::top(repository.path())?);
        Ok(Self::new(annex, Index::read(annex, repository)?, directory, None))
    }

    /// [`Self::open`] if `locked` is true, else [`Self::draft`].
    pub(crate) fn draft_unless(locked: bool, annex: &Annex, repository: &Repository) -> Result<Self> {
        match locked {
            true => Self::open(annex, repository),
            false => Self::draft(annex, repository),
        }
    }

    pub(super) fn new(annex: &Annex, index: Index, directory: Arc<Directory>, lock: Option<GitLock>) -> Self {
        Self {
            annex: annex.clone(),
            index,
            directory,
            lock,
            changes: BTreeMap::new(),
            made: None,
            is_written: false,
            has_new_base: false,
            is_to_be_whole: false,
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
        self.index.entries().len() == 0
    }

    /// Stages an entry. What is staged for its path goes, and so does what cannot stand beside it: a file where the
    /// entry needs a directory, files below it.
    pub(crate) fn put(&mut self, entry: IndexEntry) {
        self.changes.insert(entry.path.clone(), Some(entry));
    }

    /// Takes a path out of the index, in all stages.
    pub(crate) fn remove(&mut self, path: &[u8]) {
        self.changes.insert(path.into(), None);
    }

    /// Writes all device numbers `old` as `new`: the same disk, plugged in elsewhere.
    pub(crate) fn renumber_device(&mut self, old: u32, new: u32) {
        let content = Arc::make_mut(&mut self.index.content);
        content.make_whole();
        content.forget_caches();
        for entry in content.own.iter_mut().filter(|entry| entry.dev == old) {
            entry.dev = new;
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
        if self.index.has_conflict() {
            let entries = self.index.entries();
            let side = entries.iter(&entries.all()).find(|entry| entry.stage() != 0);
            return Err(Error::Refused(format!(
                "{} has an unresolved conflict, so nothing can be committed; nothing is lost. Put the file right and run 'git add' on it",
                String::from_utf8_lossy(side.map(|side| side.path).unwrap_or_default())
            )));
        }
        let content = Arc::make_mut(&mut self.index.content);
        let mut trees = std::mem::take(&mut content.trees);
        let tree = trees.complete(content.entries(), exists, write);
        content.trees = trees;
        tree
    }

    /// Forgets which trees are staged; git and [`Self::write_tree`] find out again.
    pub(crate) fn forget_trees(&mut self) {
        Arc::make_mut(&mut self.index.content).trees = CachedTree::default();
    }

    /// True if entries lie below a path, as if it were a directory, that have not been removed here.
    pub(crate) fn has_below(&self, path: &[u8]) -> bool {
        let entries = self.index.entries();
        let mut inside = entries.iter(&entries.below(path));
        inside.any(|entry| !matches!(self.changes.get(entry.path), Some(None)))
    }

    /// Makes the new file, so that a draft has nothing to do but name it once it is locked.
    ///
    /// It is not synced: what a power cut takes is made again from HEAD.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        if self.made.is_some() && self.changes.is_empty() {
            return Ok(());
        }
        self.apply();
        self.split()?;
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
        if let Some(file) = IndexFile::in_place(&self.directory)? {
            self.annex.index_cache().set(file, &self.index.content);
        }
        let kept = if self.is_to_be_whole { 0 } else { BASES };
        if self.is_to_be_whole || self.has_new_base {
            // This still holds the lock, since another program would lose a base that it makes now. It only frees space: if it
            // fails, the next base does it.
            let _ = Bases::of(&self.annex).and_then(|bases| bases.sweep(&self.directory, kept));
        }
        Ok(())
    }

    /// Gives a large index a base, or another one if too much is beside it.
    fn split(&mut self) -> Result<()> {
        if self.index.content.base.is_none() && !self.index.content.needs_base(split_from()) {
            return Ok(());
        }
        let form = Form::wanted(&*self.annex.git()?);
        if self.is_to_be_whole || form == Form::Whole || self.index.content.is_small_again(split_from()) {
            Arc::make_mut(&mut self.index.content).make_whole();
            return Ok(());
        }
        // Also if somebody has removed the base that is in memory here.
        if self.renew_base() && (form == Form::NotSplit || !self.index.content.needs_base(split_from())) {
            return Ok(());
        }
        if form == Form::NotSplit {
            Arc::make_mut(&mut self.index.content).make_whole();
            return Ok(());
        }
        let base = Base::of(self.index.entries());
        let old = statat(&self.directory, "index", AtFlags::SYMLINK_NOFOLLOW);
        let mode = old.map_or(MODE, |old| old.st_mode & 0o777);
        // Before the file is there: nobody would remove one that is not listed.
        Bases::of(&self.annex)?.add(&base)?;
        // On disk before the index names it: without it all files would have to be read again.
        self.directory.replace(Base::name(&base.checksum), base.file(), mode)?;
        let content = Arc::make_mut(&mut self.index.content);
        *content = IndexContent::split(base, std::mem::take(content));
        self.has_new_base = true;
        Ok(())
    }

    /// Sets the time of the base to now, as git does, which removes those that were not used for two weeks. False if there is
    /// none.
    fn renew_base(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let base = self.index.content.base.as_ref().map(|base| Base::name(&base.checksum));
        base.is_some_and(|base| utimensat(&self.directory, base, &times, AtFlags::SYMLINK_NOFOLLOW).is_ok())
    }

    /// Merges the changes into the entries: one pass, however many there are.
    fn apply(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let mut changes = std::mem::take(&mut self.changes);
        let content = Arc::make_mut(&mut self.index.content);
        let entries = content.entries();
        let mut replaced = Vec::new();
        for path in changes
            .iter()
            .filter_map(|(path, change)| change.as_ref().map(|_| path))
        {
            // Files that stand where a directory must be.
            for (at, _) in path.iter().enumerate().filter(|&(_, &b)| b == b'/') {
                let above = &path[..at];
                if !entries.is_empty(&entries.file(above)) {
                    replaced.push(above.to_owned());
                }
            }
            // Files below what becomes a file.
            replaced.extend(entries.iter(&entries.below(path)).map(|entry| entry.path.to_vec()));
        }
        for path in replaced {
            changes.entry(path.into()).or_insert(None);
        }
        content.apply(changes);
    }
}
