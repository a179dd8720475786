//! Failures of transfers and merges, for the user. They are kept in memory only, and only while they matter.

use std::collections::{BTreeMap, BTreeSet};

use assistant::{Direction, Outcome};
use model::{Key, RemoteName, RepoPath, Uuid};

/// Why keys could not be transferred, which were found damaged, and how many files are kept in several versions.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The last key that failed, by remote and direction.
    reasons: BTreeMap<(RemoteName, Direction), Failed>,
    damaged: BTreeMap<(Key, Uuid), Damage>,
    conflicts: u64,
}

/// A key that could not be transferred.
#[derive(Debug)]
struct Failed {
    key: Key,
    /// The destination.
    to: Uuid,
    why: String,
    /// True if the destination was full.
    lacked_room: bool,
}

/// A file whose content is damaged in one repository.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    pub(crate) path: RepoPath,
    /// The repositories that have the content, as last observed.
    pub(crate) have: BTreeSet<Uuid>,
}

impl Failures {
    /// Records the result of a transfer. The last failure is kept until that key is transferred, or is not wanted at
    /// the destination any more.
    pub(crate) fn transferred(
        &mut self,
        remote: &RemoteName,
        direction: Direction,
        to: &Uuid,
        outcomes: &[(Key, Outcome)],
    ) {
        let reason = outcomes.iter().rev().find_map(|(key, outcome)| match outcome {
            Outcome::Full(why) | Outcome::Failed(why) => Some(Failed {
                key: key.clone(),
                to: to.clone(),
                why: why.clone(),
                lacked_room: matches!(outcome, Outcome::Full(_)),
            }),
            Outcome::Stored
            | Outcome::AlreadyThere
            | Outcome::Busy
            | Outcome::Cancelled
            | Outcome::Away
            | Outcome::NotThere => None,
        });
        let way = (remote.clone(), direction);
        if let Some(reason) = reason {
            self.reasons.insert(way, reason);
            return;
        }
        let is_there = |(key, outcome): &(Key, Outcome), failed: &Key| {
            key == failed && matches!(outcome, Outcome::Stored | Outcome::AlreadyThere)
        };
        if let Some(failed) = self.reasons.get(&way)
            && outcomes.iter().any(|outcome| is_there(outcome, &failed.key))
        {
            self.reasons.remove(&way);
        }
    }

    /// Why the last failed key failed in this direction, unless it was transferred since.
    pub(crate) fn reason(&self, remote: &RemoteName, direction: Direction) -> Option<&str> {
        self.reasons
            .get(&(remote.clone(), direction))
            .map(|failed| failed.why.as_str())
    }

    /// True if the last failed key found its destination full, and was not transferred since.
    pub(crate) fn lacks_room(&self, remote: &RemoteName, direction: Direction) -> bool {
        let failed = self.reasons.get(&(remote.clone(), direction));
        failed.is_some_and(|failed| failed.lacked_room)
    }

    /// The keys that found their destination full, with remote and direction.
    pub(crate) fn without_room(&self) -> Vec<(RemoteName, Direction, Key)> {
        let without = self.reasons.iter().filter(|(_, failed)| failed.lacked_room);
        without
            .map(|((remote, direction), failed)| (remote.clone(), *direction, failed.key.clone()))
            .collect()
    }

    /// Forgets the failure of a key whose destination has space again.
    pub(crate) fn has_room(&mut self, remote: &RemoteName, direction: Direction, key: &Key) {
        self.reasons
            .retain(|(name, way), failed| name != remote || *way != direction || failed.key != *key);
    }

    /// True if a failure of this key is recorded.
    pub(crate) fn concerns(&self, key: &Key) -> bool {
        self.reasons.values().any(|failed| failed.key == *key)
    }

    /// Updates which repositories want and have a key, and which transfers rules bar. A key that must not be
    /// transferred any more has not failed.
    pub(crate) fn wished(
        &mut self,
        key: &Key,
        want: &BTreeSet<Uuid>,
        have: &BTreeSet<Uuid>,
        barred: &BTreeSet<(RemoteName, Direction)>,
    ) {
        self.reasons.retain(|way, failed| {
            let is_to_go = want.contains(&failed.to) && !have.contains(&failed.to) && !barred.contains(way);
            failed.key != *key || is_to_go
        });
    }

    /// Why keys could not be received here, by remote.
    pub(crate) fn reasons_to_get(&self) -> impl Iterator<Item = (&RemoteName, &str)> {
        let gets = self.reasons.iter().filter(|((_, way), _)| *way == Direction::Get);
        gets.map(|((remote, _), failed)| (remote, failed.why.as_str()))
    }

    /// Records that the content of a file was damaged in a repository and set aside there.
    pub(crate) fn found_damaged(&mut self, key: &Key, place: &Uuid, damage: Damage) {
        self.damaged.insert((key.clone(), place.clone()), damage);
    }

    /// The damaged files, each with the repository.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = (&Uuid, &Damage)> {
        self.damaged.iter().map(|((_, place), damage)| (place, damage))
    }

    /// Sets how many files are kept in several versions.
    pub(crate) fn kept_several(&mut self, files: u64) {
        self.conflicts = files;
    }

    /// How many files are kept in several versions.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Updates the repositories that have a key. Its damage is repaired when they get the content again, and does not
    /// matter when no file uses the key.
    pub(crate) fn observed(&mut self, key: &Key, paths: &[RepoPath], had: &BTreeSet<Uuid>, have: &BTreeSet<Uuid>) {
        let is_back = |place: &Uuid| have.contains(place) && !had.contains(place);
        self.damaged
            .retain(|(damaged, place), _| damaged != key || !(paths.is_empty() || is_back(place)));
        let same = self.damaged.iter_mut().filter(|((damaged, _), _)| damaged == key);
        same.for_each(|(_, damage)| damage.have.clone_from(have));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use assistant::{Direction, Outcome};
    use model::{Key, RemoteName, RepoPath, Uuid};

    use super::{Damage, Failures};

    fn key() -> Key {
        Key::parse(b"SHA256E-s1--a").unwrap()
    }

    fn place() -> Uuid {
        Uuid::parse("u1").unwrap()
    }

    #[test]
    fn a_transfer_forbidden_meanwhile_does_not_count_as_failed() {
        let way = (RemoteName::parse("drive").unwrap(), Direction::Send);
        let full = Outcome::Full("no room".to_owned());
        let (here, nobody) = (BTreeSet::from([place()]), BTreeSet::new());
        let (closed, open) = (BTreeSet::from([way.clone()]), BTreeSet::new());
        let cases = [
            (key(), &here, &nobody, &open, true),
            (key(), &nobody, &nobody, &open, false),
            (key(), &here, &here, &open, false),
            (key(), &here, &nobody, &closed, false),
            (Key::parse(b"SHA256E-s1--b").unwrap(), &nobody, &nobody, &open, true),
        ];
        for (wished, want, have, barred, lacks) in cases {
            let mut failures = Failures::default();
            failures.transferred(&way.0, way.1, &place(), &[(key(), full.clone())]);
            failures.wished(&wished, want, have, barred);
            assert_eq!(
                failures.lacks_room(&way.0, way.1),
                lacks,
                "{wished} {want:?} {have:?} {barred:?}"
            );
        }
    }

    #[test]
    fn the_last_failure_is_kept_until_its_key_is_transferred() {
        let remote = RemoteName::parse("drive").unwrap();
        let mut failures = Failures::default();
        let mut ended = |outcomes: &[(Key, Outcome)]| {
            failures.transferred(&remote, Direction::Send, &place(), outcomes);
            failures.reason(&remote, Direction::Send).map(str::to_owned)
        };
        let full = Outcome::Full("no room".to_owned());
        let other = Key::parse(b"SHA256E-s1--b").unwrap();
        assert_eq!(ended(&[(key(), full)]).as_deref(), Some("no room"));
        assert_eq!(ended(&[(other, Outcome::Stored)]).as_deref(), Some("no room"));
        assert_eq!(ended(&[(key(), Outcome::Away)]).as_deref(), Some("no room"));
        assert_eq!(ended(&[(key(), Outcome::Stored)]), None);
        assert_eq!(failures.reasons_to_get().count(), 0);
    }

    #[test]
    fn a_destination_is_full_until_the_failed_key_is_transferred() {
        let remote = RemoteName::parse("drive").unwrap();
        let mut failures = Failures::default();
        let steps = [
            (Outcome::Failed("refused".to_owned()), false),
            (Outcome::Full("no room".to_owned()), true),
            (Outcome::Away, true),
            (Outcome::Stored, false),
        ];
        for (outcome, lacks) in steps {
            failures.transferred(&remote, Direction::Send, &place(), &[(key(), outcome)]);
            assert_eq!(failures.lacks_room(&remote, Direction::Send), lacks);
            assert!(!failures.lacks_room(&remote, Direction::Get));
        }
    }

    #[test]
    fn damage_is_reported_until_it_is_repaired_or_no_file_has_the_key() {
        let place = Uuid::parse("u1").unwrap();
        let path = RepoPath::parse(b"photo.jpg").unwrap();
        let (with, without) = (BTreeSet::from([place.clone()]), BTreeSet::new());
        let cases = [
            // The log now records that the content is missing.
            (vec![path.clone()], &with, &without, 1),
            (vec![path.clone()], &without, &with, 0),
            (vec![], &without, &without, 0),
        ];
        for (paths, had, have, left) in cases {
            let mut failures = Failures::default();
            let damage = Damage {
                path: path.clone(),
                have: with.clone(),
            };
            failures.found_damaged(&key(), &place, damage);
            failures.observed(&key(), &paths, had, have);
            assert_eq!(failures.damaged().count(), left);
        }
    }
}
