use std::collections::BTreeMap;
use std::io::Write;

use super::{VectorClock, lines, split_word};

/// What a presence log says about one subject (for location logs: whether a repository has the content).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// `1`: it is there.
    Present,
    /// `0`: it is not there.
    Missing,
    /// `X`: it is known to be lost there for good.
    Dead,
}

impl Presence {
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"1" => Some(Self::Present),
            b"0" => Some(Self::Missing),
            b"X" => Some(Self::Dead),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Present => "1",
            Self::Missing => "0",
            Self::Dead => "X",
        }
    }
}

/// A presence log (`TIME STATUS VALUE`): location logs, urls, equivalent keys.
///
/// Of the lines about one value the newest counts, and of equally new ones the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceLog<'a> {
    entries: BTreeMap<&'a [u8], (VectorClock, Presence)>,
}

impl<'a> PresenceLog<'a> {
    /// Reads a log; lines that cannot be parsed say nothing.
    pub fn parse(content: &'a [u8]) -> Self {
        let mut entries = BTreeMap::new();
        for line in lines(content) {
            let Some((time, presence, value)) = parse_line(line) else {
                continue;
            };
            let entry = entries.entry(value).or_insert((time, presence));
            if entry.0 < time {
                *entry = (time, presence);
            }
        }
        Self { entries }
    }

    /// What is known about `value`.
    pub fn get(&self, value: &[u8]) -> Option<Presence> {
        self.entries.get(value).map(|&(_, presence)| presence)
    }

    /// The values that are present, in byte order.
    pub fn present(&self) -> impl Iterator<Item = &'a [u8]> {
        let present = |entry: &(_, Presence)| entry.1 == Presence::Present;
        self.entries
            .iter()
            .filter(move |(_, entry)| present(entry))
            .map(|(value, _)| *value)
    }

    /// Sets what is known about `value`; false if that is known already, and nothing is to be written.
    pub fn set(&mut self, value: &'a [u8], presence: Presence, now: VectorClock) -> bool {
        let old = self.entries.get(value);
        if old.is_some_and(|old| old.1 == presence) {
            return false;
        }
        let time = now.after(old.map(|old| old.0));
        self.entries.insert(value, (time, presence));
        true
    }

    /// The log as git-annex writes it: one line for each value, in the values' byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::new();
        for (value, (time, presence)) in &self.entries {
            // Writing into a vector cannot fail.
            let _ = write!(content, "{time} {} ", presence.as_str());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        content
    }
}

fn parse_line(line: &[u8]) -> Option<(VectorClock, Presence, &[u8])> {
    let (time, rest) = split_word(line)?;
    let (status, value) = split_word(rest)?;
    Some((VectorClock::parse(time)?, Presence::parse(status)?, value))
}
