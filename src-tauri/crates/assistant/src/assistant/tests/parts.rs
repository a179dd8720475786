//! Findings that are too many for one ingest.

use super::*;

/// Tells that the first of two parts was ingested.
fn first_part(rig: &mut Rig) -> Id {
    rig.look_at_everything(found(20, 1, 100));
    let [
        Effect::Ingest {
            id,
            look,
            removals: true,
        },
    ] = rig.open[..]
    else {
        panic!("{:?}", rig.open);
    };
    rig.open.clear();
    rig.tell(ingested(id, refs(2, false), true));
    look
}

#[test]
fn what_is_committed_is_observed_before_the_rest_is_ingested() {
    let mut rig = Rig::at_rest(&[]);
    let look = first_part(&mut rig);
    assert!(rig.assistant.is_working() && rig.assistant.goes_on());
    let id = take!(rig, Observe);
    assert_eq!(rig.open, []);
    // A new scan would forget what the rest is.
    rig.tell(Event::FilesChanged(vec![path("a")]));
    rig.tell(Event::Observed {
        id,
        heads: refs(2, false).heads,
        classes: Ok(Vec::new()),
    });
    let [
        Effect::Ingest {
            id,
            look: rest,
            removals: true,
        },
    ] = rig.open[..]
    else {
        panic!("{:?}", rig.open);
    };
    assert_eq!(rest, look);
    rig.open.clear();
    rig.tell(ingested(id, refs(2, false), false));
    rig.after(1000);
    assert!(looks_at(&rig, &Scope::Paths(vec![path("a")])), "{:?}", rig.open);
}

#[test]
fn a_pause_forgets_the_rest_and_everything_is_scanned_after_it() {
    let mut rig = Rig::at_rest(&[]);
    first_part(&mut rig);
    rig.quiet_but(&[], |effect| matches!(effect, Effect::Observe { .. }));
    rig.tell(Event::Paused);
    rig.quiet(&[]);
    assert_eq!(rig.open, []);
    rig.tell(Event::Resumed);
    rig.after(2000);
    assert!(looks_at(&rig, &Scope::Everything), "{:?}", rig.open);
}

fn rest_ingested(rig: &mut Rig) {
    let id = take!(rig, Ingest);
    rig.tell(ingested(id, refs(2, true), false));
}

#[test]
fn a_merge_that_is_blocked_between_parts_waits_for_a_scan_of_its_own() {
    let mut rig = Rig::at_rest(&[]);
    first_part(&mut rig);
    rig.tell(Event::RefsMoved(refs(2, true)));
    rig.observe(2, &[]);
    let id = take!(rig, Merge);
    rig.tell(Event::Merged {
        id,
        refs: refs(2, true),
        merged: Merged::Blocked(vec![path("in the way")]),
        held: None,
    });
    rest_ingested(&mut rig);
    assert!(!has!(rig, Merge));
    rig.after(1000);
    rig.look(found(0, 0, 100));
    assert!(has!(rig, Merge), "{:?}", rig.open);
}

#[test]
fn a_rest_is_forgotten_when_other_files_are_ignored() {
    for while_ingesting in [false, true] {
        let mut rig = Rig::at_rest(&[]);
        rig.look_at_everything(found(20, 1, 100));
        let id = take!(rig, Ingest);
        let ignore = Event::FilesChanged(vec![path("d/.gitignore")]);
        if while_ingesting {
            rig.tell(ignore.clone());
        }
        rig.tell(ingested(id, refs(2, false), true));
        if !while_ingesting {
            rig.tell(ignore);
        }
        rig.observe(2, &[]);
        rig.after(2000);
        assert!(looks_at(&rig, &Scope::Everything), "{:?}", rig.open);
    }
}
