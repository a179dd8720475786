//! How Anabranch uses each drive: a pure function of what is mounted and what is synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use contract::{Action, Contact, Folder, OnDrive, Place, Problem, Standing, Work};
use model::Uuid;
use surroundings::Drive;

use super::survey::{Carried, name_of};
use crate::repository::LEAST_ROOM;

/// A synced folder.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Its status.
    pub(crate) folder: Folder,
    /// The locations of its connected places, by name.
    pub(crate) at: BTreeMap<String, PathBuf>,
    /// The repositories of its places, by name, as far as known.
    pub(crate) repositories: BTreeMap<String, Uuid>,
}

/// A drive with the repositories found on it.
#[derive(Debug, Clone)]
pub(crate) struct Mounted {
    pub(crate) drive: Drive,
    pub(crate) carried: Vec<Carried>,
}

/// A drive by what it is asked for: the uuid of its file system. Of several with the same the one in use has it, else the
/// first; the others, and those without a uuid, cannot be used and are asked for by their device.
pub(crate) fn id_of(one: &Mounted, mounted: &[Mounted], kept: &[Kept]) -> String {
    let uuid = one
        .drive
        .uuid
        .as_deref()
        .filter(|_| original(one, mounted, kept).is_none());
    uuid.map_or_else(|| one.drive.device.to_string_lossy().into_owned(), str::to_owned)
}

/// The drive that this one is a bit-for-bit copy of, if it is one.
fn original<'m>(one: &Mounted, mounted: &'m [Mounted], kept: &[Kept]) -> Option<&'m Mounted> {
    let uuid = one.drive.uuid.as_ref()?;
    let same = || mounted.iter().filter(|other| other.drive.uuid.as_ref() == Some(uuid));
    let used = same().find(|other| !places_on(other, mounted, kept).is_empty());
    used.or_else(|| same().next())
        .filter(|other| other.drive.device != one.drive.device)
}

/// The drives to show, hidden ones aside: removable ones, and those that hold a place of a folder. While some folders
/// are not synced although they should be (`is_refused`), a drive that carries repositories may be in use.
pub(crate) fn standings(
    mounted: &[Mounted],
    kept: &[Kept],
    is_refused: bool,
    declined: &BTreeSet<String>,
    ejecting: &BTreeSet<String>,
) -> Vec<contract::Drive> {
    let mut drives = Vec::new();
    for one in mounted.iter().filter(|one| !one.drive.is_hidden) {
        let drive = &one.drive;
        let places = places_on(one, mounted, kept);
        let Some(path) = drive
            .points
            .first()
            .filter(|_| drive.is_removable || !places.is_empty())
        else {
            continue;
        };
        let id = id_of(one, mounted, kept);
        let standing = if ejecting.contains(&id) {
            let left = left_to_do(&places);
            Standing::Ejecting {
                what: left.unwrap_or_else(|| "all files are on it; Anabranch is unmounting it".to_owned()),
            }
        } else if !places.is_empty() {
            Standing::InUse {
                up_to_date: places.iter().all(|(kept, place)| is_up_to_date(kept, place)),
                places: places.iter().map(|(kept, place)| on_drive(kept, place)).collect(),
            }
        } else if declined.contains(&id) {
            Standing::Declined
        } else {
            unusable(one, mounted, kept, is_refused).map_or(Standing::New, Standing::Unusable)
        };
        drives.push(contract::Drive {
            notes: notes(one, &standing, kept),
            id,
            name: name_of(drive),
            path: path.to_string_lossy().into_owned(),
            file_system: drive.fs_type.clone(),
            bytes: drive.bytes,
            free: drive.free,
            standing,
            can_eject: drive.can_eject,
        });
    }
    drives
}

/// Problems about repositories found at two places at once: one drive is a copy of the other.
pub(crate) fn doubles(mounted: &[Mounted], kept: &[Kept]) -> Vec<Problem> {
    let mut by_uuid: BTreeMap<&Uuid, Vec<(&Mounted, &Path)>> = BTreeMap::new();
    for one in mounted.iter().filter(|one| !one.drive.is_hidden) {
        for carried in &one.carried {
            by_uuid.entry(&carried.uuid).or_default().push((one, &carried.path));
        }
    }
    by_uuid.retain(|_, places| places.len() > 1);
    let problem = |places: Vec<(&Mounted, &Path)>| {
        let is_there = |place: &Path| {
            kept.iter()
                .flat_map(|kept| kept.at.values())
                .any(|at| at.starts_with(place))
        };
        let is_ours = |(one, _): &(&Mounted, &Path)| {
            let known = |carried: &Carried| kept.iter().any(|kept| knows(carried, &kept.folder.uuid));
            one.carried.iter().any(known)
        };
        if !places.iter().any(is_ours) {
            return None;
        }
        let shown: Vec<String> = places.iter().map(|(_, path)| path.display().to_string()).collect();
        let used = places.iter().find(|(_, path)| is_there(path));
        Some(Problem {
            what: format!(
                "{} are the same repository at several places at once: one drive is a copy of the other, bit by bit.",
                shown.join(" and ")
            ),
            lost: "Nothing is lost.".to_owned(),
            next: match used {
                Some((_, path)) => format!("Anabranch syncs only {}, and leaves the other alone.", path.display()),
                None => "Anabranch syncs neither as long as both are connected.".to_owned(),
            },
            remedy: "Unplug one of them. To use both, run 'git annex reinit' with a new uuid on one, or remove the \
                     repository from it and use it as a new drive."
                .to_owned(),
            action: Some(Action::SeeDrives),
        })
    };
    by_uuid.into_values().filter_map(problem).collect()
}

/// Describes what is left to do before a drive can be ejected; none if nothing is in progress for it.
pub(crate) fn left_to_do(places: &[(&Kept, &Place)]) -> Option<String> {
    let busy = places.iter().filter(|(kept, place)| is_busy(kept, place));
    let words = |(kept, place): &(&Kept, &Place)| {
        let folder = Path::new(&kept.folder.path)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        match (place.wants, place.has_commits) {
            (0, true) => format!("{folder}: scanning for changes"),
            (0, false) => format!("{folder}: sending the names of files"),
            (1, _) => format!("{folder}: 1 file left to copy"),
            (count, _) => format!("{folder}: {count} files left to copy"),
        }
    };
    let words: Vec<String> = busy.map(words).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// The places on a drive. A place that was connected is on the drive mounted deepest above its path. A place that was
/// not is on the drive where its repository was found.
pub(crate) fn places_on<'k>(one: &Mounted, mounted: &[Mounted], kept: &'k [Kept]) -> Vec<(&'k Kept, &'k Place)> {
    let depth = |one: &Mounted, path: &Path| {
        let above = one.drive.points.iter().filter(|point| path.starts_with(point));
        above.map(|point| point.components().count()).max()
    };
    let is_on = |path: &Path| {
        let here = depth(one, path);
        here.is_some() && mounted.iter().all(|other| depth(other, path) <= here)
    };
    let places = kept
        .iter()
        .flat_map(|kept| kept.folder.places.iter().map(move |place| (kept, place)));
    let is_here = |(kept, place): &(&Kept, &Place)| match kept.at.get(&place.name) {
        Some(path) => is_on(path),
        None => {
            let uuid = kept.repositories.get(&place.name);
            one.carried.iter().any(|carried| Some(&carried.uuid) == uuid)
        }
    };
    places.filter(is_here).collect()
}

fn on_drive(kept: &Kept, place: &Place) -> OnDrive {
    OnDrive {
        folder: kept.folder.path.clone(),
        place: place.name.clone(),
    }
}

/// True if everything that belongs on the place is on it, and nothing remains to be received from it.
pub(crate) fn is_up_to_date(kept: &Kept, place: &Place) -> bool {
    let has_all = place.contact == Contact::Here && place.has_commits && place.wants == 0;
    has_all && kept.folder.work != Work::HeldUp && !is_busy(kept, place)
}

/// True if work with this place is in progress, or if Anabranch is still finding out whether there is any. A transfer
/// with another place shows that the folder already knows its work.
fn is_busy(kept: &Kept, place: &Place) -> bool {
    let folder = &kept.folder;
    let moves = folder.transfers.iter().any(|transfer| transfer.place == place.name);
    let knows = folder.has_looked && !folder.transfers.is_empty();
    place.contact == Contact::Unknown || moves || (folder.work == Work::UnderWay && !knows)
}

fn knows(carried: &Carried, folder: &str) -> bool {
    carried.knows.iter().any(|uuid| uuid.as_str() == folder)
}

fn unusable(one: &Mounted, mounted: &[Mounted], kept: &[Kept], is_refused: bool) -> Option<String> {
    let drive = &one.drive;
    if let Some(original) = original(one, mounted, kept) {
        return Some(format!(
            "It is a copy of {} at {}, bit by bit, so Anabranch cannot tell the two apart. Give its file system \
             another uuid to use it.",
            name_of(&original.drive),
            original
                .drive
                .points
                .first()
                .map(|point| point.display().to_string())
                .unwrap_or_default()
        ));
    }
    if drive.uuid.is_none() {
        return Some(
            "Its file system has no uuid, so Anabranch could not find it again. Format it to give it one.".to_owned(),
        );
    }
    if drive.is_read_only {
        return Some("It is write-protected.".to_owned());
    }
    if is_refused && !one.carried.is_empty() {
        return Some(
            "It has copies of files already, perhaps of a folder that Anabranch does not sync now.".to_owned(),
        );
    }
    (drive.free < LEAST_ROOM).then(|| "It is full.".to_owned())
}

/// Notes that the user should read before using a drive.
fn notes(one: &Mounted, standing: &Standing, kept: &[Kept]) -> Vec<String> {
    let mut notes = Vec::new();
    let fs_type = one.drive.fs_type.as_str();
    if matches!(fs_type, "vfat" | "msdos") {
        notes.push("Its file system (FAT) holds no file larger than 4 GiB.".to_owned());
    }
    if matches!(fs_type, "vfat" | "msdos" | "exfat") {
        notes.push(
            "Its file system has no links: it holds files, but you cannot open them on it as a folder.".to_owned(),
        );
    }
    if *standing == Standing::New {
        for carried in &one.carried {
            let owner = kept.iter().find(|kept| knows(carried, &kept.folder.uuid));
            notes.extend(owner.map(|kept| {
                format!(
                    "It has a copy of {} already, in {}; if you use it, Anabranch connects to that copy.",
                    Path::new(&kept.folder.path)
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy(),
                    carried.path.display()
                )
            }));
        }
    }
    notes
}
