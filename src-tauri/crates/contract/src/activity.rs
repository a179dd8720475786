use serde::{Deserialize, Serialize};

use crate::Path;

/// A part of who did what in a folder, from git's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Activity {
    /// What was done, newest first, a few hundred at the most.
    pub deeds: Vec<Deed>,
    /// How many commits to leave out to go on from here; none at the beginning of the history.
    pub next: Option<u64>,
}

/// What one commit did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Deed {
    /// The commit.
    pub commit: String,
    /// Whose it is.
    pub who: String,
    /// When it was made, seconds since the epoch.
    pub at: u64,
    /// Files that came.
    pub added: u64,
    /// Files that became others.
    pub changed: u64,
    /// Files that went.
    pub deleted: u64,
    /// Files that went while the same came under another name.
    pub renamed: u64,
    /// A few of their names.
    pub names: Vec<Path>,
}
