//! Logging in: a supervised `ssh` that logs in and listens at a socket, asks the user what it has to, and says why if it fails.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Host, State};
use crate::Failed;
use crate::askpass::{Asking, Unanswered};
use crate::ssh::connection::{Connection, add_destination, lock};
use crate::ssh::process::begin;
use crate::ssh::words::{ChangedKey, changed_key, why_not_connected};

/// How long a login may take besides the time that its questions are open. ssh itself gives up sooner if nobody answers.
const LOGIN: Duration = Duration::from_secs(60);
/// How long a login that nobody waits for any more is kept: those who want it were told that it waits for an answer.
const UNUSED: Duration = Duration::from_secs(60);

/// An attempt that failed.
pub(super) struct Failure {
    pub(super) at: Instant,
    pub(super) failed: Failed,
    /// True if the user was asked something: then nothing is tried again before the user says so.
    pub(super) has_asked: bool,
    /// True if the user did not want to answer.
    pub(super) is_declined: bool,
    pub(super) changed_key: Option<ChangedKey>,
}

impl Host {
    /// Logs in on a thread of its own, since it may have to wait for the user.
    pub(super) fn begin_login(self: &Arc<Self>, state: &mut State) -> Result<(), Failed> {
        let host = Arc::clone(self);
        let begun = thread::Builder::new().name("login".to_owned()).spawn(move || {
            let connected = host.log_in();
            let mut state = lock(&host.state);
            // It may have been ended for that.
            let is_outdated = host.changes.load(Ordering::Relaxed) != state.changes;
            state.is_logging_in = false;
            match connected {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    state.connection = Arc::downgrade(&connection);
                    state.unused = Some(connection);
                    state.failed = None;
                }
                Err(failure) if is_outdated && !failure.has_asked => state.failed = Some(Failure::new(Failed::Away)),
                Err(failure) => state.failed = Some(failure),
            }
            host.ended.notify_all();
            // Whoever was told that it waits comes again.
            let waited = host
                .ended
                .wait_timeout_while(state, UNUSED, |state| state.unused.is_some());
            let unused = waited.unwrap_or_else(PoisonError::into_inner).0.unused.take();
            drop(unused);
        });
        begun.map_err(|error| Failed::Broken(format!("could not start a thread: {error}")))?;
        state.is_logging_in = true;
        Ok(())
    }

    fn log_in(&self) -> Result<Connection, Failure> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // Each has a socket of its own, since its end removes it. The path must be short (unix(7)).
        let socket = self.directory.join(format!("{}-{number}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = fs::remove_file(&socket);
        let mut ssh = self.master(&socket);
        let (tell, ready) = mpsc::channel();
        let give_up = tell.clone();
        let asking = self
            .questions
            .serve(&mut ssh, self.host.to_string(), move || {
                // It has ended already if nobody listens.
                let _ = give_up.send(false);
            })
            .map_err(|why| Failure::new(Failed::Broken(why)))?;
        let begun = begin(ssh, tell);
        let (process, said) =
            begun.map_err(|error| Failure::new(Failed::Broken(format!("could not run ssh: {error}"))))?;
        *lock(&self.process) = Arc::clone(&process);
        let connection = Connection::over(process, &self.host, &self.command, socket, number);
        match is_ready(&ready, &asking) {
            Some(true) => {
                connection.sessions.watch();
                return Ok(connection);
            }
            Some(false) => {}
            None => return Err(Failure::new(Failed::Away)),
        }
        // What it has said until now is all, or ssh has ended.
        connection.end();
        // What ssh has started may outlive it, and hold the other end.
        let said = said.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
        Err(Failure {
            has_asked: asking.has_asked(),
            is_declined: asking.unanswered() == Some(Unanswered::Declined),
            changed_key: changed_key(&self.host, &said),
            ..Failure::new(why_not_connected(&self.host, &said, &asking))
        })
    }

    /// The `ssh` that logs in and then only listens at the socket. It says so by a line.
    fn master(&self, socket: &Path) -> Command {
        let mut ssh = self.command.with(["-N", "-M", "-S"]);
        ssh.arg(socket);
        for option in [
            "ControlPersist=no",
            "ConnectTimeout=15",
            // A peer that is gone without a word is noticed after two minutes at the latest.
            "ServerAliveInterval=60",
            "ServerAliveCountMax=1",
            "TCPKeepAlive=yes",
            "ClearAllForwardings=yes",
            "RemoteCommand=none",
            "RequestTTY=no",
            "PermitLocalCommand=yes",
            // Run once it listens.
            "LocalCommand=echo connected",
        ] {
            ssh.arg("-o").arg(option);
        }
        add_destination(&mut ssh, &self.host);
        // ssh runs `LocalCommand` and `ProxyCommand` by it.
        ssh.env("SHELL", "/bin/sh");
        ssh
    }
}

impl Failure {
    fn new(failed: Failed) -> Self {
        Self {
            at: Instant::now(),
            failed,
            has_asked: false,
            is_declined: false,
            changed_key: None,
        }
    }
}

/// Waits until ssh listens; false if it will not, none if it takes too long.
fn is_ready(ready: &mpsc::Receiver<bool>, asking: &Asking) -> Option<bool> {
    while asking.busy() < LOGIN {
        match ready.recv_timeout(LOGIN.saturating_sub(asking.busy())) {
            Ok(is_ready) => return Some(is_ready),
            Err(RecvTimeoutError::Disconnected) => return Some(false),
            // Perhaps it has asked meanwhile.
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    None
}
