//! git-annex's P2P protocol, versions 0 to 4, without any I/O: bytes in, bytes out.
//!
//! Start at [`Server`]. It is fed with what the client sends, says step by step what is to be done, and is told how that
//! ended. Whoever runs it reads, writes and waits.

mod input;
mod message;
mod server;

pub use server::{Access, Ending, Server, Step};

/// The newest version of the protocol that is spoken here.
pub const NEWEST: i64 = 4;
