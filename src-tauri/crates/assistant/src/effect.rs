use model::{Key, RemoteName, Timestamp};

use crate::facts::{ClassId, Direction, Id, Lot, Question, Said, Scope};

/// Work for the engine to perform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Compare the work tree with the index. Ends in [`crate::Event::Looked`].
    Look {
        /// This effect.
        id: Id,
        /// Which part of the work tree to scan.
        scope: Scope,
        /// Whether an earlier scan found files missing there. Then every change made before the scan begins must be
        /// reported before its end: if many files are missing, all of them must be known.
        confirms: bool,
    },
    /// Add the findings of scan `look`: log the new content (in the journal at least), stage and commit. The order
    /// matters: after a crash, a scan finds uncommitted files, but nothing would find content that is committed and not
    /// logged. The engine checks again that the root is the same and that each file is as the scan found it. Ends in
    /// [`crate::Event::Ingested`].
    Ingest {
        /// This effect.
        id: Id,
        /// The scan whose findings to commit.
        look: Id,
        /// Whether to commit missing files as deleted.
        removals: bool,
    },
    /// Write back the files that are missing from the work tree but still in the index. Ends in
    /// [`crate::Event::Restored`].
    Restore {
        /// This effect.
        id: Id,
    },
    /// Fill placeholder files whose content is here, as many as fit in a few seconds. Ends in [`crate::Event::Filled`].
    Fill {
        /// This effect.
        id: Id,
    },
    /// Check whether a remote is connected, and which repository it is. Ends in [`crate::Event::Probed`].
    Probe {
        /// This effect.
        id: Id,
        /// The remote.
        remote: RemoteName,
    },
    /// Fetch the branches of a remote. Ends in [`crate::Event::Fetched`].
    Fetch {
        /// This effect.
        id: Id,
        /// The remote.
        remote: RemoteName,
    },
    /// Merge everything that was fetched or pushed here: the git-annex branch first, then the tree. Two repositories
    /// that merge the same commits should make the same commit (parents sorted, the newer one's time); otherwise they
    /// still converge, but later. Commits that delete an improbable number of files ([`crate::guards::is_improbable`])
    /// are held and merged only if the user says yes; all others are merged. Ends in [`crate::Event::Merged`].
    Merge {
        /// This effect.
        id: Id,
        /// If true, uncommitted files in the way are left as they are while all other files follow; if false, they
        /// block the merge.
        partial: bool,
        /// The user's answer about held deletions, which is carried out first.
        said: Option<Said>,
    },
    /// Push the branches to a remote. Ends in [`crate::Event::Pushed`].
    Push {
        /// This effect.
        id: Id,
        /// The remote.
        remote: RemoteName,
    },
    /// Bring the observations up to date with the refs. Ends in [`crate::Event::Observed`], together with
    /// [`crate::Event::Unfilled`] if content has arrived whose files must be filled.
    Observe {
        /// This effect.
        id: Id,
    },
    /// Find keys to transfer: for each lot in order, the keys that did not fail too recently with this remote (every
    /// outcome except stored, already there, cancelled and away counts as failed) and are not held back by an
    /// [`Effect::Cancel`]. Each key is returned once per destination. Prioritized keys are always included, however
    /// many others there are. Ends in [`crate::Event::Offered`].
    Offer {
        /// This effect.
        id: Id,
        /// The possible transfers, best first.
        lots: Vec<Lot>,
        /// The maximum number of candidates to return. Every remote gets a share, so that one with many keys does not
        /// crowd out the others.
        limit: usize,
    },
    /// Transfer keys to or from a remote, then log where they are. A key sent to a clone on this machine is logged
    /// there too, as git-annex does, because our log may not reach it. Ends in [`crate::Event::Transferred`].
    Transfer {
        /// This effect.
        id: Id,
        /// The other end.
        remote: RemoteName,
        /// The direction.
        direction: Direction,
        /// The keys, in this order.
        keys: Vec<Key>,
    },
    /// Drop the content of keys of these classes that is here, as far as enough other copies can be confirmed, and as much as
    /// can be done in a few seconds; log that it is gone. Keys that were refused too recently are left out. Ends in
    /// [`crate::Event::Dropped`].
    Drop {
        /// This effect.
        id: Id,
        /// The classes. Each key is checked again: these are as old as the observations.
        classes: Vec<ClassId>,
    },
    /// Stop a transfer, an ingest or a drop as soon as possible. Content that has arrived is kept for resuming, files read so
    /// far are committed. The stopped effect ends in its own event.
    Cancel {
        /// The effect to stop.
        id: Id,
        /// Until this time, the keys that did not arrive are not offered for the same destination, unless the user asks
        /// for them; none if they may be offered at once.
        held_until: Option<Timestamp>,
    },
    /// Ask the user a question, or update the numbers in it. Ends in [`crate::Event::Answered`], or by
    /// [`Effect::Withdraw`].
    Ask(Question),
    /// Withdraw a question whose subject no longer exists.
    Withdraw(Question),
}

impl Effect {
    /// The remote that it is about, if it is about one.
    pub fn remote(&self) -> Option<&RemoteName> {
        match self {
            Self::Probe { remote, .. }
            | Self::Fetch { remote, .. }
            | Self::Push { remote, .. }
            | Self::Transfer { remote, .. } => Some(remote),
            Self::Look { .. }
            | Self::Ingest { .. }
            | Self::Restore { .. }
            | Self::Fill { .. }
            | Self::Merge { .. }
            | Self::Observe { .. }
            | Self::Offer { .. }
            | Self::Drop { .. }
            | Self::Cancel { .. }
            | Self::Ask(_)
            | Self::Withdraw(_) => None,
        }
    }
}
