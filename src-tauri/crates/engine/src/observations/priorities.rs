//! The user's priorities: keys to transfer first, and cancelled ones that are held back for a while. Kept in memory
//! only.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::Held;
use model::{Key, RepoPath, Timestamp, Uuid};

/// The user's priorities, each with the destination. Cheap to clone, so that a reader need not hold the lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Priorities {
    /// The latest request comes first. Each with its time.
    firsts: Vec<(Uuid, Key, Timestamp)>,
    cancelled: Vec<Cancelled>,
    /// When the user last asked for everything.
    released_at: Timestamp,
}

/// The keys that a cancelled transfer did not deliver.
#[derive(Debug, Clone)]
pub(crate) struct Cancelled {
    pub(crate) destination: Uuid,
    pub(crate) keys: Arc<BTreeSet<Key>>,
    /// When the user cancelled it; the transfer ended a moment later.
    pub(crate) asked_at: Timestamp,
    /// When it resumes by itself, and the same for the user, in seconds since the epoch.
    pub(crate) until: Timestamp,
    pub(crate) shown: u64,
}

impl Priorities {
    /// Moves a key to the front of the queue, even if it was cancelled before.
    pub(crate) fn put_first(&mut self, destination: &Uuid, key: &Key, now: Timestamp) {
        self.forget(key, |of| of == destination);
        self.firsts.insert(0, (destination.clone(), key.clone(), now));
    }

    /// Holds keys back, even prioritized ones, unless the user asked for them since.
    pub(crate) fn hold(&mut self, mut cancelled: Cancelled) {
        if cancelled.asked_at < self.released_at {
            return;
        }
        self.firsts.retain(|(of, key, at)| {
            let is_later = *at > cancelled.asked_at;
            let is_it = *of == cancelled.destination && cancelled.keys.contains(key);
            if is_it && is_later {
                Arc::make_mut(&mut cancelled.keys).remove(key);
            }
            !is_it || is_later
        });
        self.cancelled.push(cancelled);
    }

    /// Releases everything that was cancelled before.
    pub(crate) fn release_all(&mut self, now: Timestamp) {
        self.released_at = now;
        self.cancelled.clear();
    }

    /// The prioritized keys, in order.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (&Uuid, &Key)> {
        self.firsts.iter().map(|(destination, key, _)| (destination, key))
    }

    /// True if a key is prioritized.
    pub(crate) fn is_first(&self, destination: &Uuid, key: &Key) -> bool {
        self.firsts().any(|first| first == (destination, key))
    }

    /// Until when a key is held back; none if it is not.
    pub(crate) fn held_until(&self, destination: &Uuid, key: &Key, now: Timestamp) -> Option<Timestamp> {
        let of_it = self
            .held_now(now)
            .filter(|held| held.destination == *destination && held.keys.contains(key));
        of_it.map(|held| held.until).max()
    }

    /// When the next held-back key resumes; none if nothing is held back.
    pub(crate) fn next_release(&self, now: Timestamp) -> Option<Timestamp> {
        self.held_now(now).map(|held| held.until).min()
    }

    /// The number of keys held back for a destination, and when the first of them resumes.
    pub(crate) fn held(&self, destination: &Uuid, now: Timestamp) -> Option<Held> {
        let held = || self.held_now(now).filter(|held| held.destination == *destination);
        let files = held().map(|held| held.keys.len() as u64).sum();
        let until = held().map(|held| held.shown).min()?;
        Some(Held { files, until })
    }

    fn held_now(&self, now: Timestamp) -> impl Iterator<Item = &Cancelled> {
        let is_held = move |held: &&Cancelled| held.until > now && !held.keys.is_empty();
        self.cancelled.iter().filter(is_held)
    }

    /// True if there are no priorities.
    pub(crate) fn is_empty(&self) -> bool {
        self.firsts.is_empty() && self.cancelled.is_empty()
    }

    /// Forgets the priorities of a key where it has arrived, or all of them if no file uses it.
    pub(crate) fn observed(&mut self, key: &Key, paths: &[RepoPath], have: &BTreeSet<Uuid>) {
        self.forget(key, |of| paths.is_empty() || have.contains(of));
    }

    fn forget(&mut self, key: &Key, is_there: impl Fn(&Uuid) -> bool) {
        self.firsts.retain(|(of, first, _)| first != key || !is_there(of));
        for cancelled in &mut self.cancelled {
            if is_there(&cancelled.destination) && cancelled.keys.contains(key) {
                Arc::make_mut(&mut cancelled.keys).remove(key);
            }
        }
        self.cancelled.retain(|cancelled| !cancelled.keys.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::Held;
    use model::{Key, RepoPath, Timestamp, Uuid};

    use super::{Cancelled, Priorities};

    fn key(name: &str) -> Key {
        Key::parse(format!("SHA256E-s1--{name}").as_bytes()).unwrap()
    }

    fn uuid(name: &str) -> Uuid {
        Uuid::parse(name).unwrap()
    }

    /// Cancels these keys on their way to `a`, at 50 and until 100.
    fn cancel(priorities: &mut Priorities, names: &[&str]) {
        priorities.hold(Cancelled {
            destination: uuid("a"),
            keys: std::sync::Arc::new(names.iter().map(|name| key(name)).collect()),
            asked_at: Timestamp(50),
            until: Timestamp(100),
            shown: 1100,
        });
    }

    #[test]
    fn the_latest_request_wins() {
        let mut priorities = Priorities::default();
        priorities.put_first(&uuid("a"), &key("x"), Timestamp(50));
        priorities.put_first(&uuid("a"), &key("y"), Timestamp(50));
        priorities.put_first(&uuid("b"), &key("x"), Timestamp(50));
        priorities.put_first(&uuid("a"), &key("x"), Timestamp(50));
        let firsts = priorities.firsts().map(|(of, key)| format!("{of}{}", key.name()));
        assert_eq!(firsts.collect::<Vec<_>>(), ["ax", "bx", "ay"]);
        cancel(&mut priorities, &["x", "z"]);
        assert!(!priorities.is_first(&uuid("a"), &key("x")) && priorities.is_first(&uuid("b"), &key("x")));
        let until = |priorities: &Priorities, of: &str| priorities.held_until(&uuid(of), &key("x"), Timestamp(99));
        assert_eq!(until(&priorities, "a"), Some(Timestamp(100)));
        assert_eq!(until(&priorities, "b"), None);
        priorities.put_first(&uuid("a"), &key("x"), Timestamp(50));
        assert_eq!(until(&priorities, "a"), None);
        let held = |priorities: &Priorities, now| priorities.held(&uuid("a"), Timestamp(now));
        assert_eq!(held(&priorities, 99), Some(Held { files: 1, until: 1100 }));
        assert_eq!(
            (held(&priorities, 100), priorities.next_release(Timestamp(100))),
            (None, None)
        );
        priorities.release_all(Timestamp(51));
        assert_eq!(held(&priorities, 99), None);
        cancel(&mut priorities, &["x"]);
        assert_eq!(
            held(&priorities, 99),
            None,
            "it was cancelled before, and has just ended"
        );
    }

    /// A transfer takes a moment to end, during which the user may change their mind.
    #[test]
    fn a_key_prioritized_after_it_was_cancelled_is_not_held_back() {
        let mut priorities = Priorities::default();
        priorities.put_first(&uuid("a"), &key("x"), Timestamp(51));
        priorities.put_first(&uuid("a"), &key("y"), Timestamp(50));
        cancel(&mut priorities, &["x", "y"]);
        assert!(priorities.is_first(&uuid("a"), &key("x")) && !priorities.is_first(&uuid("a"), &key("y")));
        let held = priorities.held(&uuid("a"), Timestamp(60));
        assert_eq!(held.map(|held| held.files), Some(1));
    }

    #[test]
    fn priorities_are_forgotten_when_a_key_arrives_or_no_file_has_it() {
        let path = RepoPath::parse(b"photo.jpg").unwrap();
        let (a, b) = (BTreeSet::from([uuid("a")]), BTreeSet::from([uuid("b")]));
        let cases: [(&[RepoPath], _, _); 3] = [
            (std::slice::from_ref(&path), &b, false),
            (std::slice::from_ref(&path), &a, true),
            (&[], &b, true),
        ];
        for (paths, have, is_over) in cases {
            let mut priorities = Priorities::default();
            cancel(&mut priorities, &["x"]);
            priorities.put_first(&uuid("a"), &key("y"), Timestamp(50));
            priorities.observed(&key("y"), paths, have);
            assert_eq!(priorities.firsts().next().is_none(), is_over);
            priorities.observed(&key("x"), paths, have);
            assert_eq!(priorities.is_empty(), is_over);
        }
    }
}
