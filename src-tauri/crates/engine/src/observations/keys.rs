//! How the database stores keys. A usual key is a byte for its backend, its digest in binary, and its extension; its size
//! is a column of its own. Any other key is a zero byte and its whole text.
//!
//! Each key has exactly one stored form, so keys are equal if their stored forms and sizes are.

use model::Key;
use rusqlite::{Connection, OptionalExtension, params};

use super::Result;

/// The backends of usual keys, and how many bytes their digests have. A stored key has the number of its backend here,
/// counted from 1.
const BACKENDS: [(&[u8], usize); 8] = [
    (b"SHA256E", 32),
    (b"SHA256", 32),
    (b"MD5E", 16),
    (b"MD5", 16),
    (b"SHA1E", 20),
    (b"SHA1", 20),
    (b"SHA512E", 64),
    (b"SHA512", 64),
];

/// The first byte of a key that is stored as text.
const TEXT: u8 = 0;

/// A key can claim any size, and sums must not overflow.
const MOST: u64 = 1 << 40;

/// The size that counts for a key. A usual key has no other.
pub(super) fn size(key: &Key) -> i64 {
    i64::try_from(key.size().unwrap_or(0).min(MOST)).unwrap_or(i64::MAX)
}

/// The stored form of a key.
pub(super) fn stored(key: &Key) -> Vec<u8> {
    usual(key).unwrap_or_else(|| [&[TEXT], key.as_bytes()].concat())
}

fn usual(key: &Key) -> Option<Vec<u8>> {
    let backend = key.backend();
    let number = BACKENDS
        .iter()
        .position(|(name, _)| *name == backend.as_ref() as &[u8])?;
    let name = key.name();
    let (digest, extension) = name.split_at_checked(2 * BACKENDS[number].1)?;
    // A key with an unusual field or a size above `MOST` differs from this in its text.
    let head = format!("-s{}--", size(key));
    let is_usual = key.as_bytes()[backend.len()..].strip_prefix(head.as_bytes()) == Some(name);
    if !is_usual || digest.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut stored = vec![u8::try_from(number + 1).ok()?; 1 + digest.len() / 2];
    hex::decode_to_slice(digest, &mut stored[1..]).ok()?;
    stored.extend_from_slice(extension);
    Some(stored)
}

/// The key of a stored form and size; none if the database holds something else.
pub(super) fn parse(stored: &[u8], size: i64) -> Option<Key> {
    let (first, rest) = stored.split_first()?;
    if *first == TEXT {
        return Key::parse(rest).ok();
    }
    let (backend, length) = BACKENDS.get(usize::from(*first) - 1)?;
    let (digest, extension) = rest.split_at_checked(*length)?;
    let mut text = backend.to_vec();
    text.extend_from_slice(format!("-s{size}--").as_bytes());
    let end = text.len();
    text.resize(end + 2 * length, 0);
    hex::encode_to_slice(digest, &mut text[end..]).ok()?;
    text.extend_from_slice(extension);
    Key::parse(&text).ok()
}

// Each has the condition of its index, which SQLite does not see in a parameter.
const FIND_USUAL: &str = "SELECT id, class FROM keys
    WHERE substr(key, 1, 6) = substr(?1, 1, 6) AND key = ?1 AND size = ?2 AND key >= x'01'";
const FIND_TEXT: &str = "SELECT id, class FROM keys WHERE key = ?1 AND size = ?2 AND key < x'01'";

/// The row of a key, and its class.
pub(super) fn find(db: &Connection, key: &Key) -> Result<Option<(i64, u32)>> {
    let stored = stored(key);
    let is_text = stored.first() == Some(&TEXT);
    let mut query = db.prepare_cached(if is_text { FIND_TEXT } else { FIND_USUAL })?;
    let found = query.query_row(params![stored, size(key)], |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional()
}

#[cfg(test)]
mod tests;
