//! Fetching from and pushing to a repository on this machine, as `git fetch` and git-annex's three pushes do, without a
//! transport: both object databases are at hand. What git-annex's `post-receive` hook would do is done here; a repository
//! that has other hooks is pushed to by the `git` program, which runs them.
//!
//! A repository that belongs to another user is refused by libgit2, as by git, unless `safe.directory` lists it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};
use model::{Oid, RemoteName};

use super::by_git::{self, Moved};
use super::missing::missing;
use crate::objects::{copy, send};
use crate::oid::{from_git, to_git};
use crate::ref_lock::{force_ref, move_ref};
use crate::tree::head::head_of;
use crate::{Annex, CheckoutOptions, Directory, Error, MergeOptions, MergeOutcome, Removals, Result, Theirs};

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
        local,
        path,
        here: &here,
        there: &there,
        name,
        has_hooks: by_git::has_hooks(&there),
    };

    let ours = commit;
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
        let objects = missing(&here, &there, &tips)?;
        // The git program brings them itself, to where hooks may refuse them.
        if !both.has_hooks {
            send(&here, &there, &objects)?;
        }
    }
    if let Some(commit) = commit {
        let own = branch.to_owned();
        let synced = format!("synced/{branch}");
        // What does not let its own branch be moved may take the other, as git-annex tries it.
        let moved = match is_checked_out_anywhere(&there, branch)? {
            true => Moved::No,
            false => both.advance(&own, heads.branch, commit)?,
        };
        match (moved, wanted_commit) {
            (Moved::Yes, _) => pushed.push(own),
            (Moved::No | Moved::Declined(_), Some(commit)) => match both.advance(&synced, heads.synced, commit)? {
                Moved::Yes => pushed.push(synced),
                Moved::No => refused = Some(synced),
                Moved::Declined(why) => return Err(Error::Refused(why)),
            },
            (Moved::No | Moved::Declined(_), None) => {}
        }
    }
    if let Some(git_annex) = git_annex {
        push_git_annex(&both, &heads, git_annex, &mut pushed)?;
    }

    if let Some(branch) = refused {
        return Ok(PushOutcome::Refused { branch });
    }
    let (checkout, behind) = match commit.filter(|_| options.update_checkout) {
        Some(commit) if is_checked_out(&there, branch) => match update_checkout(path, branch, commit, options) {
            Ok(outcome) => {
                let behind = outcome.as_ref().and_then(behind);
                (outcome, behind)
            }
            // The push is done; it follows at the next one, or when its owner syncs.
            Err(why @ (Error::Busy(_) | Error::Refused(_))) => (None, Some(why.to_string())),
            Err(error) => return Err(error),
        },
        Some(_) | None => (None, None),
    };
    let behind = match ours.filter(|_| options.update_checkout && behind.is_none()) {
        Some(ours) => both.detached(ours)?,
        None => behind,
    };
    if pushed.is_empty() && checkout.is_none() && behind.is_none() {
        return Ok(PushOutcome::UpToDate);
    }
    Ok(PushOutcome::Pushed {
        refs: pushed,
        checkout,
        behind,
    })
}

/// Why a work tree does not have all of what was merged into its branch, if it does not.
fn behind(outcome: &MergeOutcome) -> Option<String> {
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

/// The two ends of a push.
struct Both<'a> {
    local: &'a Annex,
    path: &'a Path,
    here: &'a Repository,
    there: &'a Repository,
    name: &'a RemoteName,
    has_hooks: bool,
}

impl Both<'_> {
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
            true => by_git::push(self.local, self.path, branch, old, new, forced)?,
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

fn push_git_annex(both: &Both<'_>, heads: &RemoteHeads, commit: Oid, pushed: &mut Vec<String>) -> Result<()> {
    let synced = SYNCED_GIT_ANNEX;
    if heads.synced_git_annex != Some(commit) {
        match both.move_branch(synced, heads.synced_git_annex, commit, true)? {
            Moved::Yes => pushed.push(synced.to_owned()),
            Moved::No => {}
            Moved::Declined(why) => return Err(Error::Refused(why)),
        }
    }
    // A plain git repository has no journal to lock.
    let remote = Annex::open(both.path).ok();
    if let Some(remote) = remote.as_ref().filter(|remote| !remote.is_bare()) {
        remote.branch().merge()?;
    }
    // A hook there may be git-annex's, which takes this lock itself.
    let lock = match remote
        .as_ref()
        .filter(|remote| remote.annex_dir().is_dir() && !both.has_hooks)
    {
        Some(remote) => Some(remote.branch().lock()?),
        None => None,
    };
    let now = tip(both.there, "refs/heads/git-annex")?;
    let contains = match now {
        Some(now) => both.contains(now, commit)?,
        None => false,
    };
    let merged = now != heads.git_annex;
    let moved = match contains {
        true => Moved::No,
        false => both.advance(GIT_ANNEX, now, commit)?,
    };
    match moved {
        Moved::Declined(why) => return Err(Error::Refused(why)),
        Moved::Yes => pushed.push(GIT_ANNEX.to_owned()),
        Moved::No if merged => pushed.push(GIT_ANNEX.to_owned()),
        Moved::No => {}
    }
    if now == Some(commit) {
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
        let why = "it has commits that are not here yet. They are merged first, here or by 'anabranch sync' there";
        return Err(Error::Refused(why.to_owned()));
    }
    if has_filters_of_its_own(&git)? {
        return Err(Error::Refused(
            "its configuration has filters of its own, and filters are programs that only its owner may run. Run 'anabranch sync' there".to_owned(),
        ));
    }
    let reference = format!("refs/heads/synced/{branch}");
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
    // libgit2 removes the ref and its log by their paths, through links as well.
    let top = Directory::top(git.commondir())?;
    let above = Path::new(&reference).parent().unwrap_or(Path::new("refs"));
    let no_link_leads_there = top.find(above).is_ok() && top.find(Path::new("logs").join(above)).is_ok();
    if arrived
        && no_link_leads_there
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
