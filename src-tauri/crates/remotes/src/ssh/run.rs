//! Running a command on another computer that answers with little.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Failed;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of an answer is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// What a command said.
pub(crate) struct Said {
    /// None if a signal ended it, or it took too long.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end. An answer that is too long, or does not come, is cut off.
pub(crate) fn run(command: Command) -> Result<Said, Failed> {
    run_for(command, PATIENCE)
}

/// Like [`run`], with a time limit.
pub(super) fn run_for(mut command: Command, patience: Duration) -> Result<Said, Failed> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let failed = |error| Failed::Broken(format!("could not run ssh: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (begin_to_read(out), begin_to_read(err));
    let until = Instant::now() + patience;
    let mut whole = true;
    let mut text = |from: mpsc::Receiver<Vec<u8>>| {
        let read = from.recv_timeout(until.saturating_duration_since(Instant::now()));
        whole &= read.is_ok();
        String::from_utf8_lossy(&read.unwrap_or_default()).into_owned()
    };
    let (out, err) = (text(out), text(err));
    // Both ends are closed, or too long. It has ended, or is of no more use.
    if !whole || out.len() as u64 >= LONGEST || err.len() as u64 >= LONGEST {
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    Ok(Said {
        code: status.code(),
        out,
        err,
    })
}

fn begin_to_read(from: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(from) = from {
            // What was read until an error is all that there is.
            let _ = from.take(LONGEST).read_to_end(&mut read);
        }
        let _ = send.send(read);
    });
    receive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_answer_is_cut_off() {
        let mut endless = Command::new("sh");
        endless.args(["-c", "yes; echo never"]);
        let said = run(endless).unwrap();
        assert_eq!((said.code, said.out.len() as u64), (None, LONGEST));
        let mut short = Command::new("sh");
        short.args(["-c", "echo out; echo err >&2; exit 3"]);
        let said = run(short).unwrap();
        assert_eq!((said.code, &*said.out, &*said.err), (Some(3), "out\n", "err\n"));
    }
}
