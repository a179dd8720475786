//! git-annex's P2P protocol, versions 0 to 4, without any I/O: bytes in, bytes out.
//!
//! Start at [`Server`] or [`Client`], one end of a connection each. Both are fed with what the other end sends, and have what is
//! to be sent. A server says step by step what is to be done, and is told how that ended; a client is told what to ask, and says
//! what was answered. Whoever runs them reads, writes and waits.
//!
//! Two Anabranches have an extension for uploads, since a `PUT` waits for its answer. A client offers many keys ahead, with
//! `OFFER FILE KEY`, and the server answers each with `WANTED OFFSET`, `HELD` or `UNWANTED REASON`. The client sends what is wanted, in
//! the same order: `DATA LENGTH`, the content, and `VALID` or `INVALID`; or `GONE`. The server stores many contents together, and then
//! says `STORED` or `UNSTORED REASON` for each, in the order in which they were sent. `REASON` is [`Unstored`]. A server says in the answer
//! to `configlist` that it has the extension: [`OFFERS`].

mod client;
mod input;
mod message;
mod request;
mod server;

pub use client::{Answer, Client};
pub use message::Unstored;
pub use server::{Access, Ending, Server, Step};

/// The newest version of the protocol that is spoken here.
pub const NEWEST: i64 = 4;

/// The line of `configlist` by which a server says that contents can be offered to it.
pub const OFFERS: &str = "anabranch.offers=1";

/// What a server says to people, before the reason, if the files of its folder do not have all that was pushed.
pub const BEHIND: &str = "the files there are not up to date yet: ";

/// The most offers that may wait for an answer, or for their content.
pub const MOST_OFFERS: usize = 4096;
