/// Why a client is not served, as text for the person at the other end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Annex(#[from] annex::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The client has gone, or cannot be talked to.
    #[error("the connection has broken: {0}")]
    Connection(#[from] std::io::Error),
    #[error(transparent)]
    Watch(#[from] surroundings::WatchError),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
