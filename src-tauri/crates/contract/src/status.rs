use serde::{Deserialize, Serialize};

use crate::{Drive, FolderSettings, Keeps, Problem, Settings};

/// Everything there is to see, at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Status {
    /// The folders of one engine process.
    pub folders: Vec<Folder>,
    /// Folders that are to be kept in sync and cannot be now. Each is among the problems too.
    pub refused: Vec<Refused>,
    /// The drives that are mounted.
    pub drives: Vec<Drive>,
    /// What is not as it should be with the program itself, or with a folder that cannot be kept in sync.
    pub problems: Vec<Problem>,
    /// The settings.
    pub settings: Settings,
}

/// A folder that is to be kept in sync and cannot be now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Refused {
    /// Where it should be; it can be left by this path.
    pub path: String,
    /// Why, in words for people.
    pub why: String,
}

/// The state of a folder; the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A question only the user can answer, or a problem.
    NeedsYou,
    /// The engine does not run, or is at its first look.
    Stopped,
    /// Paused; [`Folder::pause`] says why.
    Paused,
    /// Something is being added, merged, sent or received.
    Working,
    /// Work is pending that cannot be done now: a place is away, or a try failed and will be repeated.
    Waiting,
    /// Nothing is pending: every place has the commits, and every file is wherever it is wanted.
    Safe,
}

/// What a folder has to do, whatever its state says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Nothing; what waits for a place that is away is told in [`Folder::waiting`].
    Nothing,
    /// Something that is being done, or is about to be.
    UnderWay,
    /// Something that is not done now: it is paused, the folder is not there, or a try failed and will be repeated.
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
    /// What it is called in all clones.
    pub description: String,
    /// Its state.
    pub state: State,
    /// The state in one sentence.
    pub headline: String,
    /// True once the first look since the start has ended: before that, what is counted is not all.
    pub has_looked: bool,
    /// What it has to do.
    pub work: Work,
    /// Files in the annex, as last observed.
    pub keys: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What git and git-annex are told of it; none without an engine.
    pub settings: Option<FolderSettings>,
    /// The other repositories that it knows.
    pub places: Vec<Place>,
    /// Contents that it wants and lacks and whose transfer was cancelled; none if there are none.
    pub held: Option<Held>,
    /// Transfers under way.
    pub transfers: Vec<Progress>,
    /// Why it is paused; none if it is not.
    pub pause: Option<Pause>,
    /// What waits for the user.
    pub question: Option<Question>,
    /// What is not as it should be.
    pub problems: Vec<Problem>,
    /// Contents that were found damaged, here or in a place, and are not made good yet.
    pub damaged: u64,
    /// Files that are kept in several versions because they were changed in two places at once, and are not settled yet.
    pub conflicts: u64,
    /// Files of which there are fewer copies than git-annex is told to keep, in repositories that count.
    pub few_copies: u64,
    /// What has no room for contents that are wanted there: names of places, and the path of this folder if it is its
    /// own disk.
    pub full: Vec<String>,
    /// Why something is still waiting, one sentence each; empty if nothing is.
    pub waiting: Vec<String>,
    /// What is left alone, or noticed late, as long as it is as it is; one sentence each. Nothing waits for it.
    pub notes: Vec<String>,
    /// What happened last, newest first.
    pub recent: Vec<Change>,
}

impl Status {
    /// These folders, and nothing besides them.
    #[must_use]
    pub fn of(folders: Vec<Folder>) -> Self {
        Self {
            folders,
            ..Self::default()
        }
    }
}

impl Folder {
    /// A folder of which only its place is known.
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
    /// Who or what asked for it.
    pub reason: PauseReason,
    /// When it ends by itself, seconds since the epoch; none if it does not, or nobody knows.
    pub until: Option<u64>,
}

/// Why a folder is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// The user said so.
    Asked,
    /// This computer runs on battery.
    Battery,
}

/// Whether a place can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// It is being looked for.
    Unknown,
    /// It is there.
    Here,
    /// It is not there; in words for people.
    Away(String),
    /// It is of a kind that is not supported yet, and left alone.
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
    /// True if it has our commits, as far as known.
    pub has_commits: bool,
    /// Why no contents are sent to it, if git's settings say so; in words for people.
    pub takes_nothing: Option<String>,
    /// Contents that it wants and lacks.
    pub wants: u64,
    /// Their bytes.
    pub wants_bytes: u64,
    /// When a check (`git annex fsck`) last ran over it, seconds since the epoch; none if none is known. It may have looked
    /// at a part only.
    pub checked: Option<u64>,
    /// What it keeps; none if that cannot be said or set: it is not supported, or nobody has seen its repository yet.
    pub keeps: Option<Keeps>,
    /// Those of them whose transfer was cancelled; none if there are none.
    pub held: Option<Held>,
}

/// Contents whose transfer the user cancelled. They go on by themselves after a while, and at once when they are put first
/// or a sync is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Held {
    /// How many.
    pub files: u64,
    /// When the first of them goes on, seconds since the epoch.
    pub until: u64,
}

/// Which way a content travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To this folder.
    Receiving,
    /// To the place.
    Sending,
}

/// A transfer under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Progress {
    /// Names it, and no other transfer ever.
    pub id: String,
    /// The other end.
    pub place: String,
    /// Which way.
    pub direction: Direction,
    /// The file that is moving now, or the number of files.
    pub what: String,
    /// Bytes arrived.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Something only the user can decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Question {
    /// Names what it is about: another question, and one about more of the same, has another name.
    pub id: String,
    /// The question in words.
    pub text: String,
    /// What yes does, as the words of a button.
    pub yes: String,
    /// What no does, as the words of a button.
    pub no: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Change {
    /// Seconds since the epoch.
    pub at: u64,
    /// In words.
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
    /// Those of them that do not have it.
    pub missing: Vec<Missing>,
    /// All that in one sentence, which does not name the file.
    pub sentence: String,
}

/// A repository that has a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Holder {
    /// Which.
    pub place: String,
    /// When a check (`git annex fsck`) last ran over the repository, seconds since the epoch; none if none is known. It may
    /// have looked at other contents only.
    pub checked: Option<u64>,
}

/// A repository that wants a content and does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Missing {
    /// Which.
    pub place: String,
    /// Why it does not, in words for people.
    pub reason: String,
}
