//! The other computers that this process uses: one connection to each, which all who want it share.

mod login;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use annex::settings::SshHost;

use self::login::Failure;
use super::command::SshCommand;
use super::connection::{Connection, end, link, lock};
use super::process::Process;
use super::words::{ChangedKey, waits_for_answer};
use crate::askpass::{Held, Questions, Unanswered, Whom};
use crate::{Failed, words};

/// How long nobody may try to log in again after a login has failed.
const NOT_AGAIN: Duration = Duration::from_secs(2);
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

    /// Why git cannot log in on a server that it reaches by itself, in words for people; none if the user did not want to.
    #[must_use]
    pub fn refused_account(&self, place: &str) -> Option<String> {
        let held = self.questions.known_account(place)?.held()?;
        let is_declined = held == Held::Unanswered(Unanswered::Declined);
        (!is_declined).then(|| words::held(place, held))
    }

    /// Lets the user be asked again for the account on such a server.
    pub fn ask_again(&self, place: &str) {
        if let Some(account) = self.questions.known_account(place) {
            account.try_again();
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
