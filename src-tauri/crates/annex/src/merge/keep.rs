//! What a merge makes is in memory until it is known to be wanted; then all of it reaches the disk together.

use git2::{Odb, OdbLookupFlags, Oid, Repository};

use crate::objects::{Bulk, Kept};
use crate::tree::raw::{self, Mode};
use crate::{Annex, Error, Result};

/// Before all backends of a repository on disk, which have 1 and 2.
const FIRST: i32 = 1000;

/// Makes a repository handle keep what is written through it in memory.
pub(super) fn in_memory(git: &Repository) -> Result<()> {
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    odb.add_new_mempack_backend(FIRST)
        .map(drop)
        .map_err(Error::git("prepare a merge"))
}

/// Stores commits that were made in memory, with all that they lead to and that is not on disk.
pub(super) fn store(annex: &Annex, memory: &Repository, commits: &[Oid]) -> Result<Kept> {
    if commits.is_empty() {
        return Ok(Kept::default());
    }
    let disk = annex.git_alone()?;
    let (memory, on_disk) = (
        memory.odb().map_err(Error::git("open the object database"))?,
        disk.odb().map_err(Error::git("open the object database"))?,
    );
    let mut keeper = Keeper {
        memory,
        on_disk,
        bulk: Bulk::begin(&disk)?,
    };
    for &id in commits {
        let commit = keeper.copy(id)?;
        let tree = git2::Oid::from_str(
            commit
                .get(5..45)
                .and_then(|hex| std::str::from_utf8(hex).ok())
                .unwrap_or(""),
        )
        .map_err(Error::git("read a merge"))?;
        keeper.tree(tree)?;
    }
    keeper.bulk.finish()
}

struct Keeper<'r> {
    memory: Odb<'r>,
    on_disk: Odb<'r>,
    bulk: Bulk<'r>,
}

impl Keeper<'_> {
    fn copy(&mut self, id: Oid) -> Result<Vec<u8>> {
        let object = self.memory.read(id).map_err(Error::git("read what a merge has made"))?;
        let content = object.data().to_vec();
        self.bulk.write(object.kind(), content.clone())?;
        Ok(content)
    }

    /// An object on disk is there with all that it leads to.
    fn tree(&mut self, id: Oid) -> Result<()> {
        if self.is_on_disk(id) {
            return Ok(());
        }
        let content = self.copy(id)?;
        let entries = raw::parse(&content).ok_or_else(|| raw::malformed(id))?;
        for entry in entries {
            match entry.mode {
                None => self.tree(entry.id)?,
                Some(Mode::Submodule) => {}
                Some(_) if self.is_on_disk(entry.id) => {}
                Some(_) => _ = self.copy(entry.id)?,
            }
        }
        Ok(())
    }

    fn is_on_disk(&self, id: Oid) -> bool {
        self.on_disk.exists_ext(id, OdbLookupFlags::NO_REFRESH)
    }
}
