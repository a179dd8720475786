use std::path::PathBuf;

/// Why an engine cannot start or answer, in words for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository cannot be opened or worked on.
    #[error(transparent)]
    Annex(#[from] annex::Error),
    /// The observations cannot be kept.
    #[error("could not keep observations in {}: {source}; nothing is lost. Is the disk full or read-only?", path.display())]
    Observations {
        /// The directory of the database.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// The system refused something.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// The operation, as in "could not {doing}".
        doing: &'static str,
        /// The file concerned.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is not done, and nothing was changed.
    #[error("{0}")]
    Refused(String),
}
