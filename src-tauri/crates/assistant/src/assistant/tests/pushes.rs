//! Pushes that wait for the content of their files.

use super::*;

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
    assert!(has!(rig, Push));
}

#[test]
fn a_push_does_not_wait_long_for_content() {
    let mut rig = Rig::send_one(&["b"]);
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    assert!(!has!(rig, Push));
    rig.after(3000);
    assert!(has!(rig, Push));
}

/// It may answer only when what to send to the others is known already.
#[test]
fn a_push_to_a_remote_that_was_just_connected_waits_for_its_content() {
    let mut rig = Rig::at_rest(&["a"]);
    let is_of_b = |effect: &Effect| effect.remote().is_some_and(|remote| remote.as_str() == "b");
    rig.tell(Event::RemotesListed(vec![facts("a"), facts("b")]));
    rig.quiet_but(
        &[],
        |effect| matches!(effect, Effect::Probe { remote, .. } if remote.as_str() == "b"),
    );
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[class(1, &["here"], &["here", "a", "b"])]);
    rig.offer(vec![candidate(1, "a", Direction::Send)]);
    let id = take!(rig, Probe);
    rig.tell(Event::Probed {
        id,
        reach: Reach::Here(Some(uuid("b"))),
        round_trip: None,
    });
    let id = take!(rig, Fetch);
    rig.tell(Event::Fetched {
        id,
        refs: refs(2, false),
        there: Ok(heads(1)),
    });
    assert!(
        !rig.open.iter().any(is_of_b),
        "nobody was asked what it lacks: {:?}",
        rig.open
    );
    rig.offer(vec![candidate(1, "b", Direction::Send)]);
    let of_b: Vec<&Effect> = rig.open.iter().filter(|effect| is_of_b(effect)).collect();
    assert!(matches!(of_b[..], [Effect::Transfer { .. }]), "{of_b:?}");
}
