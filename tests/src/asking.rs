//! Asking a running engine as the window does: one line of JSON each way, on its socket.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends a command, and gives back the reply.
///
/// # Panics
///
/// When no engine runs in the folder, or it does not answer.
#[track_caller]
#[must_use]
pub fn ask(folder: &Path, command: &str) -> String {
    let note = fs::read_to_string(folder.join(".git/anabranch/engine")).unwrap();
    let mut stream = UnixStream::connect(note.trim_end()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    writeln!(stream, "{command}").unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    reply
}
