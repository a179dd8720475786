use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use git2::Oid as GitOid;
use model::{Key, Oid, Uuid};

use super::{Branch, DEEPEST, tree_of};
use crate::Result;
use crate::logs::{PresenceLog, key_of_location_log};
use crate::objects::{Bulk, Tree, TreeEntry};
use crate::oid::to_git;

/// So many different location logs are remembered while reading; most keys share theirs with many.
const REMEMBERED: usize = 4096;

/// What differs between two commits of the git-annex branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each key whose location log differs, with the repositories that have its content now.
    pub locations: Vec<(Key, Vec<Uuid>)>,
    /// True if a log of the whole repository differs: [`Branch::facts`] must be read again.
    pub facts_changed: bool,
}

impl Branch<'_> {
    /// What changed from one commit to another (from nothing, if `from` is none). Costs what the change costs, not
    /// what the branch does. Fails if `from` is gone, as happens some time after `git annex forget`: then ask again
    /// from nothing.
    pub fn changes(&self, from: Option<Oid>, to: Oid) -> Result<Changes> {
        let mut locations = Vec::new();
        let facts_changed = self.changes_each(from, to, &mut |key, uuids| locations.push((key, uuids.to_vec())))?;
        Ok(Changes {
            locations,
            facts_changed,
        })
    }

    /// Like [`Branch::changes`], but hands out each key as it is found, and tells whether a log of the whole
    /// repository differs.
    pub fn changes_each(&self, from: Option<Oid>, to: Oid, each: &mut dyn FnMut(Key, &[Uuid])) -> Result<bool> {
        let repo = self.annex.git()?;
        let from = from.map(|from| tree_of(&repo, to_git(from))).transpose()?;
        let to = tree_of(&repo, to_git(to))?;
        let mut difference = Difference {
            bulk: Bulk::begin(&repo)?,
            each,
            logs: HashMap::new(),
            uuids: HashSet::new(),
            facts_changed: false,
        };
        if from != Some(to) {
            difference.directories(&mut Vec::new(), from, Some(to), 0)?;
        }
        Ok(difference.facts_changed)
    }
}

struct Difference<'r, 'f> {
    bulk: Bulk<'r>,
    each: &'f mut dyn FnMut(Key, &[Uuid]),
    logs: HashMap<GitOid, Arc<[Uuid]>>,
    uuids: HashSet<Uuid>,
    facts_changed: bool,
}

impl Difference<'_, '_> {
    fn directories(
        &mut self,
        path: &mut Vec<u8>,
        from: Option<GitOid>,
        to: Option<GitOid>,
        depth: usize,
    ) -> Result<()> {
        let read = |id: Option<GitOid>| id.map_or_else(|| Ok(Tree::default()), |id| self.bulk.read_tree(id));
        let (from, to) = (read(from)?, read(to)?);
        for (name, old, new) in from.differences(&to) {
            self.entries(path, name, old, new, depth)?;
        }
        Ok(())
    }

    fn entries(
        &mut self,
        path: &mut Vec<u8>,
        name: &[u8],
        old: Option<TreeEntry>,
        new: Option<TreeEntry>,
        depth: usize,
    ) -> Result<()> {
        let length = path.len();
        path.extend_from_slice(name);
        let directory = |entry: Option<TreeEntry>| entry.filter(|entry| entry.is_directory()).map(|entry| entry.id);
        let file = |entry: Option<TreeEntry>| entry.filter(|entry| entry.is_blob()).map(|entry| entry.id);
        if file(old) != file(new) {
            self.file(path, file(new), depth)?;
        }
        if directory(old) != directory(new) && depth < DEEPEST {
            path.push(b'/');
            self.directories(path, directory(old), directory(new), depth + 1)?;
        }
        path.truncate(length);
        Ok(())
    }

    fn file(&mut self, path: &[u8], new: Option<GitOid>, depth: usize) -> Result<()> {
        self.facts_changed |= depth == 0;
        let Some(key) = key_of_location_log(path) else {
            return Ok(());
        };
        let uuids = match new {
            Some(blob) => self.present(blob)?,
            None => Arc::default(),
        };
        (self.each)(key, &uuids);
        Ok(())
    }

    fn present(&mut self, blob: GitOid) -> Result<Arc<[Uuid]>> {
        if let Some(known) = self.logs.get(&blob) {
            return Ok(known.clone());
        }
        let content = self.bulk.read_blob(blob)?;
        let mut found = Vec::new();
        for uuid in PresenceLog::parse(&content).present().filter_map(Uuid::from_bytes) {
            // The same few uuids are in all logs: they share their text.
            match self.uuids.get(&uuid) {
                Some(known) => found.push(known.clone()),
                None => {
                    self.uuids.insert(uuid.clone());
                    found.push(uuid);
                }
            }
        }
        let found: Arc<[Uuid]> = found.into();
        if self.logs.len() >= REMEMBERED {
            self.logs.clear();
        }
        self.logs.insert(blob, found.clone());
        Ok(found)
    }
}
