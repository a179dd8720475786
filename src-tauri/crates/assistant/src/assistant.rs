use model::{Timestamp, Uuid};

use crate::content::{Content, WINDOW, next_batch};
use crate::effect::{Effect, Id};
use crate::event::{Away, Event, Found, Heads, Looked, Merged, Outcome, Pushed, Reach, Refs, Root};
use crate::guards::{Question, Verdict, judge};
use crate::intake::Intake;
use crate::network::Network;
use crate::pacing::{self, Chance};
use crate::syncing;

/// What a repository does by itself: one value that takes facts and gives back what to do.
///
/// Its work on its own repository (look, ingest, restore, merge, observe) goes one at a time; fetches, pushes and
/// transfers run beside it, at most one fetch or push with each remote.
#[derive(Debug, Clone)]
pub struct Assistant {
    here: Uuid,
    chance: Chance,
    last_id: u64,
    paused: bool,
    refs: Refs,
    /// The heads that the observations describe; none before the first.
    observed: Option<Heads>,
    intake: Intake,
    network: Network,
    content: Content,
    /// What is under way in this repository.
    at_work: Option<(Id, Work)>,
    /// A look that awaits its ingest.
    looked: Option<(Id, Found)>,
    /// The user confirmed that the files that are gone were deleted on purpose.
    removals_confirmed: bool,
    restore_asked: bool,
    question: Option<Question>,
    /// The root was not ours at the last look.
    root: Root,
    has_looked: bool,
    /// Merging needs the work tree's changes committed first.
    merge_blocked: bool,
    repository_failures: u32,
    retry_at: Option<Timestamp>,
    trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Look { everything: bool },
    Ingest,
    Restore,
    Merge,
    Observe,
}

impl Assistant {
    /// An assistant for the repository `here` that knows nothing yet: its first look is at everything. `seed` spreads
    /// its retries.
    pub fn new(here: Uuid, seed: u64, now: Timestamp) -> Self {
        let mut intake = Intake::default();
        intake.count_lost(now, None);
        Self {
            here,
            chance: Chance::from_seed(seed),
            last_id: 0,
            paused: false,
            refs: Refs::default(),
            observed: None,
            intake,
            network: Network::default(),
            content: Content::default(),
            at_work: None,
            looked: None,
            removals_confirmed: false,
            restore_asked: false,
            question: None,
            root: Root::Same,
            has_looked: false,
            merge_blocked: false,
            repository_failures: 0,
            retry_at: None,
            trouble: None,
        }
    }

    /// Takes a fact and says what to do.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.learn(now, event, &mut effects);
        self.plan(now, &mut effects);
        effects
    }

    /// When to be called with [`Event::Woke`] if nothing happens before; none if only an event can change anything.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let probes = self
            .network
            .remotes
            .values()
            .filter(|remote| remote.probing.is_none())
            .filter_map(|r| r.probe_at);
        if self.paused {
            return probes.min();
        }
        let repository = if self.at_work.is_none() {
            let look = if self.looked.is_none() {
                self.intake.due_at()
            } else {
                None
            };
            [look.map(|at| at.max(self.retry_at.unwrap_or_default())), self.retry_at]
        } else {
            [None; 2]
        };
        let git = self.network.remotes.values().flat_map(|remote| {
            let fetch = remote.retry_at.filter(|_| remote.unfetched && remote.uuid().is_some());
            let push = syncing::push_at(remote, self.holds_push(&remote.facts.name));
            [
                fetch,
                push.filter(|_| syncing::lacks(remote, &self.refs.heads) && self.may_push()),
            ]
        });
        let content = self.content.retry_at.filter(|_| self.content.offering.is_none());
        let wakes = probes
            .chain(repository.into_iter().flatten())
            .chain(git.flatten())
            .chain(content);
        wakes.min()
    }

    /// True while everything is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The refs of this repository as last observed.
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// The top of the work tree as the last look found it.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The question that waits for the user.
    pub fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }

    /// What the repository could not do at the last try, in words for people.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// True once a look at everything and the observations after it have ended.
    pub fn has_looked(&self) -> bool {
        self.has_looked && (self.observed.is_some() || self.refs.heads == Heads::default())
    }

    /// True while files wait to be looked at again because they were being written.
    pub fn is_postponed(&self) -> bool {
        self.intake.is_postponed()
    }

    /// True if something in this repository is under way or due: changes not committed, branches not merged, observations
    /// behind.
    pub fn is_working(&self) -> bool {
        let due = self.intake.due_at().is_some() && self.root == Root::Same;
        self.at_work.is_some()
            || self.looked.is_some()
            || due
            || self.refs.unmerged
            || self.observed != Some(self.refs.heads)
            || self.content.offering.is_some()
    }

    /// Each remote with what is known of it.
    pub fn remotes(&self) -> impl Iterator<Item = RemoteView<'_>> {
        self.network.remotes.values().map(|remote| RemoteView {
            name: &remote.facts.name,
            reach: remote.reach.as_ref(),
            is_probing: remote.probing.is_some() || remote.reach.is_none(),
            lacks_heads: syncing::lacks(remote, &self.refs.heads),
            unfetched: remote.facts.pull && remote.unfetched,
            in_contact: remote.fetching.is_some() || remote.pushing.is_some(),
        })
    }

    /// The classes of keys as last observed.
    pub fn classes(&self) -> &[crate::Class] {
        &self.content.classes
    }

    /// How many transfers are under way or could start now.
    pub fn pending_transfers(&self) -> usize {
        self.content
            .transfers
            .values()
            .map(|transfer| transfer.keys.len())
            .sum::<usize>()
            + self.content.window.len()
    }

    fn learn(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::FilesChanged(paths) => self.intake.changed(now, paths),
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
                }
            }
            Event::RemotesListed(listed) => {
                self.network.list(now, listed);
                self.note_unpushed(now);
                self.content.facts_changed();
            }
            Event::PlacesChanged => {
                self.network.look_again(now);
                if self.root != Root::Same {
                    self.intake.count_lost(now, None);
                }
            }
            Event::Paused => {
                self.paused = true;
                for (&id, transfer) in &mut self.content.transfers {
                    if !std::mem::replace(&mut transfer.cancelled, true) {
                        effects.push(Effect::Cancel { id });
                    }
                }
            }
            Event::Resumed => {
                self.paused = false;
                self.content.facts_changed();
            }
            Event::SyncAsked => {
                self.paused = false;
                self.intake.count_lost(now, None);
                self.network.look_again(now);
                for remote in self.network.remotes.values_mut() {
                    remote.unfetched = true;
                    remote.there = None;
                }
                self.note_unpushed(now);
                self.retry_at = None;
                self.content.facts_changed();
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
            Event::Probed { id, reach } => {
                let chance = self.chance.draw();
                self.network.probed(now, id, reach, chance);
                self.note_unpushed(now);
                self.content.facts_changed();
            }
            Event::Fetched { id, refs, there } => self.fetched(now, id, refs, there),
            Event::Merged { id, refs, merged } => {
                self.end_work(id);
                let stands_still = self.refs == refs && refs.unmerged;
                self.set_refs(now, refs);
                match merged {
                    // Something was pushed meanwhile, or cannot be merged: not to be tried in a tight loop.
                    Merged::Done if stands_still => {
                        self.repository_failures += 1;
                        let pause = pacing::settle_after(self.repository_failures, self.chance.draw());
                        self.retry_at = Some(now + pause);
                    }
                    Merged::Done => self.tried(now, None),
                    Merged::Blocked(paths) => {
                        self.merge_blocked = true;
                        self.intake.changed(now, paths);
                        self.tried(now, None);
                    }
                    Merged::Failed(why) => self.tried(now, Some(why)),
                }
            }
            Event::Pushed { id, pushed } => self.pushed(now, id, pushed),
            Event::Observed { id, heads, classes } => {
                self.end_work(id);
                match classes {
                    Ok(classes) => {
                        self.observed = Some(heads);
                        self.content.classes = classes;
                        self.content.facts_changed();
                        self.tried(now, None);
                    }
                    Err(why) => self.tried(now, Some(why)),
                }
            }
            Event::Offered {
                id,
                candidates,
                retry_at,
            } => self.content.offered(id, candidates, retry_at),
            Event::Transferred { id, refs, outcomes } => self.transferred(now, id, refs, &outcomes),
        }
    }

    fn end_work(&mut self, id: Id) -> Option<Work> {
        let (_, work) = self.at_work.filter(|(at, _)| *at == id)?;
        self.at_work = None;
        Some(work)
    }

    /// Something was tried in this repository: a failure holds further work there back for a while.
    fn tried(&mut self, now: Timestamp, failed: Option<String>) {
        if failed.is_some() {
            self.repository_failures += 1;
            self.retry_at = Some(now + pacing::retry_after(self.repository_failures, self.chance.draw()));
        } else {
            self.repository_failures = 0;
            self.retry_at = None;
        }
        self.trouble = failed;
    }

    /// Somebody did something to the repository: what failed before may well succeed now.
    fn retry_soon(&mut self, now: Timestamp) {
        self.retry_at = self.retry_at.map(|at| at.min(now + pacing::SOON));
    }

    fn set_refs(&mut self, now: Timestamp, refs: Refs) {
        self.refs = refs;
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
        let verdict = judge(&found, self.removals_confirmed);
        if let (Verdict::WithoutRemovals(_), false) = (verdict, everything) {
            // A moved directory may have been seen to leave before it was seen to arrive.
            self.intake.count_lost(now, None);
            return;
        }
        match (verdict, self.question) {
            (Verdict::WithoutRemovals(question), old) if old != Some(question) => {
                self.question = Some(question);
                effects.push(Effect::Ask(question));
            }
            (Verdict::Free, Some(question)) if everything => {
                self.question = None;
                effects.push(Effect::Withdraw(question));
            }
            (Verdict::Free | Verdict::WithoutRemovals(_) | Verdict::Nothing, _) => {}
        }
        match verdict {
            Verdict::Nothing => self.tried(now, None),
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

    fn answered(&mut self, now: Timestamp, question: &Question, yes: bool) {
        if !self.question.as_ref().is_some_and(|asked| asked.is_same(question)) {
            return;
        }
        self.question = None;
        match question {
            Question::ManyRemoved { .. } => {
                self.removals_confirmed = yes;
                self.restore_asked = !yes;
                self.intake.count_lost(now, None);
            }
        }
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
                if remote.retry_at.is_none_or(|at| at <= now) && !syncing::lacks(remote, &self.refs.heads) {
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
            Pushed::Failed(_) => remote.failed(now, chance),
        }
        self.note_unpushed(now);
    }

    fn transferred(&mut self, now: Timestamp, id: Id, refs: Refs, outcomes: &[(model::Key, Outcome)]) {
        self.set_refs(now, refs);
        let Some(transfer) = self.content.transfers.remove(&id) else {
            return;
        };
        let chance = self.chance.draw();
        if outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Away)
            && let Some(remote) = self.network.remotes.get_mut(&transfer.remote)
        {
            remote.probe_at = Some(now);
            remote.lost(now, Away::Absent, chance);
        }
        self.content.facts_changed();
    }

    /// Starts all that is due and not under way.
    fn plan(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.forget_past_retries(now);
        self.plan_probes(now, effects);
        if self.paused {
            return;
        }
        self.plan_repository(now, effects);
        self.plan_git(now, effects);
        self.plan_content(now, effects);
    }

    /// A back-off that is over must not wake the engine again.
    fn forget_past_retries(&mut self, now: Timestamp) {
        let retries = self.network.remotes.values_mut().map(|remote| &mut remote.retry_at);
        for retry_at in retries.chain([&mut self.retry_at]) {
            retry_at.take_if(|at| *at <= now);
        }
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
        if self.at_work.is_some() || self.retry_at.is_some_and(|at| at > now) {
            return;
        }
        let look_due = self.intake.due_at().is_some_and(|at| at <= now);
        let behind = self.observed != Some(self.refs.heads);
        if let Some((look, found)) = self.looked.take() {
            let removals = judge(&found, self.removals_confirmed) == Verdict::Free;
            self.removals_confirmed &= !removals;
            let id = self.start(Work::Ingest);
            effects.push(Effect::Ingest { id, look, removals });
        } else if self.restore_asked {
            self.restore_asked = false;
            let id = self.start(Work::Restore);
            effects.push(Effect::Restore { id });
        } else if behind && self.refs.heads != Heads::default() {
            let id = self.start(Work::Observe);
            effects.push(Effect::Observe { id });
        } else if look_due {
            let scope = self.intake.take(now);
            let id = self.start(Work::Look {
                everything: scope == crate::Scope::Everything,
            });
            effects.push(Effect::Look { id, scope });
        } else if self.refs.unmerged && !self.merge_blocked && self.root == Root::Same {
            let id = self.start(Work::Merge);
            effects.push(Effect::Merge { id });
        }
    }

    fn start(&mut self, work: Work) -> Id {
        let id = self.next_id();
        self.at_work = Some((id, work));
        id
    }

    /// Nothing is pushed before the first look's commit and while fetched commits are not merged: it would be refused, or
    /// have to be pushed again.
    fn may_push(&self) -> bool {
        let merging = self.refs.unmerged && !self.merge_blocked && self.retry_at.is_none();
        !merging
    }

    /// True while what will be sent to this remote first is still being found out or on its way.
    fn holds_push(&self, remote: &model::RemoteName) -> bool {
        self.observed != Some(self.refs.heads)
            || self.content.offering.is_some()
            || self.content.is_sending_small(remote)
    }

    fn plan_git(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let names: Vec<_> = self.network.remotes.keys().cloned().collect();
        for name in names {
            let (holds, may_push) = (self.holds_push(&name), self.may_push());
            let id = Id(self.last_id + 1);
            let Some(remote) = self.network.remotes.get_mut(&name) else {
                continue;
            };
            if syncing::wants_fetch(remote, now) {
                remote.unfetched = false;
                remote.fetching = Some(id);
                effects.push(Effect::Fetch { id, remote: name });
            } else if may_push
                && syncing::lacks(remote, &self.refs.heads)
                && syncing::push_at(remote, holds).is_some_and(|at| at <= now)
            {
                remote.pushing = Some(id);
                effects.push(Effect::Push { id, remote: name });
            } else {
                continue;
            }
            self.last_id += 1;
        }
    }

    fn plan_content(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.observed.is_none() {
            return;
        }
        // What was just transferred would be offered again by observations that do not know of it yet.
        let fresh = self.observed == Some(self.refs.heads);
        if fresh && self.content.wants_offer(now) {
            let lots = self.content.lots(&self.here, &self.network);
            if lots.is_empty() {
                self.content.nothing_to_offer();
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
    }
}

/// What an assistant knows of one remote.
#[derive(Debug, Clone, Copy)]
pub struct RemoteView<'a> {
    /// Its name in the configuration.
    pub name: &'a model::RemoteName,
    /// Whether it can be reached; none until it was probed.
    pub reach: Option<&'a Reach>,
    /// True while that is being found out.
    pub is_probing: bool,
    /// True if our commits are not known to be there.
    pub lacks_heads: bool,
    /// True if its commits may not have been fetched.
    pub unfetched: bool,
    /// True during a fetch or push.
    pub in_contact: bool,
}
