//! Decides when content that is not wanted here any more is dropped.
//!
//! The answer is a query: `here ∧ not wanted, even if it were gone ∧ enough other copies can be confirmed now`, made per class.
//! Whoever drops asks for the keys and looks again at each.

use std::collections::BTreeSet;

use model::{Timestamp, Uuid};

use super::Content;
use crate::facts::{ClassId, Id};
use crate::network::Network;
use crate::pacing;

/// The drop in progress, and when the next is due.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drops {
    in_progress: Option<Id>,
    /// The classes of the last drop, with how many keys they had, and the revision of the facts when it was started; none if
    /// it has left keys untried.
    tried: Option<(Vec<(ClassId, u64)>, u64)>,
    /// When keys that were only in use are tried again.
    retry_at: Option<Timestamp>,
    /// How many drops in a row have achieved nothing.
    fruitless: u32,
    /// Before this, other facts about the same classes start no drop: in a folder that never rests, each change would.
    not_before: Timestamp,
}

/// How a drop ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) gone: usize,
    pub(crate) more: bool,
    pub(crate) retry_at: Option<Timestamp>,
}

impl Drops {
    /// The drop in progress.
    pub(crate) fn in_progress(&self) -> Option<Id> {
        self.in_progress
    }
}

impl Content {
    /// The classes whose content can be dropped here now, with how many keys they have: the other copies that are needed are
    /// in connected repositories.
    pub(crate) fn droppable(&self, network: &Network) -> Vec<(ClassId, u64)> {
        let connected: BTreeSet<&Uuid> = network.remotes.values().filter_map(|remote| remote.uuid()).collect();
        let is_droppable = |class: &&crate::Class| {
            let spare = class.spare.as_ref();
            spare.is_some_and(|spare| {
                let within_reach = spare.among.iter().filter(|uuid| connected.contains(uuid));
                within_reach.count() >= spare.confirm
            })
        };
        let droppable = self.classes.iter().filter(is_droppable);
        droppable.map(|class| (class.id, class.keys)).collect()
    }

    /// When these classes are to be dropped: a moment in the past for now, none if that was tried and nothing has changed.
    pub(crate) fn drop_at(&self, classes: &[(ClassId, u64)]) -> Option<Timestamp> {
        let drops = &self.drops;
        if classes.is_empty() || drops.in_progress.is_some() {
            return None;
        }
        let news = match &drops.tried {
            Some((tried, revision)) if tried == classes => (*revision != self.revision).then_some(drops.not_before),
            Some(_) | None => Some(Timestamp::default()),
        };
        news.into_iter().chain(drops.retry_at).min()
    }

    /// Records that a drop of these classes was started.
    pub(crate) fn drop_started(&mut self, id: Id, classes: Vec<(ClassId, u64)>) {
        self.drops.in_progress = Some(id);
        self.drops.tried = Some((classes, self.revision));
        self.drops.retry_at = None;
    }

    /// Records that a drop has ended.
    pub(crate) fn drop_ended(&mut self, now: Timestamp, id: Id, ended: Ended, chance: u64) {
        let drops = &mut self.drops;
        if drops.in_progress != Some(id) {
            return;
        }
        drops.in_progress = None;
        drops.tried = drops.tried.take().filter(|_| !ended.more);
        drops.retry_at = ended.retry_at;
        drops.fruitless = if ended.gone > 0 || ended.more {
            0
        } else {
            drops.fruitless + 1
        };
        drops.not_before = match drops.fruitless {
            0 => now,
            fruitless => now + pacing::retry_after(fruitless, chance),
        };
    }
}
