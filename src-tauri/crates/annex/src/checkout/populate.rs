//! Pointer files whose content has come.

use std::io::Read;
use std::path::Path;

use git2::{IndexEntry, ObjectType, Oid};
use model::{Key, RepoPath};

use super::act::replace;
use super::entry::{entry, staged};
use super::place::{Parent, Place, Seen, look_at};
use crate::standins::{self, MAX_POINTER, Staged, key_of_pointer};
use crate::tree::raw::Mode;
use crate::{Annex, Error, Result};

/// From this many files on, two threads copy.
const MANY: usize = 256;

/// A pointer file that got its content.
struct Populated {
    path: RepoPath,
    seen: Seen,
    /// The blob of the pointer that was there.
    pointer: Oid,
}

impl Annex {
    /// Gives work-tree files that are exactly the pointer of their key the content that is now here, and refreshes
    /// their index entries, so that `git status` stays clean. Returns the paths that got their content; files that are
    /// anything else, or whose content is not here, are left alone.
    ///
    /// `index.lock` is held from before the first file changes. Busy, and nothing is changed, if another program keeps
    /// it for more than two seconds. What is copied is not flushed to disk: the object is there, and a file that a power
    /// cut truncates differs from its index entry, so it is looked at again.
    pub fn populate(&self, files: &[(RepoPath, Key)], thin: bool) -> Result<Vec<RepoPath>> {
        let Some(top) = self.work_tree() else {
            return Ok(Vec::new());
        };
        if files.is_empty() {
            return Ok(Vec::new());
        }
        standins::make_scratch_directory(self)?;
        let mut staged_index = Staged::begin(self)?;
        let populated = if files.len() < MANY {
            populate_all(self, top, files, thin)
        } else {
            let (first, second) = files.split_at(files.len() / 2);
            let (ours, theirs) = std::thread::scope(|scope| {
                let other = scope.spawn(|| populate_all(self, top, second, thin));
                let ours = populate_all(self, top, first, thin);
                (ours, other.join())
            });
            let theirs = theirs.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (
                [ours.0, theirs.0].into_iter().flatten().collect(),
                ours.1.and(theirs.1),
            )
        };
        let (populated, result) = populated;
        if populated.is_empty() {
            return result.map(|()| Vec::new());
        }
        let index = staged_index.index();
        for file in &populated {
            let staged_as = index.get_path(file.path.as_path(), 0);
            if let Some(entry) = staged_as.and_then(|old| refreshed(&old, file)) {
                index
                    .add(&entry)
                    .map_err(Error::git(format!("refresh {} in the index", file.path)))?;
            }
        }
        staged_index.finish()?;
        result?;
        Ok(populated.into_iter().map(|file| file.path).collect())
    }
}

/// The entry with new stat data, if it stages the pointer that was replaced.
fn refreshed(old: &IndexEntry, file: &Populated) -> Option<IndexEntry> {
    let blob = staged(old)?;
    let executable = match blob.mode {
        Mode::File => false,
        Mode::Executable => true,
        Mode::Symlink | Mode::Submodule => return None,
    };
    let same = blob.id == file.pointer && file.seen.is_executable() == executable;
    same.then(|| IndexEntry {
        flags_extended: old.flags_extended,
        ..entry(&file.path, blob, Some(&file.seen))
    })
}

/// What was populated before the first error stays so, and must reach the index.
fn populate_all(annex: &Annex, top: &Path, files: &[(RepoPath, Key)], thin: bool) -> (Vec<Populated>, Result<()>) {
    let mut populated = Vec::with_capacity(files.len());
    let mut place = match Place::open(top) {
        Ok(place) => place,
        Err(error) => return (populated, Err(error)),
    };
    for (path, key) in files {
        match populate_one(annex, &mut place, path, key, thin) {
            Ok(file) => populated.extend(file),
            Err(error) => return (populated, Err(error)),
        }
    }
    (populated, Ok(()))
}

fn populate_one(annex: &Annex, place: &mut Place, path: &RepoPath, key: &Key, thin: bool) -> Result<Option<Populated>> {
    let Some(seen) = place.look(path)? else {
        return Ok(None);
    };
    if !seen.is_file() || seen.size > MAX_POINTER as u64 {
        return Ok(None);
    }
    let shown = place.shown(path);
    let Some(file) = place.read(path)? else {
        return Ok(None);
    };
    let mut data = Vec::with_capacity(256);
    file.take(MAX_POINTER as u64 + 1)
        .read_to_end(&mut data)
        .map_err(Error::io("read", &shown))?;
    if key_of_pointer(&data).as_ref() != Some(key) {
        return Ok(None);
    }
    let Some(new) = standins::content_for_work_tree(annex, key, thin, seen.is_executable())? else {
        return Ok(None);
    };
    let pointer = Oid::hash_object(ObjectType::Blob, &data).map_err(Error::git("hash a pointer"))?;
    let error = place.error("write", path);
    let Parent::Open(parent) = place.parent(path, false)? else {
        return Ok(None);
    };
    match replace(&new, parent, path, &seen) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(errno) => return Err(error(errno)),
    }
    new.moved_away();
    let now = look_at(parent, path).map_err(error)?;
    Ok(now.map(|seen| Populated {
        path: path.clone(),
        seen,
        pointer,
    }))
}
