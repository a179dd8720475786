//! Pointer files whose content has come.

use std::io::Read;
use std::path::Path;

use git2::{ObjectType, Oid};
use model::{Key, RepoPath};

use super::act::{FEW, sync, write_out};
use super::entry::{entry, staged, trusts_mode};
use super::obstacle::Obstacle;
use super::place::{Parent, Place, Seen, look_at};
use super::taken_away::{Taken, TakenAway};
use crate::index::{Entry, Index, Staged};
use crate::oid::to_git;
use crate::pointer::{MAX_POINTER, key_of_pointer, pointer_for};
use crate::store::found;
use crate::tree::raw::Mode;
use crate::{Annex, Error, Result, Store};

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
    /// it for more than two seconds. What was copied is on disk before the index says so: a file that a power cut
    /// truncated would look like an edit.
    pub fn populate(&self, files: &[(RepoPath, Key)], thin: bool) -> Result<Vec<RepoPath>> {
        let Some(top) = self.work_tree() else {
            return Ok(Vec::new());
        };
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let git = self.git()?;
        let files = &perhaps_pointers(top, &Index::read(&git)?, files)?[..];
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.store();
        let _scratch = store.hold_scratch()?;
        let mut staged_index = Staged::open(&git)?;
        let durable = files.len() <= FEW;
        let populated = if files.len() < MANY {
            populate_all(store, top, files, thin, durable)
        } else {
            let (first, second) = files.split_at(files.len() / 2);
            let (ours, theirs) = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let store = &store.beside();
                    let held = store.hold_scratch();
                    match held {
                        Ok(_scratch) => populate_all(store, top, second, thin, durable),
                        Err(error) => (Vec::new(), Err(error)),
                    }
                });
                let ours = populate_all(store, top, first, thin, durable);
                (ours, other.join())
            });
            let theirs = theirs.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ([ours.0, theirs.0].into_iter().flatten().collect(), ours.1.and(theirs.1))
        };
        let (populated, result) = populated;
        if populated.is_empty() {
            return result.map(|()| Vec::new());
        }
        if !durable {
            write_out(top)?;
        }
        let trust_mode = trusts_mode(&git);
        for file in &populated {
            let staged_as = staged_index.index().entry(file.path.as_bytes());
            if let Some(entry) = staged_as.and_then(|old| refreshed(old, file, trust_mode)) {
                staged_index.put(entry);
            }
        }
        staged_index.commit()?;
        result?;
        Ok(populated.into_iter().map(|file| file.path).collect())
    }
}

/// The files that the index does not know to hold their content: those that are not as they were staged, or were staged
/// as they stand in git. Most files whose content has come were its source, or were written with it.
fn perhaps_pointers(top: &Path, index: &Index, files: &[(RepoPath, Key)]) -> Result<Vec<(RepoPath, Key)>> {
    let mut place = Place::open(top)?;
    let mut perhaps = Vec::new();
    for (path, key) in files {
        let seen = place.look(path)?;
        let entry = index.entry(path.as_bytes());
        let is_filled = entry.zip(seen).is_some_and(|(entry, seen)| {
            let pointer = pointer_for(key);
            let is_staged = Oid::hash_object(ObjectType::Blob, &pointer).is_ok_and(|id| id == to_git(entry.oid));
            is_staged && seen.size != pointer.len() as u64 && entry.is_of(&seen, true)
        });
        if !is_filled {
            perhaps.push((path.clone(), key.clone()));
        }
    }
    Ok(perhaps)
}

/// The entry with new stat data, if it stages the pointer that was replaced.
fn refreshed(old: &Entry, file: &Populated, trust_mode: bool) -> Option<Entry> {
    let blob = staged(old)?;
    let executable = match blob.mode {
        Mode::File => false,
        Mode::Executable => true,
        Mode::Symlink | Mode::Submodule => return None,
    };
    let same = blob.id == file.pointer && (!trust_mode || file.seen.is_executable() == executable);
    same.then(|| Entry {
        flags: old.flags,
        extended: old.extended,
        ..entry(&file.path, blob, Some(&file.seen))
    })
}

/// What was populated before the first error stays so, and must reach the index.
fn populate_all(
    store: &Store<'_>,
    top: &Path,
    files: &[(RepoPath, Key)],
    thin: bool,
    durable: bool,
) -> (Vec<Populated>, Result<()>) {
    let mut populated = Vec::with_capacity(files.len());
    let mut place = match Place::open(top) {
        Ok(place) => place,
        Err(error) => return (populated, Err(error)),
    };
    let mut taken_away = TakenAway::new(store);
    for (path, key) in files {
        match populate_one(store, &mut place, &mut taken_away, path, key, thin, durable) {
            Ok(file) => populated.extend(file),
            // It stays a pointer, which is looked for again.
            Err(error) if Obstacle::of(&error).is_some() => {}
            Err(error) => return (populated, Err(error)),
        }
    }
    (populated, taken_away.finish())
}

fn populate_one(
    store: &Store<'_>,
    place: &mut Place,
    taken_away: &mut TakenAway<'_>,
    path: &RepoPath,
    key: &Key,
    thin: bool,
    durable: bool,
) -> Result<Option<Populated>> {
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
    let mut data = Vec::with_capacity(usize::try_from(seen.size).unwrap_or(0) + 1);
    file.take(MAX_POINTER as u64 + 1)
        .read_to_end(&mut data)
        .map_err(Error::io("read", &shown))?;
    if key_of_pointer(&data).as_ref() != Some(key) {
        return Ok(None);
    }
    let Some(new) = found(store.content_for_work_tree(key, path, thin, seen.is_executable()))? else {
        return Ok(None);
    };
    if durable {
        sync(&new)?;
    }
    let pointer = Oid::hash_object(ObjectType::Blob, &data).map_err(Error::git("hash a pointer"))?;
    let error = place.error("write", path);
    let Parent::Open(parent) = place.parent(path, false)? else {
        return Ok(None);
    };
    match taken_away.replace(new, parent, path, &seen) {
        Ok(Taken::Done) => {}
        Ok(Taken::Changed | Taken::Open) => return Ok(None),
        Err(errno) => return Err(error(errno)),
    }
    let now = look_at(parent, path).map_err(error)?;
    Ok(now.map(|seen| Populated {
        path: path.clone(),
        seen,
        pointer,
    }))
}
