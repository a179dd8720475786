use std::collections::BTreeSet;

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
    /// Changes may have been missed, here or (none) anywhere.
    CountLost(Option<RepoPath>),
    /// Refs or logs of this repository may have been changed by somebody else; told first of all when the engine starts.
    /// Refs in events may be old when they arrive, in any order. Every change of refs must be followed by an event whose
    /// refs were read after it.
    RefsMoved(Refs),
    /// Refs of a remote were seen to change.
    RemoteRefsMoved(RemoteName),
    /// The remotes of the configuration that this program can use.
    RemotesListed(Vec<RemoteFacts>),
    /// The special remotes of the configuration that nobody has said to be right: until somebody has, no remote is listed as
    /// one that may be sent to. Told before the remotes are listed.
    UnverifiedListed(BTreeSet<RemoteName>),
    /// Files are placeholders of contents that are here.
    Unfilled,
    /// The rules of the folder are others than before.
    RulesChanged,
    /// Something was mounted, unmounted or connected: remotes may have come or gone.
    PlacesChanged,
    /// The user paused everything.
    Paused,
    /// The user lets everything go on.
    Resumed,
    /// The user wants everything tried now.
    SyncAsked,
    /// The user put a content first; offers tell which from now on.
    FirstAsked,
    /// The user wants a transfer stopped. One that has ended is none of it.
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
    /// The time that [`crate::Assistant::next_wake`] named has come.
    Woke,
    /// A look ended.
    Looked {
        /// The effect.
        id: Id,
        /// How.
        looked: Looked,
    },
    /// An ingest ended.
    Ingested {
        /// The effect.
        id: Id,
        /// The refs after it.
        refs: Refs,
        /// Files to look at again, each after a pause: being written, or changed meanwhile.
        postponed: Vec<RepoPath>,
        /// Why something could not be done, if it could not.
        failed: Option<Failure>,
    },
    /// A restore ended.
    Restored {
        /// The effect.
        id: Id,
        /// Why something could not be done, if it could not.
        failed: Option<Failure>,
    },
    /// A fill ended.
    Filled {
        /// The effect.
        id: Id,
        /// True if more files are to be filled.
        more: bool,
        /// Why something could not be done, if it could not.
        failed: Option<Failure>,
    },
    /// A probe ended.
    Probed {
        /// The effect.
        id: Id,
        /// What it found.
        reach: Reach,
    },
    /// A fetch ended.
    Fetched {
        /// The effect.
        id: Id,
        /// The refs here after it.
        refs: Refs,
        /// The heads of the remote, or why it could not be done.
        there: Result<Heads, Away>,
    },
    /// A merge ended.
    Merged {
        /// The effect.
        id: Id,
        /// The refs after it.
        refs: Refs,
        /// How.
        merged: Merged,
        /// What was held for the user to decide; not merged, and no part of [`Refs::unmerged`] while it is held. If more
        /// than one history was, one of them.
        held: Option<Deletions>,
    },
    /// A push ended.
    Pushed {
        /// The effect.
        id: Id,
        /// How.
        pushed: Pushed,
    },
    /// The observations are up to date with these heads.
    Observed {
        /// The effect.
        id: Id,
        /// The heads that were observed, read when the observing began.
        heads: Heads,
        /// All keys, by who has them and who wants them; or why the observations could not be made.
        classes: Result<Vec<Class>, Failure>,
    },
    /// Candidates for transfer.
    Offered {
        /// The effect.
        id: Id,
        /// In order of urgency.
        candidates: Vec<Candidate>,
        /// When the next key comes off its back-off, if some were held back by it; later than now.
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
