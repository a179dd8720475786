//! What differs between the work tree and the index, found without reading a file.

mod filling;
mod renames;
mod root;
mod walk;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bstr::BString;
use git2::Repository;
use model::{Key, Oid, RepoPath};

pub use root::RootState;

pub(crate) use walk::told;
pub use walk::{Standing, looked_at};

use crate::index::{Entries, Index, IndexEntry};
use crate::oid::from_git;
use crate::stat::Stat;
use crate::tree::head::commit_of;
use crate::{Annex, Error, Result};

/// Where to look.
#[derive(Debug, Clone)]
pub enum Scope {
    /// The whole work tree.
    Everything,
    /// Files, or directories with all that is below them. The cost is that of these paths, whatever the work tree's size.
    Paths(Vec<RepoPath>),
}

/// What was found. Nothing was changed; [`Annex::ingest`] takes it from here.
#[derive(Debug)]
pub struct Look {
    /// Files that are not tracked and not ignored.
    pub added: Vec<Candidate>,
    /// Tracked files that may have changed: their stat data is not what the index says. Annexed symlinks that do not lead
    /// to the objects from where they lie are among them.
    pub modified: Vec<Candidate>,
    /// Tracked files that are gone.
    pub removed: Vec<Removed>,
    /// Directories and files that could not be examined, with the reason. Everything below them counts as unknown,
    /// never as removed.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Names that git cannot hold, with the reason.
    pub refused: Vec<(BString, String)>,
    /// Directories that are git repositories of their own. Untracked files in them are left alone.
    pub nested: Vec<Nested>,
    /// Unchanged pointer files whose content is here: for [`Annex::populate`].
    pub unfilled: Vec<(RepoPath, Key)>,
    /// The number of tracked files in the whole index.
    pub tracked: usize,
    /// True if the index holds something that HEAD's tree does not: the user (or a crash) has left something staged.
    pub staged: bool,
    /// New directories of which the files were left out, because others were made there just now: they are to be looked at
    /// when that has ended.
    pub filling: Vec<RepoPath>,
    /// Whether the work tree is still the right one. If not, nothing above says anything.
    pub root: RootState,
    /// Device numbers that files had when they were staged, and have now.
    pub(crate) renumbered: Vec<(u32, u32)>,
}

/// A git repository in the work tree of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nested {
    /// Its directory.
    pub path: PathBuf,
    /// How many files below are tracked all the same, as they were before the directory became a repository.
    pub tracked: usize,
}

/// A file that may have to be staged.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub(crate) path: RepoPath,
    pub(crate) stat: Stat,
    /// What is staged for the path now.
    pub(crate) prior: Option<Prior>,
    /// What was staged for the same file under the name that it had before.
    pub(crate) known: Option<Prior>,
}

/// What is staged for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prior {
    pub(crate) oid: Oid,
    pub(crate) mode: u32,
}

/// A tracked file that is gone.
#[derive(Debug, Clone)]
pub struct Removed {
    pub(crate) path: RepoPath,
    pub(crate) entry: IndexEntry,
}

impl Candidate {
    /// The file.
    pub fn path(&self) -> &RepoPath {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.stat.size
    }

    /// True if it is a file that was tracked under another name, unchanged: nothing has to be read.
    pub fn is_renamed(&self) -> bool {
        self.known.is_some()
    }
}

impl Removed {
    /// The file.
    pub fn path(&self) -> &RepoPath {
        &self.path
    }
}

impl Prior {
    pub(crate) fn of<P>(entry: &IndexEntry<P>) -> Self {
        Self {
            oid: entry.oid,
            mode: entry.mode,
        }
    }
}

impl Look {
    /// True if there is nothing to stage and nothing to commit.
    pub fn is_clean(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty() && !self.staged
    }

    /// Keeps at most `most` new and changed files and splits off the rest, to be ingested later; none if there is no rest.
    /// Removed and renamed files go with the rest, so that a moved file is added before it is removed.
    pub fn split_off(&mut self, most: usize) -> Option<Self> {
        if self.added.len() + self.modified.len() <= most {
            return None;
        }
        let mut rest = Self::empty(self.root);
        let mut left = most;
        for (all, rest) in [
            (&mut self.added, &mut rest.added),
            (&mut self.modified, &mut rest.modified),
        ] {
            let (first, others) = std::mem::take(all).into_iter().partition(|candidate: &Candidate| {
                let is_first = left > 0 && !candidate.is_renamed();
                left -= usize::from(is_first);
                is_first
            });
            (*all, *rest) = (first, others);
        }
        if self.added.is_empty() && self.modified.is_empty() {
            // There are only renamed files, which are ingested without reading them.
            (self.added, self.modified) = (rest.added, rest.modified);
            return None;
        }
        rest.removed = std::mem::take(&mut self.removed);
        rest.tracked = self.tracked + self.added.len();
        Some(rest)
    }

    /// Adds the findings of a scan of another part of the work tree.
    fn append(&mut self, mut other: Self) {
        self.added.append(&mut other.added);
        self.modified.append(&mut other.modified);
        self.removed.append(&mut other.removed);
        self.unreadable.append(&mut other.unreadable);
        self.refused.append(&mut other.refused);
        self.nested.append(&mut other.nested);
        self.unfilled.append(&mut other.unfilled);
    }

    /// What a look at a repository without files finds.
    pub fn of_bare() -> Self {
        Self::empty(RootState::Same)
    }

    fn empty(root: RootState) -> Self {
        Self {
            added: Vec::new(),
            modified: Vec::new(),
            removed: Vec::new(),
            unreadable: Vec::new(),
            refused: Vec::new(),
            nested: Vec::new(),
            unfilled: Vec::new(),
            tracked: 0,
            staged: false,
            filling: Vec::new(),
            root,
            renumbered: Vec::new(),
        }
    }
}

impl Annex {
    /// Compares the work tree with the index by stat data: one `lstat` per file, no file is read. Of symlinks, and of
    /// files that are as small as a pointer, git's copy is read.
    ///
    /// Symlinks are never followed, nested git repositories not entered, ignored files passed over unless tracked.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] without a work tree, or for an index of a kind that is not supported; an index that cannot be
    /// read is first made again from HEAD.
    pub fn look(&self, scope: &Scope) -> Result<Look> {
        self.look_with(scope, |_, _, _| {})
    }

    /// As [`Annex::look`], but leaves out the files of new directories that are still being filled: the rules that say which
    /// of them are ignored may not be there yet.
    pub fn look_at_what_is_complete(&self, scope: &Scope, now: SystemTime) -> Result<Look> {
        self.look_with(scope, |look, entries, root| {
            look.filling = filling::hold_back(look, entries, root, now);
        })
    }

    fn look_with(&self, scope: &Scope, then: impl FnOnce(&mut Look, Entries<'_>, &OwnedFd)) -> Result<Look> {
        let Some(top) = self.work_tree() else {
            return Err(Error::Refused(format!(
                "{} is a bare repository: it has no files to look at",
                self.git_dir().display()
            )));
        };
        let Ok(git) = self.git() else {
            return Ok(Look::empty(self.root_state()?));
        };
        let state = self.root_state_by(&git);
        if state != RootState::Same {
            return Ok(Look::empty(state));
        }
        let index = Index::read(self, &git)?;
        let (mut look, root) = match scope {
            Scope::Everything => walk::everything(self, &git, top, &index)?,
            Scope::Paths(_) => walk::Walk::new(self, &git, top, &index)?.over(scope),
        };
        look.tracked = index.entries().len() - index.conflicts();
        look.staged = differs_from_head(&git, &index)?;
        renames::recognise(&mut look, &root);
        then(&mut look, index.entries(), &root);
        // A drive unplugged meanwhile makes everything look deleted.
        let state = self.root_state_by(&git);
        if state != RootState::Same {
            return Ok(Look::empty(state));
        }
        Ok(look)
    }
}

impl Annex {
    /// Says how it stands with one path, for people who ask why it is not synced.
    ///
    /// # Errors
    ///
    /// As [`Annex::look`].
    pub fn standing(&self, path: &RepoPath) -> Result<Standing> {
        let Some(top) = self.work_tree() else {
            return Ok(Standing::Gone);
        };
        let git = self.git()?;
        let index = Index::read(self, &git)?;
        Ok(walk::Walk::new(self, &git, top, &index)?.standing(path))
    }
}

/// True for the directory at the top of a work tree that a file system keeps for its own repairs: that it cannot be read
/// concerns nobody.
pub fn is_lost_and_found(annex: &Annex, path: &Path) -> bool {
    annex.work_tree().is_some_and(|top| path == top.join("lost+found"))
}

fn differs_from_head(git: &Repository, index: &Index) -> Result<bool> {
    let Some(staged) = index.staged_tree(git)? else {
        return Ok(true);
    };
    Ok(match head_tree(git)? {
        Some(tree) => tree != staged,
        None => index.entries().len() > 0,
    })
}

/// The tree of HEAD's commit; none before the first commit.
pub(crate) fn head_tree(git: &Repository) -> Result<Option<Oid>> {
    match git.head() {
        Ok(head) => {
            let commit = commit_of(git, &head).map_err(Error::git("read the commit of HEAD"))?;
            Ok(Some(from_git(commit.tree_id())))
        }
        Err(error) if error.code() == git2::ErrorCode::UnbornBranch => Ok(None),
        Err(error) => Err(Error::git("read HEAD")(error)),
    }
}
