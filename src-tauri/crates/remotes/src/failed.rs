use annex::Error;

/// Why an operation on a remote failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Nothing is at its place: a drive is not plugged in, or a disk is not mounted.
    #[error("nothing is at its place")]
    Away,
    /// Another program holds a lock that is needed; with text for the user.
    #[error("{0}")]
    Busy(String),
    /// The disk is full; with text for the user.
    #[error("{0}")]
    Full(String),
    /// The operation is not allowed, or this is another repository; with text for the user.
    #[error("{0}")]
    Refused(String),
    /// Anything else; with text for the user.
    #[error("{0}")]
    Broken(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            Error::Busy(_) => Self::Busy(words),
            Error::Refused(_) => Self::Refused(words),
            error if error.is_disk_full() => Self::Full(words),
            Error::Io { .. } | Error::Git { .. } | Error::Damaged(_) | Error::DiskReserve { .. } => Self::Broken(words),
        }
    }
}
