//! What each event changes in what is known.

use std::time::Duration;

use model::{Key, RepoPath, Timestamp};

use super::{Assistant, Work};
use crate::effect::Effect;
use crate::event::Event;
use crate::facts::{
    About, Away, Deletions, Failure, Heads, Id, Looked, Merged, Outcome, Pushed, Question, Refs, Root, Said,
};
use crate::guards::{Verdict, judge};
use crate::network::Remote;
use crate::{pacing, syncing};

/// A lock that is held for so long is told.
const HELD_FOR_LONG: Duration = Duration::from_secs(7);

const ROOT_GONE: &str = "The folder is not there, or another is in its place. Nothing is deleted elsewhere; it goes on when \
                         the folder is back.";

impl Assistant {
    pub(super) fn learn(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::FilesChanged(paths) => {
                let concerns = |path: &RepoPath| {
                    let mut waiting = self.waiting.iter();
                    waiting.any(|other| path.is_within(other) || other.is_within(path))
                };
                if paths.iter().any(concerns) {
                    self.waiting_at = self.waiting_at.map(|at| at.min(now + pacing::SOON));
                }
                self.intake.changed(now, paths);
            }
            Event::CountLost(within) => {
                self.intake.count_lost(now, within);
                self.retry_soon(now);
            }
            Event::RefsMoved(refs) => {
                self.set_refs(now, refs);
                self.retry_soon(now);
            }
            Event::RemoteRefsMoved(name) => {
                if let Some(remote) = self.network.remotes.get_mut(&name) {
                    remote.unfetched = true;
                    remote.has_news();
                }
            }
            Event::RemotesListed(listed) => {
                self.network.list(now, listed);
                self.note_unpushed(now);
                self.content.facts_changed();
                self.cancel(false, effects);
            }
            Event::UnverifiedListed(remotes) => {
                self.withdraw(
                    |about| matches!(about, About::Remote(remote) if !remotes.contains(remote)),
                    effects,
                );
                for remote in remotes {
                    self.ask(Question::Unverified(remote), effects);
                }
            }
            Event::Unfilled => self.unfilled = true,
            Event::RulesChanged => {
                // What the new rules allow of it goes on where it was.
                self.rules_changed = true;
                self.heads_moved = true;
                self.content.forget_offer();
                self.cancel(true, effects);
            }
            Event::PlacesChanged => {
                self.network.look_again(now);
                // There may be room where there was none.
                self.content.forget_offer();
                if self.root != Root::Same {
                    self.intake.count_lost(now, None);
                    self.retry_at = None;
                }
            }
            Event::Paused => {
                let was_paused = std::mem::replace(&mut self.paused, true);
                self.cancel(true, effects);
                // What was read by then is committed; the rest is looked at again.
                let reading = self.at_work.filter(|(_, work)| !was_paused && *work == Work::Ingest);
                effects.extend(reading.map(|(id, _)| Effect::Cancel { id, held_until: None }));
            }
            Event::Resumed => self.resume(now),
            Event::SyncAsked => {
                self.resume(now);
                self.intake.count_lost(now, None);
                self.network.look_again(now);
                for remote in self.network.remotes.values_mut() {
                    // One that is away has what was last seen there; when it comes back it is asked.
                    remote.there = remote.there.filter(|_| remote.uuid().is_none());
                }
                self.note_unpushed(now);
                self.retry_at = None;
                self.merge_at = None;
                self.waiting_at = None;
            }
            Event::FirstAsked => self.content.forget_offer(),
            Event::CancelAsked { id } => {
                if self.content.cancel_one(id) {
                    let held_until = Some(now + pacing::CANCELLED_FOR);
                    effects.push(Effect::Cancel { id, held_until });
                }
            }
            Event::Answered { question, yes } => self.answered(now, &question, yes),
            Event::Woke => {}
            Event::Looked { id, looked } => {
                if let Some(Work::Look { everything }) = self.end_work(id) {
                    self.looked(now, id, looked, everything, effects);
                }
            }
            Event::Ingested {
                id,
                refs,
                postponed,
                failed,
            } => {
                self.end_work(id);
                self.set_refs(now, refs);
                // What could not be committed, as a file that is still being written, is left as it is.
                self.merge_blocked = false;
                self.intake.postpone(now, postponed);
                let again = failed.is_some();
                self.tried(now, failed);
                if again {
                    self.intake.count_lost(now, None);
                }
            }
            Event::Restored { id, failed } => {
                self.end_work(id);
                self.intake.count_lost(now, None);
                self.tried(now, failed);
            }
            Event::Filled { id, more, failed } => {
                self.end_work(id);
                self.unfilled |= more || failed.is_some();
                self.tried(now, failed);
            }
            Event::Probed { id, reach } => {
                let chance = self.chance.draw();
                if self.network.probed(now, id, reach, chance) {
                    self.note_unpushed(now);
                    self.content.facts_changed();
                }
            }
            Event::Fetched { id, refs, there } => self.fetched(now, id, refs, there),
            Event::Merged { id, refs, merged, held } => {
                self.end_work(id);
                let has_merged = matches!(merged, Merged::Done | Merged::Waiting(_));
                let in_vain = has_merged && self.refs.heads == refs.heads && refs.unmerged;
                self.set_refs(now, refs);
                self.refs.unmerged |= !has_merged;
                self.held(held, has_merged, effects);
                self.merged(now, merged);
                self.merges_in_vain = if in_vain {
                    self.merges_in_vain.saturating_add(1)
                } else {
                    0
                };
                if in_vain {
                    // Something was pushed meanwhile, or is not to be merged at all: not to be tried in a tight loop.
                    let pause = pacing::settle_after(self.merges_in_vain, self.chance.draw());
                    self.merge_at = Some(now + pause);
                }
            }
            Event::Pushed { id, pushed } => self.pushed(now, id, pushed),
            Event::Observed { id, heads, classes } => {
                self.end_work(id);
                match classes {
                    Ok(classes) => {
                        self.observed = Some(heads);
                        // Heads heard of before the observing began were older than what it read.
                        if !self.heads_moved {
                            self.refs.heads = heads;
                            self.rules_changed = false;
                            self.note_unpushed(now);
                        }
                        self.content.observed(id, classes);
                        self.tried(now, None);
                    }
                    Err(why) => {
                        self.heads_moved = true;
                        self.tried(now, Some(why));
                    }
                }
            }
            Event::Offered {
                id,
                candidates,
                retry_at,
            } => {
                self.content.offered(id, candidates, retry_at);
                self.offered_for = self.observed.map(|observed| observed.tree);
            }
            Event::Transferred { id, refs, outcomes } => self.transferred(now, id, refs, &outcomes),
        }
    }

    /// Somebody did something to the repository: what failed before may well succeed now.
    fn retry_soon(&mut self, now: Timestamp) {
        self.retry_at = self.retry_at.map(|at| at.min(now + pacing::SOON));
    }

    fn cancel(&mut self, all: bool, effects: &mut Vec<Effect>) {
        let cancelled = self.content.cancel(all, &self.network);
        let held_until = None;
        effects.extend(cancelled.into_iter().map(|id| Effect::Cancel { id, held_until }));
    }

    fn resume(&mut self, now: Timestamp) {
        self.paused = false;
        self.content.facts_changed();
        // What a look found before the pause may not be so any more.
        if self.looked.take().is_some() {
            self.intake.count_lost(now, None);
        }
    }

    fn end_work(&mut self, id: Id) -> Option<Work> {
        let (_, work) = self.at_work.filter(|(at, _)| *at == id)?;
        self.at_work = None;
        Some(work)
    }

    /// Something was tried in this repository: a failure holds further work there back for a while. A lock is no trouble
    /// before it was held for long: programs let go of it in a moment.
    fn tried(&mut self, now: Timestamp, failed: Option<Failure>) {
        self.locked_since = match failed {
            Some(Failure::Busy(_)) => self.locked_since.or(Some(now)),
            Some(Failure::Gone(_) | Failure::Other(_)) | None => None,
        };
        let Some(failure) = failed else {
            self.repository_failures = 0;
            self.retry_at = None;
            self.trouble = None;
            return;
        };
        self.repository_failures = self.repository_failures.saturating_add(1);
        let (failures, chance) = (self.repository_failures, self.chance.draw());
        let (pause, trouble) = match failure {
            Failure::Busy(why) => (
                pacing::lock_after(failures, chance),
                self.locked_since
                    .is_some_and(|since| now.since(since) >= HELD_FOR_LONG)
                    .then_some(why),
            ),
            Failure::Gone(why) => {
                // Only a look tells that, and what becomes of it.
                self.intake.count_lost(now, None);
                (pacing::retry_after(failures, chance), Some(why))
            }
            Failure::Other(why) => (pacing::retry_after(failures, chance), Some(why)),
        };
        self.retry_at = Some(now + pause);
        self.trouble = trouble;
    }

    /// True if the observations may not describe the heads.
    pub(super) fn is_behind(&self) -> bool {
        self.heads_moved || self.at_work.is_some_and(|(_, work)| work == Work::Observe)
    }

    /// Takes refs as somebody read them, which may be a while ago: heads are read again by the observing that follows a
    /// change of them, and only a merge takes back that there is something to merge.
    fn set_refs(&mut self, now: Timestamp, refs: Refs) {
        if self.refs.heads != refs.heads {
            self.heads_moved = true;
            self.network.remotes.values_mut().for_each(Remote::has_news);
        }
        self.refs.heads = refs.heads;
        self.refs.unmerged |= refs.unmerged;
        self.note_unpushed(now);
    }

    fn note_unpushed(&mut self, now: Timestamp) {
        for remote in self.network.remotes.values_mut() {
            if syncing::lacks(remote, &self.refs.heads) {
                remote.unpushed_since.get_or_insert(now);
            } else {
                remote.unpushed_since = None;
            }
        }
    }

    fn looked(&mut self, now: Timestamp, id: Id, looked: Looked, everything: bool, effects: &mut Vec<Effect>) {
        let found = match looked {
            Looked::Found(found) => found,
            Looked::Failed(why) => {
                self.intake.count_lost(now, None);
                self.tried(now, Some(why));
                return;
            }
        };
        self.root = found.root;
        self.has_looked |= everything;
        self.intake.wait_for(now, found.filling.clone());
        if found.root == Root::Same && found.removed > 0 && !everything {
            // What moved may have been seen to leave before it was seen to arrive, and what was deleted may be the first
            // of many: only a look at everything, when the burst is over, tells.
            self.intake.count_lost(now, None);
            return;
        }
        if !everything && self.questions.iter().any(|asked| asked.about() == About::Removed) {
            // Files that the user is asked about may be back.
            self.intake.count_lost(now, None);
        }
        if everything && found.removed == 0 && found.root == Root::Same {
            // What the user confirmed is not so any more; another time it is asked again.
            self.removals_confirmed = 0;
        }
        let verdict = judge(&found, self.removals_confirmed);
        match &verdict {
            Verdict::WithoutRemovals(question) => self.ask(question.clone(), effects),
            Verdict::Free if everything => self.withdraw(|about| *about == About::Removed, effects),
            Verdict::Free | Verdict::Nothing => {}
        }
        match verdict {
            Verdict::Nothing => {
                // It may come back without a word.
                self.intake.count_lost(now, None);
                self.tried(now, Some(ROOT_GONE.into()));
            }
            Verdict::Free | Verdict::WithoutRemovals(_) => {
                let removes = verdict == Verdict::Free && found.removed > 0;
                if found.changed > 0 || found.staged || removes {
                    self.looked = Some((id, found));
                } else {
                    self.merge_blocked = false;
                    self.tried(now, None);
                }
            }
        }
    }

    fn merged(&mut self, now: Timestamp, merged: Merged) {
        match merged {
            Merged::Done => self.followed(now, Vec::new()),
            Merged::Waiting(paths) => self.followed(now, paths),
            Merged::Blocked(paths) => {
                self.merge_blocked = true;
                self.was_blocked = true;
                self.intake.changed(now, paths);
                self.tried(now, None);
            }
            Merged::Failed(why) => self.tried(now, Some(why)),
        }
    }

    /// A merge was checked out, but for these paths.
    fn followed(&mut self, now: Timestamp, waiting: Vec<RepoPath>) {
        self.was_blocked = false;
        self.waits = if waiting.is_empty() {
            0
        } else {
            self.waits.saturating_add(1)
        };
        let pause = pacing::look_again_after(self.waits, self.chance.draw());
        self.waiting_at = (!waiting.is_empty()).then(|| now + pause);
        self.waiting = waiting;
        self.tried(now, None);
    }

    fn answered(&mut self, now: Timestamp, question: &Question, yes: bool) {
        let Some(at) = self.questions.iter().position(|asked| asked.is_same(question)) else {
            return;
        };
        self.questions.remove(at);
        match question {
            Question::ManyRemoved { removed, .. } => {
                self.removals_confirmed = if yes { *removed } else { 0 };
                self.restore_asked = !yes;
                self.intake.count_lost(now, None);
            }
            Question::ManyDeleted(deletions) => {
                let commit = deletions.commit;
                self.said = Some(Said { commit, yes });
                self.refs.unmerged = true;
                self.merge_at = None;
            }
            // The configuration says what became of it.
            Question::Unverified(_) => {}
        }
    }

    /// Takes what a merge left for the user to decide.
    fn held(&mut self, held: Option<Deletions>, is_done: bool, effects: &mut Vec<Effect>) {
        let is_answered = |said: &Said| held.as_ref().is_some_and(|held| held.commit == said.commit);
        if self.said.as_ref().is_some_and(is_answered) {
            // The answer came while that merge was under way.
            self.refs.unmerged = true;
            return;
        }
        if is_done {
            self.said = None;
        }
        let stays = held.as_ref().map(|held| About::Deleted(held.commit));
        if is_done || held.is_some() {
            let is_over = |about: &About| matches!(about, About::Deleted(_)) && Some(about) != stays.as_ref();
            self.withdraw(is_over, effects);
        }
        if let Some(held) = held.filter(|_| self.said.is_none()) {
            self.ask(Question::ManyDeleted(held), effects);
        }
    }

    fn ask(&mut self, question: Question, effects: &mut Vec<Effect>) {
        match self.questions.iter_mut().find(|asked| asked.is_same(&question)) {
            Some(asked) if *asked == question => return,
            Some(asked) => asked.clone_from(&question),
            None => self.questions.push(question.clone()),
        }
        effects.push(Effect::Ask(question));
    }

    fn withdraw(&mut self, is_over: impl Fn(&About) -> bool, effects: &mut Vec<Effect>) {
        let over = self.questions.extract_if(.., |question| is_over(&question.about()));
        effects.extend(over.map(Effect::Withdraw));
    }

    fn fetched(&mut self, now: Timestamp, id: Id, refs: Refs, there: Result<Heads, Away>) {
        let chance = self.chance.draw();
        self.set_refs(now, refs);
        let Some(remote) = self
            .network
            .remotes
            .values_mut()
            .find(|remote| remote.fetching == Some(id))
        else {
            return;
        };
        remote.fetching = None;
        match there {
            Ok(heads) => {
                remote.there = Some(heads);
                // A push that was refused keeps its back-off until it goes through: two ends must not race for ever.
                if remote.retry_at.is_none_or(|at| at <= now) && !syncing::is_to_push(remote, &self.refs.heads) {
                    remote.succeeded();
                }
            }
            Err(away) => {
                remote.unfetched = true;
                remote.lost(now, away, chance);
            }
        }
        self.note_unpushed(now);
    }

    fn pushed(&mut self, now: Timestamp, id: Id, pushed: Pushed) {
        let chance = self.chance.draw();
        let Some(remote) = self
            .network
            .remotes
            .values_mut()
            .find(|remote| remote.pushing == Some(id))
        else {
            return;
        };
        remote.pushing = None;
        match pushed {
            Pushed::Done(heads) => {
                remote.there = Some(heads);
                remote.unpushed_since = None;
                remote.succeeded();
            }
            Pushed::Refused => remote.refused(now, chance),
            Pushed::Away(away) => remote.lost(now, away, chance),
            Pushed::Failed(Failure::Busy(why)) => {
                remote.trouble = Some(why);
                remote.waits_for_lock(now, chance);
            }
            Pushed::Failed(Failure::Gone(why) | Failure::Other(why)) => {
                remote.trouble = Some(why);
                remote.failed(now, chance);
            }
        }
        self.note_unpushed(now);
    }

    fn transferred(&mut self, now: Timestamp, id: Id, refs: Refs, outcomes: &[(Key, Outcome)]) {
        self.set_refs(now, refs);
        let Some(transfer) = self.content.transfers.remove(&id) else {
            return;
        };
        let chance = self.chance.draw();
        if outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Away)
            && let Some(remote) = self.network.remotes.get_mut(&transfer.remote)
        {
            remote.lost(now, Away::Absent, chance);
        }
        self.content.ended(self.last_id, &transfer, outcomes);
    }
}
