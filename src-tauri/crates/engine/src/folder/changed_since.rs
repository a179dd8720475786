//! Tells git which files have changed (`core.fsmonitor`), so that it need not look at the others.

use std::ffi::OsStr;
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

/// Ends a moment before which git may have missed what is untracked. Told that anything may have changed, git compares the
/// files; but a command that doesn't list directories, such as `git commit`, then keeps in the index what it knew of them, as
/// if it were of the new moment.
const UNLISTED: &str = "!";

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
    let listed = moment.strip_suffix(UNLISTED);
    let since = ask(listed.unwrap_or(moment)).unwrap_or(Since {
        moment: NO_MOMENT.to_owned(),
        paths: None,
    });
    let paths = since.paths.and_then(|paths| {
        paths
            .iter()
            .map(|path| hex::decode(path).ok())
            .collect::<Option<Vec<_>>>()
    });
    // Afterwards: of a directory that comes meanwhile the engine will tell.
    let directories = match listed {
        Some(_) if paths.is_some() => directories(),
        Some(_) | None => Vec::new(),
    };
    let are_told = |paths: &Vec<Vec<u8>>| !paths.iter().chain(&directories).any(|path| is_refused(path));
    let mut answer = since.moment.into_bytes();
    match paths.filter(are_told) {
        None => {
            answer.extend_from_slice(UNLISTED.as_bytes());
            answer.extend_from_slice(b"\0/\0");
        }
        Some(paths) => {
            answer.push(0);
            paths.iter().for_each(|path| tell(path, &["", "/", "/a"], &mut answer));
            for directory in &directories {
                tell(directory, &["a"], &mut answer);
            }
        }
    }
    out.write_all(&answer).map_err(|source| Error::Io {
        doing: "answer",
        path: "git".into(),
        source,
    })
}

/// Names a path in several ways. git 2.39 to 2.55 compares with its file what is named as a file, and everything below what
/// is named as a directory. But of a directory it forgets which files are untracked only if a file in it is named, whether
/// or not there is one.
fn tell(path: &[u8], ends: &[&str], answer: &mut Vec<u8>) {
    for end in ends {
        answer.extend_from_slice(path);
        answer.extend_from_slice(end.as_bytes());
        answer.push(0);
    }
}

/// All directories of the work tree, each with a slash at its end; the top is empty.
fn directories() -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while let Some(directory) = found.get(next).cloned() {
        next += 1;
        let path = [b"./", &directory[..]].concat();
        // git cannot list it either, or it is gone.
        let Ok(entries) = std::fs::read_dir(OsStr::from_bytes(&path)) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != ".git" {
                found.push([&directory[..], entry.file_name().as_bytes(), b"/"].concat());
            }
        }
    }
    found
}

/// Whether git might take a path for one in a `.git`, on some file system, and then pass over it here (`verify_path`, with
/// `core.protectNTFS` and `core.protectHFS`). It may stand in the work tree all the same, and git says that it is untracked.
fn is_refused(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|name| {
        // HFS ignores some characters, none of which is ASCII.
        let name: Vec<u8> = name
            .iter()
            .filter(|byte| byte.is_ascii())
            .map(u8::to_ascii_lowercase)
            .collect();
        let rest = name.strip_prefix(b".git").or_else(|| name.strip_prefix(b"git~1"));
        rest.is_some_and(|rest| {
            let end = rest.iter().find(|byte| !matches!(byte, b'.' | b' '));
            matches!(end, None | Some(b'\\' | b':'))
        })
    })
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

#[cfg(test)]
mod tests {
    use super::is_refused;

    #[test]
    fn what_git_would_pass_over_is_not_named() {
        for refused in [
            ".GIT",
            ".git. ",
            "a/GIT~1/b",
            ".git:x",
            ".git\\x",
            ".g\u{200c}it/a",
            "git~1 . ",
        ] {
            assert!(is_refused(refused.as_bytes()), "{refused}");
        }
        for told in [
            ".gitignore",
            ".github/a",
            "git",
            "git~2",
            ".git.bak",
            "a.git",
            "a\\.git",
            ".git~1",
        ] {
            assert!(!is_refused(told.as_bytes()), "{told}");
        }
    }
}
