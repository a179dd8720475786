use std::collections::BTreeMap;
use std::io::Write;

use bstr::ByteSlice;

use super::{VectorClock, lines, split_word};

const STAMP: &[u8] = b"timestamp=";

/// A log with one value per repository (`UUID VALUE timestamp=TIME`): descriptions, trust, groups and the like.
///
/// Of the lines about one uuid the newest counts, and of equally new ones the last; a line without a time is older
/// than all others and stays without one. The first word is taken as a uuid whatever it is, as git-annex does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UuidLog<'a> {
    entries: BTreeMap<&'a [u8], (Option<VectorClock>, Vec<u8>)>,
}

impl<'a> UuidLog<'a> {
    /// Reads a log.
    pub fn parse(content: &'a [u8]) -> Self {
        let mut entries: BTreeMap<&[u8], (Option<VectorClock>, &[u8])> = BTreeMap::new();
        for line in lines(content).filter(|line| !line.is_empty()) {
            let (uuid, rest) = split_word(line).unwrap_or((line, b""));
            let new = split_stamp(rest);
            let entry = entries.entry(uuid).or_insert(new);
            if entry.0 <= new.0 {
                *entry = new;
            }
        }
        let own = |(uuid, (time, value)): (&'a [u8], (_, &[u8]))| (uuid, (time, value.to_vec()));
        Self {
            entries: entries.into_iter().map(own).collect(),
        }
    }

    /// The values in the order of their uuids' bytes.
    pub fn values(&self) -> impl Iterator<Item = (&'a [u8], &[u8])> {
        self.entries.iter().map(|(uuid, (_, value))| (*uuid, value.as_slice()))
    }

    /// When each value was written, in the order of the uuids' bytes; those without a time left out.
    pub fn times(&self) -> impl Iterator<Item = (&'a [u8], &[u8], VectorClock)> {
        let entries = self.entries.iter();
        entries.filter_map(|(uuid, (time, value))| Some((*uuid, value.as_slice(), (*time)?)))
    }

    /// Sets the value of `uuid`. A value that is that already becomes the newest, as in git-annex.
    pub fn set(&mut self, uuid: &'a [u8], value: &[u8], now: VectorClock) {
        let time = now.after(self.entries.get(uuid).and_then(|old| old.0));
        self.entries.insert(uuid, (Some(time), value.to_vec()));
    }

    /// Rewrites every value, as git-annex does with those that it parses before it writes them back.
    pub fn normalize(&mut self, rewrite: impl Fn(&[u8]) -> Vec<u8>) {
        for (_, value) in self.entries.values_mut() {
            *value = rewrite(value);
        }
    }

    /// The log as git-annex writes it: one line for each uuid, in byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::new();
        for (uuid, (time, value)) in &self.entries {
            content.extend_from_slice(uuid);
            content.push(b' ');
            content.extend_from_slice(value);
            if let Some(time) = time {
                // Writing into a vector cannot fail.
                let _ = write!(content, " timestamp={time}");
            }
            content.push(b'\n');
        }
        content
    }
}

/// A value may contain ` timestamp=` itself; only the last one, at the end, is the time.
fn split_stamp(rest: &[u8]) -> (Option<VectorClock>, &[u8]) {
    let (value, stamp) = match rest.rsplit_once_str(" ") {
        Some((value, last)) => (value, last),
        None => (&rest[..0], rest),
    };
    match stamp.strip_prefix(STAMP).and_then(VectorClock::parse) {
        Some(time) => (Some(time), value),
        None => (None, rest),
    }
}
