//! Where a client's path leads.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use annex::Annex;
use annex::settings::as_git_finds;
use nix::unistd::{Uid, User};

use crate::command::Command;
use crate::error::{Error, Result};

/// The absolute path that a client means. `~` and `~user` are home directories, also behind a slash, as in the addresses
/// of ssh remotes; other paths begin in the home directory.
pub(crate) fn absolute(given: &OsStr) -> PathBuf {
    let bytes = given.as_bytes();
    let bytes = if bytes.starts_with(b"/~") { &bytes[1..] } else { bytes };
    if let Some(rest) = bytes.strip_prefix(b"~") {
        let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let below = rest[length..].strip_prefix(b"/").unwrap_or_default();
        if let Some(home) = home_of(&rest[..length]) {
            return home.join(OsStr::from_bytes(below));
        }
    }
    let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
    home_of(b"").map_or(path.clone(), |home| home.join(path))
}

/// Takes `.` and `..` out of an absolute path, without asking what is there.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = normal.pop(),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    normal
}

/// True if a path names a directory by going up from another.
pub(crate) fn goes_up(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Opens the repository that git finds at a path. It must be the one that the client means.
pub(crate) fn open(place: &Path, command: &Command) -> Result<Annex> {
    let annex = Annex::open(&as_git_finds(place))?;
    match &command.uuid {
        Some(expected) if annex.uuid().as_str() != expected => Err(Error::Refused(format!(
            "{} is another repository than before: its uuid is {}, not {expected}; nothing was done",
            place.display(),
            annex.uuid()
        ))),
        Some(_) | None => Ok(annex),
    }
}

fn home_of(user: &[u8]) -> Option<PathBuf> {
    if user.is_empty() {
        let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        return home.or_else(|| User::from_uid(Uid::effective()).ok().flatten().map(|user| user.dir));
    }
    let user = std::str::from_utf8(user).ok()?;
    User::from_name(user).ok().flatten().map(|user| user.dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_where_git_annex_takes_it() {
        let home = PathBuf::from(env::var_os("HOME").unwrap());
        let root = User::from_name("root").unwrap().unwrap().dir;
        for (given, expected) in [
            ("/a/b", PathBuf::from("/a/b")),
            ("a", home.join("a")),
            ("~/a", home.join("a")),
            ("/~/a", home.join("a")),
            ("~", home.clone()),
            ("/~", home.clone()),
            ("~root/a", root.join("a")),
            ("/~root/a", root.join("a")),
            ("~nobody is called so/a", home.join("~nobody is called so/a")),
            ("-a", home.join("-a")),
            ("", home.clone()),
        ] {
            assert_eq!(absolute(OsStr::new(given)), expected, "{given}");
        }
        assert_eq!(normal(Path::new("/a/./b/../../../c/")), Path::new("/c"));
    }
}
