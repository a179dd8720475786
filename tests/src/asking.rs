//! Asking a running engine: as the window does, by one line of JSON each way on its socket, and by `anabranch status`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::Sandbox;
use crate::run::{attempt, told};
use crate::wait::{PATIENCE, eventually};

/// Sends a command, and gives back the reply.
///
/// # Panics
///
/// When no engine runs in the folder, or it does not answer.
#[track_caller]
#[must_use]
pub fn ask(folder: &Path, command: &str) -> String {
    ask_at(&socket(folder), command)
}

/// Where the engine of a folder listens.
///
/// # Panics
///
/// When no engine runs in the folder.
#[track_caller]
#[must_use]
pub fn socket(folder: &Path) -> PathBuf {
    let note = fs::read_to_string(folder.join(".git/anabranch/engine")).unwrap();
    note.trim_end().into()
}

/// Sends a command to the engine that listens at a socket, and gives back the reply.
///
/// # Panics
///
/// When nobody listens there, or does not answer.
#[track_caller]
#[must_use]
pub fn ask_at(socket: &Path, command: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    writeln!(stream, "{command}").unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    reply
}

/// How things are in a folder, as `anabranch status` says it.
///
/// # Errors
///
/// With all that it said, when that is no status.
pub fn status(sandbox: &Sandbox, folder: &Path) -> Result<Value, String> {
    let mut status = sandbox.anabranch(["status", "--json"]);
    // It exits with another code while something is waiting.
    let answer = attempt(status.arg(folder));
    serde_json::from_slice(&answer.stdout).map_err(|_| told(&status, &answer))
}

/// Waits until a folder is in a state.
#[track_caller]
pub fn is_in_state(sandbox: &Sandbox, folder: &Path, state: &str) {
    eventually(PATIENCE, || match status(sandbox, folder)? {
        folder if folder["state"] == state => Ok(()),
        folder => Err(format!("not {state}: {folder}")),
    });
}

/// The open question of a folder, once there is one that says this.
#[track_caller]
pub fn question(sandbox: &Sandbox, folder: &Path, part: &str) -> Value {
    let mut found = Value::Null;
    eventually(PATIENCE, || {
        let status = status(sandbox, folder)?;
        found = status["question"].clone();
        match found["text"].as_str() {
            Some(text) if text.contains(part) => Ok(()),
            _ => Err(status.to_string()),
        }
    });
    found
}

/// Answers the question of a folder, and types something.
///
/// # Panics
///
/// When there is no such question.
#[track_caller]
pub fn answer(sandbox: &Sandbox, folder: &Path, answer: &str, typed: &str) {
    let mut command = sandbox.anabranch(["answer", answer]);
    command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{typed}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", told(&command, &output));
}
