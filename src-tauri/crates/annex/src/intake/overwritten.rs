//! Objects that a change of a file has changed with it: with `annex.thin` both are one inode.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;

use git2::{ObjectType, Repository};
use model::Key;

use super::{Intake, StagedAs, key_of_blob};
use crate::index::Index;
use crate::look::{Candidate, Look};
use crate::oid::from_git;
use crate::openat::{Directories, open_file};
use crate::pointer::pointer_for;
use crate::store::Making;
use crate::{Annex, Backend, Error, Result, Store, naming};

impl Annex {
    /// Looks at the objects of what files held before (`before`, for each candidate). One that is not the content of its
    /// key any more is set aside; unless an untouched file of the work tree has that content still, it is logged as missing.
    pub(super) fn set_aside_overwritten(
        &self,
        git: &Repository,
        root: &OwnedFd,
        (contents, thin): (&Store<'_>, bool),
        look: &Look,
        (candidates, before): (&[&Candidate], &[Option<StagedAs>]),
        intake: &Intake,
    ) -> Result<()> {
        let is_new = |key: &Key| intake.keys_added.binary_search(key).is_ok();
        let mut suspects = BTreeSet::new();
        // A file that waits is looked at again.
        let waits: BTreeSet<_> = intake.postponed.iter().map(|(path, _)| path).collect();
        let changed = candidates
            .iter()
            .zip(before)
            .filter(|(candidate, _)| !waits.contains(&candidate.path));
        let pointed_to = changed.filter_map(|(_, staged)| match staged {
            Some(StagedAs::Pointer(key)) => Some(key.clone()),
            Some(StagedAs::Symlink(_)) | None => None,
        });
        suspects.extend(pointed_to.filter(|key| !is_new(key)));
        if thin {
            let odb = git.odb().map_err(Error::git("open the objects"))?;
            let moved: BTreeSet<_> = candidates
                .iter()
                .filter_map(|candidate| candidate.known)
                .map(|known| known.oid)
                .collect();
            let gone = look.removed.iter().map(|removed| &removed.entry);
            let gone = gone.filter(|entry| !moved.contains(&entry.oid));
            suspects.extend(
                gone.filter_map(|entry| key_of_blob(&odb, entry.oid))
                    .filter(|key| !is_new(key)),
            );
        }
        for key in suspects {
            let was_there = contents.find(&key).is_some();
            if was_there && !contents.holds(&key)? && contents.find(&key).is_none() {
                self.make_up_for(git, root, contents, candidates, &key)?;
            }
        }
        Ok(())
    }

    /// Makes the object again from a file that has its content, or logs that it is missing.
    fn make_up_for(
        &self,
        git: &Repository,
        root: &OwnedFd,
        contents: &Store<'_>,
        candidates: &[&Candidate],
        key: &Key,
    ) -> Result<()> {
        let pointer =
            git2::Oid::hash_object(ObjectType::Blob, &pointer_for(key)).map_err(Error::git("name a pointer"))?;
        let index = Index::read(self, git)?;
        let entries = index.entries();
        let mut directories = Directories::below(root);
        let others = entries.iter(&entries.all()).filter(|entry| {
            let is_changed = || {
                candidates
                    .iter()
                    .any(|candidate| *candidate.path.as_bytes() == *entry.path)
            };
            entry.oid == from_git(pointer) && !is_changed()
        });
        for entry in others {
            let file = directories
                .of(entry.path)
                .and_then(|(directory, name)| open_file(directory, name));
            if let Ok(file) = file
                && again(contents, key, &File::from(file))?
            {
                return Ok(());
            }
        }
        contents.log_missing(key)
    }
}

/// Stores the content of `key` from a file; false if the file has another.
fn again(contents: &Store<'_>, key: &Key, file: &File) -> Result<bool> {
    let Some((backend, _)) = Backend::parse(key.backend()) else {
        return Ok(false);
    };
    let size = file
        .metadata()
        .map_err(Error::io("examine a file in", contents.annex().git_dir()))?
        .len();
    if key.size().is_some_and(|known| known != size) {
        return Ok(false);
    }
    let ingested = contents.ingest(file, backend, Making::Copy, None)?;
    if !naming::is_of(key, &key.backend().to_string(), &ingested.digest, ingested.size) {
        return Ok(false);
    }
    let mut batch = contents.batch()?;
    batch.add(key, ingested.incoming);
    batch.finish().into_iter().try_for_each(|(_, stored)| stored)?;
    Ok(true)
}
