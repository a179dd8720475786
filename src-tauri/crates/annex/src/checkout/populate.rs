//! Pointer files whose content has come.

use std::io::Read;
use std::path::Path;

use git2::{ObjectType, Oid};
use model::{Key, RepoPath};

use super::act::{FEW, MANY, in_two, sync, write_out};
use super::entry::{entry, is_unmodified, staged, trusts_mode};
use super::obstacle::Obstacle;
use super::place::{OpenWorkTree, Parent, Seen, look_at};
use super::taken_away::{Taken, TakenAway};
use super::{Before, Step};
use crate::index::{EntryRef, Index, IndexEntry, PATIENCE, Staged};
use crate::oid::to_git;
use crate::pointer::{MAX_POINTER, key_of_pointer, pointer_for};
use crate::store::found;
use crate::tree::raw::Mode;
use crate::{Annex, Error, Incoming, Result, Store};

/// A file that got its content, or became a pointer again.
struct Populated {
    path: RepoPath,
    seen: Seen,
    /// The blob of its pointer.
    pointer: Oid,
}

impl Annex {
    /// Gives work-tree files that are exactly the pointer of their key the content that is now here, and refreshes
    /// their index entries, so that `git status` stays clean. Returns the paths that got their content; files that are
    /// anything else, or whose content is not here, are left alone.
    ///
    /// `index.lock` is held from before the first file changes. Busy, and nothing is changed, if another program keeps
    /// it for more than two seconds. What was copied is on disk before it gets its name: a file that a power cut
    /// truncated would look like an edit. A name that a power cut takes leaves the pointer, which is filled again.
    pub fn populate(&self, files: &[(RepoPath, Key)], thin: bool) -> Result<Vec<RepoPath>> {
        self.populate_by_steps(files, thin, &mut |_| Ok(()))
    }

    /// `before` is called before each step, so that tests can act there.
    pub(super) fn populate_by_steps(
        &self,
        files: &[(RepoPath, Key)],
        thin: bool,
        before: &mut Before<'_>,
    ) -> Result<Vec<RepoPath>> {
        let Some(top) = self.work_tree() else {
            return Ok(Vec::new());
        };
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let git = self.git()?;
        let mut staged_index = Staged::draft(self, &git)?;
        let trust_mode = trusts_mode(&git);
        let candidates = perhaps_pointers(top, staged_index.index(), files, trust_mode)?;
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.store();
        let _scratch = store.hold_scratch()?;
        let durable = candidates.len() <= FEW;
        let made = in_two(store, candidates, &|store, candidates| {
            make_all(store, top, candidates, thin, durable)
        })?;
        if !durable {
            write_out(top)?;
        }
        before(Step::Marker)?;
        if !staged_index.take_lock(PATIENCE)? {
            drop(staged_index);
            staged_index = Staged::open(self, &git)?;
        }
        before(Step::WorkTree)?;
        let made = made.into_iter().flatten().collect();
        put_in_place(store, top, made, staged_index, trust_mode, before)
    }
}

/// Puts files in the place of those that were seen, and refreshes their index entries.
pub(super) fn put_in_place(
    store: &Store<'_>,
    top: &Path,
    made: Vec<Made>,
    mut staged_index: Staged,
    trust_mode: bool,
    before: &mut Before<'_>,
) -> Result<Vec<RepoPath>> {
    let (populated, result) = place_all(store, top, made);
    if populated.is_empty() {
        return result.map(|()| Vec::new());
    }
    before(Step::Index)?;
    for file in &populated {
        let staged_as = staged_index.index().entry(file.path.as_bytes());
        if let Some(entry) = staged_as.and_then(|old| refreshed(&old, file, trust_mode)) {
            staged_index.put(entry);
        }
    }
    staged_index.commit()?;
    result?;
    Ok(populated.into_iter().map(|file| file.path).collect())
}

/// A file that is perhaps a pointer.
struct PossiblePointer {
    path: RepoPath,
    key: Key,
    seen: Seen,
    /// The blob of its pointer, if the index proves that the file is exactly that: then it need not be read.
    pointer: Option<Oid>,
}

/// The files that the index does not know to hold their content: those that are not as they were staged, or were staged
/// as they stand in git. Most files whose content has come were its source, or were written with it.
fn perhaps_pointers(
    top: &Path,
    index: &Index,
    files: &[(RepoPath, Key)],
    trust_mode: bool,
) -> Result<Vec<PossiblePointer>> {
    let mut place = OpenWorkTree::open(top)?;
    let mut perhaps = Vec::with_capacity(files.len());
    for (path, key) in files {
        let Some(seen) = place.look(path)?.filter(|seen| seen.is_file()) else {
            continue;
        };
        let text = pointer_for(key);
        let has_its_size = seen.size == text.len() as u64;
        let pointer = Oid::hash_object(ObjectType::Blob, &text).ok();
        let entry = index.entry(path.as_bytes());
        let entry = entry.filter(|entry| pointer == Some(to_git(entry.oid)));
        if !has_its_size && entry.is_some_and(|entry| entry.is_of(&seen, true)) {
            continue;
        }
        // The filter stages the pointer for the content as well, which may be just as long.
        let is_content = key.size().is_none_or(|size| size == seen.size);
        let is_pointer = has_its_size
            && !is_content
            && entry.is_some_and(|entry| is_unmodified(&entry, &seen, index.written_at, trust_mode));
        perhaps.push(PossiblePointer {
            path: path.clone(),
            key: key.clone(),
            seen,
            pointer: pointer.filter(|_| is_pointer),
        });
    }
    Ok(perhaps)
}

/// The entry with new stat data, if it stages the pointer that was replaced.
fn refreshed(old: &EntryRef<'_>, file: &Populated, trust_mode: bool) -> Option<IndexEntry> {
    let blob = staged(old)?;
    let executable = match blob.mode {
        Mode::File => false,
        Mode::Executable => true,
        Mode::Symlink | Mode::Submodule => return None,
    };
    let same = blob.id == file.pointer && (!trust_mode || file.seen.is_executable() == executable);
    same.then(|| IndexEntry {
        flags: old.flags,
        extended: old.extended,
        ..entry(&file.path, blob, Some(&file.seen))
    })
}

/// A file as it was seen, and what comes in its place, complete.
pub(super) struct Made {
    pub(super) path: RepoPath,
    pub(super) seen: Seen,
    /// The blob of its pointer.
    pub(super) pointer: Oid,
    pub(super) new: Incoming,
}

/// Makes the contents of all files that are exactly the pointer of their key, without touching them.
fn make_all(
    store: &Store<'_>,
    top: &Path,
    candidates: Vec<PossiblePointer>,
    thin: bool,
    durable: bool,
) -> Result<Vec<Made>> {
    let mut place = OpenWorkTree::open(top)?;
    let mut all = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match make(store, &mut place, candidate, thin) {
            Ok(Some(made)) => {
                if durable {
                    sync(&made.new)?;
                }
                all.push(made);
            }
            Ok(None) => {}
            // It stays a pointer; the next scan tries again.
            Err(error) if Obstacle::of(&error).is_some() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn make(store: &Store<'_>, place: &mut OpenWorkTree, candidate: PossiblePointer, thin: bool) -> Result<Option<Made>> {
    let PossiblePointer {
        path,
        key,
        seen,
        pointer,
    } = candidate;
    let Some(pointer) = pointer.map_or_else(|| read_pointer(place, &path, &key), |known| Ok(Some(known)))? else {
        return Ok(None);
    };
    let new = found(store.content_for_work_tree(&key, &path, thin, seen.is_executable()))?;
    Ok(new.map(|new| Made {
        path,
        seen,
        pointer,
        new,
    }))
}

/// The blob of the pointer that a file is; none if it is not a pointer of this key.
fn read_pointer(place: &mut OpenWorkTree, path: &RepoPath, key: &Key) -> Result<Option<Oid>> {
    let shown = place.shown(path);
    let Some(file) = place.read(path)? else {
        return Ok(None);
    };
    let mut data = Vec::new();
    file.take(MAX_POINTER as u64 + 1)
        .read_to_end(&mut data)
        .map_err(Error::io("read", &shown))?;
    if key_of_pointer(&data).as_ref() != Some(key) {
        return Ok(None);
    }
    Oid::hash_object(ObjectType::Blob, &data)
        .map(Some)
        .map_err(Error::git("hash a pointer"))
}

/// Puts the contents in the place of the pointers, many of them on two threads. What was populated before the first error stays
/// so, and must reach the index.
fn place_all(store: &Store<'_>, top: &Path, mut made: Vec<Made>) -> (Vec<Populated>, Result<()>) {
    if made.len() < MANY {
        return place_each(store, top, made);
    }
    let rest = made.split_off(made.len() / 2);
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| place_each(store, top, rest));
        let (mut populated, first) = place_each(store, top, made);
        let (more, second) = beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        populated.extend(more);
        (populated, first.and(second))
    })
}

fn place_each(store: &Store<'_>, top: &Path, made: Vec<Made>) -> (Vec<Populated>, Result<()>) {
    let mut populated = Vec::with_capacity(made.len());
    let mut place = match OpenWorkTree::open(top) {
        Ok(place) => place,
        Err(error) => return (populated, Err(error)),
    };
    let mut taken_away = TakenAway::new(store);
    for made in made {
        match put(&mut place, &mut taken_away, made) {
            Ok(file) => populated.extend(file),
            // It stays a pointer; the next scan tries again.
            Err(error) if Obstacle::of(&error).is_some() => {}
            Err(error) => return (populated, Err(error)),
        }
    }
    (populated, taken_away.finish())
}

fn put(place: &mut OpenWorkTree, taken_away: &mut TakenAway<'_>, made: Made) -> Result<Option<Populated>> {
    let Made {
        path,
        seen,
        pointer,
        new,
    } = made;
    let error = place.error("write", &path);
    let Parent::Open(parent) = place.parent(&path, false)? else {
        return Ok(None);
    };
    match taken_away.replace(new, parent, &path, &seen) {
        Ok(Taken::Done) => {}
        Ok(Taken::Changed | Taken::Open) => return Ok(None),
        Err(errno) => return Err(error(errno)),
    }
    let now = look_at(parent, &path).map_err(error)?;
    Ok(now.map(|seen| Populated { path, seen, pointer }))
}
