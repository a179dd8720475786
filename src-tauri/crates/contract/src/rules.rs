use serde::{Deserialize, Serialize};

use crate::{Path, Purpose};

/// The rules of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rules {
    /// In the order of the file.
    pub rules: Vec<Rule>,
    /// Why the file cannot be read, with its line; the rules here are then those in force.
    pub mistake: Option<String>,
}

/// What may travel, by place and directory. Of those that fit, the longest directory wins, then the one that names the
/// place, then the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rule {
    /// The name of the place; none for all.
    pub place: Option<String>,
    /// The directory, with all below it; none for the whole folder.
    pub directory: Option<String>,
    /// What may travel.
    pub allow: Allow,
}

/// What may travel between a folder and a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Names, and contents both ways.
    Everything,
    /// Names only.
    GitOnly,
    /// Names, and contents from here.
    ContentUp,
    /// Names, and contents to here.
    ContentDown,
    /// Nothing at all.
    Nothing,
}

/// What a place keeps: what it wants, as all clones of the folder know it. Groups are git-annex's standard groups; those
/// that somebody has named are not among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Keeps {
    /// What it is for says: its group, and preferred content `standard`.
    For(Purpose),
    /// Everything, as there is no preferred content.
    All {
        /// The groups that it is in all the same.
        groups: Vec<String>,
    },
    /// What was set with git-annex.
    Own {
        /// Its groups.
        groups: Vec<String>,
        /// Its preferred content; empty if only required content is set.
        wanted: String,
    },
}

/// A place that is to keep something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Keeping {
    /// The name of the place.
    pub place: String,
    /// What it kept when the user last saw it.
    pub before: Keeps,
    /// What it is to keep.
    pub after: Keeps,
}

/// What rules would change, before they are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Preview {
    /// What would still have to travel to and from each place.
    pub travels: Vec<Travel>,
    /// The fewest copies that any file would have, in this folder and the places that are known, when all that has
    /// travelled; none without files.
    pub fewest_copies: Option<u64>,
    /// How many files would have so few.
    pub files_with_fewest: u64,
}

/// Contents that travel to and from a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Travel {
    /// The place.
    pub place: String,
    /// Files to it and their bytes.
    pub up: Amount,
    /// Files from it and their bytes.
    pub down: Amount,
    /// Files that it wants or that are wanted from it, and that the rules hold back.
    pub held_back: Amount,
}

/// A number of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Amount {
    /// How many.
    pub files: u64,
    /// Their bytes, as far as known.
    pub bytes: u64,
}

/// A directory or file of a folder, as a tree shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Branch {
    /// Where it is.
    pub path: Path,
    /// All files below it.
    pub holds: Amount,
    /// True if it has directories of its own.
    pub has_directories: bool,
}
