//! Performs scans, ingests and restores.

use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use annex::{IntakeOptions, Look, Postponed, Presence, RootState, Rules, VectorClock};
use assistant::{Event, Failure, Found, Id, Looked, Root, Scope};
use model::{Key, RepoPath};

use super::fill::to_fill;
use super::{FolderState, failure};
use crate::words::files;

/// The location of so few keys is journaled, and committed with the next commit of the git-annex branch.
const FEW: usize = 8;

pub(super) fn look(state: &FolderState, id: Id, scope: Scope) -> Event {
    let within = match &scope {
        Scope::Everything => None,
        Scope::Paths(paths) => annex::looked_at(paths),
    };
    let looked = match try_look(state, scope) {
        Err(error) => Looked::Failed(failure(state, &error)),
        Ok(look) => {
            let refused = look.refused.iter().map(|(name, why)| (name.to_string(), why.clone()));
            let unreadable = look
                .unreadable
                .iter()
                .map(|(path, why)| (path.display().to_string(), why.clone()));
            state.log.set_unfit(within.as_deref(), refused.chain(unreadable));
            state.log.set_nested(within.as_deref(), &look.nested);
            match to_fill(state, &look.unfilled) {
                Err(why) => Looked::Failed(Failure::Other(why)),
                Ok(()) => {
                    let found = found(&look);
                    state.keep_look(id, look);
                    Looked::Found(found)
                }
            }
        }
    };
    Event::Looked { id, looked }
}

fn try_look(state: &FolderState, scope: Scope) -> annex::Result<Look> {
    let annex = state.annex();
    if annex.work_tree().is_none() {
        return Ok(Look::of_bare());
    }
    if state.is_there() {
        // A checkout interrupted by a crash would look like changes by the user.
        annex.finish_checkout()?;
        state.resolve_retired();
    }
    let scope = match scope {
        Scope::Everything => annex::Scope::Everything,
        Scope::Paths(paths) => annex::Scope::Paths(paths),
    };
    annex.look_at_what_is_complete(&scope, SystemTime::now())
}

fn found(look: &Look) -> Found {
    let renamed = look
        .added
        .iter()
        .chain(&look.modified)
        .filter(|candidate| candidate.is_renamed())
        .count();
    Found {
        root: match look.root {
            RootState::Same => Root::Same,
            RootState::Vanished => Root::Vanished,
            RootState::Replaced => Root::Replaced,
        },
        changed: look.added.len() + look.modified.len(),
        removed: look.removed.len().saturating_sub(renamed),
        tracked: look.tracked,
        staged: look.staged,
        filling: look.filling.clone(),
    }
}

/// How many files to ingest at a time. This bounds memory, and committed files are sent while the next part is read. Parts
/// grow with the number of tracked files, because each part rewrites the index.
fn size_of_part(tracked: usize) -> usize {
    (tracked / 4).clamp(10_000, 50_000)
}

pub(super) fn ingest(state: &FolderState, id: Id, look: Id, removals: bool) -> Event {
    let Some(mut first) = state.take_look(look) else {
        state.transfers.end(id);
        let failed = Some("the result of the scan is outdated".into());
        return Event::Ingested {
            id,
            refs: state.refs(),
            postponed: Vec::new(),
            has_rest: false,
            failed,
        };
    };
    let rest = first.split_off(size_of_part(first.tracked));
    let cancelled = state.transfers.announce(id);
    let (postponed, failed) = match try_ingest(state, first, (removals, rest.is_some()), &cancelled) {
        Ok(postponed) => (postponed, None),
        Err(error) => (Vec::new(), Some(failure(state, &error))),
    };
    state.transfers.end(id);
    let rest = rest.filter(|_| failed.is_none());
    let has_rest = rest.is_some();
    if let Some(rest) = rest {
        state.keep_look(look, rest);
    }
    Event::Ingested {
        id,
        refs: state.refs(),
        postponed,
        has_rest,
        failed,
    }
}

/// `has_rest` is true if another part follows, which has the removals.
fn try_ingest(
    state: &FolderState,
    look: Look,
    (removals, has_rest): (bool, bool),
    cancelled: &AtomicBool,
) -> annex::Result<Vec<RepoPath>> {
    let annex = state.annex();
    let settings = state.settings()?;
    if !settings.autocommit {
        return Ok(Vec::new());
    }
    let rules = Rules::of(annex, &settings)?;
    let message = format!("git-annex in {}", state.description(annex.uuid()));
    let record = |keys: &[Key]| {
        let here = annex.uuid();
        let present = keys.iter().map(|key| (key.clone(), here.clone(), Presence::Present));
        let present: Vec<_> = present.collect();
        if keys.len() <= FEW {
            // What follows from them is committed together: soon it is known where they are too.
            return annex.branch().journal_presence(&present, VectorClock::now());
        }
        annex.branch().record_presence(&present, VectorClock::now()).map(drop)
    };
    let options = IntakeOptions {
        settings: &settings,
        is_large: &|path, size, file| rules.is_large(path, size, file),
        is_unlocked: &|path, size, file| rules.is_unlocked(path, size, file),
        backend: &|path| rules.backend(path),
        message: &message,
        allow_removals: removals,
        record: &record,
        cancelled,
    };
    let intake = annex.ingest(look, &options, SystemTime::now())?;
    state.remember_stamps();
    let mut again = Vec::new();
    if to_fill(state, &intake.unfilled).is_err() {
        again.extend(intake.unfilled.into_iter().map(|(path, _)| path));
    }
    let counts = intake.counts;
    let taken = counts.annexed + counts.in_git + counts.links;
    let parts = [
        (taken, "added or changed"),
        (counts.renamed, "renamed"),
        // A renamed file disappeared from one path and appeared at another.
        (counts.removed.saturating_sub(counts.renamed), "removed"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, did)| format!("{did} {}", files(*count as u64)))
        .collect();
    if intake.commit.is_some() && !parts.is_empty() {
        state.log.note(format!("you {}", parts.join(", ")));
    }
    for (path, why) in intake.postponed {
        match why {
            Postponed::BeingWritten | Postponed::Changed | Postponed::Vanished | Postponed::TooYoung(_) => {
                again.push(path);
            }
            Postponed::Unreadable(why) => state.log.note_unfit(path.to_string(), why),
            Postponed::NotStored(why) => state.log.note_unstored(path, why),
            Postponed::Held if has_rest => again.push(path),
            Postponed::Held => {}
            Postponed::EditedPointer => {
                let why = format!(
                    "a program changed it before its content arrived, so it holds a placeholder and that change. Copy \
                     the change to another file, then run 'git restore {path}'"
                );
                state.log.note_unfit(path.to_string(), why);
            }
            Postponed::Unconverted(why) | Postponed::Undecided(why) => state.log.note_undecided(path, why),
        }
    }
    Ok(again)
}

pub(super) fn restore(state: &FolderState, id: Id) -> Event {
    let restored = state
        .settings()
        .and_then(|settings| state.annex().restore(settings.thin));
    state.remember_stamps();
    match restored {
        Ok(count) => {
            state.log.note(match count {
                1 => "brought back a missing file".to_owned(),
                _ => format!("brought back {count} missing files"),
            });
            Event::Restored { id, failed: None }
        }
        Err(error) => Event::Restored {
            id,
            failed: Some(failure(state, &error)),
        },
    }
}
