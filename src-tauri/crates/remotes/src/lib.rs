//! Other repositories: how to reach, read and write them.
//!
//! Start at [`reach`], which gives a [`Remote`]: what it is, and what can be done with it, as a git repository
//! ([`Git`]) and as a place for contents ([`Contents`]). So far one kind is reached: a repository on a path of this machine
//! (`local`), on its own disk or a drive. All other kinds are refused by name.
//!
//! **Invariant:** nothing here decides that something should travel; it is told what to do with one remote.

mod failed;
mod local;
mod remote;

pub use failed::Failed;
pub use local::last_seen;
pub use local::reach::reach;
pub use remote::{Contents, Directories, Fetched, FilesOf, Git, Remote, Travel};
