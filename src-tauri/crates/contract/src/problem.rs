use serde::{Deserialize, Serialize};

/// A problem that does not go away by waiting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Problem {
    /// What happened.
    pub what: String,
    /// Whether anything is lost.
    pub lost: String,
    /// What happens next by itself.
    pub next: String,
    /// What to do about it.
    pub remedy: String,
    /// The remedy that one click offers; none if no click helps.
    pub action: Option<Action>,
}

/// A remedy that one click offers for a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Retry everything in a folder: [`crate::Command::Sync`].
    Sync {
        /// The folder, by its path.
        folder: String,
    },
    /// Stop syncing a folder: [`crate::Request::Leave`].
    Leave {
        /// The folder, by its path.
        folder: String,
    },
    /// Show the drives, where each can be ejected.
    SeeDrives,
    /// Show a file or directory in the desktop's program for it.
    Show {
        /// An absolute path. If it no longer exists, its nearest existing parent is shown.
        path: String,
    },
}
