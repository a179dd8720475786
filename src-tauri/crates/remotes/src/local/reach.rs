//! Finds a repository by its path and its uuid.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use annex::Annex;
use annex::settings::{RemoteSettings, as_git_finds};
use model::Uuid;

use super::{Local, top_of};
use crate::{ByGit, Directories, Failed, Hosts, Remote, git_only};

/// Finds the repository of a remote at `path` and opens it.
///
/// A repository is identified by its uuid, not by its path. If another repository or none is at the configured path,
/// the same directory is searched for below each of `mounts`. The first time a remote is connected, any repository is
/// accepted, and its uuid is stored in the configuration as git-annex does.
pub(crate) fn reach(
    local: &Annex,
    settings: &RemoteSettings,
    path: &Path,
    mounts: &[PathBuf],
    before: Option<&Remote>,
    hosts: &Hosts,
    cancelled: &AtomicBool,
) -> Result<Remote, Failed> {
    let path = as_git_finds(path);
    if settings.uuid.is_none() && is_plain(&path) {
        let directories = Directories {
            top: path.clone(),
            git_dir: git_dir_at(&path),
        };
        let way = ByGit::to(&settings.address, Some(local), hosts)?;
        return git_only::reach(local, settings, way, Some(directories), git_only::PLAIN, cancelled);
    }
    let there = match (open(&path), &settings.uuid) {
        (Ok(there), None) => {
            annex::settings::remember_uuid(local, settings, there.uuid()).map_err(Failed::from)?;
            Ok(there)
        }
        (Ok(there), Some(uuid)) if there.uuid() == uuid => Ok(there),
        (Ok(_), Some(uuid)) => elsewhere(&path, uuid, mounts)?.ok_or_else(|| {
            let path = path.display();
            Failed::Refused(format!(
                "{path} holds another repository now, so Anabranch exchanges nothing with it"
            ))
        }),
        (Err(absence), Some(uuid)) => elsewhere(&path, uuid, mounts)?.ok_or(absence),
        (Err(absence), None) => Err(absence),
    }?;
    if there.uuid() == local.uuid() {
        return Err(Failed::Refused(format!(
            "{} has the same uuid as this repository: a copy of it was made with its git directory; nothing was \
             exchanged with it. Run 'git annex reinit' or make a clone instead",
            path.display()
        )));
    }
    let tree = before.map(|before| Arc::clone(&before.tree)).unwrap_or_default();
    let directories = Directories {
        top: top_of(&there).to_owned(),
        git_dir: there.git_dir().to_owned(),
    };
    let uuid = there.uuid().clone();
    let opened = Arc::new(Local {
        real_git_dir: there.git_dir().canonicalize().ok(),
        there,
        settings: settings.clone(),
        tree: Arc::clone(&tree),
    });
    Ok(Remote {
        name: settings.name.clone(),
        uuid: Some(uuid),
        directories: Some(directories),
        git: Some(Arc::clone(&opened) as _),
        contents: Some(opened),
        git_only: None,
        ssh: None,
        tree,
    })
}

/// True for a repository of git that git-annex has not initialized.
fn is_plain(path: &Path) -> bool {
    annex::init::find(path).is_ok_and(|found| found.is_some_and(|found| found.uuid.is_none()))
}

/// The git directory of the repository at a path.
fn git_dir_at(path: &Path) -> PathBuf {
    let inner = path.join(".git");
    if inner.exists() { inner } else { path.to_owned() }
}

/// Opens the repository that git finds at a path.
fn open(path: &Path) -> Result<Annex, Failed> {
    let path = &as_git_finds(path);
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Failed::Away),
        Err(error) => return Err(Failed::Refused(format!("{} cannot be read: {error}", path.display()))),
        Ok(_)
            if path
                .read_dir()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) =>
        {
            return Err(Failed::Refused(format!(
                "you have no permission to read {}",
                path.display()
            )));
        }
        // The mount point of a drive that is not plugged in is an empty directory.
        Ok(_) if path.read_dir().is_ok_and(|mut entries| entries.next().is_none()) => {
            return Err(Failed::Away);
        }
        Ok(_) => {}
    }
    Annex::open(path).map_err(Failed::from)
}

/// Searches for the repository `uuid` below every mount, at each tail of its configured path. If it is at two places,
/// one is a copy of the other, and nobody can tell which is meant.
fn elsewhere(path: &Path, uuid: &Uuid, mounts: &[PathBuf]) -> Result<Option<Annex>, Failed> {
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
                return Err(Failed::Refused(format!(
                    "{} and {} are the same repository: one is a copy of the other, so Anabranch exchanges nothing \
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
