//! The annexed files that a command names.

use std::collections::{BTreeMap, BTreeSet};

use annex::Annex;
use model::{Key, RepoPath};

use crate::Error;

/// The contents of the files that a command names.
pub(super) struct Named {
    /// Each key once, with the first of the named files that have it, in the order of these files.
    pub(super) keys: Vec<(Key, RepoPath)>,
    /// All files of the repository that have a key, named or not.
    pub(super) files_of: BTreeMap<Key, BTreeSet<RepoPath>>,
}

impl Named {
    /// The files at a path and below it, or all files.
    ///
    /// # Errors
    ///
    /// If there is none, or the index cannot be read.
    pub(super) fn at(annex: &Annex, at: Option<&RepoPath>) -> Result<Self, Error> {
        let is_named = |path: &RepoPath| at.is_none_or(|at| path == at || path.is_within(at));
        let mut named = Self {
            keys: Vec::new(),
            files_of: BTreeMap::new(),
        };
        let mut seen = BTreeSet::new();
        for (path, key) in annex.annexed_files()? {
            if is_named(&path) && seen.insert(key.clone()) {
                named.keys.push((key.clone(), path.clone()));
            }
            named.files_of.entry(key).or_default().insert(path);
        }
        match named.keys.is_empty() {
            false => Ok(named),
            true => Err(Error::Refused(match at {
                Some(path) => {
                    format!("{path}: no file is there that git-annex or Anabranch manages; nothing was changed")
                }
                None => "the folder has no files yet that git-annex or Anabranch manages".to_owned(),
            })),
        }
    }
}
