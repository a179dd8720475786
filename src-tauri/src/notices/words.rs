//! Which notices a status calls for, and in which words; whether they were told already does not matter here.

use contract::{Drive, Folder, Request, Standing, State, Status};

use super::history::{History, WEEK, is_moving};
use super::{About, Notice, Said, Urgency};
use crate::acts::Act;
use crate::tray::{name, text};
use crate::windows::Page;

/// All that is true and worth a notice, the most urgent first.
pub(super) fn of(history: &History, status: &Status, at: u64) -> Vec<Notice> {
    let folders = || status.folders.iter();
    let drives = || status.drives.iter();
    let mut notices: Vec<Notice> = Vec::new();
    notices.extend(folders().filter_map(|folder| question(status, folder)));
    notices.extend(folders().filter_map(|folder| damage(status, folder)));
    notices.extend(history.said().map(|(number, said)| answer(number, said)));
    notices.extend(drives().filter_map(new_drive));
    notices.extend(history.pulled_out().map(|(id, name)| pulled_out(id, name)));
    notices.extend(folders().filter_map(|folder| conflicts(status, folder, history.conflicts_told(folder))));
    notices.extend(folders().flat_map(|folder| full(status, folder)));
    notices.extend(folders().flat_map(|folder| overdue(history, status, folder, at)));
    notices.extend(folders().filter_map(|folder| few_copies(history, status, folder, at)));
    notices.extend(drives().filter_map(|drive| up_to_date(status, drive)));
    notices.extend(folders().filter_map(|folder| in_step(history, status, folder)));
    notices
}

fn question(status: &Status, folder: &Folder) -> Option<Notice> {
    let question = folder.question.as_ref()?;
    let no = contract::Command::Answer {
        question: Some(question.id.clone()),
        yes: false,
    };
    let no = Act::Ask(folder.path.clone(), no);
    let (urgency, category) = match folder.state {
        State::NeedsYou => (Urgency::Critical, "transfer.error"),
        // Nothing waits for the answer.
        State::Stopped | State::Paused | State::Working | State::Waiting | State::Safe => (Urgency::Normal, "transfer"),
    };
    Some(Notice {
        about: About::Question(folder.path.clone()),
        urgency,
        category,
        title: format!("{}: a question waits for your answer", short(status, folder)),
        body: question.text.clone(),
        elsewhere: "Answer it in Anabranch's window or in the menu of its icon.".to_owned(),
        actions: vec![page("Review…", Page::Folders), (text(&question.no), Some(no))],
        count: 1,
    })
}

fn damage(status: &Status, folder: &Folder) -> Option<Notice> {
    let files = match folder.damaged {
        0 => return None,
        1 => "The content of a file is damaged. Anabranch moved it aside".to_owned(),
        count => format!("The content of {count} files is damaged. Anabranch moved it aside"),
    };
    Some(Notice {
        about: About::Damage(folder.path.clone()),
        urgency: Urgency::Critical,
        category: "transfer.error",
        title: format!("{}: damaged files", short(status, folder)),
        body: format!("{files}. The page Problems shows whether another place has a good copy."),
        elsewhere: "Open Anabranch's window, page Problems.".to_owned(),
        actions: vec![page("Details…", Page::Problems)],
        count: folder.damaged,
    })
}

fn answer(number: u64, said: &Said) -> Notice {
    Notice {
        about: About::Answer(number),
        urgency: Urgency::Normal,
        category: "transfer",
        title: text(&said.title),
        body: said.body.clone(),
        elsewhere: String::new(),
        actions: Vec::new(),
        count: 1,
    }
}

fn new_drive(drive: &Drive) -> Option<Notice> {
    if drive.standing != Standing::New {
        return None;
    }
    let decline = Request::DeclineDrive {
        drive: drive.id.clone(),
    };
    Some(Notice {
        about: About::NewDrive(drive.id.clone()),
        urgency: Urgency::Normal,
        category: "device.added",
        title: text(&format!("A new drive: {}", drive.name)),
        body: "It can hold copies of your folders, or carry files between computers. Anabranch writes nothing to it \
             unless you say so."
            .to_owned(),
        elsewhere: "To use it, open Anabranch's window, page Drives.".to_owned(),
        actions: vec![
            page("Use it…", Page::Drives),
            ("Not this one".to_owned(), Some(Act::Request(decline))),
        ],
        count: 1,
    })
}

fn pulled_out(id: &str, name: &str) -> Notice {
    Notice {
        about: About::PulledOut(id.to_owned()),
        urgency: Urgency::Normal,
        category: "device.removed",
        title: text(&format!("{name} was unplugged during a transfer")),
        body: "Nothing is lost. The transfer resumes when you plug the drive in again.".to_owned(),
        elsewhere: "Anabranch's window shows the files that are left, on the page Places.".to_owned(),
        actions: vec![page("Show files left…", Page::Places)],
        count: 1,
    }
}

fn conflicts(status: &Status, folder: &Folder, told: u64) -> Option<Notice> {
    let body = match folder.conflicts.saturating_sub(told) {
        _ if folder.conflicts == 0 => return None,
        1 => "A file was changed in two places at the same time. Both versions are in the folder.".to_owned(),
        new => {
            format!("{new} files were changed in two places at the same time. All versions of each are in the folder.")
        }
    };
    Some(Notice {
        about: About::Conflicts(folder.path.clone()),
        urgency: Urgency::Normal,
        category: "transfer",
        title: format!("{}: both versions kept", short(status, folder)),
        body,
        elsewhere: "Compare them in Anabranch's window, page Conflicts.".to_owned(),
        actions: vec![page("Compare…", Page::Conflicts), ("Later".to_owned(), None)],
        count: folder.conflicts,
    })
}

fn full(status: &Status, folder: &Folder) -> Vec<Notice> {
    let notice = |full: &String| {
        let place = match *full == folder.path {
            true => "This computer's disk",
            false => full,
        };
        Notice {
            about: About::Full(folder.path.clone(), full.clone()),
            urgency: Urgency::Normal,
            category: "transfer.error",
            title: format!("{}: disk full", short(status, folder)),
            body: format!("{place} is full. Nothing is lost: files wait until there is space again."),
            elsewhere: "Anabranch's window shows the files that wait, on the page Folders.".to_owned(),
            actions: vec![page("Show waiting files…", Page::Folders)],
            count: 1,
        }
    };
    folder.full.iter().map(notice).collect()
}

fn overdue(history: &History, status: &Status, folder: &Folder, at: u64) -> Vec<Notice> {
    let late = folder.places.iter().filter(|place| {
        let since = history.lacks_since(folder, &place.name);
        since.is_some_and(|since| at >= since.saturating_add(WEEK))
    });
    let notice = |place: &contract::Place| Notice {
        about: About::Overdue(folder.path.clone(), place.name.clone()),
        urgency: Urgency::Normal,
        category: "transfer",
        title: text(&format!("{}: {} is behind", name(status, folder), place.name)),
        body: match place.wants {
            1 => format!(
                "{} has not been up to date for a week: 1 file is missing there.",
                place.name
            ),
            count => format!(
                "{} has not been up to date for a week: {count} files are missing there.",
                place.name
            ),
        },
        elsewhere: "Anabranch's window shows them, on the page Places.".to_owned(),
        actions: vec![page("Show files…", Page::Places)],
        count: 1,
    };
    late.map(notice).collect()
}

fn few_copies(history: &History, status: &Status, folder: &Folder, at: u64) -> Option<Notice> {
    let since = history.few_since(folder)?;
    if at < since.saturating_add(WEEK) {
        return None;
    }
    let files = match folder.few_copies {
        1 => "1 file has".to_owned(),
        count => format!("{count} files have"),
    };
    Some(Notice {
        about: About::FewCopies(folder.path.clone()),
        urgency: Urgency::Normal,
        category: "transfer",
        title: format!("{}: too few copies", short(status, folder)),
        body: format!("{files} had too few copies for a week. Add another place to get more."),
        elsewhere: "Anabranch's window shows them, on the page Places.".to_owned(),
        actions: vec![page("Show files…", Page::Places)],
        count: 1,
    })
}

fn up_to_date(status: &Status, drive: &Drive) -> Option<Notice> {
    let is_up_to_date = matches!(drive.standing, Standing::InUse { up_to_date: true, .. });
    // While contents come from it, it is no time to take it out.
    if !is_up_to_date || is_moving(status, drive) {
        return None;
    }
    let eject = Request::Eject {
        drive: drive.id.clone(),
    };
    let (elsewhere, actions) = match drive.can_eject {
        true => (
            "Before you take it out, eject it in Anabranch's window or in the menu of its icon.",
            vec![("Eject".to_owned(), Some(Act::Request(eject)))],
        ),
        false => ("", Vec::new()),
    };
    Some(Notice {
        about: About::UpToDate(drive.id.clone()),
        urgency: Urgency::Low,
        category: "transfer.complete",
        title: text(&format!("{} is up to date", drive.name)),
        body: "All files that belong on it are on it.".to_owned(),
        elsewhere: elsewhere.to_owned(),
        actions,
        count: 1,
    })
}

fn in_step(history: &History, status: &Status, folder: &Folder) -> Option<Notice> {
    if folder.state != contract::State::Safe || !history.has_lacked(folder) {
        return None;
    }
    Some(Notice {
        about: About::InStep(folder.uuid.clone()),
        urgency: Urgency::Low,
        category: "transfer.complete",
        title: format!("{} is up to date", short(status, folder)),
        body: "All files have arrived everywhere they should be.".to_owned(),
        elsewhere: String::new(),
        actions: vec![("Open folder".to_owned(), Some(Act::OpenFolder(folder.path.clone())))],
        count: 1,
    })
}

fn short(status: &Status, folder: &Folder) -> String {
    text(&name(status, folder))
}

fn page(label: &str, page: Page) -> (String, Option<Act>) {
    (label.to_owned(), Some(Act::OpenPage(page)))
}
