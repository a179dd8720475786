//! Content to a server of ours, in one stream: many keys are offered ahead, and stored together there.

use std::collections::VecDeque;
use std::slice::Iter;
use std::sync::atomic::Ordering;

use annex::exchange::content::{CopyOutcome, Wanted};
use annex::serving::Sending;
use annex::{Annex, Reached, Store, is_secure_backend};
use model::Key;
use p2p::{Answer, MOST_OFFERS, Unstored};

use super::{INSECURE, PART, TOO_MUCH, WRONG, copy, failed, file_of, not_stored, refused};
use crate::Travel;
use crate::ssh::Ssh;
use crate::ssh::session::{Ended, Session};
use crate::ssh::sessions::Use;

/// Contents on their way. Each passes these steps in order.
pub(super) struct Offering<'a> {
    ssh: &'a Ssh,
    store: Store<'a>,
    from: &'a Annex,
    travel: &'a Travel<'a>,
    secure_only: bool,
    /// Not offered.
    rest: Iter<'a, Wanted>,
    /// Offered, and not answered.
    offered: VecDeque<&'a Wanted>,
    /// Wanted from an offset on, and not sent.
    wanted: VecDeque<(&'a Wanted, u64)>,
    /// Sent, and not known to be stored.
    sent: VecDeque<&'a Wanted>,
    outcomes: Vec<(Key, CopyOutcome)>,
}

impl<'a> Offering<'a> {
    pub(super) fn new(ssh: &'a Ssh, from: &'a Annex, travel: &'a Travel<'a>, secure_only: bool) -> Self {
        Self {
            ssh,
            store: from.store(),
            from,
            travel,
            secure_only,
            rest: travel.wanted.iter(),
            offered: VecDeque::new(),
            wanted: VecDeque::new(),
            sent: VecDeque::new(),
            outcomes: Vec::new(),
        }
    }

    /// Sends them.
    pub(super) fn all(mut self) -> Vec<(Key, CopyOutcome)> {
        if let Err(ended) = self.run() {
            // What was sent may be there all the same: another time it is.
            let left = self
                .sent
                .drain(..)
                .chain(self.wanted.drain(..).map(|(wanted, _)| wanted));
            let left = left.chain(self.offered.drain(..)).chain(self.rest);
            self.outcomes
                .extend(left.map(|wanted| (wanted.key.clone(), ended.outcome())));
        }
        self.outcomes
    }

    fn run(&mut self) -> Result<(), Ended> {
        let cancelled = self.travel.cancelled;
        let mut session = self.ssh.session(self.from.uuid(), Use::Content, cancelled)?;
        loop {
            self.offer(&mut session);
            if let Some(&(wanted, offset)) = self.wanted.front() {
                self.send(&mut session, wanted, offset)?;
                self.wanted.pop_front();
                while let Some(answer) = session.heard()? {
                    self.answered(answer)?;
                }
            } else if self.offered.is_empty() && self.sent.is_empty() {
                break;
            } else {
                let answer = session.next(cancelled)?;
                self.answered(answer)?;
            }
            if cancelled.load(Ordering::Relaxed) {
                return Err(Ended::Cancelled);
            }
        }
        session.flush(cancelled)?;
        self.ssh.connection.keep_idle(session);
        Ok(())
    }

    fn ended(&mut self, wanted: &Wanted, outcome: CopyOutcome) {
        self.outcomes.push((wanted.key.clone(), outcome));
    }

    /// Offers as much as the server may be offered.
    fn offer(&mut self, session: &mut Session) {
        while self.offered.len() + self.wanted.len() < MOST_OFFERS
            && let Some(wanted) = self.rest.next()
        {
            if self.secure_only && !is_secure_backend(wanted.key.backend()) {
                self.ended(wanted, failed(INSECURE));
                continue;
            }
            session.client().offer(&wanted.key, &file_of(wanted));
            self.offered.push_back(wanted);
        }
    }

    /// Sends one content, or says that it is gone.
    fn send(&mut self, session: &mut Session, wanted: &'a Wanted, offset: u64) -> Result<(), Ended> {
        let content = self.store.send(&wanted.key, &self.ssh.uuid, wanted.path.as_ref());
        let why = match content {
            Ok(None) => CopyOutcome::SourceMissing,
            Err(error) => CopyOutcome::Failed(error),
            Ok(Some(content)) if offset > content.size() => failed(TOO_MUCH),
            Ok(Some(content)) => match self.send_content(&content, session, wanted, offset)? {
                None => return Ok(()),
                Some(why) => why,
            },
        };
        session.client().gone();
        self.ended(wanted, why);
        Ok(())
    }

    /// Sends it, small content together with what follows. Returns why not, if it cannot be read.
    fn send_content(
        &mut self,
        content: &Sending,
        session: &mut Session,
        wanted: &'a Wanted,
        offset: u64,
    ) -> Result<Option<CopyOutcome>, Ended> {
        let length = content.size() - offset;
        if length > PART as u64 {
            session.client().begin_content(length);
            copy(content, session, &wanted.key, offset, self.travel)?;
        } else {
            let bytes = match content.read(offset) {
                Ok(bytes) => bytes,
                Err(error) => return Ok(Some(failed(&format!("it could not be read: {error}")))),
            };
            let moved = bytes.len() as u64;
            session.client().begin_content(moved);
            session.client().content(&bytes);
            let there = offset + moved;
            (self.travel.progress)(&wanted.key, Reached { there, moved });
        }
        session.client().end_offered(content.is_unchanged());
        self.sent.push_back(wanted);
        if session.client().output_size() >= PART {
            session.flush(self.travel.cancelled)?;
        }
        Ok(None)
    }

    fn answered(&mut self, answer: Answer) -> Result<(), Ended> {
        let nonsense = || Ended::Broken(WRONG.to_owned());
        if let Answer::Stored(stored) = answer {
            let wanted = self.sent.pop_front().ok_or_else(nonsense)?;
            let outcome = match stored {
                Ok(()) => CopyOutcome::Stored,
                Err(why) => self.unstored(&wanted.key, why),
            };
            self.ended(wanted, outcome);
            return Ok(());
        }
        let wanted = self.offered.pop_front().ok_or_else(nonsense)?;
        let outcome = if let Answer::PutFrom(offset) = answer {
            self.wanted.push_back((wanted, offset));
            return Ok(());
        } else if let Answer::AlreadyHave = answer {
            CopyOutcome::AlreadyPresent
        } else if let Answer::Unwanted(why) = answer {
            self.unstored(&wanted.key, why)
        } else if let Answer::Refused(why) = answer {
            failed(&refused(&why))
        } else {
            self.offered.push_front(wanted);
            return Err(nonsense());
        };
        self.ended(wanted, outcome);
        Ok(())
    }

    fn unstored(&self, key: &Key, why: Unstored) -> CopyOutcome {
        match why {
            Unstored::Busy => CopyOutcome::Busy,
            Unstored::Full => CopyOutcome::DiskFull {
                need: key.size().unwrap_or(0),
            },
            Unstored::Wrong => not_stored(&self.store, key),
            Unstored::Failed(why) => failed(&refused(&why)),
        }
    }
}
