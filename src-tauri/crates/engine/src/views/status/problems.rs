//! The problems that need the user.

use super::*;

pub(super) fn problems(assistant: &Assistant, state: &FolderState) -> Vec<Problem> {
    let folder = place(state.annex());
    let mut problems: Vec<Problem> = of_root(assistant.root(), &folder).into_iter().collect();
    if let Some(trouble) = assistant.trouble() {
        problems.push(problem(
            format!("This folder has a problem: {trouble}."),
            "",
            Some(Action::Sync { folder: folder.clone() }),
        ));
    } else if let Some(why) = state.unsynced() {
        problems.push(problem(format!("Anabranch cannot sync this folder: {why}."), "", None));
    }
    problems.extend(state.waiting().into_iter().map(|waiting| Problem {
        what: format!("Anabranch cannot update {} yet: {}.", waiting.path, waiting.why),
        lost: "Nothing is lost; all other changes have arrived.".to_owned(),
        next: "Anabranch updates it as soon as it can.".to_owned(),
        remedy: waiting.why.remedy().to_owned(),
        action: Some(show_where(&folder, &waiting.path.to_string())),
    }));
    problems.extend(unwatched(state));
    problems.extend(state.rules().mistake.map(|mistake| {
        Problem {
            what: format!("Anabranch cannot read the rules of this folder: {mistake}"),
            lost: "Nothing is lost.".to_owned(),
            next:
                "Until you correct them, the previous rules apply. If there are none, Anabranch transfers no content."
                    .to_owned(),
            remedy: "Correct that line.".to_owned(),
            action: Some(Action::Show {
                path: state.annex().own_dir().join(policy::FILE).display().to_string(),
            }),
        }
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
        next: "Anabranch tries again by itself.".to_owned(),
        remedy: remedy.to_owned(),
        action,
    }
}

/// The folder is not where it was.
fn of_root(root: Root, folder: &str) -> Option<Problem> {
    let (what, remedy) = match root {
        Root::Same => return None,
        Root::Vanished => (
            format!("{folder} is missing. Nothing was deleted elsewhere."),
            "If it is on a drive, plug it in. If you no longer want it, stop syncing it.",
        ),
        Root::Replaced => (
            format!("Another folder or drive is in the place of {folder}. Nothing was deleted elsewhere."),
            "Put the right one back, or stop syncing it.",
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
        next: "Anabranch exchanges nothing with it.".to_owned(),
        remedy: format!(
            "Run '{}' and sync, but only if you know that it was set up again and that this is the fingerprint of its \
             new key.",
            key.forget
        ),
        action: Some(Action::Sync { folder: folder.clone() }),
    })
}

/// Computers on which nobody can log in.
fn refused_logins(state: &FolderState, folder: &str) -> impl Iterator<Item = Problem> {
    let folder = folder.to_owned();
    state.refused_logins().into_iter().map(move |(host, why)| Problem {
        what: format!("Anabranch cannot log in on {host}: {why}."),
        lost: "Nothing is lost.".to_owned(),
        next: "Until that works, Anabranch exchanges nothing with it.".to_owned(),
        remedy: "Sync when you have corrected it.".to_owned(),
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
            Why::Missing => "it is missing or was replaced",
            Why::WatchLimit => "the limit of watched directories (fs.inotify.max_user_watches) is reached",
            Why::Unreadable => "Anabranch cannot read it",
        };
        let path = path.display();
        Some(problem(
            format!("Anabranch notices changes in {path} only every 30 seconds: {why}."),
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
    let unstored = unstored.map(|waits| (waits, "Make room, or allow changes to it."));
    let all: Vec<_> = undecided.chain(unstored).collect();
    let more: usize = all.iter().skip(NAMED).map(|((_, _, count), _)| count).sum();
    if more > 0 {
        let what = format!(
            "Anabranch does not sync {} either, for other reasons ('anabranch why FILE' shows them).",
            files(more as u64)
        );
        problems.push(problem(what, "", None));
    }
    for ((why, first, count), remedy) in all.into_iter().take(NAMED) {
        let others = match count - 1 {
            0 => String::new(),
            1 => " and another file".to_owned(),
            others => format!(" and {others} other files"),
        };
        problems.push(problem(
            format!("Anabranch does not sync {first}{others}: {why}."),
            remedy,
            Some(show_where(folder, &first.to_string())),
        ));
    }
    problems.extend(state.log.unfit().into_iter().map(|(what, why)| {
        let show = show_where(folder, &what);
        problem(
            format!("Anabranch does not sync {what}: {why}."),
            "Correct this, or rename it.",
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
                format!("Anabranch fetches it again from {others}."),
                String::new(),
                Action::Sync {
                    folder: folder.to_owned(),
                },
            ),
            true => (
                "No other place has a known copy.".to_owned(),
                "Anabranch fetches it as soon as a place has it again.".to_owned(),
                "Put another copy of the file in its place if you have one.".to_owned(),
                show_where(folder, &damage.path.to_string()),
            ),
        };
        Problem {
            what: format!(
                "The content of {} in {} is damaged. Anabranch moved it aside there, to annex/bad in the git \
                 directory.",
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
