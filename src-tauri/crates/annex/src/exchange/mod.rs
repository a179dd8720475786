//! What goes from one repository to another on this machine, without a transport between.

mod by_git;
pub mod content;
mod missing;
mod refs;
#[cfg(test)]
mod tests;

pub(crate) use missing::{missing, shallow};
pub use refs::{Fetched, PushOptions, PushOutcome, RemoteHeads, fetch, newest, push, tracked};
