//! Content to and from another computer, by git-annex's P2P protocol.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use annex::exchange::content::{Arrival, Arrivals, Outcome, Terms, Wanted, is_intact};
use annex::exchange::in_one_line;
use annex::serving::Sending;
use annex::settings::Settings;
use annex::{Annex, Error, Reached, Store, is_secure_backend};
use model::{Key, Uuid};
use p2p::Answer;

use super::Ssh;
use super::session::{Ended, Session};
use super::sessions::Use;
use crate::{Contents, Failed, Travel};

/// So many sessions send small content at once: the answer to each takes a round trip.
const SENDERS: usize = 4;
/// A session more is worth it for so many contents.
const WORTH_A_SENDER: usize = 8;
/// How much content is sent between two looks at the limits and at whether it was cancelled, in bytes.
const PART: u64 = 256 << 10;

/// Said of a server that does not keep to the protocol.
const WRONG: &str = "the other computer sent a wrong answer";

impl Ssh {
    fn session(&self, here: &Uuid, cancelled: &AtomicBool) -> Result<Session, Ended> {
        let parameters = [here.as_str(), "--uuid", self.uuid.as_str()];
        let line = self.shell.line("p2pstdio", &self.address.path, &parameters);
        let connection = &self.connection;
        if let Some(session) = connection.take_idle(&line) {
            return Ok(session);
        }
        let open = || {
            let permit = connection.permit(Use::Content, cancelled).ok_or(Ended::Cancelled)?;
            Session::open(connection.session(&line), line.clone(), &self.uuid, permit, cancelled)
        };
        connection.with_few_sessions(open, |opened| match opened {
            Err(Ended::Broken(why)) => Some(why),
            Ok(_) | Err(Ended::Cancelled) => None,
        })
    }
}

impl Contents for Ssh {
    fn store(&self, from: &Annex, travel: &Travel<'_>) -> Vec<(Key, Outcome)> {
        let secure_only = match Settings::read(from, travel.config) {
            Ok(settings) => settings.securehashesonly,
            Err(error) => return all_failed(travel.wanted, &error.to_string()),
        };
        let sending = Senders {
            ssh: self,
            from,
            wanted: travel.wanted,
            progress: travel.progress,
            cancelled: travel.cancelled,
            secure_only,
            next: AtomicUsize::new(0),
            outcomes: Mutex::default(),
        };
        let senders = (travel.wanted.len() / WORTH_A_SENDER).clamp(1, SENDERS);
        thread::scope(|scope| {
            for _ in 1..senders {
                scope.spawn(|| sending.send());
            }
            sending.send();
        });
        sending.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn retrieve(&self, into: &Annex, travel: &Travel<'_>) -> Vec<(Key, Outcome)> {
        let settings = match Settings::read(into, travel.config) {
            Ok(settings) => settings,
            Err(error) => return all_failed(travel.wanted, &error.to_string()),
        };
        let terms = Terms {
            reserve: settings.diskreserve,
            verify: true,
            secure_hashes_only: settings.securehashesonly,
        };
        let store = into.store();
        let mut arrivals = Arrivals::new(&store, &self.uuid, terms);
        match arrivals.wait_for_turn(travel.wanted.len(), travel.cancelled) {
            Ok(true) => {}
            Ok(false) => {
                let outcome = |one: &Wanted| (one.key.clone(), Outcome::Cancelled);
                return travel.wanted.iter().map(outcome).collect();
            }
            Err(error) => return all_failed(travel.wanted, &error.to_string()),
        }
        let mut receiving = Receiving {
            ssh: self,
            arrivals,
            travel,
            outcomes: Vec::new(),
        };
        receiving.all(into.uuid());
        receiving.outcomes
    }

    fn has_room(&self, _: u64, _: &BTreeMap<String, String>) -> bool {
        // The server checks that, and refuses.
        true
    }

    fn set_aside(&self, _: &Key) -> Result<(), Failed> {
        Err(Failed::Refused(format!(
            "it is on another computer. Run 'git annex fsck' in {} there",
            self.address.path
        )))
    }

    fn is_there(&self) -> bool {
        self.connection.is_alive()
    }
}

fn all_failed(wanted: &[Wanted], why: &str) -> Vec<(Key, Outcome)> {
    wanted.iter().map(|one| (one.key.clone(), failed(why))).collect()
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(Error::Refused(why.to_owned()))
}

impl Ended {
    /// What it means for a content that was not transferred.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Cancelled => Outcome::Cancelled,
            Self::Broken(why) => failed(why),
        }
    }
}

fn file_of(wanted: &Wanted) -> Vec<u8> {
    wanted
        .path
        .as_ref()
        .map(|path| path.as_bytes().to_vec())
        .unwrap_or_default()
}

/// Contents that are fetched together: all are asked for at once.
struct Receiving<'a> {
    ssh: &'a Ssh,
    arrivals: Arrivals<'a>,
    travel: &'a Travel<'a>,
    outcomes: Vec<(Key, Outcome)>,
}

impl<'a> Receiving<'a> {
    fn all(&mut self, here: &Uuid) {
        let mut asked = Vec::new();
        for wanted in self.travel.wanted {
            match self.arrivals.wants(&wanted.key) {
                Ok(offset) => asked.push((wanted, offset)),
                Err(outcome) => self.outcomes.push((wanted.key.clone(), outcome)),
            }
        }
        let mut arrived = 0;
        let ended = if asked.is_empty() {
            Ok(())
        } else {
            self.ask(here, &asked, &mut arrived)
        };
        let stored = self.arrivals.finish();
        self.outcomes.extend(stored);
        if let Err(ended) = ended {
            for (wanted, _) in &asked[arrived..] {
                self.outcomes.push((wanted.key.clone(), ended.outcome()));
            }
        }
    }

    /// Asks for contents and takes them. `arrived` counts those that have an outcome, or are complete.
    fn ask(&mut self, here: &Uuid, asked: &[(&'a Wanted, u64)], arrived: &mut usize) -> Result<(), Ended> {
        let cancelled = self.travel.cancelled;
        let mut session = self.ssh.session(here, cancelled)?;
        for (wanted, offset) in asked {
            session.client().get(&wanted.key, &file_of(wanted), *offset);
        }
        let sending = session
            .begin_sending()
            .map_err(|error| Ended::Broken(format!("could not send: {error}")))?;
        for (wanted, offset) in asked {
            let outcomes = self.take(&mut session, wanted, *offset)?;
            self.outcomes.extend(outcomes);
            *arrived += 1;
        }
        session.end_sending(sending);
        self.ssh.connection.keep_idle(session);
        Ok(())
    }

    /// Takes one content.
    fn take(&mut self, session: &mut Session, wanted: &'a Wanted, offset: u64) -> Result<Vec<(Key, Outcome)>, Ended> {
        let (key, cancelled) = (&wanted.key, self.travel.cancelled);
        let nonsense = || Ended::Broken(WRONG.to_owned());
        let Answer::Content(length) = session.next(cancelled)? else {
            return Err(nonsense());
        };
        let is_less = |size: u64| length < size.saturating_sub(offset);
        if length == 0 && key.size().is_none_or(is_less) {
            // It is not there. In old versions of the protocol that is all that is said.
            let Answer::End { is_valid } = session.next(cancelled)? else {
                return Err(nonsense());
            };
            if is_valid != Some(false) && key.size().is_none() {
                return self.store_empty(wanted, offset);
            }
            return Ok(vec![(key.clone(), Outcome::SourceMissing)]);
        }
        let mut arrival = self.arrivals.receive(wanted, offset, length);
        if let Err(Outcome::Corrupt) = arrival {
            // However much that is, none of it is of use.
            self.outcomes.push((key.clone(), Outcome::Corrupt));
            return Err(Ended::Broken(format!(
                "the other computer sends content of {key} that has another size"
            )));
        }
        loop {
            let said = session.next(cancelled)?;
            if let Answer::Part(part) = said {
                if let Ok(open) = &mut arrival
                    && let Err(outcome) = open.write(&part)
                {
                    arrival = Err(outcome);
                }
                self.tell(key, arrival.as_ref().ok(), part.len() as u64);
                if cancelled.load(Ordering::Relaxed) {
                    return Err(Ended::Cancelled);
                }
            } else if let Answer::End { is_valid } = said {
                return Ok(match arrival {
                    Ok(arrival) => self.arrivals.arrived(arrival, is_valid != Some(false)),
                    Err(outcome) => vec![(key.clone(), outcome)],
                });
            } else {
                return Err(nonsense());
            }
        }
    }

    fn store_empty(&mut self, wanted: &'a Wanted, offset: u64) -> Result<Vec<(Key, Outcome)>, Ended> {
        Ok(match self.arrivals.receive(wanted, offset, 0) {
            Ok(arrival) => self.arrivals.arrived(arrival, true),
            Err(outcome) => vec![(wanted.key.clone(), outcome)],
        })
    }

    fn tell(&self, key: &Key, arrival: Option<&Arrival<'_>>, moved: u64) {
        let there = arrival.map_or(0, Arrival::size);
        (self.travel.progress)(key, Reached { there, moved });
    }
}

/// What became of a content that the server asked for.
enum Put {
    /// It was sent, and the next was offered.
    Ended(Outcome),
    /// Nothing was sent.
    NotSent(Outcome),
}

/// Contents that are sent by several sessions.
struct Senders<'a> {
    ssh: &'a Ssh,
    from: &'a Annex,
    wanted: &'a [Wanted],
    progress: &'a (dyn Fn(&Key, Reached) + Sync),
    cancelled: &'a AtomicBool,
    secure_only: bool,
    /// The first of what is wanted that no session has taken.
    next: AtomicUsize,
    outcomes: Mutex<Vec<(Key, Outcome)>>,
}

impl<'a> Senders<'a> {
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
            self.ended(
                wanted,
                match &ended {
                    Ended::Cancelled => Outcome::Cancelled,
                    Ended::Broken(why) => failed(why),
                },
            );
        }
    }

    fn take(&self) -> Option<&'a Wanted> {
        self.wanted.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn ended(&self, wanted: &Wanted, outcome: Outcome) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push((wanted.key.clone(), outcome));
    }

    /// Offers the next content behind what was sent before, so that no round trip passes between the two.
    fn offer(&self, session: &mut Session) -> Option<&'a Wanted> {
        loop {
            let wanted = self.take()?;
            if self.secure_only && !is_secure_backend(wanted.key.backend()) {
                let why = "annex.securehashesonly forbids keys of its backend; nothing was transferred";
                self.ended(wanted, failed(why));
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
        let cancelled = self.cancelled;
        if cancelled.load(Ordering::Relaxed) {
            *session = None;
            return Err(Ended::Cancelled);
        }
        let open = match session {
            Some(open) => open,
            None => {
                if self.next.load(Ordering::Relaxed) >= self.wanted.len() {
                    return Ok(false);
                }
                session.insert(self.ssh.session(self.from.uuid(), cancelled)?)
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
        } else if let Answer::AlreadyHave(_) = said {
            Outcome::AlreadyPresent
        } else if let Answer::Refused(why) = said {
            failed(&refused(&why))
        } else {
            return Err(Ended::Broken(WRONG.to_owned()));
        };
        *offered = None;
        self.ended(wanted, outcome);
        Ok(true)
    }

    /// Sends a content, and offers the next.
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
            Ok(None) => Outcome::SourceMissing,
            Err(error) => Outcome::Failed(error),
            Ok(Some(content)) if offset > content.size() => {
                failed("the other computer has more of it than there is. 'git annex fsck' there may tell why")
            }
            Ok(Some(content)) => return self.put_from(content, session, wanted, offset, offered),
        };
        session.client().give_up();
        session.flush(self.cancelled)?;
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
        let (key, cancelled) = (&wanted.key, self.cancelled);
        let size = content.size();
        session.client().begin_content(size - offset);
        session.flush(cancelled)?;
        let mut there = offset;
        while there < size {
            let part = session.copy(&content, there, PART.min(size - there), cancelled)?;
            if part == 0 {
                // It was shortened meanwhile. The server waits for bytes that do not exist.
                return Err(Ended::Broken(format!("the content of {key} changed while it was sent")));
            }
            there += part;
            content.report(there);
            (self.progress)(key, Reached { there, moved: part });
            if cancelled.load(Ordering::Relaxed) {
                return Err(Ended::Cancelled);
            }
        }
        session.client().end_content(content.is_unchanged());
        drop(content);
        *offered = self.offer(session);
        session.flush(cancelled)?;
        let outcome = match session.next(cancelled) {
            Ok(Answer::Done { yes: true, .. }) => Outcome::Stored,
            Ok(Answer::Done { yes: false, .. }) => not_stored(&self.from.store(), key),
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

fn refused(why: &str) -> String {
    let why = in_one_line(why);
    format!("the other computer refused: {why}")
}

/// Why the server did not keep what was sent: it was wrong here already, or for a reason of its own.
fn not_stored(store: &Store<'_>, key: &Key) -> Outcome {
    match is_intact(store, key) {
        Some(false) => Outcome::Corrupt,
        Some(true) | None => failed(
            "the other computer could not store it. Its disk may be full, or it may be receiving it from elsewhere",
        ),
    }
}
