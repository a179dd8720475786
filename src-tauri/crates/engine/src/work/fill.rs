//! Gives files their contents that are here.

use std::time::{Duration, Instant};

use annex::Error;
use assistant::{Event, Failure, Id};
use model::{Key, RepoPath};

use super::{FolderState, failure};

/// One fill takes no more files when it has gone on for so long.
const TURN: Duration = Duration::from_secs(1);
/// At a time it gives at most so many files their contents, and so many bytes.
const MOST: u32 = 10_000;
const MOST_BYTES: u64 = 1 << 30;

/// Takes note of files that are placeholders of contents that are here.
pub(super) fn to_fill(state: &FolderState, files: &[(RepoPath, Key)]) -> Result<(), String> {
    match files {
        [] => Ok(()),
        files => {
            let added = state.observations().add_unfilled(files);
            added.map_err(|error| observations_failed(state, &error))
        }
    }
}

/// True if there are such files.
pub(super) fn is_due(state: &FolderState) -> bool {
    // What cannot be read now is read with the next observation.
    state.observations().has_unfilled().unwrap_or(false)
}

pub(super) fn fill(state: &FolderState, id: Id) -> Event {
    let (more, failed) = match try_fill(state) {
        Ok(is_cut_off) => (is_cut_off && is_due(state), None),
        Err(failure) => (false, Some(failure)),
    };
    Event::Filled { id, more, failed }
}

/// True if it ended because its time was over.
fn try_fill(state: &FolderState) -> Result<bool, Failure> {
    let began_at = Instant::now();
    loop {
        let files = state.observations().unfilled(MOST, MOST_BYTES);
        let files = files.map_err(|error| Failure::Other(observations_failed(state, &error)))?;
        if files.is_empty() {
            return Ok(false);
        }
        give_contents(state, &files).map_err(|error| failure(state, &error))?;
        state.settle_retired();
        state.remember_stamps();
        // Only now: what is interrupted before is done again by the next start.
        let forgotten = state.observations().forget_unfilled(&files);
        forgotten.map_err(|error| Failure::Other(observations_failed(state, &error)))?;
        // Most files have their contents already: many of these are a moment's work.
        if began_at.elapsed() > TURN {
            return Ok(true);
        }
    }
}

/// A file that cannot be written is reported, and keeps no other waiting.
///
/// # Errors
///
/// What concerns all of them: another program keeps the index, the disk is full, or the folder is gone.
fn give_contents(state: &FolderState, files: &[(RepoPath, Key)]) -> annex::Result<()> {
    let annex = state.annex();
    let thin = annex::settings::is_thin(annex);
    let concerns_all = |error: &Error| {
        matches!(error, Error::Busy(_) | Error::Git { .. }) || error.is_disk_full() || !state.is_there()
    };
    match annex.populate(files, thin) {
        Ok(_) => return Ok(()),
        Err(error) if concerns_all(&error) => return Err(error),
        Err(_) => {}
    }
    for file in files {
        match annex.populate(std::slice::from_ref(file), thin) {
            Ok(_) => {}
            Err(error) if concerns_all(&error) => return Err(error),
            Err(error) => {
                let why = format!("its content is here, and cannot be put in its place ({error})");
                state.log.note_unfit(file.0.to_string(), why);
            }
        }
    }
    Ok(())
}

/// Says why, and makes the observations anew if they are lost.
fn observations_failed(state: &FolderState, error: &rusqlite::Error) -> String {
    state.renew_observations(error);
    format!("the observations could not be used: {error}")
}
