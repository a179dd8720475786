//! What goes from one repository to another on this machine, without a transport between.

mod by_git;
pub mod content;
mod missing;
mod push;
mod received;
mod refs;
#[cfg(test)]
mod tests;

pub(crate) use missing::{missing, shallow};
pub use push::{Commits, PushOptions, PushOutcome, push};
pub use received::follow_received;
pub use refs::{Fetched, RemoteHeads, fetch, newest, tracked};
