//! Changes that others made in git directories, and when what waits in the journal is committed.

use std::sync::Arc;
use std::time::Duration;

use model::{Oid, RemoteName, Timestamp};

use super::{Ended, Folder};
use crate::work::Journal;

/// How long to wait for the engine of a remote to push its changes before fetching them.
const TIME_TO_PUSH: Duration = Duration::from_millis(1500);
/// The time between two examinations while work is in progress.
const PAUSE: Duration = Duration::from_millis(50);
/// What waits in the journal is committed after this long even if there is always something to do.
const LONGEST_IN_JOURNAL: Duration = Duration::from_secs(5);

/// When to commit what waits in the journal: when there is nothing else to do, or after a while.
pub(super) struct Folding {
    /// When at the latest; none if nothing may wait.
    at: Option<Timestamp>,
    /// Whether that failed, so that rest is no reason to try again at once.
    has_failed: bool,
}

impl Folding {
    /// An engine that was killed may have left something.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self {
            at: Some(now),
            has_failed: false,
        }
    }

    /// Something may wait from now on.
    pub(super) fn may_wait(&mut self, now: Timestamp) {
        self.at.get_or_insert(now + LONGEST_IN_JOURNAL);
    }

    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        self.at
    }

    /// True if it should be committed as soon as there is nothing else to do.
    pub(super) fn wants_rest(&self) -> bool {
        self.at.is_some() && !self.has_failed
    }

    /// Says whether to commit now what may wait.
    fn begins(&mut self, now: Timestamp, at_rest: bool) -> bool {
        let is_due = self.at.is_some_and(|at| at <= now);
        let begins = is_due || at_rest && !self.has_failed;
        if begins {
            (self.at, self.has_failed) = (None, false);
        }
        begins
    }

    pub(super) fn ended(&mut self, journal: Journal, now: Timestamp) {
        self.has_failed |= journal == Journal::Failed;
        if journal != Journal::Committed {
            self.may_wait(now);
        }
    }
}

/// When to examine the git directory: at once if it changed, but one examination at a time. While work is in progress, most
/// changes are its own, so there are pauses.
#[derive(Default)]
pub(super) struct Examining {
    is_under_way: bool,
    /// When the last examination ended.
    ended: Option<Timestamp>,
    /// When to make the next one, if one was asked for since the last one began.
    next: Option<Timestamp>,
}

impl Examining {
    /// Says whether to examine now. If not, [`Examining::wakes_at`] says when.
    fn begins(&mut self, now: Timestamp, is_busy: bool) -> bool {
        let pauses_until = self.ended.filter(|_| is_busy).map(|ended| ended + PAUSE);
        let next = pauses_until.filter(|until| now < *until);
        let begins = !self.is_under_way && next.is_none();
        self.next = match begins {
            true => None,
            false => Some(next.unwrap_or(now)),
        };
        self.is_under_way |= begins;
        begins
    }

    pub(super) fn ended(&mut self, now: Timestamp) {
        self.is_under_way = false;
        self.ended = Some(now);
    }

    /// True if another examination waits for the end of a pause, or of what is in progress.
    pub(super) fn waits(&self) -> bool {
        self.next.is_some() && !self.is_under_way
    }

    /// When to examine next; `folds_at` is when the journal is committed at the latest.
    pub(super) fn wakes_at(&self, folds_at: Option<Timestamp>) -> Option<Timestamp> {
        self.next.or(folds_at).filter(|_| !self.is_under_way)
    }
}

impl Folder {
    /// Reacts to changed refs of a remote. An engine there that knows this repository pushes its changes, content
    /// first. Fetching in the middle of that would do the work twice, so it gets some time.
    pub(super) fn remote_moved(&mut self, name: RemoteName) {
        if self.expected.contains(&name) {
            return;
        }
        let state = Arc::clone(&self.state);
        self.spawn(move || {
            let pushes = state.is_pushed_to_by(&name);
            Ended::RemoteMoved(name, pushes)
        });
    }

    /// Reacts to what another computer told. What this repository has itself, such as after a push, is no news.
    pub(super) fn heard(&mut self, name: RemoteName, moved_to: Vec<Oid>) {
        if moved_to.is_empty() {
            self.watching.ask_instead(&name, &self.end);
        }
        let state = Arc::clone(&self.state);
        self.spawn(move || {
            let is_known = !moved_to.is_empty() && state.has_refs_to(&moved_to);
            Ended::RemoteExamined((!is_known).then_some(name))
        });
    }

    pub(super) fn expect_push(&mut self, name: RemoteName) {
        if !self.expected.insert(name.clone()) {
            return;
        }
        let end = self.end.clone();
        self.under_way += 1;
        tokio::spawn(async move {
            tokio::time::sleep(TIME_TO_PUSH).await;
            // The loop may have ended and need no answer.
            let _ = end.send(Ended::Expected(name));
        });
    }

    pub(super) fn examine_remote(&mut self, name: RemoteName) {
        let state = Arc::clone(&self.state);
        self.spawn(move || Ended::RemoteExamined(state.examine_remote(&name).then_some(name)));
    }

    /// True if anything is in progress but waiting for pushes: it may change the git directory.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way > self.expected.len()
    }

    /// Examines the changes in the git directory, now or soon.
    pub(super) fn examine(&mut self) {
        if !self.examining.begins(self.clock.now(), self.is_busy()) {
            return;
        }
        let (state, known) = (Arc::clone(&self.state), *self.assistant.refs());
        let rules = self.watching.rules().clone();
        let folds = self.folding.begins(self.clock.now(), self.under_way == 0);
        self.spawn(move || {
            let (events, journal) = state.examine(&known, folds);
            Ended::Examined(events, journal, rules.find())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_examination_runs_at_a_time_and_seldom_while_work_is_in_progress() {
        let start = Timestamp(1000);
        let late = start + PAUSE;
        let mut examining = Examining::default();
        assert!(!examining.waits() && examining.begins(start, true), "the first");
        assert!(!examining.begins(start, false), "it is under way");
        assert_eq!((examining.waits(), examining.wakes_at(Some(start))), (false, None));
        examining.ended(start);
        assert!(examining.waits(), "something changed meanwhile");
        assert!(!examining.begins(start, true));
        assert!(examining.waits());
        assert_eq!(examining.wakes_at(Some(start)), Some(late));
        assert!(examining.begins(start, false), "work is done");
        examining.ended(start);
        assert!(!examining.waits());
        assert_eq!(examining.wakes_at(Some(start)), Some(start), "the journal");
        assert!(examining.begins(late, true), "the pause is over");
    }

    #[test]
    fn the_journal_is_committed_at_rest_or_after_a_while_and_not_at_once_again() {
        let start = Timestamp(1000);
        let late = start + LONGEST_IN_JOURNAL;
        let mut folding = Folding::starting(start);
        assert!(
            folding.wants_rest() && folding.begins(start, false),
            "of an engine that was killed"
        );
        folding.ended(Journal::Committed, start);
        assert!(!folding.wants_rest() && folding.wakes_at().is_none());

        folding.may_wait(start);
        assert!(!folding.begins(start, false), "more may come");
        folding.ended(Journal::Waits, start + Duration::from_secs(1));
        assert_eq!(folding.wakes_at(), Some(late), "it waits since it was first seen");
        assert!(folding.wants_rest() && folding.begins(start, true));

        folding.ended(Journal::Failed, start);
        assert!(!folding.wants_rest() && !folding.begins(start, true));
        assert_eq!(folding.wakes_at(), Some(late));
        assert!(folding.begins(late, false));
    }
}
