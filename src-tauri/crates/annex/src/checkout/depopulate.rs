//! Files of the work tree whose content is removed from the annex: they become pointers again.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use git2::{ObjectType, Oid};
use model::{Key, RepoPath};

use super::act::{FEW, sync, write_out};
use super::entry::{is_unmodified, trusts_mode};
use super::obstacle::Obstacle;
use super::place::OpenWorkTree;
use super::populate::{Made, put_in_place};
use crate::index::{EXECUTABLE, Index, REGULAR, Staged};
use crate::oid::from_git;
use crate::pointer::pointer_for;
use crate::{Annex, Error, HashVerdict, Result, Store, Verifier};

impl Annex {
    /// The unlocked files that are staged for these keys, each with its key. They may be pointers, have their content, or
    /// have been changed since.
    pub fn unlocked_files(&self, keys: &[Key]) -> Result<Vec<(RepoPath, Key)>> {
        if self.is_bare() || keys.is_empty() {
            return Ok(Vec::new());
        }
        let git = self.git()?;
        files_of(&Index::read(self, &git)?, &keys.iter().collect::<Vec<_>>())
    }

    /// Makes the unlocked files of these keys, if they have exactly that content, pointers to it, as git-annex does before it
    /// removes content. Files that were changed are left alone.
    pub(crate) fn depopulate(&self, keys: &[&Key]) -> Result<Vec<RepoPath>> {
        let Some(top) = self.work_tree() else {
            return Ok(Vec::new());
        };
        let git = self.git()?;
        if files_of(&Index::read(self, &git)?, keys)?.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.store();
        let _scratch = store.hold_scratch()?;
        let staged_index = Staged::open(self, &git)?;
        let trust_mode = trusts_mode(&git);
        let made = make_all(store, top, staged_index.index(), keys, trust_mode)?;
        put_in_place(store, top, made, staged_index, trust_mode, &mut |_| Ok(()))
    }
}

fn files_of(index: &Index, keys: &[&Key]) -> Result<Vec<(RepoPath, Key)>> {
    let mut pointers = HashMap::new();
    for &key in keys {
        pointers.insert(from_git(pointer_of(key)?), key);
    }
    let entries = index.entries();
    let mut files = Vec::new();
    for entry in entries.iter(&entries.all()) {
        if entry.stage() == 0
            && matches!(entry.mode, REGULAR | EXECUTABLE)
            && let Some(&key) = pointers.get(&entry.oid)
            && let Ok(path) = RepoPath::parse(entry.path)
        {
            files.push((path, key.clone()));
        }
    }
    Ok(files)
}

fn pointer_of(key: &Key) -> Result<Oid> {
    Oid::hash_object(ObjectType::Blob, &pointer_for(key)).map_err(Error::git("hash a pointer"))
}

fn make_all(store: &Store<'_>, top: &Path, index: &Index, keys: &[&Key], trust_mode: bool) -> Result<Vec<Made>> {
    let mut place = OpenWorkTree::open(top)?;
    let mut all = Vec::new();
    let files = files_of(index, keys)?;
    let durable = files.len() <= FEW;
    for (path, key) in files {
        let Some(seen) = place.look(&path)?.filter(|seen| seen.is_file()) else {
            continue;
        };
        let entry = index.entry(path.as_bytes());
        let is_as_staged = entry.is_some_and(|entry| is_unmodified(&entry, &seen, index.written_at, trust_mode));
        let text = pointer_for(&key);
        // What is as it was staged is either the content or the pointer; anything else is read.
        let is_known = is_as_staged && seen.size != text.len() as u64;
        let has_content = is_known
            || match has_content(&mut place, &path, &key) {
                // It stays as it is, like a file that was changed, and keeps nobody waiting.
                Err(error) if Obstacle::of(&error).is_some() => false,
                found => found?,
            };
        if !has_content {
            continue;
        }
        let (mut file, new) = store.work_tree_file(seen.is_executable())?;
        file.write_all(&text).map_err(Error::io("write", &new.path()))?;
        drop(file);
        if durable {
            sync(&new)?;
        }
        all.push(Made {
            path,
            seen,
            pointer: pointer_of(&key)?,
            new,
        });
    }
    if !durable {
        write_out(top)?;
    }
    Ok(all)
}

/// True if a file has exactly the content of a key, as its hash says.
fn has_content(place: &mut OpenWorkTree, path: &RepoPath, key: &Key) -> Result<bool> {
    let shown = place.shown(path);
    let Some(mut file) = place.read(path)? else {
        return Ok(false);
    };
    let mut verifier = Verifier::for_key(key);
    std::io::copy(&mut file, &mut Hashing(&mut verifier)).map_err(Error::io("read", &shown))?;
    Ok(verifier.finish() == HashVerdict::Matches)
}

struct Hashing<'v>(&'v mut Verifier);

impl Write for Hashing<'_> {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        self.0.update(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
