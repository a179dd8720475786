//! How each event changes the assistant's state.

mod asked;
mod here;
mod remotes;

use model::{Medium, Timestamp};

use super::{Assistant, Work};
use crate::content::Ended;
use crate::effect::Effect;
use crate::event::Event;
use crate::facts::{Failure, Id, Refs};
use crate::network::Remote;
use crate::syncing;

impl Assistant {
    /// Applies an event. If the event ends an effect, that effect is no longer in progress.
    pub(super) fn learn(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::FilesChanged(paths) => {
                self.merging.changed(now, &paths);
                self.ignores_changed |= paths.iter().any(|path| path.file_name() == ".gitignore");
                self.intake.changed(now, paths);
                self.forget_outdated_rest(now);
            }
            Event::CountLost(within) => {
                self.intake.count_lost(now, within);
                self.attempts.retry_soon(now);
            }
            Event::RefsMoved(refs) => {
                self.set_refs(now, refs);
                self.attempts.retry_soon(now);
            }
            Event::RemoteRefsMoved(name) => self.remote_refs_moved(&name),
            Event::RemotesListed(listed) => self.remotes_listed(now, listed, effects),
            Event::UnverifiedListed(remotes) => self.unverified_listed(remotes, effects),
            Event::Unfilled => self.unfilled = true,
            Event::RulesChanged => self.rules_changed(effects),
            Event::MountsChanged => self.places_changed(now, |medium| medium == Medium::Disk),
            Event::PlacesChanged => self.places_changed(now, |_| true),
            Event::NetworkChanged => self.network.changed(now),
            Event::Paused => self.paused(effects),
            Event::Resumed => self.resume(now),
            Event::SyncAsked => self.sync_asked(now),
            Event::FirstAsked => self.content.forget_offer(),
            Event::CancelAsked { id } => self.cancel_asked(now, id, effects),
            Event::Answered { question, yes } => self.answered(now, &question, yes),
            Event::Woke => {}
            Event::Looked { id, looked } => {
                if let Some(Work::Look { confirms }) = self.end_work(id) {
                    let paths = self.looking_at.take();
                    self.looked(now, id, looked, paths, confirms, effects);
                }
            }
            Event::Ingested {
                id,
                refs,
                postponed,
                has_rest,
                failed,
            } => {
                let work = self.end_work(id);
                self.set_refs(now, refs);
                if let Some(Work::Ingest { look }) = work {
                    match has_rest {
                        true => self.rest = Some(look),
                        // Files that could not be committed, such as files still being written, no longer block the merge.
                        false => self.merging.unblock(look),
                    }
                }
                self.ingested(now, postponed, failed);
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
            Event::Probed { id, reach, round_trip } => self.probed(now, id, reach, round_trip),
            Event::Fetched { id, refs, there } => {
                self.set_refs(now, refs);
                self.fetched(now, id, there);
            }
            Event::Merged { id, refs, merged, held } => {
                self.end_work(id);
                self.merge_ended(now, id, refs, merged, held, effects);
            }
            Event::Pushed { id, refs, pushed } => {
                self.set_refs(now, refs);
                self.pushed(now, id, pushed);
            }
            Event::Observed { id, heads, classes } => {
                self.end_work(id);
                self.observed(now, id, heads, classes);
            }
            Event::Offered {
                id,
                candidates,
                retry_at,
            } => {
                if self.content.offered(id, candidates, retry_at) {
                    self.offered_for = self.observed.map(|observed| observed.tree);
                }
            }
            Event::Dropped {
                id,
                refs,
                gone,
                more,
                retry_at,
            } => {
                self.set_refs(now, refs);
                let chance = self.chance.draw();
                self.content.drop_ended(now, id, Ended { gone, more, retry_at }, chance);
            }
            Event::Transferred { id, refs, outcomes } => {
                self.set_refs(now, refs);
                self.transferred(now, id, &outcomes);
            }
        }
        if self.network.choose() {
            self.note_unpushed(now);
            self.content.facts_changed();
        }
    }

    fn end_work(&mut self, id: Id) -> Option<Work> {
        let (_, work) = self.at_work.filter(|(at, _)| *at == id)?;
        self.at_work = None;
        Some(work)
    }

    /// Records the result of work on this repository. A failure delays further work for a while.
    fn tried(&mut self, now: Timestamp, failed: Option<Failure>) {
        let Some(failure) = failed else {
            self.attempts.succeeded();
            return;
        };
        if matches!(failure, Failure::Gone(_)) {
            // Only a scan can confirm that the root is gone, and handle it.
            self.intake.count_lost(now, None);
        }
        let chance = self.chance.draw();
        self.attempts.failed(now, failure, chance);
    }

    /// True if the observations may be older than the heads.
    pub(super) fn is_behind(&self) -> bool {
        self.heads_moved || self.at_work.is_some_and(|(_, work)| work == Work::Observe)
    }

    /// Records refs, which may have been read a while ago. If the heads changed, the observation that follows reads
    /// them again. Only a merge clears `unmerged`.
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

    /// Cancels all transfers, or only those that the rules and remotes no longer allow.
    fn cancel(&mut self, all: bool, effects: &mut Vec<Effect>) {
        let cancelled = self.content.cancel(all, &self.network);
        let held_until = None;
        effects.extend(cancelled.into_iter().map(|id| Effect::Cancel { id, held_until }));
    }
}
