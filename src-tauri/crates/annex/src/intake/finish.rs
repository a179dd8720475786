use std::collections::HashMap;
use std::fs::Metadata;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use model::Key;
use rustix::fs::{AtFlags, Mode, chmodat, statat};
use rustix::io::Errno;

use super::prepare::{Annexed, GitForm, Prepared};
use super::reading::{not_stored, unreadable};
use super::{Intake, Postponed};
use crate::checkout::{Taken, TakenAway, look_at};
use crate::durable::{sync_file, sync_file_system};
use crate::openat::{Directories, open_file};
use crate::pointer::{key_of_pointer, key_of_symlink, symlink_target};
use crate::stat::Stat;
use crate::store::MANY;
use crate::{Annex, Result, Store};

impl Annex {
    /// Makes the contents of all files durable, then puts the symlinks of locked files in place. Files for which that
    /// fails are postponed.
    pub(super) fn store_contents(
        &self,
        contents: &Store<'_>,
        root: &OwnedFd,
        prepared: &mut Vec<Prepared>,
        intake: &mut Intake,
    ) -> Result<()> {
        sync_files(root, prepared, intake);
        let mut batch = contents.batch()?;
        for file in prepared.iter_mut() {
            if let GitForm::Annexed(annexed) = &mut file.content
                && let Some(incoming) = annexed.incoming.take()
            {
                batch.add(&annexed.key, incoming);
            }
        }
        let mut stored: HashMap<Key, std::result::Result<(), String>> = HashMap::new();
        for (key, outcome) in batch.finish() {
            let outcome = outcome.map_err(|error| error.to_string());
            // Of two files with the same content, it is enough that one could be stored.
            let known = stored.entry(key).or_insert_with(|| Err(String::new()));
            if known.is_err() {
                *known = outcome;
            }
        }
        objects_first(contents, prepared);
        let mut finishing = Finishing {
            contents,
            directories: Directories::below(root),
            taken_away: TakenAway::new(contents),
            stored,
        };
        let mut kept = Vec::with_capacity(prepared.len());
        for mut file in prepared.drain(..) {
            match finishing.finish(&file)? {
                Ok(stat) => {
                    file.stat = stat;
                    kept.push(file);
                }
                Err(reason) => {
                    finishing.postpone(&file)?;
                    intake.postponed.push((file.path, reason));
                }
            }
        }
        finishing.taken_away.finish()?;
        *prepared = kept;
        intake.keys_added = keys_added(contents, finishing.stored, prepared);
        Ok(())
    }
}

/// Puts a file first that is the object of several files with the same content: what becomes of it decides about the others.
fn objects_first(contents: &Store<'_>, prepared: &mut [Prepared]) {
    let key_of = |file: &Prepared| match &file.content {
        GitForm::Annexed(annexed) => Some(annexed.key.clone()),
        GitForm::Renamed(_)
        | GitForm::Pointer(_)
        | GitForm::Git(_)
        | GitForm::LargeGit(_)
        | GitForm::ByGit(..)
        | GitForm::Symlink(_)
        | GitForm::Misplaced(_) => None,
    };
    let mut counts: HashMap<Key, usize> = HashMap::new();
    for key in prepared.iter().filter_map(key_of) {
        *counts.entry(key).or_default() += 1;
    }
    let is_object = |file: &Prepared| {
        let shared = key_of(file).filter(|key| counts.get(key).is_some_and(|count| *count > 1));
        shared.is_some_and(|key| object_of(contents, &key, file).is_some())
    };
    if counts.values().any(|count| *count > 1) {
        prepared.sort_by_cached_key(|file| !is_object(file));
    }
}

/// What it takes to finish with files whose contents are stored.
struct Finishing<'a> {
    contents: &'a Store<'a>,
    directories: Directories<'a>,
    taken_away: TakenAway<'a>,
    /// Whether the content of each key could be stored, or why not.
    stored: HashMap<Key, std::result::Result<(), String>>,
}

impl Finishing<'_> {
    /// Makes sure that a file still is what was stored, and replaces it by a symlink if it is locked. Returns the stat data
    /// that it has now.
    fn finish(&mut self, file: &Prepared) -> Result<std::result::Result<Stat, Postponed>> {
        let annexed = match &file.content {
            GitForm::Annexed(annexed) => annexed,
            GitForm::Misplaced(target) => return self.replace(file, target),
            GitForm::Renamed(_)
            | GitForm::Pointer(_)
            | GitForm::Git(_)
            | GitForm::LargeGit(_)
            | GitForm::ByGit(..)
            | GitForm::Symlink(_) => return Ok(Ok(file.stat)),
        };
        match self.stored.get(&annexed.key) {
            Some(Ok(())) => {}
            Some(Err(reason)) => return Ok(Err(Postponed::NotStored(reason.clone()))),
            None => return Ok(Err(Postponed::Changed)),
        }
        match (annexed.is_unlocked, annexed.is_linked) {
            (true, false) => Ok(Ok(file.stat)),
            (true, true) => Ok(match self.directories.stat(file.path.as_bytes()) {
                Ok(now) if now.is_same_file(&file.stat) => Ok(now),
                _ => Err(Postponed::Changed),
            }),
            (false, _) => self.replace(file, &symlink_target(&file.path, &annexed.key)),
        }
    }

    /// Puts a symlink in the place of a file, if that is still the one that was prepared.
    fn replace(&mut self, file: &Prepared, target: &[u8]) -> Result<std::result::Result<Stat, Postponed>> {
        let Ok((directory, name)) = self.directories.of(file.path.as_bytes()) else {
            return Ok(Err(Postponed::Vanished));
        };
        let seen = match look_at(directory.as_fd(), &file.path) {
            Ok(Some(seen)) if seen.is_same_file(&file.stat) => seen,
            Ok(Some(_)) => return Ok(Err(Postponed::Changed)),
            Ok(None) => return Ok(Err(Postponed::Vanished)),
            Err(errno) => return Ok(Err(unreadable(errno))),
        };
        let link = match self.contents.scratch_symlink(target) {
            Ok(link) => link,
            Err(error) => return Ok(Err(Postponed::NotStored(error.to_string()))),
        };
        let replaced = self.taken_away.replace(link, directory.as_fd(), &file.path, &seen);
        Ok(match replaced {
            Ok(Taken::Done) => statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                .map(Stat::from)
                .map_err(unreadable),
            Ok(Taken::Changed) => Err(Postponed::Changed),
            Ok(Taken::Open) => Err(Postponed::BeingWritten),
            Err(errno) => Err(not_stored(errno)),
        })
    }

    /// Undoes what was done for a file that is postponed.
    fn postpone(&mut self, file: &Prepared) -> Result<()> {
        if let GitForm::Annexed(annexed) = &file.content
            && self.distrust(file, annexed)?
        {
            // Another file with this content has to give it again.
            self.stored.remove(&annexed.key);
        }
        give_back(&mut self.directories, file);
        Ok(())
    }

    /// Sets an object aside that is the same inode as a file which is postponed: one that has changed since it was hashed,
    /// or one that is to be locked and still lies where anybody may change it. True if it did.
    fn distrust(&mut self, file: &Prepared, annexed: &Annexed) -> Result<bool> {
        let Some(object) = object_of(self.contents, &annexed.key, file) else {
            return Ok(false);
        };
        let (seconds, nanoseconds) = file.stat.mtime;
        let is_as_hashed = object.size() == file.stat.size
            && (object.mtime(), object.mtime_nsec()) == (seconds, i64::from(nanoseconds));
        let may_change = !annexed.is_unlocked
            && self
                .directories
                .stat(file.path.as_bytes())
                .is_ok_and(|now| (now.dev, now.ino) == (file.stat.dev, file.stat.ino));
        Ok((!is_as_hashed || may_change) && self.contents.set_bad(&annexed.key)?)
    }
}

/// Makes the files themselves durable that are about to be committed; those that cannot be are postponed. Whoever saved them
/// may not have: after a power cut an empty file would be found where the commit has content, taken for an edit, committed,
/// and brought to everybody.
fn sync_files(root: &OwnedFd, prepared: &mut Vec<Prepared>, intake: &mut Intake) {
    let waits = |file: &Prepared| match &file.content {
        // What is the same inode is made durable as an object.
        GitForm::Annexed(annexed) => !annexed.is_linked,
        GitForm::Git(_) | GitForm::LargeGit(_) | GitForm::ByGit(..) | GitForm::Pointer(_) => true,
        GitForm::Renamed(_) | GitForm::Symlink(_) | GitForm::Misplaced(_) => false,
    };
    let all = match prepared.iter().filter(|file| waits(file)).count() {
        0 => return,
        few if few < MANY => None,
        _ => Some(sync_file_system(root)),
    };
    let mut directories = Directories::below(root);
    prepared.retain(|file| {
        let synced = match all {
            _ if !waits(file) => Ok(()),
            Some(outcome) => outcome,
            None => sync(&mut directories, file),
        };
        match synced {
            // One that is gone is found out later.
            Ok(()) | Err(Errno::NOENT) => true,
            Err(errno) => {
                give_back(&mut directories, file);
                intake.postponed.push((file.path.clone(), not_stored(errno)));
                false
            }
        }
    });
}

fn sync(directories: &mut Directories<'_>, file: &Prepared) -> rustix::io::Result<()> {
    let (directory, name) = directories.of(file.path.as_bytes())?;
    sync_file(open_file(directory, name)?)
}

/// The object of a key, if it is the same inode as a file was when that was prepared.
fn object_of(contents: &Store<'_>, key: &Key, file: &Prepared) -> Option<Metadata> {
    let object = contents.open(key).ok()?.metadata().ok()?;
    ((object.dev(), object.ino()) == (file.stat.dev, file.stat.ino)).then_some(object)
}

/// Undoes the write protection of a file that stays what it was.
fn give_back(directories: &mut Directories<'_>, file: &Prepared) {
    let GitForm::Annexed(Annexed {
        permissions: Some(mode),
        ..
    }) = &file.content
    else {
        return;
    };
    let is_same = directories
        .stat(file.path.as_bytes())
        .is_ok_and(|now| (now.dev, now.ino) == (file.stat.dev, file.stat.ino) && now.is_file());
    if let (true, Ok((directory, name))) = (is_same, directories.of(file.path.as_bytes())) {
        // Nothing depends on it: the user can do the same.
        let _ = chmodat(directory, name, Mode::from_raw_mode(*mode), AtFlags::empty());
    }
}

/// The keys of which the content is here and that may not be recorded yet: those just stored, and those of pointers and
/// symlinks that came with their content, or that a crash left between storing and recording.
fn keys_added(
    contents: &Store<'_>,
    stored: HashMap<Key, std::result::Result<(), String>>,
    prepared: &[Prepared],
) -> Vec<Key> {
    let mut keys: Vec<Key> = stored
        .into_iter()
        .filter_map(|(key, outcome)| outcome.is_ok().then_some(key))
        .collect();
    for file in prepared {
        let key = match &file.content {
            GitForm::Pointer(content) => key_of_pointer(content),
            GitForm::Symlink(target) | GitForm::Misplaced(target) => key_of_symlink(target),
            GitForm::Annexed(_) | GitForm::Git(_) | GitForm::LargeGit(_) | GitForm::ByGit(..) | GitForm::Renamed(_) => {
                None
            }
        };
        keys.extend(key.filter(|key| contents.is_present(key)));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}
