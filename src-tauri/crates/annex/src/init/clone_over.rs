use std::path::Path;

use model::RemoteName;

use super::clone::{discard, is_free};
use super::{adopt, configuration, create, set};
use crate::exchange::by_transport::{Transport, branch_there, bring};
use crate::{Annex, Error, Result};

/// Clones a repository on another computer: its history and its git-annex branch, no content. As with
/// [`clone`](super::clone), the work tree is left to the caller. The remote is named `origin`.
///
/// `dest` must not exist or be empty. On an error nothing is left behind.
pub fn clone_over(
    transport: &Transport<'_>,
    url: &str,
    dest: &Path,
    description: Option<&str>,
    now: u64,
) -> Result<Annex> {
    let existed = is_free(dest)?;
    let made = begin(transport, url, dest).and_then(|git| adopt(git, dest, description, now));
    if made.is_err() {
        discard(dest, false, existed);
    }
    made
}

fn begin(transport: &Transport<'_>, url: &str, dest: &Path) -> Result<git2::Repository> {
    let origin = RemoteName::parse("origin").ok_or_else(|| Error::Damaged("origin is no name".to_owned()))?;
    let git = create(dest, false)?;
    let mut config = configuration(&git)?;
    set(&mut config, "remote.origin.url", url)?;
    set(
        &mut config,
        "remote.origin.fetch",
        "+refs/heads/*:refs/remotes/origin/*",
    )?;
    bring(git.path(), "origin", &origin, &["*"], transport)?;
    // In one that is empty, the first files make the branch.
    if let Some(branch) = branch_there(git.path(), &origin, transport)? {
        set(&mut config, &format!("branch.{branch}.remote"), "origin")?;
        set(
            &mut config,
            &format!("branch.{branch}.merge"),
            &format!("refs/heads/{branch}"),
        )?;
        git.set_head(&format!("refs/heads/{branch}"))
            .map_err(Error::git(format!("make the branch {branch}")))?;
    }
    Ok(git)
}
