use annex::Error;

/// Why something could not be done with a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Nothing is at its place: a drive that is not plugged in, a disk not mounted.
    #[error("nothing is at its place")]
    Away,
    /// Another program holds a lock that is needed; in words for people.
    #[error("{0}")]
    Busy(String),
    /// There is no room left; in words for people.
    #[error("{0}")]
    Full(String),
    /// It is not done, or this is not the remote; in words for people.
    #[error("{0}")]
    Refused(String),
    /// Something went wrong; in words for people.
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
