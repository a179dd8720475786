//! The types shared by events and effects, so that neither depends on the other.

use std::collections::BTreeSet;
use std::fmt;

use model::{Cost, Key, Medium, Oid, RemoteName, RepoPath, Uuid};

/// Identifies one effect in progress; the event that ends it carries the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub u64);

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Which part of the work tree to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole work tree.
    Everything,
    /// These files and directories, each with everything below it.
    Paths(Vec<RepoPath>),
}

/// The user's answer about a commit that deletes many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Exactly this commit. Commits on top of it are judged separately.
    pub commit: Oid,
    /// True to delete the files here; false to keep them, and bring them back everywhere.
    pub yes: bool,
}

/// The two commits that describe the content of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heads {
    /// The commit of the work-tree branch.
    pub tree: Option<Oid>,
    /// The commit of the git-annex branch.
    pub annex: Option<Oid>,
}

/// The refs of this repository, as far as syncing depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refs {
    /// The commits merged and logged here. Everything in them is checked out, except paths that wait.
    pub heads: Heads,
    /// True if a fetched or pushed branch has commits that are neither merged yet nor held for the user to decide. Also
    /// true if the question about a held commit must be withdrawn, which a merge does.
    pub unmerged: bool,
}

/// A remote, as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFacts {
    /// Its name in the configuration.
    pub name: RemoteName,
    /// The repository that it leads to, as configured; none if that was never known.
    pub uuid: Option<Uuid>,
    /// What lies between this computer and it.
    pub medium: Medium,
    /// The cost of using it.
    pub cost: Cost,
    /// What may be done with it.
    pub abilities: Abilities,
    /// Its heads as last seen, perhaps by an earlier run. They are used until the remote is connected.
    pub seen: Heads,
}

/// What the configuration allows to do with a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Fetch commits. A special remote has none, and never lacks any.
    pub fetch: bool,
    /// Push commits.
    pub push: bool,
    /// Exchange commits of the work tree too, not only those of the git-annex branch (not `annex.synconlyannex`).
    pub tree: bool,
    /// Receive content.
    pub get: bool,
    /// Send content.
    pub send: bool,
    /// False while a special remote waits for the user to confirm it. Until then nothing is sent to any remote.
    pub verified: bool,
}

impl Abilities {
    /// Everything.
    pub const ALL: Self = Self {
        fetch: true,
        push: true,
        tree: true,
        get: true,
        send: true,
        verified: true,
    };

    /// True if everything that `other` allows is allowed here too.
    pub fn include(self, other: Self) -> bool {
        let all = |it: Self| [it.fetch, it.push, it.tree, it.get, it.send, it.verified];
        all(self)
            .into_iter()
            .zip(all(other))
            .all(|(ours, theirs)| ours >= theirs)
    }

    /// True if commits may be pushed now.
    pub fn may_push(self) -> bool {
        self.push && self.verified
    }

    /// True if content may be transferred in this direction now.
    pub fn allow(self, direction: Direction) -> bool {
        match direction {
            Direction::Get => self.get,
            Direction::Send => self.send && self.verified,
        }
    }
}

/// Whether a remote is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It is connected, and is the repository with this uuid; none if it is one of git only, which holds no content.
    Here(Option<Uuid>),
    /// It is not connected.
    Away(Away),
}

/// Why a remote is not connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Away {
    /// Nothing is at its place: a drive is not plugged in, or a disk is not mounted.
    Absent,
    /// Something unusable is at its place; with the reason, as text for the user.
    Unusable(String),
}

/// The top of the work tree, as a scan found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The directory, file system and annex uuid are those that the engine started with.
    Same,
    /// The directory does not exist.
    Vanished,
    /// Another directory or file system is in its place.
    Replaced,
}

/// The findings of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The top of the work tree.
    pub root: Root,
    /// Files that are new or changed.
    pub changed: usize,
    /// Files that are in the index but missing from the work tree, except those found under another name.
    pub removed: usize,
    /// Files in the index.
    pub tracked: usize,
    /// True if the index has changes that are not committed.
    pub staged: bool,
    /// New directories that are still being filled, whose files are not counted above.
    pub filling: Vec<RepoPath>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Another program holds a lock that is needed. Most programs release it in a moment. With text for the user.
    Busy(String),
    /// The repository is not where it was, so a scan must check the root. With text for the user.
    Gone(String),
    /// Anything else, as text for the user.
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::Other(why.to_owned())
    }
}

/// The result of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// The work tree was compared.
    Found(Found),
    /// The scan failed.
    Failed(Failure),
}

/// The result of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Everything is merged.
    Done,
    /// Everything is merged except these paths, which could not follow: uncommitted, open in a program, or refused by
    /// the system. The heads are those of the whole merge, which other repositories may get.
    Waiting(Vec<RepoPath>),
    /// These work-tree files have changes that must be committed first; nothing was done.
    Blocked(Vec<RepoPath>),
    /// The merge failed.
    Failed(Failure),
}

/// Deletions from other repositories that the user has not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletions {
    /// The held commit: the tip of the history that deletes the files.
    pub commit: Oid,
    /// How many files it would delete here.
    pub removed: usize,
    /// How many files the folder has.
    pub of: usize,
    /// Who deleted them, if known.
    pub who: Option<String>,
    /// The repository in which they were deleted, by its description.
    pub place: Option<String>,
    /// When they were deleted, in seconds since the epoch.
    pub at: Option<u64>,
}

/// The result of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The remote has these heads, as its own or in the branches pushed to it; also if it already had these or newer
    /// ones.
    Done(Heads),
    /// The remote has commits that are not merged here.
    Refused,
    /// The remote was no longer connected.
    Away(Away),
    /// The push failed.
    Failed(Failure),
}

/// A question that only the user can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Many files are missing from the folder: were they deleted on purpose? Yes commits the deletions, no writes the
    /// files back.
    ManyRemoved {
        /// How many files are missing.
        removed: usize,
        /// How many files the folder had.
        of: usize,
    },
    /// Commits from other repositories delete many files of this folder: is that wanted? Yes merges them, no keeps the
    /// files and brings them back everywhere.
    ManyDeleted(Deletions),
    /// git-annex has enabled a special remote by itself: is it the right one? Until the user answers, nothing is sent
    /// to any remote. The answer arrives as a change of the configuration, not as [`crate::Event::Answered`].
    Unverified(RemoteName),
}

/// The subject of a question. A question about the same subject may come with other numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Files missing from the folder.
    Removed,
    /// The deletions of this commit. A commit that deletes more of the same files is another subject.
    Deleted(Oid),
    /// A special remote.
    Remote(RemoteName),
}

impl Question {
    /// The subject of the question.
    pub fn about(&self) -> About {
        match self {
            Question::ManyRemoved { .. } => About::Removed,
            Question::ManyDeleted(deletions) => About::Deleted(deletions.commit),
            Question::Unverified(remote) => About::Remote(remote.clone()),
        }
    }

    /// True if both have the same subject, perhaps with different numbers.
    pub fn is_same(&self, other: &Question) -> bool {
        self.about() == other.about()
    }
}

/// The direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the remote to here.
    Get,
    /// From here to the remote.
    Send,
}

/// Identifies a class of keys. While the engine runs, an id is never reused for another class, so that a lot requested
/// earlier keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// Keys that the same repositories have, that the same repositories want, and for which rules bar the same transfers.
/// Plans are made per class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its id in the observations.
    pub id: ClassId,
    /// The repositories that have the keys, by the location logs.
    pub have: BTreeSet<Uuid>,
    /// The repositories that want them.
    pub want: BTreeSet<Uuid>,
    /// The transfers that the rules of this folder bar.
    pub barred: BTreeSet<(RemoteName, Direction)>,
    /// What this repository needs to drop them; none if it wants them, has none of them, or too few other copies are known.
    pub spare: Option<Spare>,
    /// The number of keys.
    pub keys: u64,
    /// Their size in bytes, as far as known.
    pub bytes: u64,
}

/// Content that this repository has, and would not want if it had dropped it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spare {
    /// How many other copies must be confirmed, besides those in repositories that are trusted to have them.
    pub confirm: usize,
    /// The repositories whose copies count if they are confirmed.
    pub among: BTreeSet<Uuid>,
}

/// A key that could be transferred now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The key.
    pub key: Key,
    /// Its size in bytes, 0 if unknown.
    pub size: u64,
    /// The other end.
    pub remote: RemoteName,
    /// The direction.
    pub direction: Direction,
    /// True if the user moved it to the front of the queue in that direction.
    pub is_first: bool,
}

/// The result of transferring one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived, and was verified and logged.
    Stored,
    /// The destination already had it. If the log did not say so, it does now.
    AlreadyThere,
    /// Another program is transferring it.
    Busy,
    /// The transfer was cancelled.
    Cancelled,
    /// The remote disappeared.
    Away,
    /// The source does not have it, or has it damaged. The location log has been corrected.
    NotThere,
    /// The destination is full; with text for the user.
    Full(String),
    /// It failed; with the reason, as text for the user.
    Failed(String),
}

/// One way of transferring the keys of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The keys.
    pub class: ClassId,
    /// The other end.
    pub remote: RemoteName,
    /// The direction.
    pub direction: Direction,
    /// The source repository.
    pub source: Uuid,
    /// The destination repository.
    pub destination: Uuid,
}
