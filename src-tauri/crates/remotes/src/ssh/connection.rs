//! Connections to other computers: one for each, by the user's own OpenSSH, for everything that goes there.
//!
//! A supervised `ssh` logs in and listens at a socket (ssh_config(5), `ControlPath`); each session is an `ssh` that uses that
//! login. The socket is ours: those of the user and of git-annex stay alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use annex::settings::SshHost;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::command::SshCommand;
use super::session::Session;
use super::words::why_not_connected;
use crate::Failed;

/// How long a login may take. ssh itself gives up sooner if nobody answers.
const LOGIN: Duration = Duration::from_secs(60);
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
/// How much of what ssh says about a failure is kept.
const KEPT: usize = 8 << 10;

/// The computers that this process is connected to.
pub struct Hosts {
    /// Where the sockets are, or why nowhere.
    directory: Result<PathBuf, String>,
    hosts: Mutex<BTreeMap<(SshHost, SshCommand), Arc<Host>>>,
    /// How many connections were tried.
    number: Arc<AtomicU64>,
}

/// One computer.
struct Host {
    host: SshHost,
    command: SshCommand,
    directory: PathBuf,
    number: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those who use it keep it.
    connection: Weak<Connection>,
    /// The last attempt, if it failed.
    failed: Option<(Instant, Failed)>,
}

/// A login on another computer. It ends when nobody uses it any more, or with this process.
pub(crate) struct Connection {
    host: SshHost,
    command: SshCommand,
    socket: PathBuf,
    /// The `ssh` that holds the login; none once it has ended.
    process: Arc<Mutex<Option<Pid>>>,
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
    /// none, each connection fails with that reason.
    #[must_use]
    pub fn new(runtime: Result<PathBuf, String>) -> Self {
        Self {
            directory: runtime.map(|runtime| runtime.join("ssh")),
            hosts: Mutex::default(),
            number: Arc::default(),
        }
    }

    /// Returns the connection to a computer, and logs in if there is none.
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
                state: Mutex::default(),
            };
            Arc::clone(known.or_insert_with(|| Arc::new(new())))
        };
        host.connect()
    }
}

impl Host {
    /// Others that want this computer wait here for the one login.
    fn connect(&self) -> Result<Arc<Connection>, Failed> {
        let mut state = lock(&self.state);
        if let Some(connection) = state.connection.upgrade().filter(|connection| connection.is_alive()) {
            return Ok(connection);
        }
        if let Some((at, failed)) = &state.failed
            && at.elapsed() < NOT_AGAIN
        {
            return Err(failed.clone());
        }
        let connected = self.log_in().map(Arc::new);
        state.failed = connected.as_ref().err().map(|failed| (Instant::now(), failed.clone()));
        state.connection = connected.as_ref().map(Arc::downgrade).unwrap_or_default();
        connected
    }

    fn log_in(&self) -> Result<Connection, Failed> {
        let broken = |what: &str, error: &dyn std::fmt::Display| Failed::Broken(format!("{what}: {error}"));
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory);
        made.map_err(|error| broken(&format!("could not make {}", self.directory.display()), &error))?;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // Each has a socket of its own, since its end removes it. The path must be short (unix(7)).
        let socket = self.directory.join(format!("{}-{number}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = fs::remove_file(&socket);
        let begun = begin(self.master(&socket)).map_err(|error| broken("could not run ssh", &error))?;
        let Begun { process, ready, said } = begun;
        let connection = Connection {
            host: self.host.clone(),
            command: self.command.clone(),
            socket,
            process,
            sessions: Arc::default(),
            number,
        };
        match ready.recv_timeout(LOGIN) {
            Ok(true) => Ok(connection),
            Err(RecvTimeoutError::Timeout) => Err(Failed::Away),
            Ok(false) | Err(RecvTimeoutError::Disconnected) => {
                // What ssh has started may outlive it, and hold the other end.
                let said = said.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
                Err(why_not_connected(&self.host, &said))
            }
        }
    }

    /// The `ssh` that logs in and then only listens at the socket. It says so by a line.
    fn master(&self, socket: &Path) -> Command {
        let mut ssh = self.command.with(["-N", "-M", "-S"]);
        ssh.arg(socket);
        for option in [
            "BatchMode=yes",
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

fn add_destination(ssh: &mut Command, host: &SshHost) {
    if let Some(port) = host.port {
        ssh.arg("-p").arg(port.to_string());
    }
    ssh.arg("--").arg(&host.destination);
}

/// An `ssh` that is logging in.
struct Begun {
    process: Arc<Mutex<Option<Pid>>>,
    /// True once it listens; false, or nothing, if it has ended.
    ready: mpsc::Receiver<bool>,
    /// What it said about that.
    said: mpsc::Receiver<String>,
}

/// Starts a process, and a thread that outlives it.
fn begin(mut command: Command) -> std::io::Result<Begun> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A command of the user's may run ssh as a child of its own: they end together.
    command.process_group(0);
    ends_with_its_thread(&mut command);
    let (started, start) = mpsc::channel();
    let (tell, ready) = mpsc::channel();
    let (say, said) = mpsc::channel();
    thread::Builder::new().name("ssh".to_owned()).spawn(move || {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return drop(started.send(Err(error))),
        };
        let process = Arc::new(Mutex::new(Pid::from_raw(child.id().cast_signed())));
        let _ = started.send(Ok(Arc::clone(&process)));
        supervise(&mut child, &tell, &say);
        if let Some(process) = Pid::from_raw(child.id().cast_signed()) {
            let _ = waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        }
        // Once waited for, its number may become another process's.
        let mut ended = lock(&process);
        let _ = child.wait();
        *ended = None;
    })?;
    let process = start.recv().map_err(|_| std::io::ErrorKind::BrokenPipe)??;
    Ok(Begun { process, ready, said })
}

/// Waits until a process ends.
fn supervise(child: &mut Child, tell: &mpsc::Sender<bool>, say: &mpsc::Sender<String>) {
    thread::scope(|scope| {
        if let Some(out) = child.stdout.take() {
            scope.spawn(move || {
                let _ = tell.send(says_connected(out));
            });
        }
        let Some(mut err) = child.stderr.take() else { return };
        let mut said = Vec::new();
        let mut part = [0; 1024];
        // Read to the end, so that it never waits for us.
        while let Ok(length @ 1..) = err.read(&mut part) {
            let room = KEPT.saturating_sub(said.len()).min(length);
            said.extend_from_slice(&part[..room]);
        }
        let _ = say.send(String::from_utf8_lossy(&said).into_owned());
    });
}

fn says_connected(out: ChildStdout) -> bool {
    let mut line = String::new();
    let mut out = BufReader::new(out.take(1024));
    // A shell's start-up files may say something of their own.
    while let Ok(1..) = out.read_line(&mut line) {
        if line == "connected\n" {
            return true;
        }
        line.clear();
    }
    false
}

/// Has a process ended when the thread that starts it ends, and so when this process is killed: a login that nobody knows
/// of would stay for days.
#[allow(unsafe_code)]
fn ends_with_its_thread(command: &mut Command) {
    // SAFETY: prctl(2) is the only call between fork and exec; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?));
    }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is valid whenever the lock is free.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
