//! Notifications: few, true, and gone when they are not true any more.
//!
//! [`words`] says which notices a status calls for, [`history`] which one of them comes out now, [`record`] keeps what
//! was told across starts, and [`server`] brings it to the desktop.
//!
//! **Invariant:** what comes out is a function of the status, the history and the clock; nothing is counted as told that
//! no notification server took.

mod history;
mod record;
mod server;
mod words;

pub(crate) use server::Notices;

use serde::{Deserialize, Serialize};

use crate::acts::Act;

/// What a notice is about. One of each is shown at the most, and a newer one takes its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum About {
    /// A question of a folder, by its path.
    Question(String),
    /// Damage in a folder, by its path.
    Damage(String),
    /// The answer to what the user asked for, by its number in this process.
    Answer(u64),
    /// A drive that nobody has said yet what it is for, by its id.
    NewDrive(String),
    /// A drive that was pulled out while contents travelled, by its id.
    PulledOut(String),
    /// Versions kept in a folder, by its path.
    Conflicts(String),
    /// No room for contents of a folder, by its path, on a place, by its name; by the folder's path on its own disk.
    Full(String, String),
    /// Contents of a folder, by its path, that wait for a place, by its name.
    Overdue(String, String),
    /// Files of a folder, by its path, of which there are too few copies.
    FewCopies(String),
    /// A drive that has all that belongs on it, by its id.
    UpToDate(String),
    /// The first time that a folder, by its annex uuid, is up to date.
    InStep(String),
}

/// How much a notice matters, in the steps of the desktop's notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Good to know.
    Low,
    Normal,
    /// Danger: stays until it is seen, and is shown also to those who want no notifications.
    Critical,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) about: About,
    pub(crate) urgency: Urgency,
    /// What kind of thing happened, in the words of the desktop's notifications.
    pub(crate) category: &'static str,
    pub(crate) title: String,
    pub(crate) body: String,
    /// Where to go, for desktops whose notifications have no buttons.
    pub(crate) elsewhere: String,
    /// The buttons: their words, and what they do besides closing the notification.
    pub(crate) actions: Vec<(String, Option<Act>)>,
    /// How many things it tells of: more of them may be told again.
    pub(crate) count: u64,
}

/// What the user is told of what he asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) title: String,
    pub(crate) body: String,
}
