use std::path::PathBuf;

use model::readable_error;

/// Why an engine cannot start or answer, as text for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository cannot be opened or worked on.
    #[error(transparent)]
    Annex(#[from] annex::Error),
    /// The observations cannot be stored.
    #[error("could not keep observations in {}: {source}; the disk may be full or read-only", path.display())]
    Observations {
        /// The directory of the database.
        path: PathBuf,
        /// The error from SQLite.
        source: rusqlite::Error,
    },
    /// A system call failed.
    #[error("could not {doing} {}: {}", path.display(), readable_error(source))]
    Io {
        /// The operation, as in "could not {doing}".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error from the system.
        source: std::io::Error,
    },
    /// The request was refused, and nothing was changed.
    #[error("{0}")]
    Refused(String),
}
