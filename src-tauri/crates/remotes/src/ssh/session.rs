//! A connection with git-annex-shell for content, over its standard input and output.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use annex::exchange::in_one_line;
use model::Uuid;
use nix::fcntl::{FcntlArg, fcntl};
use p2p::{Answer, Client};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::sessions::Permit;

/// How much a pipe to `ssh` may hold, in bytes: what Linux allows everybody.
const PIPE: i32 = 1 << 20;
/// A server that says nothing for this long while it is waited for has failed.
const SILENCE: Duration = Duration::from_secs(300);
/// How often an end is looked for, every 20 milliseconds.
const END: usize = 50;
/// How often a wait looks whether it was cancelled.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// How much may have been read and not be understood before no more is read, in bytes.
const MOST_UNREAD: usize = 4 << 20;
/// How much of what the other end says to people is read, in bytes.
const TOLD: u64 = 4096;

/// One connection. Dropped, it ends.
pub(crate) struct Session {
    child: Child,
    client: Client,
    to: Option<File>,
    from: File,
    buffer: Vec<u8>,
    /// What waits to be sent.
    outgoing: Vec<u8>,
    /// So much was read since all answers were taken.
    unread: usize,
    said: mpsc::Receiver<String>,
    /// The line of shell that runs there.
    line: String,
    _permit: Permit,
}

/// Why a session cannot go on.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The caller cancelled it.
    Cancelled,
    /// The connection broke, or the server answered nonsense; with words for people.
    Broken(String),
}

impl Session {
    /// Runs `command`, which speaks the protocol, and checks which repository answers.
    pub(crate) fn open(
        mut command: Command,
        line: String,
        uuid: &Uuid,
        permit: Permit,
        cancelled: &AtomicBool,
    ) -> Result<Self, Ended> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |error: io::Error| Ended::Broken(format!("could not run ssh: {error}"));
        let mut child = command.spawn().map_err(failed)?;
        let missing = || failed(io::ErrorKind::BrokenPipe.into());
        let to = child.stdin.take().ok_or_else(missing)?;
        // The server may read nothing for long, and the wait for that can be cancelled.
        rustix::io::ioctl_fionbio(&to, true).map_err(|error| failed(error.into()))?;
        let from = child.stdout.take().ok_or_else(missing)?;
        // As large as the system allows: the fewer switches between the two processes, the better.
        for pipe in [to.as_fd(), from.as_fd()] {
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(PIPE));
        }
        let (say, said) = mpsc::channel();
        if let Some(mut err) = child.stderr.take() {
            thread::spawn(move || {
                let mut told = Vec::new();
                let _ = err.by_ref().take(TOLD).read_to_end(&mut told);
                let _ = say.send(in_one_line(&String::from_utf8_lossy(&told)));
                // Read to the end, so that it never waits for us.
                let _ = io::copy(&mut err, &mut io::sink());
            });
        }
        let mut session = Self {
            child,
            client: Client::new(),
            to: Some(File::from(OwnedFd::from(to))),
            from: File::from(OwnedFd::from(from)),
            buffer: vec![0; 128 << 10],
            outgoing: Vec::new(),
            unread: 0,
            said,
            line,
            _permit: permit,
        };
        session.flush(cancelled)?;
        let Answer::Repository(found) = session.next(cancelled)? else {
            return Err(session.broken());
        };
        if found != *uuid {
            return Err(Ended::Broken(
                "another repository answers there now, so Anabranch exchanges nothing with it".to_owned(),
            ));
        }
        // A server that is older than versions knows only the first.
        let (Answer::Version(_) | Answer::Refused(_)) = session.next(cancelled)? else {
            return Err(session.broken());
        };
        Ok(session)
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The line of shell that runs there.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Ends it, and waits until the other end has ended it too, so that another can take its place.
    pub(crate) fn end(self) {
        Self::end_all(vec![self]);
    }

    /// Ends sessions, and waits for a moment until the other end has ended them too. What has arrived there is in the work tree
    /// then.
    pub(crate) fn end_all(mut sessions: Vec<Self>) {
        sessions.iter_mut().for_each(|session| session.to = None);
        for _ in 0..END {
            sessions.retain_mut(|session| matches!(session.child.try_wait(), Ok(None)));
            if sessions.is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// True if it can be used for something else.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.client.is_idle() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends what the client has to say.
    pub(crate) fn flush(&mut self, cancelled: &AtomicBool) -> Result<(), Ended> {
        let output = self.client.take_output();
        self.outgoing.extend_from_slice(&output);
        let rest = std::mem::take(&mut self.outgoing);
        self.send(&rest, cancelled)
    }

    /// Sends a part of content, behind what [`Session::flush`] has sent. What the server says meanwhile is kept, so that neither
    /// end waits for the other.
    pub(crate) fn send(&mut self, mut part: &[u8], cancelled: &AtomicBool) -> Result<(), Ended> {
        let mut begun = Instant::now();
        while !part.is_empty() {
            let length = self.pump(part, cancelled, &mut begun)?;
            part = &part[length..];
        }
        Ok(())
    }

    /// What the server has said already.
    pub(crate) fn heard(&mut self) -> Result<Option<Answer>, Ended> {
        match self.client.next_answer() {
            Some(Answer::Broken) => Err(self.broken()),
            None => {
                self.unread = 0;
                Ok(None)
            }
            answer => Ok(answer),
        }
    }

    /// Waits for what the server says next, and sends meanwhile what the client has to say.
    pub(crate) fn next(&mut self, cancelled: &AtomicBool) -> Result<Answer, Ended> {
        let mut begun = Instant::now();
        loop {
            if let Some(answer) = self.heard()? {
                return Ok(answer);
            }
            let output = self.client.take_output();
            self.outgoing.extend_from_slice(&output);
            let outgoing = std::mem::take(&mut self.outgoing);
            let pumped = self.pump(&outgoing, cancelled, &mut begun);
            self.outgoing = outgoing;
            self.outgoing.drain(..pumped?);
        }
    }

    /// Waits until something can be sent or read, and does that. Returns how much was sent.
    fn pump(&mut self, part: &[u8], cancelled: &AtomicBool, begun: &mut Instant) -> Result<usize, Ended> {
        let Some(to) = &self.to else { return Err(self.broken()) };
        let when = |wanted, flags| if wanted { flags } else { PollFlags::empty() };
        let mut waited = [
            PollFd::new(to, when(!part.is_empty(), PollFlags::OUT)),
            PollFd::new(&self.from, when(self.unread < MOST_UNREAD, PollFlags::IN)),
        ];
        match poll(&mut waited, Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(Ended::Cancelled);
                }
                return match begun.elapsed() > SILENCE {
                    true => Err(Ended::Broken("the other computer does not answer".to_owned())),
                    false => Ok(0),
                };
            }
            Ok(_) => *begun = Instant::now(),
            Err(_) => return Err(self.broken()),
        }
        let [to_ready, from_ready] = waited.map(|waited| !waited.revents().is_empty());
        if from_ready {
            match self.from.read(&mut self.buffer) {
                Ok(0) | Err(_) => return Err(self.broken()),
                Ok(length) => {
                    self.client.add(&self.buffer[..length]);
                    self.unread += length;
                }
            }
        }
        if !to_ready || part.is_empty() {
            return Ok(0);
        }
        match rustix::io::write(to, part) {
            Ok(length) => Ok(length),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(_) => Err(self.broken()),
        }
    }

    /// Why it cannot go on: what the other end has said about that.
    fn broken(&mut self) -> Ended {
        let _ = self.child.kill();
        let told = self.said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        Ended::Broken(match told.as_str() {
            "" => "the connection broke".to_owned(),
            told => format!("the connection broke: {told}"),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use model::Key;

    use super::*;

    #[test]
    fn sending_to_a_server_that_reads_nothing_can_be_cancelled() {
        let uuid = Uuid::parse("8138cd4b-e824-4c6b-a2fa-8864b729ba7b").unwrap();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo AUTH-SUCCESS $0; echo VERSION 1; exec sleep 100",
            uuid.as_str(),
        ]);
        let cancelled = AtomicBool::new(false);
        let mut session = Session::open(command, String::new(), &uuid, Permit::alone(), &cancelled).unwrap();
        let key = Key::parse(b"WORM-s1--a").unwrap();
        // More than the pipe holds.
        for _ in 0..PIPE as usize / key.as_bytes().len() {
            session.client().put(&key, b"a");
        }
        let sent = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                cancelled.store(true, Ordering::Relaxed);
            });
            session.flush(&cancelled)
        });
        assert!(matches!(sent, Err(Ended::Cancelled)), "{sent:?}");
    }
}
