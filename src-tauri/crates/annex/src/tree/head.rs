use model::Oid;

use crate::oid::from_git;
use crate::{Annex, Error, Result};

/// The branch that is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Its commit; none before the first.
    pub commit: Option<Oid>,
}

impl Head {
    /// The full name of the branch.
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }
}

impl Annex {
    /// Finds out which branch is checked out.
    ///
    /// Refused, because committing there needs machinery that is not here: a detached HEAD, adjusted branches, views,
    /// and the git-annex and synced branches themselves.
    pub fn head(&self) -> Result<Head> {
        head_of(&*self.git()?)
    }
}

/// As [`Annex::head`], with a repository that is open already.
pub(crate) fn head_of(git: &git2::Repository) -> Result<Head> {
    let shown = git.workdir().unwrap_or(git.path()).display();
    let head = git.find_reference("HEAD").map_err(Error::git("read HEAD"))?;
    let target = head
        .symbolic_target_bytes()
        .and_then(|target| target.strip_prefix(b"refs/heads/"));
    let Some(target) = target else {
        return Err(Error::Refused(format!(
            "{shown} has no branch checked out (a detached HEAD); nothing was changed. Run 'git checkout BRANCH' there"
        )));
    };
    let branch = std::str::from_utf8(target)
        .map_err(|_| {
            Error::Refused(format!(
                "the branch checked out in {shown} has a name that is not UTF-8"
            ))
        })?
        .to_owned();
    if branch.starts_with("adjusted/") || branch.starts_with("views/") {
        return Err(Error::Refused(format!(
            "{shown} has the branch {branch} checked out, which git-annex made from another; such branches are not supported yet; nothing was changed. Run 'git checkout' with the original branch there"
        )));
    }
    if branch == "git-annex" || branch.starts_with("synced/") {
        return Err(Error::Refused(format!(
            "{shown} has the branch {branch} checked out, which is git-annex's own; nothing was changed. Run 'git checkout' with another branch there"
        )));
    }
    let commit = match git.find_reference(&format!("refs/heads/{branch}")) {
        Ok(reference) => commit_of(git, &reference)
            .map(|commit| Some(from_git(commit.id())))
            .map_err(Error::git(format!("read the branch {branch}")))?,
        Err(error) if error.code() == git2::ErrorCode::NotFound => None,
        Err(error) => return Err(Error::git(format!("read the branch {branch}"))(error)),
    };
    Ok(Head { branch, commit })
}

/// The commit of a branch. Its error names the unreadable object; that of `peel_to_commit` doesn't.
pub(crate) fn commit_of<'r>(
    git: &'r git2::Repository,
    branch: &git2::Reference<'r>,
) -> std::result::Result<git2::Commit<'r>, git2::Error> {
    match branch.target() {
        Some(commit) => git.find_commit(commit),
        None => branch.peel_to_commit(),
    }
}
