//! Performs effects: each function here performs one, blocking, and returns the event that ends it.
//!
//! **Invariant:** an effect ends in its event whatever happens, even if the work panics.

mod content;
mod drops;
mod examine;
mod files;
mod fill;
mod folder_state;
mod get;
mod git;
mod holder;
mod known_remotes;
mod lock;
mod log;
mod logins;
mod named;
mod observe;
pub(crate) mod process;
#[cfg(test)]
pub(crate) mod tests;
mod transfers;
pub(crate) mod trust;
mod unconfirmed;
mod undecided;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use assistant::{Away, Effect, Event, Failure, Id, Looked, Merged, Outcome, Pushed, Reach, pacing};
use surroundings::{Mount, mount_of};

pub(crate) use content::look_for_room;
pub use drops::Dropped;
pub(crate) use drops::drop_content;
pub(crate) use examine::Journal;
pub(crate) use folder_state::FolderState;
pub use get::Fetched;
pub(crate) use get::get_content;
pub(crate) use transfers::Underway;

/// Performs an effect. `mounts` is the current list of mounts.
pub(crate) fn perform(state: &FolderState, effect: Effect, mounts: &[Mount]) -> Event {
    let remote = effect.remote().cloned();
    let event = try_perform(state, effect, mounts);
    // Somebody may want to unmount its drive.
    if let Some(remote) = remote.and_then(|remote| state.remotes.get(&remote))
        && let Some(git) = remote.git()
        && lies_elsewhere(state, git, mounts)
    {
        git.close_idle();
    }
    event
}

/// False if the git directory of a remote is on the same mount as ours, which cannot be unmounted while we run.
fn lies_elsewhere(state: &FolderState, git: &dyn remotes::Git, mounts: &[Mount]) -> bool {
    let mount = |path: &Path| mount_of(mounts, path).map(|mount| mount.id);
    let ours = state.annex().git_dir().canonicalize().ok();
    match (git.watched().and_then(mount), ours.as_deref().and_then(mount)) {
        (Some(there), Some(here)) => there != here,
        (None, _) | (_, None) => true,
    }
}

fn try_perform(state: &FolderState, effect: Effect, mounts: &[Mount]) -> Event {
    let done = catch_unwind(AssertUnwindSafe(|| match effect.clone() {
        Effect::Look { id, scope, .. } => files::look(state, id, scope),
        Effect::Ingest { id, look, removals } => files::ingest(state, id, look, removals),
        Effect::Restore { id } => files::restore(state, id),
        Effect::Fill { id } => fill::fill(state, id),
        Effect::Probe { id, remote } => git::probe(state, id, &remote, mounts),
        Effect::Fetch { id, remote } => git::fetch(state, id, &remote),
        Effect::Merge { id, partial, said } => git::merge(state, id, partial, said),
        Effect::Push { id, remote } => git::push(state, id, &remote),
        Effect::Observe { id } => observe::observe(state, id),
        Effect::Offer { id, lots, limit } => content::offer(state, id, &lots, limit),
        Effect::Transfer {
            id,
            remote,
            direction,
            keys,
        } => content::transfer(state, id, &remote, direction, &keys),
        Effect::Drop { id, classes } => drops::drop_unwanted(state, id, &classes),
        Effect::Cancel { .. } | Effect::Ask(_) | Effect::Withdraw(_) => Event::Woke,
    }));
    done.unwrap_or_else(|_| failed(state, effect, "an error in Anabranch itself; it will be tried again"))
}

/// Makes an effect cancellable from now on, even before it has begun, if it is of a kind that can be cancelled.
pub(crate) fn announce(state: &FolderState, effect: &Effect) {
    if let Some(id) = cancellable(effect) {
        state.transfers.announce(id);
    }
}

fn cancellable(effect: &Effect) -> Option<Id> {
    match effect {
        Effect::Ingest { id, .. } | Effect::Transfer { id, .. } | Effect::Drop { id, .. } => Some(*id),
        Effect::Look { .. }
        | Effect::Restore { .. }
        | Effect::Fill { .. }
        | Effect::Probe { .. }
        | Effect::Fetch { .. }
        | Effect::Merge { .. }
        | Effect::Push { .. }
        | Effect::Observe { .. }
        | Effect::Offer { .. }
        | Effect::Cancel { .. }
        | Effect::Ask(_)
        | Effect::Withdraw(_) => None,
    }
}

/// Further events that follow from the end of work.
pub(crate) fn learned(state: &FolderState, event: &Event) -> Vec<Event> {
    let mut learned = Vec::new();
    if matches!(
        event,
        Event::Looked { .. } | Event::Ingested { .. } | Event::Observed { .. }
    ) && fill::is_due(state)
    {
        learned.push(Event::Unfilled);
    }
    if state.take_redescribed() {
        learned.extend(state.configuration_changed());
    }
    learned
}

/// Why work in a repository failed, for the assistant.
fn failure(state: &FolderState, error: &annex::Error) -> Failure {
    match error {
        annex::Error::Busy(_) => Failure::Busy(error.to_string()),
        annex::Error::Io { .. }
        | annex::Error::Git { .. }
        | annex::Error::Damaged(_)
        | annex::Error::Refused(_)
        | annex::Error::DiskReserve { .. } => no_lock(state, error.to_string()),
    }
}

/// Like [`failure`], for an error that is not about a lock.
fn no_lock(state: &FolderState, why: String) -> Failure {
    match state.is_there() {
        true => Failure::Other(why),
        false => Failure::Gone(why),
    }
}

/// The event that ends an effect that failed as a whole.
fn failed(state: &FolderState, effect: Effect, why: &str) -> Event {
    let refs = state.refs();
    let why = || why.to_owned();
    let failure = || Failure::Other(why());
    if let Some(id) = cancellable(&effect) {
        state.transfers.end(id);
    }
    match effect {
        Effect::Look { id, .. } => Event::Looked {
            id,
            looked: Looked::Failed(failure()),
        },
        Effect::Ingest { id, .. } => Event::Ingested {
            id,
            refs,
            postponed: Vec::new(),
            has_rest: false,
            failed: Some(failure()),
        },
        Effect::Restore { id } => Event::Restored {
            id,
            failed: Some(failure()),
        },
        Effect::Fill { id } => Event::Filled {
            id,
            more: false,
            failed: Some(failure()),
        },
        Effect::Probe { id, .. } => Event::Probed {
            id,
            reach: Reach::Away(Away::Unusable(why())),
            round_trip: None,
        },
        Effect::Fetch { id, .. } => Event::Fetched {
            id,
            refs,
            there: Err(Away::Unusable(why())),
        },
        Effect::Merge { id, .. } => Event::Merged {
            id,
            refs,
            merged: Merged::Failed(failure()),
            held: None,
        },
        Effect::Push { id, .. } => Event::Pushed {
            id,
            refs,
            pushed: Pushed::Failed(failure()),
        },
        Effect::Observe { id } => Event::Observed {
            id,
            heads: refs.heads,
            classes: Err(failure()),
        },
        Effect::Offer { id, .. } => Event::Offered {
            id,
            candidates: Vec::new(),
            retry_at: Some(state.clock.now() + pacing::retry_after(4, 0)),
        },
        Effect::Transfer { id, keys, .. } => {
            let outcomes = keys.into_iter().map(|key| (key, Outcome::Failed(why()))).collect();
            Event::Transferred { id, refs, outcomes }
        }
        Effect::Drop { id, .. } => Event::Dropped {
            id,
            refs,
            gone: 0,
            more: false,
            retry_at: Some(state.clock.now() + pacing::retry_after(4, 0)),
        },
        Effect::Cancel { .. } | Effect::Ask(_) | Effect::Withdraw(_) => Event::Woke,
    }
}
