use super::{VectorClock, lines, split_word};

/// A log of one number for the whole repository (`TIME NUMBER`): numcopies and mincopies.
///
/// Of the lines the newest counts, and of equally new ones the greatest number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SingleLog {
    entry: Option<(VectorClock, u32)>,
}

impl SingleLog {
    /// Reads a log; lines that cannot be parsed, or whose value is not a number, say nothing.
    pub fn parse(content: &[u8]) -> Self {
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        let parse = |line| {
            let (time, value) = split_word(line)?;
            let value = split_word(value).map_or(value, |(first, _)| first);
            Some((VectorClock::parse(time)?, number(value)?))
        };
        Self {
            entry: lines(content).filter_map(parse).max(),
        }
    }

    /// The value that counts.
    pub fn value(&self) -> Option<u32> {
        self.entry.map(|(_, value)| value)
    }

    /// Sets the value; false if it is that already, and nothing is to be written.
    pub fn set(&mut self, value: u32, now: VectorClock) -> bool {
        if self.value() == Some(value) {
            return false;
        }
        self.entry = Some((now.after(self.entry.map(|old| old.0)), value));
        true
    }

    /// The log as git-annex writes it: one line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let line = |(time, value)| format!("{time} {value}\n").into_bytes();
        self.entry.map(line).unwrap_or_default()
    }
}
