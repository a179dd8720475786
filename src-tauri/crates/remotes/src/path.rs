use std::sync::atomic::AtomicBool;

use annex::exchange::content::{Outcome, Wanted, transfer};
use annex::exchange::refs::{Fetched, PushOutcome, fetch, push};
use annex::{Annex, Result};
use model::{Key, RemoteName};

/// A repository on this machine, open for exchange with ours.
#[derive(Debug, Clone)]
pub struct Remote {
    local: Annex,
    there: Annex,
    name: RemoteName,
}

/// How a transfer is to be done.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// What, in this order, each with the file it is wanted for.
    pub wanted: &'a [Wanted],
    /// Bytes that must stay free where they go.
    pub reserve: u64,
    /// Told how many bytes of a content have arrived.
    pub progress: &'a (dyn Fn(&Key, u64) + Sync),
    /// Set to stop as soon as possible.
    pub cancelled: &'a AtomicBool,
}

impl Remote {
    pub(crate) fn new(local: Annex, there: Annex, name: RemoteName) -> Self {
        Self { local, there, name }
    }

    /// The repository at the other end.
    pub fn annex(&self) -> &Annex {
        &self.there
    }

    /// Fetches its branches.
    pub fn fetch(&self) -> Result<Fetched> {
        fetch(&self.local, &self.there, &self.name)
    }

    /// Pushes our branches. A work tree there that nobody tends follows, if nothing in it is uncommitted.
    pub fn push(&self) -> Result<PushOutcome> {
        let untended = self.there.tenant()?.is_none();
        push(&self.local, &self.there, &self.name, untended)
    }

    /// Gets contents from there.
    pub fn get(&self, contents: Contents<'_>) -> Vec<(Key, Outcome)> {
        let Contents { wanted, reserve, progress, cancelled } = contents;
        transfer(&self.there, &self.local, wanted, reserve, progress, cancelled)
    }

    /// Sends contents there, and puts them into the files of a work tree that nobody tends.
    pub fn send(&self, contents: Contents<'_>) -> Vec<(Key, Outcome)> {
        let Contents { wanted, reserve, progress, cancelled } = contents;
        transfer(&self.local, &self.there, wanted, reserve, progress, cancelled)
    }
}
