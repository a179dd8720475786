//! Remotes that were found where they were not before.
//!
//! A repository is known by its uuid, which everybody can read who has a clone. Whoever copies it to another drive would be
//! given all contents. So a remote is also known by the file systems on which it was found, and another one is asked about.

use std::path::{Path, PathBuf};

use annex::settings::{filesystems, remember_filesystem};
use model::RemoteName;
use remotes::Failed;
use surroundings::Mount;

use super::FolderState;
use crate::Error;

/// A remote that was found on another file system than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    pub(crate) remote: RemoteName,
    pub(crate) place: PathBuf,
    pub(super) filesystem: String,
    /// The user has said that it is not the remote.
    pub(super) is_declined: bool,
}

impl Unconfirmed {
    /// What the question is called, for an answer that may come late.
    pub(crate) fn name(&self) -> String {
        format!("disk-{}-{}", self.remote, self.filesystem)
    }

    pub(crate) fn question(&self) -> contract::Question {
        contract::Question {
            id: self.name(),
            text: format!(
                "{} is on another disk than before, at {}. Did you move or copy it there? Nothing is sent there until you \
                 say so.",
                self.remote,
                self.place.display()
            ),
            yes: "Use it".to_owned(),
            no: "Don't use it".to_owned(),
        }
    }
}

impl FolderState {
    /// Lets a remote be used that was found on a file system where it was before, or for the first time.
    /// One that `is_nameless` is known by nothing else, so also a place that tells nothing of itself is remembered.
    pub(super) fn check_place(
        &self,
        name: &RemoteName,
        place: &Path,
        mount: Option<&Mount>,
        is_nameless: bool,
    ) -> Result<(), Failed> {
        let known = filesystems(self.annex(), name)?;
        let found = mount.and_then(Mount::filesystem);
        let unknown = || format!("unknown, at {}", place.display());
        if known.is_empty() {
            if let Some(now) = found.or_else(|| is_nameless.then(unknown)) {
                // A configuration that cannot be written is no reason not to sync: it is tried again each time.
                let _ = remember_filesystem(self.annex(), name, &now);
            }
            return Ok(());
        }
        // One that tells nothing of itself is not the one that did, but the user may say that this place is right.
        let now = found.unwrap_or_else(unknown);
        if known.contains(&now) {
            self.remotes.forget_unconfirmed(name);
            return Ok(());
        }
        // The mount point of a drive that is not plugged in is an empty directory.
        if place.read_dir().is_ok_and(|mut entries| entries.next().is_none()) {
            return Err(Failed::Away);
        }
        let found = Unconfirmed {
            remote: name.clone(),
            place: place.to_owned(),
            filesystem: now,
            is_declined: false,
        };
        self.remotes.add_unconfirmed(found);
        Err(Failed::Refused(format!(
            "it was found on another disk than before, at {}, and is not used until you confirm it",
            place.display()
        )))
    }

    /// Takes the answer to that question.
    pub(crate) fn confirm(&self, asked: &Unconfirmed, yes: bool) -> Result<(), Error> {
        if yes {
            remember_filesystem(self.annex(), &asked.remote, &asked.filesystem)?;
            self.remotes.forget_unconfirmed(&asked.remote);
        } else {
            self.remotes.decline(asked);
        }
        Ok(())
    }
}
