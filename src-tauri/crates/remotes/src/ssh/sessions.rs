//! The sessions that use a connection: how many there may be, and whether somebody waits for what they bring.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

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
/// How often a wait for a session looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(200);

/// The sessions that use a connection.
#[derive(Default)]
pub(super) struct Sessions {
    process: Process,
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
    /// True if the kernel looks often whether the other computer is still there.
    is_watched: bool,
}

impl Open {
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

    /// Ends those that nobody uses: they hold on to what counts them.
    pub(super) fn end_idle(&self) {
        let idle = std::mem::take(&mut lock(&self.open).idle);
        drop(idle);
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
}

impl Connection {
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
                sessions.changed(&mut open);
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
        let purpose = Use::Content;
        Self { sessions, purpose }
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
