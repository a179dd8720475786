//! Other repositories: how to reach, read and write them.
//!
//! Start at [`reach`], which gives a [`Remote`]: what it is, and what can be done with it, as a git repository
//! ([`Git`]) and as a place for contents ([`Contents`]). So far two kinds are reached: a repository on a path of this machine
//! (`local`), on its own disk or a drive, and a special remote of type `directory` (`special`). All other kinds are refused
//! by name.
//!
//! **Invariant:** nothing here decides that something should travel; it is told what to do with one remote.

mod failed;
mod local;
mod reach;
mod remote;
pub mod special;

pub use failed::Failed;
pub use local::last_seen;
pub use reach::reach;
pub use remote::{Contents, Directories, Fetched, FilesOf, Git, Remote, Travel};
