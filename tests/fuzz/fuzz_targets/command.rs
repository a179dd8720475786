//! The command line of git-annex-shell: any words are parsed, and what was understood is the same when it is written again, as
//! sshd passes it.

#![no_main]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use command::{Command, Request};
use libfuzzer_sys::fuzz_target;

// The file alone: the rest of its crate is the whole engine, which would be built for minutes and is not what is fuzzed.
#[allow(dead_code, reason = "the rest of the crate uses it")]
#[path = "../../../src-tauri/crates/shell/src/command.rs"]
mod command;

/// What the file needs of its crate.
mod error {
    #[derive(Debug)]
    pub enum Error {
        #[allow(dead_code, reason = "for people")]
        Refused(String),
    }

    pub type Result<T> = std::result::Result<T, Error>;
}

const NAME: &str = "git-annex-shell";

fuzz_target!(|input: &[u8]| {
    // No argument has a NUL.
    let arguments: Vec<OsString> = input
        .split(|&byte| byte == 0)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect();
    let Ok(request) = Request::parse(&arguments) else {
        return;
    };
    let mut line = NAME.as_bytes().to_vec();
    for word in words(&request) {
        line.push(b' ');
        line.extend(quoted(&word));
    }
    let again = Request::parse(&["-c".into(), OsString::from_vec(line)]);
    assert_eq!(again.ok(), Some(request));
});

/// The words of a command line that asks for the same.
fn words(request: &Request) -> Vec<OsString> {
    let command = match request {
        Request::Git { line, .. } => return line.clone(),
        Request::Annex(command) => command,
    };
    let Command {
        name,
        directory,
        parameters,
        uuid,
        is_forced,
        fields,
    } = command;
    let mut words = vec![OsString::from(name), directory.clone()];
    words.extend(parameters.iter().cloned());
    words.extend(uuid.as_ref().map(|uuid| format!("--uuid={uuid}").into()));
    words.extend(is_forced.then(|| "--force".into()));
    words.push("--".into());
    words.extend(fields.iter().cloned());
    words.push("--".into());
    words
}

/// A word in quotes, as clients write it.
fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = b"'".to_vec();
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}
