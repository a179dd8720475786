//! The branches of a repository on this machine, and fetching them as `git fetch` does, without a transport: both object
//! databases are at hand.
//!
//! A repository that belongs to another user is refused by libgit2, as by git, unless `safe.directory` lists it.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};
use model::{Oid, RemoteName};

use super::missing::missing;
use crate::handles::Git;
use crate::objects::{Kept, copy};
use crate::oid::{from_git, to_git};
use crate::ref_lock::force_ref;
use crate::{Annex, Error, Result};

/// The repository at the other end, on this machine.
#[derive(Debug, Clone, Copy)]
pub enum There<'a> {
    /// This one. What it has open is used again.
    Annex(&'a Annex),
    /// The one at exactly this path, which may be a plain git repository.
    At(&'a Path),
}

impl<'a> From<&'a Annex> for There<'a> {
    fn from(annex: &'a Annex) -> Self {
        Self::Annex(annex)
    }
}

impl<'a> From<&'a Path> for There<'a> {
    fn from(path: &'a Path) -> Self {
        Self::At(path)
    }
}

impl<'a> From<&'a PathBuf> for There<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::At(path)
    }
}

impl<'a> There<'a> {
    /// The top of its work tree, or the repository itself if it has none.
    pub(super) fn path(self) -> &'a Path {
        match self {
            Self::Annex(annex) => annex.work_tree().unwrap_or(annex.git_dir()),
            Self::At(path) => path,
        }
    }

    /// Fails for a plain git repository.
    pub(super) fn annex(self) -> Result<Annex> {
        match self {
            Self::Annex(annex) => Ok(annex.clone()),
            Self::At(path) => Annex::open(path),
        }
    }

    pub(super) fn git(self) -> Result<Opened> {
        match self {
            Self::Annex(annex) => annex.git().map(Opened::Shared),
            Self::At(path) => open(path).map(Opened::Alone),
        }
    }
}

/// An open repository.
pub(super) enum Opened {
    /// It stays open.
    Shared(Git),
    /// It is closed after use.
    Alone(Repository),
}

impl Deref for Opened {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        match self {
            Self::Shared(git) => git,
            Self::Alone(git) => git,
        }
    }
}

/// The branches of a remote that matter, as they are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoteHeads {
    /// `refs/heads/B`.
    pub branch: Option<Oid>,
    /// `refs/heads/synced/B`.
    pub synced: Option<Oid>,
    /// `refs/heads/git-annex`.
    pub git_annex: Option<Oid>,
    /// `refs/heads/synced/git-annex`.
    pub synced_git_annex: Option<Oid>,
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// True if any `refs/remotes/NAME/…` moved.
    pub changed: bool,
    /// Where they are now.
    pub heads: RemoteHeads,
    /// The branch on which the files of the remote are, if it is another one.
    pub other_branch: Option<String>,
    /// The commit that its work tree shows (none before the first commit). None if it has no work tree, or has another branch
    /// checked out.
    pub shown: Option<Option<Oid>>,
}

pub(super) const GIT_ANNEX: &str = "git-annex";
pub(super) const SYNCED_GIT_ANNEX: &str = "synced/git-annex";

/// Brings the branches of a remote here, as `refs/remotes/NAME/…`, with all that they lead to.
pub fn fetch<'a>(local: &Annex, there: impl Into<There<'a>>, name: &RemoteName, branch: &str) -> Result<Fetched> {
    let (here, there) = (local.git()?, there.into().git()?);
    let heads = heads_of(&there, branch)?;
    let named = [
        (branch.to_owned(), heads.branch),
        (format!("synced/{branch}"), heads.synced),
        (GIT_ANNEX.to_owned(), heads.git_annex),
        (SYNCED_GIT_ANNEX.to_owned(), heads.synced_git_annex),
    ];
    let mut moved = Vec::new();
    for (what, commit) in named {
        let reference = format!("refs/remotes/{name}/{what}");
        if let Some(commit) = commit
            && tip(&here, &reference)? != Some(commit)
        {
            moved.push((reference, commit));
        }
    }
    let tips: Vec<_> = moved.iter().map(|(_, commit)| to_git(*commit)).collect();
    let _kept = match tips.is_empty() {
        true => Kept::default(),
        false => copy(&there, &here, &missing(&there, &here, &tips)?)?,
    };
    for (reference, commit) in &moved {
        track(&here, reference, *commit, &format!("fetch {name}"))?;
    }
    Ok(Fetched {
        changed: !moved.is_empty(),
        heads,
        other_branch: other_branch(&there, branch, heads.branch)?,
        shown: shown(&there, branch, heads.branch)?,
    })
}

/// The commit that the work tree of a repository shows, if `branch`, which is at `commit`, is checked out there, or HEAD is
/// detached.
fn shown(there: &Repository, branch: &str, commit: Option<Oid>) -> Result<Option<Option<Oid>>> {
    if there.is_bare() {
        return Ok(None);
    }
    let head = there.find_reference("HEAD").map_err(Error::git("read HEAD"))?;
    Ok(match (head.symbolic_target_bytes(), head.target()) {
        (Some(name), _) => (name == format!("refs/heads/{branch}").as_bytes()).then_some(commit),
        (None, detached) => Some(detached.map(from_git)),
    })
}

/// The branch on which the files of a repository are, if that is another one than `branch`, so that its files and those
/// of `branch` never meet. In a bare repository it is the one that HEAD names, or the one of `main` and `master` that
/// `branch` is not, if its commits are not in `branch`.
fn other_branch(there: &Repository, branch: &str, ours: Option<Oid>) -> Result<Option<String>> {
    let head = there.find_reference("HEAD").map_err(Error::git("read HEAD"))?;
    let named = head
        .symbolic_target_bytes()
        .and_then(|name| name.strip_prefix(b"refs/heads/"));
    let named = named
        .and_then(|name| std::str::from_utf8(name).ok())
        .map(name_of_adjusted);
    let other = match named {
        Some(named) if named != branch => named,
        Some(_) | None if !there.is_bare() => return Ok(None),
        Some(_) | None => match branch {
            "main" => "master",
            "master" => "main",
            _ => return Ok(None),
        },
    };
    let Some(commit) = tip(there, &format!("refs/heads/{other}"))? else {
        return Ok(None);
    };
    let is_merged = match ours {
        Some(ours) if named != Some(other) => {
            ours == commit
                || there
                    .graph_descendant_of(to_git(ours), to_git(commit))
                    .map_err(Error::git("compare two branches"))?
        }
        Some(_) | None => false,
    };
    Ok((!is_merged).then(|| other.to_owned()))
}

/// The branch that git-annex made an adjusted branch from; other branches stay what they are.
fn name_of_adjusted(branch: &str) -> &str {
    match branch.strip_prefix("adjusted/") {
        Some(adjusted) => adjusted.rsplit_once('(').map_or(adjusted, |(name, _)| name),
        None => branch,
    }
}

/// The branches of a remote as they were when they were last fetched or pushed.
pub fn tracked(local: &Annex, name: &RemoteName, branch: &str) -> Result<RemoteHeads> {
    let git = local.git()?;
    let at = |what: &str| tip(&git, &format!("refs/remotes/{name}/{what}"));
    Ok(RemoteHeads {
        branch: at(branch)?,
        synced: at(&format!("synced/{branch}"))?,
        git_annex: at(GIT_ANNEX)?,
        synced_git_annex: at(SYNCED_GIT_ANNEX)?,
    })
}

/// Which of two fetched commits contains the other; none if neither does, or both are missing.
pub fn newest(local: &Annex, one: Option<Oid>, other: Option<Oid>) -> Result<Option<Oid>> {
    let (Some(first), Some(second)) = (one, other) else {
        return Ok(one.or(other));
    };
    if first == second {
        return Ok(one);
    }
    let git = local.git()?;
    let contains = |new: Oid, old: Oid| {
        let is_newer = git.graph_descendant_of(to_git(new), to_git(old));
        is_newer.map_err(Error::git("compare commits"))
    };
    Ok(if contains(first, second)? {
        one
    } else if contains(second, first)? {
        other
    } else {
        None
    })
}

/// Opens a repository at exactly this path.
fn open(path: &Path) -> Result<Repository> {
    crate::objects::open(path).map_err(|error| {
        let shown = path.display();
        if error.code() == ErrorCode::Owner {
            return Error::Refused(format!(
                "{shown} belongs to another user, whose settings could run programs as you; nothing was changed. If you trust it: git config --global --add safe.directory '{shown}'"
            ));
        }
        Error::git(format!("open the repository {shown}"))(error)
    })
}

pub(super) fn heads_of(git: &Repository, branch: &str) -> Result<RemoteHeads> {
    let head = |name: &str| tip(git, &format!("refs/heads/{name}"));
    Ok(RemoteHeads {
        branch: head(branch)?,
        synced: head(&format!("synced/{branch}"))?,
        git_annex: head(GIT_ANNEX)?,
        synced_git_annex: head(SYNCED_GIT_ANNEX)?,
    })
}

/// The commit that a ref points to; none if there is no such ref.
pub(super) fn tip(git: &Repository, reference: &str) -> Result<Option<Oid>> {
    match git.refname_to_id(reference) {
        Ok(id) => Ok(Some(from_git(id))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(Error::git(format!("read {reference} in {}", git.path().display()))(
            error,
        )),
    }
}

pub(super) fn track(git: &Repository, reference: &str, commit: Oid, why: &str) -> Result<()> {
    force_ref(git, reference, to_git(commit), why)
}
