//! What would travel if other rules were in force: for people who are about to change them.

use std::collections::BTreeSet;

use model::{Cost, RemoteName, RepoPath, Uuid};

use super::Policy;
use crate::facts::Direction;

/// A remote, as far as contents can travel to and from it apart from any rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The remote.
    pub name: RemoteName,
    /// The repository there; none if nobody has looked yet.
    pub uuid: Option<Uuid>,
    /// What it costs to get something from it.
    pub cost: Cost,
    /// True if contents may be sent to it.
    pub sends: bool,
    /// True if contents may be got from it.
    pub gets: bool,
}

/// A number of contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub contents: u64,
    /// Their bytes, as far as known.
    pub bytes: u64,
}

/// What lies ahead for one remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// It.
    pub remote: Neighbour,
    /// What will be sent to it.
    pub up: Sum,
    /// What will be got from it.
    pub down: Sum,
    /// What would travel there or from there, and only the rules keep from it.
    pub held_back: Sum,
}

/// Whether a repository wants a content that these repositories have.
pub type Wants<'w> = dyn Fn(&Uuid, &BTreeSet<Uuid>) -> bool + 'w;

/// Looks at one content after the other: where it will go under some rules, and how many copies there are then.
///
/// Who wants a content is asked anew with every copy that it will have. One that comes here and is wanted at another remote
/// goes on to it.
#[derive(Debug, Clone)]
pub struct Forecast {
    here: Uuid,
    /// Repositories that are not trusted to keep what they have.
    uncounted: BTreeSet<Uuid>,
    policy: Policy,
    ahead: Vec<Ahead>,
    fewest: Option<(u64, u64)>,
}

impl Forecast {
    /// Begins with no content. What the `uncounted` repositories have counts as no copy.
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

    /// Looks at a content that these repositories have, and that these files name. `wants` says whether a repository wants
    /// it when others have it.
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

    /// True if the content comes here, from the cheapest that may give it.
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

    /// What lies ahead for each remote, the cheapest first.
    pub fn ahead(&self) -> &[Ahead] {
        &self.ahead
    }

    /// The fewest copies that a content will have, and how many contents have so few; none without contents.
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

    /// Here, a cheap neighbour `nas` and a dear one `usb`.
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

    /// Contents up, down and held back, of nas and of usb.
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
    fn without_rules_everything_gets_everywhere_each_by_one_way() {
        let mut forecast = foresee(Vec::new());
        assert_eq!((forecast.fewest(), counts(&forecast)), (None, [[0; 3]; 2]));
        add(&mut forecast, "here", ALL, "a");
        add(&mut forecast, "nas usb", ALL, "b");
        // Passed on.
        add(&mut forecast, "usb", ALL, "c");
        assert_eq!(counts(&forecast), [[2, 1, 0], [1, 1, 0]]);
        assert_eq!(forecast.fewest(), Some((3, 3)));
        add(&mut forecast, "here nas lost", "", "f");
        assert_eq!(forecast.fewest(), Some((2, 1)));
        // Not wanted anywhere, and one that nobody has.
        add(&mut forecast, "elsewhere", "", "d");
        assert_eq!(forecast.fewest(), Some((1, 1)));
        add(&mut forecast, "", ALL, "e");
        assert_eq!(forecast.fewest(), Some((0, 1)));
        assert_eq!(counts(&forecast), [[2, 1, 0], [1, 1, 0]]);
    }

    #[test]
    fn what_a_rule_keeps_is_held_back_and_has_fewer_copies() {
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
        // May not come from nas, but does from usb: then nothing is held back.
        add(&mut forecast, "nas usb", "here", "c");
        assert_eq!(counts(&forecast), [[2, 0, 0], [1, 1, 1]]);
        add(&mut forecast, "nas", "here", "d");
        assert_eq!(
            (counts(&forecast), forecast.fewest()),
            ([[2, 0, 1], [1, 1, 1]], Some((1, 1)))
        );
    }

    #[test]
    fn what_one_has_another_may_not_want_any_more() {
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
    fn what_settings_forbid_is_no_matter_of_rules() {
        let mut forecast = foresee(Vec::new());
        forecast.ahead[0].remote.sends = false;
        forecast.ahead[1].remote.gets = false;
        add(&mut forecast, "here", ALL, "a");
        add(&mut forecast, "usb", ALL, "b");
        assert_eq!(counts(&forecast), [[0, 0, 0], [1, 0, 0]]);
        assert_eq!(forecast.ahead()[1].up, Sum { contents: 1, bytes: 10 });
    }
}
