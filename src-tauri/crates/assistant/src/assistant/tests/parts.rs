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
    rig.tell(Event::Ingested {
        id,
        refs: refs(2, false),
        postponed: vec![],
        rest: Some((look, found(10, 0, 110))),
        failed: None,
    });
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
            removals: false,
        },
    ] = rig.open[..]
    else {
        panic!("{:?}", rig.open);
    };
    assert_eq!(rest, look);
    rig.open.clear();
    rig.tell(Event::Ingested {
        id,
        refs: refs(2, false),
        postponed: vec![],
        rest: None,
        failed: None,
    });
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
