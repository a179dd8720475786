use serde::{Deserialize, Serialize};

use crate::{Path, Purpose};

/// The rules of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rules {
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// Why the file cannot be read, with the line; then the rules here are those still in effect.
    pub mistake: Option<String>,
}

/// A rule: what may be transferred, by place and directory. Of the rules that match, the one with the longest directory
/// wins, then the one that names the place, then the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rule {
    /// The name of the place; none for all places.
    pub place: Option<String>,
    /// The directory, with everything below it; none for the whole folder.
    pub directory: Option<String>,
    /// The transfers that are allowed.
    pub allow: Allow,
}

/// The transfers allowed between a folder and a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Names, and content both ways.
    Everything,
    /// Names only.
    GitOnly,
    /// Names, and content sent to the place.
    ContentUp,
    /// Names, and content received from the place.
    ContentDown,
    /// Nothing at all.
    Nothing,
}

/// The content that a place keeps, that is, wants, as all clones of the folder know it. Groups here are git-annex's
/// standard groups; groups that users named are not included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Keeps {
    /// As its purpose says: that purpose's group, and preferred content `standard`.
    For(Purpose),
    /// Everything, because no preferred content is set.
    All {
        /// The groups it is in nevertheless.
        groups: Vec<String>,
    },
    /// As the user set it with git-annex.
    Own {
        /// Its groups.
        groups: Vec<String>,
        /// Its preferred content; empty if only required content is set.
        wanted: String,
    },
}

/// A change of what one place keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Keeping {
    /// The name of the place.
    pub place: String,
    /// The setting that the user last saw.
    pub before: Keeps,
    /// The new setting.
    pub after: Keeps,
}

/// The effect of new rules, before they are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Preview {
    /// The transfers still needed to and from each place.
    pub travels: Vec<Travel>,
    /// The smallest number of copies that any file would have in this folder and the known places after all transfers;
    /// none without files.
    pub fewest_copies: Option<u64>,
    /// How many files would have that number of copies.
    pub files_with_fewest: u64,
}

/// The files to transfer to and from a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Travel {
    /// The place.
    pub place: String,
    /// Files to send to it.
    pub up: Amount,
    /// Files to receive from it.
    pub down: Amount,
    /// Files that it wants, or that are wanted from it, but that the rules hold back.
    pub held_back: Amount,
}

/// A number of files and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Amount {
    /// The number of files.
    pub files: u64,
    /// Their size in bytes, as far as known.
    pub bytes: u64,
}

/// An entry of the directory tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Branch {
    /// Where it is.
    pub path: Path,
    /// The files below it.
    pub holds: Amount,
    /// True if it contains directories.
    pub has_directories: bool,
}
