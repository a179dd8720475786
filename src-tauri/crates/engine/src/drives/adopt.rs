//! Creates a place for a folder on a drive, or connects to an existing one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use annex::Annex;
use annex::exchange;
use contract::{Keeps, Purpose};
use model::Uuid;
use surroundings::Drive;

use super::survey::{Carried, known_to, name_of, survey};
use crate::Error;
use crate::clock::wall_clock;
use crate::repository::{LEAST_ROOM, history_bytes, prepare};
use crate::rules::preferred_content;

/// Makes a repository for `folder` on `drive`, or connects to the clone of it that the drive carries, and makes it a remote
/// of the folder. Says in words for people what was done. The folder brings it up to date.
///
/// # Errors
///
/// Tells why it failed; nothing is left on the drive.
pub(crate) fn adopt(folder: &Path, drive: &Drive, purpose: Purpose) -> Result<String, Error> {
    let local = Annex::open(folder)?;
    let point = check(&local, drive)?;
    let known = known_to(&local)?;
    if let Some(clone) = find_clone(&local, drive, &known)? {
        return connect(&local, &clone, drive, purpose);
    }
    let has_room = drive.free >= history_bytes(&local).saturating_add(LEAST_ROOM);
    if !has_room {
        return Err(Error::Refused(format!(
            "{} has too little room for the history of {}, before any file; nothing was changed. Make room on it or choose another drive",
            name_of(drive),
            folder.display()
        )));
    }
    let made = make(&local, folder, point, drive, purpose)?;
    let shown = made.path.display();
    let done = format!(
        "{shown} was made for {}; Anabranch is bringing it up to date",
        folder.display()
    );
    match make_known(&local, &made.annex, drive) {
        Ok(()) => Ok(done),
        Err(error) => {
            // It was just created, and nothing refers to it yet.
            let _ = fs::remove_dir_all(&made.path);
            Err(error)
        }
    }
}

/// The mount point of the drive, if a place for the folder can be created on it.
fn check<'d>(local: &Annex, drive: &'d Drive) -> Result<&'d Path, Error> {
    let name = name_of(drive);
    let refused = |why: &str| Error::Refused(format!("{name} {why}; nothing was changed"));
    let Some(point) = drive.points.first() else {
        return Err(refused("is not mounted any more"));
    };
    if drive.uuid.is_none() {
        return Err(refused(
            "has a file system without a uuid, so Anabranch could not find it again",
        ));
    }
    if drive.is_read_only {
        return Err(refused("is write-protected"));
    }
    // After an unmount, an empty directory may be left. Nothing must be created in it.
    let device = |path: &Path| path.metadata().map(|found| found.dev()).ok();
    if device(point).is_none() || device(point) == point.parent().and_then(device) {
        return Err(refused("is not mounted any more"));
    }
    let top = local.work_tree().unwrap_or(local.git_dir());
    if top.starts_with(point) {
        return Err(refused("holds the folder itself; a copy on it would be lost with it"));
    }
    Ok(point)
}

/// The clone of the folder on the drive: the one that is a remote already, else the first.
fn find_clone(local: &Annex, drive: &Drive, known: &BTreeSet<Uuid>) -> Result<Option<Carried>, Error> {
    let remotes: BTreeSet<Uuid> = annex::settings::remotes(local)?
        .into_iter()
        .filter_map(|remote| remote.uuid)
        .collect();
    let mut clones = survey(drive);
    clones.retain(|carried| carried.belongs_to(local.uuid(), known));
    if clones.iter().any(|carried| carried.uuid == *local.uuid()) {
        return Err(Error::Refused(format!(
            "{} carries a copy of this very repository with the same uuid, made with its git directory; nothing was changed. Run 'git annex reinit' there, or remove it, and try again",
            name_of(drive)
        )));
    }
    clones.sort_by_key(|carried| !remotes.contains(&carried.uuid));
    Ok(clones.into_iter().next())
}

fn connect(local: &Annex, clone: &Carried, drive: &Drive, purpose: Purpose) -> Result<String, Error> {
    let there = Annex::open(&clone.path)?;
    let facts = there.branch().facts()?;
    // The user has already chosen its purpose, perhaps on another computer.
    let is_decided = facts.groups.contains_key(there.uuid()) || facts.preferred.contains_key(there.uuid());
    if !is_decided {
        preferred_content::record(&there, &[(there.uuid().clone(), Keeps::For(purpose))])?;
    }
    make_known(local, &there, drive)?;
    let kept = if is_decided {
        "; its setting for what it keeps stays"
    } else {
        ""
    };
    Ok(format!(
        "connected to {}, which is a copy of the same files{kept}; Anabranch is bringing it up to date",
        clone.path.display()
    ))
}

/// A newly created repository.
struct Made {
    annex: Annex,
    path: PathBuf,
}

fn make(local: &Annex, folder: &Path, point: &Path, drive: &Drive, purpose: Purpose) -> Result<Made, Error> {
    let is_bare = match purpose {
        Purpose::Backup => !annex::init::can_hold_work_tree(point)?,
        Purpose::Carry | Purpose::OnlyNew | Purpose::Archive => true,
    };
    // The repository is complete before it gets its name. Leftovers of an incomplete one, from a drive that was pulled
    // out, are deleted and made again.
    let unfinished = point.join(format!(".anabranch-unfinished-{}", local.uuid()));
    let io = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    if unfinished.symlink_metadata().is_ok() {
        fs::remove_dir_all(&unfinished).map_err(io("remove what is unfinished in", &unfinished))?;
    }
    let complete = || -> Result<PathBuf, Error> {
        let description = format!("{} (drive)", name_of(drive));
        let annex = annex::init::clone(folder, &unfinished, is_bare, Some(&description), wall_clock())?;
        prepare(&annex)?;
        preferred_content::record(&annex, &[(annex.uuid().clone(), Keeps::For(purpose))])?;
        annex.make_durable()?;
        let path = free_place(point, folder, is_bare);
        fs::rename(&unfinished, &path).map_err(io("rename", &unfinished))?;
        Ok(path)
    };
    let path = complete().inspect_err(|_| {
        // If the drive is gone, nothing can be removed from it now; the next attempt removes it.
        let _ = fs::remove_dir_all(&unfinished);
    })?;
    let opened = Annex::open(&path).and_then(|annex| annex.make_durable().map(|()| annex));
    match opened {
        Ok(annex) => Ok(Made { annex, path }),
        Err(error) => {
            let _ = fs::remove_dir_all(&path);
            Err(error.into())
        }
    }
}

/// Makes `there` a remote of the folder. Its groups and preferred content are fetched before it becomes a remote;
/// otherwise all content would be sent to it at once.
fn make_known(local: &Annex, there: &Annex, drive: &Drive) -> Result<(), Error> {
    let wish = drive.label.as_deref().filter(|label| !label.is_empty());
    let name = annex::init::remote_name(local, there, wish)?;
    exchange::fetch(local, there, &name, &local.head()?.branch)?;
    local.branch().merge()?;
    annex::init::set_remote(local, there, &name)?;
    Ok(())
}

/// An unused name on the drive: that of the folder, with a number if needed.
fn free_place(point: &Path, folder: &Path, is_bare: bool) -> PathBuf {
    let stem = folder.file_name().unwrap_or_default().to_string_lossy();
    // Characters that FAT and Windows do not allow are not used on any drive, since it may be read there.
    let allowed = |c: char| !c.is_control() && !matches!(c, '\\' | '/' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let stem: String = stem
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(80)
        .collect();
    let stem = match stem.trim_matches(|c: char| c == '.' || c.is_whitespace()) {
        "" => "Folder",
        stem => stem,
    };
    let end = if is_bare { ".git" } else { "" };
    let names = (1_u64..).map(|number| match number {
        1 => format!("{stem}{end}"),
        number => format!("{stem}-{number}{end}"),
    });
    names
        .map(|name| point.join(name))
        .find(|place| place.symlink_metadata().is_err())
        .expect("because a drive does not hold infinitely many names")
}
