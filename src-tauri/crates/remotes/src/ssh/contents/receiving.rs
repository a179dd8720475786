//! Content from another computer.

use std::sync::atomic::Ordering;

use annex::Reached;
use annex::exchange::content::{Arrival, Arrivals, CopyOutcome, Wanted};
use model::{Key, Uuid};
use p2p::Answer;

use super::{WRONG, file_of};
use crate::Travel;
use crate::ssh::Ssh;
use crate::ssh::session::{Ended, Session};
use crate::ssh::sessions::Use;

/// Contents that are fetched together: all are asked for at once.
pub(super) struct Receiving<'a> {
    pub(super) ssh: &'a Ssh,
    pub(super) arrivals: Arrivals<'a>,
    pub(super) travel: &'a Travel<'a>,
    pub(super) outcomes: Vec<(Key, CopyOutcome)>,
}

impl<'a> Receiving<'a> {
    /// Fetches them.
    pub(super) fn all(mut self, here: &Uuid) -> Vec<(Key, CopyOutcome)> {
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
        self.outcomes
    }

    /// Asks for contents and takes them. `arrived` counts those that have an outcome, or are complete.
    fn ask(&mut self, here: &Uuid, asked: &[(&'a Wanted, u64)], arrived: &mut usize) -> Result<(), Ended> {
        let cancelled = self.travel.cancelled;
        let mut session = self.ssh.session(here, Use::Content, cancelled)?;
        for (wanted, offset) in asked {
            session.client().get(&wanted.key, &file_of(wanted), *offset);
        }
        for (wanted, offset) in asked {
            let outcomes = self.take(&mut session, wanted, *offset)?;
            self.outcomes.extend(outcomes);
            *arrived += 1;
        }
        self.ssh.connection.keep_idle(session);
        Ok(())
    }

    /// Takes one content.
    fn take(
        &mut self,
        session: &mut Session,
        wanted: &'a Wanted,
        offset: u64,
    ) -> Result<Vec<(Key, CopyOutcome)>, Ended> {
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
            return Ok(vec![(key.clone(), CopyOutcome::SourceMissing)]);
        }
        let mut arrival = self.arrivals.receive(wanted, offset, length);
        if let Err(CopyOutcome::Corrupt) = arrival {
            // However much that is, none of it is of use.
            self.outcomes.push((key.clone(), CopyOutcome::Corrupt));
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

    fn store_empty(&mut self, wanted: &'a Wanted, offset: u64) -> Result<Vec<(Key, CopyOutcome)>, Ended> {
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
