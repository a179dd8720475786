//! The log files of the git-annex branch: what a line says, which line counts, and what a change writes.
//!
//! Bytes in, bytes out: nothing here reads a repository. Lines that this program does not understand are merged like
//! the others; they are dropped by a change where git-annex drops them too.

mod clock;
mod map_log;
mod merge;
mod paths;
mod presence;
mod single;
#[cfg(test)]
mod tests;
mod uuid_log;
mod values;

use bstr::ByteSlice;

pub use clock::VectorClock;
pub use map_log::MapLog;
pub use merge::union;
pub use paths::{Kind, key_of_location_log, kind, location_log};
pub use presence::{Presence, PresenceLog};
pub use single::SingleLog;
pub use uuid_log::UuidLog;
pub(crate) use values::{normal_value, setting_text};

/// The lines of a file, without their LF; a CR before it is dropped, as git-annex does when it reads a log.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.lines().map(|line| line.trim_end_with(|c| c == '\r'))
}

/// Splits at the first space, which is dropped.
fn split_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    text.split_once_str(" ")
}
