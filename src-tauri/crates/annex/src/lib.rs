//! One repository, as git-annex has it: keys, objects, pointer files, logs, index, work tree, commits.
//!
//! Start at [`Annex`]. Everything here works on one repository at a time (two for what goes from one to another on this
//! machine), blocks, and takes git-annex's own locks. It knows nothing of syncing: it never decides that something
//! should happen, and it is the only crate that knows git2.

mod activity;
mod attributes;
mod backend;
mod below;
mod branch;
mod checkout;
mod conflicts;
mod conversions;
pub mod copies;
mod durable;
mod engine_lock;
mod error;
pub mod exchange;
pub mod filter_process;
#[cfg(test)]
mod fixture;
mod git_lock;
mod handles;
pub mod hash_directory;
mod identity;
mod ignore;
mod index;
pub mod init;
mod intake;
mod large_files;
mod lease;
mod locks;
pub mod logs;
mod look;
mod magic;
mod make_below;
mod merge;
pub mod naming;
mod objects;
mod oid;
mod openat;
pub mod pointer;
mod ref_lock;
mod refs;
pub mod removal;
mod repository;
mod rules;
#[cfg(test)]
mod scratch_repository;
pub mod serving;
pub mod settings;
mod sharing;
#[cfg(test)]
#[path = "../../../../tests/src/skipped.rs"]
#[expect(unreachable_pub, reason = "it is public in the crate of the whole-system tests")]
mod skipped;
mod stat;
mod store;
mod tidy;
mod transfer;
mod tree;

pub use activity::{Activity, Deed};
pub use backend::{Backend, HashVerdict, Hasher, Verifier, is_secure_backend};
pub use below::{Directory, NewFile};
pub use branch::{Branch, Changes, Facts, Merged, SpecialRemote};
pub use checkout::{CheckedOut, CheckoutOptions, Obstacle, Retired, Waiting};
pub use conflicts::{Brought, Conflict, Version, unversioned};
pub use engine_lock::{EngineLock, SyncedBy};
pub use error::{Error, Result};
pub use index::IndexState;
pub use intake::{Counts, Intake, IntakeOptions, Postponed};
pub use logs::{Presence, VectorClock};
pub use look::{Candidate, Look, Nested, Removed, RootState, Scope, Standing, is_lost_and_found, looked_at};
pub use make_below::make_below;
pub use merge::{MergeOptions, MergeOutcome, Removals, Theirs, is_control_file};
pub use refs::RefsState;
pub use repository::{Annex, VERSION};
pub use rules::Rules;
pub use store::{Batch, ContentLock, Incoming, Ingested, Making, Reached, Receipt, RetainedLock, SMALL, Store};
pub use tidy::ObjectFiles;
pub use tree::{Annexed, Head, RefusedPath, TreeChange};
