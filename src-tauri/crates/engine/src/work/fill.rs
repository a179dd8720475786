//! Fills files whose content is here.

use std::time::{Duration, Instant};

use annex::Error;
use assistant::{Event, Failure, Id};
use model::{Key, RepoPath};

use super::{FolderState, failure};

/// A fill takes no more files after this long.
const TURN: Duration = Duration::from_secs(1);
/// The most files, and the most bytes, that a fill takes at a time.
const MOST: u32 = 10_000;
const MOST_BYTES: u64 = 1 << 30;

/// Records files that are placeholders whose content is here.
pub(super) fn to_fill(state: &FolderState, files: &[(RepoPath, Key)]) -> Result<(), String> {
    match files {
        [] => Ok(()),
        files => {
            let added = state.observations().add_unfilled(files);
            added.map_err(|error| observations_failed(state, &error))
        }
    }
}

/// True if there are files to fill.
pub(super) fn is_due(state: &FolderState) -> bool {
    // If this cannot be read now, it is read with the next observation.
    state.observations().has_unfilled().unwrap_or(false)
}

pub(super) fn fill(state: &FolderState, id: Id) -> Event {
    let (more, failed) = match try_fill(state) {
        Ok(is_cut_off) => (is_cut_off && is_due(state), None),
        Err(failure) => (false, Some(failure)),
    };
    Event::Filled { id, more, failed }
}

/// Fills files; true if it stopped because its time was over.
fn try_fill(state: &FolderState) -> Result<bool, Failure> {
    let began_at = Instant::now();
    loop {
        let files = state.observations().unfilled(MOST, MOST_BYTES);
        let files = files.map_err(|error| Failure::Other(observations_failed(state, &error)))?;
        if files.is_empty() {
            return Ok(false);
        }
        give_contents(state, &files).map_err(|error| failure(state, &error))?;
        state.resolve_retired();
        state.remember_stamps();
        // Forget them only now, so that the next start repeats a fill that was interrupted.
        let forgotten = state.observations().forget_unfilled(&files);
        forgotten.map_err(|error| Failure::Other(observations_failed(state, &error)))?;
        // Most files are filled already, so many of these rounds take only a moment.
        if began_at.elapsed() > TURN {
            return Ok(true);
        }
    }
}

/// Fills these files. A file that cannot be written is reported, and does not hold up the others.
///
/// # Errors
///
/// Errors that affect all files: another program holds the index, the disk is full, or the folder is gone.
pub(super) fn give_contents(state: &FolderState, files: &[(RepoPath, Key)]) -> annex::Result<()> {
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
                let why = format!("its content is here, but Anabranch cannot put it in its place ({error})");
                state.log.note_unfit(file.0.to_string(), why);
            }
        }
    }
    Ok(())
}

/// Describes an error of the observations, and makes them again if they are lost.
fn observations_failed(state: &FolderState, error: &rusqlite::Error) -> String {
    state.renew_observations(error);
    format!("the observations could not be used: {error}")
}
