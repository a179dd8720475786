//! The drives in the menu.

use contract::{Drive, OnDrive, Request, Standing};

use super::super::text;
use super::{Item, entry};
use crate::acts::Act;
use crate::windows::Page;

/// What can be done with a drive; nothing with one that is not used.
pub(super) fn entry_of(drive: &Drive) -> Option<Item> {
    let eject = |label, request| entry(label, Act::Request(request));
    let id = || drive.id.clone();
    let (words, kept, end) = match &drive.standing {
        Standing::New => {
            let label = text(&format!("{}: use this drive…", drive.name));
            return Some(Item::Entry(label, Act::OpenPage(Page::Drives)));
        }
        Standing::Declined | Standing::Unusable(_) => return None,
        Standing::InUse { places, up_to_date } => {
            let words = match up_to_date {
                true => "Up to date",
                false => "Not up to date yet",
            };
            let end = eject("Eject when done", Request::Eject { drive: id() });
            (words.to_owned(), kept(places), drive.can_eject.then_some(end))
        }
        Standing::Ejecting { what } => {
            let end = eject("Don't eject", Request::KeepDrive { drive: id() });
            (text(what), None, Some(end))
        }
    };
    let open = entry("Open", Act::OpenFolder(drive.path.clone()));
    let items = std::iter::once(Item::Words(words)).chain(kept).chain([open]).chain(end);
    Some(Item::Submenu(text(&drive.name), items.collect()))
}

/// Which folders have a place on a drive.
fn kept(places: &[OnDrive]) -> Option<Item> {
    let mut names: Vec<&str> = places
        .iter()
        .filter_map(|place| place.folder.trim_end_matches('/').rsplit('/').next())
        .collect();
    names.dedup();
    (!names.is_empty()).then(|| Item::Words(text(&format!("Has copies of {}", names.join(", ")))))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{acts, shown};
    use super::*;

    fn drive(standing: Standing) -> Drive {
        Drive {
            id: "1234-ABCD".to_owned(),
            name: "stick".to_owned(),
            path: "/media/ann/stick".to_owned(),
            file_system: "vfat".to_owned(),
            bytes: 8_000_000_000,
            free: 4_000_000_000,
            standing,
            notes: Vec::new(),
            can_eject: true,
        }
    }

    fn in_use(folders: &[&str], up_to_date: bool) -> Standing {
        let places = folders.iter().map(|folder| OnDrive {
            folder: (*folder).to_owned(),
            place: "stick".to_owned(),
        });
        Standing::InUse {
            places: places.collect(),
            up_to_date,
        }
    }

    #[test]
    fn each_standing_has_its_entries() {
        let id = || "1234-ABCD".to_owned();
        let open = || Act::OpenFolder("/media/ann/stick".to_owned());
        let eject = || Act::Request(Request::Eject { drive: id() });
        let keep = || Act::Request(Request::KeepDrive { drive: id() });
        let ejecting = Standing::Ejecting {
            what: "sending 3 files".to_owned(),
        };
        type Row = (Standing, &'static [&'static str], Vec<Act>);
        let table: Vec<Row> = vec![
            (
                Standing::New,
                &["» stick: use this drive…"],
                vec![Act::OpenPage(Page::Drives)],
            ),
            (Standing::Declined, &[], vec![]),
            (Standing::Unusable("it is read-only".to_owned()), &[], vec![]),
            (
                in_use(&["/home/ann/Photos", "/home/ann/Notes"], true),
                &[
                    "stick ▸",
                    "  Up to date",
                    "  Has copies of Photos, Notes",
                    "  » Open",
                    "  » Eject when done",
                ],
                vec![open(), eject()],
            ),
            (
                in_use(&[], false),
                &["stick ▸", "  Not up to date yet", "  » Open", "  » Eject when done"],
                vec![open(), eject()],
            ),
            (
                ejecting,
                &["stick ▸", "  sending 3 files", "  » Open", "  » Don't eject"],
                vec![open(), keep()],
            ),
        ];
        for (standing, lines, expected) in table {
            let items: Vec<Item> = entry_of(&drive(standing)).into_iter().collect();
            assert_eq!(shown(&items, 0), lines);
            assert_eq!(acts(&items), expected);
        }
        let fixed = Drive {
            can_eject: false,
            ..drive(in_use(&[], true))
        };
        assert_eq!(acts(&[entry_of(&fixed).unwrap()]), [open()]);
    }
}
