//! Connections to other computers: one for each, by the user's own OpenSSH, for everything that goes there.
//!
//! A supervised `ssh` logs in and listens at a socket (ssh_config(5), `ControlPath`); each session is an `ssh` that uses that
//! login. The socket is ours: those of the user and of git-annex stay alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use annex::settings::SshHost;
use rustix::process::{Signal, kill_process_group};

use super::command::SshCommand;
use super::process::{Process, begin};
use super::session::Session;
use super::words::{ChangedKey, changed_key, waits_for_answer, why_not_connected};
use crate::Failed;
use crate::askpass::{Asking, Questions, Whom};

/// How long a login may take besides the time that its questions are open. ssh itself gives up sooner if nobody answers.
const LOGIN: Duration = Duration::from_secs(60);
/// How long a login that nobody waits for any more is kept: those who want it were told that it waits for an answer.
const UNUSED: Duration = Duration::from_secs(60);
/// A failed login is not tried again for this long, whoever asks.
const NOT_AGAIN: Duration = Duration::from_secs(2);
/// How many sessions may use a connection at once. A server refuses the eleventh (sshd_config(5), `MaxSessions`), and the
/// user may have one of their own.
const SESSIONS: usize = 9;
/// How many of them content may use: git, and questions, never wait until large content has passed.
const CONTENT: usize = 7;
/// How many of them may stand, waiting for news.
const STANDING: usize = 4;
/// How many sessions for the content of one repository are kept for the next transfer.
const IDLE: usize = 2;
/// How often a wait for a session looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(200);

/// The computers that this process is connected to.
pub struct Hosts {
    /// Where the sockets are, or why nowhere.
    directory: Result<PathBuf, String>,
    hosts: Mutex<BTreeMap<(SshHost, SshCommand), Arc<Host>>>,
    /// How many connections were tried.
    number: Arc<AtomicU64>,
    questions: Questions,
}

/// One computer.
struct Host {
    host: SshHost,
    command: SshCommand,
    directory: PathBuf,
    number: Arc<AtomicU64>,
    questions: Questions,
    state: Mutex<State>,
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
}

/// An attempt that failed.
struct Failure {
    at: Instant,
    failed: Failed,
    /// True if the user was asked something: then nothing is tried again before the user says so.
    has_asked: bool,
    changed_key: Option<ChangedKey>,
}

/// A login on another computer. It ends when nobody uses it any more, or with this process.
pub(crate) struct Connection {
    host: SshHost,
    command: SshCommand,
    socket: PathBuf,
    /// The `ssh` that holds the login.
    process: Process,
    sessions: Arc<Sessions>,
    /// Tells connections apart: a later one has a greater number.
    number: u64,
}

/// How many sessions use a connection.
#[derive(Default)]
struct Sessions {
    open: Mutex<Open>,
    closed: Condvar,
}

#[derive(Default)]
struct Open {
    all: usize,
    standing: usize,
    /// How many wait for one.
    waiting: usize,
    /// Those that nobody uses just now, the longest unused first.
    idle: Vec<Session>,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// git, or a question.
    Brief,
    /// Transfers, for as long as they take.
    Content,
    /// To hear of changes, for as long as the connection stands.
    Standing,
}

/// The right to one session. Given back when it is dropped.
pub(crate) struct Permit {
    sessions: Arc<Sessions>,
    purpose: Use,
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
                questions: self.questions.clone(),
                state: Mutex::default(),
                ended: Condvar::new(),
            };
            Arc::clone(known.or_insert_with(|| Arc::new(new())))
        };
        host.connect()
    }
}

impl Host {
    /// Others that want this computer wait here for the one login.
    fn connect(self: &Arc<Self>) -> Result<Arc<Connection>, Failed> {
        let mut state = lock(&self.state);
        if !state.is_logging_in {
            if let Some(connection) = state.connection.upgrade().filter(|connection| connection.is_alive()) {
                state.is_used(&self.ended);
                return Ok(connection);
            }
            if let Some(failure) = &state.failed
                && (failure.has_asked || failure.at.elapsed() < NOT_AGAIN)
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
        let connection = state.connection.upgrade();
        state.is_used(&self.ended);
        let failed = state.failed.as_ref().map(|failure| failure.failed.clone());
        connection.ok_or(failed.unwrap_or(Failed::Away))
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
            state.is_logging_in = false;
            match connected {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    state.connection = Arc::downgrade(&connection);
                    state.unused = Some(connection);
                    state.failed = None;
                }
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
        let connection = Connection {
            host: self.host.clone(),
            command: self.command.clone(),
            socket,
            process,
            sessions: Arc::default(),
            number,
        };
        match is_ready(&ready, &asking) {
            Some(true) => return Ok(connection),
            Some(false) => {}
            None => return Err(Failure::new(Failed::Away)),
        }
        // What it has said until now is all, or ssh has ended.
        connection.end();
        // What ssh has started may outlive it, and hold the other end.
        let said = said.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
        Err(Failure {
            has_asked: asking.has_asked(),
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

    /// Waits for a free session; what nobody uses makes room. None if it was cancelled. One that is to stand is not waited for:
    /// none if enough stand already, or all are used.
    pub(crate) fn permit(&self, purpose: Use, cancelled: &AtomicBool) -> Option<Permit> {
        let most = match purpose {
            Use::Brief | Use::Standing => SESSIONS,
            Use::Content => CONTENT,
        };
        let sessions = &self.sessions;
        let mut open = lock(&sessions.open);
        loop {
            let stands = purpose == Use::Standing;
            if stands && open.standing >= STANDING {
                return None;
            }
            if open.all < most {
                open.all += 1;
                open.standing += usize::from(stands);
                return Some(Permit {
                    sessions: Arc::clone(sessions),
                    purpose,
                });
            }
            if !open.idle.is_empty() {
                let idle = open.idle.remove(0);
                // Its end needs the lock.
                drop(open);
                match stands {
                    true => drop(idle),
                    false => idle.end(),
                }
                open = lock(&sessions.open);
                continue;
            }
            if stands || cancelled.load(Ordering::Relaxed) {
                return None;
            }
            open.waiting += 1;
            let waited = sessions.closed.wait_timeout(open, LOOK);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
            open.waiting -= 1;
        }
    }

    /// A session that runs this line already and that nobody uses.
    pub(crate) fn take_idle(&self, line: &str) -> Option<Session> {
        loop {
            let mut session = {
                let mut open = lock(&self.sessions.open);
                let at = open.idle.iter().rposition(|session| session.line() == line)?;
                open.idle.remove(at)
            };
            if session.is_idle() {
                return Some(session);
            }
        }
    }

    /// Keeps a session for the next transfer, unless somebody waits for one.
    pub(crate) fn keep_idle(&self, mut session: Session) {
        if !session.is_idle() {
            return;
        }
        let mut open = lock(&self.sessions.open);
        let alike = open.idle.iter().filter(|idle| idle.line() == session.line()).count();
        if open.waiting == 0 && alike < IDLE {
            open.idle.push(session);
        }
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
        if let Some(process) = *lock(&self.process) {
            // It has ended already if this fails.
            let _ = kill_process_group(process, Signal::TERM);
        }
        let _ = fs::remove_file(&self.socket);
        // They hold on to what counts them.
        let idle = std::mem::take(&mut lock(&self.sessions.open).idle);
        drop(idle);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
impl Permit {
    /// One that counts nowhere.
    pub(crate) fn alone() -> Self {
        let sessions = Arc::<Sessions>::default();
        lock(&sessions.open).all = 1;
        let purpose = Use::Content;
        Self { sessions, purpose }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = lock(&self.sessions.open);
        open.all -= 1;
        open.standing -= usize::from(self.purpose == Use::Standing);
        // Whoever is woken may need more room than there is.
        self.sessions.closed.notify_all();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is valid whenever the lock is free.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
