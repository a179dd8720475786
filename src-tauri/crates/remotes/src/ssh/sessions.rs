//! The sessions that use a connection: how many there may be, and whether somebody waits for what they bring.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::connection::{Connection, link, lock};
use super::process::Process;
use super::session::Session;

/// How many sessions may use a connection at once. A server refuses the eleventh (sshd_config(5), `MaxSessions`), and the
/// user may have one of their own.
const SESSIONS: usize = 9;
/// How many of them content may use: git, and questions, never wait until large content has passed.
const CONTENT: usize = 7;
/// How many of them may stand, waiting for news.
const STANDING: usize = 4;
/// How many sessions for the content of one repository are kept for the next transfer.
const IDLE: usize = 2;
/// What ssh (9.2) says when the other computer allows no more.
const REFUSED: &str = "Session open refused";
/// How often a session is tried that is refused: one that has ended here may still count there for a moment.
const TRIES: usize = 25;
/// How often a wait for a session looks whether it was cancelled, and how long to wait after a refusal.
const LOOK: Duration = Duration::from_millis(200);

/// The sessions that use a connection.
#[derive(Default)]
pub(super) struct Sessions {
    process: Process,
    open: Mutex<Open>,
    closed: Condvar,
}

struct Open {
    /// How many the other computer allows, as far as it has shown.
    most: usize,
    all: usize,
    standing: usize,
    /// The processes of those that stand.
    listeners: Vec<Weak<OwnedFd>>,
    /// How many wait for one.
    waiting: usize,
    /// Those that nobody uses just now, the longest unused first.
    idle: Vec<Session>,
    /// True if the kernel looks often whether the other computer is still there.
    is_watched: bool,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            most: SESSIONS,
            all: 0,
            standing: 0,
            listeners: Vec::new(),
            waiting: 0,
            idle: Vec::new(),
            is_watched: false,
        }
    }
}

impl Open {
    /// How many may be used when there is one more for this.
    fn most(&self, purpose: Use) -> usize {
        match purpose {
            Use::Brief | Use::Standing => self.most,
            Use::Content => self.most.min(CONTENT),
        }
    }

    /// True if somebody waits for what comes.
    fn is_waited_for(&self) -> bool {
        self.all > self.standing + self.idle.len()
    }
}

impl Sessions {
    /// None yet, over the connection of this process.
    pub(super) fn over(process: Process) -> Self {
        Self {
            process,
            ..Self::default()
        }
    }

    /// Has the kernel look for the other computer as often as somebody waits for it.
    pub(super) fn watch(&self) {
        link(&self.process).watch(lock(&self.open).is_waited_for());
    }

    /// Takes note of what has changed.
    fn changed(&self, open: &mut Open) {
        let is_watched = open.is_waited_for();
        if std::mem::replace(&mut open.is_watched, is_watched) != is_watched {
            link(&self.process).watch(is_watched);
        }
    }

    /// A session was refused, and is given back: no more are allowed than are open now. Those that stand make room.
    fn learn_limit(&self) {
        let mut open = lock(&self.open);
        open.most = open.all.clamp(1, open.most);
        let too_many = (open.standing + 1).saturating_sub(open.most);
        open.listeners.retain(|listener| listener.strong_count() > 0);
        for listener in open.listeners.iter().filter_map(Weak::upgrade).take(too_many) {
            // It has ended already if this fails.
            let _ = pidfd_send_signal(&*listener, Signal::TERM);
        }
    }

    /// Ends those that nobody uses: they hold on to what counts them.
    pub(super) fn end_idle(&self) {
        let idle = std::mem::take(&mut lock(&self.open).idle);
        Session::end_all(idle);
    }
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
    listener: Option<Arc<OwnedFd>>,
}

impl Connection {
    /// Waits for a free session; what nobody uses makes room. None if it was cancelled. One that is to stand is not waited for:
    /// none if enough stand already, or all are used.
    pub(crate) fn permit(&self, purpose: Use, cancelled: &AtomicBool) -> Option<Permit> {
        let sessions = &self.sessions;
        let mut open = lock(&sessions.open);
        loop {
            let stands = purpose == Use::Standing;
            // Where only few are allowed, none stands in the way.
            if stands && open.standing >= STANDING.min(open.most - 1) {
                return None;
            }
            if open.all < open.most(purpose) {
                open.all += 1;
                open.standing += usize::from(stands);
                sessions.changed(&mut open);
                return Some(Permit {
                    sessions: Arc::clone(sessions),
                    purpose,
                    listener: None,
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

    /// Does something that takes a session, and again if the other computer has refused it by what `refusal` says: it may allow
    /// only few at once (sshd_config(5), `MaxSessions`), so from then on there are fewer.
    pub(crate) fn with_few_sessions<T>(
        &self,
        mut attempt: impl FnMut() -> T,
        refusal: impl for<'a> Fn(&'a T) -> Option<&'a str>,
    ) -> T {
        for _ in 1..TRIES {
            let done = attempt();
            let is_refused = refusal(&done).is_some_and(|said| said.contains(REFUSED));
            if !is_refused || !self.is_alive() {
                return done;
            }
            self.sessions.learn_limit();
            thread::sleep(LOOK);
        }
        attempt()
    }

    /// A session that runs this line already and that nobody uses.
    pub(crate) fn take_idle(&self, line: &str) -> Option<Session> {
        loop {
            let mut session = {
                let mut open = lock(&self.sessions.open);
                let at = open.idle.iter().rposition(|session| session.line() == line)?;
                let session = open.idle.remove(at);
                self.sessions.changed(&mut open);
                session
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
            self.sessions.changed(&mut open);
        }
    }
}

#[cfg(test)]
impl Permit {
    /// One that counts nowhere.
    pub(crate) fn alone() -> Self {
        let sessions = Arc::<Sessions>::default();
        lock(&sessions.open).all = 1;
        Self {
            sessions,
            purpose: Use::Content,
            listener: None,
        }
    }
}

impl Permit {
    /// The process that stands. It is ended if others need its session.
    pub(super) fn is_for(&mut self, process: &Child) {
        // Without it, others wait until it ends.
        if let Ok(process) = pidfd_open(Pid::from_child(process), PidfdFlags::empty()) {
            let process = self.listener.insert(Arc::new(process));
            lock(&self.sessions.open).listeners.push(Arc::downgrade(process));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = lock(&self.sessions.open);
        open.all -= 1;
        open.standing -= usize::from(self.purpose == Use::Standing);
        self.sessions.changed(&mut open);
        // Whoever is woken may need more room than there is.
        self.sessions.closed.notify_all();
    }
}
