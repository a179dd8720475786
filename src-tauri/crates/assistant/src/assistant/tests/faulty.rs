//! A plan with faults: the guards let none of them pass.

use proptest::prelude::*;

use super::*;
use crate::guards::is_improbable;

/// What the user and the scans told, and so what may be done.
#[derive(Default)]
struct Told {
    is_paused: bool,
    /// The last scan.
    found: Option<(Id, Found)>,
    confirmed: usize,
    said: Vec<Said>,
    abilities: Option<Abilities>,
}

impl Told {
    fn learn(&mut self, event: &Event) {
        match event {
            Event::Paused => self.is_paused = true,
            Event::Resumed => self.is_paused = false,
            Event::RemotesListed(listed) => self.abilities = listed.first().map(|remote| remote.abilities),
            Event::Looked {
                id,
                looked: Looked::Found(found),
            } => self.found = Some((*id, found.clone())),
            Event::Answered { question, yes } => match question {
                Question::ManyRemoved { removed, .. } if *yes => self.confirmed = *removed,
                Question::ManyDeleted(deletions) => self.said.push(Said {
                    commit: deletions.commit,
                    yes: *yes,
                }),
                _ => {}
            },
            _ => {}
        }
    }

    /// Why this effect is unsafe.
    fn objects(&self, effect: &Effect) -> Option<&'static str> {
        let able =
            |is_able: fn(Abilities) -> bool| effect.remote() == Some(&name("b")) && self.abilities.is_some_and(is_able);
        let is_away = self.found.as_ref().is_some_and(|(_, found)| found.root != Root::Same);
        let is_quiet = matches!(
            effect,
            Effect::Probe { .. } | Effect::Cancel { .. } | Effect::Ask(_) | Effect::Withdraw(_)
        );
        if self.is_paused && !is_quiet {
            return Some("in a pause");
        }
        match effect {
            Effect::Ingest { .. } | Effect::Merge { .. } | Effect::Restore { .. } | Effect::Fill { .. } if is_away => {
                Some("under another root")
            }
            Effect::Ingest {
                look, removals: true, ..
            } => match &self.found {
                Some((id, found)) if id == look => {
                    let is_asked = is_improbable(found.removed, found.tracked) && found.removed > self.confirmed;
                    is_asked.then_some("the user did not confirm it")
                }
                _ => Some("nobody looked"),
            },
            Effect::Merge { said: Some(said), .. } => (!self.said.contains(said)).then_some("the user did not say so"),
            Effect::Push { .. } => (!able(|able| able.push && able.verified)).then_some("may not be pushed to"),
            Effect::Transfer {
                direction: Direction::Send,
                ..
            } => (!able(|able| able.send && able.verified)).then_some("may not be sent to"),
            Effect::Transfer {
                direction: Direction::Get,
                ..
            } => (!able(|able| able.get)).then_some("may not be received from"),
            _ => None,
        }
    }
}

/// What a plan full of faults makes of an effect list.
fn spoil(effects: &mut Vec<Effect>, look: Id) {
    for effect in effects.iter_mut() {
        if let Effect::Ingest { removals, .. } = effect {
            *removals = true;
        }
    }
    let id = Id(u64::MAX);
    let said = |yes| {
        Some(Said {
            commit: heads(9).tree.unwrap(),
            yes,
        })
    };
    let keys = || vec![key(1)];
    effects.extend([
        Effect::Ingest {
            id,
            look,
            removals: true,
        },
        Effect::Restore { id },
        Effect::Fill { id },
        Effect::Merge {
            id,
            partial: true,
            said: said(true),
        },
        Effect::Merge {
            id,
            partial: true,
            said: said(false),
        },
    ]);
    for remote in ["b", "nowhere"].map(name) {
        effects.push(Effect::Push {
            id,
            remote: remote.clone(),
        });
        for direction in [Direction::Get, Direction::Send] {
            let remote = remote.clone();
            effects.push(Effect::Transfer {
                id,
                remote,
                direction,
                keys: keys(),
            });
        }
    }
}

/// An event made of a random number.
fn event(rig: &mut Rig, number: u8) -> Event {
    let commit = heads(9).tree.unwrap();
    let yes = number & 1 == 0;
    match number % 16 {
        0 => Event::Paused,
        1 | 2 => Event::Resumed,
        3 => Event::RemotesListed(vec![unable("b", |able| {
            (able.push, able.send, able.get) = (number & 16 == 0, number & 32 == 0, number & 64 == 0);
            able.verified = number & 128 == 0;
        })]),
        4 => match rig.assistant.questions().first() {
            Some(question) => Event::Answered {
                question: question.clone(),
                yes: number & 16 == 0,
            },
            None => Event::CountLost(None),
        },
        5 => Event::RefsMoved(refs(number, true)),
        6 if has!(rig, Merge) => Event::Merged {
            id: take!(rig, Merge),
            refs: refs(number, false),
            merged: Merged::Done,
            held: Some(Deletions {
                commit,
                removed: 9,
                of: 9,
                who: None,
                place: None,
                at: None,
            }),
        },
        7 => Event::Answered {
            question: Question::ManyRemoved { removed: 1, of: 1 },
            yes,
        },
        8..=12 if has!(rig, Look) => Event::Looked {
            id: take!(rig, Look),
            looked: Looked::Found(Found {
                root: match number & 48 {
                    16 => Root::Vanished,
                    32 => Root::Replaced,
                    _ => Root::Same,
                },
                ..found(1, usize::from(number >> 5) * 2, 8)
            }),
        },
        _ => Event::CountLost(None),
    }
}

proptest! {
    #[test]
    fn a_fault_of_the_plan_does_no_harm(numbers in prop::collection::vec(any::<u8>(), 1..60)) {
        let mut rig = Rig::at_rest(&["b"]);
        let mut told = Told { abilities: Some(Abilities::ALL), ..Told::default() };
        for number in numbers {
            // What is no work of the folder's ends by itself.
            rig.open.retain(|effect| matches!(effect, Effect::Look { .. } | Effect::Merge { .. } | Effect::Ingest { .. }));
            let event = match rig.open.iter().position(|effect| matches!(effect, Effect::Ingest { .. })) {
                Some(_) if number & 3 != 0 => ingested(take!(rig, Ingest), refs(number, false), number & 4 == 0),
                _ => event(&mut rig, number),
            };
            rig.now = rig.now + Duration::from_secs(60);
            let is_asked = |question: &Question| rig.assistant.questions().iter().any(|asked| asked.is_same(question));
            if !matches!(&event, Event::Answered { question, .. } if !is_asked(question)) {
                told.learn(&event);
            }
            let mut effects = Vec::new();
            rig.assistant.learn(rig.now, event, &mut effects);
            rig.assistant.plan(rig.now, &mut effects);
            let planned = effects.clone();
            let look = told.found.as_ref().map_or(Id(0), |(id, _)| *id);
            spoil(&mut effects, look);
            rig.assistant.guard(&mut effects);
            for effect in &effects {
                prop_assert_eq!(told.objects(effect), None, "{:?}", effect);
            }
            rig.open.extend(planned);
        }
    }
}
