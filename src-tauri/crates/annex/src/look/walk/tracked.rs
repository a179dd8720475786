//! The entries of the index that concern a name.

use bstr::ByteSlice;

use super::Walk;
use crate::index::Span;

/// The entries that concern one name: those of a file, and those below a directory.
#[derive(Default)]
pub(super) struct Tracked {
    pub(super) file: Span,
    pub(super) below: Span,
}

impl Walk<'_> {
    /// The name that a path has from `start` on, and of entries that begin with that path those that concern the name.
    pub(super) fn name_of<'p>(&self, path: &'p [u8], start: usize, rest: &Span) -> (&'p [u8], Tracked) {
        let mut tracked = Tracked::default();
        let name = match path[start..].find_byte(b'/').map(|end| start + end) {
            Some(end) => {
                tracked.below = self.entries.with_prefix(rest, &path[..=end], None);
                &path[start..end]
            }
            None => {
                tracked.file = self.entries.same(rest, path);
                &path[start..]
            }
        };
        (name, tracked)
    }
}
