use std::fs;
use std::path::Path;

use model::RemoteName;

use super::{configuration, set};
use crate::settings::remotes;
use crate::{Annex, Error, Result};

/// Adds another repository on this machine to the remotes of `annex`, and returns its name there: that of its directory,
/// with a number if the name is taken. A repository that is a remote already keeps its name and gets its new place.
pub fn add_remote(annex: &Annex, other: &Annex) -> Result<RemoteName> {
    let place = other.work_tree().unwrap_or(other.git_dir());
    let place = fs::canonicalize(place).map_err(Error::io("examine", place))?;
    let url = url_of(&place)?;
    let known = remotes(annex)?;
    let name = match known.iter().find(|remote| remote.uuid.as_ref() == Some(other.uuid())) {
        Some(remote) => remote.name.clone(),
        None => free_name(&place, &|name| known.iter().any(|remote| remote.name.as_str() == name)),
    };
    let mut config = configuration(&annex.git()?)?;
    let setting = |key: &str| format!("remote.{name}.{key}");
    set(&mut config, &setting("url"), &url)?;
    set(
        &mut config,
        &setting("fetch"),
        &format!("+refs/heads/*:refs/remotes/{name}/*"),
    )?;
    set(&mut config, &setting("annex-uuid"), other.uuid().as_str())?;
    Ok(name)
}

fn free_name(place: &Path, is_taken: &dyn Fn(&str) -> bool) -> RemoteName {
    let directory = place
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let directory = directory.strip_suffix(".git").unwrap_or(&directory);
    let mut stem = directory
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '-'
            }
        })
        .take(32)
        .collect::<String>()
        .trim_matches('-')
        .to_owned();
    if stem.is_empty() {
        stem.push_str("clone");
    }
    (1_u64..)
        .map(|number| {
            if number == 1 {
                stem.clone()
            } else {
                format!("{stem}-{number}")
            }
        })
        .filter(|name| !is_taken(name))
        .find_map(|name| RemoteName::parse(&name))
        .expect("because letters, digits, '-' and '_' make a name, and some number is free")
}

/// A path as git's configuration holds it.
pub(super) fn url_of(place: &Path) -> Result<String> {
    place.to_str().map(str::to_owned).ok_or_else(|| {
        Error::Refused(format!(
            "{} is not a UTF-8 path, which git's configuration cannot hold; nothing was changed. Rename it",
            place.display()
        ))
    })
}
