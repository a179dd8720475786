//! What goes from one repository to another: on this machine without a transport between, and by the `git` program to other
//! computers.

mod by_git;
pub mod by_transport;
mod child;
pub mod content;
mod git_program;
mod introduction;
mod missing;
mod push;
mod received;
mod refs;
#[cfg(test)]
mod tests;

pub use child::stands_alone;
pub use git_program::in_one_line;
pub use introduction::introduce;
pub(crate) use missing::{missing, shallow};
pub use push::{Commits, PushOptions, PushOutcome, push};
pub use received::follow_received;
pub use refs::{Fetched, RemoteHeads, There, fetch, newest, tracked};
