//! Which program syncs a repository: an engine of Anabranch, git-annex's assistant, or none.
//!
//! Two programs that add and commit the same files would get in each other's way, so only one runs at a time. git-annex's
//! assistant holds `annex/daemon.pid`; an engine holds `anabranch/engine.lock`, and writes there how to reach it.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use crate::locks::{LockFile, is_locked_exclusively};
use crate::sharing::Sharing;
use crate::{Annex, Directory, Result};

/// Held by the one engine of a repository; dropping it ends the lock.
#[derive(Debug)]
pub struct EngineLock {
    _lock: LockFile,
    directory: Arc<Directory>,
}

/// The file in which an engine says how to reach it, and how much of it is read.
const NOTE: &str = "engine";
const NOTE_LIMIT: u64 = 4096;

/// The program that syncs a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncedBy {
    /// An engine, which left this note on how to reach it.
    Engine(String),
    /// git-annex's assistant.
    Assistant,
}

impl Annex {
    /// The directory for what only Anabranch keeps about this repository: `<git dir>/anabranch`.
    pub fn own_dir(&self) -> PathBuf {
        self.git_dir().join("anabranch")
    }

    /// Returns the program that syncs this repository now.
    pub fn synced_by(&self) -> Result<Option<SyncedBy>> {
        if is_locked_exclusively(&self.own_dir().join("engine.lock"))? {
            let directory = Directory::find_below(self.git_dir(), &self.own_dir())?;
            let file = directory.and_then(|directory| directory.open(NOTE, false).ok()?);
            let mut note = String::new();
            // One that cannot be read, or is no text, reaches nobody.
            let read = file.map(|file| file.take(NOTE_LIMIT).read_to_string(&mut note));
            let note = read.is_some_and(|read| read.is_ok()).then_some(note);
            return Ok(Some(SyncedBy::Engine(note.unwrap_or_default())));
        }
        let assistant = is_locked_exclusively(&self.annex_file("daemon.pid"))?;
        Ok(assistant.then_some(SyncedBy::Assistant))
    }

    /// Becomes the engine of this repository, with a note for others on how to reach it. None if another program syncs it already.
    pub fn lock_engine(&self, note: &str) -> Result<Option<EngineLock>> {
        let directory = Arc::new(Directory::make_below(self.git_dir(), &self.own_dir())?);
        if Sharing::of_git_dir(self.git_dir()) == Sharing::Umask {
            directory.set_mode(0o700)?;
        }
        directory.refuse_other_than_file(NOTE)?;
        if self.synced_by()? == Some(SyncedBy::Assistant) {
            return Ok(None);
        }
        let Some(lock) = LockFile::try_exclusive_in(&directory, "engine.lock".as_ref())? else {
            return Ok(None);
        };
        let lock = EngineLock {
            _lock: lock,
            directory: Arc::clone(&directory),
        };
        directory.replace(NOTE, note.as_bytes(), 0o644)?;
        Ok(Some(lock))
    }
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        // The lock says whether an engine runs; a note left behind misleads nobody.
        let _ = self.directory.remove(NOTE);
    }
}

#[cfg(test)]
mod tests {
    use super::SyncedBy;
    use crate::Annex;
    use crate::locks::LockFile;

    fn repository(directory: &std::path::Path) -> Annex {
        let git = git2::Repository::init(directory).unwrap();
        let mut config = git.config().unwrap();
        config
            .set_str("annex.uuid", "11111111-1111-4111-8111-111111111111")
            .unwrap();
        config.set_str("annex.version", "10").unwrap();
        Annex::open(directory).unwrap()
    }

    #[test]
    fn one_program_at_a_time_syncs_a_repository() {
        let directory = tempfile::tempdir().unwrap();
        let annex = repository(directory.path());
        assert_eq!(annex.synced_by().unwrap(), None);
        let lock = annex.lock_engine("here I am").unwrap().unwrap();
        assert_eq!(
            annex.synced_by().unwrap(),
            Some(SyncedBy::Engine("here I am".to_owned()))
        );
        assert!(annex.lock_engine("me too").unwrap().is_none());
        drop(lock);
        assert_eq!(annex.synced_by().unwrap(), None);
        let assistant = LockFile::try_exclusive(&annex.annex_file("daemon.pid")).unwrap();
        assert_eq!(annex.synced_by().unwrap(), Some(SyncedBy::Assistant));
        assert!(annex.lock_engine("me").unwrap().is_none());
        drop(assistant);
        assert!(annex.lock_engine("me").unwrap().is_some());
    }
}
