//! One repository, as git-annex has it: keys, objects, pointer files, logs, index, work tree, commits.
//!
//! Start at [`Annex`]. Everything here works on one repository at a time (two for what goes from one to another on this
//! machine), blocks, and takes git-annex's own locks. It knows nothing of syncing: it never decides that something
//! should happen, and it is the only crate that knows git2.

mod checkout;
mod error;
pub mod exchange;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod measures;
mod merge;
mod repository;
mod standins;
mod tree;

pub use checkout::{CheckedOut, CheckoutOptions};
pub use error::{Error, Result};
pub use merge::{MergeOptions, MergeOutcome, Theirs};
pub use repository::{Annex, VERSION};
pub use tree::{Annexed, Head, RefusedPath, TreeChange};
