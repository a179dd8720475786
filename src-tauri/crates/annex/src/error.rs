use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{readable_error, readable_size};

use crate::git_lock::mark;

/// What went wrong in one repository, in words for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation on a file.
    #[error("could not {doing} {}: {}", path.display(), readable_error(source))]
    Io {
        /// The operation, as in "could not {doing}".
        doing: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// libgit2 refused an operation.
    #[error("could not {doing}: {}", answer.message())]
    Git {
        /// The operation, as in "could not {doing}".
        doing: String,
        /// libgit2's answer.
        answer: git2::Error,
    },
    /// Something on disk or in git is not what it must be; nothing was changed.
    #[error("{0}")]
    Damaged(String),
    /// The repository is of a kind that this program does not work on; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Another program holds a lock that is needed; trying again later is all there is to do.
    #[error("{}", busy(.0))]
    Busy(PathBuf),
    /// Not enough free space without touching the reserve (`annex.diskreserve`).
    #[error(
        "the disk is almost full: {} needed, {} free, of which {} are kept free (annex.diskreserve)",
        readable_size(*need), readable_size(*free), readable_size(*reserve)
    )]
    DiskReserve {
        /// Bytes that were to be stored.
        need: u64,
        /// Bytes free on the file system.
        free: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
}

impl Error {
    /// For `map_err`: wraps the system's answer with what was being done to which file.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`: wraps libgit2's answer with what was being done.
    pub fn git(doing: impl Into<String>) -> impl FnOnce(git2::Error) -> Error {
        move |answer| Error::Git {
            doing: doing.into(),
            answer,
        }
    }

    /// True if something is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// True if the file system is full or the quota used up.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Error::DiskReserve { .. } => true,
            Error::Git { answer, .. } => answer.message().contains("No space left"),
            Error::Damaged(_) | Error::Refused(_) | Error::Busy(_) => false,
        }
    }
}

/// Says who has a lock. git's commands have theirs for moments, so one that stays was left by one that was stopped, and
/// only a person can tell.
fn busy(path: &Path) -> String {
    let shown = path.display();
    match mark::age(path) {
        None => format!("{shown} is locked by another program"),
        Some(age) => format!(
            "git's lock {shown} has been there for {}; nothing is lost. If no git command is running there, one that was stopped has left it: remove that file, and Anabranch goes on by itself",
            in_words(age)
        ),
    }
}

fn in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    let (count, unit) = [(86_400, "day"), (3600, "hour"), (60, "minute")]
        .into_iter()
        .find(|(length, _)| seconds >= *length)
        .map_or((seconds.max(1), "second"), |(length, unit)| (seconds / length, unit));
    match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

/// The result of an operation on one repository.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::Error;

    #[test]
    fn a_lock_that_git_left_is_told_with_its_age() {
        let place = tempfile::tempdir().unwrap();
        let lock = place.path().join("index.lock");
        let told = || Error::Busy(lock.clone()).to_string();
        assert!(told().ends_with("index.lock is locked by another program"));
        for (seconds, age) in [
            (20, "20 seconds"),
            (90, "1 minute"),
            (3700, "1 hour"),
            (200_000, "2 days"),
        ] {
            let left = SystemTime::now() - Duration::from_secs(seconds);
            File::create(&lock).unwrap().set_modified(left).unwrap();
            let told = told();
            assert!(
                told.contains(&format!("index.lock has been there for {age};")),
                "{told}"
            );
            assert!(told.contains("remove that file"), "{told}");
        }
    }
}
