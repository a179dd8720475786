//! The problems that need the user.

use super::*;

pub(super) fn problems(assistant: &Assistant, state: &FolderState) -> Vec<Problem> {
    let folder = place(state.annex());
    let mut problems: Vec<Problem> = of_root(assistant.root(), &folder).into_iter().collect();
    if let Some(trouble) = assistant.trouble() {
        problems.push(problem(
            format!("Something could not be done here: {trouble}."),
            "",
            Some(Action::Sync { folder: folder.clone() }),
        ));
    } else if let Some(why) = state.unsynced() {
        problems.push(problem(format!("Nothing is synced here: {why}."), "", None));
    }
    problems.extend(state.waiting().into_iter().map(|waiting| Problem {
        what: format!("A change from elsewhere waits for {}: {}.", waiting.path, waiting.why),
        lost: "Nothing is lost; all other changes have arrived.".to_owned(),
        next: "It arrives by itself as soon as that is possible.".to_owned(),
        remedy: waiting.why.remedy().to_owned(),
        action: Some(show_where(&folder, &waiting.path.to_string())),
    }));
    problems.extend(unwatched(state));
    problems.extend(state.rules().mistake.map(|mistake| Problem {
        what: format!("The rules of this folder cannot be read: {mistake}"),
        lost: "Nothing is lost.".to_owned(),
        next: "Until they can be read the rules before are in force; without any, no content moves.".to_owned(),
        remedy: "Correct that line.".to_owned(),
        action: Some(Action::Show {
            path: state.annex().own_dir().join(policy::FILE).display().to_string(),
        }),
    }));
    problems.extend(changed_keys(state, &folder));
    problems.extend(refused_logins(state, &folder));
    problems.extend(damages(state, &folder));
    problems.extend(left_out(state, &folder));
    problems
}

/// A problem by which nothing is lost.
fn problem(what: String, remedy: &str, action: Option<Action>) -> Problem {
    Problem {
        what,
        lost: "Nothing is lost.".to_owned(),
        next: "It will be looked at again by itself.".to_owned(),
        remedy: remedy.to_owned(),
        action,
    }
}

/// The folder is not where it was.
fn of_root(root: Root, folder: &str) -> Option<Problem> {
    let (what, remedy) = match root {
        Root::Same => return None,
        Root::Vanished => (
            format!("{folder} is not there any more, so nothing is taken for deleted."),
            "If it is on a drive, plug it in. If it is not wanted any more, stop keeping it.",
        ),
        Root::Replaced => (
            format!("Another folder or drive is in the place of {folder}, so nothing is taken for deleted."),
            "Put the right one back, or stop keeping it.",
        ),
    };
    let folder = folder.to_owned();
    Some(problem(what, remedy, Some(Action::Leave { folder })))
}

/// Computers that are perhaps others than before.
fn changed_keys(state: &FolderState, folder: &str) -> impl Iterator<Item = Problem> {
    let folder = folder.to_owned();
    state.changed_keys().into_iter().map(move |(host, key)| Problem {
        what: format!(
            "DANGER: {host} has another host key than before ({}). Somebody may be pretending to be that computer, or \
             it was set up again.",
            key.fingerprint
        ),
        lost: "Nothing was sent there, and nothing is lost.".to_owned(),
        next: "Nothing is exchanged with it.".to_owned(),
        remedy: format!(
            "Only if you know that it was set up again, and this is the fingerprint of its new key: run '{}', and sync.",
            key.forget
        ),
        action: Some(Action::Sync { folder: folder.clone() }),
    })
}

/// Computers on which nobody can log in.
fn refused_logins(state: &FolderState, folder: &str) -> impl Iterator<Item = Problem> {
    let folder = folder.to_owned();
    state.refused_logins().into_iter().map(move |(host, why)| Problem {
        what: format!("Nobody can log in on {host}: {why}."),
        lost: "Nothing is lost.".to_owned(),
        next: "Until that works, nothing is exchanged with it.".to_owned(),
        remedy: "When it should work, sync.".to_owned(),
        action: Some(Action::Sync { folder: folder.clone() }),
    })
}

/// Directories whose changes nobody tells.
fn unwatched(state: &FolderState) -> impl Iterator<Item = Problem> {
    state.log.blind().into_iter().filter_map(|(path, why)| {
        let why = match why {
            // That is as it must be there: a note tells it.
            Why::Elsewhere => return None,
            Why::Overflow => "too much changed at once",
            Why::Missing => "it is not there, or was replaced",
            Why::WatchLimit => "the limit of watched directories (fs.inotify.max_user_watches) is reached",
            Why::Unreadable => "it cannot be read",
        };
        let path = path.display();
        Some(problem(
            format!("Changes in {path} are noticed only every 30 seconds: {why}."),
            "Raise the limit or make it readable.",
            None,
        ))
    })
}

/// Files that are not synced, by reason: the first few, and how many more.
fn left_out(state: &FolderState, folder: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
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
            Some(show_where(folder, &first.to_string())),
        ));
    }
    problems.extend(state.log.unfit().into_iter().map(|(what, why)| {
        let show = show_where(folder, &what);
        problem(
            format!("{what} is left out: {why}."),
            "Rename it, or put that right.",
            Some(show),
        )
    }));
    problems
}

/// The action that shows the directory of a file.
pub(super) fn show_where(folder: &str, file: &str) -> Action {
    let file = Path::new(folder).join(file);
    let directory = file.parent().unwrap_or(&file);
    Action::Show {
        path: directory.display().to_string(),
    }
}

/// Problems about damaged content that is not repaired yet.
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
