use serde::{Deserialize, Serialize};

use crate::{Purpose, Question, Secret, Setting};

/// A request to the program as a whole, not to one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Report what is at a path. Answered by [`Answer::Found`]; nothing is changed.
    Inspect {
        /// An absolute path, or one that begins with `~/`.
        path: String,
    },
    /// Suggest folders to sync. Answered by [`Answer::Suggested`].
    Suggest,
    /// Start syncing a folder: create it if it does not exist, adopt it if git or git-annex created it.
    Add {
        /// An absolute path, or one that begins with `~/`.
        path: String,
    },
    /// Clone a folder to another path on this computer, and sync both.
    CloneTo {
        /// The folder, by its path.
        folder: String,
        /// An absolute path, or one that begins with `~/`. Either nothing or an empty directory must be there.
        path: String,
    },
    /// List other computers that the user's ssh knows. Answered by [`Answer::Computers`].
    Computers,
    /// Look whether a folder can have a place at an address on another computer. Answered by [`Answer::Looked`]; nothing
    /// is changed there.
    Look {
        /// An address for ssh, such as `HOST:PATH`.
        address: String,
    },
    /// Answer what a login asks for [`Request::Look`].
    AnswerLogin {
        /// The id of the question.
        question: String,
        /// False if the user does not want to log in.
        yes: bool,
        /// What the user has typed, if the question asks for something.
        text: Option<Secret>,
    },
    /// Return the line that lets this computer log in on another one with a key, which is made if there is none. Answered by
    /// [`Answer::Key`].
    MakeKey,
    /// Make a place for a folder on another computer, or connect the folder to its clone there.
    AddComputer {
        /// The folder, by its path.
        folder: String,
        /// An address for ssh. Nothing, an empty directory, or a clone of the folder must be there.
        address: String,
        /// True for a place that holds content, but shows no files.
        bare: bool,
    },
    /// Clone a folder from another computer, and sync it.
    CloneFrom {
        /// An address for ssh.
        address: String,
        /// An absolute path, or one that begins with `~/`. Either nothing or an empty directory must be there.
        path: String,
    },
    /// Stop syncing a folder. Its files and its repository stay as they are.
    Leave {
        /// The folder, by its path.
        folder: String,
    },
    /// Create a place for a folder on a drive, and bring it up to date.
    UseDrive {
        /// The drive, by its id.
        drive: String,
        /// The folder, by its path.
        folder: String,
        /// The purpose of the drive.
        purpose: Purpose,
    },
    /// Never ask about this drive again.
    DeclineDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Ask about this drive again.
    ReconsiderDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Bring a drive up to date, then unmount it and, where possible, switch it off. The answer comes when that is done
    /// or has failed; [`Request::KeepDrive`] cancels it.
    Eject {
        /// The drive, by its id.
        drive: String,
    },
    /// Cancel ejecting a drive. The answer comes once it is known whether the drive stays.
    KeepDrive {
        /// The drive, by its id.
        drive: String,
    },
    /// Change a setting, effective at once, and write it to the settings file.
    Set(Setting),
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Done; with a message for the user.
    Done(String),
    /// To [`Request::Inspect`].
    Found(Found),
    /// To [`Request::Suggest`]: paths of folders that git-annex's assistant syncs, by its autostart file, and that
    /// Anabranch does not.
    Suggested(Vec<String>),
    /// To [`Request::Computers`]: each as it stands before the colon of an address.
    Computers(Vec<String>),
    /// To [`Request::Look`].
    Looked(Looked),
    /// To [`Request::MakeKey`]: the line to run on the other computer.
    Key(String),
    /// Not done, and nothing changed; with the reason and a remedy for the user.
    Refused(String),
}

/// The result of [`Request::Inspect`] for a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Found {
    /// The path with `~` and links resolved.
    pub path: String,
    /// What is there.
    pub what: AtPlace,
    /// The number of files there; none if there are too many, or if they were not counted.
    pub files: Option<u64>,
}

/// The result of [`Request::Look`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Looked {
    /// The checks, in their order.
    pub checks: Vec<Checked>,
    /// What is at the path; none if a check failed.
    pub there: Option<There>,
    /// Bytes that are free there, if the computer says.
    pub free: Option<u64>,
    /// What the login asks. Look again after [`Request::AnswerLogin`].
    pub question: Option<Question>,
}

/// One check of [`Request::Look`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Checked {
    /// What is checked.
    pub check: Check,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass and what to do, as text for the user; else empty.
    pub words: String,
}

/// What [`Request::Look`] checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The computer answers.
    Reach,
    /// It is the right computer, by its host key, and the user may log in.
    Login,
    /// git is installed there.
    Git,
    /// git-annex or Anabranch is installed there.
    Annex,
    /// A place can be made at the path, or is there.
    Place,
    /// There is room.
    Room,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All is well.
    Passed,
    /// It works without, but not as well.
    Lacking,
    /// The user has to answer a question first.
    Asking,
    /// It does not work.
    Failed,
    /// A check before it failed.
    NotReached,
}

/// What is at a path of another computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum There {
    /// Nothing, or an empty directory.
    Nothing,
    /// A repository.
    Repository,
    /// Nobody can tell: the computer runs no other commands than git's and git-annex's.
    Unknown,
}

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum AtPlace {
    /// Nothing yet: the folder would be created.
    Nothing,
    /// A directory that is not a repository: it would become one, and its files would stay where they are.
    Directory,
    /// A git repository in which git-annex is not set up yet.
    Git,
    /// A git-annex repository.
    Annex,
    /// A folder that Anabranch already syncs.
    Kept,
    /// Something that cannot be used; with the reason, as text for the user.
    Unusable(String),
}
