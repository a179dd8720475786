use std::fs;
use std::path::{Path, PathBuf};

use model::{RemoteName, Uuid};

use super::{configuration, set, store_configuration};
use crate::locks::LockFile;
use crate::settings::{Address, RemoteSettings, SshAddress, remotes};
use crate::{Annex, Error, Result};

/// While it exists, nobody else who asks for it adds a remote: a name is free until its remote is there.
#[derive(Debug)]
pub struct Naming {
    _lock: LockFile,
}

/// Keeps others from adding a remote to a repository.
///
/// # Errors
///
/// Busy if somebody does that for long.
pub fn begin_naming(annex: &Annex) -> Result<Naming> {
    let lock = LockFile::exclusive(&annex.git_dir().join("anabranch").join("naming.lck"))?;
    Ok(Naming { _lock: lock })
}

/// Adds another repository on this machine to the remotes of `annex`, and returns its name there: that of its directory,
/// with a number if the name is taken. A repository that is a remote already keeps its name and gets its new place.
pub fn add_remote(annex: &Annex, other: &Annex) -> Result<RemoteName> {
    let name = remote_name(annex, other, None)?;
    set_remote(annex, other, &name)?;
    Ok(name)
}

/// The name that another repository has as a remote of `annex`, or that is free for it: made of `wish`, else of the name of
/// its directory.
pub fn remote_name(annex: &Annex, other: &Annex, wish: Option<&str>) -> Result<RemoteName> {
    let place = place_of(other)?;
    let directory = place.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let wish = wish.unwrap_or_else(|| directory.strip_suffix(".git").unwrap_or(&directory));
    name_for(annex, Some(other.uuid()), None, wish)
}

/// The name that the repository `uuid` has as a remote of `annex` that leads to this computer or, if it is `at` an address on
/// another computer, to that one; or the name of the remote `at` the address that has no uuid yet; otherwise one that is free, made
/// of `wish`. So a repository that is reached by several addresses has a remote for each.
pub fn name_for(annex: &Annex, uuid: Option<&Uuid>, at: Option<&SshAddress>, wish: &str) -> Result<RemoteName> {
    let known = remotes(annex)?;
    let is_at = |remote: &RemoteSettings| match (&remote.address, at) {
        (Address::Ssh(address), Some(at)) => remote.uuid.is_none() && address == at,
        _ => false,
    };
    let is_the_way = |remote: &RemoteSettings| match (&remote.address, at) {
        (Address::Ssh(address), Some(at)) => address.host == at.host,
        (address, None) => address.path().is_some(),
        (_, Some(_)) => false,
    };
    let same = known
        .iter()
        .find(|remote| uuid.is_some() && remote.uuid.as_ref() == uuid && is_the_way(remote));
    if let Some(remote) = same.or_else(|| known.iter().find(|remote| is_at(remote))) {
        return Ok(remote.name.clone());
    }
    Ok(free_name(wish, &|name| {
        known.iter().any(|remote| remote.name.as_str() == name)
    }))
}

/// Makes another repository on this machine the remote `name` of `annex`.
pub fn set_remote(annex: &Annex, other: &Annex, name: &RemoteName) -> Result<()> {
    set_remote_at(annex, &url_of(&place_of(other)?)?, Some(other.uuid()), name)
}

/// Makes the repository at an address the remote `name` of `annex`. `uuid` is its own, if it has one.
pub fn set_remote_at(annex: &Annex, url: &str, uuid: Option<&Uuid>, name: &RemoteName) -> Result<()> {
    let git = annex.git()?;
    let mut config = configuration(&git)?;
    let setting = |key: &str| format!("remote.{name}.{key}");
    if let Some(uuid) = uuid {
        set(&mut config, &setting("annex-uuid"), uuid.as_str())?;
    }
    set(
        &mut config,
        &setting("fetch"),
        &format!("+refs/heads/*:refs/remotes/{name}/*"),
    )?;
    // Last: by its url it can be used, and an engine that notices needs the rest to be there.
    set(&mut config, &setting("url"), url)?;
    store_configuration(&git)
}

fn place_of(other: &Annex) -> Result<PathBuf> {
    let place = other.work_tree().unwrap_or(other.git_dir());
    fs::canonicalize(place).map_err(Error::io("examine", place))
}

fn free_name(wish: &str, is_taken: &dyn Fn(&str) -> bool) -> RemoteName {
    let mut stem = wish
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

#[cfg(test)]
mod tests {
    use model::Uuid;

    use super::{name_for, set_remote_at};
    use crate::fixture::Fixture;
    use crate::settings::SshAddress;

    #[test]
    fn each_address_of_a_repository_has_a_remote_and_a_new_path_there_replaces_the_old_one() {
        let here = Fixture::new();
        let uuid = Uuid::parse("desk").unwrap();
        let add = |url: &str| {
            let at = SshAddress::parse(url);
            let name = name_for(&here.annex, Some(&uuid), at.as_ref(), "desk").unwrap();
            set_remote_at(&here.annex, url, Some(&uuid), &name).unwrap();
            name.to_string()
        };
        let added = [
            "desk:a",
            "vpn:a",
            "desk:b",
            "desk:b",
            "ssh://desk:2222/a",
            "/mnt/a",
            "/mnt/b",
        ]
        .map(add);
        assert_eq!(added, ["desk", "desk-2", "desk", "desk", "desk-3", "desk-4", "desk-4"]);
    }
}
