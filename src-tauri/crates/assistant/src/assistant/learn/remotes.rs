//! Events about remotes, and the results of exchanges with them.

use std::time::Duration;

use model::{Key, Medium, RemoteName, Timestamp};

use super::super::Assistant;
use crate::effect::Effect;
use crate::facts::{Away, Failure, Heads, Id, Outcome, Pushed, Reach, RemoteFacts};
use crate::syncing;

impl Assistant {
    pub(super) fn remotes_listed(&mut self, now: Timestamp, listed: Vec<RemoteFacts>, effects: &mut Vec<Effect>) {
        self.network.list(now, listed);
        self.note_unpushed(now);
        self.content.facts_changed();
        self.cancel(false, effects);
    }

    pub(super) fn remote_refs_moved(&mut self, name: &RemoteName) {
        if let Some(remote) = self.network.remotes.get_mut(name) {
            remote.unfetched = true;
            remote.has_news();
        }
    }

    pub(super) fn places_changed(&mut self, now: Timestamp, are_on: impl Fn(Medium) -> bool) {
        self.network.look_again(now, are_on);
        // A place that was full may have space now.
        self.content.forget_offer();
        if !self.guards.has_root() {
            self.intake.count_lost(now, None);
            self.attempts.retry_at_once();
        }
    }

    pub(super) fn probed(&mut self, now: Timestamp, id: Id, reach: Reach, round_trip: Option<Duration>) {
        let chance = self.chance.draw();
        let is_here = matches!(reach, Reach::Here(_));
        if self.network.probed(now, id, reach, round_trip, chance) {
            self.note_unpushed(now);
            self.content.facts_changed();
            if is_here {
                // The offers so far had nothing for it, and a push to it waits for the content of its files.
                self.content.forget_offer();
                self.offered_for = None;
            }
        }
    }

    pub(super) fn fetched(&mut self, now: Timestamp, id: Id, there: Result<Heads, Away>) {
        let chance = self.chance.draw();
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
                remote.has(heads);
                // A refused push keeps its back-off until it succeeds, so that two repositories do not race forever.
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

    pub(super) fn pushed(&mut self, now: Timestamp, id: Id, pushed: Pushed) {
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
                remote.has(heads);
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

    pub(super) fn transferred(&mut self, now: Timestamp, id: Id, outcomes: &[(Key, Outcome)]) {
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
