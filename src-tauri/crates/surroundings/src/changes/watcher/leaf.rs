//! Directories without subdirectories.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{StatFs, statfs};

/// True if a directory has no subdirectories, by its number of links: its name, its `.`, and the `..` of each subdirectory.
/// False on file systems that do not count these links.
pub(super) fn is_leaf(directory: &Path) -> bool {
    const COUNTS: [u64; 3] = [
        0xef53,      // ext4
        0x5846_5342, // XFS
        0x0102_1994, // tmpfs
    ];
    let counts = |found: StatFs| u64::try_from(found.f_type).is_ok_and(|kind| COUNTS.contains(&kind));
    directory.metadata().is_ok_and(|found| found.nlink() == 2) && statfs(directory).is_ok_and(counts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_directory_without_subdirectories_is_a_leaf() {
        let top = tempfile::tempdir().unwrap();
        let counts = is_leaf(top.path());
        fs::write(top.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(".", top.path().join("link")).unwrap();
        assert_eq!(is_leaf(top.path()), counts);
        let below = top.path().join("below");
        fs::create_dir(&below).unwrap();
        assert!(!is_leaf(top.path()));
        assert_eq!(is_leaf(&below), counts);
        fs::remove_dir(&below).unwrap();
        assert_eq!(is_leaf(top.path()), counts);
        // This is a tmpfs.
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            assert!(is_leaf(memory.path()));
        }
        assert!(!is_leaf(&below), "it is gone");
    }
}
