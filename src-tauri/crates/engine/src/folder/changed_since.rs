//! Tells git which files have changed (`core.fsmonitor`), so that it need not look at the others.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use contract::{Command, Reply, Since};
use surroundings::{Delivery, History};

use super::scanning::PATIENCE;
use super::socket;
use crate::Error;
use crate::work::FolderState;

/// What a moment is called when no engine runs.
const NO_MOMENT: &str = "anabranch";

/// Answers from what the watch has seen, when it has seen everything up to now.
pub(super) fn changed_since(
    state: &FolderState,
    history: Option<History>,
    delivery: &Delivery,
    moment: &str,
    top: &str,
) -> Result<Reply, Error> {
    let is_this = |real: &PathBuf| hex::encode(real.as_os_str().as_bytes()) == top;
    let Some(history) = history.filter(|_| state.real().top.as_ref().is_some_and(is_this)) else {
        return Err(Error::Refused("this engine syncs another folder".to_owned()));
    };
    let is_delivered = delivery.wait(PATIENCE);
    let since = history.since(if is_delivered { moment } else { "" });
    let encoded = |paths: Vec<PathBuf>| {
        paths
            .iter()
            .map(|path| hex::encode(path.as_os_str().as_bytes()))
            .collect()
    };
    Ok(Reply::ChangedSince(Since {
        moment: since.moment,
        paths: since.paths.map(encoded),
    }))
}

/// Answers git, which runs this program at the top of a work tree, in the form of githooks(5), `fsmonitor-watchman`. Without
/// an engine anything may have changed.
///
/// # Errors
///
/// For a version of that form that is not known here; git then looks at everything too. If nobody takes the answer.
pub fn answer_git(version: &str, moment: &str, mut out: impl Write) -> Result<(), Error> {
    if version != "2" {
        return Err(Error::Refused(format!(
            "version {version} of git's questions is not supported"
        )));
    }
    let since = ask(moment).unwrap_or(Since {
        moment: NO_MOMENT.to_owned(),
        paths: None,
    });
    let paths = since.paths.and_then(|paths| {
        paths
            .iter()
            .map(|path| hex::decode(path).ok())
            .collect::<Option<Vec<_>>>()
    });
    let mut answer = since.moment.into_bytes();
    answer.push(0);
    match paths {
        None => answer.extend_from_slice(b"/\0"),
        Some(paths) => paths.iter().for_each(|path| tell(path, &mut answer)),
    }
    out.write_all(&answer).map_err(|source| Error::Io {
        doing: "answer",
        path: "git".into(),
        source,
    })
}

/// Names a path in three ways. git 2.39 to 2.55 compares with its file what is named as a file, and everything below what
/// is named as a directory. But of a directory it forgets which files are untracked only if a file in it is named, whether
/// or not there is one.
fn tell(path: &[u8], answer: &mut Vec<u8>) {
    for end in ["", "/", "/a"] {
        answer.extend_from_slice(path);
        answer.extend_from_slice(end.as_bytes());
        answer.push(0);
    }
}

/// Asks the engine of the repository here; none if there is none, or it does not answer.
fn ask(moment: &str) -> Option<Since> {
    let top = std::env::current_dir().ok()?;
    let command = Command::ChangedSince {
        moment: moment.to_owned(),
        top: hex::encode(top.as_os_str().as_bytes()),
    };
    match socket::ask_at(&git_dir(&top)?, &command).ok()? {
        Reply::ChangedSince(since) => Some(since),
        Reply::Status(_)
        | Reply::Why(_)
        | Reply::Files(_)
        | Reply::Tree(_)
        | Reply::Activity(_)
        | Reply::Rules(_)
        | Reply::Preview(_)
        | Reply::Conflicts(_)
        | Reply::Done
        | Reply::Said(_)
        | Reply::Refused(_) => None,
    }
}

/// The git directory of a work tree, found without opening the repository, which would take longer than everything else.
fn git_dir(top: &Path) -> Option<PathBuf> {
    let at = top.join(".git");
    if at.is_dir() {
        return Some(at);
    }
    let text = std::fs::read_to_string(at).ok()?;
    Some(top.join(text.strip_prefix("gitdir: ")?.trim_end_matches('\n')))
}
