use serde::{Deserialize, Serialize};

use crate::{
    Activity, Branch, Conflict, Folder, FolderSetting, Keeping, Page, Preview, Rule, Rules, Secret, Which, Why,
};

/// A command to the engine of one folder. It is sent as one line of JSON over the engine's socket, which answers with
/// one [`Reply`] line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Report the folder's state.
    Status,
    /// Report where a file is, where it should be, and what it is waiting for.
    Why {
        /// The path below the top of the folder, as bytes in hexadecimal, since not every name is text.
        path: String,
    },
    /// Start nothing new and stop what is running. The pause survives a restart.
    Pause {
        /// When to resume automatically, in seconds since the epoch; none to wait for [`Command::Resume`].
        until: Option<u64>,
    },
    /// Resume after [`Command::Pause`].
    Resume,
    /// Scan everything and try every place now. The reply comes when everything that can be done now is done.
    Sync,
    /// Move a file to the front of the queue in one direction. Answered by [`Reply::Said`]; refused if the file is not
    /// transferred in that direction at all. Holds while the content is wanted there and the engine runs.
    First {
        /// The path of the file, as bytes in hexadecimal.
        path: String,
        /// The name of the place to send it to; none to download it to this folder.
        place: Option<String>,
    },
    /// Cancel a transfer. The part that has arrived is kept; the transfer resumes after an hour, or as soon as the user
    /// asks. Refused if it has ended.
    Cancel {
        /// Its [`crate::Progress::id`].
        transfer: String,
    },
    /// The user's answer to a question. Refused if the question is no longer open, or if something is to be typed and the
    /// answer is yes.
    Answer {
        /// The id of the question; none for the one shown now.
        question: Option<String>,
        /// True for yes.
        yes: bool,
    },
    /// The answer that the user has typed. Refused if the question is no longer open, or asks for nothing to be typed.
    Enter {
        /// The id of the question.
        question: String,
        /// The answer.
        text: Secret,
    },
    /// List files, one page at a time.
    Files {
        /// Which files.
        which: Which,
        /// How many files to skip.
        skip: u64,
        /// How many files to return; never more than a few hundred.
        count: u64,
    },
    /// List the directories in a directory, ordered by name.
    Tree {
        /// Its path, as bytes in hexadecimal; empty for the folder itself.
        directory: String,
    },
    /// List who did what in the folder, newest first, one page at a time.
    Activity {
        /// How many commits to skip: [`Activity::next`] of the previous page.
        skip: u64,
        /// How many commits to return; never more than a few hundred.
        count: u64,
    },
    /// Read the rules.
    Rules,
    /// Preview what new rules, and new settings of what places keep, would change. Nothing is changed.
    PreviewRules {
        /// The rules.
        rules: Vec<Rule>,
        /// The places.
        #[serde(default)]
        keeps: Vec<Keeping>,
    },
    /// Set the rules and what places keep, effective at once. Refused if either was changed in the meantime; then
    /// nothing is set.
    SetRules {
        /// The rules that the user saw.
        before: Vec<Rule>,
        /// The new rules.
        rules: Vec<Rule>,
        /// The places whose setting changes.
        #[serde(default)]
        keeps: Vec<Keeping>,
    },
    /// Set one of the [`crate::FolderSettings`], effective at once.
    SetFolder {
        /// The setting with its new value.
        setting: FolderSetting,
    },
    /// List what has changed in the folder, for git. Refused if another folder is meant.
    ChangedSince {
        /// [`Since::moment`] of an earlier answer, or any other text.
        moment: String,
        /// The top of the folder as git sees it, as bytes in hexadecimal.
        top: String,
    },
    /// List all unresolved conflicts.
    Conflicts,
    /// Resolve a conflict. Discarded versions stay in the history.
    Resolve {
        /// The path of the file, as bytes in hexadecimal.
        path: String,
        /// Which versions to keep.
        keep: Keep,
    },
    /// Undo the last resolution of a conflict, which restores all versions. Refused if the result was changed in the
    /// meantime.
    Reopen {
        /// The path of the file, as bytes in hexadecimal.
        path: String,
    },
}

/// Which versions to keep when a conflict is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// All versions, each under a name of its own; a single version gets the old name.
    All,
    /// The version at this path, as bytes in hexadecimal, under the old name.
    One(String),
    /// No version: the file was deleted in one place, and the deletion is kept.
    Nothing,
}

/// What has changed since a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Since {
    /// The moment of the answer, for the next question.
    pub moment: String,
    /// The paths of files and directories below the top, as bytes in hexadecimal; none if anything may have changed. A
    /// directory stands for everything below it.
    pub paths: Option<Vec<String>>,
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
    /// To [`Command::Files`].
    Files(Page),
    /// To [`Command::Tree`].
    Tree(Vec<Branch>),
    /// To [`Command::Activity`].
    Activity(Activity),
    /// To [`Command::Rules`].
    Rules(Rules),
    /// To [`Command::PreviewRules`].
    Preview(Preview),
    /// To [`Command::Conflicts`].
    Conflicts(Vec<Conflict>),
    /// To [`Command::ChangedSince`].
    ChangedSince(Since),
    /// Done, or accepted and done later.
    Done,
    /// Done; with a message for the user about the effect.
    Said(String),
    /// Not done; with a message for the user.
    Refused(String),
}
