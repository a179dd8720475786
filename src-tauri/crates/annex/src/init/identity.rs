//! Who a repository is: its uuid, its description, the author of its commits.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use git2::Repository;
use model::Uuid;
use nix::unistd::{Uid, User};

use super::set;
use crate::{Error, Result};

/// Returns a random version-4 uuid.
pub(super) fn new_uuid() -> Result<Uuid> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::io("read random bytes from", source))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    Uuid::parse(&parts.join("-")).ok_or_else(|| Error::Damaged("a random uuid is not a uuid".to_owned()))
}

/// Returns the description that git-annex gives a repository: `user@host:path`, with `~` for the home directory.
pub fn default_description(top: &Path) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "localhost" } else { host };
    let top = fs::canonicalize(top).unwrap_or_else(|_| top.to_owned());
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let home = home.map(|home| fs::canonicalize(&home).unwrap_or(home));
    let path = match home.and_then(|home| top.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(below) => format!("~/{}", below.display()),
        None => top.display().to_string(),
    };
    one_line(&format!("{}@{host}:{path}", login()))
}

/// Writes line breaks as git-annex does: a log has one line per repository.
pub(super) fn one_line(description: &str) -> String {
    description.replace('\n', "\\n").replace('\r', "\\r").replace('\0', "")
}

/// Sets an author in the repository where git knows none, since every commit needs one; as git-annex does.
pub(super) fn give_author(git: &Repository, config: &mut git2::Config) -> Result<()> {
    if git.signature().is_ok() {
        return Ok(());
    }
    let login = login();
    for setting in ["user.name", "user.email"] {
        let known = git.config().is_ok_and(|config| config.get_string(setting).is_ok());
        if !known {
            set(config, setting, &login)?;
        }
    }
    Ok(())
}

fn login() -> String {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    user.map_or_else(|| "user".to_owned(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::new_uuid;

    #[test]
    fn uuids_are_random_and_of_version_4() {
        let (one, other) = (new_uuid().unwrap(), new_uuid().unwrap());
        assert_ne!(one, other);
        let text = one.as_str();
        assert_eq!((text.len(), &text[14..15]), (36, "4"), "{text}");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    }
}
