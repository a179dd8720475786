//! The index: what is staged for each path, and the stat data of the file that it was staged from.
//!
//! It is read and written here rather than by libgit2, for four reasons. libgit2 refuses a split index; it erases the sizes of entries that are
//! as young as the index, so that `git status` has to run the filter on each; it moves all entries for each one removed,
//! which takes minutes for a large directory; and it takes several times as long to read.

//!
//! An index with at least [`SPLIT_FROM`] entries is written split, as by git with `core.splitIndex`: a *base* that never
//! changes holds most entries, and the index holds the differences. So the cost of a change does not depend on the number
//! of files.

mod base;
mod entries;
mod entry;
mod ewah;
mod format;
mod monitor;
mod staged;
mod state;
mod tree;
mod untracked;

#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};
use model::Oid;

pub(crate) use crate::git_lock::PATIENCE;
#[cfg(test)]
pub(crate) use crate::git_lock::mark::MARK;
pub(crate) use entries::{Entries, Span};
pub(crate) use entry::{EXECUTABLE, EntryRef, GITLINK, IndexEntry, REGULAR, SKIP_WORKTREE, SYMLINK};
pub(crate) use staged::Staged;
pub use state::IndexState;
pub(crate) use tree::CachedTree;

use crate::git_lock::GitLock;
use crate::oid::{from_git, to_git};
use crate::stat::FileTime;
use crate::tree::head::commit_of;
use crate::{Annex, Directory, Error, Result};
use base::Base;
use format::{Fault, IndexContent};

/// The index as it was when it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    content: Arc<IndexContent>,
    /// When the file was written: what changed since is not described by it.
    pub(crate) written_at: FileTime,
    /// Which file this was; none if there was none.
    file: Option<IndexFile>,
}

/// An index with at least this many entries is written split. Tests set another number with `ANABRANCH_TEST_SPLIT_FROM`.
const SPLIT_FROM: usize = 20_000;

fn split_from() -> usize {
    static OTHER: OnceLock<Option<usize>> = OnceLock::new();
    let other = OTHER.get_or_init(|| std::env::var("ANABRANCH_TEST_SPLIT_FROM").ok()?.parse().ok());
    other.unwrap_or(SPLIT_FROM)
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

    /// Reads the end of an index file.
    fn read(file: &std::fs::File) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        let mut end = [0; 20];
        file.read_at(&mut end, metadata.size().saturating_sub(20))?;
        Ok(Self::of(&metadata, &end))
    }

    /// The index file that is in place now; none if there is none.
    fn in_place(directory: &Directory) -> Result<Option<Self>> {
        let file = directory.open("index", false)?;
        file.map(|file| Self::read(&file))
            .transpose()
            .map_err(Error::io("read", &directory.path().join("index")))
    }
}

/// Caches the index that was last read or written.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Option<(IndexFile, Arc<IndexContent>)>>);

impl Cache {
    fn get(&self) -> Option<(IndexFile, Arc<IndexContent>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads an index, whose base may be known already.
    fn parse(&self, directory: &Directory, data: &[u8]) -> Result<std::result::Result<IndexContent, Fault>> {
        let known = self.get().and_then(|(_, content)| content.base.clone());
        let mut failed = None;
        let content = IndexContent::parse(data, &mut |checksum| match known
            .clone()
            .filter(|base| base.checksum == checksum)
        {
            Some(base) => Ok(base),
            None => read_base(directory, &checksum).unwrap_or_else(|error| {
                failed = Some(error);
                Err(Fault::Damaged("its base cannot be read"))
            }),
        });
        failed.map_or(Ok(content), Err)
    }

    fn set(&self, file: IndexFile, content: &Arc<IndexContent>) {
        // Without a checksum two states of the file may look the same.
        let kept = (file.checksum != [0; 20]).then(|| (file, Arc::clone(content)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

impl Annex {
    /// The number of files in the index that was last read or written here; none if none was.
    pub fn known_files(&self) -> Option<usize> {
        self.index_cache().get().map(|(_, content)| content.entries().len())
    }
}

impl Index {
    /// Reads the index without its lock. One that cannot be read is replaced by what HEAD says
    /// ([`rebuild_from_head`]).
    pub(crate) fn read(annex: &Annex, repository: &Repository) -> Result<Self> {
        match Self::load(annex, repository)? {
            Ok(index) => Ok(index),
            Err(fault) => {
                rebuild_from_head(annex, repository)?;
                Self::load(annex, repository)?.map_err(|_| fault.told(&repository.path().join("index")))
            }
        }
    }

    /// Reads the index without its lock, for a git command that may hold it.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for one that cannot be read.
    pub(crate) fn read_only(annex: &Annex, repository: &Repository) -> Result<Self> {
        Self::load(annex, repository)?.map_err(|fault| fault.told(&repository.path().join("index")))
    }

    /// Reads an index file elsewhere, which may share the base of the repository's own index. Returns an empty index if
    /// there is no such file.
    pub(crate) fn at(annex: &Annex, path: &Path) -> Result<Self> {
        let directory = Directory::top(annex.git()?.path())?;
        let data = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(Error::io("read", path))?,
        };
        let content = annex.index_cache().parse(&directory, &data)?;
        let content = content.map_err(|fault| fault.told(path))?;
        Ok(Self {
            content: Arc::new(content),
            ..Self::default()
        })
    }

    /// There being no index is an empty one only before the first commit: git would take all files for deleted, and
    /// the next commit would say so.
    fn load(annex: &Annex, repository: &Repository) -> Result<std::result::Result<Self, Fault>> {
        let path = &repository.path().join("index");
        let directory = Directory::top(repository.path())?;
        let Some(mut file) = directory.open("index", false)? else {
            return Ok(match repository.head() {
                Ok(_) => Err(Fault::Damaged("it is missing")),
                Err(_) => Ok(Self::default()),
            });
        };
        let this = IndexFile::read(&file).map_err(Error::io("examine", path))?;
        let as_read = |content: Arc<IndexContent>| Self {
            content,
            written_at: this.modified,
            file: Some(this),
        };
        if let Some((_, content)) = annex.index_cache().get().filter(|(file, _)| *file == this) {
            return Ok(Ok(as_read(content)));
        }
        let mut data = Vec::with_capacity(usize::try_from(this.size).unwrap_or(0));
        file.read_to_end(&mut data).map_err(Error::io("read", path))?;
        // If the file was written to meanwhile, its checksum is wrong, or it is not what was examined.
        let is_this = data.len() as u64 == this.size && data.ends_with(&this.checksum);
        match annex.index_cache().parse(&directory, &data)? {
            Ok(content) => {
                let content = Arc::new(content);
                if is_this {
                    annex.index_cache().set(this, &content);
                }
                Ok(Ok(as_read(content)))
            }
            Err(Fault::Unsupported(reason)) => Err(Error::Refused(format!(
                "{} cannot be used: {reason}; nothing was changed",
                path.display()
            ))),
            Err(damage) => Ok(Err(damage)),
        }
    }

    /// All entries, by path and stage.
    pub(crate) fn entries(&self) -> Entries<'_> {
        self.content.entries()
    }

    /// The entry staged for a path; none if there is none or a conflict.
    pub(crate) fn entry(&self, path: &[u8]) -> Option<EntryRef<'_>> {
        self.entries().get(path)
    }

    /// How many entries are sides of unresolved conflicts.
    pub(crate) fn conflicts(&self) -> usize {
        let content = &*self.content;
        let own = content.own.iter().filter(|entry| entry.stage() != 0).count();
        let Some(base) = &content.base else { return own };
        let is_side = |position: &&u32| base.entry(**position as usize).stage() != 0;
        own + match base.conflicts {
            0 => 0,
            all => all - content.hidden.iter().filter(is_side).count(),
        }
    }

    /// True if a conflict is unresolved.
    pub(crate) fn has_conflict(&self) -> bool {
        self.conflicts() > 0
    }

    /// False if certainly no path ends in `.gitattributes`.
    pub(crate) fn may_have_attributes(&self) -> bool {
        let is_attributes = |entry: &IndexEntry| entry.path.ends_with(b".gitattributes");
        self.content.base.as_ref().is_some_and(|base| base.has_attributes) || self.content.own.iter().any(is_attributes)
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
        let tree = trees.complete(self.entries(), &exists, &mut |content| {
            git2::Oid::hash_object(ObjectType::Tree, content)
                .map(from_git)
                .map_err(Error::git("hash a tree"))
        })?;
        Ok(Some(tree))
    }
}

/// Replaces an index that cannot be read by what HEAD's tree says, without touching the work tree. The old one stays as
/// `index.damaged`. Nothing is lost but the knowledge which files were staged; all files count as changed until they
/// have been read once.
pub(crate) fn rebuild_from_head(annex: &Annex, repository: &Repository) -> Result<()> {
    let directory = Arc::new(Directory::top(repository.path())?);
    let lock = GitLock::take(&directory, "index".as_ref())?;
    if Index::load(annex, repository)?.is_ok() {
        // Somebody else was faster.
        return Ok(());
    }
    let mut content = IndexContent::default();
    if let Ok(head) = repository.head() {
        let commit = commit_of(repository, &head).map_err(Error::git("read the commit of HEAD"))?;
        let tree = commit.tree().map_err(Error::git("read the tree of HEAD"))?;
        tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
            if entry.kind() != Some(ObjectType::Tree) {
                let path = [directory.as_bytes(), entry.name_bytes()].concat();
                let mode = entry.filemode_raw() as u32;
                content
                    .own
                    .push(IndexEntry::without_stat(&path, mode, from_git(entry.id())));
            }
            TreeWalkResult::Ok
        })
        .map_err(Error::git("read the tree of HEAD"))?;
    }
    content.own.sort_by(|a, b| a.path.cmp(&b.path));
    // A copy: at no moment is there no index.
    if let Some(damaged) = directory.read("index")? {
        directory.replace("index.damaged", &damaged, 0o644)?;
    }
    let index = Index {
        content: Arc::new(content),
        written_at: (0, 0),
        file: None,
    };
    Staged::new(annex, index, directory, Some(lock)).commit()
}

/// Reads the base of a split index.
fn read_base(directory: &Directory, checksum: &[u8; 20]) -> Result<std::result::Result<Arc<Base>, Fault>> {
    let Some(data) = directory.read(Base::name(checksum))? else {
        return Ok(Err(Fault::Damaged("its base is missing")));
    };
    Ok(Base::parse(data).and_then(|base| match base.checksum == *checksum {
        true => Ok(Arc::new(base)),
        false => Err(Fault::Damaged("its base is another")),
    }))
}

impl Fault {
    fn told(self, path: &Path) -> Error {
        let (Fault::Damaged(reason) | Fault::Unsupported(reason)) = self;
        Error::Damaged(format!(
            "{} cannot be read: {reason}. No file and no commit is lost; Anabranch rebuilds it from the last commit",
            path.display()
        ))
    }
}
