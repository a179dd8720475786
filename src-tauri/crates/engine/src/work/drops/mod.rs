//! Removes content from this repository, as far as git-annex would: when somebody asks, and by itself when it is not wanted any
//! more.

mod asking;
mod refusals;
mod rules;
mod unwanted;

use std::collections::BTreeMap;

use model::{Key, RepoPath};
use surroundings::Mount;

use super::FolderState;
use super::named::Named;
use crate::Error;
use asking::{Asking, Connect, Outcome};

pub(super) use refusals::Refusals;
pub(super) use rules::DropRules;
pub(super) use unwanted::drop_unwanted;

/// What became of the content of a file that was to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The file.
    pub path: RepoPath,
    /// Why its content stays, as text for the user; none if it is gone.
    pub kept: Option<String>,
}

/// Drops the content of the files at a path and below it, or of all files. Tells of each whose content was here, as soon as
/// that is decided.
///
/// # Errors
///
/// If nothing can be dropped. An error that concerns one file is the reason why its content is kept.
pub(crate) fn drop_content(
    state: &FolderState,
    at: Option<&RepoPath>,
    mounts: &[Mount],
    told: &mut dyn FnMut(Dropped),
) -> Result<(), Error> {
    let annex = state.annex();
    // What others say of copies, trust and required content counts even if it was only fetched so far.
    annex.branch().merge()?;
    state.list_remotes();
    let facts = state.facts()?;
    let Named { keys, files_of } = Named::at(annex, at)?;
    let here = keys.into_iter().filter(|(key, _)| annex.store().is_present(key));
    let here: Vec<(Key, RepoPath)> = here.collect();
    let chosen: Vec<Key> = here.iter().map(|(key, _)| key.clone()).collect();
    let named: BTreeMap<Key, RepoPath> = here.into_iter().collect();
    let asking = Asking::new(state, &facts, Connect::As(mounts), state.stopping())?;
    asking.drop_all(&chosen, &files_of, &mut |key, outcome| {
        told(Dropped {
            path: named[key].clone(),
            kept: match outcome {
                Outcome::Gone | Outcome::Absent => None,
                Outcome::Kept(kept) => Some(kept.why),
            },
        });
    });
    Ok(())
}
