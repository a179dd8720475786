//! A status in words, for the terminal.

use std::fmt::Write;

use contract::{Contact, Direction, Folder, Progress, Why};

/// All there is to say of a folder.
pub(crate) fn summary(folder: &Folder) -> String {
    let mut text = format!("{}: {}\n", folder.path, folder.headline);
    // Writing to a string cannot fail.
    let mut line = |part: String| {
        let _ = writeln!(text, "  {part}");
    };
    if let Some(question) = &folder.question {
        line(format!("? {}", question.text));
        line(format!("  'anabranch answer yes': {}", question.yes));
        line(format!("  'anabranch answer no': {}", question.no));
    }
    if folder.pause.is_some() {
        line("'anabranch resume' lets it go on".to_owned());
    }
    for problem in &folder.problems {
        line(format!(
            "! {} {} {} {}",
            problem.what, problem.lost, problem.next, problem.remedy
        ));
    }
    for place in &folder.places {
        line(format!(
            "{}: {}",
            place.name,
            contact(&place.contact, place.has_commits, place.wants, place.wants_bytes)
        ));
    }
    for transfer in &folder.transfers {
        line(progress(transfer));
    }
    for waiting in &folder.waiting {
        line(format!("waiting: {waiting}"));
    }
    text.trim_end().to_owned()
}

/// Where a file is, and what each place that lacks it waits for.
pub(crate) fn why(why: &Why) -> String {
    let missing = why.missing.iter();
    let reasons = missing.map(|missing| format!("\n  {}: {}", missing.place, missing.reason));
    format!("{}: {}{}", why.path, why.sentence, reasons.collect::<String>())
}

fn contact(contact: &Contact, has_commits: bool, wants: u64, bytes: u64) -> String {
    match contact {
        Contact::Unknown => "being looked for".to_owned(),
        Contact::Away(why) => format!("away: {why}"),
        Contact::Unsupported(why) => format!("left alone: {why}"),
        Contact::Here if wants > 0 => format!("wants {} ({}) that it does not have", engine::files(wants), size(bytes)),
        Contact::Here if !has_commits => "does not have all changes yet".to_owned(),
        Contact::Here => "has everything that it wants".to_owned(),
    }
}

pub(crate) fn progress(transfer: &Progress) -> String {
    let arrow = match transfer.direction {
        Direction::Receiving => "←",
        Direction::Sending => "→",
    };
    let percent = transfer
        .done
        .saturating_mul(100)
        .checked_div(transfer.total)
        .unwrap_or(0)
        .min(100);
    let of = size(transfer.total);
    format!("{arrow} {}  {}  {percent} % of {of}", transfer.place, transfer.what)
}

/// A size in the largest unit of 1000 that leaves a number of at least 1.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::{contact, size, why};

    #[test]
    fn one_file_is_one() {
        let wants = |files| contact(&contract::Contact::Here, true, files, 2000);
        assert_eq!(wants(1), "wants 1 file (2.0 kB) that it does not have");
        assert_eq!(wants(2), "wants 2 files (2.0 kB) that it does not have");
    }

    #[test]
    fn a_file_is_told_with_what_each_place_waits_for() {
        let missing = |place: &str, reason: &str| contract::Missing {
            place: place.to_owned(),
            reason: reason.to_owned(),
        };
        let told = why(&contract::Why {
            path: "a.jpg".to_owned(),
            key: None,
            have: Vec::new(),
            want: Vec::new(),
            missing: vec![missing("stick", "it is away"), missing("disk", "a rule keeps it away")],
            sentence: "its content is in laptop".to_owned(),
        });
        assert_eq!(
            told,
            "a.jpg: its content is in laptop\n  stick: it is away\n  disk: a rule keeps it away"
        );
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1000, 1999, 1_500_000, 12_345_678_901].map(size);
        assert_eq!(sizes, ["0 bytes", "999 bytes", "1.0 kB", "1.9 kB", "1.5 MB", "12.3 GB"]);
    }
}
