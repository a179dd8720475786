//! Who should have what, and what to transfer next.
//!
//! The answer is a query: `wanted ∧ absent ∧ held by someone reachable ∧ allowed`, made per class. Nothing here is a list
//! of work: the window of candidates is a bounded copy of the query's first answers, thrown away whenever the facts change.

mod batch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Key, RemoteName, Timestamp, Uuid};

use crate::effect::Id;
use crate::event::{Candidate, Class, ClassId};
use crate::network::Network;
use crate::pacing;

pub(crate) use batch::next_batch;

/// How many candidates are held in memory.
pub const WINDOW: usize = 8192;

/// Which way a content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the remote to here.
    Get,
    /// From here to the remote.
    Send,
}

/// One way of transferring the keys of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The keys.
    pub class: ClassId,
    /// The other end.
    pub remote: RemoteName,
    /// Which way.
    pub direction: Direction,
}

/// A transfer under way.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) remote: RemoteName,
    pub(crate) direction: Direction,
    pub(crate) destination: Uuid,
    pub(crate) keys: BTreeSet<Key>,
    /// Large contents travel alone; small ones together.
    pub(crate) large: bool,
    pub(crate) cancelled: bool,
}

/// What is known of contents, and what is under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) classes: Vec<Class>,
    /// Counts the changes of facts that the query depends on.
    revision: u64,
    /// The facts that the window was made from.
    offered_for: Option<u64>,
    pub(crate) offering: Option<Id>,
    offering_for: u64,
    pub(crate) window: VecDeque<Candidate>,
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) transfers: BTreeMap<Id, Transfer>,
}

impl Content {
    /// The facts changed: the window is made anew.
    pub(crate) fn facts_changed(&mut self) {
        self.revision += 1;
    }

    /// Ways in which wanted contents could travel now, the cheapest remote first.
    ///
    /// Every pair of a wanting repository and a holder that this repository can connect is listed, so what is not listed
    /// cannot be done from here now.
    pub(crate) fn lots(&self, here: &Uuid, network: &Network) -> Vec<Lot> {
        let mut remotes: Vec<_> = network.remotes.values().filter(|remote| remote.facts.content).collect();
        remotes.sort_by_key(|remote| remote.facts.cost);
        let mut lots = Vec::new();
        for class in &self.classes {
            let (held, wanted) = (class.have.contains(here), class.want.contains(here));
            for remote in &remotes {
                let Some(uuid) = remote.uuid().filter(|uuid| *uuid != here) else {
                    continue;
                };
                let direction = if held {
                    let lacks = class.want.contains(uuid) && !class.have.contains(uuid);
                    (lacks && remote.facts.push).then_some(Direction::Send)
                } else {
                    (wanted && class.have.contains(uuid) && remote.facts.pull).then_some(Direction::Get)
                };
                if let Some(direction) = direction {
                    lots.push(Lot {
                        class: class.id,
                        remote: remote.facts.name.clone(),
                        direction,
                    });
                }
            }
        }
        lots
    }

    /// Whether to ask for candidates now.
    pub(crate) fn wants_offer(&self, now: Timestamp) -> bool {
        let stale = self.offered_for != Some(self.revision) || self.retry_at.is_some_and(|at| at <= now);
        self.offering.is_none() && stale
    }

    pub(crate) fn offer_asked(&mut self, id: Id) {
        self.offering = Some(id);
        self.offering_for = self.revision;
    }

    /// No lot, no need to ask.
    pub(crate) fn nothing_to_offer(&mut self) {
        self.offered_for = Some(self.revision);
        self.window.clear();
        self.retry_at = None;
    }

    pub(crate) fn offered(&mut self, id: Id, candidates: Vec<Candidate>, retry_at: Option<Timestamp>) {
        if self.offering != Some(id) {
            return;
        }
        self.offering = None;
        self.offered_for = Some(self.offering_for);
        self.window = candidates.into();
        self.window.truncate(WINDOW);
        self.retry_at = retry_at;
    }

    /// True if `key` is on its way to `destination`.
    pub(crate) fn is_under_way(&self, key: &Key, destination: &Uuid) -> bool {
        self.transfers
            .values()
            .any(|transfer| transfer.destination == *destination && transfer.keys.contains(key))
    }

    /// True if a transfer of this kind with this remote may start.
    pub(crate) fn has_slot(&self, remote: &RemoteName, large: bool) -> bool {
        let with = self.transfers.values().filter(|transfer| transfer.remote == *remote);
        self.transfers.len() < pacing::SLOTS
            && with.clone().count() < pacing::SLOTS_PER_REMOTE
            && !with.into_iter().any(|transfer| transfer.large == large)
    }

    /// True while small contents for this remote are on their way or about to be: a push that waits for them travels once
    /// instead of twice, and finds the content there.
    pub(crate) fn is_sending_small(&self, remote: &RemoteName) -> bool {
        let sending = |transfer: &Transfer| transfer.remote == *remote && transfer.direction == Direction::Send;
        self.transfers
            .values()
            .any(|transfer| sending(transfer) && !transfer.large)
            || self.window.iter().any(|candidate| {
                candidate.remote == *remote && candidate.direction == Direction::Send && !batch::is_large(candidate)
            })
    }
}
