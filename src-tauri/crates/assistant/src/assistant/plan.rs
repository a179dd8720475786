//! Starts work that is due, computed again after every event.

use model::{RemoteName, Timestamp};

use super::{Assistant, Turn, Work};
use crate::content::{WINDOW, next_batch};
use crate::effect::Effect;
use crate::facts::{Id, Scope};
use crate::syncing::{self, Before};

impl Assistant {
    /// Starts everything that is due and not in progress.
    pub(super) fn plan(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.forget_past_retries(now);
        self.plan_probes(now, effects);
        if self.paused {
            return;
        }
        self.plan_repository(now, effects);
        // Pushes wait for small content about to be sent, so they are planned last.
        self.plan_content(now, effects);
        self.plan_git(now, effects);
    }

    /// Clears expired back-offs, so that they do not wake the engine again.
    fn forget_past_retries(&mut self, now: Timestamp) {
        for remote in self.network.remotes.values_mut() {
            remote.retry_at.take_if(|at| *at <= now);
        }
        self.attempts.forget_past(now);
        self.merging.forget_past(now);
    }

    fn next_id(&mut self) -> Id {
        self.last_id += 1;
        Id(self.last_id)
    }

    fn plan_probes(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for remote in self.network.remotes.values_mut() {
            if remote.probing.is_none() && remote.probe_at.is_some_and(|at| at <= now) {
                self.last_id += 1;
                let id = Id(self.last_id);
                remote.probing = Some(id);
                remote.probe_at = None;
                effects.push(Effect::Probe {
                    id,
                    remote: remote.facts.name.clone(),
                });
            }
        }
    }

    fn plan_repository(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.at_work.is_some() || self.attempts.retry_at().is_some_and(|at| at > now) {
            return;
        }
        if let Some(look) = self.looked.take() {
            self.ingest(look, effects);
        } else if self.restore_asked && self.guards.has_root() {
            self.restore_asked = false;
            let id = self.start(Work::Restore);
            effects.push(Effect::Restore { id });
        } else {
            self.plan_by_turns(now, effects);
        }
    }

    /// Starts a merge, an observation, a scan or a fill. The kind that ran longest ago comes first, so that no kind
    /// starves. But every second turn goes to merging, which brings files and makes observing due again.
    fn plan_by_turns(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let due = [
            (Turn::Observe, self.is_behind()),
            (
                Turn::Look,
                self.rest.is_some() || self.intake.due_at().is_some_and(|at| at <= now),
            ),
            (Turn::Merge, self.wants_merge()),
            (Turn::Fill, self.wants_fill()),
        ];
        let last = self.turns.iter().max().copied();
        let since = |turn: Turn| match turn {
            Turn::Merge if last != Some(self.turns[turn as usize]) => Id::default(),
            Turn::Merge | Turn::Observe | Turn::Look | Turn::Fill => self.turns[turn as usize],
        };
        let due = due.into_iter().filter(|(_, is_due)| *is_due);
        let Some((turn, _)) = due.min_by_key(|(turn, _)| since(*turn)) else {
            return;
        };
        let id = match turn {
            Turn::Observe => {
                self.heads_moved = false;
                let id = self.start(Work::Observe);
                effects.push(Effect::Observe { id });
                id
            }
            Turn::Look if let Some(look) = self.rest.take() => self.ingest(look, effects),
            Turn::Look => {
                let (scope, confirms) = self.intake.take(now);
                self.looking_at = match &scope {
                    Scope::Everything => None,
                    Scope::Paths(paths) => Some(paths.clone()),
                };
                let id = self.start(Work::Look { confirms });
                effects.push(Effect::Look { id, scope, confirms });
                id
            }
            Turn::Merge => {
                // This merge may miss commits fetched from now on.
                self.refs.unmerged = false;
                let (partial, said) = (self.merging.is_partial(), self.guards.said());
                let id = self.start(Work::Merge);
                effects.push(Effect::Merge { id, partial, said });
                id
            }
            Turn::Fill => {
                self.unfilled = false;
                let id = self.start(Work::Fill);
                effects.push(Effect::Fill { id });
                id
            }
        };
        self.turns[turn as usize] = id;
    }

    fn ingest(&mut self, look: Id, effects: &mut Vec<Effect>) -> Id {
        let removals = self.guards.may_remove(look);
        let id = self.start(Work::Ingest { look });
        effects.push(Effect::Ingest { id, look, removals });
        id
    }

    fn start(&mut self, work: Work) -> Id {
        self.ignores_changed = false;
        let id = self.next_id();
        self.at_work = Some((id, work));
        id
    }

    /// False while fetched commits are being merged or about to be: a push would be refused or have to be repeated.
    pub(super) fn may_push(&self) -> bool {
        let due = self.wants_merge() && self.attempts.retry_at().is_none();
        !self.is_merging() && !due
    }

    pub(super) fn is_merging(&self) -> bool {
        self.at_work.is_some_and(|(_, work)| work == Work::Merge)
    }

    pub(super) fn wants_merge(&self) -> bool {
        self.merging.is_due(self.refs.unmerged) && self.guards.has_root()
    }

    pub(super) fn wants_fill(&self) -> bool {
        self.unfilled && self.guards.has_root()
    }

    /// Tells what a push to this remote has to wait for.
    pub(super) fn before_push(&self, remote: &RemoteName) -> Before {
        // An ingest makes two commits. Only after both is it known what to send.
        let is_ingesting = self
            .at_work
            .is_some_and(|(_, work)| matches!(work, Work::Ingest { .. }));
        Before {
            // The content to send for a commit is known once the first offer after its observation has ended. Later
            // changes of the logs add nothing to send.
            content: is_ingesting
                || self.offered_for != Some(self.refs.heads.tree)
                || self.content.is_sending_small(remote),
            merge: self.holds_deletions(),
        }
    }

    fn plan_git(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let names: Vec<_> = self.network.remotes.keys().cloned().collect();
        for name in names {
            let (before, may_push) = (self.before_push(&name), self.may_push());
            let id = Id(self.last_id + 1);
            let Some(remote) = self.network.remotes.get_mut(&name) else {
                continue;
            };
            if syncing::wants_fetch(remote, now) {
                remote.unfetched = false;
                remote.fetching = Some(id);
                effects.push(Effect::Fetch { id, remote: name });
            } else if may_push && syncing::push_at(remote, &self.refs.heads, before).is_some_and(|at| at <= now) {
                remote.pushing = Some(id);
                remote.offered = Some(self.refs.heads);
                remote.unfetched &= remote.facts.abilities.fetch;
                effects.push(Effect::Push { id, remote: name });
            } else {
                continue;
            }
            self.last_id += 1;
        }
    }

    fn plan_content(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.observed.is_none() || self.rules_changed {
            return;
        }
        if self.content.wants_offer(now) {
            let lots = self.content.lots(&self.here, &self.network);
            if lots.is_empty() {
                self.content.nothing_to_offer();
                self.offered_for = self.observed.map(|observed| observed.tree);
            } else {
                let id = self.next_id();
                self.content.offer_asked(id);
                effects.push(Effect::Offer {
                    id,
                    lots,
                    limit: WINDOW,
                });
            }
        }
        while let Some((transfer, keys)) = next_batch(&mut self.content, &self.here, &self.network) {
            let id = self.next_id();
            let (remote, direction) = (transfer.remote.clone(), transfer.direction);
            self.content.transfers.insert(id, transfer);
            effects.push(Effect::Transfer {
                id,
                remote,
                direction,
                keys,
            });
        }
        let droppable = self.droppable();
        if self.content.drop_at(&droppable).is_some_and(|at| at <= now) {
            let id = self.next_id();
            let classes = droppable.iter().map(|(class, _)| *class).collect();
            self.content.drop_started(id, droppable);
            effects.push(Effect::Drop { id, classes });
        }
    }
}
