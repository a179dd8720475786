//! Bringing back files that are gone from the work tree.

use model::RepoPath;

use super::act::act;
use super::change_index;
use super::entry::{SKIP_WORKTREE, staged};
use super::place::Place;
use super::plan::{Plan, Planner, Write};
use crate::standins::Staged;
use crate::tree::raw::Mode;
use crate::{Annex, Error, Result};

impl Annex {
    /// Writes back the files that are in the index and gone from the work tree, and says how many. Files that are there
    /// in any form are left alone, and so is what the index leaves out of the work tree on purpose.
    pub fn restore(&self, thin: bool) -> Result<usize> {
        let Some(top) = self.work_tree() else { return Ok(0) };
        let git = self.git()?;
        let odb = git.odb().map_err(Error::git("open the object database"))?;
        let mut staged_index = Staged::begin(self)?;
        let written_at = staged_index.written_at();
        let mut place = Place::open(top)?;
        let mut gone = Vec::new();
        for entry in staged_index.index().iter() {
            let Some(blob) = staged(&entry).filter(|blob| blob.mode != Mode::Submodule) else { continue };
            let Ok(path) = RepoPath::parse(&entry.path) else { continue };
            let left_out = entry.flags_extended & SKIP_WORKTREE != 0;
            if !left_out && place.look(&path)?.is_none() {
                gone.push((path, blob));
            }
        }
        let planner =
            Planner { annex: self, odb: &odb, index: staged_index.index(), written_at, place: &mut place, finishing: false };
        let mut plan = Plan::default();
        for (path, blob) in gone {
            let content = planner.content(&path, blob)?;
            plan.writes.push(Write { path, blob, content, replaces: None });
        }
        if plan.writes.is_empty() {
            return Ok(0);
        }
        let done = act(self, top, plan, thin, &mut |_| Ok(()))?;
        let restored = done.changed;
        change_index(staged_index.index(), done)?;
        staged_index.finish()?;
        Ok(restored)
    }
}
