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
//!
//! A second one tells why files are not up to date. git takes a push by itself, and calls nobody afterwards. So a client says `MERGE`, and
//! the server merges what was pushed. It answers `MERGED`, or `BEHIND WHY` if the files of its folder do not have all of it: one was
//! changed there, a lock is held, or too many would be deleted. A client that listens (`notifychanges`, whose lines are [`News`]) hears
//! `BEHIND WHY` when the files begin to wait or the reason changes, and `MERGED` when they have caught up. Each end says that it has the
//! extension by [`MERGES`]: the server in its answer to `configlist`, the client in a field of `notifychanges`. git-annex gets neither
//! of the words.

mod client;
mod input;
mod message;
mod news;
mod request;
mod server;

pub use client::{Answer, Client};
pub use message::Unstored;
pub use news::{Behind, News};
pub use server::{Access, Ending, Server, Step};

/// The newest version of the protocol that is spoken here.
pub const NEWEST: i64 = 4;

/// The line of `configlist` by which a server says that contents can be offered to it.
pub const OFFERS: &str = "anabranch.offers=1";

/// The line of `configlist` by which a server says that it can be told to merge, and the field of `notifychanges` by which a client
/// asks to hear whether that has succeeded.
pub const MERGES: &str = "anabranch.merges=1";

/// The most offers that may wait for an answer, or for their content.
pub const MOST_OFFERS: usize = 4096;
