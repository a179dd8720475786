//! What goes from one repository to another on this machine, without a transport between.

pub mod content;
mod missing;
mod refs;
#[cfg(test)]
mod tests;

pub use refs::{Fetched, PushOptions, PushOutcome, RemoteHeads, fetch, newest, push, tracked};
