use std::path::Path;

use crate::{Annex, Result};

/// Which directory the top of a work tree is: as long as this is the same, so is the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RootId {
    device: u64,
    inode: u64,
    file_system: u64,
}

impl RootId {
    /// Looks at a directory; none if there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = rustix::fs::stat(path).ok()?;
        let file_system = rustix::fs::statvfs(path).ok()?;
        Some(Self {
            device: found.st_dev,
            inode: found.st_ino,
            file_system: file_system.f_fsid,
        })
    }
}

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
    pub fn root_state(&self) -> Result<RootState> {
        let top = self.work_tree().unwrap_or(self.git_dir());
        let Some(found) = RootId::of(top) else {
            return Ok(RootState::Vanished);
        };
        if Some(found) != self.root() {
            return Ok(RootState::Replaced);
        }
        let uuid = self.git().and_then(|git| {
            let config = git.config().and_then(|mut config| config.snapshot());
            let config = config.map_err(crate::Error::git("read the configuration"))?;
            Ok(config.get_string("annex.uuid").ok())
        });
        Ok(match uuid {
            Ok(Some(uuid)) if uuid == self.uuid().to_string() => RootState::Same,
            Ok(_) => RootState::Replaced,
            Err(_) => RootState::Vanished,
        })
    }
}
