//! Predicts the transfers under other rules, for users about to change them.

use std::collections::BTreeSet;

use model::{Cost, RemoteName, RepoPath, Uuid};

use super::Policy;
use crate::facts::Direction;

/// A remote, and the transfers it allows apart from rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The remote.
    pub name: RemoteName,
    /// The uuid of its repository; none if it was never seen.
    pub uuid: Option<Uuid>,
    /// The cost of getting content from it.
    pub cost: Cost,
    /// True if content may be sent to it.
    pub sends: bool,
    /// True if content may be received from it.
    pub gets: bool,
}

/// A number of keys and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// The number of keys.
    pub contents: u64,
    /// Their size in bytes, as far as known.
    pub bytes: u64,
}

/// The predicted transfers of one remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// The remote.
    pub remote: Neighbour,
    /// The keys that would be sent to it.
    pub up: Sum,
    /// The keys that would be received from it.
    pub down: Sum,
    /// The keys that would be transferred if rules did not hold them back.
    pub held_back: Sum,
}

/// Tells whether a repository wants a key that these repositories have.
pub type Wants<'w> = dyn Fn(&Uuid, &BTreeSet<Uuid>) -> bool + 'w;

/// Predicts, key by key, the transfers under some rules and the copies that result.
///
/// Whether a repository wants a key is asked again for every copy it would get. A key that comes here and is wanted by
/// another remote is passed on to it.
#[derive(Debug, Clone)]
pub struct Forecast {
    here: Uuid,
    /// Untrusted repositories, whose copies do not count.
    uncounted: BTreeSet<Uuid>,
    policy: Policy,
    ahead: Vec<Ahead>,
    fewest: Option<(u64, u64)>,
}

impl Forecast {
    /// Creates a forecast without keys. Copies in the `uncounted` repositories do not count.
    pub fn new(here: Uuid, uncounted: BTreeSet<Uuid>, policy: Policy, mut neighbours: Vec<Neighbour>) -> Self {
        neighbours.sort_by_key(|neighbour| neighbour.cost);
        let ahead = neighbours.into_iter().map(|remote| Ahead {
            remote,
            up: Sum::default(),
            down: Sum::default(),
            held_back: Sum::default(),
        });
        Self {
            here,
            uncounted,
            policy,
            ahead: ahead.collect(),
            fewest: None,
        }
    }

    /// Adds a key that these repositories have and these files use. `wants` tells whether a repository wants it, given
    /// the repositories that have it.
    pub fn add(&mut self, have: &BTreeSet<Uuid>, wants: &Wants<'_>, size: u64, files: &[RepoPath]) {
        let mut have = have.clone();
        if !have.contains(&self.here) && wants(&self.here, &have) && self.comes(&have, size, files) {
            have.insert(self.here.clone());
        }
        if have.contains(&self.here) {
            self.goes(&mut have, wants, size, files);
        }
        let copies = have.difference(&self.uncounted).count() as u64;
        self.fewest = Some(match self.fewest {
            Some((fewest, contents)) if fewest < copies => (fewest, contents),
            Some((fewest, contents)) if fewest == copies => (fewest, contents + 1),
            Some(_) | None => (copies, 1),
        });
    }

    /// True if the key is received here, from the cheapest remote that may send it.
    fn comes(&mut self, have: &BTreeSet<Uuid>, size: u64, files: &[RepoPath]) -> bool {
        let has =
            |ahead: &Ahead| ahead.remote.gets && ahead.remote.uuid.as_ref().is_some_and(|uuid| have.contains(uuid));
        let policy = &self.policy;
        let allows = |ahead: &Ahead| policy.allows(&ahead.remote.name, Direction::Get, files);
        if let Some(source) = self.ahead.iter_mut().find(|ahead| has(ahead) && allows(ahead)) {
            source.down.add(size);
            return true;
        }
        for holder in self.ahead.iter_mut().filter(|ahead| has(ahead)) {
            holder.held_back.add(size);
        }
        false
    }

    fn goes(&mut self, have: &mut BTreeSet<Uuid>, wants: &Wants<'_>, size: u64, files: &[RepoPath]) {
        for ahead in &mut self.ahead {
            let lacking = ahead.remote.uuid.as_ref().filter(|uuid| !have.contains(uuid));
            let Some(uuid) = lacking.filter(|uuid| ahead.remote.sends && wants(uuid, have)) else {
                continue;
            };
            if self.policy.allows(&ahead.remote.name, Direction::Send, files) {
                ahead.up.add(size);
                have.insert(uuid.clone());
            } else {
                ahead.held_back.add(size);
            }
        }
    }

    /// The predicted transfers of each remote, cheapest first.
    pub fn ahead(&self) -> &[Ahead] {
        &self.ahead
    }

    /// The smallest number of copies that a key would have, and how many keys would have that number; none without
    /// keys.
    pub fn fewest(&self) -> Option<(u64, u64)> {
        self.fewest
    }
}

impl Sum {
    fn add(&mut self, size: u64) {
        self.contents += 1;
        self.bytes = self.bytes.saturating_add(size);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{Cost, RemoteName, RepoPath, Uuid};

    use super::{Forecast, Neighbour, Sum};
    use crate::content::{Exchange, Policy, Rule};

    fn uuids(names: &str) -> BTreeSet<Uuid> {
        names
            .split_whitespace()
            .map(|name| Uuid::parse(name).unwrap())
            .collect()
    }

    /// A forecast for this repository, a cheap neighbour `nas` and an expensive one `usb`.
    fn foresee(rules: Vec<Rule>) -> Forecast {
        let neighbour = |name: &str, cost: &str| Neighbour {
            name: RemoteName::parse(name).unwrap(),
            uuid: Uuid::parse(name),
            cost: Cost::parse(cost).unwrap(),
            sends: true,
            gets: true,
        };
        let neighbours = vec![neighbour("usb", "200"), neighbour("nas", "100")];
        Forecast::new(
            Uuid::parse("here").unwrap(),
            uuids("lost"),
            Policy::new(rules),
            neighbours,
        )
    }

    fn add(forecast: &mut Forecast, have: &str, want: &str, file: &str) {
        let file = RepoPath::parse(file.as_bytes()).unwrap();
        let want = uuids(want);
        forecast.add(&uuids(have), &|uuid, _| want.contains(uuid), 10, &[file]);
    }

    fn rule(of: &str, directory: &str, exchange: Exchange) -> Rule {
        Rule {
            remote: RemoteName::parse(of),
            directory: RepoPath::parse(directory.as_bytes()).ok(),
            exchange,
        }
    }

    /// Keys sent, received and held back, for nas and for usb.
    fn counts(forecast: &Forecast) -> [[u64; 3]; 2] {
        let ahead = forecast.ahead();
        assert_eq!(
            [&ahead[0], &ahead[1]].map(|ahead| ahead.remote.name.as_str()),
            ["nas", "usb"]
        );
        [0, 1].map(|at: usize| {
            [ahead[at].up, ahead[at].down, ahead[at].held_back].map(|sum| {
                assert_eq!(sum.bytes, 10 * sum.contents);
                sum.contents
            })
        })
    }

    const ALL: &str = "here nas usb";

    #[test]
    fn without_rules_each_key_reaches_every_place_once() {
        let mut forecast = foresee(Vec::new());
        assert_eq!((forecast.fewest(), counts(&forecast)), (None, [[0; 3]; 2]));
        add(&mut forecast, "here", ALL, "a");
        add(&mut forecast, "nas usb", ALL, "b");
        // This one is passed on.
        add(&mut forecast, "usb", ALL, "c");
        assert_eq!(counts(&forecast), [[2, 1, 0], [1, 1, 0]]);
        assert_eq!(forecast.fewest(), Some((3, 3)));
        add(&mut forecast, "here nas lost", "", "f");
        assert_eq!(forecast.fewest(), Some((2, 1)));
        // One that nobody wants, and one that nobody has.
        add(&mut forecast, "elsewhere", "", "d");
        assert_eq!(forecast.fewest(), Some((1, 1)));
        add(&mut forecast, "", ALL, "e");
        assert_eq!(forecast.fewest(), Some((0, 1)));
        assert_eq!(counts(&forecast), [[2, 1, 0], [1, 1, 0]]);
    }

    #[test]
    fn a_key_barred_by_a_rule_is_held_back_and_has_fewer_copies() {
        let mut forecast = foresee(vec![
            rule("usb", "raw", Exchange::ContentDown),
            rule("nas", "", Exchange::ContentUp),
        ]);
        add(&mut forecast, "here", ALL, "raw/a");
        assert_eq!(
            (counts(&forecast), forecast.fewest()),
            ([[1, 0, 0], [0, 0, 1]], Some((2, 1)))
        );
        add(&mut forecast, "here", ALL, "b");
        assert_eq!(
            (counts(&forecast), forecast.fewest()),
            ([[2, 0, 0], [1, 0, 1]], Some((2, 1)))
        );
        // It must not come from nas, but comes from usb, so nothing is held back.
        add(&mut forecast, "nas usb", "here", "c");
        assert_eq!(counts(&forecast), [[2, 0, 0], [1, 1, 1]]);
        add(&mut forecast, "nas", "here", "d");
        assert_eq!(
            (counts(&forecast), forecast.fewest()),
            ([[2, 0, 1], [1, 1, 1]], Some((1, 1)))
        );
    }

    #[test]
    fn a_copy_in_one_archive_satisfies_the_other() {
        let mut forecast = foresee(vec![rule("nas", "raw", Exchange::ContentDown)]);
        let archives = uuids("nas usb");
        let wants = |uuid: &Uuid, have: &BTreeSet<Uuid>| !archives.contains(uuid) || have.is_disjoint(&archives);
        for file in ["a", "raw/b"] {
            let file = RepoPath::parse(file.as_bytes()).unwrap();
            forecast.add(&uuids("here"), &wants, 10, &[file]);
        }
        assert_eq!(
            (counts(&forecast), forecast.fewest()),
            ([[1, 0, 1], [1, 0, 0]], Some((2, 2)))
        );
    }

    #[test]
    fn transfers_forbidden_by_settings_do_not_count_as_held_back() {
        let mut forecast = foresee(Vec::new());
        forecast.ahead[0].remote.sends = false;
        forecast.ahead[1].remote.gets = false;
        add(&mut forecast, "here", ALL, "a");
        add(&mut forecast, "usb", ALL, "b");
        assert_eq!(counts(&forecast), [[0, 0, 0], [1, 0, 0]]);
        assert_eq!(forecast.ahead()[1].up, Sum { contents: 1, bytes: 10 });
    }
}
