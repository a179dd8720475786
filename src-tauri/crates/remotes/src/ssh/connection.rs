//! Connections to other computers: one for each, by the user's own OpenSSH, for everything that goes there.
//!
//! A supervised `ssh` logs in and listens at a socket (ssh_config(5), `ControlPath`); each session is an `ssh` that uses that
//! login. The socket is ours: those of the user and of git-annex stay alone.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use annex::settings::SshHost;
use rustix::process::{Signal, kill_process_group};

use super::command::SshCommand;
use super::link::Link;
use super::process::{Process, begin};
use super::run::run_for;
use super::sessions::Sessions;
use super::words::{ChangedKey, changed_key, waits_for_answer, why_not_connected};
use crate::Failed;
use crate::askpass::{Asking, Questions, Unanswered, Whom};

/// How long a login may take besides the time that its questions are open. ssh itself gives up sooner if nobody answers.
const LOGIN: Duration = Duration::from_secs(60);
/// How long a login that nobody waits for any more is kept: those who want it were told that it waits for an answer.
const UNUSED: Duration = Duration::from_secs(60);
/// A failed login is not tried again for this long, whoever asks.
const NOT_AGAIN: Duration = Duration::from_secs(2);
/// How long another computer has to answer after the network has changed.
const PROOF: Duration = Duration::from_secs(5);
/// How often a wait for a login looks whether it asks something.
const LOOK: Duration = Duration::from_millis(200);

/// The computers that this process is connected to.
pub struct Hosts {
    /// Where the sockets are, or why nowhere.
    directory: Result<PathBuf, String>,
    hosts: Mutex<BTreeMap<(SshHost, SshCommand), Arc<Host>>>,
    /// How many connections were tried.
    number: Arc<AtomicU64>,
    /// How often the network has changed.
    changes: Arc<AtomicU64>,
    questions: Questions,
}

/// One computer.
struct Host {
    host: SshHost,
    command: SshCommand,
    directory: PathBuf,
    number: Arc<AtomicU64>,
    changes: Arc<AtomicU64>,
    questions: Questions,
    state: Mutex<State>,
    /// Of the last login.
    process: Mutex<Process>,
    /// Notified when a login has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    is_logging_in: bool,
    /// Those who use it keep it.
    connection: Weak<Connection>,
    /// A new connection that nobody uses yet.
    unused: Option<Arc<Connection>>,
    /// The last attempt, if it failed.
    failed: Option<Failure>,
    /// How often the network had changed when either was last known.
    changes: u64,
}

/// An attempt that failed.
struct Failure {
    at: Instant,
    failed: Failed,
    /// True if the user was asked something: then nothing is tried again before the user says so.
    has_asked: bool,
    /// True if the user did not want to answer.
    is_declined: bool,
    changed_key: Option<ChangedKey>,
}

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

impl Hosts {
    /// Connected to nothing yet. The sockets will be below `runtime`, a directory that only the user can enter; where there is
    /// none, each connection fails with that reason. ssh asks by `program`, which calls [`crate::askpass::run`] when it is
    /// started by the name [`crate::askpass::NAME`], and the questions are for `whom`.
    #[must_use]
    pub fn new(runtime: Result<PathBuf, String>, program: PathBuf, whom: Whom) -> Self {
        let directory = runtime.map(|runtime| runtime.join("ssh"));
        Self {
            questions: Questions::new(directory.clone(), program, whom),
            directory,
            hosts: Mutex::default(),
            number: Arc::default(),
            changes: Arc::default(),
        }
    }

    /// What is asked on the way to a computer.
    pub fn questions(&self) -> &Questions {
        &self.questions
    }

    /// The host key of a computer, if it is not the known one.
    #[must_use]
    pub fn changed_key(&self, host: &SshHost) -> Option<ChangedKey> {
        let of_host = self.of(host).into_iter();
        of_host
            .filter_map(|host| lock(&host.state).failed.as_ref()?.changed_key.clone())
            .next()
    }

    /// Why nobody can log in on a computer that answers, in words for people; none if its host key has changed, or the user
    /// did not want to.
    #[must_use]
    pub fn refused_login(&self, host: &SshHost) -> Option<String> {
        let of_host = self.of(host).into_iter();
        let why = |host: Arc<Host>| {
            let state = lock(&host.state);
            let failure = state.failed.as_ref()?;
            let is_known = failure.is_declined || failure.changed_key.is_some() || failure.failed == Failed::Away;
            (!is_known).then(|| failure.failed.to_string())
        };
        of_host.filter_map(why).next()
    }

    /// Lets a computer be tried again after a login that failed.
    pub fn try_again(&self, host: &SshHost) {
        for host in self.of(host) {
            lock(&host.state).failed = None;
        }
    }

    fn of(&self, host: &SshHost) -> Vec<Arc<Host>> {
        let hosts = lock(&self.hosts);
        let all = hosts.iter().filter(|((known, _), _)| known == host);
        all.map(|(_, host)| Arc::clone(host)).collect()
    }

    /// Returns the connection to a computer, and logs in if there is none. While somebody can answer what ssh asks
    /// ([`Hosts::questions`]), this does not wait for it.
    ///
    /// # Errors
    ///
    /// `Away` if the computer cannot be reached, else with words for people.
    pub(crate) fn connect(&self, host: &SshHost, command: &SshCommand) -> Result<Arc<Connection>, Failed> {
        let directory = self.directory.as_ref().map_err(|why| Failed::Broken(why.clone()))?;
        let host = {
            let mut hosts = lock(&self.hosts);
            let known = hosts.entry((host.clone(), command.clone()));
            let new = || Host {
                host: host.clone(),
                command: command.clone(),
                directory: directory.clone(),
                number: Arc::clone(&self.number),
                changes: Arc::clone(&self.changes),
                process: Mutex::default(),
                questions: self.questions.clone(),
                state: Mutex::default(),
                ended: Condvar::new(),
            };
            Arc::clone(known.or_insert_with(|| Arc::new(new())))
        };
        host.connect()
    }

    /// Tells that the network has changed: every connection has to prove itself before it is used again, and every computer
    /// may be tried at once. Connections end if they are from an address that this computer `lacks` now. Waits for nothing.
    pub fn network_changed(&self, lacks: impl Fn(IpAddr) -> bool) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        for host in lock(&self.hosts).values() {
            let process = Arc::clone(&lock(&host.process));
            if link(&process).local_addresses().any(&lacks) {
                end(&process);
            }
        }
    }
}

/// The network connection of an `ssh`.
pub(super) fn link(process: &Process) -> Link {
    lock(process).map_or_else(Link::default, Link::of)
}

fn end(process: &Process) {
    if let Some(process) = *lock(process) {
        // It has ended already if this fails.
        let _ = kill_process_group(process, Signal::TERM);
    }
}

impl Host {
    /// Others that want this computer wait here for the one login.
    fn connect(self: &Arc<Self>) -> Result<Arc<Connection>, Failed> {
        let mut state = lock(&self.state);
        if !state.is_logging_in {
            let changes = self.changes.load(Ordering::Relaxed);
            let has_changed = std::mem::replace(&mut state.changes, changes) != changes;
            if let Some(connection) = state.living() {
                let mut answers = true;
                if has_changed {
                    (state, answers) = self.prove(state, &connection);
                }
                if answers {
                    state.is_used(&self.ended);
                    return Ok(connection);
                }
                connection.end();
            }
            if let Some(failure) = &state.failed
                && (failure.has_asked || failure.at.elapsed() < NOT_AGAIN && !has_changed)
            {
                return Err(failure.failed.clone());
            }
            self.begin_login(&mut state)?;
        }
        while state.is_logging_in {
            if self.is_asking() {
                return Err(waits_for_answer(&self.host));
            }
            let waited = self.ended.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let connection = state.living();
        state.is_used(&self.ended);
        let failed = state.failed.as_ref().map(|failure| failure.failed.clone());
        connection.ok_or(failed.unwrap_or(Failed::Away))
    }

    /// Has a connection prove itself, as if it were a new login: others that want it wait, and those that only look at the
    /// state do not.
    fn prove<'a>(&'a self, mut state: MutexGuard<'a, State>, connection: &Connection) -> (MutexGuard<'a, State>, bool) {
        state.is_logging_in = true;
        drop(state);
        let answers = connection.answers();
        let mut state = lock(&self.state);
        state.is_logging_in = false;
        self.ended.notify_all();
        (state, answers)
    }

    /// True if somebody has yet to answer what ssh asks.
    fn is_asking(&self) -> bool {
        let place = self.host.to_string();
        !self.questions.open(|asking| asking == place).is_empty()
    }

    /// Logs in on a thread of its own, since it may have to wait for the user.
    fn begin_login(self: &Arc<Self>, state: &mut State) -> Result<(), Failed> {
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
        let connection = Connection {
            host: self.host.clone(),
            command: self.command.clone(),
            socket,
            sessions: Arc::new(Sessions::over(Arc::clone(&process))),
            process,
            number,
        };
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

impl State {
    /// The connection, if it has not ended.
    fn living(&self) -> Option<Arc<Connection>> {
        self.connection.upgrade().filter(|connection| connection.is_alive())
    }

    /// Those who use the connection keep it from now on.
    fn is_used(&mut self, ended: &Condvar) {
        self.unused = None;
        // It is kept for them by a thread.
        ended.notify_all();
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

fn add_destination(ssh: &mut Command, host: &SshHost) {
    if let Some(port) = host.port {
        ssh.arg("-p").arg(port.to_string());
    }
    ssh.arg("--").arg(&host.destination);
}

impl Connection {
    /// Which connection this is: a later one has a greater number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// False once the login has ended.
    pub(crate) fn is_alive(&self) -> bool {
        lock(&self.process).is_some_and(|process| rustix::process::test_kill_process(process).is_ok())
            && self.socket.exists()
    }

    /// Asks the other computer whether it is still there, and waits a few seconds for its answer.
    fn answers(&self) -> bool {
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
}

impl Connection {
    /// Ends it, with all its sessions.
    fn end(&self) {
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is valid whenever the lock is free.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
