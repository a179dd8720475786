use model::Oid;

use crate::stat::{FileTime, Stat};

/// Modes that git knows.
pub(crate) const REGULAR: u32 = 0o100644;
pub(crate) const EXECUTABLE: u32 = 0o100755;
pub(crate) const SYMLINK: u32 = 0o120000;
pub(crate) const GITLINK: u32 = 0o160000;

const STAGE: u16 = 0x3000;
const ASSUME_VALID: u16 = 0x8000;
pub(crate) const SKIP_WORKTREE: u16 = 0x4000;
const INTENT_TO_ADD: u16 = 0x2000;

/// One line of the index: a path, what is staged for it, and the stat data of the work-tree file that it was staged
/// from, each number cut to 32 bits as git does.
///
/// The path is borrowed where the entry is one of many in memory ([`EntryRef`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry<P = Box<[u8]>> {
    pub(crate) ctime: (u32, u32),
    pub(crate) mtime: (u32, u32),
    pub(crate) dev: u32,
    pub(crate) ino: u32,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u32,
    pub(crate) oid: Oid,
    /// As on disk, without the length of the path.
    pub(crate) flags: u16,
    pub(crate) extended: u16,
    pub(crate) path: P,
}

/// An entry whose path lies in the index that it was read from.
pub(crate) type EntryRef<'a> = IndexEntry<&'a [u8]>;

impl IndexEntry {
    /// An entry for a work-tree file that has this stat data.
    pub(crate) fn new(path: &[u8], mode: u32, oid: Oid, stat: &Stat) -> Self {
        Self {
            ctime: cut(stat.ctime),
            mtime: cut(stat.mtime),
            dev: stat.dev as u32,
            ino: stat.ino as u32,
            mode,
            uid: stat.uid,
            gid: stat.gid,
            size: cut_size(stat.size),
            oid,
            flags: 0,
            extended: 0,
            path: path.into(),
        }
    }

    /// An entry that says nothing about the work-tree file, so that whoever compares has to read the file.
    pub(crate) fn without_stat(path: &[u8], mode: u32, oid: Oid) -> Self {
        Self {
            ctime: (0, 0),
            mtime: (0, 0),
            dev: 0,
            ino: 0,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            oid,
            flags: 0,
            extended: 0,
            path: path.into(),
        }
    }

    pub(crate) fn borrowed(&self) -> EntryRef<'_> {
        self.with_path(&*self.path)
    }
}

impl EntryRef<'_> {
    pub(crate) fn owned(&self) -> IndexEntry {
        self.with_path(self.path.into())
    }
}

impl<P> IndexEntry<P> {
    /// The same for another path.
    pub(super) fn with_path<Q>(&self, path: Q) -> IndexEntry<Q> {
        IndexEntry {
            ctime: self.ctime,
            mtime: self.mtime,
            dev: self.dev,
            ino: self.ino,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            oid: self.oid,
            flags: self.flags,
            extended: self.extended,
            path,
        }
    }

    /// What it says apart from stat data.
    pub(super) fn staged(&self) -> (u32, Oid, u16, u16) {
        (self.mode, self.oid, self.flags, self.extended)
    }

    /// 0 for what is staged; 1 to 3 for the sides of an unresolved conflict.
    pub(crate) fn stage(&self) -> u16 {
        (self.flags & STAGE) >> 12
    }

    /// True if the user told git not to look at the work-tree file (`--assume-unchanged`, `--skip-worktree`, sparse).
    pub(crate) fn is_not_looked_at(&self) -> bool {
        self.flags & ASSUME_VALID != 0 || self.is_left_out()
    }

    /// True if the user does not want the file in the work tree (sparse checkout).
    pub(crate) fn is_left_out(&self) -> bool {
        self.extended & SKIP_WORKTREE != 0
    }

    /// True after `git add --intent-to-add`: the path is tracked and nothing is staged for it.
    pub(crate) fn is_intent_to_add(&self) -> bool {
        self.extended & INTENT_TO_ADD != 0
    }

    /// True if the file looks as it did when it was staged.
    ///
    /// The device number is left out, as git does: it changes when a disk is plugged in elsewhere.
    pub(crate) fn is_of(&self, stat: &Stat, trust_ctime: bool) -> bool {
        self.is_same_inode(stat) && (!trust_ctime || self.ctime == cut(stat.ctime))
    }

    /// True if inode, size, modification time and kind are those of the file: what a rename leaves as it was.
    pub(crate) fn is_same_inode(&self, stat: &Stat) -> bool {
        self.ino == stat.ino as u32
            && self.mtime == cut(stat.mtime)
            && self.size == cut_size(stat.size)
            && match self.mode {
                SYMLINK => stat.is_symlink(),
                _ => stat.is_file(),
            }
    }
}

fn cut((seconds, nanoseconds): FileTime) -> (u32, u32) {
    (seconds as u32, nanoseconds)
}

/// A size that is a multiple of 4 GiB must not become 0, which git takes for "read it again".
fn cut_size(size: u64) -> u32 {
    match size as u32 {
        0 if size > 0 => 1 << 31,
        cut => cut,
    }
}
