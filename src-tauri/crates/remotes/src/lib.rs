//! Other repositories: how to connect to, read and write them.
//!
//! Start at [`reach`], which returns a [`Remote`]: which repository it is, and what it can do as a git repository
//! ([`Git`]) and as a place for content ([`Contents`]). So far there are four kinds: a repository at a path of this
//! machine (`local`), on its own disk or a drive; one on another computer (`ssh`); one of which only the git part is used,
//! wherever git reaches it (`git_only`); and a special remote of type `directory` (`special`). All other kinds are refused by
//! name.
//!
//! **Invariant:** nothing here decides to transfer anything; it is told what to do with one remote.

pub mod askpass;
mod by_git;
mod failed;
mod git_only;
mod http;
mod local;
mod reach;
mod remote;
pub mod special;
mod ssh;
mod words;

pub use by_git::ByGit;
pub use failed::Failed;
pub use local::last_seen;
pub use reach::reach;
pub use remote::{Contents, Directories, Fetched, FilesOf, Git, Remote, Travel};
pub use ssh::{AtPath, ChangedKey, Hosts, Listening, Survey, Way, known_computers, own_key};
