use serde::{Deserialize, Serialize};

use crate::{Purpose, Setting};

/// A request to the program as a whole, not to one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Report what is at a path. Answered by [`Answer::Found`]; nothing is changed.
    Inspect {
        /// An absolute path, or one that begins with `~/`.
        path: String,
    },
    /// Suggest folders to sync. Answered by [`Answer::Suggested`].
    Suggest,
    /// Start syncing a folder: create it if it does not exist, adopt it if git or git-annex created it.
    Add {
        /// An absolute path, or one that begins with `~/`.
        path: String,
    },
    /// Clone a folder to another path on this computer, and sync both.
    CloneTo {
        /// The folder, by its path.
        folder: String,
        /// An absolute path, or one that begins with `~/`. Either nothing or an empty directory must be there.
        path: String,
    },
    /// Stop syncing a folder. Its files and its repository stay as they are.
    Leave {
        /// The folder, by its path.
        folder: String,
    },
    /// Create a place for a folder on a drive, and bring it up to date.
    UseDrive {
        /// The drive, by its id.
        drive: String,
        /// The folder, by its path.
        folder: String,
        /// The purpose of the drive.
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
    /// Bring a drive up to date, then unmount it and, where possible, switch it off. The answer comes when that is done
    /// or has failed; [`Request::KeepDrive`] cancels it.
    Eject {
        /// The drive, by its id.
        drive: String,
    },
    /// Cancel ejecting a drive. The answer comes once it is known whether the drive stays.
    KeepDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Change a setting, effective at once, and write it to the settings file.
    Set(Setting),
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Done; with a message for the user.
    Done(String),
    /// To [`Request::Inspect`].
    Found(Found),
    /// To [`Request::Suggest`]: paths of folders that git-annex's assistant syncs, by its autostart file, and that
    /// Anabranch does not.
    Suggested(Vec<String>),
    /// Not done, and nothing changed; with the reason and a remedy for the user.
    Refused(String),
}

/// The result of [`Request::Inspect`] for a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Found {
    /// The path with `~` and links resolved.
    pub path: String,
    /// What is there.
    pub what: AtPlace,
    /// The number of files there; none if there are too many, or if they were not counted.
    pub files: Option<u64>,
}

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum AtPlace {
    /// Nothing yet: the folder would be created.
    Nothing,
    /// A directory that is not a repository: it would become one, and its files would stay where they are.
    Directory,
    /// A git repository in which git-annex is not set up yet.
    Git,
    /// A git-annex repository.
    Annex,
    /// A folder that Anabranch already syncs.
    Kept,
    /// Something that cannot be used; with the reason, as text for the user.
    Unusable(String),
}
