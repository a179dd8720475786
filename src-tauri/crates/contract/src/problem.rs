use serde::{Deserialize, Serialize};

/// Something that is not as it should be and does not go away by waiting alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Problem {
    /// What happened.
    pub what: String,
    /// Whether anything is lost.
    pub lost: String,
    /// What happens next by itself.
    pub next: String,
    /// What to do about it.
    pub remedy: String,
}
