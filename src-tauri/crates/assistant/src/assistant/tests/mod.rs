//! Minimal histories that once failed, or would if a rule were forgotten.

#![allow(clippy::wildcard_enum_match_arm)] // A test names the one effect that it expects.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Cost, Key, Medium, Oid, RemoteName, RepoPath, Timestamp, Uuid};

use super::Assistant;
use crate::facts::{Direction, Question};
use crate::pacing;
use crate::{
    Abilities, Away, Candidate, Class, ClassId, Deletions, Effect, Event, Found, Heads, Id, Looked, Merged, Outcome,
    Pushed, Reach, Refs, RemoteFacts, Root, Said, Scope,
};

fn uuid(name: &str) -> Uuid {
    Uuid::parse(name).unwrap()
}

fn name(name: &str) -> RemoteName {
    RemoteName::parse(name).unwrap()
}

fn path(name: &str) -> RepoPath {
    RepoPath::parse(name.as_bytes()).unwrap()
}

fn key(number: u8) -> Key {
    Key::parse(format!("SHA256E-s1--{number}").as_bytes()).unwrap()
}

fn heads(number: u8) -> Heads {
    let oid = Some(Oid([number; 20]));
    Heads { tree: oid, annex: oid }
}

fn refs(number: u8, unmerged: bool) -> Refs {
    Refs {
        heads: heads(number),
        unmerged,
    }
}

fn facts(remote: &str) -> RemoteFacts {
    RemoteFacts {
        name: name(remote),
        uuid: Some(uuid(remote)),
        medium: Medium::Disk,
        cost: Cost::LOCAL,
        abilities: Abilities::ALL,
        seen: Heads::default(),
    }
}

/// A remote with which all but something can be done.
fn unable(remote: &str, change: impl FnOnce(&mut Abilities)) -> RemoteFacts {
    let mut facts = facts(remote);
    change(&mut facts.abilities);
    facts
}

fn found(changed: usize, removed: usize, tracked: usize) -> Found {
    Found {
        root: Root::Same,
        changed,
        removed,
        tracked,
        staged: false,
        filling: Vec::new(),
    }
}

fn class(id: u32, have: &[&str], want: &[&str]) -> Class {
    let set = |names: &[&str]| -> BTreeSet<Uuid> { names.iter().map(|name| uuid(name)).collect() };
    Class {
        id: ClassId(id),
        have: set(have),
        want: set(want),
        barred: BTreeSet::new(),
        spare: None,
        keys: 1,
        bytes: 1,
    }
}

fn candidate(number: u8, remote: &str, direction: Direction) -> Candidate {
    Candidate {
        key: key(number),
        size: 1,
        remote: name(remote),
        direction,
        is_first: false,
    }
}

/// A cancellation that holds nothing back.
fn stop(id: Id) -> Effect {
    Effect::Cancel { id, held_until: None }
}

/// The end of an ingest that went well.
fn ingested(id: Id, refs: Refs, has_rest: bool) -> Event {
    Event::Ingested {
        id,
        refs,
        postponed: vec![],
        has_rest,
        failed: None,
    }
}

/// True if the only open effect is this scan.
fn looks_at(rig: &Rig, scope: &Scope) -> bool {
    matches!(&rig.open[..], [Effect::Look { scope: found, .. }] if found == scope)
}

/// An assistant, a clock, and the open effects.
struct Rig {
    assistant: Assistant,
    now: Timestamp,
    open: Vec<Effect>,
}

/// Closes the first open effect of this kind and returns its id.
macro_rules! take {
    ($rig:expr, $kind:ident) => {{
        let at = $rig
            .open
            .iter()
            .position(|effect| matches!(effect, Effect::$kind { .. }));
        let at = at.unwrap_or_else(|| panic!("no {} among {:?}", stringify!($kind), $rig.open));
        match $rig.open.remove(at) {
            Effect::$kind { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }};
}

macro_rules! has {
    ($rig:expr, $kind:ident) => {
        $rig.open.iter().any(|effect| matches!(effect, Effect::$kind { .. }))
    };
}

impl Rig {
    /// A repository with heads 1, scanned, observed without a class, and with these remotes, all connected and up to
    /// date.
    fn at_rest(remotes: &[&str]) -> Self {
        let now = Timestamp(1_000_000);
        let mut rig = Self {
            assistant: Assistant::new(uuid("here"), 7, now),
            now,
            open: Vec::new(),
        };
        rig.tell(Event::RefsMoved(refs(1, false)));
        rig.tell(Event::RemotesListed(
            remotes.iter().map(|remote| facts(remote)).collect(),
        ));
        rig.quiet(&[]);
        rig.after(10_000);
        rig.quiet(&[]);
        assert_eq!(rig.assistant.next_wake(), None);
        assert!(!rig.assistant.is_working());
        rig
    }

    fn tell(&mut self, event: Event) {
        self.open.extend(self.assistant.handle(self.now, event));
        assert!(
            self.assistant.next_wake().is_none_or(|at| at > self.now),
            "it would spin"
        );
    }

    fn after(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.tell(Event::Woke);
    }

    /// Ends all open effects as if they succeeded and nothing changed; observations return these classes.
    fn quiet(&mut self, classes: &[Class]) {
        self.quiet_but(classes, |_| false);
    }

    /// Like [`Self::quiet`], but leaves these effects open.
    fn quiet_but(&mut self, classes: &[Class], stays: fn(&Effect) -> bool) {
        let heads = self.assistant.refs().heads;
        let refs = Refs { heads, unmerged: false };
        for _ in 0..100 {
            let Some(next) = self.open.iter().position(|effect| !stays(effect)) else {
                return;
            };
            let event = match self.open.remove(next) {
                Effect::Look { id, .. } => Event::Looked {
                    id,
                    looked: Looked::Found(found(0, 0, 100)),
                },
                Effect::Ingest { id, .. } => ingested(id, refs, false),
                Effect::Restore { id } => Event::Restored { id, failed: None },
                Effect::Fill { id } => Event::Filled {
                    id,
                    more: false,
                    failed: None,
                },
                Effect::Probe { id, remote } => Event::Probed {
                    id,
                    reach: Reach::Here(Some(uuid(remote.as_str()))),
                    round_trip: None,
                },
                Effect::Fetch { id, .. } => Event::Fetched {
                    id,
                    refs,
                    there: Ok(heads),
                },
                Effect::Merge { id, .. } => Event::Merged {
                    id,
                    refs,
                    merged: Merged::Done,
                    held: None,
                },
                Effect::Push { id, .. } => Event::Pushed {
                    id,
                    refs: *self.assistant.refs(),
                    pushed: Pushed::Done(heads),
                },
                Effect::Observe { id } => Event::Observed {
                    id,
                    heads,
                    classes: Ok(classes.to_vec()),
                },
                Effect::Offer { id, .. } => Event::Offered {
                    id,
                    candidates: vec![],
                    retry_at: None,
                },
                Effect::Transfer { id, keys, .. } => {
                    let outcomes = keys.into_iter().map(|key| (key, Outcome::Cancelled)).collect();
                    Event::Transferred { id, refs, outcomes }
                }
                Effect::Drop { id, .. } => Event::Dropped {
                    id,
                    refs,
                    gone: 0,
                    more: false,
                    retry_at: None,
                },
                Effect::Cancel { .. } | Effect::Ask(_) | Effect::Withdraw(_) => Event::Woke,
            };
            self.tell(event);
        }
        panic!("it does not come to rest: {:?}", self.open);
    }

    fn look(&mut self, found: Found) {
        let id = take!(self, Look);
        self.tell(Event::Looked {
            id,
            looked: Looked::Found(found),
        });
    }

    /// Closes the open merge and returns its id.
    fn merge(&mut self, expected: bool) -> Id {
        let at = self
            .open
            .iter()
            .position(|effect| matches!(effect, Effect::Merge { .. }));
        let at = at.unwrap_or_else(|| panic!("no merge among {:?}", self.open));
        match self.open.remove(at) {
            Effect::Merge { id, partial, .. } if partial == expected => id,
            other => panic!("{other:?}"),
        }
    }

    /// Makes the assistant scan everything and find this.
    fn look_at_everything(&mut self, found: Found) {
        self.tell(Event::CountLost(None));
        self.after(2000);
        self.look(found);
    }

    fn observe(&mut self, number: u8, classes: &[Class]) {
        let id = take!(self, Observe);
        self.tell(Event::Observed {
            id,
            heads: heads(number),
            classes: Ok(classes.to_vec()),
        });
    }

    fn offer(&mut self, candidates: Vec<Candidate>) {
        let id = take!(self, Offer);
        self.tell(Event::Offered {
            id,
            candidates,
            retry_at: None,
        });
    }

    fn send_one(remotes: &[&str]) -> Self {
        let mut rig = Self::at_rest(remotes);
        rig.tell(Event::RefsMoved(refs(2, false)));
        let want: Vec<&str> = remotes.iter().copied().chain(["here"]).collect();
        rig.observe(2, &[class(1, &["here"], &want)]);
        rig
    }
}

mod drops;
mod faulty;
mod filling;
mod here;
mod parts;
mod pushes;
mod remotes;
mod ways;
