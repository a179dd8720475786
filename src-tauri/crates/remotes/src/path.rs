use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use annex::exchange::content::{Outcome, Wanted, transfer};
use annex::exchange::{PushOptions, PushOutcome, fetch, newest, push, tracked};
use annex::settings::{RemoteSettings, as_git_finds};
use annex::{Annex, CheckoutOptions, Reached, Result};
use model::{Key, Oid, RemoteName, RepoPath};

/// A repository on this machine, open for exchange with ours.
#[derive(Debug, Clone)]
pub struct Remote {
    local: Annex,
    there: Annex,
    settings: RemoteSettings,
    /// Held by who makes files there or fills them: a file made at the moment its content arrives is filled by neither.
    tree: Arc<Mutex<()>>,
}

/// What a remote had when it was fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its commit of the branch that is checked out here; none if it has none, or its own branches contradict each other.
    pub tree: Option<Oid>,
    /// Its commit of the git-annex branch, likewise.
    pub annex: Option<Oid>,
    /// The branch that is checked out here.
    pub branch: String,
    /// The branch on which its files are, if that is another one.
    pub other_branch: Option<String>,
}

/// How a transfer is to be done.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// What, in this order, each with the file it is wanted for.
    pub wanted: &'a [Wanted],
    /// Bytes that must stay free where they go.
    pub reserve: u64,
    /// Told how far a content is.
    pub progress: &'a (dyn Fn(&Key, Reached) + Sync),
    /// Set to stop as soon as possible.
    pub cancelled: &'a AtomicBool,
}

/// The commits that a remote had when branches were last fetched from it or pushed to it: of the branch that is checked
/// out here, and of the git-annex branch. It need not be reached for that.
pub fn last_seen(local: &Annex, name: &RemoteName) -> Result<(Option<Oid>, Option<Oid>)> {
    let branch = local.head()?.branch;
    let heads = tracked(local, name, &branch)?;
    let tree = newest(local, heads.branch, heads.synced)?;
    let annex = newest(local, heads.git_annex, heads.synced_git_annex)?;
    Ok((tree, annex))
}

impl Remote {
    pub(crate) fn new(local: Annex, there: Annex, settings: RemoteSettings) -> Self {
        Self {
            local,
            there,
            settings,
            tree: Arc::default(),
        }
    }

    /// Takes the place of what the same remote was when it was reached before: work that began with the one and work that
    /// begins with the other make and fill files there in turn.
    #[must_use]
    pub fn after(self, before: &Remote) -> Self {
        Self {
            tree: Arc::clone(&before.tree),
            ..self
        }
    }

    /// The repository at the other end.
    pub fn annex(&self) -> &Annex {
        &self.there
    }

    /// True if the repository is still there: a drive may have been pulled out.
    pub fn is_there(&self) -> bool {
        self.there.is_there()
    }

    /// Fetches its branches.
    pub fn fetch(&self) -> Result<Fetched> {
        let branch = self.local.head()?.branch;
        let fetched = fetch(&self.local, place_of(&self.there), &self.settings.name, &branch)?;
        let heads = fetched.heads;
        Ok(Fetched {
            tree: newest(&self.local, heads.branch, heads.synced)?,
            annex: newest(&self.local, heads.git_annex, heads.synced_git_annex)?,
            other_branch: fetched.other_branch,
            branch,
        })
    }

    /// Pushes our branches to where git would push them, which is another place where the configuration says so, with
    /// `commit` as that of the work tree (none for what is checked out). A work tree there that no engine runs in
    /// follows, if it has no uncommitted files and `may_remove` allows its deletions (so many, of so many files).
    pub fn push(&self, commit: Option<Oid>, may_remove: fn(usize, usize) -> bool) -> Result<PushOutcome> {
        let branch = self.local.head()?.branch;
        let _tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let push_there = || self.push_to(place_of(&self.there), Some(&self.there), &branch, commit, may_remove);
        let top = place_of(&self.local);
        let Some(places) = self.settings.pushes_elsewhere(top)? else {
            return push_there();
        };
        let own = self.settings.local_path(top);
        let mut all = PushOutcome::UpToDate;
        for place in places {
            let pushed = if own.as_ref() == Some(&place) {
                push_there()
            } else {
                let place = as_git_finds(&place);
                self.push_to(&place, Annex::open(&place).ok().as_ref(), &branch, commit, may_remove)
            };
            match pushed? {
                PushOutcome::UpToDate => {}
                pushed @ PushOutcome::Pushed { .. } => all = pushed,
                refused @ PushOutcome::Refused { .. } => return Ok(refused),
            }
        }
        Ok(all)
    }

    fn push_to(
        &self,
        place: &Path,
        there: Option<&Annex>,
        branch: &str,
        commit: Option<Oid>,
        may_remove: fn(usize, usize) -> bool,
    ) -> Result<PushOutcome> {
        let options = PushOptions {
            update_checkout: there.map(is_untended).transpose()?.unwrap_or(false),
            checkout: CheckoutOptions {
                thin: there.is_some_and(annex::settings::is_thin),
                partial: false,
            },
            may_remove: Some(may_remove),
            commit,
        };
        push(&self.local, place, &self.settings.name, branch, &options)
    }

    /// Gets contents from there.
    pub fn get(&self, contents: Contents<'_>) -> Vec<(Key, Outcome)> {
        let Contents {
            wanted,
            reserve,
            progress,
            cancelled,
        } = contents;
        transfer(&self.there, &self.local, wanted, reserve, progress, cancelled)
    }

    /// Sends contents there.
    pub fn send(&self, contents: Contents<'_>) -> Vec<(Key, Outcome)> {
        let Contents {
            wanted,
            reserve,
            progress,
            cancelled,
        } = contents;
        transfer(&self.local, &self.there, wanted, reserve, progress, cancelled)
    }

    /// Puts contents that are there into the files of a work tree that nobody tends; `files` is asked for them if there is
    /// one.
    pub fn fill(&self, files: impl FnOnce() -> Vec<(RepoPath, Key)>) {
        if is_untended(&self.there).unwrap_or(false) {
            let _tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
            // The content is there; a file that could not be filled now is filled by whoever tends it next.
            let _ = self.there.populate(&files(), annex::settings::is_thin(&self.there));
        }
    }
}

/// The top of a repository: of its work tree, or itself if it has none.
fn place_of(annex: &Annex) -> &Path {
    annex.work_tree().unwrap_or(annex.git_dir())
}

/// True if a repository has a work tree that nobody tends.
fn is_untended(annex: &Annex) -> Result<bool> {
    Ok(!annex.is_bare() && annex.tenant()?.is_none())
}
