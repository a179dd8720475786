//! One line of the protocol.

use model::{Key, Uuid};

use crate::news::{Behind, told};

/// What a client may say to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// The newest version that the client speaks.
    Version(i64),
    /// Repositories behind this one that are not to be used.
    Bypass,
    CheckPresent(Key),
    LockContent(Key),
    UnlockContent,
    Remove(Key),
    RemoveBefore(u64, Key),
    GetTimestamp,
    Get {
        offset: u64,
        file: Vec<u8>,
        key: Key,
    },
    Put {
        file: Vec<u8>,
        key: Key,
    },
    /// Ours: content that comes if it is wanted. Others may be offered before that is answered.
    Offer {
        file: Vec<u8>,
        key: Key,
    },
    /// Ours: what was offered and is wanted cannot be sent.
    Gone,
    /// Ours: what was pushed is to be merged.
    Merge,
    Data(u64),
    DataPresent,
    Valid,
    Invalid,
    Success {
        is_plus: bool,
    },
    Failure {
        is_plus: bool,
    },
    Connect,
    NotifyChange,
    Error,
    /// One that only servers send, or one of another kind of connection.
    Misplaced,
}

impl Message {
    /// Parses a line. None for a command that git-annex does not know, or one with other parameters than it has.
    ///
    /// Single spaces separate parameters; the last one has the rest of the line.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (command, rest) = split(line);
        let key = |bytes: &[u8]| Key::parse(bytes).ok();
        Some(match (command, rest) {
            (b"VERSION", Some(version)) => Self::Version(signed(version)?),
            (b"BYPASS", _) => Self::Bypass,
            (b"CHECKPRESENT", Some(rest)) => Self::CheckPresent(key(rest)?),
            (b"LOCKCONTENT", Some(rest)) => Self::LockContent(key(rest)?),
            (b"REMOVE", Some(rest)) => Self::Remove(key(rest)?),
            (b"REMOVE-BEFORE", Some(rest)) => {
                let (time, rest) = split(rest);
                Self::RemoveBefore(number(time)?, key(rest?)?)
            }
            (b"GET", Some(rest)) => {
                let (offset, rest) = split(rest);
                let (file, rest) = split(rest?);
                Self::Get {
                    offset: number(offset)?,
                    file: file.to_vec(),
                    key: key(rest?)?,
                }
            }
            (b"PUT", Some(rest)) => {
                let (file, rest) = split(rest);
                Self::Put {
                    file: file.to_vec(),
                    key: key(rest?)?,
                }
            }
            (b"OFFER", Some(rest)) => {
                let (file, rest) = split(rest);
                Self::Offer {
                    file: file.to_vec(),
                    key: key(rest?)?,
                }
            }
            (b"DATA", Some(length)) => Self::Data(number(length)?),
            (b"SUCCESS-PLUS", _) => Self::Success { is_plus: true },
            (b"FAILURE-PLUS", _) => Self::Failure { is_plus: true },
            (b"CONNECT", Some(b"git-upload-pack" | b"git-receive-pack")) => Self::Connect,
            (b"ERROR", Some(_)) => Self::Error,
            (command, None | Some(b"")) => match command {
                b"UNLOCKCONTENT" => Self::UnlockContent,
                b"GETTIMESTAMP" => Self::GetTimestamp,
                b"GONE" => Self::Gone,
                b"MERGE" => Self::Merge,
                b"DATA-PRESENT" => Self::DataPresent,
                b"VALID" => Self::Valid,
                b"INVALID" => Self::Invalid,
                b"SUCCESS" => Self::Success { is_plus: false },
                b"FAILURE" => Self::Failure { is_plus: false },
                b"NOTIFYCHANGE" => Self::NotifyChange,
                b"AUTH-FAILURE" | b"ALREADY-HAVE" | b"ALREADY-HAVE-PLUS" | b"CHANGED" => Self::Misplaced,
                _ => return None,
            },
            (b"AUTH", Some(rest)) if rest.iter().filter(|&&byte| byte == b' ').count() < 2 => Self::Misplaced,
            (b"AUTH-SUCCESS" | b"ALREADY-HAVE-PLUS" | b"CHANGED", Some(_)) => Self::Misplaced,
            (b"TIMESTAMP" | b"CONNECTDONE", Some(rest)) => number(rest).map(|_| Self::Misplaced)?,
            (b"PUT-FROM", Some(rest)) => number(split(rest).0).map(|_| Self::Misplaced)?,
            (_, Some(_)) => return None,
        })
    }
}

/// What a server may say to a client, as it is sent.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    AuthSuccess(&'a Uuid),
    Version(i64),
    Success,
    Failure,
    Timestamp(u64),
    AlreadyHave,
    PutFrom(u64),
    Data(u64),
    Valid,
    Invalid,
    Error(&'static str),
    Wanted(u64),
    Held,
    Unwanted(&'a Unstored),
    Stored,
    Unstored(&'a Unstored),
    Merged(Option<&'a Behind>),
}

impl Reply<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let line = match self {
            Self::AuthSuccess(uuid) => format!("AUTH-SUCCESS {uuid}\n"),
            Self::Version(version) => format!("VERSION {version}\n"),
            Self::Success => "SUCCESS\n".to_owned(),
            Self::Failure => "FAILURE\n".to_owned(),
            Self::Timestamp(time) => format!("TIMESTAMP {time}\n"),
            Self::AlreadyHave => "ALREADY-HAVE\n".to_owned(),
            Self::PutFrom(offset) => format!("PUT-FROM {offset}\n"),
            Self::Data(length) => format!("DATA {length}\n"),
            Self::Valid => "VALID\n".to_owned(),
            Self::Invalid => "INVALID\n".to_owned(),
            Self::Error(why) => format!("ERROR {why}\n"),
            Self::Wanted(offset) => format!("WANTED {offset}\n"),
            Self::Held => "HELD\n".to_owned(),
            Self::Unwanted(why) => format!("UNWANTED {}\n", why.word()),
            Self::Stored => "STORED\n".to_owned(),
            Self::Unstored(why) => format!("UNSTORED {}\n", why.word()),
            Self::Merged(behind) => told(*behind),
        };
        out.extend_from_slice(line.as_bytes());
    }
}

/// Why content that was offered is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unstored {
    /// Somebody else sends it just now.
    Busy,
    /// There is no room for it.
    Full,
    /// It is not the content of its key.
    Wrong,
    /// Another reason, in words for people.
    Failed(String),
}

/// A reason has no more bytes than this.
const LONGEST_REASON: usize = 500;

impl Unstored {
    fn word(&self) -> String {
        match self {
            Self::Busy => "BUSY".to_owned(),
            Self::Full => "FULL".to_owned(),
            Self::Wrong => "WRONG".to_owned(),
            Self::Failed(why) => format!("FAILED {}", reason(why)),
        }
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        Some(match split(text) {
            (b"BUSY", None) => Self::Busy,
            (b"FULL", None) => Self::Full,
            (b"WRONG", None) => Self::Wrong,
            (b"FAILED", Some(why)) => Self::Failed(reason(&String::from_utf8_lossy(why))),
            _ => return None,
        })
    }
}

/// Shortens a reason to one line of at most [`LONGEST_REASON`] bytes.
pub(crate) fn reason(why: &str) -> String {
    let why = why.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut size = 0;
    let short = why.take_while(|char| {
        size += char.len_utf8();
        size <= LONGEST_REASON
    });
    short.collect()
}

/// The first word, and what follows the space behind it.
pub(crate) fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == b' ') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// A version, which git-annex also takes when it is negative or greater than any.
pub(crate) fn signed(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = number(digits).and_then(|number| i64::try_from(number).ok());
    let magnitude = magnitude.unwrap_or(i64::MAX);
    Some(if digits.len() < text.len() {
        -magnitude
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "SHA256E-s6--5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03.txt";

    fn parse(text: &str) -> Option<Message> {
        Message::parse(text.replace("KEY", KEY).as_bytes())
    }

    /// What git-annex 10.20261026 answers to each with "unexpected command", and with "unknown command".
    #[test]
    fn a_line_is_known_where_git_annex_knows_it() {
        for known in [
            "AUTH-SUCCESS x",
            "AUTH-FAILURE",
            "AUTH x",
            "AUTH x y",
            "TIMESTAMP 5",
            "PUT-FROM 0",
            "PUT-FROM 0 a b",
            "ALREADY-HAVE",
            "ALREADY-HAVE-PLUS",
            "ALREADY-HAVE-PLUS a",
            "CHANGED",
            "CHANGED abc",
            "CONNECTDONE 0",
        ] {
            assert_eq!(parse(known), Some(Message::Misplaced), "{known}");
        }
        for known in [
            "SUCCESS ",
            "FAILURE-PLUS a b",
            "INVALID",
            "DATA-PRESENT",
            "BYPASS a  b",
            "BYPASS",
            "ERROR x",
        ] {
            assert!(parse(known).is_some(), "{known}");
        }
        for unknown in [
            "",
            "FOO",
            "AUTH x y z",
            "TIMESTAMP x",
            "PUT-FROM x",
            "SUCCESS x",
            "CONNECTDONE",
            "CONNECTDONE x",
            "DATA x",
            "GETTIMESTAMP x",
            "VERSION",
            "VERSION x",
            "NOTIFYCHANGE x",
            "GET 0  ",
            "DATA-PRESENT x",
            "ERRO",
            "GET KEY",
            "CONNECT git-upload-pack x",
            "CONNECT foo",
            "UNLOCKCONTENT KEY",
            " CHECKPRESENT KEY",
            "checkpresent KEY",
            "REMOVE",
            "REMOVE-BEFORE x KEY",
            "PUT KEY",
            "CHECKPRESENT notakey",
            "GET x f KEY",
        ] {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn parameters_are_what_single_spaces_separate() {
        let key = |text: &str| Key::parse(text.replace("KEY", KEY).as_bytes()).unwrap();
        let get = |offset, file: &str, text: &str| {
            Some(Message::Get {
                offset,
                file: file.as_bytes().to_vec(),
                key: key(text),
            })
        };
        assert_eq!(parse("GET 7 a%b KEY"), get(7, "a%b", "KEY"));
        assert_eq!(parse("GET 0  KEY"), get(0, "", "KEY"));
        assert_eq!(parse("GET 0 a b KEY"), get(0, "a", "b KEY"));
        assert_eq!(parse("CHECKPRESENT  KEY"), Some(Message::CheckPresent(key(" KEY"))));
        assert_eq!(parse("REMOVE-BEFORE 5 KEY"), Some(Message::RemoveBefore(5, key("KEY"))));
        assert_eq!(parse("VERSION -1"), Some(Message::Version(-1)));
        assert_eq!(
            parse("VERSION 99999999999999999999999"),
            Some(Message::Version(i64::MAX))
        );
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in any::<Vec<u8>>(), command in "(GET|PUT|DATA|VERSION|REMOVE-BEFORE|AUTH|PUT-FROM) ") {
            Message::parse(&line);
            Message::parse(&[command.as_bytes(), &line].concat());
        }
    }
}
