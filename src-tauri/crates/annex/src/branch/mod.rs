//! The git-annex branch: reading it, writing it, merging what others wrote.
//!
//! Everything that changes it holds `annex/journal.lck` from before reading the old tip until after the ref has moved,
//! as git-annex does; git-annex's `index`, `index.lck` and `mergedrefs` are left alone, which makes it take up what
//! happened here (the one exception is a transition, see [`Branch::merge`]).

mod changes;
mod facts;
mod journal;
mod merging;
mod others;
mod private;
mod recording;
#[cfg(test)]
mod tests;
mod transitions;
mod writing;

use std::collections::HashMap;

use git2::ErrorCode;
use model::{Key, Oid, Uuid};

pub use changes::Changes;
pub use facts::{Facts, SpecialRemote};
pub use merging::Merged;

use crate::locks::LockFile;
use crate::logs::PresenceLog;
use crate::objects::{Bulk, Tree};
use crate::oid::from_git;
use crate::{Annex, Error, Result, logs};

/// The one ref that is ours to move.
const REF: &str = "refs/heads/git-annex";
/// No log lies deeper than three levels; below this many, directories are carried along unread.
const DEEPEST: usize = 32;

/// The git-annex branch of one repository.
pub struct Branch<'a> {
    annex: &'a Annex,
}

impl Annex {
    /// The git-annex branch.
    pub fn branch(&self) -> Branch<'_> {
        Branch { annex: self }
    }
}

impl Branch<'_> {
    /// The commit at its tip; none if there is no branch yet. Does not look at the journal.
    pub fn tip(&self) -> Result<Option<Oid>> {
        let git = self.annex.git()?;
        Ok(tip(&git)?.map(from_git))
    }

    /// The newest content of one file: the journal's, else the branch's, with what is recorded privately.
    pub fn read(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let repo = self.annex.git()?;
        Reader::new(self.annex, &repo).read(path)
    }

    /// The repositories that have the content of `key`, by the newest location log; unusable uuids left out.
    pub fn locations(&self, key: &Key) -> Result<Vec<Uuid>> {
        let content = self.read(&logs::location_log(key))?.unwrap_or_default();
        Ok(PresenceLog::parse(&content)
            .present()
            .filter_map(Uuid::from_bytes)
            .collect())
    }

    /// True if something waits in the journal, for example of a git-annex command that has just ended.
    pub fn has_journal(&self) -> bool {
        journal::is_waiting(self.annex)
    }

    /// Takes the right to move the branch, for who moves it from another repository.
    pub(crate) fn lock(&self) -> Result<LockFile> {
        journal::lock(self.annex)
    }

    /// Commits what waits in the journal, if anything does.
    pub fn fold_if_any(&self) -> Result<()> {
        match self.has_journal() {
            true => self.fold().map(drop),
            false => Ok(()),
        }
    }

    /// Gives the location of each key that the journal says something of: all repositories that have it, as far as known.
    /// None if the journal says much: some git-annex command is at work, and commits it when it ends.
    pub fn journaled_locations(&self, each: &mut dyn FnMut(Key, Vec<Uuid>)) -> Result<()> {
        let paths = journal::paths(self.annex)?;
        if paths.len() > MANY_JOURNALED {
            return Ok(());
        }
        let repo = self.annex.git()?;
        let reader = Reader::new(self.annex, &repo);
        for path in paths {
            if let Some(key) = logs::key_of_location_log(&path) {
                let content = reader.read_all(&path)?;
                let log = PresenceLog::parse(&content);
                each(key, log.present().filter_map(Uuid::from_bytes).collect());
            }
        }
        Ok(())
    }

    /// Commits what waits in the journal, if anything does, and tells the tip.
    pub fn fold(&self) -> Result<Option<Oid>> {
        let repo = self.annex.git()?;
        let writer = writing::Writer::lock(self.annex, &repo)?;
        Ok(writer.fold()?.map(from_git))
    }
}

/// This program waits with less for a commit.
const MANY_JOURNALED: usize = 100;

/// Reads files of the branch, overlaid by the journal, in one repository handle.
struct Reader<'a> {
    repo: &'a git2::Repository,
    journal: journal::Reader<'a>,
    private: journal::Reader<'a>,
}

impl<'a> Reader<'a> {
    fn new(annex: &'a Annex, repo: &'a git2::Repository) -> Self {
        Self {
            repo,
            journal: journal::Reader::of(annex),
            private: private::reader(annex),
        }
    }

    fn read(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(overlay(self.read_public(path)?, self.private.read(path)?))
    }

    /// The same without what only this repository may know.
    fn read_public(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        // The journal is asked first: what is not there any more is in the tip that is read afterwards.
        match self.journal.read(path)? {
            Some(content) => Ok(Some(content)),
            None => read_committed(self.repo, tip(self.repo)?, path),
        }
    }

    /// The lines of journal and branch together. The journal is removed only after the branch has it, and more by then: where
    /// the newest line counts, its older ones must not hide that.
    fn read_all(&self, path: &[u8]) -> Result<Vec<u8>> {
        let waiting = self.journal.read(path)?;
        let committed = read_committed(self.repo, tip(self.repo)?, path)?;
        let public = overlay(waiting, committed);
        Ok(overlay(public, self.private.read(path)?).unwrap_or_default())
    }

    /// Reads files at the top of the branch together: its top directory is large, and so is read once only.
    fn read_top<'n>(&self, names: &[&'n str]) -> Result<HashMap<&'n str, Vec<u8>>> {
        let journal = |name: &&str| self.journal.read(name.as_bytes());
        let waiting = names.iter().map(journal).collect::<Result<Vec<_>>>()?;
        let bulk = Bulk::begin(self.repo)?;
        let top = match tip(self.repo)? {
            Some(tip) => bulk.read_tree(tree_of(self.repo, tip)?)?,
            None => Tree::default(),
        };
        let mut contents = HashMap::new();
        for (&name, waiting) in names.iter().zip(waiting) {
            let entry = top.get(name.as_bytes()).filter(|entry| entry.is_blob());
            let public = match (waiting, entry) {
                (None, Some(entry)) => Some(bulk.read_blob(entry.id)?),
                (waiting, _) => waiting,
            };
            let content = overlay(public, self.private.read(name.as_bytes())?);
            contents.extend(content.map(|content| (name, content)));
        }
        Ok(contents)
    }
}

fn overlay(public: Option<Vec<u8>>, private: Option<Vec<u8>>) -> Option<Vec<u8>> {
    match (public, private) {
        (Some(public), Some(private)) => Some(logs::union(&public, &private)),
        (public, private) => public.or(private),
    }
}

fn read_committed(repo: &git2::Repository, tip: Option<git2::Oid>, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(tip) = tip else { return Ok(None) };
    let bulk = Bulk::begin(repo)?;
    let mut directory = tree_of(repo, tip)?;
    let mut rest = path;
    loop {
        let slash = rest.iter().position(|&b| b == b'/');
        let name = slash.map_or(rest, |at| &rest[..at]);
        let entry = bulk.find(directory, name)?;
        match (slash, entry) {
            (Some(at), Some(entry)) if entry.is_directory() => {
                directory = entry.id;
                rest = &rest[at + 1..];
            }
            (None, Some(entry)) if entry.is_blob() => return bulk.read_blob(entry.id).map(Some),
            _ => return Ok(None),
        }
    }
}

fn tip(repo: &git2::Repository) -> Result<Option<git2::Oid>> {
    match repo.refname_to_id(REF) {
        Ok(id) => Ok(Some(id)),
        Err(problem) if problem.code() == ErrorCode::NotFound => Ok(None),
        Err(problem) => Err(Error::git("read the git-annex branch")(problem)),
    }
}

fn tree_of(repo: &git2::Repository, commit: git2::Oid) -> Result<git2::Oid> {
    repo.find_commit(commit)
        .map(|commit| commit.tree_id())
        .map_err(Error::git(format!("read the commit {commit} of the git-annex branch")))
}
