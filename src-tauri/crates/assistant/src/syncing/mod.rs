//! Decides when to fetch from and push to remotes.

use std::time::Duration;

use model::Timestamp;

use crate::facts::Heads;
use crate::network::Remote;

/// How long a push waits at most for small files that are being sent to the same remote.
const WAIT_FOR_CONTENT: Duration = Duration::from_secs(3);

/// True if a remote's branches should be fetched now.
pub(crate) fn wants_fetch(remote: &Remote, now: Timestamp) -> bool {
    let idle = remote.fetching.is_none() && remote.pushing.is_none();
    remote.is_here() && remote.is_unfetched() && idle && remote.may_try(now)
}

/// True if a remote is not known to have our heads, whether or not it is connected.
pub(crate) fn lacks(remote: &Remote, heads: &Heads) -> bool {
    let is_there =
        |there: &Heads| there.annex == heads.annex && (there.tree == heads.tree || !remote.facts.abilities.tree);
    let is_used = remote.facts.abilities.push && remote.instead.is_none();
    let may_lack = is_used && *heads != Heads::default();
    may_lack && !remote.there.as_ref().is_some_and(is_there)
}

/// True if our heads should be pushed to the remote.
pub(crate) fn is_to_push(remote: &Remote, heads: &Heads) -> bool {
    remote.facts.abilities.may_push() && lacks(remote, heads)
}

/// The things that a push has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    /// The content to send to the remote first is being determined or sent.
    pub(crate) content: bool,
    /// Commits from other repositories are not merged until the user has answered.
    pub(crate) merge: bool,
}

/// When to push to a remote that lacks our heads; none if it does not lack them, if sending is not allowed, or if
/// something else has to end first.
pub(crate) fn push_at(remote: &Remote, heads: &Heads, before: Before) -> Option<Timestamp> {
    // Commits that may not be fetched, or that wait for an answer, are not merged: the same heads would be refused
    // forever.
    let is_merged = remote.facts.abilities.fetch && !before.merge;
    let in_vain = !is_merged && !remote.unfetched && remote.refused.as_ref() == Some(heads);
    if in_vain || !is_to_push(remote, heads) {
        return None;
    }
    let busy = remote.fetching.is_some() || remote.pushing.is_some();
    if !remote.is_here() || busy || remote.is_unfetched() {
        return None;
    }
    let since = remote.unpushed_since?;
    let ready = if before.content {
        since + WAIT_FOR_CONTENT
    } else {
        since
    };
    Some(remote.retry_at.map_or(ready, |retry| retry.max(ready)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Oid, Timestamp};

    use super::{Before, WAIT_FOR_CONTENT, lacks, push_at, wants_fetch};
    use crate::facts::{Away, Heads, Id, Reach};
    use crate::network::Remote;
    use crate::network::tests::network;

    const NOW: Timestamp = Timestamp(5000);

    fn heads() -> Heads {
        Heads {
            tree: Some(Oid([1; 20])),
            annex: None,
        }
    }

    /// A remote that lacks our heads since `NOW`, after this change.
    fn remote(change: fn(&mut Remote)) -> Remote {
        let mut remote = network(&[("a", 100.0)]).remotes.into_values().next().unwrap();
        (remote.unfetched, remote.unpushed_since) = (false, Some(NOW));
        change(&mut remote);
        remote
    }

    #[test]
    fn a_push_is_due_unless_something_has_to_end_first() {
        let at = |change, content| push_at(&remote(change), &heads(), Before { content, merge: false });
        assert_eq!(at(|_| (), false), Some(NOW));
        let git_only = |remote: &mut Remote| remote.reach = Some(Reach::Here(None));
        assert_eq!(at(git_only, false), Some(NOW));
        assert_eq!(at(|_| (), true), Some(NOW + WAIT_FOR_CONTENT));
        let later = NOW + Duration::from_secs(9);
        assert_eq!(
            at(|remote| remote.retry_at = Some(NOW + Duration::from_secs(9)), true),
            Some(later)
        );
        let blocked: [fn(&mut Remote); 8] = [
            |remote| remote.facts.abilities.push = false,
            |remote| remote.there = Some(heads()),
            |remote| (remote.facts.abilities.tree, remote.there) = (false, Some(Heads::default())),
            |remote| remote.unfetched = true,
            |remote| remote.fetching = Some(Id(1)),
            |remote| remote.pushing = Some(Id(1)),
            |remote| remote.reach = Some(Reach::Away(Away::Absent)),
            |remote| (remote.facts.abilities.fetch, remote.refused) = (false, Some(heads())),
        ];
        for (number, change) in blocked.into_iter().enumerate() {
            assert_eq!(at(change, false), None, "{number}");
        }
        let nothing = Before {
            content: false,
            merge: false,
        };
        assert!(
            push_at(&remote(|_| ()), &Heads::default(), nothing).is_none(),
            "nothing was committed yet"
        );
        let held = Before { merge: true, ..nothing };
        let refused = remote(|remote| remote.refused = Some(heads()));
        assert_eq!(push_at(&refused, &heads(), held), None, "it would be refused again");
        assert_eq!(push_at(&refused, &heads(), nothing), Some(NOW));
        assert_eq!(push_at(&remote(|_| ()), &heads(), held), Some(NOW), "others take it");
    }

    #[test]
    fn a_fetch_is_due_if_it_is_allowed_and_there_may_be_new_commits() {
        let wants = |change: fn(&mut Remote)| wants_fetch(&remote(change), NOW);
        assert!(!wants(|_| ()));
        assert!(wants(|remote| remote.unfetched = true));
        assert!(!wants(
            |remote| (remote.unfetched, remote.facts.abilities.fetch) = (true, false)
        ));
        assert!(!wants(
            |remote| (remote.unfetched, remote.retry_at) = (true, Some(Timestamp(5001)))
        ));
        assert!(!wants(|remote| (remote.unfetched, remote.pushing) = (true, Some(Id(1)))));
        assert!(
            lacks(&remote(|remote| remote.reach = None), &heads()),
            "whether or not it is there"
        );
    }
}
