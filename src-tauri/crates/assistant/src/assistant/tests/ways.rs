//! Repositories that several remotes lead to.

use super::*;

#[test]
fn a_repository_is_used_by_the_cheapest_way_to_it() {
    let mut rig = Rig::at_rest(&[]);
    let way = |remote: &str, cost: &str| RemoteFacts {
        uuid: Some(uuid("desk")),
        cost: Cost::parse(cost).unwrap(),
        ..facts(remote)
    };
    rig.tell(Event::RemotesListed(vec![way("lan", "100"), way("vpn", "200")]));
    let probed = |rig: &mut Rig, reach: [Reach; 2]| {
        for reach in reach {
            let id = take!(rig, Probe);
            rig.tell(Event::Probed {
                id,
                reach,
                round_trip: None,
            });
        }
    };
    let used = |rig: &Rig| -> Vec<RemoteName> {
        let fetches = rig.open.iter().filter(|effect| matches!(effect, Effect::Fetch { .. }));
        fetches.filter_map(Effect::remote).cloned().collect()
    };
    let here = || Reach::Here(Some(uuid("desk")));
    probed(&mut rig, [here(), here()]);
    assert_eq!(used(&rig), [name("lan")]);
    let instead: Vec<_> = rig.assistant.remotes().map(|view| view.instead.cloned()).collect();
    assert_eq!(instead, [None, Some(name("lan"))]);
    let id = take!(rig, Fetch);
    rig.tell(Event::Fetched {
        id,
        refs: refs(1, false),
        there: Ok(heads(7)),
    });
    take!(rig, Push);
    assert!(!has!(rig, Push), "by one way only");
    rig.tell(Event::RefsMoved(refs(2, false)));
    rig.observe(2, &[class(1, &["desk"], &["desk", "here"])]);
    assert_eq!(rig.assistant.lots().len(), 1);
    // At home no more.
    rig.tell(Event::NetworkChanged);
    probed(&mut rig, [Reach::Away(Away::Absent), here()]);
    assert_eq!(used(&rig), [name("vpn")]);
    let views: Vec<_> = rig.assistant.remotes().collect();
    assert_eq!(views[0].instead, Some(&name("vpn")));
    assert!(!views[0].lacks_heads && views[1].lacks_heads, "by one way only");
}

#[test]
fn of_two_ways_of_the_same_cost_the_nearer_one_is_used() {
    let mut rig = Rig::at_rest(&[]);
    let way = |remote: &str| RemoteFacts {
        uuid: Some(uuid("desk")),
        ..facts(remote)
    };
    rig.tell(Event::RemotesListed(["cable", "radio", "vpn"].map(way).into()));
    let far = |milliseconds| Some(Duration::from_millis(milliseconds));
    let mut probed = |round_trips: [Option<Duration>; 3]| {
        for round_trip in round_trips {
            let (id, reach) = (take!(rig, Probe), Reach::Here(Some(uuid("desk"))));
            rig.tell(Event::Probed { id, reach, round_trip });
        }
        let used = rig.assistant.remotes().find(|view| view.instead.is_none());
        let used = used.unwrap().name.clone();
        rig.tell(Event::NetworkChanged);
        used
    };
    assert_eq!(probed([far(40), far(3), None]), name("radio"));
    assert_eq!(
        probed([far(1), far(90), far(1)]),
        name("radio"),
        "it does not take turns"
    );
}

#[test]
fn while_no_way_is_connected_one_stands_for_all() {
    let mut rig = Rig::at_rest(&[]);
    let way = |remote: &str, abilities| RemoteFacts {
        uuid: Some(uuid("desk")),
        abilities,
        ..facts(remote)
    };
    let pull = Abilities {
        push: false,
        ..Abilities::ALL
    };
    rig.tell(Event::RemotesListed(vec![
        way("a", pull),
        way("b", Abilities::ALL),
        way("c", Abilities::ALL),
    ]));
    for _ in 0..3 {
        let (id, reach) = (take!(rig, Probe), Reach::Away(Away::Absent));
        let round_trip = None;
        rig.tell(Event::Probed { id, reach, round_trip });
    }
    let views: Vec<_> = rig.assistant.remotes().collect();
    let instead: Vec<_> = views.iter().map(|view| view.instead.cloned()).collect();
    assert_eq!(instead, [None, None, Some(name("b"))]);
    let lacks: Vec<_> = views.iter().map(|view| view.lacks_heads).collect();
    assert_eq!(lacks, [false, true, false]);
    assert!(rig.assistant.next_wake().is_some(), "all are probed again");
}

#[test]
fn two_ways_are_used_where_neither_can_do_all() {
    let mut network = crate::network::tests::network(&[("a", 100.0), ("b", 200.0)]);
    let [a, b] = ["a", "b"].map(name);
    network.remotes.get_mut(&b).unwrap().reach = Some(Reach::Here(Some(uuid("a"))));
    network.remotes.get_mut(&a).unwrap().facts.abilities.push = false;
    assert!(!network.choose());
    network.remotes.get_mut(&a).unwrap().facts.abilities.push = true;
    assert!(network.choose());
    assert_eq!(network.remotes[&b].instead, Some(a));
}
