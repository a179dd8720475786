use git2::Repository;

use crate::repository::RootId;
use crate::{Annex, Result};

/// Whether the work tree is the one that the [`Annex`] was opened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootState {
    /// The same directory on the same file system, with the same repository.
    Same,
    /// Nothing is there, or no repository: a drive was unplugged, a folder deleted or renamed.
    Vanished,
    /// Another directory, another file system or another repository is there.
    Replaced,
}

impl Annex {
    /// Tells whether the work tree (or bare repository) is still the one that was opened. What is not there is never
    /// taken for deleted unless this says [`RootState::Same`] before and after looking.
    ///
    /// # Errors
    ///
    /// The repository is there, but cannot be opened.
    pub fn root_state(&self) -> Result<RootState> {
        match (self.git(), self.top_state()) {
            (_, Some(wrong)) => Ok(wrong),
            (Ok(git), None) => Ok(self.root_state_by(&git)),
            (Err(_), None) if !self.git_dir().join("HEAD").exists() => Ok(RootState::Vanished),
            (Err(error), None) => Err(error),
        }
    }

    /// The same, with a handle that is open already.
    pub(crate) fn root_state_by(&self, git: &Repository) -> RootState {
        if let Some(wrong) = self.top_state() {
            return wrong;
        }
        if !git.path().join("HEAD").exists() {
            return RootState::Vanished;
        }
        // libgit2 reads the file again if it has changed.
        let uuid = git.config().and_then(|config| config.get_string("annex.uuid"));
        match uuid {
            Ok(uuid) if uuid == self.uuid().as_str() => RootState::Same,
            _ => RootState::Replaced,
        }
    }

    /// What is wrong with the directory itself.
    fn top_state(&self) -> Option<RootState> {
        match RootId::of(self.work_tree().unwrap_or(self.git_dir())) {
            None => Some(RootState::Vanished),
            found if found != self.root() => Some(RootState::Replaced),
            _ => None,
        }
    }
}
