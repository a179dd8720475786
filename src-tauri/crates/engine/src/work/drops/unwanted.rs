//! Drops content that is not wanted here any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annex::{Presence, RootState, VectorClock};
use assistant::{ClassId, Event, Id, pacing};
use model::{Key, RepoPath, Timestamp, Uuid};

use super::super::FolderState;
use super::asking::{Asking, Connect, Outcome};
use super::refusals::Hold;
use crate::observations::Reader;
use crate::words::files;

/// A drop takes no more keys after this long.
const TURN: Duration = Duration::from_secs(2);
/// How many keys are dropped at a time.
const AT_ONCE: usize = 64;

/// Drops keys of these classes, as far as enough other copies can be confirmed.
pub(in crate::work) fn drop_unwanted(state: &FolderState, id: Id, classes: &[ClassId]) -> Event {
    if state.take_retry_all() {
        state.retries().clear();
        state.refusals().clear();
    }
    let (gone, more, retry_at) = try_drop(state, id, classes).unwrap_or_else(|why| {
        state.log.note(format!("could not drop what is not wanted here: {why}"));
        (0, false, Some(state.clock.now() + pacing::retry_after(4, 0)))
    });
    state.transfers.end(id);
    let refs = state.refs();
    Event::Dropped {
        id,
        refs,
        gone,
        more,
        retry_at,
    }
}

/// One turn of dropping.
struct Turn<'a> {
    state: &'a FolderState,
    asking: Asking<'a>,
    cancelled: &'a AtomicBool,
    began_at: Instant,
    /// The keys to drop next, with their files.
    files_of: BTreeMap<Key, BTreeSet<RepoPath>>,
    tried: usize,
    dropped: usize,
    /// Keys that are not here, although the log says so.
    absent: Vec<Key>,
    retry_at: Option<Timestamp>,
}

impl Turn<'_> {
    /// True if the turn is over. To look at keys that are left alone takes a moment, and is finished.
    fn is_over(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.tried > 0 && self.began_at.elapsed() > TURN
    }

    /// True if a key is to be tried now.
    fn tries(&mut self, key: &Key, class: ClassId) -> bool {
        let hold = self.state.refusals().hold(key, class, self.state.clock.now());
        self.note(hold);
        hold == Hold::None
    }

    fn note(&mut self, hold: Hold) {
        if let Hold::Until(until) = hold {
            self.retry_at = Some(self.retry_at.map_or(until, |at| at.min(until)));
        }
    }

    /// Drops the keys that were found.
    fn drop_found(&mut self, class: ClassId) {
        let files_of = std::mem::take(&mut self.files_of);
        let keys: Vec<Key> = files_of.keys().cloned().collect();
        self.tried += keys.len();
        let mut outcomes = Vec::new();
        self.asking.drop_all(&keys, &files_of, &mut |key, outcome| {
            outcomes.push((key.clone(), outcome));
        });
        let (here, now) = (self.state.annex().uuid(), self.state.clock.now());
        for (key, outcome) in outcomes {
            let mut refusals = self.state.refusals();
            match outcome {
                Outcome::Gone => {
                    refusals.forget(&key);
                    self.dropped += 1;
                }
                Outcome::Absent => self.absent.push(key),
                // It was not refused, and is tried again when dropping goes on.
                Outcome::Kept(_) if self.cancelled.load(Ordering::Relaxed) => {}
                Outcome::Kept(kept) => {
                    let hold = refusals.note(&key, class, kept.is_passing, here, now);
                    drop(refusals);
                    self.note(hold);
                }
            }
        }
    }
}

/// Returns how many keys are gone, whether some are left that were not tried, and when to try those again that were only in
/// use.
fn try_drop(state: &FolderState, id: Id, classes: &[ClassId]) -> Result<(usize, bool, Option<Timestamp>), String> {
    let cancelled = state.transfers.announce(id);
    let facts = state.facts().map_err(|error| error.to_string())?;
    let reader = Reader::open(&state.annex().own_dir()).map_err(|error| {
        state.renew_what_is_unreadable(&error);
        error.to_string()
    })?;
    let mut turn = Turn {
        state,
        asking: Asking::new(state, &facts, Connect::Connected, &cancelled).map_err(|error| error.to_string())?,
        cancelled: &cancelled,
        began_at: Instant::now(),
        files_of: BTreeMap::new(),
        tried: 0,
        dropped: 0,
        absent: Vec::new(),
        retry_at: None,
    };
    for class in classes {
        let looked = reader.each_of_class(*class, |key, files| {
            if turn.tries(&key, *class) {
                let files = files()?;
                turn.files_of.insert(key, files.into_iter().collect());
            }
            if turn.files_of.len() >= AT_ONCE {
                turn.drop_found(*class);
            }
            Ok(!turn.is_over())
        });
        looked.map_err(|error| error.to_string())?;
        turn.drop_found(*class);
    }
    let (dropped, gone) = (turn.dropped, turn.dropped + turn.absent.len());
    let (is_over, retry_at) = (turn.is_over(), turn.retry_at);
    log(state, dropped, &turn.absent)?;
    Ok((gone, is_over, retry_at))
}

/// Commits what the journal says of the keys that are gone, and that these are not here.
fn log(state: &FolderState, dropped: usize, absent: &[Key]) -> Result<(), String> {
    if dropped > 0 {
        state.log.note(format!(
            "removed the content of {} that this folder does not keep; other places have it",
            files(u64::try_from(dropped).unwrap_or(u64::MAX))
        ));
    }
    if dropped == 0 && absent.is_empty() {
        return Ok(());
    }
    let annex = state.annex();
    if !matches!(annex.root_state(), Ok(RootState::Same)) {
        return Err("the folder is not where it was".to_owned());
    }
    let missing = |key: &Key| -> (Key, Uuid, Presence) { (key.clone(), annex.uuid().clone(), Presence::Missing) };
    let missing: Vec<_> = absent
        .iter()
        .filter(|key| !annex.store().is_present(key))
        .map(missing)
        .collect();
    let recorded = annex.branch().record_presence(&missing, VectorClock::now());
    recorded.map(drop).map_err(|error| error.to_string())
}
