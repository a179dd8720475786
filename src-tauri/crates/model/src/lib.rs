//! The basic types that all of Anabranch shares: pure values that are validated once, when they are created.
//!
//! Nothing here does I/O, reads a clock or knows git. Anything from outside (a key in a symlink, a path in a tree, a
//! uuid in a log) becomes one of these types or is refused; after that, no code has to check it again.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests read vectors and may use any collection"
    )
)]

mod cost;
pub mod expression;
mod key;
mod medium;
mod oid;
mod path;
mod remote;
mod size;
mod system_error;
mod time;
mod uuid;

pub use cost::Cost;
pub use expression::Trust;
pub use key::{Key, KeyError};
pub use medium::Medium;
pub use oid::Oid;
pub use path::{PathError, RepoPath};
pub use remote::RemoteName;
pub use size::readable_size;
pub use system_error::readable_error;
pub use time::Timestamp;
pub use uuid::Uuid;
