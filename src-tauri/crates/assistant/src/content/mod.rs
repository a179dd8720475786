//! Who should have what, and what to transfer next.
//!
//! The answer is a query: `wanted ∧ absent ∧ held by someone reachable ∧ allowed`, made per class. Nothing here is a list
//! of work: the window of candidates is a bounded copy of the query's first answers, thrown away whenever the facts change.

mod batch;
mod forecast;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Key, RemoteName, Timestamp, Uuid};

use crate::facts::{Candidate, Class, Direction, Id, Lot, Outcome};
use crate::network::Network;
use crate::pacing;

pub(crate) use batch::next_batch;
pub use forecast::{Ahead, Forecast, Neighbour, Sum, Wants};
pub use policy::{Exchange, Policy, Rule};

/// How many candidates are held in memory.
pub const WINDOW: usize = 8192;

/// Nothing is started while more than this has arrived since the last observing: then observing must be failing.
const MOST_ARRIVED: usize = 8 * WINDOW;

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
    /// The answer under way is of no use any more.
    is_void: bool,
    /// What arrived where, and the last id at that time: not to be transferred again because the observations, or an answer
    /// under way that was made of them, are from before.
    arrived: BTreeMap<(Uuid, Key), u64>,
    /// The last observing that ended, and the one that the answer under way is made of.
    observed: Id,
    offering_of: Id,
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
        let mut remotes: Vec<_> = network.remotes.values().collect();
        remotes.sort_by_key(|remote| remote.facts.cost);
        let mut lots = Vec::new();
        for class in &self.classes {
            let (held, wanted) = (class.have.contains(here), class.want.contains(here));
            for remote in &remotes {
                let Some(uuid) = remote.uuid().filter(|uuid| *uuid != here) else {
                    continue;
                };
                let direction = if held {
                    (class.want.contains(uuid) && !class.have.contains(uuid)).then_some(Direction::Send)
                } else {
                    (wanted && class.have.contains(uuid)).then_some(Direction::Get)
                };
                let name = &remote.facts.name;
                let is_allowed = |direction: &Direction| {
                    remote.allows(*direction) && !class.barred.contains(&(name.clone(), *direction))
                };
                if let Some(direction) = direction.filter(is_allowed) {
                    let (source, destination) = match direction {
                        Direction::Get => (uuid, here),
                        Direction::Send => (here, uuid),
                    };
                    lots.push(Lot {
                        class: class.id,
                        remote: name.clone(),
                        direction,
                        source: source.clone(),
                        destination: destination.clone(),
                    });
                }
            }
        }
        lots
    }

    /// Marks all transfers under way, or those that the network does not allow any more, as cancelled; gives those that were
    /// not before.
    pub(crate) fn cancel(&mut self, all: bool, network: &Network) -> Vec<Id> {
        let allowed = |transfer: &Transfer| {
            let remote = network.remotes.get(&transfer.remote);
            remote.is_some_and(|remote| remote.allows(transfer.direction))
        };
        let mut cancelled = Vec::new();
        for (id, transfer) in &mut self.transfers {
            if (all || !allowed(transfer)) && !std::mem::replace(&mut transfer.cancelled, true) {
                cancelled.push(*id);
            }
        }
        cancelled
    }

    /// Marks a transfer as cancelled; false if it is not under way.
    pub(crate) fn cancel_one(&mut self, id: Id) -> bool {
        let transfer = self.transfers.get_mut(&id);
        transfer.map(|transfer| transfer.cancelled = true).is_some()
    }

    /// Whether to ask for candidates now.
    pub(crate) fn wants_offer(&self, now: Timestamp) -> bool {
        let stale = self.offered_for != Some(self.revision) || self.retry_at.is_some_and(|at| at <= now);
        self.offering.is_none() && stale
    }

    /// Takes the classes that observing `id` found.
    pub(crate) fn observed(&mut self, id: Id, classes: Vec<Class>) {
        self.classes = classes;
        self.observed = id;
        self.facts_changed();
    }

    /// A transfer ended; `last_id` is the last effect that was started before.
    pub(crate) fn ended(&mut self, last_id: u64, transfer: &Transfer, outcomes: &[(Key, Outcome)]) {
        let arrived = |outcome: &Outcome| matches!(outcome, Outcome::Stored | Outcome::AlreadyThere);
        for (key, _) in outcomes.iter().filter(|(_, outcome)| arrived(outcome)) {
            self.arrived
                .insert((transfer.destination.clone(), key.clone()), last_id);
        }
        self.facts_changed();
        if outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Cancelled) {
            // An answer under way may not know yet what is held back.
            self.forget_offer();
        }
    }

    pub(crate) fn offer_asked(&mut self, id: Id) {
        self.offering = Some(id);
        self.offering_of = self.observed;
        self.offering_for = self.revision;
    }

    /// No lot, no need to ask.
    pub(crate) fn nothing_to_offer(&mut self) {
        self.offered_for = Some(self.revision);
        self.window.clear();
        self.retry_at = None;
        self.forget_arrived(self.observed);
    }

    /// Forgets the answers of the query, also one that is under way.
    pub(crate) fn forget_offer(&mut self) {
        self.is_void = self.offering.is_some();
        self.window.clear();
        self.facts_changed();
    }

    /// Forgets what the observing `of` has seen arrive.
    fn forget_arrived(&mut self, of: Id) {
        self.arrived.retain(|_, last_id| *last_id >= of.0);
    }

    pub(crate) fn offered(&mut self, id: Id, candidates: Vec<Candidate>, retry_at: Option<Timestamp>) {
        if self.offering != Some(id) {
            return;
        }
        self.offering = None;
        self.offered_for = Some(self.offering_for);
        let mut candidates = if std::mem::take(&mut self.is_void) {
            Vec::new()
        } else {
            candidates
        };
        // Stable: among the others the order of the offer stays.
        candidates.sort_by_key(|candidate| !candidate.is_first);
        self.window = candidates.into();
        self.window.truncate(WINDOW);
        self.retry_at = retry_at;
        self.forget_arrived(self.offering_of);
    }

    /// True if `key` is on its way to `destination`, or just arrived there.
    pub(crate) fn is_under_way(&self, key: &Key, destination: &Uuid) -> bool {
        let under_way = |transfer: &Transfer| transfer.destination == *destination && transfer.keys.contains(key);
        self.transfers.values().any(under_way) || self.arrived.contains_key(&(destination.clone(), key.clone()))
    }

    /// True if a transfer of this kind with this remote may start. A remote with no transfer always has a slot, so that
    /// none has to wait for others that hang. What the user put first takes either slot: while it has to wait for one,
    /// nothing else with this remote could start.
    pub(crate) fn has_slot(&self, remote: &RemoteName, large: bool, is_first: bool) -> bool {
        let mut kinds = self
            .transfers
            .values()
            .filter(|transfer| transfer.remote == *remote)
            .map(|transfer| transfer.large);
        let free = match (kinds.next(), kinds.next()) {
            (None, _) => true,
            (Some(other), None) => (is_first || other != large) && self.transfers.len() < pacing::SLOTS,
            (Some(_), Some(_)) => false,
        };
        free && self.arrived.len() < MOST_ARRIVED
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
