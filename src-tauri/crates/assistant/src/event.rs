use std::collections::BTreeSet;

use std::time::Duration;

use model::{Key, RemoteName, RepoPath, Timestamp};

use crate::facts::{
    Away, Candidate, Class, Deletions, Failure, Heads, Id, Looked, Merged, Outcome, Pushed, Question, Reach, Refs,
    RemoteFacts,
};

/// A fact that the engine observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Files or directories below the top may have changed.
    FilesChanged(Vec<RepoPath>),
    /// Changes below this path, or (none) anywhere, may have been missed.
    CountLost(Option<RepoPath>),
    /// Another program may have changed refs or logs of this repository. This is the first event when the engine
    /// starts. Events may arrive in any order, with outdated refs. Every change of refs must be followed by an event
    /// whose refs were read after it.
    RefsMoved(Refs),
    /// Refs of a remote changed.
    RemoteRefsMoved(RemoteName),
    /// The configured remotes that Anabranch can use.
    RemotesListed(Vec<RemoteFacts>),
    /// The configured special remotes that the user has not confirmed. Until every one is confirmed, no remote is
    /// listed as one to send to. Comes before [`Event::RemotesListed`].
    UnverifiedListed(BTreeSet<RemoteName>),
    /// Some files are placeholders whose content is here.
    Unfilled,
    /// The rules of the folder changed.
    RulesChanged,
    /// Something was mounted or unmounted: remotes on this computer's disks and drives may have appeared or disappeared.
    MountsChanged,
    /// For any other reason, remotes may be usable that were not, or no longer.
    PlacesChanged,
    /// This computer is connected to others in another way than before, or has slept.
    NetworkChanged,
    /// The user paused everything.
    Paused,
    /// The user resumed everything.
    Resumed,
    /// The user asked to try everything now.
    SyncAsked,
    /// The user moved a key to the front of the queue; from now on offers mark it.
    FirstAsked,
    /// The user cancelled a transfer. Has no effect if the transfer has ended.
    CancelAsked {
        /// The transfer.
        id: Id,
    },
    /// The user answered a question.
    Answered {
        /// The question.
        question: Question,
        /// The answer.
        yes: bool,
    },
    /// It is the time that [`crate::Assistant::next_wake`] returned.
    Woke,
    /// A scan ended.
    Looked {
        /// The effect.
        id: Id,
        /// Its result.
        looked: Looked,
    },
    /// An ingest ended.
    Ingested {
        /// The effect.
        id: Id,
        /// The refs after it.
        refs: Refs,
        /// Files to scan again after a pause, because they were being written or changed meanwhile.
        postponed: Vec<RepoPath>,
        /// True if a part of the scan's findings is left, for another ingest of the same scan. False after a failure.
        has_rest: bool,
        /// Why it failed, if it did.
        failed: Option<Failure>,
    },
    /// A restore ended.
    Restored {
        /// The effect.
        id: Id,
        /// Why it failed, if it did.
        failed: Option<Failure>,
    },
    /// A fill ended.
    Filled {
        /// The effect.
        id: Id,
        /// True if more files remain to be filled.
        more: bool,
        /// Why it failed, if it did.
        failed: Option<Failure>,
    },
    /// A probe ended.
    Probed {
        /// The effect.
        id: Id,
        /// Its result.
        reach: Reach,
        /// How long an answer takes; none if that is not known.
        round_trip: Option<Duration>,
    },
    /// A fetch ended.
    Fetched {
        /// The effect.
        id: Id,
        /// The refs here after it.
        refs: Refs,
        /// The heads of the remote, or why the fetch failed.
        there: Result<Heads, Away>,
    },
    /// A merge ended.
    Merged {
        /// The effect.
        id: Id,
        /// The refs after it.
        refs: Refs,
        /// Its result.
        merged: Merged,
        /// Deletions held for the user to decide. While held, they are not merged and do not count in
        /// [`Refs::unmerged`]. If several histories were held, this is one of them.
        held: Option<Deletions>,
    },
    /// A push ended.
    Pushed {
        /// The effect.
        id: Id,
        /// The refs afterwards: what waited in the journal was committed first.
        refs: Refs,
        /// Its result.
        pushed: Pushed,
    },
    /// The observations are up to date with these heads.
    Observed {
        /// The effect.
        id: Id,
        /// The observed heads, read when the observation began.
        heads: Heads,
        /// All keys, grouped by the repositories that have and want them; or why the observation failed.
        classes: Result<Vec<Class>, Failure>,
    },
    /// Candidates for transfer.
    Offered {
        /// The effect.
        id: Id,
        /// In order of urgency.
        candidates: Vec<Candidate>,
        /// When the next held-back key may be retried, if any is held back by its back-off; later than now.
        retry_at: Option<Timestamp>,
    },
    /// A drop ended.
    Dropped {
        /// The effect.
        id: Id,
        /// The refs after it.
        refs: Refs,
        /// How many keys are gone. What the journal says of them is committed.
        gone: usize,
        /// True if keys are left that were not tried.
        more: bool,
        /// When the next key that only another program kept from going may be tried again, if there is one; later than now.
        retry_at: Option<Timestamp>,
    },
    /// A transfer ended.
    Transferred {
        /// The effect.
        id: Id,
        /// The refs after it.
        refs: Refs,
        /// One outcome for each key.
        outcomes: Vec<(Key, Outcome)>,
    },
}
