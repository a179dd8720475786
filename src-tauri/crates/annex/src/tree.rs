//! What two commits differ in, as annexed files; and where HEAD is.
//!
//! Trees are read as the bytes that they are and compared entry by entry, so equal subtrees are never opened: the cost
//! is that of the change. Trees come from other repositories and are not trusted: see [`raw`].

pub(crate) mod head;
pub(crate) mod raw;
#[cfg(test)]
mod tests;

use bstr::BString;
use git2::Odb;
use model::{Key, Oid, PathError, RepoPath};

use crate::index::{EXECUTABLE, Index, REGULAR, SYMLINK};
use crate::oid::to_git;
use crate::pointer::{MAX_POINTER, key_of_pointer, key_of_symlink};
use crate::{Annex, Error, Result};
pub use head::Head;
use raw::{Blob, Mode};

/// An annexed file as a tree has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annexed {
    /// The content that it stands for.
    pub key: Key,
    /// True for a symlink, false for a pointer.
    pub locked: bool,
}

/// A path that came, went, or whose annexed content, or the form it is annexed in, differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeChange {
    /// The path.
    pub path: RepoPath,
    /// What it was; none if it was not there or not annexed.
    pub old: Option<Annexed>,
    /// What it is; none if it is gone or not annexed.
    pub new: Option<Annexed>,
    /// True if there is a file at the path now, annexed or not.
    pub is_there: bool,
}

/// A path in a tree that no work tree may hold. It is never written anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPath {
    /// The bytes that the tree has, possibly cut.
    pub path: BString,
    /// Why it is refused.
    pub why: PathError,
}

impl Annex {
    /// Reports every path that came or went between two commits, or whose annexed key or form differs (`from` none: an
    /// empty tree).
    ///
    /// Paths that are no [`RepoPath`] are not reported but returned. Blobs of more than 32,768 bytes are not read:
    /// they are never pointers. Fails if a tree is malformed (names twice, out of order, or with a slash).
    pub fn tree_changes(
        &self,
        from: Option<Oid>,
        to: Oid,
        found: &mut dyn FnMut(TreeChange),
    ) -> Result<Vec<RefusedPath>> {
        let git = self.git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let from = from.map(|commit| tree_of(&git, commit)).transpose()?;
        let to = tree_of(&git, to)?;
        let mut refused = Vec::new();
        raw::differences(&odb, from, Some(to), &mut |path, old, new| {
            let path = match RepoPath::parse(path) {
                Ok(path) => path,
                Err(why) => {
                    if new.is_some() {
                        refused.push(RefusedPath {
                            path: path[..path.len().min(4096)].into(),
                            why,
                        });
                    }
                    return Ok(());
                }
            };
            let (was_there, is_there) = (old.is_some(), new.is_some());
            let old = old.map_or(Ok(None), |blob| annexed(&odb, blob))?;
            let new = new.map_or(Ok(None), |blob| annexed(&odb, blob))?;
            if old != new || was_there != is_there {
                found(TreeChange {
                    path,
                    old,
                    new,
                    is_there,
                });
            }
            Ok(())
        })?;
        Ok(refused)
    }
}

impl Annex {
    /// The annexed files that are staged, each with its key.
    pub fn annexed_files(&self) -> Result<Vec<(RepoPath, Key)>> {
        let git = self.git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let index = Index::read(self, &git)?;
        let entries = index.entries();
        let mut files = Vec::new();
        for entry in entries.iter(&entries.all()) {
            let mode = match entry.mode {
                SYMLINK => Mode::Symlink,
                REGULAR => Mode::File,
                EXECUTABLE => Mode::Executable,
                _ => continue,
            };
            let id = to_git(entry.oid);
            if entry.stage() == 0
                && let Ok(path) = RepoPath::parse(entry.path)
                && let Some(annexed) = annexed(&odb, Blob { mode, id })?
            {
                files.push((path, annexed.key));
            }
        }
        Ok(files)
    }
}

/// The tree of a commit.
pub(crate) fn tree_of(git: &git2::Repository, commit: Oid) -> Result<git2::Oid> {
    let id = to_git(commit);
    let commit = git
        .find_commit(id)
        .map_err(Error::git(format!("read the commit {commit}")))?;
    Ok(commit.tree_id())
}

/// What a blob in a tree stands for, if it is annexed.
pub(crate) fn annexed(odb: &Odb<'_>, blob: Blob) -> Result<Option<Annexed>> {
    let locked = match blob.mode {
        Mode::Symlink => true,
        Mode::File | Mode::Executable => false,
        Mode::Submodule => return Ok(None),
    };
    let Some(content) = small_blob(odb, blob.id)? else {
        return Ok(None);
    };
    let key = if locked {
        key_of_symlink(&content)
    } else {
        key_of_pointer(&content)
    };
    Ok(key.map(|key| Annexed { key, locked }))
}

/// The content of a blob, unless it is too large for a pointer.
pub(crate) fn small_blob(odb: &Odb<'_>, id: git2::Oid) -> Result<Option<Vec<u8>>> {
    let reading = || format!("read the file content {id}");
    let (size, _) = odb.read_header(id).map_err(Error::git(reading()))?;
    if size > MAX_POINTER {
        return Ok(None);
    }
    let object = odb.read(id).map_err(Error::git(reading()))?;
    Ok(Some(object.data().to_vec()))
}
