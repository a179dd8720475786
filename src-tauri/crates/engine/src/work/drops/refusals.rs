//! Which keys could not be dropped, and until when they are left alone. In memory only: the next start tries all again.

use std::collections::BTreeMap;

use assistant::{ClassId, pacing};
use model::{Key, Timestamp, Uuid};

/// So often is a key tried again by the clock alone; after that something has to change.
const BY_CLOCK: u32 = 6;

/// The keys that could not be dropped.
#[derive(Debug, Default)]
pub(in crate::work) struct Refusals(BTreeMap<Key, Refusal>);

#[derive(Debug)]
struct Refusal {
    /// Its class then: with another, others have it, or it is wanted.
    class: ClassId,
    count: u32,
    until: Timestamp,
    /// True if only another program was in the way, which will end soon.
    is_passing: bool,
}

/// How a key is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Not at all.
    None,
    /// Until then.
    Until(Timestamp),
    /// Until something changes.
    UntilNews,
}

impl Refusals {
    /// Counts a refusal; returns how the key is left alone now. Two repositories that refuse each other don't try again at the
    /// same moment.
    pub(super) fn note(&mut self, key: &Key, class: ClassId, is_passing: bool, here: &Uuid, now: Timestamp) -> Hold {
        let chance = pacing::spread_by(key.as_bytes()) ^ pacing::spread_by(here.as_str().as_bytes());
        let before = self.0.get(key).filter(|refusal| refusal.class == class);
        let count = before.map_or(1, |refusal| refusal.count.saturating_add(1));
        let until = now + pacing::retry_after(count, chance);
        let refusal = Refusal {
            class,
            count,
            until,
            is_passing,
        };
        self.0.insert(key.clone(), refusal);
        self.hold(key, class, now)
    }

    /// How a key of this class is left alone.
    pub(super) fn hold(&self, key: &Key, class: ClassId, now: Timestamp) -> Hold {
        match self.0.get(key) {
            Some(refusal) if refusal.class == class && refusal.until > now => {
                match refusal.is_passing && refusal.count <= BY_CLOCK {
                    true => Hold::Until(refusal.until),
                    false => Hold::UntilNews,
                }
            }
            Some(_) | None => Hold::None,
        }
    }

    /// Forgets a key that was dropped.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// Forgets everything: a repository has come back, or the user asked to sync.
    pub(in crate::work) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_left_alone_for_a_while_unless_its_class_changes() {
        let (key, here) = (Key::parse(b"SHA256E-s1--a").unwrap(), Uuid::parse("here").unwrap());
        let (one, other) = (ClassId(1), ClassId(2));
        let mut refusals = Refusals::default();
        let now = Timestamp(1000);
        assert_eq!(refusals.hold(&key, one, now), Hold::None);
        assert_eq!(refusals.note(&key, one, false, &here, now), Hold::UntilNews);
        assert_eq!(refusals.hold(&key, other, now), Hold::None, "somebody else has it now");
        assert_eq!(refusals.hold(&key, one, Timestamp(600_000)), Hold::None);
        refusals.clear();
        let mut at = now;
        for _ in 0..BY_CLOCK {
            let Hold::Until(until) = refusals.note(&key, one, true, &here, at) else {
                panic!("it is tried again by the clock");
            };
            assert!(until > at);
            at = until;
        }
        assert_eq!(refusals.note(&key, one, true, &here, at), Hold::UntilNews);
        refusals.forget(&key);
        assert_eq!(refusals.hold(&key, one, at), Hold::None);
    }
}
