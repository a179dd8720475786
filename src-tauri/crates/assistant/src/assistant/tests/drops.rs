//! Content that is not wanted here and is dropped by itself.

use super::*;
use crate::facts::Spare;

/// A class whose content is here, is not wanted, and can be dropped if one of these confirms its copy.
fn spare(id: u32, among: &[&str], confirm: usize) -> Class {
    let have: Vec<&str> = among.iter().copied().chain(["here"]).collect();
    Class {
        spare: Some(Spare {
            confirm,
            among: among.iter().map(|name| uuid(name)).collect(),
        }),
        ..class(id, &have, &[])
    }
}

fn dropped(id: Id, number: u8, gone: usize, more: bool, retry_at: Option<Timestamp>) -> Event {
    Event::Dropped {
        id,
        refs: refs(number, false),
        gone,
        more,
        retry_at,
    }
}

/// The classes of the open drop; none if there is none.
fn classes(rig: &Rig) -> Vec<u32> {
    let of_drop = rig.open.iter().find_map(|effect| match effect {
        Effect::Drop { classes, .. } => Some(classes),
        _ => None,
    });
    of_drop.into_iter().flatten().map(|class| class.0).collect()
}

#[test]
fn what_enough_connected_places_have_is_dropped_until_nothing_is_left() {
    let mut rig = Rig::at_rest(&["a", "b"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(
        2,
        &[
            spare(1, &["a"], 1),
            spare(2, &["a", "b"], 2),
            spare(3, &["a", "elsewhere"], 2),
            spare(4, &["elsewhere"], 0),
            class(5, &["a", "here"], &[]),
        ],
    );
    assert_eq!(classes(&rig), [1, 2, 4]);
    assert!(rig.assistant.is_working() && rig.assistant.goes_on());
    let id = take!(rig, Drop);
    rig.tell(dropped(id, 3, 5, true, None));
    assert!(!has!(rig, Drop), "first it is observed what is left");
    rig.observe(3, &[spare(1, &["a"], 1)]);
    let id = take!(rig, Drop);
    rig.tell(dropped(id, 3, 0, false, None));
    rig.quiet(&[]);
    assert!(
        !has!(rig, Drop) && !rig.assistant.goes_on(),
        "what was refused waits for news"
    );
    assert_eq!(rig.assistant.next_wake(), None);
}

#[test]
fn nothing_is_dropped_while_news_of_copies_may_be_on_their_way() {
    let mut rig = Rig::at_rest(&["a", "b"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.tell(Event::RemoteRefsMoved(name("b")));
    rig.observe(2, &[spare(1, &["a"], 1)]);
    assert!(
        !has!(rig, Drop) && rig.assistant.droppable().is_empty(),
        "b is not fetched"
    );
    let id = take!(rig, Fetch);
    rig.tell(Event::Fetched {
        id,
        refs: refs(2, true),
        there: Ok(heads(2)),
    });
    assert!(!has!(rig, Drop), "what was fetched is not merged");
    let id = rig.merge(false);
    rig.tell(Event::Merged {
        id,
        refs: refs(2, false),
        merged: Merged::Done,
        held: None,
    });
    assert_eq!(classes(&rig), [1]);
}

#[test]
fn content_in_use_is_tried_again_and_a_pause_ends_a_drop() {
    let mut rig = Rig::at_rest(&["a"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[spare(1, &["a"], 1)]);
    let id = take!(rig, Drop);
    let retry_at = rig.now + Duration::from_secs(1);
    rig.tell(dropped(id, 2, 0, false, Some(retry_at)));
    rig.quiet_but(&[spare(1, &["a"], 1)], |effect| matches!(effect, Effect::Drop { .. }));
    assert!(!has!(rig, Drop));
    assert_eq!(rig.assistant.next_wake(), Some(retry_at));
    rig.after(1000);
    let id = take!(rig, Drop);
    rig.tell(Event::Paused);
    assert!(rig.open.contains(&stop(id)), "{:?}", rig.open);
    rig.tell(dropped(id, 2, 0, true, None));
    assert!(!has!(rig, Drop));
    rig.tell(Event::Resumed);
    rig.quiet_but(&[spare(1, &["a"], 1)], |effect| matches!(effect, Effect::Drop { .. }));
    assert!(has!(rig, Drop));
}

/// Facts that change all the time may not bring the same refused keys up each time.
#[test]
fn what_was_refused_is_tried_less_and_less_often_while_other_things_change() {
    let mut rig = Rig::at_rest(&["a"]);
    rig.tell(Event::RefsMoved(refs(2, false)));
    let refused = spare(1, &["a"], 1);
    rig.observe(2, std::slice::from_ref(&refused));
    let mut drops = 0;
    for round in 0..200_u8 {
        if has!(rig, Drop) {
            drops += 1;
            let id = take!(rig, Drop);
            rig.tell(dropped(id, 2, 0, false, None));
        }
        let others = class(u32::from(round) + 2, &["here"], &["here"]);
        rig.tell(Event::RefsMoved(refs(round % 2 + 2, false)));
        rig.quiet_but(&[refused.clone(), others], |effect| {
            matches!(effect, Effect::Drop { .. })
        });
        rig.after(1000);
    }
    assert!((3..15).contains(&drops), "{drops} in 200 seconds");
    let more = Class { keys: 2, ..refused };
    rig.tell(Event::RefsMoved(refs(9, false)));
    rig.quiet_but(&[more], |effect| matches!(effect, Effect::Drop { .. }));
    assert!(has!(rig, Drop), "another key is tried at once");
}
