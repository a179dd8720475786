//! The menu as a value. What an entry does travels with it, so that a click that comes late does what it said, or nothing.

mod drives;
mod pauses;

use contract::{Change, Command, Folder, Status};
use jiff::tz::TimeZone;

use super::{headline, name, text};
use crate::acts::Act;
use crate::windows::Page;

/// Problems that are shown.
const PROBLEMS: usize = 3;
/// Recent changes that are shown.
const RECENT: usize = 8;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Words to read.
    Words(String),
    /// Something to choose.
    Entry(String, Act),
    Submenu(String, Vec<Item>),
    Separator,
}

/// The menu for this status, with times as in `zone`.
pub(crate) fn of(status: &Status, zone: &TimeZone) -> Vec<Item> {
    let mut menu = vec![Item::Words(headline(status))];
    menu.extend(problems(status));
    menu.extend(status.folders.iter().filter_map(|folder| question(status, folder)));
    let groups = [
        lasting(status, zone),
        recent(status)
            .into_iter()
            .chain(pauses::pause(status, zone))
            .chain(pauses::speed(status))
            .collect(),
        vec![
            entry("Open Anabranch", Act::OpenWindow),
            entry("Settings", Act::OpenPage(Page::Settings)),
            entry("Help", Act::OpenPage(Page::Help)),
            entry("Quit", Act::Quit),
        ],
    ];
    for group in groups.into_iter().filter(|group| !group.is_empty()) {
        menu.push(Item::Separator);
        menu.extend(group);
    }
    menu
}

/// What the entries do, in their order.
pub(crate) fn acts(items: &[Item]) -> Vec<&Act> {
    let acts = items.iter().flat_map(|item| match item {
        Item::Entry(_, act) => vec![act],
        Item::Submenu(_, items) => acts(items),
        Item::Words(_) | Item::Separator => Vec::new(),
    });
    acts.collect()
}

/// The folders, then the drives.
fn lasting(status: &Status, zone: &TimeZone) -> Vec<Item> {
    let folders = status.folders.iter().map(|folder| submenu(status, folder, zone));
    folders
        .chain(status.drives.iter().filter_map(drives::entry_of))
        .collect()
}

fn problems(status: &Status) -> impl Iterator<Item = Item> {
    let own = status.problems.iter().map(|problem| text(&problem.what));
    let of_folders = status.folders.iter().flat_map(|folder| {
        let name = name(status, folder);
        folder
            .problems
            .iter()
            .map(move |problem| text(&format!("{name}: {}", problem.what)))
    });
    let problems = own.chain(of_folders).take(PROBLEMS);
    problems.map(|problem| Item::Entry(problem, Act::OpenPage(Page::Problems)))
}

/// The question in full, as lines to read, with both answers.
fn question(status: &Status, folder: &Folder) -> Option<Item> {
    let question = folder.question.as_ref()?;
    let mut items: Vec<Item> = sentences(&question.text).map(Item::Words).collect();
    let answer = |yes| {
        let question = Some(question.id.clone());
        Act::Ask(folder.path.clone(), Command::Answer { question, yes })
    };
    let yes = match question.typed {
        None => Item::Entry(text(&question.yes), answer(true)),
        // A menu takes no text.
        Some(_) => Item::Entry(text(&format!("{}…", question.yes)), Act::OpenPage(Page::Folders)),
    };
    items.extend([Item::Separator, yes, Item::Entry(text(&question.no), answer(false))]);
    let label = format!("{}: a question waits for your answer", name(status, folder));
    Some(Item::Submenu(text(&label), items))
}

/// One sentence after the other.
fn sentences(words: &str) -> impl Iterator<Item = String> {
    let ends = words
        .match_indices(['.', '?'])
        .filter(|(at, _)| words[at + 1..].starts_with(' '));
    let ends = ends.map(|(at, _)| at + 1).chain([words.len()]);
    let mut start = 0;
    ends.map(move |end| text(words[std::mem::replace(&mut start, end)..end].trim()))
}

fn submenu(status: &Status, folder: &Folder, zone: &TimeZone) -> Item {
    let ask = |label: &str, command| Item::Entry(label.to_owned(), Act::Ask(folder.path.clone(), command));
    let (pause, resume) = (
        ask("Pause", Command::Pause { until: None }),
        ask("Resume", Command::Resume),
    );
    let mut items = vec![Item::Words(text(&folder.headline))];
    items.extend(folder.pause.map(|pause| Item::Words(pauses::paused(pause, zone))));
    items.extend([
        Item::Entry("Open".to_owned(), Act::OpenFolder(folder.path.clone())),
        ask("Sync now", Command::Sync),
    ]);
    items.push(if folder.pause.is_some() { resume } else { pause });
    Item::Submenu(text(&name(status, folder)), items)
}

fn entry(label: &str, act: Act) -> Item {
    Item::Entry(label.to_owned(), act)
}

/// The newest changes of all folders; a click opens the folder.
fn recent(status: &Status) -> Option<Item> {
    let changes = status.folders.iter().flat_map(|folder| {
        let changes = folder.recent.iter().map(move |change| (folder, change));
        changes.take(RECENT)
    });
    let mut changes: Vec<(&Folder, &Change)> = changes.collect();
    // Stable: those of one second stay in the order of their folder.
    changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.at));
    changes.truncate(RECENT);
    let entry = |(folder, change): &(&Folder, &Change)| {
        let label = text(&format!("{}: {}", name(status, folder), change.what));
        Item::Entry(label, Act::OpenFolder(folder.path.clone()))
    };
    let items: Vec<Item> = changes.iter().map(entry).collect();
    (!items.is_empty()).then(|| Item::Submenu("Recent changes".to_owned(), items))
}

#[cfg(test)]
pub(crate) mod tests {
    use contract::{Pause, PauseReason, Question, State};

    use super::super::tests::{folder, problem};
    use super::*;
    use crate::acts::Span;

    fn menu(status: &Status) -> Vec<Item> {
        of(status, &TimeZone::UTC)
    }

    pub(super) fn acts(items: &[Item]) -> Vec<Act> {
        super::acts(items).into_iter().cloned().collect()
    }

    /// The menu as text: two blanks for each level, `»` before what can be chosen.
    pub(super) fn shown(items: &[Item], level: usize) -> Vec<String> {
        let indent = "  ".repeat(level);
        let lines = items.iter().flat_map(|item| match item {
            Item::Words(words) => vec![format!("{indent}{words}")],
            Item::Entry(label, _) => vec![format!("{indent}» {label}")],
            Item::Separator => vec![format!("{indent}---")],
            Item::Submenu(label, items) => {
                let mut lines = vec![format!("{indent}{label} ▸")];
                lines.extend(shown(items, level + 1));
                lines
            }
        });
        lines.collect()
    }

    fn change(at: u64, what: &str) -> Change {
        Change {
            at,
            what: what.to_owned(),
        }
    }

    #[test]
    fn without_a_folder_there_is_the_window_and_quit() {
        let menu = menu(&Status::default());
        assert_eq!(
            shown(&menu, 0),
            [
                "Anabranch syncs no folder yet",
                "---",
                "» Open Anabranch",
                "» Settings",
                "» Help",
                "» Quit"
            ]
        );
        assert_eq!(
            acts(&menu),
            [
                Act::OpenWindow,
                Act::OpenPage(Page::Settings),
                Act::OpenPage(Page::Help),
                Act::Quit
            ]
        );
    }

    #[test]
    fn a_question_that_wants_a_text_opens_the_window() {
        let asked = Folder {
            question: Some(Question {
                id: "login-1".to_owned(),
                text: "desk wants the password of ann.".to_owned(),
                yes: "Log in".to_owned(),
                no: "Don't log in".to_owned(),
                typed: Some(contract::Typed::Secret),
            }),
            ..folder("/home/ann/Photos", State::NeedsYou)
        };
        let menu = menu(&Status::of(vec![asked]));
        assert!(shown(&menu, 0).contains(&"  » Log in…".to_owned()));
        let declines = Act::Ask(
            "/home/ann/Photos".to_owned(),
            Command::Answer {
                question: Some("login-1".to_owned()),
                yes: false,
            },
        );
        assert_eq!(acts(&menu)[..2], [Act::OpenPage(Page::Folders), declines]);
    }

    #[test]
    fn everything_has_its_place() {
        let photos = Folder {
            question: Some(Question {
                id: "removed".to_owned(),
                text: "3 of 5 files are gone. Did you delete them on purpose? They are of v1.2".to_owned(),
                yes: "Delete them".to_owned(),
                no: "Bring them back".to_owned(),
                typed: None,
            }),
            problems: ["one", "two", "three", "four"].map(problem).to_vec(),
            recent: vec![change(30, "sent 2 files"), change(10, "added a.jpg")],
            ..folder("/home/ann/Photos", State::NeedsYou)
        };
        let notes = Folder {
            recent: vec![change(20, "received b.txt")],
            ..folder("/home/ann/Notes", State::Safe)
        };
        let menu = menu(&Status::of(vec![photos, notes]));
        assert_eq!(
            shown(&menu, 0),
            [
                "Photos: NeedsYou",
                "» Photos: one",
                "» Photos: two",
                "» Photos: three",
                "Photos: a question waits for your answer ▸",
                "  3 of 5 files are gone.",
                "  Did you delete them on purpose?",
                "  They are of v1.2",
                "  ---",
                "  » Delete them",
                "  » Bring them back",
                "---",
                "Photos ▸",
                "  NeedsYou",
                "  » Open",
                "  » Sync now",
                "  » Pause",
                "Notes ▸",
                "  Safe",
                "  » Open",
                "  » Sync now",
                "  » Pause",
                "---",
                "Recent changes ▸",
                "  » Photos: sent 2 files",
                "  » Notes: received b.txt",
                "  » Photos: added a.jpg",
                "Pause ▸",
                "  » For 30 minutes",
                "  » For 1 hour",
                "  » Until tomorrow",
                "  » Until I resume",
                "---",
                "» Open Anabranch",
                "» Settings",
                "» Help",
                "» Quit",
            ]
        );
        let ask = |folder: &str, command| Act::Ask(format!("/home/ann/{folder}"), command);
        let answer = |yes| Command::Answer {
            question: Some("removed".to_owned()),
            yes,
        };
        let open = |folder: &str| Act::OpenFolder(format!("/home/ann/{folder}"));
        assert_eq!(
            acts(&menu),
            [
                Act::OpenPage(Page::Problems),
                Act::OpenPage(Page::Problems),
                Act::OpenPage(Page::Problems),
                ask("Photos", answer(true)),
                ask("Photos", answer(false)),
                open("Photos"),
                ask("Photos", Command::Sync),
                ask("Photos", Command::Pause { until: None }),
                open("Notes"),
                ask("Notes", Command::Sync),
                ask("Notes", Command::Pause { until: None }),
                open("Photos"),
                open("Notes"),
                open("Photos"),
                Act::PauseAll(Span::Minutes(30)),
                Act::PauseAll(Span::Minutes(60)),
                Act::PauseAll(Span::UntilTomorrow),
                Act::PauseAll(Span::UntilResumed),
                Act::OpenWindow,
                Act::OpenPage(Page::Settings),
                Act::OpenPage(Page::Help),
                Act::Quit,
            ]
        );
    }

    #[test]
    fn a_folder_offers_what_its_state_allows() {
        let table = [
            (State::NeedsYou, &["Open", "Sync now", "Pause"][..]),
            (State::Stopped, &["Open", "Sync now", "Pause"]),
            (State::Working, &["Open", "Sync now", "Pause"]),
            (State::Waiting, &["Open", "Sync now", "Pause"]),
            (State::Safe, &["Open", "Sync now", "Pause"]),
        ];
        for (state, expected) in table {
            let menu = menu(&Status::of(vec![folder("/home/ann/Photos", state)]));
            let Some(Item::Submenu(label, items)) = menu.get(2) else {
                panic!("no submenu: {menu:?}")
            };
            assert_eq!(label, "Photos");
            let entries = items.iter().filter_map(|item| match item {
                Item::Entry(label, _) => Some(label.as_str()),
                Item::Words(_) | Item::Submenu(..) | Item::Separator => None,
            });
            assert_eq!(entries.collect::<Vec<_>>(), expected, "{state:?}");
        }
    }

    #[test]
    fn a_pause_is_explained_and_ended_where_it_can_be() {
        let until = Some(1_795_540_200);
        let asked = PauseReason::Asked;
        type Row = (State, PauseReason, Option<u64>, &'static [&'static str]);
        let table: [Row; 3] = [
            (
                State::Paused,
                asked,
                until,
                &["Paused, until Tue 17:10", "» Open", "» Sync now", "» Resume"],
            ),
            (
                State::NeedsYou,
                asked,
                None,
                &["Paused", "» Open", "» Sync now", "» Resume"],
            ),
            (
                State::Paused,
                PauseReason::Battery,
                None,
                &[
                    "Paused while this computer runs on battery",
                    "» Open",
                    "» Sync now",
                    "» Resume",
                ],
            ),
        ];
        for (state, reason, until, expected) in table {
            let paused = Folder {
                pause: Some(Pause { reason, until }),
                ..folder("/home/ann/Photos", state)
            };
            let Some(Item::Submenu(_, items)) = menu(&Status::of(vec![paused])).into_iter().nth(2) else {
                panic!("no submenu")
            };
            assert_eq!(shown(&items[1..], 0), expected);
        }
    }

    #[test]
    fn problems_of_the_program_come_first() {
        let status = Status {
            problems: vec![problem("the settings have a mistake")],
            ..Status::of(vec![Folder {
                problems: ["one", "two", "three"].map(problem).to_vec(),
                ..folder("/home/ann/Photos", State::NeedsYou)
            }])
        };
        let lines = shown(&menu(&status), 0);
        let expected = ["» the settings have a mistake", "» Photos: one", "» Photos: two", "---"];
        assert_eq!(lines[1..5], expected);
    }

    #[test]
    fn the_eight_newest_changes_are_shown() {
        let changes = |from: u64| (0..9).map(|age| change(100 - 2 * age - from, "x")).collect();
        let folders = [0, 1].map(|from| Folder {
            recent: changes(from),
            ..folder(&format!("/home/{from}"), State::Safe)
        });
        let menu = menu(&Status::of(folders.to_vec()));
        let lines = shown(&menu, 0);
        let recent: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.trim().strip_suffix(": x"))
            .collect();
        assert_eq!(recent, ["» 0", "» 1"].repeat(4));
    }

    #[test]
    fn what_an_entry_does_survives_the_way_through_the_desktop() {
        let acts = [
            Act::OpenWindow,
            Act::OpenPage(Page::Drives),
            Act::PauseAll(Span::UntilTomorrow),
            Act::Limit(Some(7)),
            Act::OpenFolder("/home/ann/\"Photos\" & <more>".to_owned()),
            Act::Ask(
                "/home/ann/Photos".to_owned(),
                Command::Answer {
                    question: None,
                    yes: false,
                },
            ),
            Act::Quit,
        ];
        for act in acts {
            let text = serde_json::to_string(&act).unwrap();
            assert_eq!(serde_json::from_str::<Act>(&text).unwrap(), act);
        }
    }
}
