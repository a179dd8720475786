use std::fmt;
use std::sync::Arc;

/// The annex uuid of a repository.
///
/// git-annex writes version-4 uuids but reads any text. Because a uuid also names a directory
/// (`.git/annex/transfer/upload/<uuid>/`), only text that is a safe file name is accepted: 1 to 128 bytes of ASCII
/// letters, digits, `-`, `_`, `.` and `:`, not starting with `.`. Log lines with other "uuids" are preserved byte for
/// byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(Arc<str>);

impl Uuid {
    /// Accepts `text` if it can be a uuid.
    pub fn parse(text: &str) -> Option<Self> {
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        let fits = (1..=128).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(safe);
        fits.then(|| Self(text.into()))
    }

    /// Accepts bytes as found in a log line.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?)
    }

    /// The uuid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn only_safe_file_names_are_uuids() {
        for good in ["217f23d5-452b-47a9-a485-f40d19253ce3", "a", "A_b.c:d"] {
            assert!(Uuid::parse(good).is_some(), "{good}");
        }
        for bad in ["", "..", ".x", "a/b", "a b", "a\nb", "é", &"a".repeat(129)] {
            assert!(Uuid::parse(bad).is_none(), "{bad:?}");
        }
    }
}
