//! Work in this repository: scans, commits, merges, questions, pauses.

use super::*;
use crate::facts::Failure;

#[test]
fn outdated_heads_are_corrected_by_observing() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(3, false)));
    rig.observe(3, &[]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(3, &[]);
    assert_eq!(rig.open, []);
    assert_eq!(rig.assistant.refs().heads, heads(3));
}

#[test]
fn outdated_heads_do_not_hide_newer_ones() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    rig.tell(Event::RefsMoved(refs(2, false)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
        held: None,
    });
    rig.observe(2, &[]);
    assert_eq!(rig.assistant.refs().heads, heads(2));
}

#[test]
fn a_merge_that_failed_is_tried_again() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Failed("full".into()),
        held: None,
    });
    assert_eq!((rig.open.len(), rig.assistant.trouble()), (0, Some("full")));
    rig.after(2000);
    take!(rig, Merge);
}

#[test]
fn a_blocked_merge_resumes_after_the_commit() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, true),
        merged: Merged::Blocked(vec![path("a")]),
        held: None,
    });
    rig.look(found(1, 0, 10));
    let id = take!(rig, Ingest);
    rig.tell(ingested(id, refs(2, true), false));
    take!(rig, Merge);
}

#[test]
fn a_merge_that_was_blocked_is_partial_the_next_time() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = rig.merge(false);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, true),
        merged: Merged::Blocked(vec![path("a")]),
        held: None,
    });
    rig.look(found(2, 0, 10));
    let id = take!(rig, Ingest);
    // It is still being written, so all other files follow without it.
    rig.tell(Event::Ingested {
        id,
        refs: refs(1, true),
        postponed: vec![path("a")],
        has_rest: false,
        failed: None,
    });
    let id = rig.merge(true);
    rig.tell(Event::Merged {
        id,
        refs: refs(2, false),
        merged: Merged::Waiting(vec![path("a")]),
        held: None,
    });
    rig.observe(2, &[]);
    // It no longer holds up later commits.
    rig.tell(Event::RefsMoved(refs(2, true)));
    let id = rig.merge(true);
    rig.tell(Event::Merged {
        id,
        refs: refs(3, false),
        merged: Merged::Done,
        held: None,
    });
    rig.tell(Event::RefsMoved(refs(3, true)));
    rig.observe(3, &[]);
    rig.merge(false);
}

#[test]
fn waiting_paths_are_retried_but_not_at_full_speed() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let mut merges = 0;
    for _ in 0..600 {
        rig.after(100);
        if has!(rig, Merge) {
            let id = take!(rig, Merge);
            merges += 1;
            rig.tell(Event::Merged {
                id,
                refs: refs(1, false),
                merged: Merged::Waiting(vec![path("d/open")]),
                held: None,
            });
        }
        rig.quiet_but(&[], |effect| matches!(effect, Effect::Merge { .. }));
    }
    assert!((5..12).contains(&merges), "{merges} merges in a minute");
    assert!(
        !rig.assistant.is_working(),
        "it waits for the user, not for this program"
    );
    // The file was closed.
    rig.tell(Event::FilesChanged(vec![path("d")]));
    rig.look(found(0, 0, 10));
    rig.after(2000);
    let id = rig.merge(true);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
        held: None,
    });
    rig.after(120_000);
    assert!(!has!(rig, Merge), "nothing waits any more");
}

#[test]
fn deletions_are_committed_only_after_a_second_scan() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    rig.look(found(0, 1, 100));
    assert_eq!(rig.open, [], "the rest of the burst is waited for");
    rig.tell(Event::FilesChanged(vec![path("b")]));
    rig.after(50);
    let both = Scope::Paths(vec![path("a"), path("b")]);
    assert!(looks_at(&rig, &both), "{:?}", rig.open);
    rig.look(found(1, 1, 100));
    assert!(matches!(rig.open[..], [Effect::Ingest { removals: true, .. }]));
    rig.quiet(&[]);
    // The next deletion is as new as the first.
    rig.after(1000);
    rig.tell(Event::FilesChanged(vec![path("c")]));
    rig.look(found(0, 1, 100));
    assert_eq!(rig.open, []);
}

#[test]
fn many_deletions_are_counted_everywhere_before_the_user_is_asked() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    rig.look(found(0, 60, 100));
    rig.after(50);
    assert!(looks_at(&rig, &Scope::Paths(vec![path("a")])));
    rig.look(found(0, 60, 100));
    rig.after(50);
    assert!(looks_at(&rig, &Scope::Everything), "{:?}", rig.open);
    rig.look(found(0, 70, 100));
    let question = Question::ManyRemoved { removed: 70, of: 100 };
    assert_eq!(rig.open, [Effect::Ask(question)]);
}

#[test]
fn the_user_is_asked_about_many_deletions_and_the_rest_is_committed() {
    let mut rig = Rig::at_rest(&[]);
    rig.look_at_everything(found(1, 60, 100));
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    assert_eq!(rig.open.remove(0), Effect::Ask(question.clone()));
    assert!(matches!(rig.open[..], [Effect::Ingest { removals: false, .. }]));
    rig.quiet(&[]);

    rig.look_at_everything(found(0, 60, 100));
    assert_eq!(rig.open, [], "it is not asked twice");
    rig.tell(Event::Answered {
        question: question.clone(),
        yes: true,
    });
    rig.after(2000);
    rig.look(found(0, 60, 100));
    assert!(matches!(rig.open[..], [Effect::Ingest { removals: true, .. }]));
    rig.quiet(&[]);

    rig.look_at_everything(found(0, 60, 100));
    assert_eq!(rig.open, [Effect::Ask(question)], "one yes is for one time");
}

#[test]
fn a_yes_applies_only_to_the_deletions_asked_about() {
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    let confirmed = || {
        let mut rig = Rig::at_rest(&[]);
        rig.look_at_everything(found(0, 60, 100));
        rig.open.clear();
        rig.tell(Event::Answered {
            question: question.clone(),
            yes: true,
        });

        rig.after(2000);
        rig
    };
    let mut more = confirmed();
    more.look(found(0, 61, 100));
    assert_eq!(more.open, [Effect::Ask(Question::ManyRemoved { removed: 61, of: 100 })]);

    let mut back = confirmed();
    back.look(found(0, 0, 100));
    back.look_at_everything(found(0, 60, 100));
    assert_eq!(back.open, [Effect::Ask(question.clone())]);

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
    let mut rig = Rig::at_rest(&[]);
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
    assert_eq!((rig.open.len(), rig.assistant.questions().len()), (0, 0));
}

#[test]
fn an_answer_to_a_withdrawn_question_does_nothing() {
    let mut rig = Rig::at_rest(&[]);
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    rig.look_at_everything(found(0, 60, 100));
    rig.open.clear();
    rig.look_at_everything(found(0, 0, 100));
    assert_eq!(rig.open, [Effect::Withdraw(question.clone())]);
    rig.open.clear();
    rig.tell(Event::Answered {
        question: question.clone(),
        yes: true,
    });
    rig.look_at_everything(found(0, 60, 100));
    assert_eq!(rig.open, [Effect::Ask(question)]);
}

#[test]
fn the_question_is_withdrawn_when_the_files_are_back() {
    let mut rig = Rig::at_rest(&[]);
    rig.look_at_everything(found(0, 60, 100));
    rig.open.clear();
    rig.after(2000);
    rig.tell(Event::FilesChanged(vec![path("a")]));
    rig.look(found(0, 0, 100));
    rig.after(2000);
    rig.look(found(0, 0, 100));
    let question = Question::ManyRemoved { removed: 60, of: 100 };
    assert_eq!(rig.open, [Effect::Withdraw(question)]);
}

#[test]
fn a_vanished_root_is_checked_until_it_is_back() {
    let mut rig = Rig::at_rest(&[]);
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
fn other_work_that_finds_the_root_gone_starts_a_scan() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, true),
        merged: Merged::Failed(Failure::Gone("there is no such folder".into())),
        held: None,
    });
    rig.after(2000);
    rig.look_at_everything(Found {
        root: Root::Vanished,
        ..found(0, 100, 100)
    });
    assert_eq!(rig.assistant.root(), Root::Vanished);
}

#[test]
fn scanning_observing_and_merging_take_turns() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(2, true)));
    rig.tell(Event::FilesChanged(vec![path("a")]));
    let mut order = String::new();
    for number in 3..12 {
        // Other programs write logs and save files all the time.
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
            Effect::Merge { id, .. } => {
                order.push('m');
                rig.tell(Event::Merged {
                    id,
                    refs: refs(number, true),
                    merged: Merged::Done,
                    held: None,
                });
            }
            _ => panic!("{order}"),
        }
    }
    let in_turn = |four: &[u8]| b"olm".iter().all(|kind| four.contains(kind));
    assert!(order.as_bytes().windows(4).all(in_turn), "{order}");
}

#[test]
fn a_pause_stops_an_ingest_and_the_rest_is_scanned_after_it() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::FilesChanged(vec![path("film")]));
    rig.look(found(1, 0, 10));
    let id = take!(rig, Ingest);
    rig.tell(Event::Paused);
    assert_eq!(rig.open, [Effect::Cancel { id, held_until: None }]);
    rig.open.clear();
    rig.tell(Event::Paused);
    let refs = *rig.assistant.refs();
    rig.tell(Event::Ingested {
        id,
        refs,
        postponed: vec![path("film")],
        has_rest: false,
        failed: None,
    });
    rig.after(60_000);
    assert_eq!(rig.open, []);
    rig.tell(Event::Resumed);
    rig.after(60_000);
    assert!(matches!(&rig.open[..], [Effect::Look { .. }]), "{:?}", rig.open);
}

#[test]
fn a_pause_stops_transfers_and_starts_nothing_but_probes() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let id = take!(rig, Transfer);
    rig.tell(Event::Paused);
    assert_eq!(rig.open, [stop(id)]);
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
fn work_that_is_held_up_does_not_go_on() {
    let due = || {
        let mut rig = Rig::at_rest(&["b"]);
        assert!(!rig.assistant.goes_on());
        rig.tell(Event::CountLost(None));
        assert!(rig.assistant.goes_on() && rig.assistant.is_working());
        rig.after(2000);
        rig
    };
    let mut paused = due();
    paused.tell(Event::Paused);
    let mut vanished = due();
    vanished.look(Found {
        root: Root::Vanished,
        ..found(0, 0, 0)
    });
    let mut failed = due();
    let id = take!(failed, Look);
    let looked = Looked::Failed("it cannot be read".into());
    failed.tell(Event::Looked { id, looked });
    for rig in [&paused, &failed] {
        assert!(rig.assistant.is_working());
    }
    for rig in [&paused, &vanished, &failed] {
        assert!(!rig.assistant.goes_on());
    }
    failed.after(3_600_000);
    assert!(failed.assistant.goes_on());
}

#[test]
fn findings_from_before_a_pause_are_discarded_and_scanned_again() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::CountLost(None));
    rig.tell(Event::Paused);
    rig.look(found(0, 3, 100));
    assert_eq!(rig.open, []);
    rig.tell(Event::Resumed);
    rig.after(2000);
    assert!(has!(rig, Look) && !has!(rig, Ingest));
}

#[test]
fn a_held_lock_is_retried_soon_and_reported_only_if_it_stays() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    let mut tries = 0;
    while rig.assistant.trouble().is_none() {
        let id = take!(rig, Merge);
        rig.tell(Event::Merged {
            id,
            refs: refs(1, true),
            merged: Merged::Failed(Failure::Busy("locked".into())),
            held: None,
        });
        tries += 1;
        assert!(rig.assistant.waits_for_lock());
        rig.after(1000);
    }
    assert!((5..30).contains(&tries), "{tries}");
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(1, false),
        merged: Merged::Done,
        held: None,
    });
    assert!(rig.assistant.trouble().is_none() && !rig.assistant.waits_for_lock());
}

fn deletions(commit: u8) -> Deletions {
    Deletions {
        commit: Oid([commit; 20]),
        removed: 60,
        of: 100,
        who: None,
        place: None,
        at: None,
    }
}

/// Ends the merge in progress with this result.
fn merge(rig: &mut Rig, merged: Merged, held: Option<Deletions>) {
    let id = take!(rig, Merge);
    let refs = refs(1, false);
    rig.tell(Event::Merged { id, refs, merged, held });
}

#[test]
fn the_user_is_asked_about_incoming_deletions_and_all_else_goes_on() {
    let mut rig = Rig::at_rest(&["a"]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    merge(&mut rig, Merged::Done, Some(deletions(7)));
    let question = Question::ManyDeleted(deletions(7));
    assert_eq!(rig.open, [Effect::Ask(question.clone())]);
    assert!(!rig.assistant.is_working(), "it waits for the user");
    rig.open.clear();

    rig.look_at_everything(found(1, 0, 100));
    assert!(
        matches!(rig.open[..], [Effect::Ingest { .. }]),
        "what is done here goes on"
    );
    rig.quiet(&[]);

    let mut kept = rig.assistant.clone();
    let said = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Merge { said, .. } => *said,
            _ => None,
        })
    };
    let commit = Oid([7; 20]);
    let no = Event::Answered {
        question: question.clone(),
        yes: false,
    };
    assert_eq!(said(&kept.handle(rig.now, no)), Some(Said { commit, yes: false }));
    rig.tell(Event::Answered { question, yes: true });
    assert_eq!(said(&rig.open), Some(Said { commit, yes: true }));
    merge(&mut rig, Merged::Done, None);
    assert_eq!(rig.assistant.questions(), []);

    rig.quiet(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    assert_eq!(said(&rig.open), None, "one yes is for one time");
    merge(&mut rig, Merged::Done, Some(deletions(8)));
    assert_eq!(rig.open, [Effect::Ask(Question::ManyDeleted(deletions(8)))]);
}

#[test]
fn an_answer_applies_to_its_commit_until_it_is_carried_out() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::RefsMoved(refs(1, true)));
    merge(&mut rig, Merged::Done, Some(deletions(7)));
    rig.tell(Event::RefsMoved(refs(1, true)));
    merge(&mut rig, Merged::Done, Some(deletions(8)));
    let (old, new) = (Question::ManyDeleted(deletions(7)), Question::ManyDeleted(deletions(8)));
    let asked = [
        Effect::Ask(old.clone()),
        Effect::Withdraw(old.clone()),
        Effect::Ask(new.clone()),
    ];
    assert_eq!(rig.open, asked);
    rig.open.clear();
    rig.tell(Event::Answered {
        question: old,
        yes: true,
    });
    assert!(!has!(rig, Merge), "that question is not open any more");

    // A merge that began before the answer finds the same deletions again.
    rig.tell(Event::RefsMoved(refs(1, true)));
    rig.tell(Event::Answered {
        question: new,
        yes: true,
    });
    merge(&mut rig, Merged::Done, Some(deletions(8)));
    assert!(!rig.open.iter().any(|effect| matches!(effect, Effect::Ask(_))));
    merge(&mut rig, Merged::Failed("full".into()), None);
    rig.after(60_000);
    let commit = Oid([8; 20]);
    let said = Some(Said { commit, yes: true });
    assert!(
        rig.open
            .iter()
            .any(|effect| matches!(effect, Effect::Merge { said: again, .. } if *again == said))
    );
}
