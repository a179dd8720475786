use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annex::copies::Confirmed;
use annex::exchange::content::{CopyOutcome, Wanted};
use annex::exchange::{Commits, PushOutcome};
use annex::{Annex, Reached};
use model::{Key, Oid, RemoteName, RepoPath, Uuid};

use crate::Failed;
use crate::ssh::{Listening, Ssh};

/// Another repository that is connected. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    pub(crate) name: RemoteName,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) directories: Option<Directories>,
    pub(crate) git: Option<Arc<dyn Git>>,
    pub(crate) contents: Option<Arc<dyn Contents>>,
    /// None if its content is used as well.
    pub(crate) git_only: Option<GitOnly>,
    /// How it was reached, if by ssh.
    pub(crate) ssh: Option<Arc<Ssh>>,
    /// Held while creating or filling files there. Otherwise a file that is created just as its content arrives stays
    /// empty.
    pub(crate) tree: Arc<Mutex<()>>,
}

/// A repository whose content is not used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GitOnly {
    pub(crate) why: &'static str,
    /// True if it was known to have a git-annex branch when it was looked at.
    pub(crate) had_logs: bool,
}

/// The location of a repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// The top of its work tree, or of the repository itself if it has none.
    pub top: PathBuf,
    /// Its git directory.
    pub git_dir: PathBuf,
}

/// A remote with a git repository.
pub trait Git: Send + Sync {
    /// Fetches its branches.
    fn fetch(&self, into: &Annex, cancelled: &AtomicBool) -> Result<Fetched, Failed>;

    /// Pushes the git-annex branch and `commits` to where git would push them. If no engine runs there, the push also
    /// updates the work tree, unless uncommitted files are in the way or `may_remove` (given the number of deletions,
    /// and of all files) refuses.
    fn push(
        &self,
        from: &Annex,
        commits: Commits,
        may_remove: fn(usize, usize) -> bool,
        cancelled: &AtomicBool,
    ) -> Result<PushOutcome, Failed>;

    /// A digest of its refs, which changes whenever they do; none if they cannot be read.
    fn state(&self) -> Option<u64>;

    /// The git directory to watch for changes of its refs, without symlinks; none if it cannot be watched from here.
    fn watched(&self) -> Option<&Path>;

    /// Calls `heard`, on a thread of its own, with the objects that refs there have moved to, until what is returned is
    /// dropped or over. If something else has changed there, and at its end, it is called with none. None if changes there are not told, or told to too many already.
    fn listen(&self, heard: Box<dyn Fn(Vec<Oid>) + Send>) -> Option<Listening>;

    /// True if an engine runs there and knows the repository `uuid` as one that it may push to.
    fn pushes_to(&self, uuid: &Uuid) -> bool;

    /// Closes files there that stay open from one use to the next: they would keep its drive from being unmounted.
    fn close_idle(&self);

    /// Removes locks that this program left there when it was killed, since they would block other programs.
    fn clear_up(&self);
}

/// A remote that holds content.
pub trait Contents: Send + Sync {
    /// Sends keys there. If no engine runs there, it also fills the files that wait for them.
    fn store(&self, from: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)>;

    /// Receives keys from there.
    fn retrieve(&self, into: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)>;

    /// True if `bytes` more fit there without using its reserve. `config` holds the settings of `git annex config`.
    fn has_room(&self, bytes: u64, config: &BTreeMap<String, String>) -> bool;

    /// Looks whether the content of a key is there, and keeps it there as long as the answer is held, if that can be had. None
    /// if it is not there, or is being removed.
    fn confirm(&self, here: &Annex, key: &Key, cancelled: &AtomicBool) -> Result<Option<Confirmed>, Failed>;

    /// Moves the content of a key aside because its hash is wrong.
    fn set_aside(&self, key: &Key) -> Result<(), Failed>;

    /// True if it is still there: a drive may have been pulled out.
    fn is_there(&self) -> bool;
}

/// The state of a remote at a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its commit of the branch that is checked out here; if no engine runs there, the commit that its work tree shows (where
    /// somebody can tell).
    /// None if it has no such commit, or if its branches have diverged.
    pub tree: Option<Oid>,
    /// Its commit of the git-annex branch, likewise.
    pub annex: Option<Oid>,
    /// The branch that is checked out here.
    pub branch: String,
    /// The branch that its files are on, if that is a different one.
    pub other_branch: Option<String>,
}

/// Lists the files whose content is one of these keys.
pub type FilesOf<'a> = dyn Fn(&[Key]) -> Vec<(RepoPath, Key)> + Sync + 'a;

/// The parameters of a transfer.
#[derive(Clone, Copy)]
pub struct Travel<'a> {
    /// The keys, in this order, each with the file it is wanted for.
    pub wanted: &'a [Wanted],
    /// The settings of `git annex config`.
    pub config: &'a BTreeMap<String, String>,
    /// Receives the progress of each key.
    pub progress: &'a (dyn Fn(&Key, Reached) + Sync),
    /// Set to stop as soon as possible.
    pub cancelled: &'a AtomicBool,
    /// Lists the files of the given keys.
    pub files: &'a FilesOf<'a>,
}

impl Remote {
    /// The uuid of the repository; none if it has none, as one of git only.
    pub fn uuid(&self) -> Option<&Uuid> {
        self.uuid.as_ref()
    }

    /// Why only its git part is used, as text that can stand in brackets; none if its content is used too.
    pub fn git_only(&self) -> Option<&'static str> {
        self.git_only.map(|git_only| git_only.why)
    }

    /// True if git-annex may be at home there by now: it makes a repository its own that has got a git-annex branch.
    pub fn deserves_second_look(&self) -> bool {
        self.git_only.is_some_and(|git_only| !git_only.had_logs)
    }

    /// Its location on this machine; none if it is elsewhere.
    pub fn directories(&self) -> Option<&Directories> {
        self.directories.as_ref()
    }

    /// The connection that it is reached over, if by ssh: a later one has a greater number.
    pub fn connection(&self) -> Option<u64> {
        self.ssh.as_ref().map(|ssh| ssh.connection())
    }

    /// How long an answer takes from another computer that is reached by ssh; none if that is not known.
    pub fn round_trip(&self) -> Option<Duration> {
        self.ssh.as_ref()?.round_trip()
    }

    /// Its git repository; none if it has none.
    pub fn git(&self) -> Option<&dyn Git> {
        self.git.as_deref()
    }

    /// Its content; none if it holds none.
    pub fn contents(&self) -> Option<&dyn Contents> {
        self.contents.as_deref()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, self.uuid)
    }
}
