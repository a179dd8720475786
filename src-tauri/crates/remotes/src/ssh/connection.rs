//! The connection to another computer, by the user's own OpenSSH, for everything that goes there.
//!
//! A supervised `ssh` has logged in and listens at a socket (ssh_config(5), `ControlPath`); each session is an `ssh` that uses
//! that login. The socket is ours: those of the user and of git-annex stay alone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annex::settings::SshHost;
use rustix::process::{Signal, kill_process_group};

use super::command::SshCommand;
use super::link::Link;
use super::process::Process;
use super::run::run_for;
use super::sessions::Sessions;

/// How long another computer has to answer after the network has changed.
const PROOF: Duration = Duration::from_secs(5);

/// A login on another computer. It ends when nobody uses it any more, or with this process.
pub(crate) struct Connection {
    host: SshHost,
    command: SshCommand,
    socket: PathBuf,
    /// The `ssh` that holds the login.
    process: Process,
    pub(super) sessions: Arc<Sessions>,
    /// Tells connections apart: a later one has a greater number.
    number: u64,
}

/// The network connection of an `ssh`.
pub(super) fn link(process: &Process) -> Link {
    lock(process).map_or_else(Link::default, Link::of)
}

pub(super) fn end(process: &Process) {
    if let Some(process) = *lock(process) {
        // It has ended already if this fails.
        let _ = kill_process_group(process, Signal::TERM);
    }
}

impl Connection {
    /// The connection of an `ssh` that listens at a socket, or is about to.
    pub(super) fn over(process: Process, host: &SshHost, command: &SshCommand, socket: PathBuf, number: u64) -> Self {
        Self {
            host: host.clone(),
            command: command.clone(),
            socket,
            sessions: Arc::new(Sessions::over(Arc::clone(&process))),
            process,
            number,
        }
    }

    /// Which connection this is: a later one has a greater number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// False once the login has ended.
    pub(crate) fn is_alive(&self) -> bool {
        lock(&self.process).is_some_and(|process| rustix::process::test_kill_process(process).is_ok())
            && self.socket.exists()
    }

    /// How long an answer takes; none if it does not stand, or leads over another computer.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let process = (*lock(&self.process))?;
        Link::direct(process).round_trip()
    }

    /// Asks the other computer whether it is still there, and waits a few seconds for its answer.
    pub(super) fn answers(&self) -> bool {
        let link = link(&self.process);
        if !link.is_unknown() {
            let answers = link.answers(PROOF);
            self.sessions.watch();
            return answers;
        }
        // Whatever becomes of the command, it is an answer.
        run_for(self.session("true"), PROOF).is_ok_and(|said| said.code.is_some()) && self.is_alive()
    }

    /// An `ssh` that runs a line of shell on the other computer.
    pub(crate) fn session(&self, line: &str) -> Command {
        let mut ssh = self.command.with(self.over_this());
        add_destination(&mut ssh, &self.host);
        ssh.arg(line);
        ssh
    }

    /// The line of shell for `GIT_SSH_COMMAND`.
    pub(crate) fn for_git(&self) -> std::ffi::OsString {
        let arguments = self.over_this();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.command.line(&arguments)
    }

    /// The arguments with which ssh uses this login, and never makes one of its own: it would ask in a terminal.
    fn over_this(&self) -> Vec<String> {
        let mut arguments = vec!["-S".to_owned(), self.socket.to_string_lossy().into_owned()];
        for option in [
            "ControlMaster=no",
            "ProxyCommand=false",
            "BatchMode=yes",
            "RequestTTY=no",
            "RemoteCommand=none",
            "ClearAllForwardings=yes",
            "LogLevel=ERROR",
        ] {
            arguments.extend(["-o".to_owned(), option.to_owned()]);
        }
        arguments
    }

    /// Ends it, with all its sessions.
    pub(super) fn end(&self) {
        end(&self.process);
        let _ = fs::remove_file(&self.socket);
        self.sessions.end_idle();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // While it stands, so that what has arrived there is in the work tree before a one-shot run ends.
        self.sessions.end_idle();
        self.end();
    }
}

pub(super) fn add_destination(ssh: &mut Command, host: &SshHost) {
    if let Some(port) = host.port {
        ssh.arg("-p").arg(port.to_string());
    }
    ssh.arg("--").arg(&host.destination);
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is valid whenever the lock is free.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
