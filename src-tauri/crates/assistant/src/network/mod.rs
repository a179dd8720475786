//! The remotes: which are connected, what they cost, and which heads they had when last seen.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Medium, RemoteName, Timestamp, Uuid};

use crate::facts::{Abilities, Away, Direction, Heads, Id, Reach, RemoteFacts};
use crate::pacing;

/// Where the counting of absences begins: an event tells when a drive is plugged in, so it is probed again after half a minute.
const FROM_NOW_ON: u32 = 5;
/// Where it begins when a remote may appear within seconds.
const SOON: u32 = 1;
/// A remote that stayed connected for this long did not just appear for a moment.
const STEADY: Duration = Duration::from_secs(5);

/// The state of one remote.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) facts: RemoteFacts,
    /// None until it was probed.
    pub(crate) reach: Option<Reach>,
    /// Since when it is connected.
    here_since: Timestamp,
    /// How far it was when it was connected.
    distance: Distance,
    /// When the next probe is due.
    pub(crate) probe_at: Option<Timestamp>,
    pub(crate) probing: Option<Id>,
    /// Its heads at the last fetch or push; none from when it is connected until the next one.
    pub(crate) there: Option<Heads>,
    /// The heads that were last known, and of which repository.
    known: Option<(Option<Uuid>, Heads)>,
    /// Our heads when the last push began, and those that the remote refused.
    pub(crate) offered: Option<Heads>,
    pub(crate) refused: Option<Heads>,
    /// True if its refs may have changed since the last fetch began, or since the last push if fetching is not allowed.
    pub(crate) unfetched: bool,
    pub(crate) fetching: Option<Id>,
    pub(crate) pushing: Option<Id>,
    /// Since when it lacks our heads.
    pub(crate) unpushed_since: Option<Timestamp>,
    /// How many probes have not found it since it may last have appeared: after each it is probed less often.
    pub(crate) absences: u32,
    /// Consecutive failures, and when git may be tried again.
    pub(crate) failures: u32,
    pub(crate) retry_at: Option<Timestamp>,
    /// Why the last push failed, as text for the user.
    pub(crate) trouble: Option<String>,
    /// The remote that stands for it: the same repository by a better way.
    pub(crate) instead: Option<RemoteName>,
}

/// How far a connected remote is. Those that are about as far are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Distance(u32);

impl Distance {
    const UNKNOWN: Self = Self(u32::MAX);

    fn of(round_trip: Option<Duration>) -> Self {
        let step = |time: Duration| Self((time.as_millis() + 1).ilog2());
        round_trip.map_or(Self::UNKNOWN, step)
    }
}

impl Remote {
    fn new(facts: RemoteFacts, now: Timestamp) -> Self {
        let seen = facts.seen;
        Self {
            facts,
            reach: None,
            here_since: now,
            distance: Distance::UNKNOWN,
            probe_at: Some(now),
            probing: None,
            there: (seen != Heads::default()).then_some(seen),
            known: None,
            offered: None,
            refused: None,
            unfetched: true,
            fetching: None,
            pushing: None,
            unpushed_since: None,
            absences: FROM_NOW_ON,
            failures: 0,
            retry_at: None,
            trouble: None,
            instead: None,
        }
    }

    /// True if it is connected and used.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.reach, Some(Reach::Here(_))) && self.instead.is_none()
    }

    /// Its repository, if it is connected and used, and may hold content.
    pub(crate) fn uuid(&self) -> Option<&Uuid> {
        self.leads_to().filter(|_| self.is_here())
    }

    /// The repository that it leads to: as it was reached, otherwise as configured.
    fn leads_to(&self) -> Option<&Uuid> {
        match &self.reach {
            Some(Reach::Here(uuid)) => uuid.as_ref(),
            Some(Reach::Away(_)) | None => self.facts.uuid.as_ref(),
        }
    }

    /// True if it may have commits that were not fetched, and fetching is allowed.
    pub(crate) fn is_unfetched(&self) -> bool {
        self.facts.abilities.fetch && self.unfetched && self.instead.is_none()
    }

    /// Which of several ways to a repository is better: one that is connected, cheaper, then nearer; the less, the better.
    fn rank(&self) -> impl Ord {
        let is_connected = matches!(self.reach, Some(Reach::Here(_)));
        (!is_connected, self.facts.cost, self.distance, &self.facts.name)
    }

    /// True if it is a better way to the same repository, by which everything can be done that can be done by the other.
    fn serves_for(&self, other: &Self) -> bool {
        self.leads_to().is_some()
            && self.leads_to() == other.leads_to()
            && self.rank() < other.rank()
            && self.facts.abilities.include(other.facts.abilities)
    }

    pub(crate) fn may_try(&self, now: Timestamp) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    pub(crate) fn failed(&mut self, now: Timestamp, chance: u64) {
        self.failures += 1;
        self.retry_at = Some(now + pacing::retry_after(self.failures, chance));
    }

    pub(crate) fn waits_for_lock(&mut self, now: Timestamp, chance: u64) {
        self.failures += 1;
        self.retry_at = Some(now + pacing::lock_after(self.failures, chance));
    }

    pub(crate) fn refused(&mut self, now: Timestamp, chance: u64) {
        self.failures += 1;
        self.refused = self.offered;
        self.unfetched |= self.facts.abilities.fetch;
        self.retry_at = Some(now + pacing::retry_soon_after(self.failures, chance));
    }

    /// Allows a new attempt at once, because something changed here or there. A refused push keeps its back-off, so
    /// that two repositories do not race forever.
    pub(crate) fn has_news(&mut self) {
        if self.refused.is_none() {
            self.retry_at = None;
        }
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.trouble = None;
        self.retry_at = None;
        self.refused = None;
    }

    /// Records the heads that it has.
    pub(crate) fn has(&mut self, heads: Heads) {
        self.there = Some(heads);
        if let Some(Reach::Here(uuid)) = &self.reach {
            self.known = Some((uuid.clone(), heads));
        }
    }

    /// Forgets its heads, since it was just connected as this repository. They are known again if it goes before they are read.
    fn forget_heads(&mut self, uuid: &Option<Uuid>) {
        self.known = match (self.known.take(), self.there.take()) {
            (Some((of, heads)), _) if of == *uuid => Some((of, heads)),
            (None, Some(heads)) => Some((uuid.clone(), heads)),
            (Some(_), _) | (None, None) => None,
        };
    }

    fn is_gone(&mut self, why: Away) {
        self.reach = Some(Reach::Away(why));
        let known = self.known.as_ref().map(|(_, heads)| *heads);
        self.there = self.there.or(known);
    }

    /// Records that it disappeared during work, and probes it again soon, since it may be back already: at once if it was
    /// there for a while, and less and less often if it only appears to disappear.
    pub(crate) fn lost(&mut self, now: Timestamp, why: Away, chance: u64) {
        if let Some(Reach::Here(_)) = self.reach {
            self.failures = if self.here_since + STEADY <= now {
                1
            } else {
                self.failures + 1
            };
            self.probe_at = Some(now + pacing::retry_after(self.failures, chance));
            self.absences = SOON;
        }
        self.is_gone(why);
    }
}

/// All configured remotes that can be used, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    pub(crate) remotes: BTreeMap<RemoteName, Remote>,
}

impl Network {
    pub(crate) fn list(&mut self, now: Timestamp, listed: Vec<RemoteFacts>) {
        let mut before = std::mem::take(&mut self.remotes);
        for facts in listed {
            let remote = match before.remove(&facts.name) {
                Some(remote) => Remote {
                    facts,
                    probe_at: Some(now),
                    ..remote
                },
                None => Remote::new(facts, now),
            };
            self.remotes.insert(remote.facts.name.clone(), remote);
        }
    }

    /// Probes the remotes on these media again at once, because drives changed or the user asked.
    pub(crate) fn look_again(&mut self, now: Timestamp, are_on: impl Fn(Medium) -> bool) {
        for remote in self.remotes.values_mut().filter(|remote| are_on(remote.facts.medium)) {
            remote.probe_at = Some(now);
            remote.absences = FROM_NOW_ON;
            // It may have been away unnoticed, and have new commits.
            remote.unfetched = true;
            remote.succeeded();
        }
    }

    /// Probes every remote at once, because the network has changed. Those that are not there yet are soon probed again: a
    /// network comes step by step.
    pub(crate) fn changed(&mut self, now: Timestamp) {
        for remote in self.remotes.values_mut() {
            remote.probe_at = Some(now);
            remote.absences = SOON;
            remote.failures = 0;
            remote.has_news();
        }
    }

    /// Decides by which remotes each repository is reached; true if that changed. It is used by one way at a time: by two,
    /// everything would be sent twice. While none is connected, one stands for all, so that nothing is counted twice.
    pub(crate) fn choose(&mut self) -> bool {
        let cheapest = |remote: &Remote| {
            let ways = self.remotes.values().filter(|other| other.serves_for(remote));
            let way = ways.min_by(|one, other| one.rank().cmp(&other.rank()));
            way.map(|way| way.facts.name.clone())
        };
        let chosen: Vec<_> = self.remotes.values().map(cheapest).collect();
        let mut has_changed = false;
        for (remote, instead) in self.remotes.values_mut().zip(chosen) {
            if remote.instead != instead {
                // Its heads were not followed meanwhile.
                remote.unfetched |= instead.is_none();
                remote.instead = instead;
                has_changed = true;
            }
        }
        has_changed
    }

    /// What may be done with a remote; none if it is not used.
    pub(crate) fn abilities(&self, remote: &RemoteName) -> Option<Abilities> {
        self.remotes.get(remote).map(|remote| remote.facts.abilities)
    }

    /// True if content may be transferred in this direction with a remote now.
    pub(crate) fn allows(&self, remote: &RemoteName, direction: Direction) -> bool {
        self.abilities(remote).is_some_and(|able| able.allow(direction))
    }

    /// True if no connected remote has commits that may not have been fetched.
    pub(crate) fn has_news_of_all(&self) -> bool {
        let is_behind = |remote: &Remote| remote.is_here() && (remote.is_unfetched() || remote.fetching.is_some());
        !self.remotes.values().any(is_behind)
    }

    /// Records the result of a probe; true if it changed.
    pub(crate) fn probed(
        &mut self,
        now: Timestamp,
        id: Id,
        reach: Reach,
        round_trip: Option<Duration>,
        chance: u64,
    ) -> bool {
        let Some(remote) = self.remotes.values_mut().find(|remote| remote.probing == Some(id)) else {
            return false;
        };
        remote.probing = None;
        let changed = remote.reach.as_ref() != Some(&reach);
        match reach {
            Reach::Here(uuid) => {
                remote.absences = FROM_NOW_ON;
                if changed {
                    remote.forget_heads(&uuid);
                    remote.unfetched = true;
                    remote.here_since = now;
                    // Only now: two ways that are about as far would take turns.
                    remote.distance = Distance::of(round_trip);
                    // The failures are kept: a remote that is connected but keeps failing is tried less and less often.
                    remote.retry_at = None;
                }
                remote.reach = Some(Reach::Here(uuid));
            }
            Reach::Away(why) => {
                remote.absences = remote.absences.saturating_add(1);
                let again = now + pacing::retry_after(remote.absences, chance);
                remote.probe_at.get_or_insert(again);
                remote.is_gone(why);
            }
        }
        changed
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use model::{Cost, Medium, Oid, RemoteName, Timestamp, Uuid};

    use super::Network;
    use crate::facts::{Abilities, Away, Heads, Id, Reach, RemoteFacts};

    /// A network of connected remotes whose uuids equal their names.
    pub(crate) fn network(remotes: &[(&str, f64)]) -> Network {
        let facts = |&(name, cost): &(&str, f64)| RemoteFacts {
            name: RemoteName::parse(name).unwrap(),
            uuid: Uuid::parse(name),
            medium: Medium::Disk,
            cost: Cost::parse(&cost.to_string()).unwrap(),
            abilities: Abilities::ALL,
            seen: Heads::default(),
        };
        let mut network = Network::default();
        network.list(Timestamp(0), remotes.iter().map(facts).collect());
        for remote in network.remotes.values_mut() {
            remote.reach = Some(Reach::Here(Uuid::parse(remote.facts.name.as_str())));
        }
        network
    }

    #[test]
    fn a_remote_that_is_listed_again_keeps_its_state() {
        let mut network = network(&[("a", 100.0), ("b", 100.0)]);
        let a = RemoteName::parse("a").unwrap();
        network.remotes.get_mut(&a).unwrap().failures = 3;
        let mut facts = network.remotes[&a].facts.clone();
        facts.abilities.push = false;
        network.list(Timestamp(5), vec![facts]);
        assert_eq!(network.remotes.len(), 1);
        assert_eq!(
            (network.remotes[&a].failures, network.remotes[&a].facts.abilities.push),
            (3, false)
        );
        assert!(network.remotes[&a].is_here());
    }

    #[test]
    fn the_last_seen_heads_are_used_until_the_remote_is_connected() {
        let seen = Heads {
            tree: Some(Oid([1; 20])),
            annex: None,
        };
        let facts = network(&[("a", 100.0)]).remotes.into_values().next().unwrap().facts;
        let mut network = Network::default();
        network.list(Timestamp(0), vec![RemoteFacts { seen, ..facts }]);
        let probe = |network: &mut Network, reach| {
            let remote = network.remotes.values_mut().next().unwrap();
            remote.probing = Some(Id(1));
            network.probed(Timestamp(0), Id(1), reach, None, 0);
            network.remotes.values().next().unwrap().there
        };
        assert_eq!(probe(&mut network, Reach::Away(Away::Absent)), Some(seen));
        assert_eq!(probe(&mut network, Reach::Here(Uuid::parse("a"))), None);
        assert!(network.remotes.values().next().unwrap().unfetched);
    }

    #[test]
    fn a_remote_that_goes_before_its_heads_are_read_has_what_it_had() {
        let mut network = network(&[("a", 100.0)]);
        let heads = Heads {
            tree: Some(Oid([1; 20])),
            annex: None,
        };
        network.remotes.values_mut().next().unwrap().has(heads);
        let mut after = |reaches: &[Reach]| {
            for reach in reaches {
                network.remotes.values_mut().next().unwrap().probing = Some(Id(1));
                network.probed(Timestamp(0), Id(1), reach.clone(), None, 0);
            }
            network
                .remotes
                .values_mut()
                .next()
                .unwrap()
                .lost(Timestamp(0), Away::Absent, 0);
            network.remotes.values().next().unwrap().there
        };
        let here = |uuid: &str| Reach::Here(Uuid::parse(uuid));
        assert_eq!(after(&[Reach::Away(Away::Absent), here("a")]), Some(heads));
        assert_eq!(after(&[here("a")]), Some(heads));
        assert_eq!(after(&[here("other")]), None);
        assert_eq!(after(&[here("a")]), None, "nothing is known of it any more");
    }

    #[test]
    fn another_repository_at_the_same_place_is_another_remote() {
        let mut network = network(&[("a", 100.0)]);
        let probe = |network: &mut Network, reach| {
            let remote = network.remotes.values_mut().next().unwrap();
            (remote.probing, remote.unfetched, remote.there) = (Some(Id(1)), false, Some(Heads::default()));
            network.probed(Timestamp(0), Id(1), reach, None, 0)
        };
        assert!(!probe(&mut network, Reach::Here(Uuid::parse("a"))));
        assert!(!network.remotes.values().next().unwrap().unfetched);
        assert!(probe(&mut network, Reach::Here(Uuid::parse("other"))));
        let remote = network.remotes.values().next().unwrap();
        assert!(remote.unfetched && remote.there.is_none());
        assert!(probe(&mut network, Reach::Here(None)), "one without git-annex");
        let remote = network.remotes.values().next().unwrap();
        assert!(remote.is_here() && remote.uuid().is_none() && remote.unfetched);
        assert!(probe(&mut network, Reach::Away(Away::Absent)));
    }
}
