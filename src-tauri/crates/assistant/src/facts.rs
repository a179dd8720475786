//! The nouns of events and effects, so that neither needs the other.

use std::collections::BTreeSet;
use std::fmt;

use model::{Cost, Key, Oid, RemoteName, RepoPath, Uuid};

/// Names one effect under way; the event that ends it carries the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub u64);

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Which part of the work tree to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole work tree.
    Everything,
    /// These files and directories, each with all below it.
    Paths(Vec<RepoPath>),
}

/// The user's word on a commit that deletes many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The commit: exactly this one. What comes on top of it is judged by itself.
    pub commit: Oid,
    /// True to delete the files here; false to keep them, and bring them back everywhere.
    pub yes: bool,
}

/// The two commits that say what a repository holds.
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
    /// What is merged and logged here. All of it is checked out but paths that wait.
    pub heads: Heads,
    /// True if a fetched or pushed branch has commits that are in none of these yet, nor held for the user to decide; and if
    /// one that was held is no longer to be merged.
    pub unmerged: bool,
}

/// What the configuration says of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFacts {
    /// Its name in the configuration.
    pub name: RemoteName,
    /// What it costs to reach.
    pub cost: Cost,
    /// It has a git repository. One that has none, a special remote, never lacks commits.
    pub git: bool,
    /// Commits of the work tree are exchanged with it too, not only those of the git-annex branch (not
    /// `annex.synconlyannex`).
    pub tree: bool,
    /// Git and content may be taken from it (`annex-pull`).
    pub pull: bool,
    /// Git and content may be sent to it (`annex-push`, not `annex-readonly`).
    pub push: bool,
    /// No special remote waits for the user to say that it is the right one: until then nothing is sent, to no remote.
    pub verified: bool,
    /// Content is exchanged with it at all (not `annex-ignore`).
    pub content: bool,
    /// Content may be sent to it as far as its address goes: it is a place that git pushes to, not one that git only
    /// fetches from.
    pub send: bool,
    /// What was last seen there, by an earlier run perhaps: it stands until the remote is reached.
    pub seen: Heads,
}

/// Whether a remote can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It is there, and it is the repository with this uuid.
    Here(Uuid),
    /// It is not.
    Away(Away),
}

/// Why a remote cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Away {
    /// Nothing is at its place: a drive that is not plugged in, a disk not mounted.
    Absent,
    /// Something is there that cannot be used; in words for people.
    Unusable(String),
}

/// The top of the work tree, as a look found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The directory, file system and annex uuid are those that the engine started with.
    Same,
    /// The directory is not there.
    Vanished,
    /// Another directory or file system is in its place.
    Replaced,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The top of the work tree.
    pub root: Root,
    /// Files that are new or changed.
    pub changed: usize,
    /// Files that are in the index and gone from the work tree, less those found elsewhere under another name.
    pub removed: usize,
    /// Files in the index.
    pub tracked: usize,
    /// True if the index has changes that are not committed.
    pub staged: bool,
    /// New directories that are still being filled, of which nothing is counted above.
    pub filling: Vec<RepoPath>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Another program holds a lock that is needed, which most let go of in a moment; in words for people.
    Busy(String),
    /// The repository is not where it was, so that it is to be looked for; in words for people.
    Gone(String),
    /// Anything else; in words for people.
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

/// How a look ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// The work tree was compared.
    Found(Found),
    /// It could not be.
    Failed(Failure),
}

/// How a merge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Everything is merged.
    Done,
    /// Everything is merged but these paths, which could not follow: uncommitted, open in a program, or refused by the
    /// system. The heads are those of the whole merge, which others may have.
    Waiting(Vec<RepoPath>),
    /// These work-tree files have changes that must be committed first; nothing was done.
    Blocked(Vec<RepoPath>),
    /// It could not be done.
    Failed(Failure),
}

/// Deletions that arrived and that nobody has confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletions {
    /// The commit that is held: the tip of the history that deletes the files.
    pub commit: Oid,
    /// Files that it would delete here.
    pub removed: usize,
    /// Files that the folder has.
    pub of: usize,
    /// Who deleted them, as far as it is known.
    pub who: Option<String>,
    /// In which repository that was done, by its description.
    pub place: Option<String>,
    /// When, in seconds since the epoch.
    pub at: Option<u64>,
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The remote has these heads, as its own or in what was pushed to it; also if it had them, or newer ones, before.
    Done(Heads),
    /// The remote has commits that are not merged here.
    Refused,
    /// The remote could not be reached any more.
    Away(Away),
    /// It could not be done.
    Failed(Failure),
}

/// Something that only the user can decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Many files are gone from the folder: were they deleted on purpose? Yes commits the deletions, no writes the files
    /// back.
    ManyRemoved {
        /// Files gone.
        removed: usize,
        /// Files that the folder had.
        of: usize,
    },
    /// Commits from elsewhere delete many files of this folder: is that wanted? Yes merges them, no keeps the files and brings
    /// them back everywhere.
    ManyDeleted(Deletions),
    /// git-annex has enabled a special remote by itself: is it the right one? Until that is answered, nothing is sent from
    /// here, to no remote. The answer becomes a fact of the configuration, not an [`crate::Event::Answered`].
    Unverified(RemoteName),
}

/// What a question is about. A question about the same may come with other figures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Files that are gone from the folder.
    Removed,
    /// The deletions of this commit. One that deletes more of the same is another.
    Deleted(Oid),
    /// A special remote.
    Remote(RemoteName),
}

impl Question {
    /// What it is about.
    pub fn about(&self) -> About {
        match self {
            Question::ManyRemoved { .. } => About::Removed,
            Question::ManyDeleted(deletions) => About::Deleted(deletions.commit),
            Question::Unverified(remote) => About::Remote(remote.clone()),
        }
    }

    /// True if both ask the same, maybe with other figures.
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

/// Names keys with the same holders, wanters and barred ways. An id is never given to another set of these while the engine
/// runs: a lot that was asked for a moment ago must not come to mean something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// Keys with equal holders, wanters and barred ways: plans are made per class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its name in the observations.
    pub id: ClassId,
    /// The repositories that have the content, by the location logs.
    pub have: BTreeSet<Uuid>,
    /// The repositories that want it.
    pub want: BTreeSet<Uuid>,
    /// Ways that the rules of this folder do not allow.
    pub barred: BTreeSet<(RemoteName, Direction)>,
    /// How many keys.
    pub keys: u64,
    /// Their bytes, as far as known.
    pub bytes: u64,
}

/// A key that could be transferred now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The content.
    pub key: Key,
    /// Its size in bytes, 0 if unknown.
    pub size: u64,
    /// The other end.
    pub remote: RemoteName,
    /// Which way.
    pub direction: Direction,
    /// True if the user put it first in that way.
    pub is_first: bool,
}

/// What became of one content of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived, was verified and logged.
    Stored,
    /// It was there already; if the log did not say so, it does now.
    AlreadyThere,
    /// Another program is transferring it.
    Busy,
    /// The transfer was cancelled.
    Cancelled,
    /// The remote went away.
    Away,
    /// The source does not have it, or has it damaged; the location log has been set right.
    NotThere,
    /// The destination has no room; in words for people.
    Full(String),
    /// It failed; in words for people.
    Failed(String),
}

/// One way of transferring the keys of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The keys.
    pub class: ClassId,
    /// The other end.
    pub remote: RemoteName,
    /// Which way.
    pub direction: Direction,
    /// The repository that they come from.
    pub source: Uuid,
    /// The repository that they go to.
    pub destination: Uuid,
}
