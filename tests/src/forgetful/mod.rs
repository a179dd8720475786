//! A disk that forgets: after a power cut it holds what was synced, and of the rest what a real file system could hold.
//!
//! A [`Mounted`] disk is a FUSE file system in memory that records everything done to it. A [`Recording`] gives the disk
//! that survives a cut at any of its moments, again and again, each time another one: one run of a program is enough for
//! any number of cuts. What may survive is in `survive`, with the reasons.

mod disk;
mod mounted;
mod survive;
mod syncs;

pub use disk::{Disk, Record, Recording, Synced};
pub use mounted::Mounted;
pub use survive::Rules;
