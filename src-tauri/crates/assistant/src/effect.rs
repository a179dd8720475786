use model::{Key, RemoteName, Timestamp};

use crate::facts::{Direction, Id, Lot, Question, Said, Scope};

/// Something to be done by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Compare the work tree with the index. Ends in [`crate::Event::Looked`].
    Look {
        /// This effect.
        id: Id,
        /// Where to look.
        scope: Scope,
    },
    /// Add what look `look` found, log the new content (in the journal at least), stage and commit. In this order: after a
    /// crash a look finds what is not committed, but nothing would find content that is committed and not logged. The root,
    /// and that each file is still as it was found, are checked again. Ends in [`crate::Event::Ingested`].
    Ingest {
        /// This effect.
        id: Id,
        /// The look whose findings are to be committed.
        look: Id,
        /// Whether files that are gone are committed as deleted.
        removals: bool,
    },
    /// Write the files back that are gone from the work tree but still in the index. Ends in
    /// [`crate::Event::Restored`].
    Restore {
        /// This effect.
        id: Id,
    },
    /// Give files their contents that are here, as many as can be done in a few seconds. Ends in [`crate::Event::Filled`].
    Fill {
        /// This effect.
        id: Id,
    },
    /// Find out if a remote can be reached and which repository it is. Ends in [`crate::Event::Probed`].
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
    /// Merge all that has been fetched or pushed here: the git-annex branch first, then the tree. Two ends that merge the
    /// same commits had better make the same commit (parents sorted, the newer one's time); it settles otherwise, later.
    /// Commits that delete an improbable number of files ([`crate::guards::is_improbable`]) are held: they are merged only if
    /// the user said yes, all others are. Ends in [`crate::Event::Merged`].
    Merge {
        /// This effect.
        id: Id,
        /// Uncommitted files that are in the way are left as they are while all others follow; without it they block the
        /// merge.
        partial: bool,
        /// What the user said of deletions that were held; first of all, it is done.
        said: Option<Said>,
    },
    /// Push the branches to a remote. Ends in [`crate::Event::Pushed`].
    Push {
        /// This effect.
        id: Id,
        /// The remote.
        remote: RemoteName,
    },
    /// Bring the observations up to date with the refs. Ends in [`crate::Event::Observed`], with which
    /// [`crate::Event::Unfilled`] comes if contents have arrived whose files are to be filled.
    Observe {
        /// This effect.
        id: Id,
    },
    /// Find keys to transfer: for each lot in order, those not tried in vain with this remote too recently (every outcome
    /// but stored, there already, cancelled and away is in vain) and not held back by a [`Effect::Cancel`], each once for
    /// each destination; those that the user put first are among them, however many others there are. Ends in
    /// [`crate::Event::Offered`].
    Offer {
        /// This effect.
        id: Id,
        /// What could be transferred, best way first.
        lots: Vec<Lot>,
        /// How many candidates to return at the most. Every remote has its share, so that one with many does not crowd out
        /// the others.
        limit: usize,
    },
    /// Transfer contents to or from a remote, then log where they are. What is sent to a clone on this machine is logged
    /// there as well, as git-annex does: our log may not get there. Ends in [`crate::Event::Transferred`].
    Transfer {
        /// This effect.
        id: Id,
        /// The other end.
        remote: RemoteName,
        /// Which way.
        direction: Direction,
        /// What, in this order.
        keys: Vec<Key>,
    },
    /// Stop a transfer, or taking files in, as soon as possible; what has arrived so far is kept for resuming, what was
    /// read so far is committed. Its own event ends both.
    Cancel {
        /// What is to stop.
        id: Id,
        /// Until then the contents of it that did not arrive are not offered for where they were going, unless the user
        /// asks for them; none if they may be at once.
        held_until: Option<Timestamp>,
    },
    /// Put a question to the user, or show it again with new figures. Ends in [`crate::Event::Answered`], or by
    /// [`Effect::Withdraw`].
    Ask(Question),
    /// Take a question back because what it is about is no longer so.
    Withdraw(Question),
}
