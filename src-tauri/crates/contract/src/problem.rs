use serde::{Deserialize, Serialize};

/// Something that is not as it should be and does not go away by waiting alone.
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
    /// What can be done about it with one click; none if that helps nothing.
    pub action: Option<Action>,
}

/// What can be done about a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Try everything of a folder again: [`crate::Command::Sync`].
    Sync {
        /// The folder, by its path.
        folder: String,
    },
    /// Keep a folder in sync no longer: [`crate::Request::Leave`].
    Leave {
        /// The folder, by its path.
        folder: String,
    },
    /// Look at the drives, where each can be ejected.
    SeeDrives,
    /// Look at a file or directory with the desktop's program for it.
    Show {
        /// An absolute path. If nothing is there any more, what is above it is shown.
        path: String,
    },
}
