//! The `FSMN` extension: which entries git has to compare with their files, whatever its `core.fsmonitor` says.

use super::ewah;
use super::format::{Fault, Input, put};

/// What git knew of the work tree when it asked its file system monitor last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Monitor {
    /// What the monitor answered, without its final zero: the moment that it will be asked about.
    token: Vec<u8>,
    /// The positions, among all entries, of those that may differ from their files, in order.
    dirty: Vec<u32>,
}

/// The entries of one path that an edit replaces.
pub(super) struct Replaced {
    /// The position of the first, or where it would be.
    pub(super) at: usize,
    /// How many there were.
    pub(super) count: usize,
    /// Whether one is there now.
    pub(super) is_there: bool,
}

impl Monitor {
    /// Reads the extension of an index with so many entries.
    pub(super) fn parse(data: &[u8], entries: usize) -> Result<Self, Fault> {
        const WRONG: Fault = Fault::Damaged("its file system monitor extension cannot be");
        let mut input = Input(data);
        if input.u32()? != 2 {
            return Err(WRONG);
        }
        let token = input.text()?.to_owned();
        let size = input.u32()? as usize;
        let mut bitmap = Input(input.take(size)?);
        let dirty = ewah::decode(&mut bitmap, entries)?;
        match bitmap.0.is_empty() && input.0.is_empty() {
            true => Ok(Self { token, dirty }),
            false => Err(WRONG),
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bitmap = Vec::new();
        ewah::encode(&self.dirty, &mut bitmap);
        let mut out = Vec::with_capacity(self.token.len() + bitmap.len() + 9);
        put(&mut out, 2);
        out.extend_from_slice(&self.token);
        out.push(0);
        put(&mut out, bitmap.len() as u32);
        out.extend_from_slice(&bitmap);
        out
    }

    /// Follows an edit, given in order: git has to compare what is new.
    pub(super) fn follow(&mut self, edit: &[Replaced]) {
        let mut dirty = Vec::with_capacity(self.dirty.len() + edit.len());
        let mut old = self.dirty.iter().map(|&position| position as usize).peekable();
        // Positions move up by what was added before them, and down by what was removed.
        let (mut added, mut removed) = (0, 0);
        for Replaced { at, count, is_there } in edit {
            while let Some(position) = old.next_if(|position| position < at) {
                dirty.push((position + added - removed) as u32);
            }
            while old.next_if(|position| *position < at + count).is_some() {}
            if *is_there {
                dirty.push((at + added - removed) as u32);
                added += 1;
            }
            removed += count;
        }
        dirty.extend(old.map(|position| (position + added - removed) as u32));
        self.dirty = dirty;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_follow_their_entries(
            // Each path has so many entries, the first of which is dirty or not, and is left alone, removed or replaced.
            paths in prop::collection::vec((0..3usize, any::<bool>(), prop::option::of(any::<bool>())), 0..40),
        ) {
            let (mut dirty, mut edit, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            let (mut at, mut new) = (0, 0);
            for (count, is_dirty, change) in paths {
                let is_dirty = is_dirty && count > 0;
                dirty.extend(is_dirty.then_some(at as u32));
                match change {
                    None => {
                        expected.extend(is_dirty.then_some(new as u32));
                        new += count;
                    }
                    Some(is_there) => {
                        edit.push(Replaced { at, count, is_there });
                        expected.extend(is_there.then_some(new as u32));
                        new += usize::from(is_there);
                    }
                }
                at += count;
            }
            let mut monitor = Monitor { token: b"t".to_vec(), dirty };
            monitor.follow(&edit);
            prop_assert_eq!(&monitor.dirty, &expected);
            prop_assert_eq!(Monitor::parse(&monitor.write(), new).unwrap(), monitor);
        }

        #[test]
        fn no_bytes_are_a_fault_of_ours(data in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Monitor::parse(&[&[0, 0, 0, 2], &data[..]].concat(), 100);
        }
    }
}
