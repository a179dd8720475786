//! Guards see every ingest before it starts and every merge before it is checked out, and may turn it into a question.
//!
//! **Invariant:** absent is not deleted. A look whose root is not the one that the engine started with, or that finds an
//! improbable number of files gone, never leads to a commit of deletions that nobody confirmed. Nor does a merge delete an
//! improbable number of files here that nobody here confirmed.

use crate::facts::{Found, Question, Root};

/// More files than this gone at once are never taken for deleted without asking.
pub const REMOVED_AT_ONCE: usize = 500;

/// Fewer files than this gone at once are taken for deleted even if they are more than half of all.
pub const REMOVED_UNASKED: usize = 5;

/// What may be done with the findings of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Commit all of it.
    Free,
    /// Commit what is there; nothing that is gone is committed as deleted.
    WithoutRemovals(Question),
    /// Touch nothing: this is not the folder.
    Nothing,
}

/// Judges what a look at everything found; the user has confirmed that up to `confirmed` files were deleted on purpose.
pub(crate) fn judge(found: &Found, confirmed: usize) -> Verdict {
    match found.root {
        Root::Vanished | Root::Replaced => Verdict::Nothing,
        Root::Same if found.removed <= confirmed || !is_improbable(found.removed, found.tracked) => Verdict::Free,
        Root::Same => Verdict::WithoutRemovals(Question::ManyRemoved {
            removed: found.removed,
            of: found.tracked,
        }),
    }
}

/// True if so many of so many files are not taken for deleted on purpose without asking, here or elsewhere.
pub fn is_improbable(removed: usize, of: usize) -> bool {
    let most = removed.saturating_mul(2) > of;
    removed > REMOVED_AT_ONCE || (most && removed >= REMOVED_UNASKED)
}

#[cfg(test)]
mod tests {
    use model::RemoteName;

    use super::{Verdict, judge};
    use crate::facts::{Found, Question, Root};

    fn found(removed: usize, tracked: usize) -> Found {
        Found {
            root: Root::Same,
            changed: 0,
            removed,
            tracked,
            staged: false,
            filling: Vec::new(),
        }
    }

    #[test]
    fn many_removals_are_held_until_confirmed() {
        for (removed, tracked, free) in [
            (0, 0, true),
            (1, 1, true),
            (4, 4, true),
            (5, 9, false),
            (5, 10, true),
            (500, 5000, true),
            (501, 5000, false),
        ] {
            let verdict = judge(&found(removed, tracked), 0);
            assert_eq!(verdict == Verdict::Free, free, "{removed} of {tracked}");
            assert_eq!(judge(&found(removed, tracked), removed), Verdict::Free);
        }
    }

    #[test]
    fn more_than_was_confirmed_is_held() {
        assert_eq!(judge(&found(6, 8), 6), Verdict::Free);
        assert_ne!(judge(&found(7, 8), 6), Verdict::Free);
    }

    #[test]
    fn a_question_with_other_figures_is_the_same_and_one_about_something_else_is_another() {
        let removed = |removed| Question::ManyRemoved { removed, of: 9 };
        let unverified = |name: &str| Question::Unverified(RemoteName::parse(name).unwrap());
        assert!(removed(5).is_same(&removed(6)));
        assert!(!removed(5).is_same(&unverified("a")));
        assert!(!unverified("a").is_same(&unverified("b")));
    }

    #[test]
    fn another_root_is_never_committed_even_if_confirmed() {
        for root in [Root::Vanished, Root::Replaced] {
            let found = Found { root, ..found(1, 10) };
            assert_eq!(judge(&found, 1), Verdict::Nothing);
        }
    }
}
