use contract::{Direction, OnDrive, Place, Question, Settings};

use super::*;
use crate::acts::Act;
use crate::tray::tests::{folder as bare, transfer};

mod room;
mod servers;
mod starts;
mod walk;

const PATH: &str = "/home/ann/Photos";

fn photos(state: State) -> Folder {
    Folder {
        uuid: "u1".to_owned(),
        places: vec![place("stick", 0)],
        ..bare(PATH, state)
    }
}

fn place(name: &str, wants: u64) -> Place {
    Place {
        name: name.to_owned(),
        contact: contract::Contact::Here,
        has_commits: true,
        takes_nothing: None,
        held: None,
        wants,
        wants_bytes: wants,
        checked: None,
        keeps: None,
        round_trip: None,
        other_ways: Vec::new(),
    }
}

fn lacking() -> Folder {
    Folder {
        places: vec![place("stick", 3)],
        ..photos(State::Waiting)
    }
}

fn sending() -> Folder {
    let mut transfer = transfer(Direction::Sending);
    transfer.place = "stick".to_owned();
    Folder {
        transfers: vec![transfer],
        ..lacking()
    }
}

fn asking(text: &str) -> Folder {
    Folder {
        question: Some(Question {
            id: "removed".to_owned(),
            text: text.to_owned(),
            yes: "Delete them".to_owned(),
            no: "Bring them back".to_owned(),
            typed: None,
        }),
        ..photos(State::NeedsYou)
    }
}

fn stick(standing: Standing) -> Drive {
    Drive {
        id: "1234".to_owned(),
        name: "stick".to_owned(),
        path: "/media/stick".to_owned(),
        file_system: "vfat".to_owned(),
        bytes: 8,
        free: 4,
        standing,
        notes: Vec::new(),
        can_eject: true,
    }
}

fn in_use(up_to_date: bool) -> Drive {
    let places = vec![OnDrive {
        folder: PATH.to_owned(),
        place: "stick".to_owned(),
    }];
    stick(Standing::InUse { places, up_to_date })
}

fn new() -> Drive {
    stick(Standing::New)
}

fn seen(folders: &[Folder], drives: &[Drive]) -> Status {
    Status {
        drives: drives.to_vec(),
        ..Status::of(folders.to_vec())
    }
}

fn quiet(status: Status) -> Status {
    Status {
        settings: Settings {
            notifications: false,
            ..Settings::default()
        },
        ..status
    }
}

/// What a program saw and did.
#[derive(Default)]
struct Life {
    history: History,
    before: Status,
    shows: Vec<(u64, Notice)>,
    withdraws: Vec<(u64, About)>,
}

impl Life {
    fn sees(&mut self, at: u64, now: &Status) {
        self.history.observe(&self.before, now, at);
        self.before = now.clone();
    }

    /// Does what there is to do at a time, and says when to come again.
    fn acts(&mut self, at: u64) -> Option<u64> {
        let (step, next) = self.history.next(&self.before, at);
        self.withdraws
            .extend(step.withdraw.iter().map(|about| (at, about.clone())));
        self.shows.extend(step.show.into_iter().map(|notice| (at, notice)));
        self.history = next;
        assert!(step.again_at.is_none_or(|again| again > at), "it would never rest");
        step.again_at
    }

    /// Lives until a time with nothing new.
    fn passes(&mut self, from: u64, until: u64) {
        let mut again = self.acts(from);
        while let Some(at) = again.filter(|at| *at < until) {
            again = self.acts(at);
        }
    }

    /// The program starts again, with its saved history.
    fn restarts(&mut self) {
        let text = serde_json::to_string(&self.history.lasting()).unwrap();
        self.history = serde_json::from_str(&text).unwrap();
        self.before = Status::default();
    }
}

/// What comes out (+) and is taken back (-) if the statuses are seen at the given times, and nothing is new for two
/// months then.
fn life(states: &[(u64, Status)]) -> Vec<(u64, char, About)> {
    let mut life = Life::default();
    for (number, (at, status)) in states.iter().enumerate() {
        let until = states.get(number + 1).map_or(at + 60 * 24 * HOUR, |(next, _)| *next);
        life.sees(*at, status);
        life.passes(*at, until);
    }
    let shows = life.shows.into_iter().map(|(at, notice)| (at, '+', notice.about));
    let withdraws = life.withdraws.into_iter().map(|(at, about)| (at, '-', about));
    let mut events: Vec<(u64, char, About)> = withdraws.chain(shows).collect();
    events.sort();
    events
}

/// A folder that was paused before its first look ended.
fn unlooked() -> Folder {
    Folder {
        has_looked: false,
        ..photos(State::Paused)
    }
}

fn few(few_copies: u64) -> Folder {
    Folder {
        few_copies,
        ..photos(State::Safe)
    }
}

/// A history with something in every part of it that lasts.
pub(in crate::notices) fn busy() -> History {
    let mut life = Life::default();
    let few_copies = 2;
    let lacking = Folder {
        few_copies,
        ..lacking()
    };
    life.sees(10, &seen(&[lacking], &[new()]));
    life.acts(10);
    life.history
}

#[test]
fn each_history_gives_its_notices() {
    let path = || PATH.to_owned();
    let id = || "1234".to_owned();
    let (new_drive, up_to_date, pulled_out) = (
        || About::NewDrive(id()),
        || About::UpToDate(id()),
        || About::PulledOut(id()),
    );
    let in_step = || About::InStep("u1".to_owned());
    let overdue = || About::Overdue(path(), "stick".to_owned());
    let conflicts = |count| Folder {
        conflicts: count,
        ..photos(State::Safe)
    };
    let damaged = |count| Folder {
        damaged: count,
        ..photos(State::NeedsYou)
    };
    let declined = || stick(Standing::Declined);
    let ejecting = || {
        stick(Standing::Ejecting {
            what: "sending".to_owned(),
        })
    };
    let (nothing, safe) = (|| seen(&[], &[]), || seen(&[photos(State::Safe)], &[]));
    let day = 24 * HOUR;
    type Row = (&'static str, Vec<(u64, Status)>, Vec<(u64, char, About)>);
    let table: Vec<Row> = vec![
        (
            "a new drive, once for ever",
            vec![(10, seen(&[], &[new()])), (60, nothing()), (90, seen(&[], &[new()]))],
            vec![(10, '+', new_drive()), (60, '-', new_drive())],
        ),
        (
            "a new drive that is declined is not asked about any more",
            vec![(10, seen(&[], &[new()])), (60, seen(&[], &[declined()]))],
            vec![(10, '+', new_drive()), (60, '-', new_drive())],
        ),
        (
            "a declined drive",
            vec![(10, seen(&[], &[declined()])), (60, nothing())],
            vec![],
        ),
        (
            "a drive that cannot be used",
            vec![(10, seen(&[], &[stick(Standing::Unusable("full".to_owned()))]))],
            vec![],
        ),
        (
            "a known drive is brought up to date, once for each time that it is there",
            vec![
                (10, seen(&[photos(State::Safe)], &[in_use(false)])),
                (20, seen(&[photos(State::Safe)], &[in_use(true)])),
                (30, seen(&[photos(State::Safe)], &[in_use(false)])),
                (40, seen(&[photos(State::Safe)], &[in_use(true)])),
                (50, safe()),
                (60, seen(&[photos(State::Safe)], &[in_use(true)])),
            ],
            vec![
                (20, '+', up_to_date()),
                (30, '-', up_to_date()),
                (60, '+', up_to_date()),
            ],
        ),
        (
            "it is no time to take a drive out while contents come from it",
            vec![
                (10, seen(&[sending()], &[in_use(true)])),
                (20, seen(&[lacking()], &[in_use(true)])),
            ],
            vec![(20, '+', up_to_date())]
                .into_iter()
                .chain((1..9).map(|week| (10 + week * WEEK, '+', overdue())))
                .collect(),
        ),
        (
            "a drive pulled out while contents travel, and back",
            vec![
                (10, seen(&[sending()], &[in_use(false)])),
                (20, seen(&[sending()], &[])),
                (30, seen(&[sending()], &[in_use(false)])),
                (40, seen(&[lacking()], &[in_use(false)])),
                (43, seen(&[lacking()], &[])),
                (50, nothing()),
            ],
            vec![
                (20, '+', pulled_out()),
                (30, '-', pulled_out()),
                (43, '+', pulled_out()),
            ],
        ),
        (
            "a drive taken out when contents have travelled, or by the rules",
            vec![
                (10, seen(&[sending()], &[in_use(false)])),
                (20, seen(&[lacking()], &[in_use(false)])),
                (26, seen(&[lacking()], &[])),
                (30, seen(&[sending()], &[in_use(false)])),
                (33, seen(&[photos(State::Safe)], &[ejecting()])),
                (34, nothing()),
            ],
            vec![(33, '+', in_step()), (34, '-', in_step())],
        ),
        (
            "conflicts, once an hour and counted",
            vec![
                (10, seen(&[conflicts(1)], &[])),
                (20, seen(&[conflicts(4)], &[])),
                (30, seen(&[conflicts(6)], &[])),
                (10 + 5 * HOUR, seen(&[conflicts(6)], &[])),
                (20 + 5 * HOUR, seen(&[conflicts(7)], &[])),
            ],
            vec![
                (10, '+', About::Conflicts(path())),
                (10 + HOUR, '+', About::Conflicts(path())),
                (20 + 5 * HOUR, '+', About::Conflicts(path())),
            ],
        ),
        (
            "a question, until it is answered, and again when it is another",
            vec![
                (10, seen(&[asking("9 of 10?")], &[])),
                (11, seen(&[asking("9 of 10?")], &[])),
                (12, seen(&[asking("10 of 10?")], &[])),
                (30, safe()),
                (40, seen(&[asking("10 of 10?")], &[])),
            ],
            vec![
                (10, '+', About::Question(path())),
                (15, '+', About::Question(path())),
                (30, '-', About::Question(path())),
                (40, '+', About::Question(path())),
            ],
        ),
        (
            "copies that are missing for a week, weekly, and not when they came meanwhile",
            vec![
                (10, seen(&[lacking()], &[])),
                (10 + 6 * day, safe()),
                (20 + 6 * day, seen(&[lacking()], &[])),
                (10 + 14 * day, seen(&[lacking()], &[])),
                (10 + 21 * day, safe()),
            ],
            vec![
                (10 + 6 * day, '+', in_step()),
                (20 + 6 * day, '-', in_step()),
                (20 + 13 * day, '+', overdue()),
                (20 + 20 * day, '+', overdue()),
                (10 + 21 * day, '-', overdue()),
            ],
        ),
        (
            "too few copies for a week, weekly, and not when they came meanwhile",
            vec![
                (10, seen(&[few(2)], &[])),
                (10 + 6 * day, seen(&[few(0)], &[])),
                (20 + 6 * day, seen(&[few(2)], &[])),
                (30 + 6 * day, seen(&[unlooked()], &[])),
                (10 + 14 * day, seen(&[few(1)], &[])),
                (10 + 21 * day, seen(&[few(0)], &[])),
            ],
            vec![
                (20 + 13 * day, '+', About::FewCopies(path())),
                (20 + 20 * day, '+', About::FewCopies(path())),
                (10 + 21 * day, '-', About::FewCopies(path())),
            ],
        ),
        (
            "damage, at once, and again when there is more",
            vec![
                (10, seen(&[damaged(2)], &[])),
                (20, seen(&[damaged(1)], &[])),
                (30, seen(&[damaged(2)], &[])),
                (40, safe()),
                (50, seen(&[damaged(1)], &[])),
            ],
            vec![
                (10, '+', About::Damage(path())),
                (30, '+', About::Damage(path())),
                (40, '-', About::Damage(path())),
                (50, '+', About::Damage(path())),
            ],
        ),
        (
            "up to date for the first time, once",
            vec![
                (10, seen(&[photos(State::Stopped)], &[])),
                (20, seen(&[sending()], &[])),
                (30, safe()),
                (40, seen(&[sending()], &[])),
                (50, safe()),
            ],
            vec![(30, '+', in_step()), (40, '-', in_step())],
        ),
        (
            "ordinary work of a folder that is up to date: nothing",
            vec![
                (10, seen(&[photos(State::Stopped)], &[])),
                (20, seen(&[photos(State::Working)], &[])),
                (30, safe()),
                (40, seen(&[photos(State::Waiting)], &[])),
                (50, seen(&[photos(State::Paused)], &[])),
            ],
            vec![],
        ),
        (
            "one at a time, danger first and without waiting",
            vec![
                (10, seen(&[conflicts(1)], &[new()])),
                (
                    12,
                    seen(
                        &[Folder {
                            conflicts: 1,
                            ..asking("9 of 10?")
                        }],
                        &[new()],
                    ),
                ),
            ],
            vec![
                (10, '+', new_drive()),
                (12, '+', About::Question(path())),
                (17, '+', About::Conflicts(path())),
            ],
        ),
        (
            "to those who want no notifications: danger, and old news never",
            vec![
                (10, quiet(seen(&[lacking()], &[new()]))),
                (20, quiet(seen(&[asking("9 of 10?")], &[in_use(true)]))),
                (30, quiet(safe())),
                (40, seen(&[photos(State::Safe)], &[new()])),
                (60, quiet(seen(&[photos(State::Safe)], &[new()]))),
            ],
            vec![
                (20, '+', About::Question(path())),
                (30, '-', About::Question(path())),
                (40, '+', new_drive()),
                (60, '-', new_drive()),
            ],
        ),
        (
            "a clock that is put back",
            vec![
                (1000 * HOUR, seen(&[conflicts(1)], &[])),
                (HOUR, seen(&[conflicts(2)], &[])),
            ],
            vec![
                (2 * HOUR, '+', About::Conflicts(path())),
                (1000 * HOUR, '+', About::Conflicts(path())),
            ],
        ),
    ];
    for (what, states, expected) in table {
        assert_eq!(life(&states), expected, "{what}");
    }
}

#[test]
fn each_notice_has_its_words_and_buttons() {
    let mut history = busy();
    history.say(Said {
        title: "stick can be unplugged".to_owned(),
        body: String::new(),
    });
    history.pulled_out.insert("5".to_owned(), "disk".to_owned());
    let all = Folder {
        damaged: 1,
        conflicts: 2,
        few_copies: 2,
        full: vec!["stick".to_owned(), PATH.to_owned()],
        places: vec![place("stick", 3)],
        ..asking("9 of 10 files are gone.")
    };
    let drives = [new(), in_use(true)];
    let mut notices = words::of(&history, &seen(&[all], &drives), 10 + WEEK);
    notices.extend(words::of(&history, &seen(&[photos(State::Safe)], &[]), 20).pop());
    let told: Vec<String> = notices
        .iter()
        .map(|notice| {
            let buttons: Vec<&str> = notice.actions.iter().map(|(label, _)| label.as_str()).collect();
            format!(
                "{:?} {} | {} | {} [{}]",
                notice.urgency,
                notice.category,
                notice.title,
                notice.body,
                buttons.join("] [")
            )
        })
        .collect();
    let expected = [
        "Critical transfer.error | Photos: a question waits for your answer | 9 of 10 files are gone. [Review…] [Bring \
         them back]",
        "Critical transfer.error | Photos: damaged files | The content of a file is damaged. Anabranch moved it \
         aside. The page Problems shows whether another place has a good copy. [Details…]",
        "Normal transfer | stick can be unplugged |  []",
        "Normal device.added | A new drive: stick | It can hold copies of your folders, or carry files between computers. \
         Anabranch writes nothing to it unless you say so. [Use it…] [Not this one]",
        "Normal device.removed | disk was unplugged during a transfer | Nothing is lost. The transfer resumes when \
         you plug the drive in again. [Show files left…]",
        "Normal transfer | Photos: both versions kept | 2 files were changed in two places at the same time. \
         All versions of each are in the folder. [Compare…] [Later]",
        "Normal transfer.error | Photos: disk full | stick is full. Nothing is lost: files wait until there is space \
         again. [Show waiting files…]",
        "Normal transfer.error | Photos: disk full | This computer's disk is full. Nothing is lost: files wait until \
         there is space again. [Show waiting files…]",
        "Normal transfer | Photos: stick is behind | stick has not been up to date for a week: 3 files are missing \
         there. [Show files…]",
        "Normal transfer | Photos: too few copies | 2 files have had too few copies for a week. Add another place to \
         get more. [Show files…]",
        "Low transfer.complete | stick is up to date | All files that belong on it are on it. [Eject]",
        "Low transfer.complete | Photos is up to date | All files have arrived everywhere they should be. [Open \
         folder]",
    ];
    assert_eq!(told, expected);
    let act = |notice: usize, button: usize| notices[notice].actions[button].1.clone();
    let drive = || "1234".to_owned();
    assert_eq!(
        act(0, 1),
        Some(Act::Ask(
            PATH.to_owned(),
            contract::Command::Answer {
                question: Some("removed".to_owned()),
                yes: false
            }
        ))
    );
    assert_eq!(
        act(3, 1),
        Some(Act::Request(contract::Request::DeclineDrive { drive: drive() }))
    );
    assert_eq!(act(5, 1), None);
    assert_eq!(
        act(10, 0),
        Some(Act::Request(contract::Request::Eject { drive: drive() }))
    );
    assert_eq!(act(11, 0), Some(Act::OpenFolder(PATH.to_owned())));
}

#[test]
fn an_answer_is_told_once_and_to_everybody() {
    let mut life = Life::default();
    life.sees(10, &quiet(seen(&[], &[])));
    for number in 0..2 {
        life.history.say(Said {
            title: number.to_string(),
            body: String::new(),
        });
    }
    life.passes(10, 100);
    let shows: Vec<(u64, About)> = life.shows.iter().map(|(at, show)| (*at, show.about.clone())).collect();
    assert_eq!(shows, [(10, About::Answer(0)), (15, About::Answer(1))]);
    life.history.is_closed(&About::Answer(0));
    life.passes(100, 200);
    assert_eq!((life.shows.len(), life.withdraws.len()), (2, 0));
}
