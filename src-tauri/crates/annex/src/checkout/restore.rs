//! Bringing back files that are gone from the work tree.

use std::path::Path;

use git2::Repository;
use model::RepoPath;

use super::act::Ready;
use super::entry::{staged, trusts_mode};
use super::obstacle::Obstacle;
use super::place::OpenWorkTree;
use super::plan::{Plan, Planner, Write};
use super::{Before, DRAFTS, Step, change_index};
use crate::conversions::Outgoing;
use crate::index::{Index, PATIENCE, Staged};
use crate::tree::raw::Mode;
use crate::{Annex, Error, Result, Store};

impl Annex {
    /// Writes back the files that are in the index and gone from the work tree, and says how many. Files that are there
    /// in any form are left alone, and so is what the index leaves out of the work tree on purpose.
    pub fn restore(&self, thin: bool) -> Result<usize> {
        self.restore_by_steps(thin, &mut |_| Ok(()))
    }

    /// `before` is called before each step, so that tests can act there.
    pub(super) fn restore_by_steps(&self, thin: bool, before: &mut Before<'_>) -> Result<usize> {
        let Some(top) = self.work_tree() else { return Ok(0) };
        let git = self.git()?;
        let store = self.store();
        let _scratch = store.hold_scratch()?;
        let tree = crate::look::head_tree(&git)?.map(crate::oid::to_git);
        let outgoing = Outgoing::of_tree(self, tree);
        let mut drafts = 0;
        let (mut staged_index, ready) = loop {
            drafts += 1;
            let mut staged_index = Staged::draft_unless(drafts > DRAFTS, self, &git)?;
            let plan = plan(&git, &store, &outgoing, top, staged_index.index())?;
            if plan.writes.is_empty() {
                return Ok(0);
            }
            before(Step::Marker)?;
            let ready = Ready::make(&store, &outgoing, top, plan, thin)?;
            if staged_index.take_lock(PATIENCE)? {
                break (staged_index, ready);
            }
        };
        let done = ready.act(&store, before)?;
        let restored = done.changed;
        // A file that has come back meanwhile is the user's.
        let missing = done.waiting.iter().find(|waiting| waiting.why != Obstacle::Changed);
        let missing = missing.map(|waiting| {
            Error::Refused(format!(
                "{} could not be brought back: {}. {} Nothing is lost: git and the annex still have it",
                waiting.path,
                waiting.why,
                waiting.why.remedy()
            ))
        });
        change_index(&mut staged_index, done);
        staged_index.commit()?;
        missing.map_or(Ok(restored), Err)
    }
}

fn plan(git: &Repository, store: &Store<'_>, outgoing: &Outgoing, top: &Path, index: &Index) -> Result<Plan> {
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    let mut place = OpenWorkTree::open(top)?;
    let mut gone = Vec::new();
    let entries = index.entries();
    for entry in entries.iter(&entries.all()) {
        if entry.stage() != 0 || entry.is_left_out() || entry.is_intent_to_add() {
            continue;
        }
        let Some(blob) = staged(&entry).filter(|blob| blob.mode != Mode::Submodule) else {
            continue;
        };
        let Ok(path) = RepoPath::parse(entry.path) else {
            continue;
        };
        if place.look(&path)?.is_none() {
            gone.push((path, blob));
        }
    }
    let planner = Planner {
        store,
        outgoing,
        odb: &odb,
        index,
        place: &mut place,
        trust_mode: trusts_mode(git),
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
    Ok(plan)
}
