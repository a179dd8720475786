//! The smallest histories that once went wrong, or would if a rule were forgotten.

#![allow(clippy::wildcard_enum_match_arm)] // A test names the one effect that it expects.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Cost, Key, Oid, RemoteName, RepoPath, Timestamp, Uuid};

use super::Assistant;
use crate::content::Direction;
use crate::guards::Question;
use crate::{
    Away, Candidate, Class, ClassId, Effect, Event, Found, Heads, Looked, Merged, Outcome, Pushed, Reach, Refs,
    RemoteFacts, Root, Scope,
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
        cost: Cost::LOCAL,
        pull: true,
        push: true,
        content: true,
    }
}

fn found(changed: usize, removed: usize, tracked: usize) -> Found {
    Found {
        root: Root::Same,
        changed,
        removed,
        tracked,
        staged: false,
    }
}

fn class(id: u32, have: &[&str], want: &[&str]) -> Class {
    let set = |names: &[&str]| -> BTreeSet<Uuid> { names.iter().map(|name| uuid(name)).collect() };
    Class {
        id: ClassId(id),
        have: set(have),
        want: set(want),
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
    }
}

/// An assistant, a clock, and the effects that were not ended yet.
struct Rig {
    assistant: Assistant,
    now: Timestamp,
    open: Vec<Effect>,
}

/// The id of the first open effect that looks so, which is closed by that.
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
    /// A repository with heads 1, first looked at, observed without a class, and these remotes, each reached and in step.
    fn settled(remotes: &[&str]) -> Self {
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

    /// Ends all that is open as if all went well and nothing changed; observing finds these classes.
    fn quiet(&mut self, classes: &[Class]) {
        self.quiet_but(classes, |_| false);
    }

    /// The same, but leaves these effects open.
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
                Effect::Ingest { id, .. } => Event::Ingested {
                    id,
                    refs,
                    postponed: vec![],
                    failed: None,
                },
                Effect::Restore { id } => Event::Restored { id, failed: None },
                Effect::Probe { id, remote } => Event::Probed {
                    id,
                    reach: Reach::Here(uuid(remote.as_str())),
                },
                Effect::Fetch { id, .. } => Event::Fetched {
                    id,
                    refs,
                    there: Ok(heads),
                },
                Effect::Merge { id } => Event::Merged {
                    id,
                    refs,
                    merged: Merged::Done,
                },
                Effect::Push { id, .. } => Event::Pushed {
                    id,
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

    /// Makes the assistant look at everything and find this.
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
        let mut rig = Self::settled(remotes);
        rig.tell(Event::RefsMoved(refs(2, false)));
        let want: Vec<&str> = remotes.iter().copied().chain(["here"]).collect();
        rig.observe(2, &[class(1, &["here"], &want)]);
        rig
    }
}

#[test]
fn a_saved_file_goes_straight_to_the_other_end() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    let scope = Scope::Paths(vec![path("a")]);
    assert!(
        matches!(&rig.open[..], [Effect::Look { scope: at, .. }] if *at == scope),
        "{:?}",
        rig.open
    );
    rig.look(found(1, 0, 100));
    let id = take!(rig, Ingest);
    rig.tell(Event::Ingested {
        id,
        refs: refs(2, false),
        postponed: vec![],
        failed: None,
    });
    rig.observe(2, &[class(1, &["here"], &["here", "b"])]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    assert!(!has!(rig, Push), "the push waits a moment for small content");
    rig.tell(Event::Transferred {
        id,
        refs: refs(3, false),
        outcomes: vec![(key(1), Outcome::Stored)],
    });
    rig.observe(3, &[class(2, &["here", "b"], &["here", "b"])]);
    rig.quiet(&[]);
    assert_eq!(rig.assistant.next_wake(), None);
}

#[test]
fn a_push_that_waited_for_content_is_not_forgotten() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    let outcomes = vec![(key(1), Outcome::Failed("no".into()))];
    rig.tell(Event::Transferred {
        id,
        refs: refs(2, false),
        outcomes,
    });
    assert!(!has!(rig, Push));
    rig.offer(vec![]);
    assert!(has!(rig, Push));
}

#[test]
fn a_push_does_not_wait_long_for_content() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    assert!(!has!(rig, Push));
    rig.after(1000);
    assert!(has!(rig, Push));
}

#[test]
fn heads_that_come_late_are_found_out_by_observing() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::RefsMoved(refs(3, false)));
    rig.observe(3, &[]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(3, &[]);
    assert_eq!(rig.open, []);
    assert_eq!(rig.assistant.refs().heads, heads(3));
}

#[test]
fn heads_that_come_late_do_not_hide_newer_ones() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    rig.tell(Event::RefsMoved(refs(2, false)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
    });
    rig.observe(2, &[]);
    assert_eq!(rig.assistant.refs().heads, heads(2));
}

#[test]
fn what_is_fetched_during_a_merge_is_merged_after_it() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::RefsMoved(refs(1, true)));
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
    });
    take!(rig, Merge);
}

#[test]
fn a_merge_that_failed_is_tried_again() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Failed("full".into()),
    });
    assert_eq!((rig.open.len(), rig.assistant.trouble()), (0, Some("full")));
    rig.after(2000);
    take!(rig, Merge);
}

#[test]
fn a_blocked_merge_waits_for_the_commit_and_then_goes_on() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, true),
        merged: Merged::Blocked(vec![path("a")]),
    });
    rig.look(found(1, 0, 10));
    let id = take!(rig, Ingest);
    rig.tell(Event::Ingested {
        id,
        refs: refs(2, true),
        postponed: vec![],
        failed: None,
    });
    rig.observe(2, &[]);
    take!(rig, Merge);
}

#[test]
fn a_file_in_the_way_that_is_being_written_is_waited_for_and_no_other() {
    for (writing, merges) in [("a", false), ("b", true)] {
        let mut rig = Rig::settled(&[]);
        rig.tell(Event::RefsMoved(refs(1, true)));
        let id = take!(rig, Merge);
        rig.tell(Event::Merged {
            id,
            refs: refs(1, true),
            merged: Merged::Blocked(vec![path("a")]),
        });
        rig.look(found(2, 0, 10));
        let id = take!(rig, Ingest);
        rig.tell(Event::Ingested {
            id,
            refs: refs(1, true),
            postponed: vec![path(writing)],
            failed: None,
        });
        assert_eq!(has!(rig, Merge), merges, "{writing}");
    }
}

#[test]
fn what_stays_in_the_way_of_a_merge_is_said_and_not_tried_at_full_speed() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let mut merges = 0;
    for _ in 0..600 {
        rig.after(100);
        if has!(rig, Merge) {
            let id = take!(rig, Merge);
            merges += 1;
            rig.tell(Event::Merged {
                id,
                refs: refs(1, true),
                merged: Merged::Blocked(vec![path("ignored")]),
            });
        }
        rig.quiet_but(&[], |effect| matches!(effect, Effect::Merge { .. }));
    }
    assert!((5..12).contains(&merges), "{merges} merges in a minute");
    assert!(rig.assistant.trouble().is_some_and(|why| why.contains("ignored")));
    rig.after(60_000);
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
    });
    assert_eq!(rig.assistant.trouble(), None);
}

#[test]
fn deletions_are_committed_only_after_a_look_at_everything() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    rig.look(found(0, 1, 100));
    assert_eq!(rig.open, [], "the rest of the burst is waited for");
    rig.after(50);
    assert!(matches!(
        rig.open[..],
        [Effect::Look {
            scope: Scope::Everything,
            ..
        }]
    ));
    rig.look(found(0, 1, 100));
    assert!(matches!(rig.open[..], [Effect::Ingest { removals: true, .. }]));
}

#[test]
fn many_deletions_are_asked_about_and_the_rest_is_committed() {
    let mut rig = Rig::settled(&[]);
    rig.look_at_everything(found(1, 60, 100));
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    assert_eq!(rig.open.remove(0), Effect::Ask(question));
    assert!(matches!(rig.open[..], [Effect::Ingest { removals: false, .. }]));
    rig.quiet(&[]);

    rig.look_at_everything(found(0, 60, 100));
    assert_eq!(rig.open, [], "it is not asked twice");
    rig.tell(Event::Answered { question, yes: true });
    rig.after(2000);
    rig.look(found(0, 60, 100));
    assert!(matches!(rig.open[..], [Effect::Ingest { removals: true, .. }]));
}

#[test]
fn a_yes_is_for_what_was_asked_and_not_for_later() {
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    let confirmed = || {
        let mut rig = Rig::settled(&[]);
        rig.look_at_everything(found(0, 60, 100));
        rig.open.clear();
        rig.tell(Event::Answered { question, yes: true });

        rig.after(2000);
        rig
    };
    let mut more = confirmed();
    more.look(found(0, 61, 100));
    assert_eq!(more.open, [Effect::Ask(Question::ManyRemoved { removed: 61, of: 100 })]);

    let mut back = confirmed();
    back.look(found(0, 0, 100));
    back.look_at_everything(found(0, 60, 100));
    assert_eq!(back.open, [Effect::Ask(question)]);

    let mut busy = confirmed();
    let id = take!(busy, Look);
    busy.open.clear();
    busy.tell(Event::Looked {
        id,
        looked: Looked::Failed("slow".into()),
    });
    busy.after(5000);
    busy.look(found(0, 60, 100));
    assert!(matches!(busy.open[..], [Effect::Ingest { removals: true, .. }]));
}

#[test]
fn a_no_writes_the_files_back() {
    let mut rig = Rig::settled(&[]);
    rig.look_at_everything(found(0, 60, 100));
    rig.open.clear();
    rig.tell(Event::Answered {
        question: Question::ManyRemoved { removed: 60, of: 100 },
        yes: false,
    });
    let id = take!(rig, Restore);
    rig.tell(Event::Restored { id, failed: None });
    rig.after(2000);
    rig.look(found(0, 0, 100));
    assert_eq!((rig.open.len(), rig.assistant.question()), (0, None));
}

#[test]
fn an_answer_that_comes_after_the_question_was_withdrawn_does_nothing() {
    let mut rig = Rig::settled(&[]);
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    rig.look_at_everything(found(0, 60, 100));
    rig.open.clear();
    rig.look_at_everything(found(0, 0, 100));
    assert_eq!(rig.open, [Effect::Withdraw(question)]);
    rig.open.clear();
    rig.tell(Event::Answered { question, yes: true });
    rig.look_at_everything(found(0, 60, 100));
    assert_eq!(rig.open, [Effect::Ask(question)]);
}

#[test]
fn a_vanished_root_is_looked_for_until_it_is_back() {
    let mut rig = Rig::settled(&[]);
    rig.look_at_everything(Found {
        root: Root::Vanished,
        ..found(0, 100, 100)
    });
    assert_eq!((rig.open.len(), rig.assistant.root()), (0, Root::Vanished));
    assert!(rig.assistant.trouble().is_some());
    rig.tell(Event::RefsMoved(refs(1, true)));
    rig.after(2000);
    assert!(!has!(rig, Merge), "nothing is written to another root");
    rig.look(found(0, 0, 100));
    take!(rig, Merge);
    assert_eq!(rig.assistant.trouble(), None);
}

#[test]
fn looks_and_merges_are_not_kept_waiting_by_observing() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::RefsMoved(refs(2, true)));
    rig.tell(Event::FilesChanged(vec![path("a")]));
    let mut order = String::new();
    for number in 3..12 {
        // Somebody logs something all the time, and saves something all the time.
        rig.tell(Event::RefsMoved(refs(number, true)));
        rig.tell(Event::FilesChanged(vec![path("a")]));
        rig.now = rig.now + Duration::from_secs(1);
        match rig.open.remove(0) {
            Effect::Observe { id } => {
                order.push('o');
                rig.tell(Event::Observed {
                    id,
                    heads: heads(number),
                    classes: Ok(vec![]),
                });
            }
            Effect::Look { id, .. } => {
                order.push('l');
                rig.tell(Event::Looked {
                    id,
                    looked: Looked::Found(found(0, 0, 9)),
                });
            }
            Effect::Merge { id } => {
                order.push('m');
                rig.tell(Event::Merged {
                    id,
                    refs: refs(number, true),
                    merged: Merged::Done,
                });
            }
            _ => panic!("{order}"),
        }
    }
    assert!(order.contains("olom") || order.contains("omol"), "{order}");
}

#[test]
fn what_arrived_is_not_transferred_again_before_it_is_observed() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    let outcomes = vec![(key(1), Outcome::Stored)];
    rig.tell(Event::Transferred {
        id,
        refs: refs(3, false),
        outcomes,
    });
    let (old, observing) = (take!(rig, Offer), take!(rig, Observe));
    rig.tell(Event::Observed {
        id: observing,
        heads: heads(3),
        classes: Ok(vec![class(2, &["here"], &["b"])]),
    });
    let offered = Event::Offered {
        id: old,
        candidates: vec![candidate(1, "b", Direction::Send)],
        retry_at: None,
    };
    rig.tell(offered);
    assert!(!has!(rig, Transfer), "the answer was made from what was known before");
    rig.offer(vec![]);
    rig.tell(Event::RefsMoved(refs(4, false)));
    rig.observe(4, &[class(1, &["here"], &["b"])]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    assert!(has!(rig, Transfer), "it is gone again, and so due again");
}

#[test]
fn a_rule_that_forbids_a_way_stops_what_is_on_it() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![
        candidate(1, "b", Direction::Send),
        candidate(2, "b", Direction::Send),
    ]);
    let id = take!(rig, Transfer);
    rig.tell(Event::RemotesListed(vec![RemoteFacts {
        push: false,
        ..facts("b")
    }]));
    assert!(rig.open.contains(&Effect::Cancel { id }));
    rig.open.clear();
    let outcomes = vec![(key(1), Outcome::Cancelled), (key(2), Outcome::Cancelled)];
    rig.tell(Event::Transferred {
        id,
        refs: refs(2, false),
        outcomes,
    });
    rig.after(5000);
    assert!(
        !has!(rig, Transfer) && !has!(rig, Push) && !has!(rig, Offer),
        "{:?}",
        rig.open
    );
}

#[test]
fn candidates_of_a_forbidden_way_are_thrown_away() {
    let mut rig = Rig::send_one(&["b"]);
    let id = take!(rig, Offer);
    rig.tell(Event::RemotesListed(vec![RemoteFacts {
        content: false,
        ..facts("b")
    }]));
    let candidates = vec![candidate(1, "b", Direction::Send)];
    rig.tell(Event::Offered {
        id,
        candidates,
        retry_at: None,
    });
    assert!(!has!(rig, Transfer));
}

#[test]
fn a_pause_stops_transfers_and_starts_nothing_but_probes() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    rig.tell(Event::Paused);
    assert_eq!(rig.open, [Effect::Cancel { id }]);
    rig.open.clear();
    rig.tell(Event::Paused);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    rig.tell(Event::RefsMoved(refs(5, true)));
    rig.tell(Event::RemoteRefsMoved(name("b")));
    rig.tell(Event::PlacesChanged);
    let outcomes = vec![(key(1), Outcome::Cancelled)];
    rig.tell(Event::Transferred {
        id,
        refs: refs(5, true),
        outcomes,
    });
    rig.after(60_000);
    assert!(
        rig.open.iter().all(|effect| matches!(effect, Effect::Probe { .. })),
        "{:?}",
        rig.open
    );
    rig.open.clear();
    rig.tell(Event::Resumed);
    assert!(has!(rig, Merge) && has!(rig, Offer), "{:?}", rig.open);
}

#[test]
fn findings_from_before_a_pause_are_looked_for_again() {
    let mut rig = Rig::settled(&[]);
    rig.tell(Event::CountLost(None));
    rig.tell(Event::Paused);
    rig.look(found(0, 3, 100));
    assert_eq!(rig.open, []);
    rig.tell(Event::Resumed);
    rig.after(2000);
    assert!(has!(rig, Look) && !has!(rig, Ingest));
}

#[test]
fn refs_that_move_during_a_fetch_are_fetched_after_it() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::RemoteRefsMoved(name("b")));
    let id = take!(rig, Fetch);
    rig.tell(Event::RemoteRefsMoved(name("b")));
    assert!(!has!(rig, Fetch), "one at a time");
    rig.tell(Event::Fetched {
        id,
        refs: refs(1, false),
        there: Ok(heads(1)),
    });
    take!(rig, Fetch);
}

#[test]
fn a_remote_that_is_there_and_fails_is_tried_ever_more_seldom() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::RemoteRefsMoved(name("b")));
    let mut fetches = 0;
    for _ in 0..6000 {
        if has!(rig, Fetch) {
            let id = take!(rig, Fetch);
            fetches += 1;
            let there = Err(Away::Unusable("broken".into()));
            rig.tell(Event::Fetched {
                id,
                refs: refs(1, false),
                there,
            });
        }
        rig.quiet_but(&[], |effect| matches!(effect, Effect::Fetch { .. }));
        rig.after(100);
    }
    assert!((6..14).contains(&fetches), "{fetches} fetches in ten minutes");
}

#[test]
fn a_refused_push_is_tried_again_after_a_fetch_and_a_merge() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[]);
    let id = take!(rig, Push);
    rig.tell(Event::Pushed {
        id,
        pushed: Pushed::Refused,
    });
    assert_eq!(rig.open, []);
    rig.after(40);
    let id = take!(rig, Fetch);
    rig.tell(Event::Fetched {
        id,
        refs: refs(2, true),
        there: Ok(heads(9)),
    });
    assert!(!has!(rig, Push), "it would be refused again");
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(3, false),
        merged: Merged::Done,
    });
    rig.observe(3, &[]);
    take!(rig, Push);
}

#[test]
fn a_push_that_was_refused_where_nothing_may_be_fetched_waits_for_news() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::RemotesListed(vec![RemoteFacts {
        pull: false,
        ..facts("b")
    }]));
    rig.quiet(&[]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[]);
    let id = take!(rig, Push);
    rig.tell(Event::Pushed {
        id,
        pushed: Pushed::Refused,
    });
    rig.after(600_000);
    assert_eq!((rig.open.len(), rig.assistant.next_wake()), (0, None));
    assert!(rig.assistant.remotes().all(|remote| remote.lacks_heads), "and says so");
    rig.tell(Event::RemoteRefsMoved(name("b")));
    take!(rig, Push);
}

#[test]
fn a_drive_that_comes_back_is_fetched_from() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::PlacesChanged);
    let (probe, fetch) = (take!(rig, Probe), take!(rig, Fetch));
    rig.tell(Event::Fetched {
        id: fetch,
        refs: refs(1, false),
        there: Err(Away::Absent),
    });
    rig.tell(Event::Probed {
        id: probe,
        reach: Reach::Away(Away::Absent),
    });
    rig.tell(Event::PlacesChanged);
    let id = take!(rig, Probe);
    assert!(!has!(rig, Fetch), "it is not known to be there");
    rig.tell(Event::Probed {
        id,
        reach: Reach::Here(uuid("b")),
    });
    take!(rig, Fetch);
}

#[test]
fn a_remote_that_is_away_is_looked_for_seldom() {
    let mut rig = Rig::settled(&["b"]);
    rig.tell(Event::PlacesChanged);
    let mut probes = 0;
    for _ in 0..3600 {
        if has!(rig, Probe) {
            let id = take!(rig, Probe);
            rig.open.clear();
            probes += 1;
            rig.tell(Event::Probed {
                id,
                reach: Reach::Away(Away::Absent),
            });
        }
        rig.after(1000);
    }
    assert!((8..25).contains(&probes), "{probes} probes in an hour");
}

#[test]
fn a_remote_that_hangs_leaves_room_for_the_others() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut rig = Rig::send_one(&names);
    let small = names.iter().map(|name| candidate(1, name, Direction::Send));
    let large = names.iter().map(|name| Candidate {
        size: 9 << 20,
        ..candidate(2, name, Direction::Send)
    });
    rig.offer(small.chain(large).collect());
    let with = |name: &str| {
        let of = |effect: &&Effect| matches!(effect, Effect::Transfer { remote, .. } if remote.as_str() == name);
        rig.open.iter().filter(of).count()
    };
    assert!(names.iter().all(|name| (1..=2).contains(&with(name))), "{:?}", rig.open);
}

#[test]
fn the_same_history_gives_the_same_effects() {
    let play = || {
        let mut rig = Rig::send_one(&["b", "c"]);
        rig.offer(vec![
            candidate(1, "b", Direction::Send),
            candidate(1, "c", Direction::Send),
        ]);
        rig.after(3000);
        format!("{:?} {:?}", rig.open, rig.assistant)
    };
    assert_eq!(play(), play());
}
