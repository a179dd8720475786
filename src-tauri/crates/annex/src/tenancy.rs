//! Who tends a repository: an engine of Anabranch, git-annex's assistant, or nobody.
//!
//! Two that add and commit the same files at once would get in each other's way, so there is one at a time. git-annex's
//! assistant holds `annex/daemon.pid`; an engine holds `anabranch/engine.lock`, and writes there how to reach it.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use crate::locks::{LockFile, is_locked_exclusively};
use crate::sharing::Sharing;
use crate::{Annex, Directory, Result};

/// Held by the one engine of a repository; dropping it ends the tenancy.
#[derive(Debug)]
pub struct Tenancy {
    _lock: LockFile,
    directory: Arc<Directory>,
}

/// The file in which an engine says how to reach it, and how much of it is read.
const NOTE: &str = "engine";
const NOTE_LIMIT: u64 = 4096;

/// Who tends a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenant {
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

    /// Says who tends this repository now.
    pub fn tenant(&self) -> Result<Option<Tenant>> {
        if is_locked_exclusively(&self.own_dir().join("engine.lock"))? {
            let directory = Directory::find_below(self.git_dir(), &self.own_dir())?;
            let file = directory.and_then(|directory| directory.open(NOTE, false).ok()?);
            let mut note = String::new();
            // One that cannot be read, or is no text, reaches nobody.
            let read = file.map(|file| file.take(NOTE_LIMIT).read_to_string(&mut note));
            let note = read.is_some_and(|read| read.is_ok()).then_some(note);
            return Ok(Some(Tenant::Engine(note.unwrap_or_default())));
        }
        let assistant = is_locked_exclusively(&self.annex_file("daemon.pid"))?;
        Ok(assistant.then_some(Tenant::Assistant))
    }

    /// Becomes the engine of this repository, with a note for others on how to reach it. None if somebody tends it.
    pub fn tend(&self, note: &str) -> Result<Option<Tenancy>> {
        let directory = Arc::new(Directory::make_below(self.git_dir(), &self.own_dir())?);
        if Sharing::of_git_dir(self.git_dir()) == Sharing::Umask {
            directory.set_mode(0o700)?;
        }
        directory.refuse_other_than_file(NOTE)?;
        if self.tenant()? == Some(Tenant::Assistant) {
            return Ok(None);
        }
        let Some(lock) = LockFile::try_exclusive_in(&directory, "engine.lock".as_ref())? else {
            return Ok(None);
        };
        let tenancy = Tenancy {
            _lock: lock,
            directory: Arc::clone(&directory),
        };
        directory.replace(NOTE, note.as_bytes(), 0o644)?;
        Ok(Some(tenancy))
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        // The lock says whether an engine runs; a note left behind misleads nobody.
        let _ = self.directory.remove(NOTE);
    }
}

#[cfg(test)]
mod tests {
    use super::Tenant;
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
    fn there_is_one_tenant_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let annex = repository(directory.path());
        assert_eq!(annex.tenant().unwrap(), None);
        let tenancy = annex.tend("here I am").unwrap().unwrap();
        assert_eq!(annex.tenant().unwrap(), Some(Tenant::Engine("here I am".to_owned())));
        assert!(annex.tend("me too").unwrap().is_none());
        drop(tenancy);
        assert_eq!(annex.tenant().unwrap(), None);
        let assistant = LockFile::try_exclusive(&annex.annex_file("daemon.pid")).unwrap();
        assert_eq!(annex.tenant().unwrap(), Some(Tenant::Assistant));
        assert!(annex.tend("me").unwrap().is_none());
        drop(assistant);
        assert!(annex.tend("me").unwrap().is_some());
    }
}
