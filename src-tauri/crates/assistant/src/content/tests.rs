use std::collections::BTreeSet;

use model::{Key, RemoteName, Uuid};

use super::{Content, Direction, next_batch};
use crate::facts::{Away, Candidate, Class, ClassId, Id, Outcome, Reach};
use crate::network::Network;
use crate::network::tests::network;

fn uuid(name: &str) -> Uuid {
    Uuid::parse(name).unwrap()
}

fn name(name: &str) -> RemoteName {
    RemoteName::parse(name).unwrap()
}

fn candidate(number: usize, size: u64, remote: &str, direction: Direction) -> Candidate {
    let key = Key::parse(format!("SHA256E-s{size}--{number}").as_bytes()).unwrap();
    Candidate {
        key,
        size,
        remote: name(remote),
        direction,
        is_first: false,
    }
}

/// The sends to and gets from the remotes, in order, as `>a` and `<a`.
fn ways(have: &[&str], want: &[&str], network: &Network) -> Vec<String> {
    let set = |names: &[&str]| -> BTreeSet<Uuid> { names.iter().map(|name| uuid(name)).collect() };
    let content = Content {
        classes: vec![Class {
            id: ClassId(1),
            have: set(have),
            want: set(want),
            barred: BTreeSet::new(),
            spare: None,
            keys: 1,
            bytes: 1,
        }],
        ..Content::default()
    };
    let way = |lot: super::Lot| match lot.direction {
        Direction::Send => format!(">{}", lot.remote),
        Direction::Get => format!("<{}", lot.remote),
    };
    content.lots(&uuid("here"), network).into_iter().map(way).collect()
}

#[test]
fn content_is_sent_to_remotes_that_want_and_lack_it_cheapest_first() {
    let three = network(&[("a", 300.0), ("b", 100.0), ("c", 200.0)]);
    for (have, want, expected) in [
        (&["here"][..], &["here", "a", "b", "c"][..], &[">b", ">c", ">a"][..]),
        (&["here", "b"], &["a", "b"], &[">a"]),
        (&["a", "b"], &["here", "c"], &["<b", "<a"]),
        (&["a", "b"], &["c"], &[]),
        (&["here", "a"], &[], &[]),
        (&[], &["here", "a"], &[]),
        (&["elsewhere"], &["here"], &[]),
    ] {
        assert_eq!(ways(have, want, &three), expected, "{have:?} {want:?}");
    }
}

#[test]
fn rules_and_absence_bar_transfers() {
    let mut one = network(&[("a", 100.0)]);
    let mut set = |get, send, verified, here| {
        let remote = one.remotes.get_mut(&name("a")).unwrap();
        let able = &mut remote.facts.abilities;
        (able.get, able.send, able.verified) = (get, send, verified);
        remote.reach = Some(if here {
            Reach::Here(Some(uuid("a")))
        } else {
            Reach::Away(Away::Absent)
        });
        (ways(&["here"], &["a"], &one).len(), ways(&["a"], &["here"], &one).len())
    };
    assert_eq!(set(true, true, true, true), (1, 1));
    assert_eq!(set(false, true, true, true), (1, 0));
    assert_eq!(set(true, false, true, true), (0, 1));
    assert_eq!(set(true, true, false, true), (0, 1));
    assert_eq!(set(true, true, true, false), (0, 0));
}

#[test]
fn nothing_is_sent_to_a_remote_that_is_this_repository() {
    let mut one = network(&[("a", 100.0)]);
    one.remotes.get_mut(&name("a")).unwrap().reach = Some(Reach::Here(Some(uuid("here"))));
    assert_eq!(ways(&["here"], &["here", "a"], &one), Vec::<String>::new());
}

#[test]
fn a_repository_of_git_only_gets_and_gives_no_content() {
    let mut one = network(&[("a", 100.0)]);
    one.remotes.get_mut(&name("a")).unwrap().reach = Some(Reach::Here(None));
    assert_eq!(ways(&["here"], &["here", "a"], &one), Vec::<String>::new());
    assert_eq!(ways(&["a"], &["here", "a"], &one), Vec::<String>::new());
}

fn waiting(window: impl IntoIterator<Item = Candidate>) -> Content {
    Content {
        window: window.into_iter().collect(),
        ..Content::default()
    }
}

/// The batches that can start at once, as remote, direction and number of keys.
fn batches(content: &mut Content, network: &Network) -> Vec<(String, Direction, usize)> {
    let mut all = Vec::new();
    while let Some((transfer, keys)) = next_batch(content, &uuid("here"), network) {
        all.push((transfer.remote.to_string(), transfer.direction, keys.len()));
        content.transfers.insert(Id(all.len() as u64), transfer);
    }
    all
}

#[test]
fn small_files_are_sent_in_batches_and_large_ones_alone() {
    use Direction::{Get, Send};
    let candidates = (0..10)
        .map(|number| candidate(number, 10, "a", Send))
        .chain((10..13).map(|number| candidate(number, 5 << 20, "a", Send)))
        .chain((13..16).map(|number| candidate(number, 10, "a", Get)))
        .chain((0..4).map(|number| candidate(number, 10, "b", Send)));
    let mut content = waiting(candidates);
    let two = network(&[("a", 100.0), ("b", 100.0)]);
    let expected = [("a", Send, 10), ("a", Send, 1), ("b", Send, 4)];
    let expected = expected.map(|(remote, way, keys)| (remote.to_owned(), way, keys));
    assert_eq!(batches(&mut content, &two), expected);
    assert_eq!(content.window.len(), 5, "the rest waits for a slot");
}

#[test]
fn a_key_travels_to_a_place_once() {
    let both = |way| {
        [
            candidate(1, 10, "a", way),
            candidate(1, 10, "a", way),
            candidate(1, 10, "b", way),
        ]
    };
    let two = network(&[("a", 100.0), ("b", 100.0)]);
    let mut content = waiting(both(Direction::Get));
    assert_eq!(batches(&mut content, &two), [("a".to_owned(), Direction::Get, 1)]);
    assert!(
        content.window.is_empty(),
        "the next offer brings it back if it is still due"
    );

    let mut content = waiting(both(Direction::Send));
    assert_eq!(batches(&mut content, &two).len(), 2, "two places");
}

#[test]
fn only_stored_keys_count_as_arrived() {
    let one = network(&[("a", 100.0)]);
    let mut content = waiting((0..2).map(|number| candidate(number, 10, "a", Direction::Get)));
    let (transfer, keys) = next_batch(&mut content, &uuid("here"), &one).unwrap();
    let outcomes = [
        (keys[0].clone(), Outcome::Stored),
        (keys[1].clone(), Outcome::Failed("no".into())),
    ];
    content.ended(7, &transfer, &outcomes);
    assert!(content.is_under_way(&keys[0], &uuid("here")));
    assert!(!content.is_under_way(&keys[0], &uuid("a")));
    assert!(!content.is_under_way(&keys[1], &uuid("here")));
}

fn first(candidate: Candidate) -> Candidate {
    Candidate {
        is_first: true,
        ..candidate
    }
}

#[test]
fn prioritized_files_start_before_all_others() {
    use Direction::Send;
    let one = network(&[("a", 100.0)]);
    let small = |number| candidate(number, 10, "a", Send);
    let large = |number| candidate(number, 5 << 20, "a", Send);
    let mut content = Content {
        offering: Some(Id(7)),
        ..Content::default()
    };
    let firsts = [large(30), large(31), small(20), small(21)].map(first);
    let offered = (0..9).map(small).chain([large(32)]).chain(firsts);
    content.offered(Id(7), offered.collect(), None);
    let next = |content: &mut Content| {
        let (transfer, keys) = next_batch(content, &uuid("here"), &one)?;
        let name = |key: &Key| key.name().to_string().parse().unwrap_or(0);
        let names: Vec<u64> = keys.iter().map(name).collect();
        content.transfers.insert(Id(names[0]), transfer);
        Some(names)
    };
    // Prioritized files take both slots, whatever their sizes.
    assert_eq!(next(&mut content), Some(vec![30]));
    assert_eq!(next(&mut content), Some(vec![31]));
    assert_eq!(next(&mut content), None);
    // The batch contains no other small file.
    content.transfers.remove(&Id(31));
    assert_eq!(next(&mut content), Some(vec![20, 21]));
    content.transfers.remove(&Id(20));
    assert_eq!(next(&mut content).map(|names| names.len()), Some(9));
}
