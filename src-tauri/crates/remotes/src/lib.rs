//! Other repositories: how to reach, read and write them.
//!
//! Start at [`reach`]. So far one kind is reached: a repository on a path of this machine, on its own disk or a drive.
//! It is opened directly, and acted in as that repository: its locks, its journal, its branches. Everything else is named
//! [`Absence::Unsupported`] and left alone.
//!
//! **Invariant:** nothing here decides that something should travel; it is told what to do with one remote.

mod path;
mod place;

pub use path::{Contents, Fetched, Remote, last_seen};
pub use place::{Absence, reach};
