use std::io;
use std::path::{Path, PathBuf};

/// What went wrong in one repository, in words for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation on a file.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// The operation, as in "could not {doing}".
        doing: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// libgit2 refused an operation.
    #[error("could not {doing}: {}", source.message())]
    Git {
        /// The operation, as in "could not {doing}".
        doing: String,
        /// libgit2's answer.
        source: git2::Error,
    },
    /// Something on disk or in git is not what it must be; nothing was changed.
    #[error("{0}")]
    Damaged(String),
    /// The repository is of a kind that this program does not work on; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Another program holds a lock that is needed; trying again later is all there is to do.
    #[error("{} is locked by another program", .0.display())]
    Busy(PathBuf),
    /// Not enough free space without touching the reserve (`annex.diskreserve`).
    #[error("storing {need} bytes would leave less than the reserve of {reserve} bytes free (free now: {free})")]
    DiskReserve {
        /// Bytes that were to be stored.
        need: u64,
        /// Bytes free on the file system.
        free: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
}

impl Error {
    /// For `map_err`: wraps the system's answer with what was being done to which file.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`: wraps libgit2's answer with what was being done.
    pub fn git(doing: impl Into<String>) -> impl FnOnce(git2::Error) -> Error {
        move |source| Error::Git {
            doing: doing.into(),
            source,
        }
    }

    /// True if something is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// True if the file system is full or the quota used up.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Error::DiskReserve { .. } => true,
            Error::Git { source, .. } => source.message().contains("No space left"),
            Error::Damaged(_) | Error::Refused(_) | Error::Busy(_) => false,
        }
    }
}

/// The result of an operation on one repository.
pub type Result<T> = std::result::Result<T, Error>;
