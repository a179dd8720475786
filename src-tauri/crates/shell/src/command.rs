//! What a client asks for: the words of a command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::NAME;
use crate::error::{Error, Result};

/// The commands that are git-annex's. `sendkey` and `recvkey` are for clients older than 2018, `gcryptsetup` for gcrypt.
const COMMANDS: [&str; 8] = [
    "configlist",
    "dropkey",
    "gcryptsetup",
    "inannex",
    "notifychanges",
    "p2pstdio",
    "recvkey",
    "sendkey",
];

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A command of git-annex.
    Annex(Command),
    /// A command of git, which `git-shell` runs.
    Git {
        /// What `git-shell` is given behind `-c`.
        line: Vec<OsString>,
        /// The repository.
        directory: OsString,
    },
}

/// A command of git-annex.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) directory: OsString,
    /// What follows the directory, options aside.
    pub(crate) parameters: Vec<OsString>,
    /// The uuid that the repository must have (`--uuid`).
    pub(crate) uuid: Option<String>,
    /// `--force`.
    pub(crate) is_forced: bool,
    /// The fields between `--` and the next `--`, such as `autoinit=1`.
    pub(crate) fields: Vec<OsString>,
}

impl Request {
    /// Reads the words behind the program's name. sshd starts a login shell with `-c` and one string, which has the
    /// program's name once more.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Self> {
        let mut words = arguments;
        while let [first, rest @ ..] = words
            && first == "-c"
        {
            words = rest;
        }
        let inner;
        if let [line, ..] = words {
            let line = line.as_bytes();
            if let Some(rest) = line.strip_prefix(NAME.as_bytes()).filter(|rest| rest.starts_with(b" ")) {
                inner = unquote(rest);
                words = &inner;
            }
        }
        let Some((name, rest)) = words.split_first() else {
            return Err(Error::Refused(format!(
                "this is for git-annex on other computers: {NAME} COMMAND DIRECTORY …"
            )));
        };
        match COMMANDS.iter().find(|&&command| name == command) {
            Some(command) => Command::parse(command, rest).map(Self::Annex),
            None => Ok(Self::Git {
                line: words.to_vec(),
                directory: directory_of(words.last().unwrap_or(name)),
            }),
        }
    }
}

/// The repository of a command of git: its only parameter. One that has more names none.
fn directory_of(line: &OsStr) -> OsString {
    let mut words = unquote(line.as_bytes());
    match (words.pop(), words.len()) {
        (Some(last), 0 | 1) => last,
        _ => line.to_owned(),
    }
}

impl Command {
    fn parse(name: &str, words: &[OsString]) -> Result<Self> {
        let mut parts = words.split(|word| word == "--");
        let mut words = parts.next().unwrap_or_default().iter();
        let mut command = Self {
            name: name.to_owned(),
            directory: OsString::new(),
            parameters: Vec::new(),
            uuid: None,
            is_forced: false,
            fields: parts.next().unwrap_or_default().to_vec(),
        };
        let mut plain = Vec::new();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            if text == "--uuid" {
                command.uuid = words.next().map(|uuid| uuid.to_string_lossy().into_owned());
            } else if let Some(uuid) = text.strip_prefix("--uuid=") {
                command.uuid = Some(uuid.to_owned());
            } else if text == "--force" {
                command.is_forced = true;
            } else if text == "--debug" {
                // What it would say is of no use to people here.
            } else if text.starts_with('-') {
                return Err(Error::Refused(format!(
                    "{text:?} is no option of {name}; nothing was done"
                )));
            } else {
                plain.push(word.clone());
            }
        }
        let mut plain = plain.into_iter();
        let Some(directory) = plain.next() else {
            return Err(Error::Refused(format!("{name} needs the directory of a repository")));
        };
        command.directory = directory;
        command.parameters = plain.collect();
        Ok(command)
    }

    /// True if a field says so.
    pub(crate) fn has_field(&self, field: &str) -> bool {
        self.fields.iter().any(|given| given == field)
    }
}

/// Takes a command line apart as a shell does that knows quotes and nothing else.
pub(crate) fn unquote(line: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b' ' | b'\t' | b'\n') => words.extend(word.take()),
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == byte => quote = None,
            (None | Some(b'"'), b'\\') => word.get_or_insert_default().extend(bytes.next()),
            (_, byte) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from_vec).collect()
}

/// A word as text, where only text can be meant.
pub(crate) fn text(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn parsed(arguments: &[&str]) -> Request {
        Request::parse(&words(arguments)).unwrap()
    }

    #[test]
    fn a_command_is_the_same_from_sshd_and_by_itself() {
        let direct = parsed(&["p2pstdio", "/a b/it's", "CLIENT", "--uuid", "SERVER"]);
        let Request::Annex(command) = &direct else {
            panic!("{direct:?}")
        };
        assert_eq!(command.directory, "/a b/it's");
        assert_eq!(command.parameters, words(&["CLIENT"]));
        assert_eq!(command.uuid.as_deref(), Some("SERVER"));
        for line in [
            r"git-annex-shell 'p2pstdio' '/a b/it'\''s' 'CLIENT' --uuid SERVER",
            r#"git-annex-shell p2pstdio "/a b/it's" CLIENT --uuid=SERVER"#,
            r"git-annex-shell p2pstdio /a\ b/it\'s --uuid SERVER CLIENT",
        ] {
            assert_eq!(parsed(&["-c", line]), direct, "{line}");
        }
    }

    #[test]
    fn fields_are_no_parameters() {
        let Request::Annex(command) = parsed(&["configlist", "/a", "--", "autoinit=1", "--", "x"]) else {
            panic!("it is git-annex's")
        };
        assert!(command.has_field("autoinit=1") && !command.has_field("x"));
        assert_eq!(command.parameters, words(&[]));
    }

    #[test]
    fn all_other_commands_are_gits() {
        for (line, directory) in [
            ("git-upload-pack '/a b'", "/a b"),
            ("git-receive-pack '~/x'", "~/x"),
            ("configlist '/a'", "/a"),
            ("git-annex-shellx", "git-annex-shellx"),
            ("git-upload-pack '/secret' '/a'", "git-upload-pack '/secret' '/a'"),
        ] {
            let expected = Request::Git {
                line: words(&[line]),
                directory: directory.into(),
            };
            assert_eq!(parsed(&["-c", line]), expected);
        }
    }

    #[test]
    fn nothing_strange_is_a_command() {
        let refused = |arguments: &[&str]| Request::parse(&words(arguments)).unwrap_err().to_string();
        assert!(refused(&[]).contains("other computers"));
        assert!(refused(&["-c"]).contains("other computers"));
        assert!(refused(&["-c", "git-annex-shell "]).contains("other computers"));
        assert!(refused(&["configlist"]).contains("directory"));
        assert!(refused(&["configlist", "--upload-pack=x"]).contains("no option"));
        assert_eq!(unquote(b" a '' \"b\\\"c\" 'd"), words(&["a", "", "b\"c", "d"]));
    }
}
