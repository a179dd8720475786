//! The menu as a value. What an entry does travels with it, so that a click that comes late still does what it said.

use contract::{Change, Command, Folder, State, Status};
use serde::{Deserialize, Serialize};

use super::{headline, name, text};

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

/// What a click does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    OpenWindow,
    /// Shows a folder's files.
    OpenFolder(String),
    /// Asks a folder's engine.
    Ask(String, Command),
    Quit,
}

/// The menu for this status.
pub(crate) fn of(status: &Status) -> Vec<Item> {
    let mut menu = vec![Item::Words(headline(status))];
    menu.extend(problems(status));
    menu.extend(status.folders.iter().filter_map(|folder| question(status, folder)));
    if !status.folders.is_empty() {
        menu.push(Item::Separator);
        menu.extend(status.folders.iter().map(|folder| submenu(status, folder)));
        menu.extend(recent(status));
    }
    menu.push(Item::Separator);
    menu.push(Item::Entry("Open Anabranch".to_owned(), Act::OpenWindow));
    menu.push(Item::Entry("Quit".to_owned(), Act::Quit));
    menu
}

fn problems(status: &Status) -> impl Iterator<Item = Item> {
    let own = status.problems.iter().map(|problem| text(&problem.what));
    let problems = status.folders.iter().flat_map(|folder| {
        let name = name(status, folder);
        folder
            .problems
            .iter()
            .map(move |problem| text(&format!("{name}: {}", problem.what)))
    });
    own.chain(problems)
        .take(PROBLEMS)
        .map(|problem| Item::Entry(problem, Act::OpenWindow))
}

/// The question in full, as lines to read, with both answers.
fn question(status: &Status, folder: &Folder) -> Option<Item> {
    let question = folder.question.as_ref()?;
    let mut items: Vec<Item> = sentences(&question.text).map(Item::Words).collect();
    let answer = |yes| Act::Ask(folder.path.clone(), Command::Answer { yes });
    items.extend([
        Item::Separator,
        Item::Entry(text(&question.yes), answer(true)),
        Item::Entry(text(&question.no), answer(false)),
    ]);
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

fn submenu(status: &Status, folder: &Folder) -> Item {
    let ask = |label: &str, command| Item::Entry(label.to_owned(), Act::Ask(folder.path.clone(), command));
    let (pause, resume) = (
        ask("Pause", Command::Pause { until: None }),
        ask("Resume", Command::Resume),
    );
    let mut items = vec![
        Item::Words(text(&folder.headline)),
        Item::Entry("Open".to_owned(), Act::OpenFolder(folder.path.clone())),
        ask("Sync now", Command::Sync),
    ];
    match folder.state {
        State::Paused => items.push(resume),
        // What needs the user hides whether it is paused.
        State::NeedsYou => items.extend([pause, resume]),
        State::Stopped | State::Working | State::Waiting | State::Safe => items.push(pause),
    }
    Item::Submenu(text(&name(status, folder)), items)
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
mod tests {
    use contract::Question;

    use super::super::tests::{folder, problem};
    use super::*;

    /// The menu as text: two blanks for each level, `»` before what can be chosen.
    fn shown(items: &[Item], level: usize) -> Vec<String> {
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

    fn acts(items: &[Item]) -> Vec<Act> {
        let acts = items.iter().flat_map(|item| match item {
            Item::Entry(_, act) => vec![act.clone()],
            Item::Submenu(_, items) => acts(items),
            Item::Words(_) | Item::Separator => Vec::new(),
        });
        acts.collect()
    }

    fn change(at: u64, what: &str) -> Change {
        Change {
            at,
            what: what.to_owned(),
        }
    }

    #[test]
    fn without_a_folder_there_is_the_window_and_quit() {
        let menu = of(&Status::default());
        assert_eq!(
            shown(&menu, 0),
            ["No folder is kept in sync", "---", "» Open Anabranch", "» Quit"]
        );
        assert_eq!(acts(&menu), [Act::OpenWindow, Act::Quit]);
    }

    #[test]
    fn everything_has_its_place() {
        let photos = Folder {
            question: Some(Question {
                text: "3 of 5 files are gone. Were they deleted on purpose? They are of v1.2".to_owned(),
                yes: "Delete them".to_owned(),
                no: "Bring them back".to_owned(),
            }),
            problems: ["one", "two", "three", "four"].map(problem).to_vec(),
            recent: vec![change(30, "sent 2 files"), change(10, "added a.jpg")],
            ..folder("/home/ann/Photos", State::NeedsYou)
        };
        let notes = Folder {
            recent: vec![change(20, "received b.txt")],
            ..folder("/home/ann/Notes", State::Safe)
        };
        let menu = of(&Status::of(vec![photos, notes]));
        assert_eq!(
            shown(&menu, 0),
            [
                "Photos: NeedsYou",
                "» Photos: one",
                "» Photos: two",
                "» Photos: three",
                "Photos: a question waits for your answer ▸",
                "  3 of 5 files are gone.",
                "  Were they deleted on purpose?",
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
                "  » Resume",
                "Notes ▸",
                "  Safe",
                "  » Open",
                "  » Sync now",
                "  » Pause",
                "Recent changes ▸",
                "  » Photos: sent 2 files",
                "  » Notes: received b.txt",
                "  » Photos: added a.jpg",
                "---",
                "» Open Anabranch",
                "» Quit",
            ]
        );
        let ask = |folder: &str, command| Act::Ask(format!("/home/ann/{folder}"), command);
        let open = |folder: &str| Act::OpenFolder(format!("/home/ann/{folder}"));
        assert_eq!(
            acts(&menu),
            [
                Act::OpenWindow,
                Act::OpenWindow,
                Act::OpenWindow,
                ask("Photos", Command::Answer { yes: true }),
                ask("Photos", Command::Answer { yes: false }),
                open("Photos"),
                ask("Photos", Command::Sync),
                ask("Photos", Command::Pause { until: None }),
                ask("Photos", Command::Resume),
                open("Notes"),
                ask("Notes", Command::Sync),
                ask("Notes", Command::Pause { until: None }),
                open("Photos"),
                open("Notes"),
                open("Photos"),
                Act::OpenWindow,
                Act::Quit,
            ]
        );
    }

    #[test]
    fn a_folder_offers_what_its_state_allows() {
        let table = [
            (State::NeedsYou, &["Open", "Sync now", "Pause", "Resume"][..]),
            (State::Stopped, &["Open", "Sync now", "Pause"]),
            (State::Paused, &["Open", "Sync now", "Resume"]),
            (State::Working, &["Open", "Sync now", "Pause"]),
            (State::Waiting, &["Open", "Sync now", "Pause"]),
            (State::Safe, &["Open", "Sync now", "Pause"]),
        ];
        for (state, expected) in table {
            let menu = of(&Status::of(vec![folder("/home/ann/Photos", state)]));
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
    fn the_eight_newest_changes_are_shown() {
        let changes = |from: u64| (0..9).map(|age| change(100 - 2 * age - from, "x")).collect();
        let folders = [0, 1].map(|from| Folder {
            recent: changes(from),
            ..folder(&format!("/home/{from}"), State::Safe)
        });
        let menu = of(&Status::of(folders.to_vec()));
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
            Act::OpenFolder("/home/ann/\"Photos\" & <more>".to_owned()),
            Act::Ask("/home/ann/Photos".to_owned(), Command::Answer { yes: false }),
            Act::Quit,
        ];
        for act in acts {
            let text = serde_json::to_string(&act).unwrap();
            assert_eq!(serde_json::from_str::<Act>(&text).unwrap(), act);
        }
    }
}
