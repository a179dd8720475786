use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use annex::exchange::content::{Outcome, Wanted, transfer};
use annex::exchange::{PushOptions, PushOutcome, fetch, newest, push, tracked};
use annex::{Annex, CheckoutOptions, Reached, Result};
use model::{Key, Oid, RemoteName, RepoPath};

/// A repository on this machine, open for exchange with ours.
#[derive(Debug, Clone)]
pub struct Remote {
    local: Annex,
    there: Annex,
    name: RemoteName,
    /// Held by who makes files there or fills them: a file made at the moment its content arrives is filled by neither.
    tree: Arc<Mutex<()>>,
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
    pub(crate) fn new(local: Annex, there: Annex, name: RemoteName) -> Self {
        Self {
            local,
            there,
            name,
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

    /// Fetches its branches. Says which commits it has: of the branch that is checked out here, and of the git-annex
    /// branch; none where its own branches contradict each other.
    pub fn fetch(&self) -> Result<(Option<Oid>, Option<Oid>)> {
        let branch = self.local.head()?.branch;
        let heads = fetch(&self.local, self.place(), &self.name, &branch)?.heads;
        let tree = newest(&self.local, heads.branch, heads.synced)?;
        let annex = newest(&self.local, heads.git_annex, heads.synced_git_annex)?;
        Ok((tree, annex))
    }

    /// Pushes our branches, with `commit` as that of the work tree (none for what is checked out). A work tree there that
    /// nobody tends follows, if nothing in it is uncommitted.
    pub fn push(&self, commit: Option<Oid>) -> Result<PushOutcome> {
        let branch = self.local.head()?.branch;
        let _tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let options = PushOptions {
            update_checkout: self.is_untended()?,
            checkout: CheckoutOptions {
                thin: self.is_thin(),
                partial: false,
            },
            commit,
        };
        push(&self.local, self.place(), &self.name, &branch, &options)
    }

    fn place(&self) -> &std::path::Path {
        self.there.work_tree().unwrap_or(self.there.git_dir())
    }

    fn is_untended(&self) -> Result<bool> {
        Ok(!self.there.is_bare() && self.there.tenant()?.is_none())
    }

    fn is_thin(&self) -> bool {
        annex::settings::is_thin(&self.there)
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
        if self.is_untended().unwrap_or(false) {
            let _tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
            // The content is there; a file that could not be filled now is filled by whoever tends it next.
            let _ = self.there.populate(&files(), self.is_thin());
        }
    }
}
