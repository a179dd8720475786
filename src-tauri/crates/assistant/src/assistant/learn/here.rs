//! The results of work on this repository.

use model::{RepoPath, Timestamp};

use super::super::Assistant;
use crate::effect::Effect;
use crate::facts::{About, Class, Deletions, Failure, Heads, Id, Looked, Merged, Question, Refs, Root, Said};
use crate::guards::Verdict;

const ROOT_GONE: &str = "The folder is missing, or another is in its place. Nothing was deleted elsewhere; Anabranch \
                         goes on when the folder is back.";

impl Assistant {
    pub(super) fn looked(
        &mut self,
        now: Timestamp,
        id: Id,
        looked: Looked,
        paths: Option<Vec<RepoPath>>,
        confirms: bool,
        effects: &mut Vec<Effect>,
    ) {
        let everything = paths.is_none();
        let found = match looked {
            Looked::Found(found) => found,
            Looked::Failed(why) => {
                self.intake.count_lost(now, None);
                self.tried(now, Some(why));
                return;
            }
        };
        let verdict = self.guards.judge(id, &found, everything);
        self.has_looked |= everything;
        self.intake.wait_for(now, found.filling.clone());
        if let Some(paths) = paths
            && found.root == Root::Same
            && found.removed > 0
        {
            // A missing file may have moved to a path not scanned yet, or be the first of many deletions. A second scan
            // after the burst tells, and what is asked about is counted everywhere.
            if !confirms || self.intake.has_changes() {
                self.intake.confirm(now, paths);
                return;
            }
            let is_asked = self.questions.is_about(|about| *about == About::Removed);
            if is_asked || verdict != Verdict::Free {
                self.intake.count_lost(now, None);
                return;
            }
        }
        self.intake.confirmed();
        if !everything && self.questions.is_about(|about| *about == About::Removed) {
            // The files that the user is asked about may be back.
            self.intake.count_lost(now, None);
        }
        match &verdict {
            Verdict::WithoutRemovals(question) => self.questions.ask(question.clone(), effects),
            Verdict::Free if everything => self.questions.withdraw(|about| *about == About::Removed, effects),
            Verdict::Free | Verdict::Nothing => {}
        }
        match verdict {
            Verdict::Nothing => {
                // The root may come back without an event.
                self.intake.count_lost(now, None);
                self.tried(now, Some(ROOT_GONE.into()));
            }
            Verdict::Free | Verdict::WithoutRemovals(_) => {
                let removes = verdict == Verdict::Free && found.removed > 0;
                if found.changed > 0 || found.staged || removes {
                    self.looked = Some(id);
                } else {
                    self.merging.unblock(id);
                    self.tried(now, None);
                }
            }
        }
    }

    pub(super) fn ingested(&mut self, now: Timestamp, postponed: Vec<RepoPath>, failed: Option<Failure>) {
        self.forget_outdated_rest(now);
        self.intake.postpone(now, postponed);
        if failed.is_some() {
            self.intake.count_lost(now, None);
        }
        self.tried(now, failed);
    }

    /// Drops the rest of a scan and scans everything again, if a `.gitignore` changed after that scan.
    pub(super) fn forget_outdated_rest(&mut self, now: Timestamp) {
        if self.ignores_changed && self.rest.take().is_some() {
            self.intake.count_lost(now, None);
        }
    }

    pub(super) fn merge_ended(
        &mut self,
        now: Timestamp,
        id: Id,
        refs: Refs,
        merged: Merged,
        held: Option<Deletions>,
        effects: &mut Vec<Effect>,
    ) {
        let has_merged = matches!(merged, Merged::Done | Merged::Waiting(_));
        let in_vain = has_merged && self.refs.heads == refs.heads && refs.unmerged;
        self.set_refs(now, refs);
        self.refs.unmerged |= !has_merged;
        self.held(held, has_merged, effects);
        self.merged(now, id, merged);
        let chance = self.chance.draw();
        self.merging.ended(now, in_vain, chance);
    }

    fn merged(&mut self, now: Timestamp, id: Id, merged: Merged) {
        match merged {
            Merged::Done => self.followed(now, Vec::new()),
            Merged::Waiting(paths) => self.followed(now, paths),
            Merged::Blocked(paths) => {
                self.merging.blocked(id);
                self.intake.changed(now, paths);
                self.tried(now, None);
            }
            Merged::Failed(why) => self.tried(now, Some(why)),
        }
    }

    /// Records that a merge was checked out except for these files.
    fn followed(&mut self, now: Timestamp, waiting: Vec<RepoPath>) {
        let chance = self.chance.draw();
        self.merging.followed(now, waiting, chance);
        self.tried(now, None);
    }

    /// Updates the questions about deletions that a merge held back.
    fn held(&mut self, held: Option<Deletions>, is_done: bool, effects: &mut Vec<Effect>) {
        let is_answered = |said: &Said| held.as_ref().is_some_and(|held| held.commit == said.commit);
        if self.guards.said().as_ref().is_some_and(is_answered) {
            // The answer came while that merge was in progress.
            self.refs.unmerged = true;
            return;
        }
        if is_done {
            self.guards.set_said(None);
        }
        let stays = held.as_ref().map(|held| About::Deleted(held.commit));
        if is_done || held.is_some() {
            let is_over = |about: &About| matches!(about, About::Deleted(_)) && Some(about) != stays.as_ref();
            self.questions.withdraw(is_over, effects);
        }
        if let Some(held) = held.filter(|_| self.guards.said().is_none()) {
            self.questions.ask(Question::ManyDeleted(held), effects);
        }
    }

    pub(super) fn observed(&mut self, now: Timestamp, id: Id, heads: Heads, classes: Result<Vec<Class>, Failure>) {
        let classes = match classes {
            Ok(classes) => classes,
            Err(why) => {
                self.heads_moved = true;
                self.tried(now, Some(why));
                return;
            }
        };
        self.observed = Some(heads);
        // Heads reported before this observation began are older than those it read.
        if !self.heads_moved {
            self.refs.heads = heads;
            self.rules_changed = false;
            self.note_unpushed(now);
        }
        self.content.observed(id, classes);
        self.tried(now, None);
    }
}
