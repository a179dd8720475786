//! A connection with git-annex-shell for content, over its standard input and output.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use annex::exchange::in_one_line;
use annex::serving::Sending;
use model::Uuid;
use p2p::{Answer, Client};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::NEVER;
use super::sessions::Permit;

/// A server that says nothing for this long while it is waited for has failed.
const SILENCE: Duration = Duration::from_secs(300);
/// How often an end is looked for, every 20 milliseconds.
const END: usize = 50;
/// How often a wait looks whether it was cancelled.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// How much of what the other end says to people is read, in bytes.
const TOLD: u64 = 4096;

/// One connection. Dropped, it ends.
pub(crate) struct Session {
    child: Child,
    client: Client,
    to: Option<File>,
    from: File,
    buffer: Vec<u8>,
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
            said,
            line,
            _permit: permit,
        };
        session.flush(cancelled)?;
        let Answer::Repository(found) = session.next(cancelled)? else {
            return Err(session.broken());
        };
        if found != *uuid {
            return Err(Ended::Broken(format!(
                "another repository answers there now ({found} instead of {uuid}); nothing was exchanged with it"
            )));
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

    /// Ends it, and waits until the other end has let go of it too, so that another can take its place.
    pub(crate) fn end(mut self) {
        self.to = None;
        for _ in 0..END {
            if !matches!(self.child.try_wait(), Ok(None)) {
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
        let sent = self.patient(cancelled).map(|mut to| to.write_all(&output));
        self.sent(sent, cancelled)
    }

    /// Sends a part of content; how many bytes there were of it.
    pub(crate) fn copy(
        &mut self,
        content: &Sending,
        offset: u64,
        length: u64,
        cancelled: &AtomicBool,
    ) -> Result<u64, Ended> {
        let sent = self
            .patient(cancelled)
            .map(|mut to| content.copy_to(offset, length, &mut to));
        self.sent(sent, cancelled)
    }

    fn patient<'a>(&'a self, cancelled: &'a AtomicBool) -> Option<Patient<'a>> {
        self.to.as_ref().map(|to| Patient { to, cancelled })
    }

    fn sent<T>(&mut self, sent: Option<io::Result<T>>, cancelled: &AtomicBool) -> Result<T, Ended> {
        match sent {
            Some(Ok(sent)) => Ok(sent),
            Some(Err(_)) if cancelled.load(Ordering::Relaxed) => Err(Ended::Cancelled),
            Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(unanswered()),
            Some(Err(_)) | None => Err(self.broken()),
        }
    }

    /// Sends many requests while the answers are read: neither end waits for the other. Afterwards, what the client has to
    /// say can be sent again by [`Session::end_sending`].
    pub(crate) fn begin_sending(&mut self) -> io::Result<thread::JoinHandle<File>> {
        let output = self.client.take_output();
        let to = self.to.take().ok_or(io::ErrorKind::BrokenPipe)?;
        thread::Builder::new().name("requests".to_owned()).spawn(move || {
            // If this fails, the answers end too.
            let mut patient = Patient {
                to: &to,
                cancelled: &NEVER,
            };
            let _ = patient.write_all(&output);
            to
        })
    }

    /// Waits until all requests are sent.
    pub(crate) fn end_sending(&mut self, sending: thread::JoinHandle<File>) {
        self.to = sending.join().ok();
    }

    /// Waits for what the server says next.
    pub(crate) fn next(&mut self, cancelled: &AtomicBool) -> Result<Answer, Ended> {
        let begun = Instant::now();
        loop {
            match self.client.next_answer() {
                Some(Answer::Broken) => return Err(self.broken()),
                Some(answer) => return Ok(answer),
                None => {}
            }
            let mut waited = [PollFd::new(&self.from, PollFlags::IN)];
            match poll(&mut waited, Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {
                    if cancelled.load(Ordering::Relaxed) {
                        return Err(Ended::Cancelled);
                    }
                    if begun.elapsed() > SILENCE {
                        return Err(unanswered());
                    }
                }
                Ok(_) => match self.from.read(&mut self.buffer) {
                    Ok(0) | Err(_) => return Err(self.broken()),
                    Ok(length) => self.client.add(&self.buffer[..length]),
                },
                Err(_) => return Err(self.broken()),
            }
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

/// Sends to a server that may not read just now.
struct Patient<'a> {
    to: &'a File,
    cancelled: &'a AtomicBool,
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            match self.to.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.cancelled.load(Ordering::Relaxed) || begun.elapsed() > SILENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut waited = [PollFd::new(self.to, PollFlags::OUT)];
            match poll(&mut waited, Some(&LOOK)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unanswered() -> Ended {
    Ended::Broken("the other computer does not answer".to_owned())
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
        for _ in 0..20_000 {
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
