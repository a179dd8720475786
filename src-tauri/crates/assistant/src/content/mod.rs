//! Decides which repository should have which content, and what to transfer next.
//!
//! The answer is a query: `wanted ∧ absent ∧ held by someone reachable ∧ allowed`, made per class. Nothing here is a
//! list of work: the window of candidates is a bounded copy of the query's first answers, discarded whenever the facts
//! change.

mod batch;
mod drops;
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
use drops::Drops;
pub(crate) use drops::Ended;
pub use forecast::{Ahead, Forecast, Neighbour, Sum, Wants};
pub use policy::{Exchange, Policy, Rule};

/// The largest number of candidates held in memory.
pub const WINDOW: usize = 8192;

/// The limit of keys that arrived since the last observation. Above it no transfer starts, because observing must be
/// failing.
const MOST_ARRIVED: usize = 8 * WINDOW;

/// A transfer in progress.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) remote: RemoteName,
    pub(crate) direction: Direction,
    pub(crate) destination: Uuid,
    pub(crate) keys: BTreeSet<Key>,
    /// True for a large key, which is transferred alone; false for a batch of small ones.
    pub(crate) large: bool,
    pub(crate) cancelled: bool,
}

/// The state of keys, and the transfers in progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) classes: Vec<Class>,
    /// Counts changes of the facts that the query depends on.
    revision: u64,
    /// The revision that the window was made from.
    offered_for: Option<u64>,
    pub(crate) offering: Option<Id>,
    offering_for: u64,
    /// True if the pending answer is outdated.
    is_void: bool,
    /// Keys that arrived, by destination, with the last effect id at that time. They must not be transferred again just
    /// because the observations, or a pending answer made from them, are older.
    arrived: BTreeMap<(Uuid, Key), u64>,
    /// The last observation that ended, and the one that the pending answer is based on.
    observed: Id,
    offering_of: Id,
    pub(crate) window: VecDeque<Candidate>,
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) transfers: BTreeMap<Id, Transfer>,
    pub(crate) drops: Drops,
}

impl Content {
    /// Records that facts changed, so that the window is made again.
    pub(crate) fn facts_changed(&mut self) {
        self.revision += 1;
    }

    /// Lists the ways to transfer wanted keys now, cheapest remote first.
    ///
    /// It lists every pair of a holder and a repository that wants the key between which this repository can transfer.
    /// A transfer that is not listed cannot be done from here now.
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
                    remote.facts.abilities.allow(*direction) && !class.barred.contains(&(name.clone(), *direction))
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

    /// Marks transfers as cancelled: all, or only those that the network no longer allows. Returns the newly cancelled
    /// ones.
    pub(crate) fn cancel(&mut self, all: bool, network: &Network) -> Vec<Id> {
        let allowed = |transfer: &Transfer| network.allows(&transfer.remote, transfer.direction);
        let mut cancelled = Vec::new();
        for (id, transfer) in &mut self.transfers {
            if (all || !allowed(transfer)) && !std::mem::replace(&mut transfer.cancelled, true) {
                cancelled.push(*id);
            }
        }
        cancelled.extend(self.drops.in_progress().filter(|_| all));
        cancelled
    }

    /// Marks a transfer as cancelled; false if it is not in progress.
    pub(crate) fn cancel_one(&mut self, id: Id) -> bool {
        let transfer = self.transfers.get_mut(&id);
        transfer.map(|transfer| transfer.cancelled = true).is_some()
    }

    /// True if candidates should be requested now.
    pub(crate) fn wants_offer(&self, now: Timestamp) -> bool {
        let stale = self.offered_for != Some(self.revision) || self.retry_at.is_some_and(|at| at <= now);
        self.offering.is_none() && stale
    }

    /// Takes the classes that observation `id` found.
    pub(crate) fn observed(&mut self, id: Id, classes: Vec<Class>) {
        self.classes = classes;
        self.observed = id;
        self.facts_changed();
    }

    /// Records the result of a transfer; `last_id` is the id of the last effect started before it ended.
    pub(crate) fn ended(&mut self, last_id: u64, transfer: &Transfer, outcomes: &[(Key, Outcome)]) {
        let arrived = |outcome: &Outcome| matches!(outcome, Outcome::Stored | Outcome::AlreadyThere);
        for (key, _) in outcomes.iter().filter(|(_, outcome)| arrived(outcome)) {
            self.arrived
                .insert((transfer.destination.clone(), key.clone()), last_id);
        }
        self.facts_changed();
        if outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Cancelled) {
            // A pending answer may not know yet which keys are held back.
            self.forget_offer();
        }
    }

    pub(crate) fn offer_asked(&mut self, id: Id) {
        self.offering = Some(id);
        self.offering_of = self.observed;
        self.offering_for = self.revision;
    }

    /// Records that there is no lot to ask an offer for.
    pub(crate) fn nothing_to_offer(&mut self) {
        self.offered_for = Some(self.revision);
        self.window.clear();
        self.retry_at = None;
        self.forget_arrived(self.observed);
    }

    /// Discards the answers of the query, including a pending one.
    pub(crate) fn forget_offer(&mut self) {
        self.is_void = self.offering.is_some();
        self.window.clear();
        self.facts_changed();
    }

    /// Forgets arrivals that the observation `of` includes.
    fn forget_arrived(&mut self, of: Id) {
        self.arrived.retain(|_, last_id| *last_id >= of.0);
    }

    /// Takes the answers of the query; false if they were discarded.
    pub(crate) fn offered(&mut self, id: Id, mut candidates: Vec<Candidate>, retry_at: Option<Timestamp>) -> bool {
        if self.offering != Some(id) {
            return false;
        }
        self.offering = None;
        self.offered_for = Some(self.offering_for);
        let is_void = std::mem::take(&mut self.is_void);
        if is_void {
            candidates.clear();
        }
        // The sort is stable, so the other candidates keep the order of the offer.
        candidates.sort_by_key(|candidate| !candidate.is_first);
        self.window = candidates.into();
        self.window.truncate(WINDOW);
        self.retry_at = retry_at;
        self.forget_arrived(self.offering_of);
        !is_void
    }

    /// True if `key` is being transferred to `destination`, or just arrived there.
    pub(crate) fn is_under_way(&self, key: &Key, destination: &Uuid) -> bool {
        let under_way = |transfer: &Transfer| transfer.destination == *destination && transfer.keys.contains(key);
        self.transfers.values().any(under_way) || self.arrived.contains_key(&(destination.clone(), key.clone()))
    }

    /// True if a transfer of this kind with this remote may start. A remote without a transfer always has a slot, so
    /// that it need not wait for remotes that hang. A prioritized file may take either slot, so nothing else with this
    /// remote starts before it.
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

    /// True while small files are being sent to this remote or about to be. A push that waits for them is sent once
    /// instead of twice, and the remote has the content when it arrives.
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
