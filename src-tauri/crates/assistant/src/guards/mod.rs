//! Guards check every ingest before it starts and every merge before it is checked out, and may turn it into a
//! question.
//!
//! **Invariant:** absent is not deleted. If a scan finds another root than the one the engine started with, or an
//! improbable number of missing files, deletions are committed only after the user confirms them. Nor does a merge
//! delete an improbable number of files here unless the user here confirms it.

use crate::facts::{Found, Question, Root};

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

/// Judges the findings of a scan of everything; the user has confirmed up to `confirmed` deletions.
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

/// True if the user must be asked before `removed` of `of` files count as deleted, whether they are missing here or were
/// deleted elsewhere.
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
    fn more_removals_than_confirmed_are_held() {
        assert_eq!(judge(&found(6, 8), 6), Verdict::Free);
        assert_ne!(judge(&found(7, 8), 6), Verdict::Free);
    }

    #[test]
    fn questions_are_the_same_if_their_subjects_are() {
        let removed = |removed| Question::ManyRemoved { removed, of: 9 };
        let unverified = |name: &str| Question::Unverified(RemoteName::parse(name).unwrap());
        assert!(removed(5).is_same(&removed(6)));
        assert!(!removed(5).is_same(&unverified("a")));
        assert!(!unverified("a").is_same(&unverified("b")));
    }

    #[test]
    fn nothing_is_committed_under_another_root_even_if_confirmed() {
        for root in [Root::Vanished, Root::Replaced] {
            let found = Found { root, ..found(1, 10) };
            assert_eq!(judge(&found, 1), Verdict::Nothing);
        }
    }
}
