//! The one value that decides: what it remembers, and what can be asked of it.

mod learn;
mod plan;
#[cfg(test)]
mod tests;

use model::{Oid, RepoPath, Timestamp, Uuid};

use crate::attempts::Attempts;
use crate::content::Content;
use crate::effect::Effect;
use crate::event::Event;
use crate::facts::{About, Found, Heads, Id, Lot, Question, Reach, Refs, Root};
use crate::intake::Intake;
use crate::merging::Merging;
use crate::network::Network;
use crate::pacing::Chance;
use crate::questions::Questions;
use crate::syncing;

/// What a repository does by itself: one value that takes facts and gives back what to do.
///
/// Its work on its own repository (look, ingest, restore, merge, observe, fill) goes one at a time; fetches, pushes and
/// transfers run beside it, at most one fetch or push with each remote.
#[derive(Debug, Clone)]
pub struct Assistant {
    here: Uuid,
    chance: Chance,
    last_id: u64,
    paused: bool,
    refs: Refs,
    /// Other heads were heard of since the last observing began.
    heads_moved: bool,
    /// The heads that the observations describe; none before the first.
    observed: Option<Heads>,
    /// The observations were made by other rules than those in force.
    rules_changed: bool,
    /// The commit whose files' contents were offered last.
    offered_for: Option<Option<Oid>>,
    intake: Intake,
    network: Network,
    content: Content,
    /// What is under way in this repository.
    at_work: Option<(Id, Work)>,
    /// A look that awaits its ingest.
    looked: Option<(Id, Found)>,
    /// The user confirmed that so many files that are gone were deleted on purpose.
    removals_confirmed: usize,
    restore_asked: bool,
    /// Files wait for contents that are here.
    unfilled: bool,
    questions: Questions,
    /// The root was not ours at the last look.
    root: Root,
    /// A look at everything has ended.
    has_looked: bool,
    merging: Merging,
    /// The last work of each kind that takes turns.
    turns: [Id; 4],
    attempts: Attempts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Look { everything: bool },
    Ingest,
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
    /// An assistant for the repository `here` that knows nothing yet: its first look is at everything. `seed` spreads
    /// its retries. It is to be told [`Event::RefsMoved`] and [`Event::RemotesListed`] first.
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
            looked: None,
            removals_confirmed: 0,
            restore_asked: false,
            unfilled: false,
            questions: Questions::default(),
            root: Root::Same,
            has_looked: false,
            merging: Merging::default(),
            turns: [Id::default(); 4],
            attempts: Attempts::default(),
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
            let retry_at = self.attempts.retry_at();
            let look = look.map(|at| at.max(retry_at.unwrap_or_default()));
            let [merge_at, follow_at] = self.merging.wakes();
            [look, retry_at, merge_at, follow_at]
        } else {
            [None; 4]
        };
        let git = self.network.remotes.values().flat_map(|remote| {
            let fetch = remote
                .retry_at
                .filter(|_| remote.is_unfetched() && remote.uuid().is_some());
            let push = syncing::push_at(remote, &self.refs.heads, self.before_push(&remote.facts.name));
            [fetch, push.filter(|_| self.may_push())]
        });
        let may_offer = self.content.offering.is_none() && !self.rules_changed;
        let content = self.content.retry_at.filter(|_| may_offer);
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

    /// The refs of this repository as last heard of.
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// True once a look at everything and the observations after it have ended.
    pub fn has_looked(&self) -> bool {
        self.has_looked && (self.observed.is_some() || self.refs.heads == Heads::default())
    }

    /// True while files wait to be looked at again because they were being written.
    pub fn is_postponed(&self) -> bool {
        self.intake.is_postponed()
    }

    /// The files that wait so.
    pub fn postponed(&self) -> impl Iterator<Item = &RepoPath> {
        self.intake.postponed()
    }

    /// The top of the work tree as the last look found it.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The questions that wait for the user, the oldest first.
    pub fn questions(&self) -> &[Question] {
        self.questions.all()
    }

    /// True if commits from elsewhere wait for an answer.
    fn holds_deletions(&self) -> bool {
        self.questions.is_about(|about| matches!(about, About::Deleted(_)))
    }

    /// What the repository could not do at the last try, in words for people.
    pub fn trouble(&self) -> Option<&str> {
        self.attempts.trouble()
    }

    /// True while this repository waits for a lock that another program holds, and is tried again by itself soon.
    pub fn waits_for_lock(&self) -> bool {
        self.attempts.waits_for_lock()
    }

    /// True if something in this repository is under way or due: changes not committed, branches not merged, observations
    /// behind.
    pub fn is_working(&self) -> bool {
        let due = self.intake.due_at().is_some() && self.root == Root::Same;
        self.at_work.is_some()
            || self.looked.is_some()
            || due
            || self.wants_fill()
            || self.refs.unmerged
            || self.is_behind()
            || self.content.offering.is_some()
    }

    /// True if something is under way, here or with a remote, or due and done by itself at once: nothing is paused, the
    /// folder is there, and it is not to be tried again only later.
    pub fn goes_on(&self) -> bool {
        if self.paused || self.root != Root::Same {
            return false;
        }
        let due = self.looked.is_some()
            || self.intake.due_at().is_some()
            || self.wants_merge()
            || self.wants_fill()
            || self.is_behind();
        self.at_work.is_some()
            || due && self.attempts.retry_at().is_none()
            || self.content.offering.is_some()
            || self.pending_transfers() > 0
            || self.remotes().any(|remote| remote.in_contact)
    }

    /// Each remote with what is known of it.
    pub fn remotes(&self) -> impl Iterator<Item = RemoteView<'_>> {
        self.network.remotes.values().map(|remote| RemoteView {
            name: &remote.facts.name,
            reach: remote.reach.as_ref(),
            is_probing: remote.probing.is_some() || remote.reach.is_none(),
            lacks_heads: syncing::lacks(remote, &self.refs.heads),
            unfetched: remote.is_unfetched(),
            in_contact: remote.fetching.is_some() || remote.pushing.is_some(),
            trouble: remote.trouble.as_deref(),
        })
    }

    /// The classes of keys as last observed.
    pub fn classes(&self) -> &[crate::Class] {
        &self.content.classes
    }

    /// The ways in which wanted contents could travel from or to here now. None means that nothing is left to do with any
    /// remote that can be reached.
    pub fn lots(&self) -> Vec<Lot> {
        self.content.lots(&self.here, &self.network)
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
    /// Why the last push there failed, in words for people, until one succeeds.
    pub trouble: Option<&'a str>,
}
