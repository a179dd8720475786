use serde::{Deserialize, Serialize};

use crate::{Purpose, Setting};

/// Something asked of the program as a whole, not of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// What is at this place? Answered by [`Answer::Found`]; nothing is changed.
    Inspect {
        /// An absolute path, or one that begins with `~/`.
        path: String,
    },
    /// What could be kept in sync? Answered by [`Answer::Suggested`].
    Suggest,
    /// Keep a folder in sync from now on: made if it is not there, adopted if git or git-annex made it.
    Add {
        /// An absolute path, or one that begins with `~/`.
        path: String,
    },
    /// Make a clone of a folder at another path of this computer, keep both in sync.
    CloneTo {
        /// The folder, by its path.
        folder: String,
        /// An absolute path, or one that begins with `~/`; nothing or an empty directory is there.
        path: String,
    },
    /// Keep a folder in sync no longer. Its files and its repository stay as they are.
    Leave {
        /// The folder, by its path.
        folder: String,
    },
    /// Make a place for a folder on a drive, and bring it up to date.
    UseDrive {
        /// The drive, by its id.
        drive: String,
        /// The folder, by its path.
        folder: String,
        /// What the drive is for.
        purpose: Purpose,
    },
    /// Never ask about this drive again.
    DeclineDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Ask about this drive again.
    ReconsiderDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Bring a drive up to date, then unmount it and, where possible, switch it off. Answered when that is done or has
    /// failed; [`Request::KeepDrive`] ends the wait.
    Eject {
        /// The drive, by its id.
        drive: String,
    },
    /// Do not eject after all. Answered when it is known whether the drive stays.
    KeepDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Changes a setting, in force at once and written to the settings file.
    Set(Setting),
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Done; what was done, in words for people.
    Done(String),
    /// To [`Request::Inspect`].
    Found(Found),
    /// To [`Request::Suggest`]: paths of folders that git-annex's assistant keeps in sync, by its autostart file, and
    /// that this program does not.
    Suggested(Vec<String>),
    /// Not done and nothing changed; why, and what to do, in words for people.
    Refused(String),
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Found {
    /// The path without `~` or links.
    pub path: String,
    /// What is there.
    pub what: AtPlace,
    /// Files there, counted up to some thousands; none if not counted to the end.
    pub files: Option<u64>,
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum AtPlace {
    /// Nothing yet: it would be made.
    Nothing,
    /// A directory that is no repository: it would become one, and its files stay where they are.
    Directory,
    /// A git repository that git-annex does not know yet.
    Git,
    /// A git-annex repository.
    Annex,
    /// It is kept in sync already.
    Kept,
    /// It cannot be used; why, in words for people.
    Unusable(String),
}
