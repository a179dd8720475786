use serde::{Deserialize, Serialize};

use crate::{Activity, Branch, Conflict, Folder, FolderSetting, Keeping, Page, Preview, Rule, Rules, Which, Why};

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
    /// Start nothing more and stop what runs, also when the folder is opened anew.
    Pause {
        /// When to go on by itself, seconds since the epoch; none to wait for [`Command::Resume`].
        until: Option<u64>,
    },
    /// Go on after [`Command::Pause`].
    Resume,
    /// Look at everything and try every place now; the reply comes when all is done that can be done now.
    Sync,
    /// Let the content of a file be the next to travel in one way. Answered by [`Reply::Said`]; refused if it does not travel
    /// that way at all. Holds for as long as it is wanted there and the engine runs.
    First {
        /// The path of the file, as bytes in hexadecimal.
        path: String,
        /// The name of the place that it goes to; none for this folder.
        place: Option<String>,
    },
    /// Stop a transfer. What has arrived of it is kept; the rest goes on after an hour, or when it is asked for. Refused if
    /// it has ended.
    Cancel {
        /// What [`crate::Progress::id`] says.
        transfer: String,
    },
    /// The user's answer to a question. Refused if it is not open any more.
    Answer {
        /// Which question, by its name; none for the one that is shown now.
        question: Option<String>,
        /// Yes or no, as the question says.
        yes: bool,
    },
    /// A part of a list of files.
    Files {
        /// Which files.
        which: Which,
        /// How many to leave out at the beginning.
        skip: u64,
        /// How many at the most; a few hundred are given at the most.
        count: u64,
    },
    /// The directories of a directory, in the order of their names.
    Tree {
        /// Its path, as bytes in hexadecimal; empty for the folder itself.
        directory: String,
    },
    /// A part of who did what in the folder, newest first.
    Activity {
        /// How many commits to leave out at the beginning: what [`Activity::next`] says, to go on from there.
        skip: u64,
        /// How many deeds at the most; a few hundred are given at the most.
        count: u64,
    },
    /// The rules.
    Rules,
    /// What these rules, and places that keep something else, would change; nothing is changed.
    PreviewRules {
        /// The rules.
        rules: Vec<Rule>,
        /// The places.
        #[serde(default)]
        keeps: Vec<Keeping>,
    },
    /// Sets the rules and what places keep, in force at once. Refused if either was changed since; then nothing is set.
    SetRules {
        /// The rules that the user saw.
        before: Vec<Rule>,
        /// The new ones.
        rules: Vec<Rule>,
        /// The places that are to keep something else.
        #[serde(default)]
        keeps: Vec<Keeping>,
    },
    /// Sets one of the [`crate::FolderSettings`], in force at once.
    SetFolder {
        /// The setting with its new value.
        setting: FolderSetting,
    },
    /// All conflicts that are not settled.
    Conflicts,
    /// Settles a conflict. What is not kept stays in the history.
    Settle {
        /// The path of the file, as bytes in hexadecimal.
        path: String,
        /// What becomes of the versions.
        keep: Keep,
    },
    /// Takes back how a conflict was settled last: all versions are there again. Refused if what was left was changed since.
    Unsettle {
        /// The path of the file, as bytes in hexadecimal.
        path: String,
    },
}

/// What is kept when a conflict is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// All versions, each under a name of its own; a single one under the old name.
    All,
    /// The version at this path, as bytes in hexadecimal, under the old name.
    One(String),
    /// None: the file was deleted in one place, and that is what holds.
    Nothing,
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
    /// Done, or will be.
    Done,
    /// Done; what comes of it, in words for people.
    Said(String),
    /// Not done; in words for people.
    Refused(String),
}
