//! Fetching from and pushing to a repository on this machine, as `git fetch` and git-annex's three pushes do, without a
//! transport: both object databases are at hand. No hook runs; what git-annex's `post-receive` would do is done here.
//!
//! A repository that belongs to another user is refused by libgit2, as by git, unless `safe.directory` lists it.

use std::path::Path;

use git2::{ErrorCode, Repository, RepositoryOpenFlags};
use model::{Oid, RemoteName};

use super::missing::missing;
use crate::objects::{copy, send};
use crate::oid::{from_git, to_git};
use crate::ref_lock::{force_ref, move_ref};
use crate::tree::head::head_of;
use crate::{Annex, CheckoutOptions, Error, MergeOptions, MergeOutcome, Result, Theirs};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// True if any `refs/remotes/NAME/…` moved.
    pub changed: bool,
    /// Where they are now.
    pub heads: RemoteHeads,
}

/// How to push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Also bring the remote's work tree up to date, if that is a fast-forward and nothing is in the way. To be asked
    /// for only if no engine and no git-annex assistant runs there.
    pub update_checkout: bool,
    /// How files are checked out there.
    pub checkout: CheckoutOptions,
    /// The commit to push; none for that of the branch. It is another while paths here wait for a merge: others get the
    /// merge.
    pub commit: Option<Oid>,
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote already had everything.
    UpToDate,
    /// The remote has everything now.
    Pushed {
        /// The remote's branches that were moved, without `refs/heads/`.
        refs: Vec<String>,
        /// What became of the remote's work tree, if that was asked for and possible.
        checkout: Option<MergeOutcome>,
    },
    /// A branch there has commits that are not here (or moved at this moment): fetch and merge first. Other branches
    /// may have been pushed.
    Refused {
        /// The branch, without `refs/heads/`.
        branch: String,
    },
}

const GIT_ANNEX: &str = "git-annex";
const SYNCED_GIT_ANNEX: &str = "synced/git-annex";

/// Brings the branches of the remote at `path` here, as `refs/remotes/NAME/…`, with all that they lead to.
pub fn fetch(local: &Annex, path: &Path, name: &RemoteName, branch: &str) -> Result<Fetched> {
    let (here, there) = (local.git()?, open(path)?);
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
    if !moved.is_empty() {
        let tips: Vec<_> = moved.iter().map(|(_, commit)| to_git(*commit)).collect();
        copy(&there, &here, &missing(&there, &here, &tips)?)?;
    }
    for (reference, commit) in &moved {
        track(&here, reference, *commit, &format!("fetch {name}"))?;
    }
    Ok(Fetched {
        changed: !moved.is_empty(),
        heads,
    })
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
    let git = local.git()?;
    let contains = |new: Oid, old: Oid| {
        let is_newer = git.graph_descendant_of(to_git(new), to_git(old));
        is_newer.map_err(Error::git("compare commits"))
    };
    Ok(if first == second || contains(first, second)? {
        one
    } else if contains(second, first)? {
        other
    } else {
        None
    })
}

/// Pushes the branch and the git-annex branch to the remote at `path`, as `git annex sync` does:
///
/// * the branch itself, where it is not checked out, else `synced/B`; fast-forward only;
/// * `synced/git-annex`, forced;
/// * `git-annex`, if that is a fast-forward; in a repository with a work tree, `synced/git-annex` is first merged into
///   it there, as its `post-receive` hook would.
///
/// What the remote's own branches already contain is not pushed again.
pub fn push(local: &Annex, path: &Path, name: &RemoteName, branch: &str, options: &PushOptions) -> Result<PushOutcome> {
    let (here, there) = (local.git()?, open(path)?);
    let heads = heads_of(&there, branch)?;
    let commit = match options.commit {
        Some(commit) => Some(commit),
        None => tip(&here, &format!("refs/heads/{branch}"))?,
    };
    let git_annex = tip(&here, "refs/heads/git-annex")?;
    let both = Both {
        here: &here,
        there: &there,
        name,
    };

    let lacks = |there: Option<Oid>, ours: Option<Oid>| -> Result<Option<Oid>> {
        match (ours, there) {
            (Some(ours), Some(there)) if both.contains(there, ours)? => Ok(None),
            (ours, _) => Ok(ours),
        }
    };
    let commit = lacks(heads.branch, commit)?;
    let git_annex = lacks(heads.git_annex, git_annex)?;
    let mut pushed = Vec::new();
    let mut refused = None;

    // What is to be pushed is copied in one go.
    let wanted_commit = lacks(heads.synced, commit)?;
    let tips: Vec<_> = [wanted_commit, git_annex].into_iter().flatten().map(to_git).collect();
    if !tips.is_empty() {
        send(&here, &there, &missing(&here, &there, &tips)?)?;
    }
    if let Some(commit) = commit {
        let own = branch.to_owned();
        let synced = format!("synced/{branch}");
        if !is_checked_out(&there, branch) && both.advance(&own, heads.branch, commit)? {
            pushed.push(own);
        } else if let Some(commit) = wanted_commit {
            match both.advance(&synced, heads.synced, commit)? {
                true => pushed.push(synced),
                false => refused = Some(synced),
            }
        }
    }
    if let Some(git_annex) = git_annex {
        push_git_annex(&both, path, &heads, git_annex, &mut pushed)?;
    }

    if let Some(branch) = refused {
        return Ok(PushOutcome::Refused { branch });
    }
    let checkout = match commit.filter(|_| options.update_checkout && is_checked_out(&there, branch)) {
        // The push is done; a work tree that cannot follow now (busy, in a merge, no annex) follows when its owner syncs.
        Some(commit) => match update_checkout(path, branch, commit, options) {
            Err(Error::Busy(_) | Error::Refused(_)) => None,
            other => other?,
        },
        None => None,
    };
    if pushed.is_empty() && checkout.is_none() {
        return Ok(PushOutcome::UpToDate);
    }
    Ok(PushOutcome::Pushed { refs: pushed, checkout })
}

/// The two ends of a push.
struct Both<'a> {
    here: &'a Repository,
    there: &'a Repository,
    name: &'a RemoteName,
}

impl Both<'_> {
    /// True if one commit is the other or comes after it. A repository that knows both is asked; if there is none, the
    /// two have nothing to do with each other as far as anyone here can tell.
    fn contains(&self, newer: Oid, older: Oid) -> Result<bool> {
        let (newer, older) = (to_git(newer), to_git(older));
        if newer == older {
            return Ok(true);
        }
        for git in [self.here, self.there] {
            if git.find_commit(newer).is_ok() && git.find_commit(older).is_ok() {
                return git
                    .graph_descendant_of(newer, older)
                    .map_err(Error::git("compare commits"));
            }
        }
        Ok(false)
    }

    /// Moves a branch of the remote forward; false if it is not forward, or if it moved meanwhile.
    fn advance(&self, branch: &str, old: Option<Oid>, new: Oid) -> Result<bool> {
        if let Some(old) = old
            && !self.contains(new, old)?
        {
            return Ok(false);
        }
        self.move_branch(branch, old, new)
    }

    /// Moves a branch of the remote; false if it is not where it was.
    fn move_branch(&self, branch: &str, old: Option<Oid>, new: Oid) -> Result<bool> {
        let reference = format!("refs/heads/{branch}");
        let new_id = to_git(new);
        if !move_ref(self.there, &reference, old.map(to_git), new_id, "push")? {
            return Ok(false);
        }
        let tracking = format!("refs/remotes/{}/{branch}", self.name);
        track(self.here, &tracking, new, "update by push")?;
        Ok(true)
    }
}

fn push_git_annex(
    both: &Both<'_>,
    path: &Path,
    heads: &RemoteHeads,
    commit: Oid,
    pushed: &mut Vec<String>,
) -> Result<()> {
    let synced = SYNCED_GIT_ANNEX;
    if heads.synced_git_annex != Some(commit) && both.move_branch(synced, heads.synced_git_annex, commit)? {
        pushed.push(synced.to_owned());
    }
    // A plain git repository has no journal to lock.
    let remote = Annex::open(path).ok();
    if let Some(remote) = remote.as_ref().filter(|remote| !remote.is_bare()) {
        remote.branch().merge()?;
    }
    let lock = match remote.as_ref().filter(|remote| remote.annex_dir().is_dir()) {
        Some(remote) => Some(remote.branch().lock()?),
        None => None,
    };
    let now = tip(both.there, "refs/heads/git-annex")?;
    let contains = match now {
        Some(now) => {
            now == commit
                || both
                    .there
                    .graph_descendant_of(to_git(now), to_git(commit))
                    .unwrap_or(false)
        }
        None => false,
    };
    let merged = now != heads.git_annex;
    if (!contains && both.advance(GIT_ANNEX, now, commit)?) || merged {
        pushed.push(GIT_ANNEX.to_owned());
    }
    if contains && now == Some(commit) {
        track(
            both.here,
            &format!("refs/remotes/{}/git-annex", both.name),
            commit,
            "update by push",
        )?;
    }
    drop(lock);
    Ok(())
}

/// Brings the work tree of a repository on this machine up to date, and removes `synced/B` there, as git-annex does when
/// it has merged it.
fn update_checkout(path: &Path, branch: &str, commit: Oid, options: &PushOptions) -> Result<Option<MergeOutcome>> {
    let remote = Annex::open(path)?;
    let git = remote.git()?;
    let forward = match head_of(&git)?.commit {
        Some(current) => {
            let (new, old) = (to_git(commit), to_git(current));
            new == old
                || git
                    .graph_descendant_of(new, old)
                    .map_err(Error::git("compare commits"))?
        }
        None => true,
    };
    if !forward {
        return Ok(None);
    }
    let reference = format!("refs/heads/synced/{branch}");
    let theirs = Theirs {
        commit,
        reference: &reference,
    };
    let how = MergeOptions {
        checkout: options.checkout,
        ..MergeOptions::default()
    };
    let outcome = remote.merge_into_head(&[theirs], &how)?;
    let arrived = match &outcome {
        MergeOutcome::UpToDate => true,
        MergeOutcome::FastForwarded { waiting, .. } => waiting.is_empty(),
        MergeOutcome::Merged { .. } | MergeOutcome::Blocked { .. } | MergeOutcome::Conflict { .. } => false,
    };
    if arrived
        && let Ok(mut synced) = git.find_reference(&reference)
        && synced.target() == Some(to_git(commit))
    {
        // If it moved at this moment, it stays: that is a later push.
        let _ = synced.delete();
    }
    Ok(Some(outcome))
}

/// Opens a repository at exactly this path.
fn open(path: &Path) -> Result<Repository> {
    Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>()).map_err(|error| {
        let shown = path.display();
        if error.code() == ErrorCode::Owner {
            return Error::Refused(format!(
                "{shown} belongs to another user, whose settings could run programs as you; nothing was changed. If you trust it: git config --global --add safe.directory '{shown}'"
            ));
        }
        Error::git(format!("open the repository {shown}"))(error)
    })
}

fn heads_of(git: &Repository, branch: &str) -> Result<RemoteHeads> {
    let head = |name: &str| tip(git, &format!("refs/heads/{name}"));
    Ok(RemoteHeads {
        branch: head(branch)?,
        synced: head(&format!("synced/{branch}"))?,
        git_annex: head(GIT_ANNEX)?,
        synced_git_annex: head(SYNCED_GIT_ANNEX)?,
    })
}

/// The commit that a ref points to; none if there is no such ref.
fn tip(git: &Repository, reference: &str) -> Result<Option<Oid>> {
    match git.refname_to_id(reference) {
        Ok(id) => Ok(Some(from_git(id))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(Error::git(format!("read {reference} in {}", git.path().display()))(
            error,
        )),
    }
}

fn track(git: &Repository, reference: &str, commit: Oid, why: &str) -> Result<()> {
    force_ref(git, reference, to_git(commit), why)
}

/// True if a work tree has this branch checked out, so that nobody else may move it.
fn is_checked_out(git: &Repository, branch: &str) -> bool {
    let head = git.find_reference("HEAD").ok();
    let target = head.as_ref().and_then(|head| head.symbolic_target_bytes());
    !git.is_bare() && target.is_some_and(|target| target == format!("refs/heads/{branch}").as_bytes())
}
