use serde::{Deserialize, Serialize};

use crate::Path;

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
