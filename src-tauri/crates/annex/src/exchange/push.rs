//! Pushing to a repository on this machine, as git-annex's three pushes do, without a transport: both object databases are
//! at hand. What git-annex's `post-receive` hook would do is done here; a repository that has other hooks is pushed to by
//! the `git` program, which runs them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use git2::Repository;
use model::{Oid, RemoteName};

use super::by_git::{self, Moved};
use super::missing::missing;
use super::refs::{GIT_ANNEX, RemoteHeads, SYNCED_GIT_ANNEX, There, heads_of, tip, track};
use crate::objects::{Kept, send};
use crate::oid::{from_git, to_git};
use crate::ref_lock::move_ref;
use crate::tree::head::head_of;
use crate::{Annex, CheckoutOptions, Directory, Error, MergeOptions, MergeOutcome, Removals, Result, Theirs};

/// How to push.
#[derive(Debug, Clone, Copy, Default)]
pub struct PushOptions {
    /// Also bring the remote's work tree up to date, if that is a fast-forward and nothing is in the way. To be asked
    /// for only if no engine and no git-annex assistant runs there.
    pub update_checkout: bool,
    /// How files are checked out there.
    pub checkout: CheckoutOptions,
    /// Whether the push may delete this many, of that many files, from its work tree; none if any number. If not, the work
    /// tree stays, and the remote's next sync asks.
    pub may_remove: Option<fn(usize, usize) -> bool>,
    /// What to push besides the git-annex branch.
    pub commits: Commits,
}

/// Commits of the work tree that are pushed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Commits {
    /// Those of the branch.
    #[default]
    OfBranch,
    /// This one and those before it. It is not that of the branch while paths here wait for a merge: others get the merge.
    UpTo(Oid),
    /// None (`annex.synconlyannex`).
    Nothing,
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
        /// Why the remote's work tree does not have all that was pushed, if that was asked for; in words for people.
        behind: Option<String>,
    },
    /// A branch there has commits that are not here (or moved at this moment): fetch and merge first. Other branches
    /// may have been pushed.
    Refused {
        /// The branch, without `refs/heads/`.
        branch: String,
    },
}

/// Pushes the branch and the git-annex branch to a remote, as `git annex sync` does:
///
/// * the branch itself, where it is not checked out, else `synced/B`; fast-forward only;
/// * `synced/git-annex`, forced;
/// * `git-annex`, if that is a fast-forward; in a repository with a work tree, `synced/git-annex` is first merged into
///   it there, as its `post-receive` hook would.
///
/// What the remote's own branches already contain is not pushed again.
pub fn push<'a>(
    local: &Annex,
    place: impl Into<There<'a>>,
    name: &RemoteName,
    branch: &str,
    options: &PushOptions,
) -> Result<PushOutcome> {
    let place = place.into();
    let (here, there) = (local.git()?, place.git()?);
    let mut push = Push {
        local,
        place,
        here: &here,
        there: &there,
        name,
        branch,
        heads: heads_of(&there, branch)?,
        has_hooks: by_git::has_hooks(&there),
        pushed: Vec::new(),
    };
    let ours = match options.commits {
        Commits::OfBranch => tip(&here, &format!("refs/heads/{branch}"))?,
        Commits::UpTo(commit) => Some(commit),
        Commits::Nothing => None,
    };
    let git_annex = tip(&here, "refs/heads/git-annex")?;
    let commit = push.lacking(push.heads.branch, ours)?;
    let git_annex = push.lacking(push.heads.git_annex, git_annex)?;
    let unsynced = push.lacking(push.heads.synced, commit)?;
    let _kept = push.send([unsynced, git_annex])?;
    let refused = match commit {
        Some(commit) => push.push_branch(commit, unsynced)?,
        None => None,
    };
    if let Some(git_annex) = git_annex {
        push.push_git_annex(git_annex)?;
    }
    if let Some(branch) = refused {
        return Ok(PushOutcome::Refused { branch });
    }
    let (checkout, behind) = match options.update_checkout {
        true => push.update_work_tree(commit, ours, options)?,
        false => (None, None),
    };
    if push.pushed.is_empty() && checkout.is_none() && behind.is_none() {
        return Ok(PushOutcome::UpToDate);
    }
    Ok(PushOutcome::Pushed {
        refs: push.pushed,
        checkout,
        behind,
    })
}

/// Why a work tree does not have all of what was merged into its branch, if it does not.
pub(super) fn behind(outcome: &MergeOutcome) -> Option<String> {
    match outcome {
        MergeOutcome::UpToDate => None,
        MergeOutcome::FastForwarded { waiting, .. } | MergeOutcome::Merged { waiting, .. } => {
            let first = waiting.first()?;
            Some(format!("{} there waits: {}", first.path, first.why))
        }
        MergeOutcome::Blocked { paths } | MergeOutcome::Conflict { paths } => paths.first().map(|first| {
            format!("{first} was changed there and is not committed. Commit that there, or run 'anabranch sync' there")
        }),
        MergeOutcome::Removes(Removals { removed, of, .. }) => Some(format!(
            "{removed} of its {of} files would be deleted there, which it asks about first. Run 'anabranch sync' there"
        )),
    }
}

/// A push, and its two ends.
struct Push<'a> {
    local: &'a Annex,
    place: There<'a>,
    here: &'a Repository,
    there: &'a Repository,
    name: &'a RemoteName,
    branch: &'a str,
    /// The branches of the remote, as they were before.
    heads: RemoteHeads,
    has_hooks: bool,
    /// The remote's branches that were moved.
    pushed: Vec<String>,
}

impl Push<'_> {
    /// What the remote is to get of `ours` on a branch that is at `there`; none if that branch has it.
    fn lacking(&self, there: Option<Oid>, ours: Option<Oid>) -> Result<Option<Oid>> {
        match (ours, there) {
            (Some(ours), Some(there)) if self.contains(there, ours)? => Ok(None),
            (ours, _) => Ok(ours),
        }
    }

    /// Copies all that the commits lead to, in one go.
    fn send(&self, commits: [Option<Oid>; 2]) -> Result<Kept> {
        let tips: Vec<_> = commits.into_iter().flatten().map(to_git).collect();
        if tips.is_empty() {
            return Ok(Kept::default());
        }
        let objects = missing(self.here, self.there, &tips)?;
        match self.has_hooks {
            // The git program brings them itself, to where hooks may refuse them.
            true => Ok(Kept::default()),
            false => send(self.here, self.there, &objects),
        }
    }

    /// Pushes a commit to the branch, or else to `synced/B`, which needs `unsynced`. Returns the branch that has commits
    /// which are not here.
    fn push_branch(&mut self, commit: Oid, unsynced: Option<Oid>) -> Result<Option<String>> {
        let moved = match is_checked_out_anywhere(self.there, self.branch)? {
            true => Moved::No,
            false => self.advance(self.branch, self.heads.branch, commit)?,
        };
        if moved == Moved::Yes {
            self.pushed.push(self.branch.to_owned());
            return Ok(None);
        }
        // What does not let its own branch be moved may take the other, as git-annex tries it.
        let Some(commit) = unsynced else { return Ok(None) };
        let synced = format!("synced/{}", self.branch);
        match self.advance(&synced, self.heads.synced, commit)? {
            Moved::Yes => self.pushed.push(synced),
            Moved::No => return Ok(Some(synced)),
            Moved::Declined(why) => return Err(Error::Refused(why)),
        }
        Ok(None)
    }

    fn push_git_annex(&mut self, commit: Oid) -> Result<()> {
        let synced = self.heads.synced_git_annex;
        if synced != Some(commit) {
            match self.move_branch(SYNCED_GIT_ANNEX, synced, commit, true)? {
                Moved::Yes => self.pushed.push(SYNCED_GIT_ANNEX.to_owned()),
                Moved::No => {}
                Moved::Declined(why) => return Err(Error::Refused(why)),
            }
        }
        // A plain git repository has no journal to lock.
        let remote = self.place.annex().ok();
        if let Some(remote) = remote.as_ref().filter(|remote| !remote.is_bare()) {
            remote.branch().merge()?;
        }
        // A hook there may be git-annex's, which takes this lock itself.
        let lock = match remote
            .as_ref()
            .filter(|remote| remote.annex_dir().is_dir() && !self.has_hooks)
        {
            Some(remote) => Some(remote.branch().lock()?),
            None => None,
        };
        let now = tip(self.there, "refs/heads/git-annex")?;
        let contains = match now {
            Some(now) => self.contains(now, commit)?,
            None => false,
        };
        let merged = now != self.heads.git_annex;
        let moved = match contains {
            true => Moved::No,
            false => self.advance(GIT_ANNEX, now, commit)?,
        };
        match moved {
            Moved::Declined(why) => return Err(Error::Refused(why)),
            Moved::Yes => self.pushed.push(GIT_ANNEX.to_owned()),
            Moved::No if merged => self.pushed.push(GIT_ANNEX.to_owned()),
            Moved::No => {}
        }
        if now == Some(commit) {
            track(
                self.here,
                &format!("refs/remotes/{}/git-annex", self.name),
                commit,
                "update by push",
            )?;
        }
        drop(lock);
        Ok(())
    }

    /// Brings the remote's work tree up to date. Returns what became of it, and why it does not have all of `ours`.
    fn update_work_tree(
        &self,
        commit: Option<Oid>,
        ours: Option<Oid>,
        options: &PushOptions,
    ) -> Result<(Option<MergeOutcome>, Option<String>)> {
        let (checkout, behind) = match commit {
            Some(commit) if is_checked_out(self.there, self.branch) => {
                match update_checkout(&self.place.annex()?, self.branch, commit, options) {
                    Ok(outcome) => {
                        let behind = behind(&outcome);
                        (Some(outcome), behind)
                    }
                    // The push is done; it follows at the next one, or when its owner syncs.
                    Err(why @ (Error::Busy(_) | Error::Refused(_))) => (None, Some(why.to_string())),
                    Err(error) => return Err(error),
                }
            }
            Some(_) | None => (None, None),
        };
        match (behind, ours) {
            (None, Some(ours)) => Ok((checkout, self.detached(ours)?)),
            (behind, _) => Ok((checkout, behind)),
        }
    }

    /// Why a work tree that no branch is checked out in does not have what a commit has, if it does not.
    fn detached(&self, commit: Oid) -> Result<Option<String>> {
        if !self.there.head_detached().unwrap_or(false) {
            return Ok(None);
        }
        let at = self.there.refname_to_id("HEAD").map_err(Error::git("read HEAD"))?;
        let why = "no branch is checked out there (a detached HEAD). Run 'git checkout BRANCH' there";
        Ok((!self.contains(from_git(at), commit)?).then(|| why.to_owned()))
    }

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

    /// Moves a branch of the remote forward.
    fn advance(&self, branch: &str, old: Option<Oid>, new: Oid) -> Result<Moved> {
        if let Some(old) = old
            && !self.contains(new, old)?
        {
            return Ok(Moved::No);
        }
        self.move_branch(branch, old, new, false)
    }

    /// Moves a branch of the remote, if it is where it was.
    fn move_branch(&self, branch: &str, old: Option<Oid>, new: Oid, forced: bool) -> Result<Moved> {
        let reference = format!("refs/heads/{branch}");
        let moved = match self.has_hooks {
            true => by_git::push(self.local, self.place.path(), branch, old, new, forced)?,
            false => match move_ref(self.there, &reference, old.map(to_git), to_git(new), "push")? {
                true => Moved::Yes,
                false => Moved::No,
            },
        };
        if moved == Moved::Yes {
            let tracking = format!("refs/remotes/{}/{branch}", self.name);
            track(self.here, &tracking, new, "update by push")?;
        }
        Ok(moved)
    }
}

/// True if the repository's own configuration names filters. They are programs: the owner of the repository may run them, a
/// push to it may not.
fn has_filters_of_its_own(git: &git2::Repository) -> Result<bool> {
    let doing = || Error::git("read the configuration");
    let config = git.config().map_err(doing())?;
    let entries = config.entries(Some("^filter\\..*\\.(clean|smudge|process)$"));
    let mut has = false;
    let each = |entry: &git2::ConfigEntry<'_>| {
        let is_own = matches!(entry.level(), git2::ConfigLevel::Local | git2::ConfigLevel::Worktree);
        has |= is_own && !entry.name_bytes().starts_with(b"filter.annex.");
    };
    entries.map_err(doing())?.for_each(each).map_err(doing())?;
    Ok(has)
}

/// Brings the work tree of a repository on this machine up to date, and removes `synced/B` there, as git-annex does when
/// it has merged it.
pub(super) fn update_checkout(
    remote: &Annex,
    branch: &str,
    commit: Oid,
    options: &PushOptions,
) -> Result<MergeOutcome> {
    let git = remote.git()?;
    let reference = format!("refs/heads/synced/{branch}");
    let contains = |new: Oid, old: Oid| -> Result<bool> {
        let (new, old) = (to_git(new), to_git(old));
        let descends = || git.graph_descendant_of(new, old);
        Ok(new == old || descends().map_err(Error::git("compare commits"))?)
    };
    let commit = match head_of(&git)?.commit {
        Some(current) if !contains(commit, current)? => match tip(&git, &reference)? {
            // Paths wait there, so it is at a partial commit, and goes on to the merge of that with the commit.
            Some(ahead) if contains(ahead, current)? && contains(ahead, commit)? => ahead,
            Some(_) | None => {
                let why =
                    "it has commits that are not here yet. They are merged first, here or by 'anabranch sync' there";
                return Err(Error::Refused(why.to_owned()));
            }
        },
        Some(_) | None => commit,
    };
    if has_filters_of_its_own(&git)? {
        return Err(Error::Refused(
            "its configuration has filters of its own, and filters are programs that only its owner may run. Run 'anabranch sync' there".to_owned(),
        ));
    }
    let theirs = Theirs {
        commit,
        reference: &reference,
    };
    let any = |_, _| true;
    let may_remove = options
        .may_remove
        .as_ref()
        .map(|may| may as &dyn Fn(usize, usize) -> bool);
    let how = MergeOptions {
        checkout: options.checkout,
        may_remove: may_remove.unwrap_or(&any),
        ..MergeOptions::default()
    };
    let outcome = remote.merge_into_head(&[theirs], &how)?;
    let arrived = match &outcome {
        MergeOutcome::UpToDate => true,
        MergeOutcome::FastForwarded { waiting, .. } => waiting.is_empty(),
        MergeOutcome::Merged { .. }
        | MergeOutcome::Blocked { .. }
        | MergeOutcome::Removes(_)
        | MergeOutcome::Conflict { .. } => false,
    };
    if arrived {
        remove_ref(&git, &reference, commit)?;
    }
    Ok(outcome)
}

/// Removes a ref if it is at `commit`.
fn remove_ref(git: &Repository, reference: &str, commit: Oid) -> Result<()> {
    // libgit2 removes the ref and its log by their paths, through links as well.
    let top = Directory::top(git.commondir())?;
    let above = Path::new(reference).parent().unwrap_or(Path::new("refs"));
    let no_link_leads_there = top.find(above).is_ok() && top.find(Path::new("logs").join(above)).is_ok();
    if no_link_leads_there
        && let Ok(mut found) = git.find_reference(reference)
        && found.target() == Some(to_git(commit))
    {
        // If it moved at this moment, it stays: that is a later push.
        let _ = found.delete();
    }
    Ok(())
}

/// True if the work tree of the repository itself has this branch checked out.
fn is_checked_out(git: &Repository, branch: &str) -> bool {
    let head = git.find_reference("HEAD").ok();
    let target = head.as_ref().and_then(|head| head.symbolic_target_bytes());
    !git.is_bare() && target.is_some_and(|target| target == format!("refs/heads/{branch}").as_bytes())
}

/// True if any work tree of a repository has this branch checked out, or a rebase or bisection of it under way, so that
/// nobody else may move it: the first work tree, or one that `git worktree` made.
fn is_checked_out_anywhere(git: &Repository, branch: &str) -> Result<bool> {
    let common = git.commondir();
    let linked = common.join("worktrees");
    let mut git_dirs = Vec::new();
    match fs::read_dir(&linked) {
        Ok(entries) => {
            for entry in entries {
                git_dirs.push(entry.map_err(Error::io("read the directory", &linked))?.path());
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(error) => return Err(Error::io("read the directory", &linked)(error)),
    }
    // A bare repository has a HEAD as well, and no work tree of its own.
    let config = git.config().and_then(|config| config.get_bool("core.bare"));
    if !config.unwrap_or(git.is_bare()) {
        git_dirs.push(common.to_owned());
    }
    let full = format!("refs/heads/{branch}");
    let says = |path: &Path| fs::read(path).unwrap_or_default();
    let has = |git_dir: &PathBuf| {
        let head = says(&git_dir.join("HEAD"));
        head.strip_prefix(b"ref:")
            .is_some_and(|target| target.trim_ascii() == full.as_bytes())
            || ["rebase-merge/head-name", "rebase-apply/head-name"]
                .iter()
                .any(|file| says(&git_dir.join(file)).trim_ascii() == full.as_bytes())
            || says(&git_dir.join("BISECT_START")).trim_ascii() == branch.as_bytes()
    };
    Ok(git_dirs.iter().any(has))
}
