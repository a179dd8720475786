//! Remotes found on another file system than before.
//!
//! A repository is identified by its uuid, which anybody with a clone can read. Anybody who put a copy of it on another
//! drive would be sent all content. So a remote is also identified by the file systems it was found on, and the user is
//! asked about a new one.

use std::path::{Path, PathBuf};

use annex::settings::{filesystems, remember_filesystem};
use model::RemoteName;
use remotes::Failed;
use surroundings::Mount;

use super::FolderState;
use crate::Error;

/// A remote found on another file system than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    pub(crate) remote: RemoteName,
    pub(crate) place: PathBuf,
    pub(super) filesystem: String,
    /// True if, by the user's answer, it is not the remote.
    pub(super) is_declined: bool,
}

impl Unconfirmed {
    /// The id of the question, for an answer that may come late.
    pub(crate) fn name(&self) -> String {
        format!("disk-{}-{}", self.remote, self.filesystem)
    }

    pub(crate) fn question(&self) -> contract::Question {
        contract::Question {
            id: self.name(),
            text: format!(
                "{} is on another disk than before, at {}. Did you move or copy it there? Until you answer, Anabranch \
                 sends nothing there.",
                self.remote,
                self.place.display()
            ),
            yes: "Use it".to_owned(),
            no: "Don't use it".to_owned(),
            typed: None,
        }
    }
}

impl FolderState {
    /// Allows using a remote on a file system it was found on before, or if it is found for the first time. A remote
    /// that `is_nameless` is identified by nothing else, so for it even a file system without an id is remembered.
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
                // Sync even if the configuration cannot be written; the next probe tries again.
                let _ = remember_filesystem(self.annex(), name, &now);
            }
            return Ok(());
        }
        // A file system without an id is not the known one, but the user may confirm this place.
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
            "it was found on another disk than before, at {}, and Anabranch does not use it until you confirm it",
            place.display()
        )))
    }

    /// Carries out the user's answer to the question.
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
