//! What holds contents up: pauses, and how fast they may travel.

use contract::{Pause, PauseReason, Status};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Item, entry};
use crate::acts::{Act, Span};

/// What is slow, in bytes a second.
const SLOW: u64 = 1_000_000;

/// A pause of all folders, from the click on.
pub(super) fn pause(status: &Status, zone: &TimeZone) -> Option<Item> {
    if status.folders.is_empty() {
        return None;
    }
    let mut items = Vec::new();
    let pauses = status.folders.iter().map(|folder| folder.pause);
    let pauses: Option<Vec<Pause>> = pauses.collect();
    // Said here if it is the same of all.
    if let Some([first, others @ ..]) = pauses.as_deref()
        && others.iter().all(|other| other == first)
    {
        items.push(Item::Words(paused(*first, zone)));
    }
    if status.folders.iter().any(|folder| folder.pause.is_some()) {
        items.push(entry("Resume", Act::ResumeAll));
    }
    items.extend([
        entry("For 30 minutes", Act::PauseAll(Span::Minutes(30))),
        entry("For 1 hour", Act::PauseAll(Span::Minutes(60))),
        entry("Until tomorrow", Act::PauseAll(Span::UntilTomorrow)),
        entry("Until I resume", Act::PauseAll(Span::UntilResumed)),
    ]);
    Some(Item::Submenu("Pause".to_owned(), items))
}

/// Why something is paused, and until when.
pub(super) fn paused(pause: Pause, zone: &TimeZone) -> String {
    let why = match pause.reason {
        PauseReason::Asked => "Paused",
        PauseReason::Battery => "Paused while this computer runs on battery",
    };
    match pause.until.and_then(|until| hour(until, zone)) {
        Some(hour) => format!("{why}, until {hour}"),
        None => why.to_owned(),
    }
}

fn hour(at: u64, zone: &TimeZone) -> Option<String> {
    let at = Timestamp::from_second(i64::try_from(at).ok()?).ok()?;
    Some(at.to_zoned_datetime(zone.clone()).strftime("%a %H:%M").to_string())
}

/// How fast contents travel; nothing where no settings are kept.
pub(super) fn speed(status: &Status) -> Option<Item> {
    let settings = &status.settings;
    if settings.file.is_empty() {
        return None;
    }
    let now = match (settings.limit_up, settings.limit_down) {
        (None, None) => "Now: as fast as possible",
        (Some(SLOW), Some(SLOW)) => "Now: slow",
        (Some(_) | None, Some(_) | None) => "Now: the limits in Settings",
    };
    let items = vec![
        Item::Words(now.to_owned()),
        entry("As fast as possible", Act::Limit(None)),
        entry("Slow (1 MB/s)", Act::Limit(Some(SLOW))),
    ];
    Some(Item::Submenu("Speed".to_owned(), items))
}

#[cfg(test)]
mod tests {
    use contract::{Folder, Settings, State};
    use jiff::tz::Offset;

    use super::super::super::tests::folder;
    use super::super::tests::{acts, shown};
    use super::*;

    /// Tue 24 November 2026, 17:10 in Greenwich.
    const UNTIL: u64 = 1_795_540_200;

    fn lines(pauses: &[Option<Pause>]) -> Vec<String> {
        let folders = pauses.iter().map(|pause| Folder {
            pause: *pause,
            ..folder("/home/ann/Photos", State::Waiting)
        });
        let zone = TimeZone::fixed(Offset::from_seconds(5 * 3600 + 1800).unwrap());
        let menu = pause(&Status::of(folders.collect()), &zone);
        shown(menu.as_slice(), 0)
    }

    fn because(reason: PauseReason, until: Option<u64>) -> Option<Pause> {
        Some(Pause { reason, until })
    }

    #[test]
    fn the_menu_says_why_and_until_when() {
        let (asked, battery) = (PauseReason::Asked, PauseReason::Battery);
        type Row = (Vec<Option<Pause>>, &'static [&'static str]);
        let table: Vec<Row> = vec![
            (vec![None, None], &[]),
            (vec![because(asked, None)], &["  Paused", "  » Resume"]),
            (
                vec![because(asked, Some(UNTIL)), because(asked, Some(UNTIL))],
                &["  Paused, until Tue 22:40", "  » Resume"],
            ),
            (vec![because(asked, Some(u64::MAX))], &["  Paused", "  » Resume"]),
            (vec![because(asked, None), None], &["  » Resume"]),
            (
                vec![because(battery, None)],
                &["  Paused while this computer runs on battery", "  » Resume"],
            ),
            (vec![because(battery, None), because(asked, None)], &["  » Resume"]),
        ];
        for (pauses, first) in table {
            let always = [
                "  » For 30 minutes",
                "  » For 1 hour",
                "  » Until tomorrow",
                "  » Until I resume",
            ];
            let expected: Vec<&str> = ["Pause ▸"].iter().chain(first).chain(&always).copied().collect();
            assert_eq!(lines(&pauses), expected);
        }
        assert_eq!(lines(&[]), Vec::<String>::new());
    }

    #[test]
    fn the_choices_do_what_they_say() {
        let paused = Status::of(vec![Folder {
            pause: because(PauseReason::Battery, None),
            ..folder("/home/ann/Photos", State::Paused)
        }]);
        let menu = pause(&paused, &TimeZone::UTC).unwrap();
        let expected = [
            Act::ResumeAll,
            Act::PauseAll(Span::Minutes(30)),
            Act::PauseAll(Span::Minutes(60)),
            Act::PauseAll(Span::UntilTomorrow),
            Act::PauseAll(Span::UntilResumed),
        ];
        assert_eq!(acts(&[menu]), expected);
    }

    #[test]
    fn the_speed_is_said_where_settings_are_kept() {
        let menu = |file: &str, limit_up, limit_down| {
            let settings = Settings {
                file: file.to_owned(),
                limit_up,
                limit_down,
                ..Settings::default()
            };
            speed(&Status {
                settings,
                ..Status::default()
            })
        };
        assert_eq!(menu("", None, None), None);
        let table = [
            (None, None, "  Now: as fast as possible"),
            (Some(SLOW), Some(SLOW), "  Now: slow"),
            (Some(SLOW), None, "  Now: the limits in Settings"),
            (Some(5), Some(5), "  Now: the limits in Settings"),
        ];
        for (up, down, now) in table {
            let menu = [menu("settings.toml", up, down).unwrap()];
            let expected = ["Speed ▸", now, "  » As fast as possible", "  » Slow (1 MB/s)"];
            assert_eq!(shown(&menu, 0), expected);
            assert_eq!(acts(&menu), [Act::Limit(None), Act::Limit(Some(SLOW))]);
        }
    }
}
