//! The machine around the repositories: which files change, what is mounted, which drive it is, how it is connected to others.
//!
//! Everything here only observes (but for [`Drives::eject`]), costs nothing while nothing happens, and knows nothing of repositories.

mod changes;
mod circumstances;
mod drives;
mod mounts;
mod network;
#[cfg(test)]
#[path = "../../../../tests/src/skipped.rs"]
#[expect(unreachable_pub, reason = "it is public in the crate of the whole-system tests")]
mod skipped;

pub use changes::{Blind, Change, Changes, Delivery, History, Since, Watch, WatchError, WatchScope, WatchedPlace, Why};
pub use circumstances::Circumstances;
pub use drives::{Drive, Drives, Ejected, NotEjected};
pub use mounts::{Mount, mount_of, watch_mounts};
pub use network::{Network, watch_network};
