//! Making a repository and one at an address known to each other, before the one becomes a remote of the other.

use git2::{ErrorCode, Repository};
use model::{Oid, RemoteName};

use super::by_transport::{self, Transport};
use super::refs::{RemoteHeads, tip, tracked};
use crate::logs::UuidLog;
use crate::oid::to_git;
use crate::{Annex, Error, Result};

/// Brings the branches of a repository at an address here, as those of the remote `name`, merges its git-annex branch, and
/// pushes ours there, without which git-annex does not initialize a repository. So what it should hold is known before anything
/// is sent.
///
/// # Errors
///
/// Refused, in words for people, if git cannot reach the repository there, that takes nothing, or it is no clone of this one
/// and not empty. Then its branches are not kept here.
pub fn introduce(local: &Annex, name: &RemoteName, url: &str, transport: &Transport<'_>) -> Result<()> {
    let branch = local.head()?.branch;
    by_transport::bring_ours(local, url, name, &branch, transport)?;
    let there = tracked(local, name, &branch)?;
    let is_known = match there == RemoteHeads::default() {
        true => !by_transport::has_branches(local, name, url, transport)?,
        false => is_clone(local, &branch, there)?,
    };
    if !is_known {
        forget(local, name)?;
        return Err(Error::Refused(format!(
            "{url} holds another repository, whose files are not those of this one; nothing was changed. Choose another place there"
        )));
    }
    local.branch().merge()?;
    by_transport::push_git_annex(local, name, url, transport)
}

/// True if a repository with these branches has files in common with this one.
fn is_clone(local: &Annex, branch: &str, there: RemoteHeads) -> Result<bool> {
    let git = local.git()?;
    let known = local.branch().facts()?.descriptions;
    for commit in [there.git_annex, there.synced_git_annex].into_iter().flatten() {
        let log = uuid_log(&git, commit)?;
        let mut uuids = UuidLog::parse(&log)
            .values()
            .map(|(uuid, _)| uuid)
            .collect::<Vec<_>>()
            .into_iter();
        if uuids.any(|uuid| known.keys().any(|known| known.as_str().as_bytes() == uuid)) {
            return Ok(true);
        }
    }
    let Some(ours) = tip(&git, &format!("refs/heads/{branch}"))? else {
        return Ok(false);
    };
    for commit in [there.branch, there.synced].into_iter().flatten() {
        match git.merge_base(to_git(ours), to_git(commit)) {
            Ok(_) => return Ok(true),
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(Error::git("compare the branches")(error)),
        }
    }
    Ok(false)
}

fn uuid_log(git: &Repository, commit: Oid) -> Result<Vec<u8>> {
    let failed = || Error::git("read a git-annex branch");
    let tree = git
        .find_commit(to_git(commit))
        .and_then(|commit| commit.tree())
        .map_err(failed())?;
    match tree.get_name("uuid.log") {
        Some(entry) => Ok(git.find_blob(entry.id()).map_err(failed())?.content().to_vec()),
        None => Ok(Vec::new()),
    }
}

/// Removes the branches that were brought.
fn forget(local: &Annex, name: &RemoteName) -> Result<()> {
    let git = local.git()?;
    let failed = || Error::git(format!("forget the branches of {name}"));
    let references = git
        .references_glob(&format!("refs/remotes/{name}/*"))
        .map_err(failed())?;
    for reference in references {
        reference
            .and_then(|mut reference| reference.delete())
            .map_err(failed())?;
    }
    Ok(())
}
