//! Guards see every list of effects last, and let only safe ones pass, whatever the plan says. An ingest that would commit
//! too many deletions commits none, and the user is asked.
//!
//! **Invariant:** absent is not deleted. If a scan finds another root than the one the engine started with, or an
//! improbable number of missing files, deletions are committed only after the user confirms them. Nor does a merge
//! delete an improbable number of files here unless the user here confirms it: a merge holds such deletions
//! ([`is_improbable`]), and the guards let it carry out only an answer that the user gave.

use crate::effect::Effect;
use crate::facts::{Abilities, Found, Id, Question, Root, Said};
use crate::network::Network;

/// If more files than this are missing at once, they are never treated as deleted without asking.
pub const REMOVED_AT_ONCE: usize = 500;

/// If fewer files than this are missing at once, they are treated as deleted even if they are more than half of all.
pub const REMOVED_UNASKED: usize = 5;

/// The decision about the findings of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Commit all of it.
    Free,
    /// Commit the files that exist, but no deletions.
    WithoutRemovals(Question),
    /// Change nothing: this is not the folder.
    Nothing,
}

/// What the guards decide by. Only events change it.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    /// The root as the last scan found it.
    root: Root,
    /// The last scan, how many files it found missing, and the decision about them.
    judged: Option<(Id, usize, Verdict)>,
    /// The number of missing files that the user confirmed as deleted on purpose.
    confirmed: usize,
    /// The user's answer about deletions that a merge held, until a merge has carried it out.
    said: Option<Said>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            root: Root::Same,
            judged: None,
            confirmed: 0,
            said: None,
        }
    }
}

impl Guards {
    /// The root as the last scan found it.
    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// True if the folder is where it was when the engine started, as far as known.
    pub(crate) fn has_root(&self) -> bool {
        self.root == Root::Same
    }

    /// Judges the findings of a scan, which may have covered everything.
    pub(crate) fn judge(&mut self, look: Id, found: &Found, everything: bool) -> Verdict {
        self.root = found.root;
        if everything && found.removed == 0 && self.has_root() {
            // The deletions that the user confirmed are gone. New ones need a new confirmation.
            self.confirmed = 0;
        }
        let verdict = match found.root {
            Root::Vanished | Root::Replaced => Verdict::Nothing,
            Root::Same if found.removed <= self.confirmed || !is_improbable(found.removed, found.tracked) => {
                Verdict::Free
            }
            Root::Same => Verdict::WithoutRemovals(Question::ManyRemoved {
                removed: found.removed,
                of: found.tracked,
            }),
        };
        self.judged = Some((look, found.removed, verdict.clone()));
        verdict
    }

    /// True if the deletions that this scan found may be committed.
    pub(crate) fn may_remove(&self, look: Id) -> bool {
        matches!(&self.judged, Some((judged, _, Verdict::Free)) if *judged == look)
    }

    /// Records how many missing files the user confirmed as deleted.
    pub(crate) fn confirm(&mut self, removed: usize) {
        self.confirmed = removed;
    }

    /// The user's answer about deletions that the next merge brings.
    pub(crate) fn said(&self) -> Option<Said> {
        self.said
    }

    /// Records the user's answer about deletions elsewhere, or that a merge has carried it out.
    pub(crate) fn set_said(&mut self, said: Option<Said>) {
        self.said = said;
    }

    /// Makes these effects safe, or takes them out. Returns the questions that come of it. An effect that is taken out never
    /// ends: a plan without a fault has none, and after a fault nothing more of its kind is done.
    pub(crate) fn pass(&mut self, effects: &mut Vec<Effect>, is_paused: bool, network: &Network) -> Vec<Question> {
        let mut questions = Vec::new();
        effects.retain_mut(|effect| {
            questions.extend(self.make_safe(effect, network));
            self.is_safe(effect, is_paused, network)
        });
        questions
    }

    /// Takes out of an effect what is not safe; returns the question that it waits for.
    fn make_safe(&mut self, effect: &mut Effect, network: &Network) -> Option<Question> {
        match effect {
            Effect::Ingest { look, removals, .. } if *removals => match &self.judged {
                Some((judged, removed, Verdict::Free)) if judged == look => {
                    if *removed > 0 {
                        self.confirmed = 0;
                    }
                }
                Some((judged, _, Verdict::WithoutRemovals(question))) if judged == look => {
                    *removals = false;
                    return Some(question.clone());
                }
                Some(_) | None => *removals = false,
            },
            Effect::Merge { said, .. } => *said = said.filter(|said| self.said == Some(*said)),
            Effect::Offer { lots, .. } => lots.retain(|lot| network.allows(&lot.remote, lot.direction)),
            Effect::Ingest { .. }
            | Effect::Look { .. }
            | Effect::Restore { .. }
            | Effect::Fill { .. }
            | Effect::Probe { .. }
            | Effect::Fetch { .. }
            | Effect::Push { .. }
            | Effect::Observe { .. }
            | Effect::Transfer { .. }
            | Effect::Drop { .. }
            | Effect::Cancel { .. }
            | Effect::Ask(_)
            | Effect::Withdraw(_) => {}
        }
        None
    }

    fn is_safe(&self, effect: &Effect, is_paused: bool, network: &Network) -> bool {
        let is_safe = match effect {
            Effect::Probe { .. } | Effect::Cancel { .. } | Effect::Ask(_) | Effect::Withdraw(_) => return true,
            Effect::Look { .. } | Effect::Observe { .. } | Effect::Offer { .. } => true,
            // These write to the work tree, or commit what is in it.
            Effect::Ingest { .. } | Effect::Restore { .. } | Effect::Fill { .. } | Effect::Merge { .. } => {
                self.has_root()
            }
            Effect::Drop { .. } => self.has_root() && network.has_news_of_all(),
            Effect::Fetch { remote, .. } => network.abilities(remote).is_some_and(|able| able.fetch),
            Effect::Push { remote, .. } => network.abilities(remote).is_some_and(Abilities::may_push),
            Effect::Transfer { remote, direction, .. } => network.allows(remote, *direction),
        };
        is_safe && !is_paused
    }
}

/// True if the user must be asked before `removed` of `of` files count as deleted, whether they are missing here or were
/// deleted elsewhere.
pub fn is_improbable(removed: usize, of: usize) -> bool {
    let most = removed.saturating_mul(2) > of;
    removed > REMOVED_AT_ONCE || (most && removed >= REMOVED_UNASKED)
}

#[cfg(test)]
mod tests;
