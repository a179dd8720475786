use std::path::Path;

use contract::{Contact, Direction, Folder, OnDrive, Place, Progress, Standing, State, Work};
use model::Uuid;
use surroundings::Drive;

use super::standing::{Kept, Mounted, doubles, id_of, left_to_do, places_on, standings};
use super::survey::Carried;
use super::*;

const FOLDER: &str = "11111111-1111-4111-8111-111111111111";
const COPY: &str = "22222222-2222-4222-8222-222222222222";

fn drive(name: &str) -> Drive {
    Drive {
        device: format!("/dev/{name}").into(),
        points: vec![PathBuf::from("/media/me").join(name)],
        mount_ids: vec![7],
        uuid: Some(format!("uuid-of-{name}")),
        label: Some(name.to_owned()),
        model: "Maker Stick".to_owned(),
        fs_type: "ext4".to_owned(),
        bytes: 1 << 30,
        free: 1 << 29,
        is_read_only: false,
        is_removable: true,
        is_hidden: false,
        can_eject: true,
    }
}

fn plain(drive: Drive) -> Mounted {
    Mounted {
        drive,
        carried: Vec::new(),
    }
}

fn carrying(drive: Drive) -> Mounted {
    let path = drive.points[0].join("Photos.git");
    let uuid = |text| Uuid::parse(text).unwrap();
    let carried = Carried {
        path,
        uuid: uuid(COPY),
        knows: [uuid(FOLDER), uuid(COPY)].into(),
    };
    Mounted {
        drive,
        carried: vec![carried],
    }
}

fn place(name: &str) -> Place {
    Place {
        name: name.to_owned(),
        contact: Contact::Here,
        has_commits: true,
        takes_nothing: None,
        held: None,
        wants: 0,
        wants_bytes: 0,
        checked: None,
        keeps: None,
        round_trip: None,
        other_ways: Vec::new(),
    }
}

/// A folder with one place at this location.
fn kept(place: Place, at: &str) -> Kept {
    Kept {
        at: [(place.name.clone(), PathBuf::from(at))].into(),
        repositories: [(place.name.clone(), Uuid::parse(COPY).unwrap())].into(),
        folder: Folder {
            uuid: FOLDER.to_owned(),
            has_looked: true,
            places: vec![place],
            ..Folder::at("/home/me/Photos".to_owned())
        },
    }
}

fn one(drive: Drive, kept: &[Kept]) -> Option<contract::Drive> {
    standings(&[plain(drive)], kept, false, &BTreeSet::new(), &BTreeSet::new()).pop()
}

fn transfer(place: &str) -> Progress {
    Progress {
        id: String::new(),
        place: place.to_owned(),
        direction: Direction::Receiving,
        what: "a.jpg".to_owned(),
        done: 0,
        total: 1,
    }
}

#[test]
fn only_visible_drives_that_are_removable_or_hold_a_place_are_shown() {
    let shown = one(drive("STICK"), &[]).unwrap();
    assert_eq!((shown.id.as_str(), shown.name.as_str()), ("uuid-of-STICK", "STICK"));
    assert_eq!(
        (shown.path.as_str(), shown.standing),
        ("/media/me/STICK", Standing::New)
    );
    let internal = Drive {
        is_removable: false,
        ..drive("DATA")
    };
    assert_eq!(one(internal.clone(), &[]), None);
    assert!(
        one(internal, &[kept(place("data"), "/media/me/DATA/Photos")]).is_some(),
        "it holds a place"
    );
    let hidden = Drive {
        is_hidden: true,
        ..drive("EFI")
    };
    assert_eq!(one(hidden.clone(), &[]), None);
    assert_eq!(one(hidden, &[kept(place("efi"), "/media/me/EFI/Photos")]), None);
}

#[test]
fn a_drive_without_a_label_is_called_by_its_maker_or_else_its_device() {
    for (label, model, expected) in [
        (Some("STICK"), "Maker Stick", "STICK"),
        (Some("  "), "Maker Stick", "Maker Stick"),
        (None, "", "/dev/STICK"),
    ] {
        let drive = Drive {
            label: label.map(str::to_owned),
            model: model.to_owned(),
            ..drive("STICK")
        };
        assert_eq!(one(drive, &[]).unwrap().name, expected);
    }
}

#[test]
fn an_unusable_drive_tells_why() {
    for (drive, word) in [
        (
            Drive {
                is_read_only: true,
                ..drive("A")
            },
            "write-protected",
        ),
        (
            Drive {
                uuid: None,
                ..drive("A")
            },
            "no uuid",
        ),
        (
            Drive {
                free: 1_000_000,
                ..drive("A")
            },
            "It is full",
        ),
    ] {
        let Standing::Unusable(why) = one(drive, &[]).unwrap().standing else {
            panic!("{word}")
        };
        assert!(why.contains(word), "{why}");
    }
    let unknown = Drive {
        uuid: None,
        ..drive("A")
    };
    assert_eq!(one(unknown, &[]).unwrap().id, "/dev/A");
}

#[test]
fn a_declined_drive_stays_declined_unless_it_is_used() {
    let declined = BTreeSet::from(["uuid-of-STICK".to_owned()]);
    let see = |kept: &[Kept]| standings(&[plain(drive("STICK"))], kept, false, &declined, &BTreeSet::new()).remove(0);
    assert_eq!(see(&[]).standing, Standing::Declined);
    let used = see(&[kept(place("STICK"), "/media/me/STICK/Photos.git")]);
    assert!(matches!(used.standing, Standing::InUse { .. }));
}

#[test]
fn a_drive_is_up_to_date_when_nothing_is_left_in_either_direction() {
    let see = |kept: Kept| match one(drive("STICK"), &[kept]).unwrap().standing {
        Standing::InUse { places, up_to_date } => (places, up_to_date),
        other @ (Standing::New | Standing::Declined | Standing::Unusable(_) | Standing::Ejecting { .. }) => {
            panic!("{other:?}")
        }
    };
    let at = "/media/me/STICK/Photos.git";
    let (places, up_to_date) = see(kept(place("stick"), at));
    let expected = OnDrive {
        folder: "/home/me/Photos".to_owned(),
        place: "stick".to_owned(),
    };
    assert_eq!((places, up_to_date), (vec![expected], true));
    let change = |change: &dyn Fn(&mut Kept)| {
        let mut kept = kept(place("stick"), at);
        change(&mut kept);
        see(kept).1
    };
    assert!(!change(&|kept| kept.folder.places[0].wants = 1));
    assert!(!change(&|kept| kept.folder.places[0].has_commits = false));
    assert!(!change(&|kept| kept.folder.work = Work::UnderWay));
    assert!(!change(&|kept| kept.folder.work = Work::HeldUp));
    assert!(!change(&|kept| kept.folder.transfers.push(transfer("stick"))));
    assert!(!change(&|kept| kept.folder.places[0].contact = Contact::Unknown));
    assert!(!change(
        &|kept| kept.folder.places[0].contact = Contact::Away("gone".to_owned())
    ));
    let elsewhere = |has_looked| {
        change(&|kept| {
            kept.folder.work = Work::UnderWay;
            kept.folder.transfers.push(transfer("another place"));
            kept.folder.has_looked = has_looked;
        })
    };
    assert!(elsewhere(true) && !elsewhere(false));
}

#[test]
fn a_place_is_on_the_drive_that_is_mounted_deepest_above_it() {
    let outer = plain(drive("STICK"));
    let mut inner = drive("INNER");
    inner.points = vec!["/media/me/STICK/inner".into()];
    let all = [outer.clone(), plain(inner)];
    let folders = [kept(place("a"), "/media/me/STICK/inner/Photos")];
    assert_eq!(places_on(&all[0], &all, &folders).len(), 0);
    assert_eq!(places_on(&all[1], &all, &folders).len(), 1);
    let beside = [kept(place("a"), "/media/me/STICKS/Photos")];
    assert_eq!(places_on(&outer, &all, &beside).len(), 0);
}

#[test]
fn a_known_drive_is_recognized_before_its_place_is_connected() {
    let mut known = kept(place("stick"), "/unreached");
    known.at.clear();
    known.folder.places[0].contact = Contact::Unknown;
    let see = |one: Mounted| {
        standings(
            &[one],
            std::slice::from_ref(&known),
            false,
            &BTreeSet::new(),
            &BTreeSet::new(),
        )
        .remove(0)
    };
    let shown = see(carrying(drive("STICK"))).standing;
    assert!(matches!(shown, Standing::InUse { up_to_date: false, .. }), "{shown:?}");
    assert_eq!(see(plain(drive("OTHER"))).standing, Standing::New);
}

#[test]
fn a_drive_being_ejected_tells_what_is_left() {
    let ejecting = BTreeSet::from(["uuid-of-STICK".to_owned()]);
    let mut busy = kept(
        Place {
            wants: 3,
            ..place("stick")
        },
        "/media/me/STICK/Photos.git",
    );
    busy.folder.work = Work::UnderWay;
    let see = |kept: &[Kept]| standings(&[plain(drive("STICK"))], kept, false, &BTreeSet::new(), &ejecting).remove(0);
    let Standing::Ejecting { what } = see(std::slice::from_ref(&busy)).standing else {
        panic!()
    };
    assert_eq!(what, "Photos: 3 files left to copy");
    // Work that cannot be done now does not keep a drive mounted.
    for work in [Work::HeldUp, Work::Nothing] {
        busy.folder.work = work;
        assert_eq!(left_to_do(&[(&busy, &busy.folder.places[0])]), None, "{work:?}");
    }
}

#[test]
fn a_problem_of_a_folder_does_not_hide_work_for_a_drive() {
    let mut kept = kept(place("stick"), "/media/me/STICK/Photos.git");
    kept.folder.state = State::NeedsYou;
    kept.folder.work = Work::UnderWay;
    let words = left_to_do(&[(&kept, &kept.folder.places[0])]);
    assert_eq!(words.as_deref(), Some("Photos: scanning for changes"));
    let standing = one(drive("STICK"), &[kept]).unwrap().standing;
    assert!(
        matches!(standing, Standing::InUse { up_to_date: false, .. }),
        "{standing:?}"
    );
}

#[test]
fn a_drive_with_repositories_is_not_new_while_a_folder_is_refused() {
    let see = |one: Mounted, is_refused| {
        standings(&[one], &[], is_refused, &BTreeSet::new(), &BTreeSet::new())
            .remove(0)
            .standing
    };
    let standing = see(carrying(drive("STICK")), true);
    assert!(
        matches!(&standing, Standing::Unusable(why) if why.contains("does not sync now")),
        "{standing:?}"
    );
    assert_eq!(see(carrying(drive("STICK")), false), Standing::New);
    assert_eq!(see(plain(drive("STICK")), true), Standing::New);
}

#[test]
fn notes_tell_limits_of_the_file_system_and_an_existing_copy() {
    let see = |fs_type: &str| {
        let drive = Drive {
            fs_type: fs_type.to_owned(),
            ..drive("STICK")
        };
        one(drive, &[]).unwrap().notes.join(" ")
    };
    assert!(see("vfat").contains("4 GiB") && see("vfat").contains("no links"));
    assert!(!see("exfat").contains("4 GiB") && see("exfat").contains("no links"));
    assert_eq!(see("ext4"), "");
    let folders = [kept(place("other"), "/mnt/other")];
    let shown = standings(
        &[carrying(drive("STICK"))],
        &folders,
        false,
        &BTreeSet::new(),
        &BTreeSet::new(),
    )
    .remove(0);
    assert_eq!(shown.standing, Standing::New);
    assert!(
        shown.notes[0].contains("/media/me/STICK/Photos.git"),
        "{:?}",
        shown.notes
    );
    let stranger = standings(
        &[carrying(drive("STICK"))],
        &[],
        false,
        &BTreeSet::new(),
        &BTreeSet::new(),
    )
    .remove(0);
    assert_eq!(stranger.notes, Vec::<String>::new());
}

#[test]
fn a_drive_copied_bit_by_bit_is_a_problem_and_only_the_one_in_use_is_used() {
    let mut copy = drive("STICK1");
    copy.uuid = drive("STICK").uuid;
    let all = [carrying(copy), carrying(drive("STICK"))];
    let used = [kept(place("stick"), "/media/me/STICK/Photos.git")];
    let shown = standings(&all, &used, false, &BTreeSet::new(), &BTreeSet::new());
    assert!(
        matches!(&shown[0].standing, Standing::Unusable(why) if why.contains("/media/me/STICK,")),
        "{shown:?}"
    );
    assert!(matches!(shown[1].standing, Standing::InUse { .. }));
    assert_eq!(
        (
            id_of(&all[0], &all, &used).as_str(),
            id_of(&all[1], &all, &used).as_str()
        ),
        ("/dev/STICK1", "uuid-of-STICK")
    );

    let problems = doubles(&all, &used);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].next.contains("syncs only /media/me/STICK/Photos.git"),
        "{problems:?}"
    );
    let away = [kept(place("other"), "/mnt/other")];
    assert!(doubles(&all, &away)[0].next.contains("syncs neither"));
    assert_eq!(doubles(&all, &[]), [], "repositories of others");
    assert_eq!(doubles(&all[..1], &used), []);
}

/// A directory where no drive is mounted. Even root cannot make it a mount point.
fn not_mounted(path: &Path) -> Drive {
    Drive {
        points: vec![path.to_owned()],
        ..drive("STICK")
    }
}

#[test]
fn nothing_is_created_where_no_drive_is_mounted() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().canonicalize().unwrap();
    let (folder, point) = (top.join("Photos"), top.join("STICK"));
    crate::init(&folder, None).unwrap();
    std::fs::create_dir(&point).unwrap();
    for drive in [
        not_mounted(&point),
        not_mounted(&top.join("gone")),
        Drive {
            uuid: None,
            ..not_mounted(&point)
        },
        Drive {
            is_read_only: true,
            ..not_mounted(&point)
        },
    ] {
        let refused = adopt::adopt(&folder, &drive, Purpose::Carry).unwrap_err().to_string();
        assert!(
            refused.contains("STICK") && refused.contains("nothing was changed"),
            "{refused}"
        );
    }
    assert_eq!(point.read_dir().unwrap().count(), 0);
}

#[test]
fn a_survey_finds_annexes_at_the_root_and_one_level_below() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().canonicalize().unwrap();
    let folder = top.join("Photos");
    let uuid = crate::init(&folder, None).unwrap();
    let bare = crate::clone(&folder, &top.join("Photos.git"), true, None).unwrap();
    let too_deep = top.join("a/b");
    std::fs::create_dir_all(&too_deep).unwrap();
    crate::init(&too_deep, None).unwrap();
    std::fs::create_dir_all(top.join("fake/.git")).unwrap();
    std::fs::write(top.join("HEAD"), "nonsense").unwrap();
    let found = survey::survey(&not_mounted(&top));
    let uuids: Vec<&Uuid> = found.iter().map(|carried| &carried.uuid).collect();
    assert_eq!(uuids, [&uuid, &bare]);
    assert!(found[1].belongs_to(&uuid, &BTreeSet::new()));
    assert!(!found[1].belongs_to(&Uuid::parse(FOLDER).unwrap(), &BTreeSet::new()));
    assert_eq!(survey::survey(&not_mounted(&folder))[0].path, folder);
}
