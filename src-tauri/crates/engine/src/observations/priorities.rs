//! What the user said of single contents on their way somewhere: which go first, and which were cancelled and wait for a
//! while. Known only as long as the program runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::Held;
use model::{Key, RepoPath, Timestamp, Uuid};

/// What the user said, each by where the content goes. Cheap to clone: whoever looks at it for long keeps nobody waiting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Priorities {
    /// The last that was asked for comes first. Each with when that was.
    firsts: Vec<(Uuid, Key, Timestamp)>,
    cancelled: Vec<Cancelled>,
    /// When everything was asked for last.
    released_at: Timestamp,
}

/// What a transfer that was cancelled did not bring.
#[derive(Debug, Clone)]
pub(crate) struct Cancelled {
    pub(crate) destination: Uuid,
    pub(crate) keys: Arc<BTreeSet<Key>>,
    /// When it was asked for; the transfer ended a moment later.
    pub(crate) asked_at: Timestamp,
    /// When it goes on by itself, and that for people, in seconds since the epoch.
    pub(crate) until: Timestamp,
    pub(crate) shown: u64,
}

impl Priorities {
    /// Lets a content go before all others, also if it was cancelled before.
    pub(crate) fn put_first(&mut self, destination: &Uuid, key: &Key, now: Timestamp) {
        self.forget(key, |of| of == destination);
        self.firsts.insert(0, (destination.clone(), key.clone(), now));
    }

    /// Holds contents back, also if they were put first before, but not if they were asked for since.
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

    /// Everything was asked for: nothing that was cancelled before is held back any more.
    pub(crate) fn release_all(&mut self, now: Timestamp) {
        self.released_at = now;
        self.cancelled.clear();
    }

    /// What goes first, in this order.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (&Uuid, &Key)> {
        self.firsts.iter().map(|(destination, key, _)| (destination, key))
    }

    /// True if a content goes first.
    pub(crate) fn is_first(&self, destination: &Uuid, key: &Key) -> bool {
        self.firsts().any(|first| first == (destination, key))
    }

    /// Until when a content is held back; none if it is not.
    pub(crate) fn held_until(&self, destination: &Uuid, key: &Key, now: Timestamp) -> Option<Timestamp> {
        let of_it = self
            .held_now(now)
            .filter(|held| held.destination == *destination && held.keys.contains(key));
        of_it.map(|held| held.until).max()
    }

    /// When the first of what is held back goes on; none if nothing is.
    pub(crate) fn next_release(&self, now: Timestamp) -> Option<Timestamp> {
        self.held_now(now).map(|held| held.until).min()
    }

    /// What is held back on its way to a repository.
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

    /// True if nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.firsts.is_empty() && self.cancelled.is_empty()
    }

    /// Takes what was observed of a content: where it has arrived nothing is left to say, nor when no file has it.
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

    /// Cancels these on their way to `a`, at 50 and until 100.
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
    fn what_was_said_last_holds() {
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

    /// A transfer takes a moment to end, in which the user may think better of it.
    #[test]
    fn what_was_put_first_after_it_was_cancelled_is_not_held_back() {
        let mut priorities = Priorities::default();
        priorities.put_first(&uuid("a"), &key("x"), Timestamp(51));
        priorities.put_first(&uuid("a"), &key("y"), Timestamp(50));
        cancel(&mut priorities, &["x", "y"]);
        assert!(priorities.is_first(&uuid("a"), &key("x")) && !priorities.is_first(&uuid("a"), &key("y")));
        let held = priorities.held(&uuid("a"), Timestamp(60));
        assert_eq!(held.map(|held| held.files), Some(1));
    }

    #[test]
    fn nothing_is_left_to_say_of_what_has_arrived_or_is_in_no_file() {
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
