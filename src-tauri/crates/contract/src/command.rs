use serde::{Deserialize, Serialize};

use crate::{Folder, Why};

/// Something asked of the engine of one folder. One line of JSON on its socket; one [`Reply`] line comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// How are things?
    Status,
    /// Where is this file, where should it be, what is it waiting for? A path below the top of the folder, as bytes in
    /// hexadecimal, since not every name is text.
    Why {
        /// The path.
        path: String,
    },
    /// Start nothing more and stop what runs, until [`Command::Resume`].
    Pause,
    /// Go on after [`Command::Pause`].
    Resume,
    /// Look at everything and try every place now; the reply comes when all is done that can be done now.
    Sync,
    /// The user's answer to the question that is shown.
    Answer {
        /// Yes or no, as the question says.
        yes: bool,
    },
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Command::Status`], and to [`Command::Sync`] when it has ended.
    Status(Box<Folder>),
    /// To [`Command::Why`].
    Why(Why),
    /// Done, or will be.
    Done,
    /// Not done; in words for people.
    Refused(String),
}
