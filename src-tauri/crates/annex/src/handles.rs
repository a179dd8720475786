//! libgit2 handles that stay open between operations.
//!
//! To open a repository, libgit2 reads all configuration files and looks at every pack, which costs more than most
//! operations do, the more packs there are. A handle is used by one thread at a time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use git2::Repository;

use crate::repository::open_git;
use crate::{Annex, Result};

/// How many handles stay open while nobody uses them.
const MOST: usize = 4;

/// The handles of one repository that nobody uses now.
#[derive(Default)]
pub(crate) struct Handles(Mutex<Vec<Handle>>);

struct Handle {
    repository: Repository,
    of: State,
    packs: Packs,
    opened: Instant,
}

/// How long a handle may be used: for one burst of work, since libgit2 caches what it reads.
const AGE: Duration = Duration::from_secs(10);

/// What libgit2 reads only when it opens a repository. If one of these changes, the handle is closed.
const READ_ONCE: [&str; 4] = ["config", "shallow", "info/grafts", "objects/info/alternates"];

/// Identifies the repository and everything that libgit2 reads only once. A handle is valid while this stays the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State(Vec<Option<Stamp>>);

/// Device, inode, size and time of a file.
type Stamp = (u64, u64, u64, i64, i64);

impl State {
    fn of(annex: &Annex) -> Self {
        let git_dir = annex.git_dir();
        let identity = |path: PathBuf| stamp(path).map(|(device, inode, ..)| (device, inode, 0, 0, 0));
        let top = annex
            .work_tree()
            .map_or_else(|| git_dir.to_owned(), |top| top.join(".git"));
        let mut stamps = vec![identity(git_dir.to_owned()), identity(top)];
        stamps.extend(READ_ONCE.map(|name| stamp(git_dir.join(name))));
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let shared = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let shared = shared.or_else(|| Some(home.as_ref()?.join(".config")));
        let of_user = [
            home.map(|home| home.join(".gitconfig")),
            shared.map(|shared| shared.join("git/config")),
        ];
        stamps.extend(of_user.into_iter().flatten().map(stamp));
        Self(stamps)
    }
}

fn stamp(path: PathBuf) -> Option<Stamp> {
    let found = path.metadata().ok()?;
    let size = if found.is_dir() { 0 } else { found.size() };
    Some((found.dev(), found.ino(), size, found.mtime(), found.mtime_nsec()))
}

/// The packs that a handle knows. libgit2 finds new packs, but still reports the objects of a removed pack as present.
struct Packs {
    directory: Option<Stamp>,
    names: BTreeSet<OsString>,
}

impl Packs {
    fn of(annex: &Annex) -> Self {
        let packs = annex.git_dir().join("objects/pack");
        let directory = stamp(packs.clone());
        let names = fs::read_dir(packs).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name());
        let names = names.filter(|name| name.as_encoded_bytes().ends_with(b".pack"));
        Self {
            directory,
            names: names.collect(),
        }
    }

    /// Adds new packs. False if a known pack was removed.
    fn are_there(&mut self, annex: &Annex) -> bool {
        if stamp(annex.git_dir().join("objects/pack")) == self.directory {
            return true;
        }
        let known = std::mem::replace(self, Self::of(annex));
        known.names.is_subset(&self.names)
    }
}

/// A libgit2 handle for one thread. It returns to the pool when it is dropped.
pub(crate) struct Git {
    /// None only when it is dropped.
    handle: Option<Handle>,
    annex: Annex,
}

impl Deref for Git {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        let handle = self.handle.as_ref();
        &handle
            .expect("because it is taken only when this is dropped")
            .repository
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        let mut idle = self.annex.handles().lock();
        if idle.len() < MOST {
            idle.extend(self.handle.take());
        }
    }
}

impl fmt::Debug for Git {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "git of {:?}", self.annex)
    }
}

impl Handles {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Annex {
    /// A libgit2 handle.
    pub(crate) fn git(&self) -> Result<Git> {
        // Before it is opened: what is written meanwhile makes it one of an old state.
        let of = State::of(self);
        let known = {
            let mut idle = self.handles().lock();
            idle.retain(|handle| handle.of == of);
            // All at once: libgit2 frees its cache of a pack (up to 16 MiB) when the last handle that has it open is closed.
            if idle.iter().any(|handle| handle.opened.elapsed() >= AGE) {
                idle.clear();
            }
            std::iter::from_fn(|| idle.pop()).find_map(|mut handle| handle.packs.are_there(self).then_some(handle))
        };
        let handle = match known {
            Some(handle) => handle,
            None => Handle {
                packs: Packs::of(self),
                repository: self.git_alone()?,
                of,
                opened: Instant::now(),
            },
        };
        Ok(Git {
            handle: Some(handle),
            annex: self.clone(),
        })
    }

    /// A new libgit2 handle that does not come from the pool or return to it.
    pub(crate) fn git_alone(&self) -> Result<Repository> {
        open_git(self.work_tree().unwrap_or(self.git_dir()))
    }

    /// Closes all handles that are not in use. Call it when there is nothing to do: open files keep a drive from being
    /// unmounted.
    pub fn close_idle(&self) {
        self.handles().lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Packs, State};
    use crate::scratch_repository::Scratch;

    #[test]
    fn a_handle_is_used_again_until_the_repository_is_another_or_is_configured_otherwise() {
        let repo = Scratch::new();
        let idle = || repo.annex.handles().lock().len();
        repo.annex.close_idle();
        drop((repo.annex.git().unwrap(), repo.annex.git().unwrap()));
        assert_eq!(idle(), 2);
        let one = repo.annex.git().unwrap();
        assert_eq!(idle(), 1);
        drop(one);

        drop((repo.annex.git().unwrap(), repo.annex.git().unwrap()));
        repo.annex.handles().lock()[0].opened -= super::AGE;
        let one = repo.annex.git().unwrap();
        assert_eq!(idle(), 0, "they are closed together");
        drop(one);
        drop((repo.annex.git().unwrap(), repo.annex.git().unwrap()));

        repo.git(&["config", "test.setting", "1"]);
        let git = repo.annex.git().unwrap();
        assert_eq!(git.config().unwrap().get_string("test.setting").unwrap(), "1");
        assert_eq!(idle(), 0, "all others have the old configuration");
        drop(git);

        for name in ["shallow", "info/grafts", "objects/info/alternates"] {
            let before = State::of(&repo.annex);
            fs::create_dir_all(repo.path(".git").join(name).parent().unwrap()).unwrap();
            fs::write(repo.path(".git").join(name), "").unwrap();
            assert_ne!(State::of(&repo.annex), before, "{name}");
        }

        let mut packs = Packs::of(&repo.annex);
        assert!(packs.are_there(&repo.annex));
        let new = repo.path(".git/objects/pack/pack-new.pack");
        fs::write(&new, "").unwrap();
        assert!(packs.are_there(&repo.annex), "it is noticed");
        fs::remove_file(&new).unwrap();
        assert!(!packs.are_there(&repo.annex), "its objects would still be named");

        fs::rename(repo.path(".git"), repo.path("old")).unwrap();
        assert!(repo.annex.git().is_err());
        repo.git(&["init", "-q"]);
        assert!(repo.annex.git().unwrap().head().is_err(), "it has no commit");
        repo.annex.close_idle();
        assert_eq!(idle(), 0);
    }

    #[test]
    fn what_others_have_written_meanwhile_is_seen() {
        let repo = Scratch::new();
        repo.write("a", "1");
        repo.sync();
        for step in 0..3 {
            // It knows a pack, and has not read from it, when that is replaced by another.
            let old = git2::Oid::from_str(repo.git(&["rev-parse", "HEAD"]).to_string().trim()).unwrap();
            repo.annex.close_idle();
            repo.git(&["gc", "-q"]);
            assert!(repo.annex.git().unwrap().odb().unwrap().exists(old));
            let name = format!("by-git-{step}");
            repo.write(&name, &name);
            repo.git(&["-c", "filter.annex.clean=", "add", &name]);
            repo.git(&["commit", "-qm", "by git"]);
            repo.git(&["gc", "-q"]);
            let head = repo.git(&["rev-parse", "HEAD"]).to_string();
            let git = repo.annex.git().unwrap();
            let found = git.head().unwrap().peel_to_commit().unwrap();
            assert_eq!(found.id().to_string(), head.trim());
            assert!(git.find_commit(old).is_ok());
        }
    }
}
