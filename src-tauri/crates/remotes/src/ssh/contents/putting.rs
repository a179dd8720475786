//! Content to a server of git-annex: each content is offered, and sent if the server asks for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use annex::exchange::content::{CopyOutcome, Wanted};
use annex::serving::Sending;
use annex::{Annex, Store, is_secure_backend};
use model::Key;
use p2p::Answer;

use super::{INSECURE, TOO_MUCH, WRONG, copy, failed, file_of, not_stored, refused};
use crate::Travel;
use crate::ssh::Ssh;
use crate::ssh::session::{Ended, Session};
use crate::ssh::sessions::Use;

/// The most sessions that send small files at once. Each answer takes a round trip.
const SENDERS: usize = 4;
/// The number of files for which one more session is opened.
const WORTH_A_SENDER: usize = 8;

/// What became of a file that the server asked for.
enum Put {
    /// It was sent, and the next was offered.
    Ended(CopyOutcome),
    /// Nothing was sent.
    NotSent(CopyOutcome),
}

/// Contents that are sent by several sessions.
pub(super) struct Senders<'a> {
    ssh: &'a Ssh,
    from: &'a Annex,
    travel: &'a Travel<'a>,
    secure_only: bool,
    /// The first of what is wanted that no session has taken.
    next: AtomicUsize,
    outcomes: Mutex<Vec<(Key, CopyOutcome)>>,
}

impl<'a> Senders<'a> {
    pub(super) fn new(ssh: &'a Ssh, from: &'a Annex, travel: &'a Travel<'a>, secure_only: bool) -> Self {
        Self {
            ssh,
            from,
            travel,
            secure_only,
            next: AtomicUsize::new(0),
            outcomes: Mutex::default(),
        }
    }

    /// Sends them.
    pub(super) fn all(self) -> Vec<(Key, CopyOutcome)> {
        let senders = (self.travel.wanted.len() / WORTH_A_SENDER).clamp(1, SENDERS);
        thread::scope(|scope| {
            for _ in 1..senders {
                scope.spawn(|| self.send());
            }
            self.send();
        });
        self.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what no other session has taken.
    fn send(&self) {
        let store = self.from.store();
        let mut offered = None;
        let mut session = None;
        let ended = loop {
            match self.step(&store, &mut session, &mut offered) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(ended) => break Some(ended),
            }
        };
        if let Some(session) = session {
            self.ssh.connection.keep_idle(session);
        }
        let Some(ended) = ended else { return };
        // What other sessions send may arrive all the same; the rest would end like this.
        let rest = std::iter::from_fn(|| self.take());
        for wanted in offered.into_iter().chain(rest) {
            self.ended(wanted, ended.outcome());
        }
    }

    fn take(&self) -> Option<&'a Wanted> {
        self.travel.wanted.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn ended(&self, wanted: &Wanted, outcome: CopyOutcome) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push((wanted.key.clone(), outcome));
    }

    /// Offers the next content behind what was sent before, so that no round trip passes between the two.
    fn offer(&self, session: &mut Session) -> Option<&'a Wanted> {
        loop {
            let wanted = self.take()?;
            if self.secure_only && !is_secure_backend(wanted.key.backend()) {
                self.ended(wanted, failed(INSECURE));
                continue;
            }
            session.client().put(&wanted.key, &file_of(wanted));
            return Some(wanted);
        }
    }

    /// Sends one content; false if there is none any more. `offered` is what the server has still to answer.
    fn step(
        &self,
        store: &Store<'_>,
        session: &mut Option<Session>,
        offered: &mut Option<&'a Wanted>,
    ) -> Result<bool, Ended> {
        let cancelled = self.travel.cancelled;
        if cancelled.load(Ordering::Relaxed) {
            *session = None;
            return Err(Ended::Cancelled);
        }
        let open = match session {
            Some(open) => open,
            None => {
                if self.next.load(Ordering::Relaxed) >= self.travel.wanted.len() {
                    return Ok(false);
                }
                session.insert(self.ssh.session(self.from.uuid(), Use::Content, cancelled)?)
            }
        };
        let Some(wanted) = offered.or_else(|| self.offer(open)) else {
            return Ok(false);
        };
        *offered = Some(wanted);
        open.flush(cancelled)?;
        let said = open.next(cancelled)?;
        let outcome = if let Answer::PutFrom(offset) = said {
            match self.put(store, open, wanted, offset, offered)? {
                Put::Ended(outcome) => {
                    self.ended(wanted, outcome);
                    return Ok(true);
                }
                Put::NotSent(outcome) => outcome,
            }
        } else if let Answer::AlreadyHave = said {
            CopyOutcome::AlreadyPresent
        } else if let Answer::Refused(why) = said {
            failed(&refused(&why))
        } else {
            return Err(Ended::Broken(WRONG.to_owned()));
        };
        *offered = None;
        self.ended(wanted, outcome);
        Ok(true)
    }

    /// Sends one file, and offers the next.
    fn put(
        &self,
        store: &Store<'_>,
        session: &mut Session,
        wanted: &'a Wanted,
        offset: u64,
        offered: &mut Option<&'a Wanted>,
    ) -> Result<Put, Ended> {
        let content = store.send(&wanted.key, &self.ssh.uuid, wanted.path.as_ref());
        let why = match content {
            Ok(None) => CopyOutcome::SourceMissing,
            Err(error) => CopyOutcome::Failed(error),
            Ok(Some(content)) if offset > content.size() => failed(TOO_MUCH),
            Ok(Some(content)) => return self.put_from(content, session, wanted, offset, offered),
        };
        session.client().give_up();
        session.flush(self.travel.cancelled)?;
        Ok(Put::NotSent(why))
    }

    fn put_from(
        &self,
        content: Sending,
        session: &mut Session,
        wanted: &'a Wanted,
        offset: u64,
        offered: &mut Option<&'a Wanted>,
    ) -> Result<Put, Ended> {
        let (key, cancelled) = (&wanted.key, self.travel.cancelled);
        session.client().begin_content(content.size() - offset);
        copy(&content, session, key, offset, self.travel)?;
        session.client().end_content(content.is_unchanged());
        drop(content);
        *offered = self.offer(session);
        session.flush(cancelled)?;
        let outcome = match session.next(cancelled) {
            Ok(Answer::Done(true)) => CopyOutcome::Stored,
            Ok(Answer::Done(false)) => not_stored(&self.from.store(), key),
            Ok(Answer::Refused(why)) => failed(&refused(&why)),
            said => {
                let ended = said.err().unwrap_or_else(|| Ended::Broken(WRONG.to_owned()));
                self.ended(wanted, ended.outcome());
                return Err(ended);
            }
        };
        Ok(Put::Ended(outcome))
    }
}
