//! What an engine does with contents: candidates, and transfers that take one moment for each key.

use std::collections::BTreeSet;
use std::time::Duration;

use assistant::{Candidate, Direction, Event, Id, Lot, Outcome};
use model::{Key, RemoteName, Timestamp};

use crate::history::Content;
use crate::world::{RepoNo, Slot, Step, World};

/// A transfer under way.
#[derive(Debug)]
pub(crate) struct Transfer {
    slot: Slot,
    direction: Direction,
    keys: Vec<Key>,
    /// How many keys are done, and whether the next has been begun.
    outcomes: Vec<(Key, Outcome)>,
    begun: bool,
    pub(crate) cancelled: bool,
    /// Until when what did not arrive is held back.
    pub(crate) held_until: Option<Timestamp>,
}

impl Transfer {
    /// The content that is being copied right now.
    fn at_work_on(&self) -> Option<Content> {
        self.keys
            .get(self.outcomes.len())
            .filter(|_| self.begun)
            .map(World::content_of)
    }
}

impl World {
    pub(crate) fn offer(&mut self, repo: RepoNo, id: Id, lots: &[Lot], limit: usize) -> Event {
        let now = self.now;
        let mut candidates = Vec::new();
        let mut retry_at: Option<Timestamp> = None;
        let mut taken = BTreeSet::new();
        for lot in lots {
            let Some(slot) = self.remote_slot(repo, &lot.remote) else {
                continue;
            };
            let destination = match lot.direction {
                Direction::Get => repo,
                Direction::Send => self.repos[repo].remotes[slot].target,
            };
            let Some(engine) = &self.repos[repo].engine else {
                continue;
            };
            for &content in engine.classes.get(&lot.class.0).into_iter().flatten() {
                let failed = engine.backed_off.get(&(content, slot)).map(|(_, until)| *until);
                let held = engine.held.get(&(content, destination)).copied();
                if let Some(until) = failed.max(held).filter(|until| *until > now) {
                    retry_at = Some(retry_at.map_or(until, |at| at.min(until)));
                } else if taken.insert((content, destination)) && candidates.len() < limit {
                    let key = self.contents[usize::from(content)].clone();
                    let size = key.size().unwrap_or(0);
                    candidates.push(Candidate {
                        key,
                        size,
                        remote: lot.remote.clone(),
                        direction: lot.direction,
                        is_first: engine.firsts.contains(&(content, destination)),
                    });
                }
            }
        }
        Event::Offered {
            id,
            candidates,
            retry_at,
        }
    }

    pub(crate) fn begin_transfer(
        &mut self,
        repo: RepoNo,
        id: Id,
        remote: &RemoteName,
        direction: Direction,
        keys: Vec<Key>,
    ) {
        let Some(slot) = self.remote_slot(repo, remote) else {
            return;
        };
        let transfer = Transfer {
            slot,
            direction,
            keys,
            outcomes: Vec::new(),
            begun: false,
            cancelled: false,
            held_until: None,
        };
        let destination = match direction {
            Direction::Get => repo,
            Direction::Send => self.repos[repo].remotes[slot].target,
        };
        let now = self.now;
        if let Some(engine) = &mut self.repos[repo].engine {
            let contents = transfer.keys.iter().map(World::content_of);
            let until = contents.filter_map(|content| engine.held.get(&(content, destination)));
            let is_held = until.max().is_some_and(|until| *until > now);
            engine.transfers.insert(id, transfer);
            if is_held {
                self.violated(format!("r{repo}: {id:?} moves what the user cancelled"));
            }
        }
        self.transfer_on(repo, id);
    }

    /// True if somebody is copying this content to this repository.
    fn is_locked(&self, content: Content, destination: RepoNo) -> bool {
        (0..self.repos.len()).any(|repo| {
            let transfers = self.repos[repo]
                .engine
                .iter()
                .flat_map(|engine| engine.transfers.values());
            transfers
                .filter(|transfer| transfer.at_work_on() == Some(content))
                .any(|transfer| match transfer.direction {
                    Direction::Get => repo == destination,
                    Direction::Send => self.repos[repo].remotes[transfer.slot].target == destination,
                })
        })
    }

    /// Ends the key that is being copied and begins the next.
    pub(crate) fn transfer_on(&mut self, repo: RepoNo, id: Id) {
        let Some(mut transfer) = self.repos[repo]
            .engine
            .as_mut()
            .and_then(|engine| engine.transfers.remove(&id))
        else {
            return;
        };
        let slot = transfer.slot;
        let mut next = true;
        while let Some(key) = transfer.keys.get(transfer.outcomes.len()).cloned() {
            let outcome = match self.reachable(repo, slot) {
                _ if transfer.cancelled => Outcome::Cancelled,
                None => Outcome::Away,
                Some(target) => {
                    let (source, destination) = match transfer.direction {
                        Direction::Get => (target, repo),
                        Direction::Send => (repo, target),
                    };
                    let content = Self::content_of(&key);
                    match self.copy(source, destination, content, transfer.begun, self.is_broken(repo, slot)) {
                        Some(outcome) => outcome,
                        None => {
                            transfer.begun = true;
                            next = false;
                            break;
                        }
                    }
                }
            };
            transfer.begun = false;
            transfer.outcomes.push((key, outcome));
        }
        if next {
            self.end_transfer(repo, id, transfer);
            return;
        }
        let after = if self.repos[repo].remotes[slot].is_slow {
            Duration::from_secs(3)
        } else {
            self.a_while()
        };
        if let Some(engine) = &mut self.repos[repo].engine {
            engine.transfers.insert(id, transfer);
        }
        let incarnation = self.repos[repo].incarnation;
        self.schedule(after, Step::Transfer { repo, incarnation, id });
    }

    /// Copies a content: none if it has just been begun.
    fn copy(
        &mut self,
        source: RepoNo,
        destination: RepoNo,
        content: Content,
        begun: bool,
        broken: bool,
    ) -> Option<Outcome> {
        if self.repos[destination].objects.contains(&content) {
            self.counts.already_there += 1;
            return Some(Outcome::AlreadyThere);
        }
        if !self.repos[source].objects.contains(&content) {
            return Some(Outcome::NotThere);
        }
        if broken || (self.fails() && self.chance.one_in(2)) {
            return Some(Outcome::Failed("it broke off".into()));
        }
        if self.fails() && self.chance.one_in(2) {
            return Some(Outcome::Full("no room".into()));
        }
        if !begun {
            return if self.is_locked(content, destination) {
                Some(Outcome::Busy)
            } else {
                None
            };
        }
        if self.repos[source].damaged.contains(&content) {
            self.repos[source].objects.remove(&content);
            self.repos[source].damaged.remove(&content);
            return Some(Outcome::NotThere);
        }
        self.repos[destination].objects.insert(content);
        self.counts.arrived += 1;
        self.note(|| format!("c{content} is in r{destination} now"));
        Some(Outcome::Stored)
    }

    fn end_transfer(&mut self, repo: RepoNo, id: Id, transfer: Transfer) {
        let target = self.repos[repo].remotes[transfer.slot].target;
        let (source, destination) = match transfer.direction {
            Direction::Get => (target, repo),
            Direction::Send => (repo, target),
        };
        let mut said = Vec::new();
        for (key, outcome) in &transfer.outcomes {
            let content = Self::content_of(key);
            let of_key = (content, transfer.slot);
            match outcome {
                Outcome::Stored | Outcome::AlreadyThere => said.push((content, destination, true)),
                Outcome::NotThere => said.push((content, source, self.repos[source].objects.contains(&content))),
                Outcome::Busy | Outcome::Full(_) | Outcome::Failed(_) | Outcome::Cancelled | Outcome::Away => {}
            }
            let now = self.now;
            let Some(engine) = &mut self.repos[repo].engine else {
                return;
            };
            match outcome {
                Outcome::Stored | Outcome::AlreadyThere => {
                    engine.backed_off.remove(&of_key);
                    engine.firsts.remove(&(content, destination));
                }
                Outcome::Busy | Outcome::Full(_) | Outcome::Failed(_) | Outcome::NotThere => {
                    let (failures, _) = engine.backed_off.get(&of_key).copied().unwrap_or((0, now));
                    let wait = Duration::from_millis((1000 << failures.min(9)).min(300_000));
                    engine.backed_off.insert(of_key, (failures + 1, now + wait));
                }
                Outcome::Cancelled => {
                    let held_until = transfer.held_until;
                    engine
                        .held
                        .extend(held_until.map(|until| ((content, destination), until)));
                    self.counts.cancelled += u64::from(held_until.is_some());
                }
                Outcome::Away => {}
            }
        }
        said.retain(|&(content, of, present)| self.repos[of].objects.contains(&content) == present);
        self.log(repo, &said);
        let refs = self.refs(repo);
        self.tell_later(
            repo,
            Event::Transferred {
                id,
                refs,
                outcomes: transfer.outcomes,
            },
        );
    }
}
