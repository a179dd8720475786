use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use annex::settings::{RemoteSettings, as_git_finds};
use annex::{Annex, Error};
use model::Uuid;

use crate::Remote;

/// Why a remote cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    /// Nothing is at its place.
    #[error("nothing is at {}", .0.display())]
    Absent(PathBuf),
    /// Something is there that cannot be used; in words for people.
    #[error("{0}")]
    Unusable(String),
    /// It is of a kind that is not supported yet.
    #[error("{0} are not supported yet")]
    Unsupported(&'static str),
}

/// Finds the repository of a remote and opens it.
///
/// A repository is known by its uuid, not by where it is: if another one is at the configured path, or nothing, the same
/// directory is looked for below each of `mounts`, those of drives (one may be mounted elsewhere today). A remote that was never
/// reached is taken as it is found, and its uuid remembered in the configuration as git-annex does.
///
/// # Errors
///
/// Says why it cannot be reached; nothing was changed.
pub fn reach(local: &Annex, settings: &RemoteSettings, mounts: &[PathBuf]) -> Result<Remote, Absence> {
    let top = local.work_tree().unwrap_or(local.git_dir());
    let path = settings.local_path(top).ok_or(Absence::Unsupported(kind(settings)))?;
    let path = as_git_finds(&path);
    let there = match (open(&path), &settings.uuid) {
        (Ok(there), None) => {
            annex::settings::remember_uuid(local, &settings.name, there.uuid()).map_err(unusable)?;
            Ok(there)
        }
        (Ok(there), Some(uuid)) if there.uuid() == uuid => Ok(there),
        (Ok(other), Some(uuid)) => elsewhere(&path, uuid, mounts)?.ok_or_else(|| {
            let path = path.display();
            Absence::Unusable(format!(
                "{path} holds another repository now ({} instead of {uuid}); nothing was exchanged with it",
                other.uuid()
            ))
        }),
        (Err(absence), Some(uuid)) => elsewhere(&path, uuid, mounts)?.ok_or(absence),
        (Err(absence), None) => Err(absence),
    }?;
    if there.uuid() == local.uuid() {
        return Err(Absence::Unusable(format!(
            "{} has the same uuid as this repository: a copy of it was made with its git directory; nothing was \
             exchanged with it. Run 'git annex reinit' or make a clone instead",
            path.display()
        )));
    }
    Ok(Remote::new(local.clone(), there, settings.clone()))
}

fn unusable(error: Error) -> Absence {
    Absence::Unusable(error.to_string())
}

/// Opens the repository that git finds at a path.
fn open(path: &Path) -> Result<Annex, Absence> {
    let path = &as_git_finds(path);
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Absence::Absent(path.to_owned())),
        Err(error) => return Err(Absence::Unusable(format!("{} cannot be read: {error}", path.display()))),
        // The mount point of a drive that is not plugged in is an empty directory.
        Ok(_) if path.read_dir().is_ok_and(|mut entries| entries.next().is_none()) => {
            return Err(Absence::Absent(path.to_owned()));
        }
        Ok(_) => {}
    }
    Annex::open(path).map_err(unusable)
}

/// Looks for the repository `uuid` below every mount, at each tail of its configured path. Found at two places, one is a copy
/// of the other, and nobody can say which is meant.
fn elsewhere(path: &Path, uuid: &Uuid, mounts: &[PathBuf]) -> Result<Option<Annex>, Absence> {
    let parts: Vec<_> = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let tails = (1..parts.len()).map(|start| parts[start..].iter().collect::<PathBuf>());
    let places = tails.flat_map(|tail| mounts.iter().map(move |mount| mount.join(&tail)));
    let found = places
        .filter(|place| place != path)
        .filter_map(|place| Some((open(&place).ok()?, place)))
        .filter(|(there, _)| there.uuid() == uuid);
    let mut first: Option<(Annex, PathBuf)> = None;
    for (there, place) in found {
        match &first {
            None => first = Some((there, place)),
            // The same directory may be seen by several mounts and tails.
            Some((one, _)) if is_same(one.git_dir(), there.git_dir()) => {}
            Some((_, other)) => {
                return Err(Absence::Unusable(format!(
                    "{} and {} are the same repository ({uuid}): one is a copy of the other, and nothing was exchanged \
                     with either. Unplug one of them",
                    other.display(),
                    place.display()
                )));
            }
        }
    }
    Ok(first.map(|(there, _)| there))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(one).is_some() && identity(one) == identity(other)
}

fn kind(settings: &RemoteSettings) -> &'static str {
    match (&settings.special, &settings.url) {
        (Some(_), _) | (None, None) => "special remotes",
        (None, Some(url)) if url.starts_with("http") => "http remotes",
        (None, Some(_)) => "remotes on other computers",
    }
}
