//! What a client says, and what it hears.

use model::{Key, Uuid};

use crate::message::{Unstored, number, signed, split};
use crate::news::{Behind, merged};

/// What a client may say to a server, as it is sent.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Version(i64),
    Get { offset: u64, file: &'a [u8], key: &'a Key },
    Put { file: &'a [u8], key: &'a Key },
    Offer { file: &'a [u8], key: &'a Key },
    Gone,
    Lock(&'a Key),
    Unlock,
    Merge,
    Data(u64),
    Validity(bool),
    Success,
    GiveUp,
}

impl Request<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (words, file, key) = match self {
            Self::Version(version) => (format!("VERSION {version}"), None, None),
            Self::Get { offset, file, key } => (format!("GET {offset}"), Some(file), Some(key)),
            Self::Put { file, key } => ("PUT".to_owned(), Some(file), Some(key)),
            Self::Offer { file, key } => ("OFFER".to_owned(), Some(file), Some(key)),
            Self::Gone => ("GONE".to_owned(), None, None),
            Self::Lock(key) => ("LOCKCONTENT".to_owned(), None, Some(key)),
            Self::Unlock => ("UNLOCKCONTENT".to_owned(), None, None),
            Self::Merge => ("MERGE".to_owned(), None, None),
            Self::Data(length) => (format!("DATA {length}"), None, None),
            Self::Validity(true) => ("VALID".to_owned(), None, None),
            Self::Validity(false) => ("INVALID".to_owned(), None, None),
            Self::Success => ("SUCCESS".to_owned(), None, None),
            Self::GiveUp => ("ERROR the content cannot be read".to_owned(), None, None),
        };
        out.extend_from_slice(words.as_bytes());
        if let Some(file) = file {
            out.push(b' ');
            // A space would end it, and a line break all of it.
            let shown = |byte: &u8| match byte.is_ascii_whitespace() || *byte == 0x0b {
                true => b'%',
                false => *byte,
            };
            out.extend(file.iter().map(shown));
        }
        if let Some(key) = key {
            out.push(b' ');
            out.extend_from_slice(key.as_bytes());
        }
        out.push(b'\n');
    }
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    AuthSuccess(Uuid),
    Version(i64),
    /// Servers that are proxies also name others where it is so.
    Outcome(bool),
    AlreadyHave,
    PutFrom(u64),
    Data(u64),
    Validity(bool),
    Error(String),
    Wanted(u64),
    Held,
    Unwanted(Unstored),
    Stored(Result<(), Unstored>),
    Merged(Option<Behind>),
}

impl Heard {
    /// Parses a line; none if no server of git-annex says it.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (command, rest) = split(line);
        Some(match (command, rest) {
            (b"AUTH-SUCCESS", Some(uuid)) => Self::AuthSuccess(Uuid::from_bytes(uuid)?),
            (b"VERSION", Some(version)) => Self::Version(signed(version)?),
            (b"SUCCESS", None) | (b"SUCCESS-PLUS", _) => Self::Outcome(true),
            (b"FAILURE", None) | (b"FAILURE-PLUS", _) => Self::Outcome(false),
            (b"ALREADY-HAVE", None) | (b"ALREADY-HAVE-PLUS", _) => Self::AlreadyHave,
            // What else a proxy says there is of no use before the content is sent.
            (b"PUT-FROM", Some(rest)) => Self::PutFrom(number(split(rest).0)?),
            (b"DATA", Some(length)) => Self::Data(number(length)?),
            (b"VALID", None) => Self::Validity(true),
            (b"INVALID", None) => Self::Validity(false),
            (b"ERROR", Some(why)) => Self::Error(String::from_utf8_lossy(why).into_owned()),
            (b"WANTED", Some(offset)) => Self::Wanted(number(offset)?),
            (b"HELD", None) => Self::Held,
            (b"UNWANTED", Some(why)) => Self::Unwanted(Unstored::parse(why)?),
            (b"STORED", None) => Self::Stored(Ok(())),
            (b"UNSTORED", Some(why)) => Self::Stored(Err(Unstored::parse(why)?)),
            _ => Self::Merged(merged(line)?),
        })
    }
}
