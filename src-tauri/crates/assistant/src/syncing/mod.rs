//! When to pull from and push to whom.

use std::time::Duration;

use model::Timestamp;

use crate::event::Heads;
use crate::network::Remote;

/// How long a push waits at the most for small contents that are on their way to the same remote.
const WAIT_FOR_CONTENT: Duration = Duration::from_secs(1);

/// Whether a remote's branches should be fetched now.
pub(crate) fn wants_fetch(remote: &Remote, now: Timestamp) -> bool {
    let idle = remote.fetching.is_none() && remote.pushing.is_none();
    remote.uuid().is_some() && remote.facts.pull && remote.unfetched && idle && remote.may_try(now)
}

/// Whether our heads are not known to be at a remote, which is asked without regard to whether it can be reached.
pub(crate) fn lacks(remote: &Remote, heads: &Heads) -> bool {
    remote.facts.push && *heads != Heads::default() && remote.there.as_ref() != Some(heads)
}

/// When to push to a remote that lacks our heads; none if it does not, or while something else has to end first.
pub(crate) fn push_at(remote: &Remote, heads: &Heads, content_under_way: bool) -> Option<Timestamp> {
    // What may not be fetched cannot be merged: the same heads would be refused for ever.
    let in_vain = !remote.facts.pull && !remote.unfetched && remote.refused.as_ref() == Some(heads);
    if in_vain || !lacks(remote, heads) {
        return None;
    }
    let busy = remote.fetching.is_some() || remote.pushing.is_some();
    let unfetched = remote.facts.pull && remote.unfetched;
    if remote.uuid().is_none() || busy || unfetched {
        return None;
    }
    let since = remote.unpushed_since?;
    let ready = if content_under_way {
        since + WAIT_FOR_CONTENT
    } else {
        since
    };
    Some(remote.retry_at.map_or(ready, |retry| retry.max(ready)))
}
