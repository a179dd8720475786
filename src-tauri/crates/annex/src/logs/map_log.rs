use std::collections::BTreeMap;
use std::io::Write;

use super::{VectorClock, lines, split_word};

/// A log with one value per field (`TIME FIELD VALUE`): configuration, groups' preferred content, sizes.
///
/// Of the lines about one field the newest counts, and of equally new ones the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MapLog<'a> {
    entries: BTreeMap<&'a [u8], (VectorClock, &'a [u8])>,
}

impl<'a> MapLog<'a> {
    /// Reads a log; lines that cannot be parsed say nothing.
    pub fn parse(content: &'a [u8]) -> Self {
        let mut entries = BTreeMap::new();
        for line in lines(content) {
            let Some((time, rest)) = split_word(line) else { continue };
            let (Some(time), Some((field, value))) = (VectorClock::parse(time), split_word(rest)) else {
                continue;
            };
            let entry = entries.entry(field).or_insert((time, value));
            if entry.0 <= time {
                *entry = (time, value);
            }
        }
        Self { entries }
    }

    /// The values in the order of their fields' bytes.
    pub fn values(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.entries.iter().map(|(field, (_, value))| (*field, *value))
    }

    /// The value of `field`.
    pub fn get(&self, field: &[u8]) -> Option<&'a [u8]> {
        self.entries.get(field).map(|(_, value)| *value)
    }

    /// Sets the value of `field`. A value that is that already becomes the newest, as in git-annex.
    pub fn set(&mut self, field: &'a [u8], value: &'a [u8], now: VectorClock) {
        let time = now.after(self.entries.get(field).map(|old| old.0));
        self.entries.insert(field, (time, value));
    }

    /// The log as git-annex writes it: one line for each field, in byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::new();
        for (field, (time, value)) in &self.entries {
            // Writing into a vector cannot fail.
            let _ = write!(content, "{time} ");
            content.extend_from_slice(field);
            content.push(b' ');
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        content
    }
}
