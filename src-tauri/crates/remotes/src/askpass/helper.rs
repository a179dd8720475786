//! The program that ssh and git start to ask: it passes the question on, and prints the answer.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{AGREED, SOCKET, wipe};

/// Asks what `prompt` says. `name` is the path by which this was started, a link beside the socket at which somebody waits for
/// the question. Returns true if it was answered; the answer is in `output` then.
///
/// # Errors
///
/// If nobody waits for the question any more.
pub fn run(name: &Path, prompt: &OsStr, mut output: impl Write) -> io::Result<bool> {
    let mut stream = UnixStream::connect(name.with_file_name(SOCKET))?;
    let hint = std::env::var_os("SSH_ASKPASS_PROMPT").unwrap_or_default();
    let question = [hint.as_bytes(), b"\0", prompt.as_bytes(), b"\0"].concat();
    stream.write_all(&question)?;
    let mut answer = Vec::with_capacity(256);
    stream.read_to_end(&mut answer)?;
    let printed = match answer.split_first() {
        Some((&AGREED, text)) => output
            .write_all(text)
            .and_then(|()| output.write_all(b"\n"))
            .map(|()| true),
        Some(_) | None => Ok(false),
    };
    wipe(answer);
    printed
}
