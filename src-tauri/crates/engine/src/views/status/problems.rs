//! What needs the user.

use super::*;
pub(super) fn problems(assistant: &Assistant, state: &FolderState) -> Vec<Problem> {
    let mut problems = Vec::new();
    let problem = |what: String, remedy: &str, action| Problem {
        what,
        lost: "Nothing is lost.".to_owned(),
        next: "It will be looked at again by itself.".to_owned(),
        remedy: remedy.to_owned(),
        action,
    };
    let folder = place(state.annex());
    let leave = || Some(Action::Leave { folder: folder.clone() });
    match assistant.root() {
        Root::Same => {}
        Root::Vanished => problems.push(problem(
            format!("{folder} is not there any more, so nothing is taken for deleted."),
            "If it is on a drive, plug it in. If it is not wanted any more, stop keeping it.",
            leave(),
        )),
        Root::Replaced => problems.push(problem(
            format!("Another folder or drive is in the place of {folder}, so nothing is taken for deleted."),
            "Put the right one back, or stop keeping it.",
            leave(),
        )),
    }
    if let Some(trouble) = assistant.trouble() {
        problems.push(problem(
            format!("Something could not be done here: {trouble}."),
            "",
            Some(Action::Sync { folder: folder.clone() }),
        ));
    } else if let Some(why) = state.unsynced() {
        problems.push(problem(format!("Nothing is synced here: {why}."), "", None));
    }
    for waiting in state.waiting() {
        problems.push(Problem {
            what: format!("A change from elsewhere waits for {}: {}.", waiting.path, waiting.why),
            lost: "Nothing is lost; all other changes have arrived.".to_owned(),
            next: "It arrives by itself as soon as that is possible.".to_owned(),
            remedy: waiting.why.remedy().to_owned(),
            action: Some(show_where(&folder, &waiting.path.to_string())),
        });
    }
    for (path, why) in state.log.blind() {
        let why = match why {
            // That is as it must be there: a note tells it.
            Why::Elsewhere => continue,
            Why::Overflow => "too much changed at once",
            Why::Missing => "it is not there, or was replaced",
            Why::WatchLimit => "the limit of watched directories (fs.inotify.max_user_watches) is reached",
            Why::Unreadable => "it cannot be read",
        };
        problems.push(problem(
            format!(
                "Changes in {} are noticed only every 30 seconds: {why}.",
                path.display()
            ),
            "Raise the limit or make it readable.",
            None,
        ));
    }
    if let Some(mistake) = state.rules().mistake {
        problems.push(Problem {
            what: format!("The rules of this folder cannot be read: {mistake}"),
            lost: "Nothing is lost.".to_owned(),
            next: "Until they can be read the rules before are in force; without any, no content moves.".to_owned(),
            remedy: "Correct that line.".to_owned(),
            action: Some(Action::Show {
                path: state.annex().own_dir().join(policy::FILE).display().to_string(),
            }),
        });
    }
    problems.extend(damages(state, &folder));
    let undecided = state.log.undecided().into_iter();
    let undecided = undecided.map(|waits| (waits, "Correct the setting or the rule."));
    let unstored = state.log.unstored().into_iter();
    let unstored = unstored.map(|waits| (waits, "Make room, or let it be changed."));
    let all: Vec<_> = undecided.chain(unstored).collect();
    let more: usize = all.iter().skip(NAMED).map(|((_, _, count), _)| count).sum();
    if more > 0 {
        let what = format!(
            "{} more are left out for other reasons ('anabranch why FILE' tells them).",
            files(more as u64)
        );
        problems.push(problem(what, "", None));
    }
    for ((why, first, count), remedy) in all.into_iter().take(NAMED) {
        let are = match count - 1 {
            0 => "is".to_owned(),
            1 => "and another file are".to_owned(),
            others => format!("and {others} other files are"),
        };
        problems.push(problem(
            format!("{first} {are} left out: {why}."),
            remedy,
            Some(show_where(&folder, &first.to_string())),
        ));
    }
    for (what, why) in state.log.unfit() {
        let show = show_where(&folder, &what);
        problems.push(problem(
            format!("{what} is left out: {why}."),
            "Rename it, or put that right.",
            Some(show),
        ));
    }
    problems
}

/// The directory of a file.
pub(super) fn show_where(folder: &str, file: &str) -> Action {
    let file = Path::new(folder).join(file);
    let directory = file.parent().unwrap_or(&file);
    Action::Show {
        path: directory.display().to_string(),
    }
}

/// Contents that were found damaged and are not made good yet.
pub(super) fn damages(state: &FolderState, folder: &str) -> Vec<Problem> {
    let name = |uuid: &Uuid| match uuid == state.annex().uuid() {
        true => "this folder".to_owned(),
        false => state.description(uuid),
    };
    let problem = |(place, damage): (&Uuid, &Damage)| {
        let others = damage.have.iter().filter(|uuid| *uuid != place);
        let others: Vec<String> = others.map(name).collect();
        let others = others.join(", ");
        let (lost, next, remedy, action) = match others.is_empty() {
            false => (
                format!("Nothing is lost: {others} has it."),
                format!("It will be fetched again from {others}."),
                String::new(),
                Action::Sync {
                    folder: folder.to_owned(),
                },
            ),
            true => (
                "No other place is known to have it.".to_owned(),
                "It will be fetched as soon as a place has it again.".to_owned(),
                "Put another copy of the file in its place if you have one.".to_owned(),
                show_where(folder, &damage.path.to_string()),
            ),
        };
        Problem {
            what: format!(
                "The content of {} in {} is damaged; it was set aside there, in annex/bad of the git directory.",
                damage.path,
                name(place)
            ),
            lost,
            next,
            remedy,
            action: Some(action),
        }
    };
    state.failures().damaged().map(problem).collect()
}
