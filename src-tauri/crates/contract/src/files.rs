use serde::{Deserialize, Serialize};

/// A path inside a folder. Not every name is text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Path {
    /// For people: bytes that are no text are replaced.
    pub shown: String,
    /// Its bytes in hexadecimal: it is asked for by these.
    pub bytes: String,
}

/// Which files of a folder are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// All.
    All,
    /// Those whose paths contain this, whatever the case of ASCII letters.
    Named(String),
    /// Those that a place wants and lacks, by its name.
    WantedBy(String),
    /// Those whose content this folder wants and lacks.
    WantedHere,
    /// Those that [`crate::Folder::few_copies`] counts.
    FewCopies,
}

/// A part of a list of files, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Page {
    /// How many files the whole list has.
    pub total: u64,
    /// From the one that was asked for on, a few hundred at the most.
    pub files: Vec<File>,
}

/// A file of the annex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct File {
    /// Where it is.
    pub path: Path,
    /// Its bytes; none if not known.
    pub bytes: Option<u64>,
    /// True if its content is here.
    pub is_here: bool,
    /// Copies that are known, the one here included.
    pub copies: u64,
}

/// Versions of one file that were made at the same time, all of which are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Conflict {
    /// The name that the file had.
    pub path: Path,
    /// The versions. A single one was changed in one place and deleted in the other, or is what the user left of several.
    pub versions: Vec<Version>,
}

/// One version of a file in conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Version {
    /// The name under which it is kept.
    pub path: Path,
    /// Its bytes; none if not known.
    pub bytes: Option<u64>,
    /// Whose commit brought it; none if not known.
    pub who: Option<String>,
    /// When that was, seconds since the epoch.
    pub at: Option<u64>,
    /// True if its content is here.
    pub is_here: bool,
}
