//! Performs offers and transfers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annex::exchange::content::{CopyOutcome as Copied, Wanted};
use annex::{Presence, Reached, VectorClock};
use assistant::{Direction, Event, Id, Lot, Outcome, pacing};
use model::{Key, RemoteName, RepoPath, Uuid};
use remotes::{Contents, Failed, Remote, Travel};

use super::{FolderState, Underway};
use crate::observations::{Damage, Reader};
use crate::words::files;

/// If more keys than this are transferred at once, files are looked up only for keys larger than `SHOWN_FROM`.
const SHOWN: usize = 16;
const SHOWN_FROM: u64 = 1 << 20;

pub(super) fn offer(state: &FolderState, id: Id, lots: &[Lot], limit: usize) -> Event {
    if state.take_retry_all() {
        state.retries().clear();
        state.refusals().clear();
    }
    let priorities = state.priorities().clone();
    let offered = Reader::open(&state.annex().own_dir())
        .and_then(|reader| reader.offer(lots, limit, state.clock.now(), &priorities, &state.retries()));
    match offered {
        Ok((candidates, retry_at)) => Event::Offered {
            id,
            candidates,
            retry_at,
        },
        Err(error) => {
            state.log.note(format!("could not look up what to transfer: {error}"));
            state.renew_what_is_unreadable(&error);
            let retry_at = Some(state.clock.now() + pacing::retry_after(4, 0));
            Event::Offered {
                id,
                candidates: Vec::new(),
                retry_at,
            }
        }
    }
}

pub(super) fn transfer(state: &FolderState, id: Id, name: &RemoteName, direction: Direction, keys: &[Key]) -> Event {
    let remote = state.remotes.get(name);
    let outcomes = match remote
        .as_ref()
        .and_then(|remote| Some((remote.uuid()?, remote.contents()?)))
    {
        None => keys.iter().map(|key| (key.clone(), Outcome::Away)).collect(),
        Some((uuid, contents)) => {
            let (keys, mut outcomes) = allowed(state, name, direction, keys);
            let way = Way {
                name,
                uuid,
                contents,
                direction,
            };
            outcomes.extend(run(state, id, &way, &keys));
            outcomes
        }
    };
    state.transfers.end(id);
    Event::Transferred {
        id,
        refs: state.refs(),
        outcomes,
    }
}

/// Fetches keys from a remote because somebody asked for them, whatever the rules say.
pub(super) fn get(state: &FolderState, name: &RemoteName, remote: &Remote, keys: &[Key]) -> Vec<(Key, Outcome)> {
    let (Some(uuid), Some(contents)) = (remote.uuid(), remote.contents()) else {
        return keys.iter().map(|key| (key.clone(), Outcome::Away)).collect();
    };
    let way = Way {
        name,
        uuid,
        contents,
        direction: Direction::Get,
    };
    // No other transfer has this state.
    let id = Id(0);
    let outcomes = run(state, id, &way, keys);
    state.transfers.end(id);
    outcomes
}

/// Splits keys by the current rules, which may have changed since the plan: those still allowed, and the others with
/// their outcome.
fn allowed(
    state: &FolderState,
    name: &RemoteName,
    direction: Direction,
    keys: &[Key],
) -> (Vec<Key>, Vec<(Key, Outcome)>) {
    let policy = state.rules().policy;
    if policy.is_open(name, direction) {
        return (keys.to_vec(), Vec::new());
    }
    let reader = state.reader();
    // A key whose files cannot be looked up is held back.
    let files = |key: &Key| paths_of(reader.as_ref(), key);
    let (allowed, barred): (Vec<Key>, Vec<Key>) = keys
        .iter()
        .cloned()
        .partition(|key| policy.allows(name, direction, &files(key)));
    let barred = barred.into_iter().map(|key| (key, Outcome::Cancelled));
    (allowed, barred.collect())
}

/// The other repository of a transfer, and the direction.
struct Way<'r> {
    name: &'r RemoteName,
    uuid: &'r Uuid,
    contents: &'r dyn Contents,
    direction: Direction,
}

fn run(state: &FolderState, id: Id, way: &Way<'_>, keys: &[Key]) -> Vec<(Key, Outcome)> {
    let (name, direction) = (way.name, way.direction);
    let all = |outcome: Outcome| keys.iter().map(|key| (key.clone(), outcome.clone())).collect();
    let wanted = wanted(state, keys);
    let facts = match state.facts() {
        Ok(facts) => facts,
        Err(error) => return all(Outcome::Failed(error.to_string())),
    };
    match annex::settings::bandwidth(state.annex(), name, direction == Direction::Send) {
        Ok(limits) => state.transfers.set_limits(name, direction, limits),
        Err(error) => return all(Outcome::Failed(error.to_string())),
    }
    let (cancelled, done) = (state.transfers.announce(id), Arc::<AtomicU64>::default());
    state.transfers.begin(
        id,
        Underway {
            remote: name.clone(),
            direction,
            files: keys.len(),
            what: match &wanted[..] {
                [only] => only
                    .path
                    .as_ref()
                    .map_or_else(|| only.key.to_string(), ToString::to_string),
                _ => String::new(),
            },
            done: Arc::clone(&done),
            total: keys.iter().filter_map(Key::size).sum(),
        },
    );
    let progress = |_: &Key, reached: Reached| {
        match &wanted[..] {
            [_] => done.store(reached.there, Ordering::Relaxed),
            _ => {
                done.fetch_add(reached.moved, Ordering::Relaxed);
            }
        }
        wait(state.transfers.passed(name, direction, reached.moved), &cancelled);
    };
    let travel = Travel {
        wanted: &wanted,
        config: &facts.config,
        progress: &progress,
        cancelled: &cancelled,
        files: &|keys| files_of(state, keys),
    };
    let copied = match direction {
        Direction::Get => way.contents.retrieve(state.annex(), &travel),
        Direction::Send => way.contents.store(state.annex(), &travel),
    };
    conclude(state, id, way, copied)
}

/// All files whose content is one of these keys.
fn files_of(state: &FolderState, keys: &[Key]) -> Vec<(RepoPath, Key)> {
    let reader = state.reader();
    keys.iter()
        .flat_map(|key| {
            // Files that cannot be looked up are filled by the next engine there.
            let paths = paths_of(reader.as_ref(), key);
            paths.into_iter().map(|path| (path, key.clone()))
        })
        .collect()
}

fn paths_of(reader: Option<&Reader>, key: &Key) -> Vec<RepoPath> {
    reader.and_then(|reader| reader.paths_of(key).ok()).unwrap_or_default()
}

/// Waits as long as a limit requires, unless the transfer is cancelled.
fn wait(mut left: Duration, cancelled: &AtomicBool) {
    const MOMENT: Duration = Duration::from_millis(50);
    while !left.is_zero() && !cancelled.load(Ordering::Relaxed) {
        let now = left.min(MOMENT);
        std::thread::sleep(now);
        left -= now;
    }
}

/// The keys, each with one of its files to show to the user. The small keys of a large batch get none, since they are
/// not shown one by one.
fn wanted(state: &FolderState, keys: &[Key]) -> Vec<Wanted> {
    let reader = state.reader();
    let is_shown = |key: &Key| keys.len() <= SHOWN || key.size().is_none_or(|size| size > SHOWN_FROM);
    let path = |key: &Key| paths_of(reader.as_ref(), key).into_iter().next();
    let wanted = keys.iter().map(|key| Wanted {
        key: key.clone(),
        path: is_shown(key).then(|| path(key)).flatten(),
    });
    wanted.collect()
}

/// Checks whether keys that found their destination full would fit now; true if any would, so that it can be retried.
pub(crate) fn look_for_room(state: &FolderState) -> bool {
    let without = state.failures().without_room();
    let mut is_found = false;
    for (name, direction, key) in without {
        let (Some(size), Ok(facts)) = (key.size(), state.facts()) else {
            continue;
        };
        let remote = state.remotes.get(&name);
        let (destination, has_room) = match (direction, &remote) {
            (Direction::Get, _) => {
                let has_room = annex::settings::has_room(state.annex(), size, &facts.config);
                (state.annex().uuid(), has_room)
            }
            (Direction::Send, remote) => {
                let remote = remote.as_ref();
                let Some((uuid, contents)) = remote.and_then(|remote| Some((remote.uuid()?, remote.contents()?)))
                else {
                    continue;
                };
                (uuid, contents.has_room(size, &facts.config))
            }
        };
        if has_room {
            state.failures().has_room(&name, direction, &key);
            state.retries().forget_to(destination);
            is_found = true;
        }
    }
    is_found
}

/// Logs where keys are, and remembers which are retried and which are held back. The content itself is already on disk.
fn conclude(state: &FolderState, id: Id, way: &Way<'_>, copied: Vec<(Key, Copied)>) -> Vec<(Key, Outcome)> {
    let (name, direction) = (way.name, way.direction);
    let (here, there) = (state.annex().uuid(), way.uuid);
    let (source, destination): (&Uuid, &Uuid) = match direction {
        Direction::Get => (there, here),
        Direction::Send => (here, there),
    };
    // A source that has disappeared tells nothing about its content.
    let is_there = way.contents.is_there() && state.annex().is_there();
    let mut changes: Vec<(Key, Uuid, Presence)> = Vec::new();
    let mut outcomes = Vec::new();
    let mut stored = 0;
    for (key, copied) in copied {
        let outcome = match copied {
            Copied::Stored | Copied::AlreadyPresent => {
                let new = matches!(copied, Copied::Stored);
                stored += u64::from(new);
                changes.push((key.clone(), destination.clone(), Presence::Present));
                if new { Outcome::Stored } else { Outcome::AlreadyThere }
            }
            Copied::Busy => Outcome::Busy,
            Copied::Cancelled => Outcome::Cancelled,
            Copied::SourceMissing | Copied::Corrupt if is_there => {
                // Content that stays in its place is not missing.
                if matches!(copied, Copied::SourceMissing) || set_aside(state, way, &key) {
                    changes.push((key.clone(), source.clone(), Presence::Missing));
                }
                Outcome::NotThere
            }
            Copied::SourceMissing | Copied::Corrupt => Outcome::Away,
            Copied::DiskFull { need } => Outcome::Full(format!(
                "the disk is almost full: {} needed, besides the space that is kept free (annex.diskreserve)",
                model::readable_size(need)
            )),
            Copied::Failed(_) if !is_there => Outcome::Away,
            Copied::Failed(error) => Outcome::Failed(error.to_string()),
        };
        outcomes.push((key, outcome));
    }
    if !changes.is_empty()
        && let Err(error) = state.annex().branch().record_presence(&changes, VectorClock::now())
    {
        // The content is there; the next attempt finds it and logs it.
        let why = error.to_string();
        outcomes
            .iter_mut()
            .for_each(|(_, outcome)| *outcome = Outcome::Failed(why.clone()));
    }
    if stored > 0 {
        let (verb, preposition) = match direction {
            Direction::Get => ("received", "from"),
            Direction::Send => ("sent", "to"),
        };
        state.log.note(format!("{verb} {} {preposition} {name}", files(stored)));
    }
    remember_retries(state, (source, destination), &outcomes);
    let cancelled = outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Cancelled);
    let cancelled = cancelled.map(|(key, _)| key.clone()).collect();
    if let Some(held) = state.transfers.held(id, destination, cancelled) {
        state.priorities().hold(held);
    }
    state.failures().transferred(name, direction, destination, &outcomes);
    outcomes
}

/// Sets damaged content aside at the source of a transfer; false if it stays in place.
fn set_aside(state: &FolderState, way: &Way<'_>, key: &Key) -> bool {
    let (source, uuid, done) = match way.direction {
        Direction::Get => (way.name.as_str(), way.uuid, way.contents.set_aside(key)),
        Direction::Send => {
            let done = state.annex().store().set_bad(key).map(drop);
            ("this folder", state.annex().uuid(), done.map_err(Failed::from))
        }
    };
    let is_done = done.is_ok();
    match done {
        Ok(()) => {
            let damage = damage(state, key);
            let what = damage
                .as_ref()
                .map_or_else(|| key.to_string(), |damage| damage.path.to_string());
            state
                .log
                .note(format!("moved damaged content of {what} aside in {source}"));
            if let Some(damage) = damage {
                state.failures().found_damaged(key, uuid, damage);
            }
        }
        Err(error) => state
            .log
            .note(format!("could not move damaged content aside in {source}: {error}")),
    }
    is_done
}

/// A file whose content is `key`, and the repositories that have it; none if it cannot be looked up.
fn damage(state: &FolderState, key: &Key) -> Option<Damage> {
    let reader = state.reader()?;
    let path = reader.paths_of(key).ok()?.into_iter().next()?;
    let have = reader.file(&path).ok()??.have;
    Some(Damage { path, have })
}

fn remember_retries(state: &FolderState, way: (&Uuid, &Uuid), outcomes: &[(Key, Outcome)]) {
    let mut retries = state.retries();
    let now = state.clock.now();
    for (key, outcome) in outcomes {
        let chance = pacing::spread_by(key.as_bytes());
        match outcome {
            Outcome::Busy | Outcome::AlreadyThere => {
                retries.note(key, way, now, |count| pacing::retry_soon_after(count + 3, chance));
            }
            Outcome::NotThere | Outcome::Full(_) | Outcome::Failed(_) => {
                retries.note(key, way, now, |count| pacing::retry_after(count, chance));
            }
            Outcome::Stored | Outcome::Cancelled | Outcome::Away => {}
        }
    }
}
