use serde::{Deserialize, Serialize};

/// A path inside a folder. Not every name is text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Path {
    /// Its text for the user, with bytes that are not UTF-8 replaced.
    pub shown: String,
    /// Its bytes in hexadecimal, for use in commands.
    pub bytes: String,
}

/// Which files of a folder to list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// All files.
    All,
    /// Files whose paths contain this text, ignoring the case of ASCII letters.
    Named(String),
    /// Files that the place of this name wants and lacks.
    WantedBy(String),
    /// Files whose content this folder wants and lacks.
    WantedHere,
    /// The files that [`crate::Folder::few_copies`] counts.
    FewCopies,
}

/// One page of a list of files, ordered by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Page {
    /// The number of files in the whole list.
    pub total: u64,
    /// The files of this page, at most a few hundred.
    pub files: Vec<File>,
}

/// A file of the annex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct File {
    /// Where it is.
    pub path: Path,
    /// Its size in bytes; none if unknown.
    pub bytes: Option<u64>,
    /// True if its content is in this folder.
    pub is_here: bool,
    /// How many copies are known, including the one in this folder.
    pub copies: u64,
}

/// The versions of a file that was changed in several places at once. All of them are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Conflict {
    /// The original name of the file.
    pub path: Path,
    /// The versions. A single one remains if the file was deleted in the other place, or if the user removed the
    /// others.
    pub versions: Vec<Version>,
}

/// One version of a file in conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Version {
    /// The name it is kept under.
    pub path: Path,
    /// Its size in bytes; none if unknown.
    pub bytes: Option<u64>,
    /// The author of the commit that brought it; none if unknown.
    pub who: Option<String>,
    /// When that commit was made, in seconds since the epoch.
    pub at: Option<u64>,
    /// True if its content is in this folder.
    pub is_here: bool,
}
