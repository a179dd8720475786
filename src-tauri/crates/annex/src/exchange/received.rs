//! What follows when git has received a push into a repository: what a push from this machine does there itself.

use super::push::{PushOptions, behind, update_checkout};
use super::refs::tip;
use crate::locks::LockFile;
use crate::{Annex, Error, Result};

/// Merges the git-annex branch that was pushed, and brings the work tree up to date if that is a fast-forward, and nothing is
/// in the way. Returns why the work tree does not have all that was pushed, if it does not; in words for
/// people.
pub fn follow_received(annex: &Annex, options: &PushOptions) -> Result<Option<String>> {
    // Each client that listens has a process that merges, and so has each that asks: the second finds what the first has done.
    let _turn = LockFile::exclusive(&annex.own_dir().join("received.lck"))?;
    // Where the branch itself was ahead, the push could only move `synced/git-annex`.
    annex.branch().merge()?;
    if annex.is_bare() {
        return Ok(None);
    }
    let branch = annex.head()?.branch;
    let git = annex.git()?;
    let Some(commit) = tip(&git, &format!("refs/heads/synced/{branch}"))? else {
        return Ok(None);
    };
    drop(git);
    match update_checkout(annex, &branch, commit, options) {
        Ok(outcome) => Ok(behind(&outcome)),
        Err(why @ (Error::Busy(_) | Error::Refused(_))) => Ok(Some(why.to_string())),
        Err(error) => Err(error),
    }
}
