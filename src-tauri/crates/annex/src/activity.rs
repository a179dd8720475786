//! Who did what, by the commits of the branch that is checked out.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use git2::{Odb, Oid, Repository};
use model::{Key, RepoPath};

use crate::oid::{from_git, to_git};
use crate::pointer::key_of_symlink;
use crate::tree::head::head_of;
use crate::tree::raw::{self, Blob, Mode};
use crate::tree::tree_of;
use crate::{Annex, Error, Result};

/// How many names are told of a commit.
const NAMES: usize = 3;
/// So many contents of a commit are compared to find renames; what a larger one renames is told as added and deleted.
const COMPARED: usize = 100_000;

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The commit.
    pub commit: model::Oid,
    /// The author's name.
    pub who: String,
    /// When the author made it, seconds since the epoch.
    pub at: u64,
    /// Files that came.
    pub added: u64,
    /// Files that became others.
    pub changed: u64,
    /// Files that went.
    pub deleted: u64,
    /// Files that went while the same came elsewhere.
    pub renamed: u64,
    /// A few of their names; those that went are told last.
    pub names: Vec<RepoPath>,
}

/// A part of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// What was done, the newest commit first.
    pub deeds: Vec<Deed>,
    /// How many commits to leave out to go on from here; none at the beginning of the history.
    pub next: Option<usize>,
}

impl Annex {
    /// Tells what `count` commits did that did something, after the newest `skip` commits of whatever kind.
    ///
    /// A merge is told only if it made something that none of its parents has.
    pub fn activity(&self, skip: usize, count: usize) -> Result<Activity> {
        let git = self.git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let mut activity = Activity {
            deeds: Vec::new(),
            next: None,
        };
        let Some(head) = head_of(&git)?.commit else {
            return Ok(activity);
        };
        // In the order that a walk has by itself, no more commits are read than are asked for.
        let mut walk = git.revwalk().map_err(reading())?;
        walk.push(to_git(head)).map_err(reading())?;
        for (at, id) in walk.enumerate().skip(skip) {
            if activity.deeds.len() == count {
                activity.next = Some(at);
                break;
            }
            activity.deeds.extend(deed(&git, &odb, id.map_err(reading())?)?);
        }
        Ok(activity)
    }
}

fn reading() -> impl FnOnce(git2::Error) -> Error {
    Error::git("read the history")
}

/// What a commit did; none if nothing.
pub(crate) fn deed(git: &Repository, odb: &Odb<'_>, id: Oid) -> Result<Option<Deed>> {
    let commit = git.find_commit(id).map_err(reading())?;
    let mut before = Vec::new();
    for parent in commit.parent_ids() {
        before.push(Some(tree_of(git, from_git(parent))?));
    }
    if before.is_empty() {
        before.push(None);
    }
    let mut tally = Tally::default();
    raw::differences_from_all(odb, &before, Some(commit.tree_id()), &mut |path, old, new| {
        match (old, new) {
            (Some(_), Some(_)) => tally.changed(path),
            (None, Some(new)) => tally.came(path, new.into()),
            (Some(old), None) => tally.went(path, old.into()),
            (None, None) => {}
        }
        Ok(())
    })?;
    tally.match_links(odb);
    if tally.added + tally.changed + tally.deleted + tally.renamed == 0 {
        return Ok(None);
    }
    let author = commit.author();
    let went = tally.went.into_iter().map(|(_, path)| path);
    Ok(Some(Deed {
        commit: from_git(id),
        who: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        at: u64::try_from(author.when().seconds()).unwrap_or(0),
        added: tally.added,
        changed: tally.changed,
        deleted: tally.deleted,
        renamed: tally.renamed,
        names: tally.there.into_iter().chain(went).take(NAMES).collect(),
    }))
}

/// What the differences of a commit come to.
#[derive(Default)]
struct Tally {
    added: u64,
    changed: u64,
    deleted: u64,
    renamed: u64,
    /// Of each content, how many files that have it went more than came.
    balance: HashMap<FileContent, i64>,
    there: Vec<RepoPath>,
    went: Vec<(FileContent, RepoPath)>,
}

/// What a file holds, whatever its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FileContent {
    id: Oid,
    is_link: bool,
}

impl From<Blob> for FileContent {
    fn from(Blob { mode, id }: Blob) -> Self {
        let is_link = mode == Mode::Symlink;
        Self { id, is_link }
    }
}

impl Tally {
    fn changed(&mut self, path: &[u8]) {
        self.changed += 1;
        self.name(path);
    }

    fn came(&mut self, path: &[u8], content: FileContent) {
        self.name(path);
        if self.is_renamed(content, -1) {
            self.deleted -= 1;
            self.unname(content);
        } else {
            self.added += 1;
        }
    }

    fn went(&mut self, path: &[u8], content: FileContent) {
        if self.is_renamed(content, 1) {
            self.added -= 1;
        } else {
            self.deleted += 1;
            if self.went.len() < NAMES {
                self.went.extend(RepoPath::parse(path).ok().map(|path| (content, path)));
            }
        }
    }

    /// Counts a file that went (1) or came (-1); true if that makes a renamed file with one that came or went before.
    fn is_renamed(&mut self, content: FileContent, step: i64) -> bool {
        if self.balance.len() == COMPARED && !self.balance.contains_key(&content) {
            return false;
        }
        let balance = self.balance.entry(content).or_default();
        let is_renamed = balance.signum() == -step;
        *balance += step;
        if *balance == 0 {
            self.balance.remove(&content);
        }
        self.renamed += u64::from(is_renamed);
        is_renamed
    }

    /// Finds locked files that were renamed to another depth: the text of their link is another one, their key is not. Links
    /// are read only if some went and others came.
    fn match_links(&mut self, odb: &Odb<'_>) {
        let links = |step: i64| {
            let links = self
                .balance
                .iter()
                .filter(move |(content, left)| content.is_link && left.signum() == step);
            links.map(|(content, left)| (*content, left.unsigned_abs()))
        };
        if links(1).next().is_none() {
            return;
        }
        let key = |content: FileContent| key_of_symlink(odb.read(content.id).ok()?.data());
        let mut came: HashMap<Key, u64> = HashMap::new();
        for (content, left) in links(-1) {
            if let Some(key) = key(content) {
                *came.entry(key).or_default() += left;
            }
        }
        if came.is_empty() {
            return;
        }
        let went: Vec<_> = links(1).collect();
        for (content, left) in went {
            let Some(unmatched) = key(content).and_then(|key| came.get_mut(&key)) else {
                continue;
            };
            let renamed = left.min(*unmatched);
            *unmatched -= renamed;
            self.renamed += renamed;
            self.added -= renamed;
            self.deleted -= renamed;
            (0..renamed).for_each(|_| self.unname(content));
        }
    }

    /// A file of this content did not go after all.
    fn unname(&mut self, content: FileContent) {
        if let Some(at) = self.went.iter().position(|(went, _)| *went == content) {
            self.went.remove(at);
        }
    }

    fn name(&mut self, path: &[u8]) {
        if self.there.len() < NAMES {
            self.there.extend(RepoPath::parse(path));
        }
    }
}
