//! The file by which git-annex sees whether inode numbers are still those of before.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, statat};

use crate::{Directory, Error, Result};

/// git-annex's names.
const SENTINEL: &str = "sentinal";
const CACHE: &str = "sentinal.cache";

/// Makes `annex/sentinal` and its inode cache, unless they are there: without them git-annex trusts no inode number, and
/// takes one file for another that has the same size and time.
pub(super) fn place(git_dir: &Path) -> Result<()> {
    let directory = Arc::new(Directory::top(git_dir)?.make("annex")?);
    if directory.kind(CACHE).is_some() {
        return directory.refuse_other_than_file(CACHE);
    }
    let path = directory.path().join(SENTINEL);
    match directory.create_new(SENTINEL, 0o644) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => directory.refuse_other_than_file(SENTINEL)?,
        Err(error) => return Err(Error::io("create", &path)(error)),
    }
    let found = statat(&directory, SENTINEL, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| Error::io("examine", &path)(errno.into()))?;
    let text = inode_cache(
        found.st_ino,
        found.st_size.unsigned_abs(),
        found.st_mtime,
        found.st_mtime_nsec.cast_signed(),
    );
    directory.replace(CACHE, text.as_bytes(), 0o644)
}

/// `<inode> <size> <seconds> <fraction>`: the fraction has no zeros at its end, and is empty for whole seconds.
fn inode_cache(inode: u64, size: u64, seconds: i64, nanoseconds: i64) -> String {
    let digits = format!("{nanoseconds:09}");
    format!("{inode} {size} {seconds} {}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{inode_cache, place};

    #[test]
    fn the_cache_is_written_as_git_annex_writes_it() {
        assert_eq!(
            inode_cache(10_412_037, 0, 1_795_357_749, 81_885_286),
            "10412037 0 1795357749 081885286"
        );
        assert_eq!(inode_cache(1, 0, 7, 50_000_000), "1 0 7 05");
        assert_eq!(inode_cache(1, 0, 7, 0), "1 0 7 ");
    }

    #[test]
    fn it_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        place(directory.path()).unwrap();
        let cache = directory.path().join("annex/sentinal.cache");
        let first = fs::read(&cache).unwrap();
        assert!(!first.is_empty());
        fs::remove_file(directory.path().join("annex/sentinal")).unwrap();
        place(directory.path()).unwrap();
        assert_eq!(fs::read(&cache).unwrap(), first);
        assert!(!directory.path().join("annex/sentinal").exists());
    }
}
