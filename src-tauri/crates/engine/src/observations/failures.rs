//! What transfers and merges met with, for people: kept until it does not matter any more, and only as long as the
//! program runs.

use std::collections::{BTreeMap, BTreeSet};

use assistant::{Direction, Outcome};
use model::{Key, RemoteName, RepoPath, Uuid};

/// Why contents do not travel, which were found damaged, and how many files are kept in several versions.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The last content that failed each way.
    reasons: BTreeMap<(RemoteName, Direction), Failed>,
    damaged: BTreeMap<(Key, Uuid), Damage>,
    conflicts: u64,
}

/// A content that did not travel.
#[derive(Debug)]
struct Failed {
    key: Key,
    /// Where it was to go.
    to: Uuid,
    why: String,
    /// Where it was to go there was no room for it.
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
    /// A transfer ended: the last reason for which something could not be transferred stands until that content was, or is
    /// not wanted there any more.
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

    /// Why the last content that failed this way did, if it did not go since.
    pub(crate) fn reason(&self, remote: &RemoteName, direction: Direction) -> Option<&str> {
        self.reasons
            .get(&(remote.clone(), direction))
            .map(|failed| failed.why.as_str())
    }

    /// True if the last content that failed this way found no room, and did not go since.
    pub(crate) fn lacks_room(&self, remote: &RemoteName, direction: Direction) -> bool {
        let failed = self.reasons.get(&(remote.clone(), direction));
        failed.is_some_and(|failed| failed.lacked_room)
    }

    /// The contents that found no room, and the ways that they were to go.
    pub(crate) fn without_room(&self) -> Vec<(RemoteName, Direction, Key)> {
        let without = self.reasons.iter().filter(|(_, failed)| failed.lacked_room);
        without
            .map(|((remote, direction), failed)| (remote.clone(), *direction, failed.key.clone()))
            .collect()
    }

    /// There is room again for a content that found none.
    pub(crate) fn has_room(&mut self, remote: &RemoteName, direction: Direction, key: &Key) {
        self.reasons
            .retain(|(name, way), failed| name != remote || *way != direction || failed.key != *key);
    }

    /// True if a wish for this content matters here.
    pub(crate) fn concerns(&self, key: &Key) -> bool {
        self.reasons.values().any(|failed| failed.key == *key)
    }

    /// Takes who wants a content, who has it, and which ways rules close to it: what is not to go that way any more has not
    /// failed to.
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

    /// Why any content that was to come here did not.
    pub(crate) fn reasons_to_get(&self) -> impl Iterator<Item = (&RemoteName, &str)> {
        let gets = self.reasons.iter().filter(|((_, way), _)| *way == Direction::Get);
        gets.map(|((remote, _), failed)| (remote, failed.why.as_str()))
    }

    /// The content of a file was found damaged in a repository, and was set aside there.
    pub(crate) fn found_damaged(&mut self, key: &Key, place: &Uuid, damage: Damage) {
        self.damaged.insert((key.clone(), place.clone()), damage);
    }

    /// Contents that were found damaged, each with the repository.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = (&Uuid, &Damage)> {
        self.damaged.iter().map(|((_, place), damage)| (place, damage))
    }

    /// So many files are kept in several versions now.
    pub(crate) fn kept_several(&mut self, files: u64) {
        self.conflicts = files;
    }

    /// Files that are kept in several versions.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Takes what was observed of a key: damage is made good when the content is there again, and does not matter any
    /// more when no file has it.
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
    fn what_is_not_to_go_any_more_has_not_failed_to() {
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
    fn the_last_reason_stands_until_that_content_goes_that_way() {
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
    fn room_is_lacking_until_that_content_finds_it() {
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
    fn damage_is_told_until_it_is_made_good_or_no_file_has_it() {
        let place = Uuid::parse("u1").unwrap();
        let path = RepoPath::parse(b"photo.jpg").unwrap();
        let (with, without) = (BTreeSet::from([place.clone()]), BTreeSet::new());
        let cases = [
            // The log says that it is missing now.
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
