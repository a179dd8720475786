//! What is done with the contents of a repository for one client.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use annex::exchange::content::{Arrival, Arrivals, CopyOutcome, Terms, Wanted};
use annex::removal::Removal;
use annex::serving::Sending;
use annex::settings::{Settings, is_thin};
use annex::{Annex, Presence, Receipt, RetainedLock, Store, SyncedBy, VectorClock, is_secure_backend};
use model::{Key, RepoPath, Uuid};
use p2p::{Behind, Unstored};

use crate::complain;
use crate::connection::clock;
use crate::error::{Error, Result};
use crate::git;

/// How long contents that were offered may wait to be stored together with those that follow.
const TOGETHER: Duration = Duration::from_secs(2);

/// From this number on, one commit for all costs less than a journal file for each.
const WORTH_A_COMMIT: usize = 8;

enum Receiving<'a> {
    Put(Key, Receipt<'a>),
    /// One that cannot be taken already has its outcome.
    Offered(Key, std::result::Result<Arrival<'a>, CopyOutcome>),
}

/// The contents of a repository, for one client. What fails is said to the person at the other end, and the client is told
/// that it failed.
pub(crate) struct Contents<'a> {
    annex: &'a Annex,
    store: &'a Store<'a>,
    client: &'a Uuid,
    settings: Settings,
    lock: Option<RetainedLock>,
    /// What the client sends now; none if it is not wanted: whatever comes is thrown away.
    receiving: Option<Receiving<'a>>,
    /// Contents that were offered.
    arrivals: Arrivals<'a>,
    /// Those that have come since the client was told of any, in this order.
    taken: Vec<Key>,
    /// What became of them, as far as that is known.
    outcomes: BTreeMap<Key, CopyOutcome>,
    /// Since when the client waits to be told.
    taken_since: Option<Instant>,
    /// What has arrived and is not logged.
    unlogged: Vec<Key>,
    /// What has arrived and is not shown in the work tree.
    arrived: Vec<Key>,
    /// Since when something waits to be shown or committed.
    waiting: Option<Instant>,
}

impl<'a> Contents<'a> {
    pub(crate) fn new(annex: &'a Annex, store: &'a Store<'a>, client: &'a Uuid) -> Result<Self> {
        let shared = annex.branch().facts()?.config;
        let settings = Settings::read(annex, &shared)?;
        let terms = Terms {
            reserve: settings.diskreserve,
            verify: true,
            secure_hashes_only: settings.securehashesonly,
        };
        Ok(Self {
            settings,
            annex,
            store,
            client,
            lock: None,
            receiving: None,
            arrivals: Arrivals::new(store, client, terms),
            taken: Vec::new(),
            outcomes: BTreeMap::new(),
            taken_since: None,
            unlogged: Vec::new(),
            arrived: Vec::new(),
            waiting: None,
        })
    }

    /// Merges what was pushed; returns why the files do not have all of it, if they do not.
    pub(crate) fn merge(&self) -> Option<Behind> {
        git::merge(self.annex)
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        or_told(self.store.has(key)).unwrap_or(false)
    }

    /// Keeps content from being removed until [`Contents::unlock`]. False if it is not here.
    pub(crate) fn lock(&mut self, key: &Key) -> bool {
        if self.has(key) {
            self.lock = or_told(self.store.lock_content_retained(key)).flatten();
        }
        self.lock.is_some()
    }

    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Removes content, if the clock does not say that it is too late. False if it was not done.
    ///
    /// # Errors
    ///
    /// Refused if somebody relies on it. The connection ends then, as it does with git-annex.
    pub(crate) fn remove(&mut self, key: &Key, before: Option<u64>) -> Result<bool> {
        let is_in_time = || before.is_none_or(|before| clock() < before);
        if !is_in_time() {
            return Ok(false);
        }
        match or_told(self.annex.remove_content(key, &is_in_time)) {
            Some(Removal::Removed) => {
                self.wait();
                Ok(true)
            }
            Some(Removal::Missing) => Ok(true),
            Some(Removal::TooLate) | None => Ok(false),
            Some(Removal::Locked) => Err(Error::Refused(format!("somebody relies on the content of {key}"))),
        }
    }

    /// Opens content to be sent; none if it is not here.
    pub(crate) fn send(&self, key: &Key, file: &[u8]) -> Option<Sending> {
        or_told(self.store.send(key, self.client, path(file).as_ref())).flatten()
    }

    /// True while a content arrives that is wanted.
    pub(crate) fn is_receiving(&self) -> bool {
        self.receiving.is_some()
    }

    /// Waits a while if the content of a key seems to arrive already: over a connection of this client that is dead, or from
    /// another. What is sent beside that would be thrown away.
    pub(crate) fn wait_for_others(&self, key: &Key, patience: Duration) {
        let until = Instant::now() + patience;
        while self.store.is_arriving(key) && Instant::now() < until {
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// How much of the content of a key is here from an earlier time.
    pub(crate) fn partial(&self, key: &Key) -> u64 {
        self.store.partial_size(key)
    }

    /// Begins to take content.
    pub(crate) fn receive(&mut self, key: &Key, file: &[u8], offset: u64, length: u64) {
        self.receiving = match self.admit(key, file, offset, length) {
            Ok(receipt) => Some(Receiving::Put(key.clone(), receipt)),
            Err(error) => {
                complain(&error.to_string());
                None
            }
        };
    }

    fn admit(&self, key: &Key, file: &[u8], offset: u64, length: u64) -> Result<Receipt<'a>> {
        let refused = |why: &str| Err(Error::Refused(format!("{key} was not taken: {why}")));
        if self.settings.securehashesonly && !is_secure_backend(key.backend()) {
            return refused("annex.securehashesonly forbids keys of its backend here");
        }
        if key.size().is_some_and(|size| offset.checked_add(length) != Some(size)) {
            return refused("what the client sends has another size");
        }
        self.store.check_reserve(length, self.settings.diskreserve)?;
        match self.store.receive(key, self.client, path(file).as_ref(), offset)? {
            Some(receipt) => Ok(receipt),
            None => refused("somebody else sends it just now"),
        }
    }

    /// From where on content that is offered is wanted. Returns an outcome if it is not wanted at all.
    pub(crate) fn wants(&self, key: &Key) -> std::result::Result<u64, CopyOutcome> {
        self.arrivals.wants(key)
    }

    /// Begins to take content that was offered; so much more is wanted.
    pub(crate) fn take(&mut self, wanted: &Wanted, offset: u64, length: u64, more: usize) {
        self.arrivals.expect(more);
        let arrival = self.arrivals.receive(wanted, offset, length);
        self.receiving = Some(Receiving::Offered(wanted.key.clone(), arrival));
    }

    /// Ends content that was offered.
    pub(crate) fn taken(&mut self, is_valid: bool) {
        let Some(Receiving::Offered(key, arrival)) = self.receiving.take() else {
            return;
        };
        let outcomes = match arrival {
            Ok(arrival) => self.arrivals.arrived(arrival, is_valid),
            Err(outcome) => vec![(key.clone(), outcome)],
        };
        self.outcomes.extend(outcomes);
        self.taken.push(key);
        self.taken_since.get_or_insert_with(Instant::now);
    }

    /// Until when the client may wait for [`Contents::stored`]; none if it waits for nothing.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.taken_since.map(|since| since + TOGETHER)
    }

    /// Stores what arrived for offers, and returns the outcomes in the order of arrival.
    ///
    /// Few contents are logged at once. The client logs many as well, and pushes that within a moment: a second commit that
    /// says the same would have to be fetched and merged there. So they are logged here when the client has fallen silent,
    /// or has sent more: then only what it has not pushed.
    pub(crate) fn stored(&mut self) -> Vec<std::result::Result<(), Unstored>> {
        self.taken_since = None;
        if self.taken.is_empty() {
            return Vec::new();
        }
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.extend(self.arrivals.finish());
        let is_stored = |outcome: &CopyOutcome| matches!(outcome, CopyOutcome::Stored);
        let stored = outcomes.iter().filter(|(_, outcome)| is_stored(outcome));
        let stored: Vec<Key> = stored.map(|(key, _)| key.clone()).collect();
        self.log_rest();
        let is_logged = match stored.len() {
            0 => true,
            few if few < WORTH_A_COMMIT => or_told(self.log(&stored)).is_some(),
            _ => {
                self.arrived.extend_from_slice(&stored);
                self.unlogged = stored;
                self.wait();
                true
            }
        };
        let told = std::mem::take(&mut self.taken)
            .into_iter()
            .map(|key| match outcomes.get(&key) {
                Some(outcome) if is_logged || !is_stored(outcome) => unstored(outcome).map_or(Ok(()), Err),
                Some(_) => Err(Unstored::Failed("it could not be logged".to_owned())),
                None => Err(Unstored::Busy),
            });
        told.collect()
    }

    /// Logs what has arrived as present.
    fn log(&mut self, keys: &[Key]) -> annex::Result<()> {
        let logged = self
            .annex
            .branch()
            .journal_presence(&self.present(keys), VectorClock::now());
        self.arrived.extend_from_slice(keys);
        self.wait();
        logged
    }

    /// Logs in one commit what has arrived, is still here, and has not been logged meanwhile.
    fn log_rest(&mut self) {
        let mut rest = std::mem::take(&mut self.unlogged);
        rest.retain(|key| self.store.is_present(key));
        if !rest.is_empty() {
            or_told(
                self.annex
                    .branch()
                    .record_presence(&self.present(&rest), VectorClock::now()),
            );
        }
    }

    fn present(&self, keys: &[Key]) -> Vec<(Key, Uuid, Presence)> {
        let here = |key: &Key| (key.clone(), self.annex.uuid().clone(), Presence::Present);
        keys.iter().map(here).collect()
    }

    /// Takes the next part of content.
    pub(crate) fn add(&mut self, part: &[u8]) {
        match &mut self.receiving {
            Some(Receiving::Put(_, receipt)) => {
                if let Err(error) = receipt.write(part) {
                    complain(&error.to_string());
                    self.receiving = None;
                }
            }
            Some(Receiving::Offered(_, arrival)) => {
                if let Ok(open) = arrival
                    && let Err(outcome) = open.write(part)
                {
                    *arrival = Err(outcome);
                }
            }
            None => {}
        }
    }

    /// Ends content. True if it is stored and logged now.
    pub(crate) fn received(&mut self, is_valid: bool) -> bool {
        let Some(Receiving::Put(key, receipt)) = self.receiving.take() else {
            return false;
        };
        match or_told(receipt.finish(is_valid)) {
            Some(true) => {}
            Some(false) => {
                complain(&format!("{key} was not taken: what arrived is not its content"));
                return false;
            }
            None => return false,
        }
        or_told(self.log(&[key])).is_some()
    }

    fn wait(&mut self) {
        self.waiting.get_or_insert_with(Instant::now);
    }

    /// Since when something waits for [`Contents::settle`].
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting
    }

    /// Logs what nobody has logged, commits the journal, and fills the files of the work tree whose content has arrived. Where an
    /// engine runs, it does the last two: it sees the journal.
    pub(crate) fn settle(&mut self) {
        if self.waiting.take().is_none() {
            return;
        }
        self.log_rest();
        let arrived = std::mem::take(&mut self.arrived);
        if matches!(self.annex.synced_by(), Ok(Some(SyncedBy::Engine(_)))) {
            return;
        }
        or_told(self.annex.branch().fold_if_any());
        let fill = || {
            let files = self.annex.unlocked_files(&arrived)?;
            self.annex.populate(&files, is_thin(self.annex))
        };
        or_told(fill());
    }
}

/// How a client is told of an outcome; none if the content is here now.
pub(crate) fn unstored(outcome: &CopyOutcome) -> Option<Unstored> {
    Some(match outcome {
        CopyOutcome::Stored | CopyOutcome::AlreadyPresent => return None,
        CopyOutcome::Busy | CopyOutcome::Cancelled => Unstored::Busy,
        CopyOutcome::DiskFull { .. } => Unstored::Full,
        CopyOutcome::Corrupt | CopyOutcome::SourceMissing => Unstored::Wrong,
        CopyOutcome::Failed(error) => Unstored::Failed(error.to_string()),
    })
}

/// What was done; what failed is told to the person at the other end.
fn or_told<T>(done: annex::Result<T>) -> Option<T> {
    done.map_err(|error| complain(&error.to_string())).ok()
}

/// The file that a client names, which is only shown to people.
pub(crate) fn path(file: &[u8]) -> Option<RepoPath> {
    RepoPath::parse(file).ok()
}

#[cfg(test)]
mod tests;
