//! Connects to the repositories that have content, for `get` and `drop`.

use annex::settings::RemoteSettings;
use model::Uuid;
use remotes::{Contents, Failed, Remote};

use super::FolderState;

/// The reason for a repository that is not connected.
pub(super) const NOT_REACHABLE: &str = "not reachable";

/// Connects to a repository by one of its remotes, or tells why its content cannot be used that way.
pub(super) fn reach(
    state: &FolderState,
    way: &RemoteSettings,
    uuid: &Uuid,
    connect: impl FnOnce() -> Result<Remote, Failed>,
) -> Result<Remote, String> {
    if let Some(unusable) = state.unusable(way) {
        return Err(unusable);
    }
    if way.ignore {
        return Err("annex-ignore is set for it".to_owned());
    }
    match connect() {
        Ok(remote) if remote.uuid() != Some(uuid) => Err(NOT_REACHABLE.to_owned()),
        Ok(remote) => {
            contents(&remote)?;
            Ok(remote)
        }
        Err(failed) => Err(why(&failed)),
    }
}

/// The content of a repository that is connected, or why there is none for us.
pub(super) fn contents(remote: &Remote) -> Result<&dyn Contents, String> {
    remote.contents().ok_or_else(|| "only git is used there".to_owned())
}

/// Why a repository could not be asked, as text for the user.
pub(super) fn why(failed: &Failed) -> String {
    match failed {
        Failed::Away => NOT_REACHABLE.to_owned(),
        Failed::Busy(_) | Failed::Full(_) | Failed::Refused(_) | Failed::Broken(_) => failed.to_string(),
    }
}
