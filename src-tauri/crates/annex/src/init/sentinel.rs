//! The file by which git-annex sees whether inode numbers are still those of before.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Error, Result, make_below};

/// Makes `annex/sentinal` and its inode cache, unless they are there: without them git-annex trusts no inode number, and
/// takes one file for another that has the same size and time.
pub(super) fn place(git_dir: &Path) -> Result<()> {
    let directory = git_dir.join("annex");
    let (sentinel, cache) = (directory.join("sentinal"), directory.join("sentinal.cache"));
    if cache.symlink_metadata().is_ok() {
        return Ok(());
    }
    make_below(git_dir, &directory).map_err(Error::io("create the directory", &directory))?;
    match fs::File::create_new(&sentinel) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("create", &sentinel)(error)),
    }
    let found = fs::symlink_metadata(&sentinel).map_err(Error::io("examine", &sentinel))?;
    let text = inode_cache(found.ino(), found.size(), found.mtime(), found.mtime_nsec());
    fs::write(&cache, text).map_err(Error::io("write", &cache))
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
