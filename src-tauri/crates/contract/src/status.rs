use serde::{Deserialize, Serialize};

use crate::{Drive, FolderSettings, Keeps, Problem, Settings};

/// The state of everything at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Status {
    /// The folders of one engine process.
    pub folders: Vec<Folder>,
    /// Folders that should be synced but cannot be now. Each is also listed among the problems.
    pub refused: Vec<Refused>,
    /// The mounted drives.
    pub drives: Vec<Drive>,
    /// Problems of the program itself, and of folders that cannot be synced.
    pub problems: Vec<Problem>,
    /// The settings.
    pub settings: Settings,
}

/// A folder that should be synced but cannot be now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Refused {
    /// The path where it should be, by which it can also be left.
    pub path: String,
    /// The reason, as text for the user.
    pub why: String,
}

/// The state of a folder: the most important one that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is a problem, or a question that only the user can answer.
    NeedsYou,
    /// The engine is not running, or is in its first scan and not paused.
    Stopped,
    /// Paused; [`Folder::pause`] says why.
    Paused,
    /// Something is being added, merged, sent or received.
    Working,
    /// Some work cannot be done now: a place is away, or an attempt failed and will be repeated.
    Waiting,
    /// Up to date: every place has the commits, and every file is wherever it is wanted.
    Safe,
}

/// The work of a folder, independent of its [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Nothing; [`Folder::waiting`] tells what waits for a place that is away.
    Nothing,
    /// Something that is in progress or about to start.
    UnderWay,
    /// Something that cannot be done now: the folder is paused or missing, or an attempt failed and will be repeated.
    HeldUp,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Folder {
    /// Where it is.
    pub path: String,
    /// Its annex uuid.
    pub uuid: String,
    /// Its description, which all clones share.
    pub description: String,
    /// Its state.
    pub state: State,
    /// The state in one sentence.
    pub headline: String,
    /// True once the first scan since the start has ended; before that, the counts are incomplete.
    pub has_looked: bool,
    /// Its work.
    pub work: Work,
    /// The number of annexed keys that some repository wants, as last observed.
    pub keys: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Its settings in git and git-annex; none if unknown, as without an engine.
    pub settings: Option<FolderSettings>,
    /// The other repositories it knows.
    pub places: Vec<Place>,
    /// Files it wants and lacks whose transfer was cancelled; none if there are none.
    pub held: Option<Held>,
    /// Transfers in progress.
    pub transfers: Vec<Progress>,
    /// Why it is paused; none if it is not.
    pub pause: Option<Pause>,
    /// The question that waits for the user.
    pub question: Option<Question>,
    /// Its problems.
    pub problems: Vec<Problem>,
    /// How many damaged copies were found, here or in places, and are not repaired yet.
    pub damaged: u64,
    /// How many unresolved conflicts there are: files kept in several versions because they were changed in two places
    /// at once.
    pub conflicts: u64,
    /// How many keys have fewer copies, in repositories that count, than git-annex is told to keep.
    pub few_copies: u64,
    /// The disks with no space left for content that is wanted there: names of places, and the path of this folder for
    /// its own disk.
    pub full: Vec<String>,
    /// Why something is still waiting, one sentence each; empty if nothing waits.
    pub waiting: Vec<String>,
    /// Notes about things that are left alone or noticed late, for as long as that lasts; one sentence each. Nothing
    /// waits for them.
    pub notes: Vec<String>,
    /// The latest changes, newest first.
    pub recent: Vec<Change>,
}

impl Status {
    /// A status with these folders and nothing else.
    #[must_use]
    pub fn of(folders: Vec<Folder>) -> Self {
        Self {
            folders,
            ..Self::default()
        }
    }
}

impl Folder {
    /// A folder of which only the path is known.
    #[must_use]
    pub fn at(path: String) -> Self {
        Self {
            path,
            uuid: String::new(),
            description: String::new(),
            state: State::Stopped,
            headline: String::new(),
            has_looked: false,
            work: Work::Nothing,
            keys: 0,
            bytes: 0,
            settings: None,
            places: Vec::new(),
            held: None,
            transfers: Vec::new(),
            pause: None,
            question: None,
            problems: Vec::new(),
            damaged: 0,
            conflicts: 0,
            few_copies: 0,
            full: Vec::new(),
            waiting: Vec::new(),
            notes: Vec::new(),
            recent: Vec::new(),
        }
    }
}

/// A pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Pause {
    /// Its reason.
    pub reason: PauseReason,
    /// When it ends by itself, in seconds since the epoch; none if it does not, or if that is unknown.
    pub until: Option<u64>,
}

/// Why a folder is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// The user asked for it.
    Asked,
    /// This computer runs on battery.
    Battery,
}

/// Whether a place can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// The first attempt to connect has not ended.
    Unknown,
    /// It is connected.
    Here,
    /// It is not connected; with the reason, as text for the user.
    Away(String),
    /// Its kind is not supported yet, so it is left alone; with the reason, as text for the user.
    Unsupported(String),
}

/// Another repository of the same files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Place {
    /// The name of the remote.
    pub name: String,
    /// Whether it can be reached.
    pub contact: Contact,
    /// True if it has this folder's commits, as far as known.
    pub has_commits: bool,
    /// Why no content is sent to it, if git's settings or the rules forbid it; as text for the user.
    pub takes_nothing: Option<String>,
    /// How many keys it wants and lacks.
    pub wants: u64,
    /// Their size in bytes.
    pub wants_bytes: u64,
    /// When a check (`git annex fsck`) last ran on it, in seconds since the epoch; none if unknown. That check may have
    /// covered only a part.
    pub checked: Option<u64>,
    /// What it keeps; none if that cannot be known or set, because its kind is not supported or its repository was
    /// never seen.
    pub keeps: Option<Keeps>,
    /// The wanted files whose transfer was cancelled; none if there are none.
    pub held: Option<Held>,
    /// How long an answer takes from another computer that is reached by ssh, in milliseconds; none if there is no connection, or
    /// that is not known.
    pub round_trip: Option<u32>,
    /// The other remotes that lead there, which are not used now.
    pub other_ways: Vec<Way>,
}

/// A remote that leads to the same repository as that of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Way {
    /// The name of the remote.
    pub name: String,
    /// Whether it can be reached.
    pub contact: Contact,
}

/// Files whose transfer the user cancelled. They resume by themselves after a while, and at once if the user moves them
/// to the front of the queue or asks for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Held {
    /// The number of files.
    pub files: u64,
    /// When the first of them resumes, in seconds since the epoch.
    pub until: u64,
}

/// The direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To this folder.
    Receiving,
    /// To the place.
    Sending,
}

/// A transfer in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Progress {
    /// Its unique id, never used again.
    pub id: String,
    /// The place at the other end.
    pub place: String,
    /// Its direction.
    pub direction: Direction,
    /// The file being transferred now, or the number of files.
    pub what: String,
    /// Bytes that have arrived so far.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A question that only the user can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Question {
    /// Identifies its subject: a different question, or the same question about more files, has a different id.
    pub id: String,
    /// The text of the question.
    pub text: String,
    /// The label of the button for yes, which says what yes does. If something is to be typed, yes sends it.
    pub yes: String,
    /// The label of the button for no, which says what no does.
    pub no: String,
    /// What is to be typed; none if yes or no is the whole answer.
    pub typed: Option<Typed>,
}

/// What the user types to answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Typed {
    /// Something that nobody else may see, such as a password.
    Secret,
    /// Something that everybody may see.
    Text,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Change {
    /// Seconds since the epoch.
    pub at: u64,
    /// What happened, as text for the user.
    pub what: String,
}

/// Where a file is, where it should be, and what it is waiting for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Why {
    /// The file.
    pub path: String,
    /// Its key; none if it is in git itself or unknown.
    pub key: Option<String>,
    /// The repositories that have it.
    pub have: Vec<Holder>,
    /// The repositories that want it.
    pub want: Vec<String>,
    /// The repositories that want it and do not have it.
    pub missing: Vec<Missing>,
    /// A summary in one sentence that does not name the file.
    pub sentence: String,
}

/// A repository that has the content of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Holder {
    /// The name of the repository.
    pub place: String,
    /// When a check (`git annex fsck`) last ran on the repository, in seconds since the epoch; none if unknown. That
    /// check may have covered only other files.
    pub checked: Option<u64>,
}

/// A repository that wants the content of a key and does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Missing {
    /// The name of the repository.
    pub place: String,
    /// Why it does not have it, as text for the user.
    pub reason: String,
}
