use serde::{Deserialize, Serialize};

use crate::Path;

/// One page of a folder's activity, from git's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Activity {
    /// The commits, newest first; at most a few hundred.
    pub deeds: Vec<Deed>,
    /// How many commits to skip to get the next page; none if the history ends here.
    pub next: Option<u64>,
}

/// The changes of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Deed {
    /// The commit.
    pub commit: String,
    /// Its author.
    pub who: String,
    /// When it was made, seconds since the epoch.
    pub at: u64,
    /// Files it added.
    pub added: u64,
    /// Files whose content it changed.
    pub changed: u64,
    /// Files it deleted.
    pub deleted: u64,
    /// Files it renamed.
    pub renamed: u64,
    /// A few of their names.
    pub names: Vec<Path>,
}
