use std::sync::Arc;

use crate::below::file_system;
use crate::{Directory, Result};

/// Makes what happened to names in these directories durable, at the latest when a ref is that is written afterwards.
pub(super) fn sync_names<'d>(top: &Directory, directories: impl IntoIterator<Item = &'d Arc<Directory>>) -> Result<()> {
    if keeps_order(top) {
        return Ok(());
    }
    directories.into_iter().try_for_each(|directory| directory.sync())
}

/// True if the file system has one journal for all that happens to names: the fsync of the ref that is written next
/// writes out all that happened before it. So it is with ext4 and XFS, not with btrfs. (The number of ext4 is also that of
/// ext2, which has no journal, and after a crash needs a check that repairs more than this.)
fn keeps_order(directory: &Directory) -> bool {
    const EXT: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    file_system(directory).is_some_and(|kind| matches!(kind, EXT | XFS))
}
