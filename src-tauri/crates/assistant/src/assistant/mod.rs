//! The state of the assistant, and the queries it answers.

mod learn;
mod plan;
#[cfg(test)]
mod tests;

use model::{Oid, RepoPath, Timestamp, Uuid};

use crate::attempts::Attempts;
use crate::content::Content;
use crate::effect::Effect;
use crate::event::Event;
use crate::facts::{About, ClassId, Heads, Id, Lot, Question, Reach, Refs, Root};
use crate::guards::Guards;
use crate::intake::Intake;
use crate::merging::Merging;
use crate::network::Network;
use crate::pacing::Chance;
use crate::questions::Questions;
use crate::syncing;

/// Decides what one repository does: takes events and returns effects.
///
/// Work on its own repository (scan, ingest, restore, merge, observe, fill) runs one at a time. Fetches, pushes and
/// transfers run beside it, with at most one fetch or push per remote.
#[derive(Debug, Clone)]
pub struct Assistant {
    here: Uuid,
    chance: Chance,
    last_id: u64,
    paused: bool,
    refs: Refs,
    /// True if the heads changed since the last observation began.
    heads_moved: bool,
    /// The heads that the observations describe; none before the first observation.
    observed: Option<Heads>,
    /// True if the observations were made under other rules than the current ones.
    rules_changed: bool,
    /// The commit for whose files content was last offered.
    offered_for: Option<Option<Oid>>,
    intake: Intake,
    network: Network,
    content: Content,
    /// The work in progress in this repository.
    at_work: Option<(Id, Work)>,
    /// The paths that are being scanned; none for everything.
    looking_at: Option<Vec<RepoPath>>,
    /// A scan whose findings wait to be ingested.
    looked: Option<Id>,
    /// A scan of which a part was ingested. The next part takes a scan's turn.
    rest: Option<Id>,
    /// True if a `.gitignore` changed since the current work began.
    ignores_changed: bool,
    guards: Guards,
    restore_asked: bool,
    /// True if files are placeholders whose content is here.
    unfilled: bool,
    questions: Questions,
    /// True once a scan of everything has ended.
    has_looked: bool,
    merging: Merging,
    /// The id of the last work of each kind that takes turns.
    turns: [Id; 4],
    attempts: Attempts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Whether it confirms the missing files that a scan before it found.
    Look {
        confirms: bool,
    },
    Ingest {
        look: Id,
    },
    Restore,
    Merge,
    Observe,
    Fill,
}

/// The kinds of work that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Observe,
    Look,
    Merge,
    Fill,
}

impl Assistant {
    /// Creates an assistant for the repository `here`. It knows nothing yet, so its first scan covers everything.
    /// `seed` spreads its retries. Its first events must be [`Event::RefsMoved`] and [`Event::RemotesListed`].
    pub fn new(here: Uuid, seed: u64, now: Timestamp) -> Self {
        let mut intake = Intake::default();
        intake.count_lost(now, None);
        Self {
            here,
            chance: Chance::from_seed(seed),
            last_id: 0,
            paused: false,
            refs: Refs::default(),
            heads_moved: false,
            observed: None,
            rules_changed: false,
            offered_for: None,
            intake,
            network: Network::default(),
            content: Content::default(),
            at_work: None,
            looking_at: None,
            looked: None,
            rest: None,
            ignores_changed: false,
            guards: Guards::default(),
            restore_asked: false,
            unfilled: false,
            questions: Questions::default(),
            has_looked: false,
            merging: Merging::default(),
            turns: [Id::default(); 4],
            attempts: Attempts::default(),
        }
    }

    /// Applies an event and returns the effects to perform.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.learn(now, event, &mut effects);
        self.plan(now, &mut effects);
        self.guard(&mut effects);
        effects
    }

    /// Lets only safe effects pass, whatever the plan says.
    fn guard(&mut self, effects: &mut Vec<Effect>) {
        for question in self.guards.pass(effects, self.paused, &self.network) {
            self.questions.ask(question, effects);
        }
    }

    /// The time to send [`Event::Woke`] if no other event comes first; none if only an event can change anything.
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
            let look = if self.looked.is_none() && self.rest.is_none() {
                self.intake.due_at()
            } else {
                None
            };
            let retry_at = self.attempts.retry_at();
            let look = look.map(|at| at.max(retry_at.unwrap_or_default()));
            let [merge_at, follow_at] = self.merging.wakes();
            [look, retry_at, merge_at, follow_at]
        } else {
            [None; 4]
        };
        let git = self.network.remotes.values().flat_map(|remote| {
            let fetch = remote.retry_at.filter(|_| remote.is_unfetched() && remote.is_here());
            let push = syncing::push_at(remote, &self.refs.heads, self.before_push(&remote.facts.name));
            [fetch, push.filter(|_| self.may_push())]
        });
        let may_offer = self.content.offering.is_none() && !self.rules_changed;
        let content = self.content.retry_at.filter(|_| may_offer);
        let drops = self.content.drop_at(&self.droppable());
        let wakes = probes
            .chain(repository.into_iter().flatten())
            .chain(git.flatten())
            .chain(content)
            .chain(drops);
        wakes.min()
    }

    /// True while everything is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The refs of this repository, as last reported.
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// True once a scan of everything, and the observation after it, have ended.
    pub fn has_looked(&self) -> bool {
        self.has_looked && (self.observed.is_some() || self.refs.heads == Heads::default())
    }

    /// True while files wait to be scanned again because they were being written.
    pub fn is_postponed(&self) -> bool {
        self.intake.is_postponed()
    }

    /// The files that wait to be scanned again.
    pub fn postponed(&self) -> impl Iterator<Item = &RepoPath> {
        self.intake.postponed()
    }

    /// The top of the work tree, as the last scan found it.
    pub fn root(&self) -> Root {
        self.guards.root()
    }

    /// The questions that wait for the user, oldest first.
    pub fn questions(&self) -> &[Question] {
        self.questions.all()
    }

    /// True if commits from other repositories wait for the user's answer.
    fn holds_deletions(&self) -> bool {
        self.questions.is_about(|about| matches!(about, About::Deleted(_)))
    }

    /// Why the last work on this repository failed, as text for the user.
    pub fn trouble(&self) -> Option<&str> {
        self.attempts.trouble()
    }

    /// True while this repository waits for a lock that another program holds. It retries soon.
    pub fn waits_for_lock(&self) -> bool {
        self.attempts.waits_for_lock()
    }

    /// True if work in this repository is in progress or due: uncommitted changes, unmerged branches, outdated
    /// observations.
    pub fn is_working(&self) -> bool {
        let due = self.intake.due_at().is_some() && self.guards.has_root();
        self.at_work.is_some()
            || self.looked.is_some()
            || self.rest.is_some()
            || due
            || self.wants_fill()
            || self.refs.unmerged
            || self.is_behind()
            || self.content.offering.is_some()
            || self.content.drops.in_progress().is_some()
    }

    /// True if something is in progress, here or with a remote, or starts by itself at once: nothing is paused, the
    /// folder exists, and the work does not wait for a retry.
    pub fn goes_on(&self) -> bool {
        if self.paused || !self.guards.has_root() {
            return false;
        }
        let due = self.looked.is_some()
            || self.rest.is_some()
            || self.intake.due_at().is_some()
            || self.wants_merge()
            || self.wants_fill()
            || self.is_behind();
        self.at_work.is_some()
            || due && self.attempts.retry_at().is_none()
            || self.content.offering.is_some()
            || self.pending_transfers() > 0
            || self.content.drops.in_progress().is_some()
            || self.remotes().any(|remote| remote.in_contact)
    }

    /// The state of each remote.
    pub fn remotes(&self) -> impl Iterator<Item = RemoteView<'_>> {
        self.network.remotes.values().map(|remote| RemoteView {
            name: &remote.facts.name,
            reach: remote.reach.as_ref(),
            is_probing: remote.probing.is_some() || remote.reach.is_none(),
            lacks_heads: syncing::lacks(remote, &self.refs.heads),
            unfetched: remote.is_unfetched(),
            in_contact: remote.fetching.is_some() || remote.pushing.is_some(),
            trouble: remote.trouble.as_deref(),
            instead: remote.instead.as_ref(),
        })
    }

    /// The classes of keys as last observed.
    pub fn classes(&self) -> &[crate::Class] {
        &self.content.classes
    }

    /// The ways to transfer wanted keys to or from this repository now. If there is none, nothing is left to do with
    /// any connected remote.
    pub fn lots(&self) -> Vec<Lot> {
        self.content.lots(&self.here, &self.network)
    }

    /// True if content is being dropped here, or will be. Content that was refused for want of other copies is not: it is tried
    /// again when something changes.
    pub fn is_dropping(&self) -> bool {
        let droppable = self.droppable();
        self.content.drops.in_progress().is_some() || self.content.drop_at(&droppable).is_some()
    }

    /// The classes whose content is dropped here now, because it is not wanted, with how many keys they have: none as long as
    /// news of copies may be on their way, here or in the branches of a connected remote, or of files that need them.
    fn droppable(&self) -> Vec<(ClassId, u64)> {
        let is_observed = self.observed.is_some() && !self.is_behind() && !self.rules_changed;
        let is_merged = !self.wants_merge() && !self.is_merging();
        let is_committing = self
            .at_work
            .is_some_and(|(_, work)| matches!(work, Work::Look { .. } | Work::Ingest { .. }));
        let is_committed = !is_committing && self.looked.is_none() && self.rest.is_none();
        match is_observed && is_merged && is_committed && self.network.has_news_of_all() && self.guards.has_root() {
            true => self.content.droppable(&self.network),
            false => Vec::new(),
        }
    }

    /// How many keys are being transferred or could be transferred now.
    pub fn pending_transfers(&self) -> usize {
        self.content
            .transfers
            .values()
            .map(|transfer| transfer.keys.len())
            .sum::<usize>()
            + self.content.window.len()
    }
}

/// The state of one remote.
#[derive(Debug, Clone, Copy)]
pub struct RemoteView<'a> {
    /// Its name in the configuration.
    pub name: &'a model::RemoteName,
    /// Whether it is connected; none until it was probed.
    pub reach: Option<&'a Reach>,
    /// True while it is being probed.
    pub is_probing: bool,
    /// True if it is not known to have our commits.
    pub lacks_heads: bool,
    /// True if it may have commits that were not fetched.
    pub unfetched: bool,
    /// True during a fetch or push.
    pub in_contact: bool,
    /// Why the last push to it failed, as text for the user, until a push succeeds.
    pub trouble: Option<&'a str>,
    /// The remote that stands for it, since it is a better way to the same repository.
    pub instead: Option<&'a model::RemoteName>,
}
