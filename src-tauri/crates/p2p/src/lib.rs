//! git-annex's P2P protocol, versions 0 to 4, without any I/O: bytes in, bytes out.
//!
//! Start at [`Server`] or [`Client`], one end of a connection each. Both are fed with what the other end sends, and have what is
//! to be sent. A server says step by step what is to be done, and is told how that ended; a client is told what to ask, and says
//! what was answered. Whoever runs them reads, writes and waits.

mod client;
mod input;
mod message;
mod request;
mod server;

pub use client::{Answer, Client};
pub use server::{Access, Ending, Server, Step};

/// The newest version of the protocol that is spoken here.
pub const NEWEST: i64 = 4;
