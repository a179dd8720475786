use std::path::Path;

use git2::ErrorCode;

use super::{BRANCH, remote_branch};
use crate::{Error, Result};

/// What there is at a path that may have no annex yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRepository {
    /// `annex.uuid`, whatever it says.
    pub uuid: Option<String>,
    /// `core.gcrypt-id`.
    pub gcrypt: Option<String>,
    /// True if it has a git-annex branch, or one of a remote.
    pub has_branch: bool,
}

/// Examines the git repository at exactly this place, and changes nothing; none if there is none.
pub fn find(path: &Path) -> Result<Option<FoundRepository>> {
    let git = match crate::objects::open(path) {
        Ok(git) => git,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(Error::git(format!("open the repository {}", path.display()))(error)),
    };
    let config = git
        .config()
        .and_then(|mut config| config.snapshot())
        .map_err(Error::git("read the configuration"))?;
    let text = |name: &str| config.get_string(name).ok().filter(|value| !value.is_empty());
    Ok(Some(FoundRepository {
        uuid: text("annex.uuid"),
        gcrypt: text("core.gcrypt-id"),
        has_branch: git.find_reference(BRANCH).is_ok() || remote_branch(&git)?.is_some(),
    }))
}
