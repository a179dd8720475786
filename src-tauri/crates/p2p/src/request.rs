//! What a client says, and what it hears.

use model::{Key, Uuid};

use crate::message::{number, signed, split};

/// What a client may say to a server, as it is sent.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Version(i64),
    Bypass(&'a [Uuid]),
    CheckPresent(&'a Key),
    LockContent(&'a Key),
    UnlockContent,
    Remove(&'a Key),
    RemoveBefore(u64, &'a Key),
    GetTimestamp,
    Get { offset: u64, file: &'a [u8], key: &'a Key },
    Put { file: &'a [u8], key: &'a Key },
    Data(u64),
    DataPresent,
    Validity(bool),
    Success,
    GiveUp,
}

impl Request<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (words, file, key) = match self {
            Self::Version(version) => (format!("VERSION {version}"), None, None),
            Self::Bypass(repositories) => {
                let uuids: String = repositories.iter().map(|uuid| format!(" {uuid}")).collect();
                (format!("BYPASS{uuids}"), None, None)
            }
            Self::CheckPresent(key) => ("CHECKPRESENT".to_owned(), None, Some(key)),
            Self::LockContent(key) => ("LOCKCONTENT".to_owned(), None, Some(key)),
            Self::UnlockContent => ("UNLOCKCONTENT".to_owned(), None, None),
            Self::Remove(key) => ("REMOVE".to_owned(), None, Some(key)),
            Self::RemoveBefore(before, key) => (format!("REMOVE-BEFORE {before}"), None, Some(key)),
            Self::GetTimestamp => ("GETTIMESTAMP".to_owned(), None, None),
            Self::Get { offset, file, key } => (format!("GET {offset}"), Some(file), Some(key)),
            Self::Put { file, key } => ("PUT".to_owned(), Some(file), Some(key)),
            Self::Data(length) => (format!("DATA {length}"), None, None),
            Self::DataPresent => ("DATA-PRESENT".to_owned(), None, None),
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
    Outcome { yes: bool, also: Vec<Uuid> },
    Timestamp(u64),
    AlreadyHave(Vec<Uuid>),
    PutFrom(u64),
    Data(u64),
    Validity(bool),
    Error(String),
}

impl Heard {
    /// Parses a line; none if no server of git-annex says it.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (command, rest) = split(line);
        Some(match (command, rest) {
            (b"AUTH-SUCCESS", Some(uuid)) => Self::AuthSuccess(Uuid::from_bytes(uuid)?),
            (b"VERSION", Some(version)) => Self::Version(signed(version)?),
            (b"SUCCESS", None) => Self::Outcome {
                yes: true,
                also: Vec::new(),
            },
            (b"FAILURE", None) => Self::Outcome {
                yes: false,
                also: Vec::new(),
            },
            (b"SUCCESS-PLUS", rest) => Self::Outcome {
                yes: true,
                also: uuids(rest)?,
            },
            (b"FAILURE-PLUS", rest) => Self::Outcome {
                yes: false,
                also: uuids(rest)?,
            },
            (b"TIMESTAMP", Some(seconds)) => Self::Timestamp(number(seconds)?),
            (b"ALREADY-HAVE", None) => Self::AlreadyHave(Vec::new()),
            (b"ALREADY-HAVE-PLUS", rest) => Self::AlreadyHave(uuids(rest)?),
            // What else a proxy says there is of no use before the content is sent.
            (b"PUT-FROM", Some(rest)) => Self::PutFrom(number(split(rest).0)?),
            (b"DATA", Some(length)) => Self::Data(number(length)?),
            (b"VALID", None) => Self::Validity(true),
            (b"INVALID", None) => Self::Validity(false),
            (b"ERROR", Some(why)) => Self::Error(String::from_utf8_lossy(why).into_owned()),
            _ => return None,
        })
    }
}

fn uuids(rest: Option<&[u8]>) -> Option<Vec<Uuid>> {
    let words = rest.unwrap_or_default().split(|&byte| byte == b' ');
    words.filter(|word| !word.is_empty()).map(Uuid::from_bytes).collect()
}
