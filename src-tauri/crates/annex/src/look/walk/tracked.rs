//! The entries of the index that concern a name.

use std::ops::Range;

use bstr::ByteSlice;

use super::Walk;

/// The entries that concern one name: those of a file, and those below a directory.
#[derive(Default)]
pub(super) struct Tracked {
    pub(super) file: Range<usize>,
    pub(super) below: Range<usize>,
}

impl<'i> Walk<'i> {
    /// The name that the entry at an index has from `start` on in its path, and all entries that concern that name.
    pub(super) fn name_of(&self, at: usize, start: usize) -> (&'i [u8], Tracked) {
        let path = &*self.entries[at].path;
        match path[start..].find_byte(b'/').map(|end| start + end) {
            Some(end) => {
                let (file, below) = (0..0, self.below(&path[..end]));
                (&path[start..end], Tracked { file, below })
            }
            None => {
                let (file, below) = (self.same(at), 0..0);
                (&path[start..], Tracked { file, below })
            }
        }
    }

    /// The entry at an index with the other stages of its path.
    pub(super) fn same(&self, at: usize) -> Range<usize> {
        let path = &self.entries[at].path;
        let stages = self.entries[at..].iter().take_while(|entry| entry.path == *path);
        at..at + stages.count()
    }

    pub(super) fn file_range(&self, path: &[u8]) -> Range<usize> {
        let at = self.entries.partition_point(|entry| *entry.path < *path);
        match self.entries.get(at) {
            Some(entry) if *entry.path == *path => self.same(at),
            _ => 0..0,
        }
    }

    pub(super) fn below(&self, path: &[u8]) -> Range<usize> {
        let directory = [path, b"/"].concat();
        let start = self.entries.partition_point(|entry| *entry.path < *directory);
        let count = self.entries[start..].partition_point(|entry| entry.path.starts_with(&directory));
        start..start + count
    }
}
