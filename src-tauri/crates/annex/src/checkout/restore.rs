//! Bringing back files that are gone from the work tree.

use model::RepoPath;

use super::act::act;
use super::change_index;
use super::entry::{staged, trusts_mode};
use super::place::Place;
use super::plan::{Plan, Planner, Write};
use crate::conversions::Outgoing;
use crate::index::Staged;
use crate::tree::raw::Mode;
use crate::{Annex, Error, Result};

impl Annex {
    /// Writes back the files that are in the index and gone from the work tree, and says how many. Files that are there
    /// in any form are left alone, and so is what the index leaves out of the work tree on purpose.
    pub fn restore(&self, thin: bool) -> Result<usize> {
        let Some(top) = self.work_tree() else { return Ok(0) };
        let git = self.git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let mut staged_index = Staged::open(&git)?;
        let store = self.store();
        let mut place = Place::open(top)?;
        let mut gone = Vec::new();
        let entries = staged_index.index().entries().iter();
        for entry in entries.filter(|entry| entry.stage() == 0 && !entry.is_left_out() && !entry.is_intent_to_add()) {
            let Some(blob) = staged(entry).filter(|blob| blob.mode != Mode::Submodule) else {
                continue;
            };
            let Ok(path) = RepoPath::parse(&entry.path) else {
                continue;
            };
            if place.look(&path)?.is_none() {
                gone.push((path, blob));
            }
        }
        let tree = crate::look::head_tree(&git)?.map(crate::oid::to_git);
        let outgoing = Outgoing::of_tree(self, tree);
        let planner = Planner {
            store: &store,
            outgoing: &outgoing,
            odb: &odb,
            index: staged_index.index(),
            place: &mut place,
            trust_mode: trusts_mode(&git),
        };
        let mut plan = Plan::default();
        for (path, blob) in gone {
            let content = planner.content(&path, blob)?;
            plan.writes.push(Write {
                path,
                blob,
                content,
                replaces: None,
            });
        }
        if plan.writes.is_empty() {
            return Ok(0);
        }
        let done = act(&store, &outgoing, top, plan, thin, &mut |_| Ok(()))?;
        let restored = done.changed;
        change_index(&mut staged_index, done);
        staged_index.commit()?;
        Ok(restored)
    }
}
