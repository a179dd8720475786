//! Work with remotes: fetches, pushes, transfers, and waiting for remotes that are away.

use super::*;

#[test]
fn a_saved_file_is_sent_to_the_remote_at_once() {
    let mut rig = Rig::at_rest(&["b"]);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    let scope = Scope::Paths(vec![path("a")]);
    assert!(
        matches!(&rig.open[..], [Effect::Look { scope: at, .. }] if *at == scope),
        "{:?}",
        rig.open
    );
    rig.look(found(1, 0, 100));
    let id = take!(rig, Ingest);
    // The log of the content is committed before the file.
    let mut refs_meanwhile = refs(1, false);
    refs_meanwhile.heads.annex = heads(2).annex;
    rig.tell(Event::RefsMoved(refs_meanwhile));
    assert!(!has!(rig, Push), "half of it is not worth a push");
    rig.tell(ingested(id, refs(2, false), false));
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
fn commits_fetched_during_a_merge_are_merged_after_it() {
    let mut rig = Rig::at_rest(&["b"]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::RefsMoved(refs(1, true)));
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
        held: None,
    });
    take!(rig, Merge);
}

#[test]
fn a_key_that_arrived_is_not_transferred_again_before_it_is_observed() {
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
fn a_setting_that_forbids_a_direction_stops_its_transfers() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![
        candidate(1, "b", Direction::Send),
        candidate(2, "b", Direction::Send),
    ]);
    let id = take!(rig, Transfer);
    rig.tell(Event::RemotesListed(vec![unable("b", |it| {
        (it.push, it.send) = (false, false);
    })]));
    assert!(rig.open.contains(&stop(id)));
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
fn nothing_is_sent_while_a_remote_is_unverified() {
    let mut rig = Rig::send_one(&["b"]);
    let listed = |verified| Event::RemotesListed(vec![unable("b", |it| it.verified = verified)]);
    rig.tell(listed(false));
    rig.quiet(&[class(1, &["here"], &["b"])]);
    rig.after(60_000);
    rig.quiet(&[]);
    assert_eq!(rig.assistant.lots(), []);
    assert!(rig.assistant.remotes().all(|remote| remote.lacks_heads));
    rig.tell(listed(true));
    assert!(has!(rig, Push));
}

#[test]
fn a_remote_without_git_gets_content_and_never_lacks_commits() {
    let mut rig = Rig::at_rest(&["b"]);
    let special = unable("b", |it| (it.fetch, it.push) = (false, false));
    rig.tell(Event::RemotesListed(vec![special]));
    rig.quiet(&[]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[class(1, &["here"], &["b", "here"])]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    assert!(has!(rig, Transfer));
    rig.tell(Event::RemoteRefsMoved(name("b")));
    rig.tell(Event::SyncAsked);
    rig.after(60_000);
    assert!(!has!(rig, Push) && !has!(rig, Fetch), "{:?}", rig.open);
    let complete = |remote: crate::RemoteView<'_>| !remote.lacks_heads && !remote.unfetched;
    assert!(rig.assistant.remotes().all(complete));
}

#[test]
fn candidates_of_a_forbidden_direction_are_dropped() {
    let mut rig = Rig::send_one(&["b"]);
    let id = take!(rig, Offer);
    rig.tell(Event::RemotesListed(vec![unable("b", |it| {
        (it.get, it.send) = (false, false);
    })]));
    let candidates = vec![candidate(1, "b", Direction::Send)];
    rig.tell(Event::Offered {
        id,
        candidates,
        retry_at: None,
    });
    assert!(!has!(rig, Transfer));
}

#[test]
fn refs_that_move_during_a_fetch_are_fetched_after_it() {
    let mut rig = Rig::at_rest(&["b"]);
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
fn a_connected_remote_that_fails_is_tried_less_and_less_often() {
    let mut rig = Rig::at_rest(&["b"]);
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
    let mut rig = Rig::at_rest(&["b"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[]);
    let id = take!(rig, Push);
    rig.tell(Event::Pushed {
        id,
        refs: *rig.assistant.refs(),
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
        held: None,
    });
    rig.observe(3, &[]);
    take!(rig, Push);
}

#[test]
fn a_failed_push_is_reported_until_one_succeeds() {
    let mut rig = Rig::at_rest(&["b"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[]);
    let told = |rig: &Rig| {
        rig.assistant
            .remotes()
            .find_map(|remote| remote.trouble.map(str::to_owned))
    };
    let id = take!(rig, Push);
    let pushed = Pushed::Failed("somebody left a lock".into());
    rig.tell(Event::Pushed {
        id,
        refs: *rig.assistant.refs(),
        pushed,
    });
    assert_eq!(told(&rig).as_deref(), Some("somebody left a lock"));
    rig.after(120_000);
    let id = take!(rig, Push);
    let pushed = Pushed::Done(heads(2));
    rig.tell(Event::Pushed {
        id,
        refs: *rig.assistant.refs(),
        pushed,
    });
    assert_eq!(told(&rig), None);
}

/// A file in the way there must not hold back later changes.
#[test]
fn new_commits_are_pushed_at_once_after_a_failed_push() {
    let mut rig = Rig::at_rest(&["b"]);
    let fail = |rig: &mut Rig| {
        for _ in 0..12 {
            let id = take!(rig, Push);
            let pushed = Pushed::Failed("a file there is in the way".into());
            rig.tell(Event::Pushed {
                id,
                refs: *rig.assistant.refs(),
                pushed,
            });
            rig.after(600_000);
        }
        let id = take!(rig, Push);
        let pushed = Pushed::Failed("a file there is in the way".into());
        rig.tell(Event::Pushed {
            id,
            refs: *rig.assistant.refs(),
            pushed,
        });
    };
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[]);
    fail(&mut rig);
    rig.tell(Event::RefsMoved(refs(3, false)));
    rig.observe(3, &[]);
    fail(&mut rig);
    rig.tell(Event::RemoteRefsMoved(name("b")));
    take!(rig, Fetch);
}

#[test]
fn a_push_refused_by_a_push_only_remote_waits_for_its_refs_to_change() {
    let mut rig = Rig::at_rest(&["b"]);
    rig.tell(Event::RemotesListed(vec![unable("b", |it| {
        (it.fetch, it.get) = (false, false);
    })]));
    rig.quiet(&[]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[]);
    let id = take!(rig, Push);
    rig.tell(Event::Pushed {
        id,
        refs: *rig.assistant.refs(),
        pushed: Pushed::Refused,
    });
    rig.after(600_000);
    assert_eq!((rig.open.len(), rig.assistant.next_wake()), (0, None));
    assert!(rig.assistant.remotes().all(|remote| remote.lacks_heads), "and says so");
    rig.tell(Event::RemoteRefsMoved(name("b")));
    take!(rig, Push);
}

#[test]
fn a_drive_that_comes_back_is_fetched() {
    let mut rig = Rig::at_rest(&["b"]);
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
        round_trip: None,
    });
    rig.tell(Event::PlacesChanged);
    let id = take!(rig, Probe);
    assert!(!has!(rig, Fetch), "it is not known to be there");
    rig.tell(Event::Probed {
        id,
        reach: Reach::Here(Some(uuid("b"))),
        round_trip: None,
    });
    take!(rig, Fetch);
}

#[test]
fn when_something_is_mounted_only_remotes_of_this_computer_are_looked_at_again() {
    let mut rig = Rig::at_rest(&[]);
    let far = RemoteFacts {
        medium: Medium::Network,
        ..facts("far")
    };
    rig.tell(Event::RemotesListed(vec![facts("drive"), far]));
    rig.quiet(&[]);
    let concerned = |rig: &Rig| -> Vec<_> { rig.open.iter().filter_map(Effect::remote).cloned().collect() };
    rig.tell(Event::MountsChanged);
    assert_eq!(concerned(&rig), [name("drive"), name("drive")], "probed and fetched");
    rig.quiet(&[]);
    rig.tell(Event::PlacesChanged);
    assert_eq!(concerned(&rig).len(), 4);
}

#[test]
fn when_the_network_changes_each_remote_is_probed_at_once_and_those_away_soon_again() {
    let mut rig = Rig::at_rest(&["b", "c"]);
    rig.tell(Event::NetworkChanged);
    let ids = [take!(rig, Probe), take!(rig, Probe)];
    assert!(!has!(rig, Fetch), "nothing is known to be new");
    for (id, name) in ids.into_iter().zip(["b", "c"]) {
        let reach = match name {
            "b" => Reach::Away(Away::Absent),
            _ => Reach::Here(Some(uuid("c"))),
        };
        rig.tell(Event::Probed {
            id,
            reach,
            round_trip: None,
        });
    }
    assert!(!has!(rig, Probe), "once");
    let soon = rig.now + Duration::from_secs(3);
    assert!(rig.assistant.next_wake().is_some_and(|at| at < soon));
    rig.after(3000);
    let id = take!(rig, Probe);
    // Changed again while it is probed.
    rig.tell(Event::NetworkChanged);
    rig.open.clear();
    rig.tell(Event::Probed {
        id,
        reach: Reach::Away(Away::Absent),
        round_trip: None,
    });
    take!(rig, Probe);
}

#[test]
fn a_connection_that_breaks_now_and_then_is_made_again_at_once() {
    let mut rig = Rig::at_rest(&["b"]);
    rig.tell(Event::RemoteRefsMoved(name("b")));
    // How long it lasts each time, and within which time it is then probed again.
    for (lasts, soon) in [(10_000, 2), (10_000, 2), (10_000, 2), (100, 4), (100, 8), (10_000, 2)] {
        rig.after(lasts);
        let id = take!(rig, Fetch);
        rig.tell(Event::Fetched {
            id,
            refs: refs(1, false),
            there: Err(Away::Absent),
        });
        let latest = rig.now + Duration::from_secs(soon);
        assert!(rig.assistant.next_wake().is_some_and(|at| at < latest), "{lasts}");
        rig.after(soon * 1000);
        let id = take!(rig, Probe);
        rig.tell(Event::Probed {
            id,
            reach: Reach::Here(Some(uuid("b"))),
            round_trip: None,
        });
    }
}

#[test]
fn a_remote_that_is_away_is_probed_rarely() {
    let mut rig = Rig::at_rest(&["b"]);
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
                round_trip: None,
            });
        }
        rig.after(1000);
    }
    assert!((8..25).contains(&probes), "{probes} probes in an hour");
}

#[test]
fn a_remote_that_hangs_leaves_slots_for_the_others() {
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

#[test]
fn new_rules_stop_transfers_and_bar_what_they_forbid() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    rig.tell(Event::RulesChanged);
    assert!(rig.open.contains(&stop(id)), "{:?}", rig.open);
    rig.tell(Event::Transferred {
        id,
        refs: refs(2, false),
        outcomes: vec![(key(1), Outcome::Cancelled)],
    });
    assert!(!has!(rig, Offer), "the observations know the old rules");
    let barred = Class {
        barred: BTreeSet::from([(name("b"), Direction::Send)]),
        ..class(2, &["here"], &["here", "b"])
    };
    rig.observe(2, &[barred]);
    assert!(!has!(rig, Offer) && !has!(rig, Transfer));
    assert!(rig.assistant.lots().is_empty());
}

#[test]
fn a_cancelled_transfer_is_held_back_even_if_an_older_offer_has_it() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    rig.tell(Event::CancelAsked { id });
    let held = Effect::Cancel {
        id,
        held_until: Some(rig.now + pacing::CANCELLED_FOR),
    };
    assert_eq!(rig.open, [held]);
    rig.open.clear();
    // An offer requested during the transfer does not know that the key is held back.
    rig.tell(Event::FirstAsked);
    assert!(has!(rig, Offer), "{:?}", rig.open);
    let outcomes = vec![(key(1), Outcome::Cancelled)];
    let refs = refs(2, false);
    rig.tell(Event::Transferred { id, refs, outcomes });
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    assert!(!has!(rig, Transfer), "{:?}", rig.open);
    assert!(has!(rig, Offer), "{:?}", rig.open);
    rig.offer(vec![]);
    assert!(!rig.assistant.lots().is_empty(), "it is still to be sent");
    rig.open.clear();
    rig.tell(Event::CancelAsked { id });
    assert_eq!(rig.open, [], "it has ended");
}

#[test]
fn prioritizing_a_file_renews_the_candidates() {
    let mut rig = Rig::send_one(&["b"]);
    let large = |number| Candidate {
        size: 9 << 20,
        ..candidate(number, "b", Direction::Send)
    };
    rig.offer((1..=5).map(large).collect());
    let running = take!(rig, Transfer);
    assert!(!has!(rig, Transfer), "{:?}", rig.open);
    rig.tell(Event::FirstAsked);
    let refs = refs(2, false);
    let outcomes = vec![(key(1), Outcome::Stored)];
    rig.tell(Event::Transferred {
        id: running,
        refs,
        outcomes,
    });
    assert!(
        !has!(rig, Transfer),
        "nothing starts that was found before: {:?}",
        rig.open
    );
    let first = Candidate {
        is_first: true,
        ..large(4)
    };
    // This answer was requested before the transfer ended, and still has the key that arrived.
    rig.offer(vec![large(1), large(2), first]);
    let keys = rig.open.iter().find_map(|effect| match effect {
        Effect::Transfer { keys, .. } => Some(keys.clone()),
        _ => None,
    });
    assert_eq!(keys, Some(vec![key(4)]));
}

/// A place that was full may have space now.
#[test]
fn offers_are_renewed_when_places_may_have_changed() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(Vec::new());
    assert!(!has!(rig, Offer), "{:?}", rig.open);
    rig.tell(Event::PlacesChanged);
    assert!(has!(rig, Offer), "{:?}", rig.open);
}
