//! Special remotes: places for content without a git repository. So far only unencrypted, unchunked ones of type
//! `directory`.

mod directory;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annex::settings::RemoteSettings;
use model::RemoteName;

use crate::{Directories, Failed, Remote};
use directory::DirectoryRemote;

/// Tells why a special remote cannot be used, as text that can follow "is not used: "; none if it can be used. `kind`
/// is its type; `described` holds its settings from the git-annex branch (`remote.log`).
#[must_use]
pub fn unusable(kind: Option<&str>, described: Option<&BTreeMap<String, String>>) -> Option<String> {
    match kind {
        Some("directory") => {}
        Some(kind) => return Some(format!("special remotes of type {kind} are not supported yet")),
        None => return Some("special remotes are not supported yet".to_owned()),
    }
    let Some(described) = described else {
        return Some("the git-annex branch does not describe it; run 'git annex enableremote' for it".to_owned());
    };
    let setting = |name: &str| described.get(name).map_or("", String::as_str);
    let is_set = |name: &str| !matches!(setting(name), "" | "no" | "0" | "false");
    if setting("encryption") != "none" {
        return Some("encrypted special remotes are not supported yet".to_owned());
    }
    if is_set("chunk") || is_set("chunksize") {
        return Some("special remotes with chunks are not supported yet".to_owned());
    }
    if is_set("exporttree") || is_set("importtree") {
        return Some("special remotes that hold a tree of files are not supported yet".to_owned());
    }
    None
}

/// Opens the directory of a special remote of type `directory`.
pub(crate) fn reach(settings: &RemoteSettings, place: Option<&str>) -> Result<Remote, Failed> {
    let Some(uuid) = settings.uuid.clone() else {
        return Err(Failed::Refused(
            "its configuration has no annex-uuid; run 'git annex enableremote' for it".to_owned(),
        ));
    };
    let top = top(&settings.name, place)?;
    let remote = DirectoryRemote::open(&top, uuid.clone(), settings)?;
    Ok(Remote {
        name: settings.name.clone(),
        uuid: Some(uuid),
        directories: Some(Directories {
            git_dir: top.clone(),
            top,
        }),
        git: None,
        contents: Some(Arc::new(remote)),
        git_only: None,
        ssh: None,
        tree: Arc::default(),
    })
}

fn top(name: &RemoteName, place: Option<&str>) -> Result<PathBuf, Failed> {
    let place = place.map(Path::new).filter(|place| place.is_absolute());
    let why = || Failed::Refused(format!("remote.{name}.annex-directory is not an absolute path"));
    place.map(Path::to_owned).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::unusable;

    #[test]
    fn only_unencrypted_unchunked_directories_are_used() {
        let why = |kind, settings: &str| {
            let pairs = settings.split_whitespace().filter_map(|pair| pair.split_once('='));
            let described: BTreeMap<String, String> = pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            unusable(kind, Some(&described)).unwrap_or_default()
        };
        let directory = Some("directory");
        assert_eq!(why(directory, "encryption=none type=directory name=d"), "");
        assert_eq!(why(directory, "encryption=none chunk=0 exporttree=no"), "");
        for (kind, settings, part) in [
            (Some("S3"), "encryption=none", "type S3"),
            (None, "encryption=none", "special remotes"),
            (directory, "", "encrypted"),
            (directory, "encryption=shared", "encrypted"),
            (directory, "encryption=none chunk=1MiB", "chunks"),
            (directory, "encryption=none chunksize=9", "chunks"),
            (directory, "encryption=none exporttree=yes", "tree of files"),
            (directory, "encryption=none importtree=yes", "tree of files"),
        ] {
            let why = why(kind, settings);
            assert!(why.contains(part), "{settings}: {why:?}");
        }
        assert!(unusable(directory, None).unwrap().contains("does not describe it"));
    }
}
