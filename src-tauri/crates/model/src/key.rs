use std::fmt;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

/// A git-annex key, which identifies one piece of content.
///
/// Holds the canonical serialization (`BACKEND[-sSIZE][-mMTIME][-SCHUNKSIZE][-CCHUNK]--NAME`); fields are parsed on
/// demand, so a key costs one allocation. Unknown backends are preserved. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

/// Why some bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No `BACKEND` before the first `-`, or no `--` before the name.
    #[error("it does not have the form BACKEND--NAME")]
    Form,
    /// An unknown, empty or misplaced field between backend and name.
    #[error("it has a field that git-annex does not know")]
    Field,
    /// An extension of more than 64 bytes, which no git-annex command recognises.
    #[error("its extension is longer than 64 bytes")]
    Extension,
    /// A newline or NUL, which no symlink, pointer or file name can hold.
    #[error("it contains a newline or a NUL byte")]
    Unusable,
}

const FIELDS: [u8; 4] = *b"smSC";

impl Key {
    /// Parses a serialized key.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        if text.iter().any(|b| matches!(b, b'\n' | 0)) {
            return Err(KeyError::Unusable);
        }
        let end = text.find_byte(b'-').filter(|&at| at > 0).ok_or(KeyError::Form)?;
        let mut canonical = text[..end].to_vec();
        let (mut rest, mut next_field) = (&text[end + 1..], 0);
        let name = loop {
            match rest.first() {
                None => return Err(KeyError::Form),
                Some(b'-') => break &rest[1..],
                Some(letter) => {
                    let field = FIELDS[next_field..]
                        .iter()
                        .position(|f| f == letter)
                        .ok_or(KeyError::Field)?;
                    next_field += field + 1;
                    let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
                    if digits == 0 || rest.get(1 + digits) != Some(&b'-') {
                        return Err(KeyError::Field);
                    }
                    let number = rest[1..=digits].trim_start_with(|c| c == '0');
                    canonical.extend_from_slice(&[b'-', *letter]);
                    canonical.extend_from_slice(if number.is_empty() { b"0" } else { number });
                    rest = &rest[digits + 2..];
                }
            }
        };
        if text[..end].ends_with(b"E") && name.find_byte(b'.').is_some_and(|dot| name.len() - dot > 64) {
            return Err(KeyError::Extension);
        }
        canonical.extend_from_slice(b"--");
        canonical.extend_from_slice(name);
        Ok(Self(canonical.into()))
    }

    /// Parses a key written as a file name, with `/`, `%`, `&` and `:` escaped.
    pub fn from_file_name(name: &[u8]) -> Result<Self, KeyError> {
        if !name.contains(&b'%') && !name.contains(&b'&') {
            return Self::parse(name);
        }
        let mut text = Vec::with_capacity(name.len());
        let mut bytes = name.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let escaped = match (byte, bytes.peek()) {
                (b'&', Some(b'a')) => b'&',
                (b'&', Some(b's')) => b'%',
                (b'&', Some(b'c')) => b':',
                (b'%', _) => {
                    text.push(b'/');
                    continue;
                }
                (other, _) => {
                    text.push(other);
                    continue;
                }
            };
            bytes.next();
            text.push(escaped);
        }
        Self::parse(&text)
    }

    /// The key as one file name, as used for objects, symlink targets, pointers, and branch logs.
    pub fn to_file_name(&self) -> BString {
        let mut name = Vec::with_capacity(self.0.len());
        for &byte in self.0.iter() {
            match byte {
                b'&' => name.extend_from_slice(b"&a"),
                b'%' => name.extend_from_slice(b"&s"),
                b':' => name.extend_from_slice(b"&c"),
                b'/' => name.push(b'%'),
                other => name.push(other),
            }
        }
        name.into()
    }

    /// The canonical serialization.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The backend, such as `SHA256E`; it may be unknown.
    pub fn backend(&self) -> &BStr {
        self.0
            .split_once_str("-")
            .map_or(b"".as_slice(), |(backend, _)| backend)
            .as_bstr()
    }

    /// Everything after the `--`: hash and extension, or whatever the backend puts there.
    pub fn name(&self) -> &BStr {
        self.0
            .split_once_str("--")
            .map_or(b"".as_slice(), |(_, name)| name)
            .as_bstr()
    }

    /// Size of the content in bytes, if the key records one that fits.
    pub fn size(&self) -> Option<u64> {
        self.field(b's')
    }

    /// Modification time in seconds since the epoch (WORM keys).
    pub fn mtime(&self) -> Option<u64> {
        self.field(b'm')
    }

    /// True for the key of a chunk, which only special remotes store.
    pub fn is_chunk(&self) -> bool {
        self.fields().any(|field| matches!(field[0], b'S' | b'C'))
    }

    /// The serialization without chunk fields, from which hash directories are computed.
    pub fn without_chunk(&self) -> Vec<u8> {
        let mut text = self.backend().to_vec();
        for field in self.fields().filter(|field| !matches!(field[0], b'S' | b'C')) {
            text.push(b'-');
            text.extend_from_slice(field);
        }
        text.extend_from_slice(b"--");
        text.extend_from_slice(self.name());
        text
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let head = self.0.split_once_str("--").map_or(b"".as_slice(), |(head, _)| head);
        head.split_str("-").skip(1)
    }

    fn field(&self, letter: u8) -> Option<u64> {
        let field = self.fields().find(|field| field[0] == letter)?;
        field[1..].to_str().ok()?.parse().ok()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bstr().fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bstr().fmt(f)
    }
}
