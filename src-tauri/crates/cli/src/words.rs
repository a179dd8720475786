//! The text of a status, for the terminal.

use std::fmt::Write;

use contract::{Contact, Direction, Folder, Place, Progress, Way, Why};

/// The complete state of a folder.
pub(crate) fn summary(folder: &Folder) -> String {
    let mut text = plain(&format!("{}: {}", folder.path, folder.headline)) + "\n";
    // Writing to a string cannot fail.
    let mut line = |part: String| {
        let _ = writeln!(text, "  {}", plain(&part));
    };
    if let Some(question) = &folder.question {
        line(format!("? {}", question.text));
        let typed = if question.typed.is_some() {
            ", with what you type then"
        } else {
            ""
        };
        line(format!("  'anabranch answer yes': {}{typed}", question.yes));
        line(format!("  'anabranch answer no': {}", question.no));
    }
    if folder.pause.is_some() {
        line("paused; 'anabranch resume' ends the pause".to_owned());
    }
    if folder.conflicts > 0 {
        let (was, their) = match folder.conflicts {
            1 => ("was", "its"),
            _ => ("were", "their"),
        };
        line(format!(
            "{} {was} changed in two places at once: Anabranch kept both versions, with '.variant-' in {their} names. \
             Keep the ones you want, and delete the rest",
            engine::files(folder.conflicts)
        ));
    }
    for problem in &folder.problems {
        line(format!(
            "! {} {} {} {}",
            problem.what, problem.lost, problem.next, problem.remedy
        ));
    }
    for place in &folder.places {
        line(format!("{}: {}{}", place.name, standing(place), ways(place)));
    }
    for transfer in &folder.transfers {
        line(progress(transfer));
    }
    for waiting in &folder.waiting {
        line(format!("waiting: {waiting}"));
    }
    for note in &folder.notes {
        line(format!("note: {note}"));
    }
    text.trim_end().to_owned()
}

/// Where a file is, and what each place that lacks it is waiting for.
pub(crate) fn why(why: &Why) -> String {
    let missing = why.missing.iter();
    let reasons = missing.map(|missing| format!("\n  {}", plain(&format!("{}: {}", missing.place, missing.reason))));
    let first = plain(&format!("{}: {}", why.path, why.sentence));
    format!("{first}{}", reasons.collect::<String>())
}

/// Makes one line of text safe for a terminal: names may contain control characters, and characters that change the
/// direction of the text after them.
pub(crate) fn plain(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(|c: char| c.is_control() || turns(c), "\u{fffd}")
}

/// Escapes all control characters in JSON except line breaks, including those that JSON allows unescaped.
pub(crate) fn json(text: &str) -> String {
    let escaped = |c: char| match c.is_control() && c != '\n' {
        // All control characters are among the first 65,536.
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn standing(place: &Place) -> String {
    let (wants, bytes) = (place.wants, place.wants_bytes);
    match &place.contact {
        Contact::Unknown => "connecting".to_owned(),
        Contact::Away(why) => format!("not connected: {why}"),
        Contact::Unsupported(why) => format!("not used: {why}"),
        Contact::Here if wants > 0 => format!(
            "{} ({}) left to copy",
            engine::files(wants),
            engine::readable_size(bytes)
        ),
        Contact::Here if !place.has_commits => "does not have all changes yet".to_owned(),
        Contact::Here => match &place.takes_nothing {
            Some(why) => why.clone(),
            None => "up to date".to_owned(),
        },
    }
}

/// How far a place is, and the other remotes that lead there, to be appended to a sentence.
fn ways(place: &Place) -> String {
    let distance = match place.round_trip {
        Some(0) => "; less than 1 ms away".to_owned(),
        Some(milliseconds) => format!("; {milliseconds} ms away"),
        None => String::new(),
    };
    let way = |way: &Way| match &way.contact {
        Contact::Here => format!("; also connected as {}", way.name),
        Contact::Unknown => format!("; connecting as {}", way.name),
        Contact::Away(why) | Contact::Unsupported(why) => format!("; not connected as {} ({why})", way.name),
    };
    distance + &place.other_ways.iter().map(way).collect::<String>()
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
    let of = engine::readable_size(transfer.total);
    format!("{arrow} {}  {}  {percent} % of {of}", transfer.place, transfer.what)
}

#[cfg(test)]
mod tests {
    use contract::{Contact, Place, Way};

    use super::{json, plain, standing, summary, ways, why};

    const EVIL: &str = "evil\u{1b}]0;owned\u{7}\u{9b}31m\n\u{202e}red";

    fn is_harmless(text: &str) -> bool {
        !text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}')
    }

    #[test]
    fn no_control_character_of_a_name_reaches_the_terminal() {
        let evil = || EVIL.to_owned();
        let mut folder = contract::Folder::at(evil());
        folder.headline = evil();
        folder.waiting = vec![evil()];
        folder.notes = vec![evil()];
        folder.problems = vec![contract::Problem {
            what: evil(),
            lost: String::new(),
            next: String::new(),
            remedy: evil(),
            action: None,
        }];
        folder.question = Some(contract::Question {
            id: "removed".to_owned(),
            text: evil(),
            yes: evil(),
            no: evil(),
            typed: None,
        });
        let told = summary(&folder);
        assert!(is_harmless(&told), "{told:?}");
        assert_eq!(told.lines().count(), 7, "no name begins a line: {told}");
        let told = why(&contract::Why {
            path: evil(),
            key: None,
            have: Vec::new(),
            want: Vec::new(),
            missing: vec![contract::Missing {
                place: evil(),
                reason: evil(),
            }],
            sentence: evil(),
        });
        assert!(is_harmless(&told), "{told:?}");
        assert_eq!(told.lines().count(), 2);
        assert_eq!(plain(EVIL).chars().count(), EVIL.chars().count());
    }

    #[test]
    fn json_is_exact_and_has_no_control_characters() {
        let text = json(&serde_json::to_string_pretty(&[EVIL, "ä"]).unwrap());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [EVIL, "ä"]);
    }

    #[test]
    fn conflicts_are_reported_with_a_remedy() {
        let mut folder = contract::Folder::at("/f".to_owned());
        assert!(!summary(&folder).contains("variant"));
        folder.conflicts = 1;
        let told = summary(&folder);
        assert!(told.contains("1 file was changed in two places at once"), "{told}");
        folder.conflicts = 2;
        let told = summary(&folder);
        assert!(
            told.contains("2 files were changed") && told.contains(".variant-"),
            "{told}"
        );
    }

    fn place(wants: u64) -> Place {
        Place {
            name: "stick".to_owned(),
            contact: Contact::Here,
            has_commits: true,
            takes_nothing: None,
            wants,
            wants_bytes: 2000,
            checked: None,
            keeps: None,
            held: None,
            round_trip: None,
            other_ways: Vec::new(),
        }
    }

    #[test]
    fn how_far_a_place_is_and_each_other_way_is_told() {
        let way = |name: &str, contact| Way {
            name: name.to_owned(),
            contact,
        };
        let told = |round_trip| {
            ways(&Place {
                round_trip,
                other_ways: vec![
                    way("lan", Contact::Away("desk cannot be reached".to_owned())),
                    way("vpn", Contact::Here),
                ],
                ..place(0)
            })
        };
        let others = "; not connected as lan (desk cannot be reached); also connected as vpn";
        assert_eq!(told(None), others);
        assert_eq!(told(Some(12)), format!("; 12 ms away{others}"));
        assert_eq!(told(Some(0)), format!("; less than 1 ms away{others}"));
    }

    #[test]
    fn one_file_is_singular() {
        let wants = |wants| standing(&place(wants));
        assert_eq!(wants(1), "1 file (2.0 kB) left to copy");
        assert_eq!(wants(2), "2 files (2.0 kB) left to copy");
    }

    #[test]
    fn why_tells_what_each_place_waits_for() {
        let missing = |place: &str, reason: &str| contract::Missing {
            place: place.to_owned(),
            reason: reason.to_owned(),
        };
        let told = why(&contract::Why {
            path: "a.jpg".to_owned(),
            key: None,
            have: Vec::new(),
            want: Vec::new(),
            missing: vec![
                missing("stick", "it is not connected"),
                missing("disk", "a rule keeps it away"),
            ],
            sentence: "its content is in laptop".to_owned(),
        });
        assert_eq!(
            told,
            "a.jpg: its content is in laptop\n  stick: it is not connected\n  disk: a rule keeps it away"
        );
    }
}
