//! What the owner of the account lets clients do, by the environment that sshd starts this with.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::directory::{absolute, goes_up, normal};
use crate::error::{Error, Result};

const READ_ONLY: &str = "GIT_ANNEX_SHELL_READONLY";
const APPEND_ONLY: &str = "GIT_ANNEX_SHELL_APPENDONLY";
const LIMITED: &str = "GIT_ANNEX_SHELL_LIMITED";
const DIRECTORY: &str = "GIT_ANNEX_SHELL_DIRECTORY";

/// What clients may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    is_read_only: bool,
    is_append_only: bool,
    is_limited: bool,
    /// The only directory that may be used.
    only: Option<PathBuf>,
}

impl Access {
    /// Reads the variables; any value of the first three counts.
    pub(crate) fn from_environment() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let only = env::var_os(DIRECTORY).map(|only| normal(&absolute(&only)));
        Self {
            is_read_only: is_set(READ_ONLY),
            is_append_only: is_set(APPEND_ONLY),
            is_limited: is_set(LIMITED),
            only,
        }
    }

    /// The same for the protocol.
    pub(crate) fn of_protocol(&self) -> p2p::Access {
        match (self.is_read_only, self.is_append_only) {
            (true, _) => p2p::Access::ReadOnly,
            (false, true) => p2p::Access::AppendOnly,
            (false, false) => p2p::Access::All,
        }
    }

    /// True if nothing may be changed.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Refuses what changes the repository.
    pub(crate) fn may_write(&self) -> Result<()> {
        refuse(self.is_read_only, READ_ONLY)
    }

    /// Refuses what removes content.
    pub(crate) fn may_remove(&self) -> Result<()> {
        self.may_write()?;
        refuse(self.is_append_only, APPEND_ONLY)
    }

    /// Refuses what is not git-annex's own.
    pub(crate) fn may_use_git(&self) -> Result<()> {
        refuse(self.is_limited, LIMITED)
    }

    /// The path that a client means, if it may be used. Where only one directory may, no path that goes up is taken for it: what
    /// it goes up from may be a link.
    pub(crate) fn find(&self, given: &OsStr) -> Result<PathBuf> {
        let path = absolute(given);
        match &self.only {
            Some(only) if goes_up(&path) || normal(&path) != *only => Err(Error::Refused(format!(
                "{} may not be used, only {} ({DIRECTORY})",
                path.display(),
                only.display()
            ))),
            _ => Ok(path),
        }
    }
}

fn refuse(is_refused: bool, variable: &str) -> Result<()> {
    match is_refused {
        true => Err(Error::Refused(format!(
            "this computer does not allow that ({variable})"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_directory_is_allowed_no_other_is() {
        let access = Access {
            only: Some("/srv/photos".into()),
            ..Access::default()
        };
        for (given, is_allowed) in [
            ("/srv/photos", true),
            ("/srv/photos/", true),
            ("/srv/./photos", true),
            ("/srv/photos/link/../../photos", false),
            ("/srv/photos/..", false),
            ("/srv/photos/sub", false),
            ("/srv/photos.git", false),
            ("photos", false),
            ("", false),
        ] {
            assert_eq!(access.find(OsStr::new(given)).is_ok(), is_allowed, "{given}");
        }
        assert!(Access::default().find(OsStr::new("/srv/../etc")).is_ok());
    }
}
