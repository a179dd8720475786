use std::collections::BTreeSet;

use super::journal;
use crate::{Annex, Error, Result};

const JOURNAL: &str = "journal-private";

/// What is recorded about files of the branch for this repository's eyes only.
pub(super) fn reader(annex: &Annex) -> journal::Reader<'_> {
    journal::Reader::of_named(annex, JOURNAL)
}

/// Records the complete content of one file of the branch where it is never committed.
pub(super) fn write(annex: &Annex, path: &[u8], content: &[u8]) -> Result<()> {
    journal::write_files(annex, JOURNAL, &[(path.to_vec(), content.to_vec())])
}

/// The uuids of remotes marked `remote.<name>.annex-private`: nothing about them may reach the branch.
pub(super) fn uuids(repo: &git2::Repository) -> Result<BTreeSet<String>> {
    let failed = || Error::git("read the configuration");
    let config = repo
        .config()
        .and_then(|mut config| config.snapshot())
        .map_err(failed())?;
    let mut found = BTreeSet::new();
    let mut entries = config
        .entries(Some("^remote\\..*\\.annex-private$"))
        .map_err(failed())?;
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(failed())?;
        let Ok(name) = entry.name() else { continue };
        if config.get_bool(name).unwrap_or(true) {
            let name = name.trim_end_matches("private").to_owned() + "uuid";
            found.extend(config.get_string(&name));
        }
    }
    Ok(found)
}
