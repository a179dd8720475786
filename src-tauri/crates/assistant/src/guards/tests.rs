use model::{Key, Oid, RemoteName};

use super::{Guards, Verdict};
use crate::effect::Effect;
use crate::facts::{ClassId, Direction, Found, Id, Lot, Question, Root, Said, Scope};
use crate::network::Network;
use crate::network::tests::network;

const LOOK: Id = Id(7);

fn found(removed: usize, tracked: usize) -> Found {
    Found {
        root: Root::Same,
        changed: 0,
        removed,
        tracked,
        staged: false,
        filling: Vec::new(),
    }
}

fn guards(found: &Found, confirmed: usize) -> Guards {
    let mut guards = Guards::default();
    guards.confirm(confirmed);
    guards.judge(LOOK, found, true);
    guards
}

fn judge(found: &Found, confirmed: usize) -> Verdict {
    let mut guards = Guards::default();
    guards.confirm(confirmed);
    guards.judge(LOOK, found, true)
}

fn name(name: &str) -> RemoteName {
    RemoteName::parse(name).unwrap()
}

/// What passes of one effect, and what is asked, with the remote "a", which can do everything.
fn pass(guards: &mut Guards, effect: Effect) -> (Vec<Effect>, Vec<Question>) {
    pass_with(guards, &network(&[("a", 100.0)]), effect)
}

fn pass_with(guards: &mut Guards, network: &Network, effect: Effect) -> (Vec<Effect>, Vec<Question>) {
    let mut effects = vec![effect];
    let questions = guards.pass(&mut effects, false, network);
    (effects, questions)
}

fn ingest(look: Id, removals: bool) -> Effect {
    Effect::Ingest {
        id: Id(8),
        look,
        removals,
    }
}

fn merge(said: Option<Said>) -> Effect {
    Effect::Merge {
        id: Id(8),
        partial: false,
        said,
    }
}

fn push() -> Effect {
    Effect::Push {
        id: Id(8),
        remote: name("a"),
    }
}

fn transfer(direction: Direction) -> Effect {
    Effect::Transfer {
        id: Id(8),
        remote: name("a"),
        direction,
        keys: vec![Key::parse(b"SHA256E-s1--1").unwrap()],
    }
}

#[test]
fn many_removals_are_held_until_confirmed() {
    for (removed, tracked, free) in [
        (0, 0, true),
        (1, 1, true),
        (4, 4, true),
        (5, 9, false),
        (5, 10, true),
        (500, 5000, true),
        (501, 5000, false),
    ] {
        let verdict = judge(&found(removed, tracked), 0);
        assert_eq!(verdict == Verdict::Free, free, "{removed} of {tracked}");
        assert_eq!(judge(&found(removed, tracked), removed), Verdict::Free);
    }
}

#[test]
fn more_removals_than_confirmed_are_held() {
    assert_eq!(judge(&found(6, 8), 6), Verdict::Free);
    assert_ne!(judge(&found(7, 8), 6), Verdict::Free);
}

#[test]
fn questions_are_the_same_if_their_subjects_are() {
    let removed = |removed| Question::ManyRemoved { removed, of: 9 };
    let unverified = |of: &str| Question::Unverified(name(of));
    assert!(removed(5).is_same(&removed(6)));
    assert!(!removed(5).is_same(&unverified("a")));
    assert!(!unverified("a").is_same(&unverified("b")));
}

#[test]
fn nothing_is_committed_under_another_root_even_if_confirmed() {
    for root in [Root::Vanished, Root::Replaced] {
        let found = Found { root, ..found(1, 10) };
        assert_eq!(judge(&found, 1), Verdict::Nothing);
    }
}

#[test]
fn an_ingest_removes_only_what_its_scan_may() {
    let many = found(6, 8);
    let question = Question::ManyRemoved { removed: 6, of: 8 };
    let without = vec![ingest(LOOK, false)];
    assert_eq!(
        pass(&mut guards(&many, 0), ingest(LOOK, true)),
        (without.clone(), vec![question])
    );
    assert_eq!(
        pass(&mut guards(&many, 0), ingest(LOOK, false)),
        (without.clone(), vec![])
    );
    assert_eq!(pass(&mut Guards::default(), ingest(LOOK, true)), (without, vec![]));
    let of_another = ingest(Id(6), true);
    assert_eq!(
        pass(&mut guards(&found(1, 8), 0), of_another),
        (vec![ingest(Id(6), false)], vec![])
    );
    let free = vec![ingest(LOOK, true)];
    assert_eq!(
        pass(&mut guards(&found(1, 8), 0), ingest(LOOK, true)),
        (free.clone(), vec![])
    );
    // All parts of one scan may; what is missing after them needs another confirmation.
    let mut confirmed = guards(&many, 6);
    for _ in 0..2 {
        assert_eq!(pass(&mut confirmed, ingest(LOOK, true)), (free.clone(), vec![]));
    }
    assert_ne!(confirmed.judge(Id(9), &many, true), Verdict::Free);
}

#[test]
fn nothing_is_written_or_committed_under_another_root() {
    let work = || {
        [
            ingest(LOOK, false),
            merge(None),
            Effect::Restore { id: Id(8) },
            Effect::Fill { id: Id(8) },
        ]
    };
    for effect in work() {
        assert_eq!(
            pass(&mut guards(&found(0, 8), 0), effect.clone()),
            (vec![effect], vec![])
        );
    }
    for root in [Root::Vanished, Root::Replaced] {
        let gone = Found { root, ..found(0, 8) };
        for effect in work() {
            assert_eq!(pass(&mut guards(&gone, 0), effect), (vec![], vec![]));
        }
        let look = Effect::Look {
            id: Id(8),
            scope: Scope::Everything,
            confirms: false,
        };
        assert_eq!(pass(&mut guards(&gone, 0), look.clone()), (vec![look], vec![]));
    }
}

#[test]
fn a_merge_carries_out_only_what_the_user_said() {
    let said = |commit, yes| Said {
        commit: Oid([commit; 20]),
        yes,
    };
    let mut guards = Guards::default();
    assert_eq!(
        pass(&mut guards, merge(Some(said(1, true)))),
        (vec![merge(None)], vec![])
    );
    guards.set_said(Some(said(1, false)));
    for (asked, expected) in [
        (said(1, false), Some(said(1, false))),
        (said(1, true), None),
        (said(2, false), None),
    ] {
        assert_eq!(pass(&mut guards, merge(Some(asked))), (vec![merge(expected)], vec![]));
    }
}

#[test]
fn nothing_is_exchanged_that_a_remote_does_not_allow() {
    let fetch = || Effect::Fetch {
        id: Id(8),
        remote: name("a"),
    };
    let (get, send) = (|| transfer(Direction::Get), || transfer(Direction::Send));
    let all: [fn() -> Effect; 4] = [fetch, push, get, send];
    let passes =
        |network: &Network| all.map(|effect| !pass_with(&mut Guards::default(), network, effect()).0.is_empty());
    let mut network = network(&[("a", 100.0)]);
    assert_eq!(passes(&Network::default()), [false; 4], "an unknown remote");
    assert_eq!(passes(&network), [true; 4]);
    let mut without = |change: fn(&mut crate::Abilities)| {
        let able = &mut network.remotes.get_mut(&name("a")).unwrap().facts.abilities;
        *able = crate::Abilities::ALL;
        change(able);
        passes(&network)
    };
    assert_eq!(without(|able| able.fetch = false), [false, true, true, true]);
    assert_eq!(without(|able| able.push = false), [true, false, true, true]);
    assert_eq!(without(|able| able.get = false), [true, true, false, true]);
    assert_eq!(without(|able| able.send = false), [true, true, true, false]);
    assert_eq!(without(|able| able.verified = false), [true, false, true, false]);
}

#[test]
fn nothing_is_dropped_before_all_connected_remotes_were_fetched_from() {
    let drop = || Effect::Drop {
        id: Id(8),
        classes: vec![crate::ClassId(1)],
    };
    let mut network = network(&[("a", 100.0)]);
    let passes = |guards: &mut Guards, network: &Network| !pass_with(guards, network, drop()).0.is_empty();
    let unfetched = |network: &mut Network, is_so| network.remotes.get_mut(&name("a")).unwrap().unfetched = is_so;
    unfetched(&mut network, false);
    assert!(passes(&mut Guards::default(), &network));
    let vanished = Found {
        root: Root::Vanished,
        ..found(0, 8)
    };
    assert!(!passes(&mut guards(&vanished, 0), &network));
    unfetched(&mut network, true);
    assert!(!passes(&mut Guards::default(), &network));
    network.remotes.get_mut(&name("a")).unwrap().reach = None;
    assert!(
        passes(&mut Guards::default(), &network),
        "nobody can ask one that is away"
    );
}

#[test]
fn only_lots_that_are_allowed_are_offered() {
    let lot = |remote: &str| Lot {
        class: ClassId(1),
        remote: name(remote),
        direction: Direction::Send,
        source: model::Uuid::parse("here").unwrap(),
        destination: model::Uuid::parse(remote).unwrap(),
    };
    let offer = |lots| Effect::Offer {
        id: Id(8),
        lots,
        limit: 1,
    };
    let passed = pass(&mut Guards::default(), offer(vec![lot("b"), lot("a")]));
    assert_eq!(passed, (vec![offer(vec![lot("a")])], vec![]));
}

#[test]
fn a_pause_lets_only_probes_and_words_pass() {
    let network = network(&[("a", 100.0)]);
    let probe = Effect::Probe {
        id: Id(8),
        remote: name("a"),
    };
    let cancel = Effect::Cancel {
        id: Id(5),
        held_until: None,
    };
    let ask = Effect::Ask(Question::Unverified(name("a")));
    let look = Effect::Look {
        id: Id(8),
        scope: Scope::Everything,
        confirms: false,
    };
    let passing = vec![probe, cancel, ask];
    let mut effects = passing.clone();
    effects.extend([push(), transfer(Direction::Get), ingest(LOOK, false), merge(None), look]);
    effects.push(Effect::Observe { id: Id(8) });
    assert_eq!(Guards::default().pass(&mut effects, true, &network), vec![]);
    assert_eq!(effects, passing);
}
