//! Classifies commands, parses their paths, and refuses them.

use contract::{Command, Reply};
use model::RepoPath;

use crate::Error;

/// True if a command changes nothing.
pub(crate) fn only_looks(command: &Command) -> bool {
    match command {
        Command::Status
        | Command::Why { .. }
        | Command::Files { .. }
        | Command::Tree { .. }
        | Command::Activity { .. }
        | Command::Rules
        | Command::PreviewRules { .. }
        | Command::ChangedSince { .. }
        | Command::Conflicts => true,
        Command::Pause { .. }
        | Command::Resume
        | Command::Sync
        | Command::Answer { .. }
        | Command::Enter { .. }
        | Command::First { .. }
        | Command::Cancel { .. }
        | Command::SetRules { .. }
        | Command::SetFolder { .. }
        | Command::Resolve { .. }
        | Command::Reopen { .. } => false,
    }
}

/// Parses a path as commands contain it.
pub(crate) fn inside(path: &str) -> Result<RepoPath, Error> {
    let path = hex::decode(path).ok().and_then(|bytes| RepoPath::parse(&bytes).ok());
    path.ok_or_else(|| Error::Refused("that is no path inside this folder".to_owned()))
}

/// The reply to a command that failed.
pub(crate) fn refused(error: Error) -> Reply {
    Reply::Refused(error.to_string())
}
