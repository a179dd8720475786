//! What the tray shows: [`Tray`] is a pure function of the status, [`pace`] says when, [`item`] brings it to the desktop.

pub(crate) mod icon;
pub(crate) mod item;
pub(crate) mod menu;
pub(crate) mod pace;
pub(crate) mod scheme;

use contract::{Folder, State, Status};
use jiff::tz::TimeZone;

use icon::Icon;
use menu::Item;

/// Folders that the tooltip has room for.
const TOOLTIP_FOLDERS: usize = 5;

/// All that the tray shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tray {
    pub(crate) icon: Icon,
    pub(crate) title: String,
    pub(crate) tooltip: String,
    pub(crate) menu: Vec<Item>,
}

impl Tray {
    /// What is to be seen of this status, with times as in `zone`.
    pub(crate) fn of(status: &Status, zone: &TimeZone) -> Self {
        Self {
            icon: Icon::of(status),
            title: "Anabranch".to_owned(),
            tooltip: tooltip(status),
            menu: menu::of(status, zone),
        }
    }
}

/// The status in one line: the folder that matters most, or all of them if they are all well.
fn headline(status: &Status) -> String {
    if let Some(problem) = status.problems.first() {
        return text(&problem.what);
    }
    let most_urgent = status.folders.iter().min_by_key(|folder| folder.state);
    match most_urgent {
        None => "Anabranch syncs no folder yet".to_owned(),
        Some(folder) if folder.state == State::Safe && status.folders.len() > 1 => {
            format!("All {} folders are up to date", status.folders.len())
        }
        Some(folder) => line(status, folder),
    }
}

/// A folder in one line.
fn line(status: &Status, folder: &Folder) -> String {
    text(&format!("{}: {}", name(status, folder), folder.headline))
}

/// A problem of the program or of a folder that is not kept, then the folders.
fn tooltip(status: &Status) -> String {
    if status.folders.is_empty() {
        return headline(status);
    }
    let mut folders: Vec<&Folder> = status.folders.iter().collect();
    folders.sort_by_key(|folder| folder.state);
    let problem = status.problems.first().map(|problem| text(&problem.what));
    let shown = folders.iter().take(TOOLTIP_FOLDERS).map(|folder| line(status, folder));
    let mut lines: Vec<String> = problem.into_iter().chain(shown).collect();
    match folders.len().saturating_sub(TOOLTIP_FOLDERS) {
        0 => {}
        1 => lines.push("and 1 more folder".to_owned()),
        more => lines.push(format!("and {more} more folders")),
    }
    // Some hosts read a tooltip as markup, some do not: these look right in both.
    let tooltip = lines.join("\n");
    tooltip.replace('&', "＆").replace('<', "‹").replace('>', "›")
}

/// A folder's own name; its whole path if another folder has the same.
pub(crate) fn name(status: &Status, folder: &Folder) -> String {
    let last = |folder: &Folder| folder.path.rsplit('/').next().unwrap_or_default().to_owned();
    let own = last(folder);
    let is_alone = status.folders.iter().filter(|other| last(other) == own).count() == 1;
    if is_alone && !own.is_empty() {
        own
    } else {
        folder.path.clone()
    }
}

/// Text in one line that fits into a menu, whatever is in the names of files.
pub(crate) fn text(words: &str) -> String {
    const LONGEST: usize = 90;
    let plain = words.replace(char::is_control, "\u{fffd}");
    match plain.char_indices().nth(LONGEST) {
        None => plain,
        Some((end, _)) => format!("{}…", &plain[..end]),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use contract::Direction;

    use super::*;

    pub(crate) fn folder(path: &str, state: State) -> Folder {
        Folder {
            state,
            has_looked: state != State::Stopped,
            headline: format!("{state:?}"),
            ..Folder::at(path.to_owned())
        }
    }

    pub(crate) fn problem(what: &str) -> contract::Problem {
        contract::Problem {
            what: what.to_owned(),
            lost: String::new(),
            next: String::new(),
            remedy: String::new(),
            action: None,
        }
    }

    pub(crate) fn transfer(direction: Direction) -> contract::Progress {
        contract::Progress {
            id: String::new(),
            place: "disk".to_owned(),
            direction,
            what: "a.jpg".to_owned(),
            done: 0,
            total: 1,
        }
    }

    #[test]
    fn the_tooltip_names_the_most_urgent_folders_first() {
        let mut folders: Vec<Folder> = (1..=6)
            .map(|number| folder(&format!("/home/ann/{number}"), State::Safe))
            .collect();
        folders.push(folder("/home/ann/Tom & <Ann>", State::NeedsYou));
        let tray = Tray::of(&Status::of(folders), &TimeZone::UTC);
        let lines: Vec<&str> = tray.tooltip.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "Tom ＆ ‹Ann›: NeedsYou");
        assert_eq!(lines[5], "and 2 more folders");
    }

    #[test]
    fn a_folder_that_is_not_kept_is_told_before_those_that_are_safe() {
        let status = Status {
            problems: vec![problem("Anabranch does not sync /media/stick/Films: it is not there.")],
            ..Status::of(vec![folder("/home/ann/Notes", State::Safe)])
        };
        let tray = Tray::of(&status, &TimeZone::UTC);
        assert_eq!(tray.icon, Icon::NeedsYou);
        assert_eq!(
            tray.tooltip,
            "Anabranch does not sync /media/stick/Films: it is not there.\nNotes: Safe"
        );
    }

    #[test]
    fn folders_of_the_same_name_are_told_apart() {
        let folders = vec![folder("/a/Photos", State::Paused), folder("/b/Photos", State::Safe)];
        let tray = Tray::of(&Status::of(folders), &TimeZone::UTC);
        assert_eq!(tray.tooltip, "/a/Photos: Paused\n/b/Photos: Safe");
    }

    #[test]
    fn the_headline_is_that_of_the_folder_that_matters() {
        let headline = |states: &[State]| {
            let folders = states.iter().enumerate();
            let folders = folders.map(|(number, state)| folder(&format!("/home/{number}"), *state));
            super::headline(&Status::of(folders.collect()))
        };
        assert_eq!(headline(&[]), "Anabranch syncs no folder yet");
        assert_eq!(headline(&[State::Safe]), "0: Safe");
        assert_eq!(headline(&[State::Safe, State::Safe]), "All 2 folders are up to date");
        assert_eq!(headline(&[State::Safe, State::Waiting, State::Paused]), "2: Paused");
    }

    #[test]
    fn text_is_one_short_line() {
        assert_eq!(text("a\nb\u{7}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(text(&"é".repeat(91)), format!("{}…", "é".repeat(90)));
    }
}
