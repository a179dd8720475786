//! Requests of the user and changes of the program's settings.

use std::collections::BTreeSet;

use model::{RemoteName, Timestamp};

use super::super::{Assistant, Work};
use crate::effect::Effect;
use crate::facts::{About, Id, Question, Said};
use crate::pacing;

impl Assistant {
    pub(super) fn paused(&mut self, effects: &mut Vec<Effect>) {
        let was_paused = std::mem::replace(&mut self.paused, true);
        self.cancel(true, effects);
        // The files read so far are committed; the rest is scanned again.
        let reading = self
            .at_work
            .filter(|(_, work)| !was_paused && matches!(work, Work::Ingest { .. }));
        effects.extend(reading.map(|(id, _)| Effect::Cancel { id, held_until: None }));
    }

    pub(super) fn resume(&mut self, now: Timestamp) {
        self.paused = false;
        self.content.facts_changed();
        // The findings of a scan from before the pause may be outdated.
        let (looked, rest) = (self.looked.take(), self.rest.take());
        if looked.is_some() || rest.is_some() {
            self.intake.count_lost(now, None);
        }
    }

    pub(super) fn sync_asked(&mut self, now: Timestamp) {
        self.resume(now);
        self.intake.count_lost(now, None);
        self.network.look_again(now, |_| true);
        for remote in self.network.remotes.values_mut() {
            // Forget the heads of connected remotes, so that they are read again. A remote that is away keeps its last
            // known heads until it comes back.
            remote.there = remote.there.filter(|_| !remote.is_here());
        }
        self.note_unpushed(now);
        self.attempts.retry_at_once();
        self.merging.retry_at_once();
    }

    pub(super) fn cancel_asked(&mut self, now: Timestamp, id: Id, effects: &mut Vec<Effect>) {
        if self.content.cancel_one(id) {
            let held_until = Some(now + pacing::CANCELLED_FOR);
            effects.push(Effect::Cancel { id, held_until });
        }
    }

    /// Cancels all transfers. Those that the new rules allow resume where they stopped.
    pub(super) fn rules_changed(&mut self, effects: &mut Vec<Effect>) {
        self.rules_changed = true;
        self.heads_moved = true;
        self.content.forget_offer();
        self.cancel(true, effects);
    }

    /// Asks about each special remote that the user has not confirmed yet.
    pub(super) fn unverified_listed(&mut self, remotes: BTreeSet<RemoteName>, effects: &mut Vec<Effect>) {
        let is_over = |about: &About| matches!(about, About::Remote(remote) if !remotes.contains(remote));
        self.questions.withdraw(is_over, effects);
        for remote in remotes {
            self.questions.ask(Question::Unverified(remote), effects);
        }
    }

    pub(super) fn answered(&mut self, now: Timestamp, question: &Question, yes: bool) {
        if !self.questions.take(question) {
            return;
        }
        match question {
            Question::ManyRemoved { removed, .. } => {
                self.guards.confirm(if yes { *removed } else { 0 });
                self.restore_asked = !yes;
                self.intake.count_lost(now, None);
            }
            Question::ManyDeleted(deletions) => {
                let commit = deletions.commit;
                self.guards.set_said(Some(Said { commit, yes }));
                self.merging.retry_unmerged();
                self.refs.unmerged = true;
            }
            // The answer arrives as a change of the configuration.
            Question::Unverified(_) => {}
        }
    }
}
