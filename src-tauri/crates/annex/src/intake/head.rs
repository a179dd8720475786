use git2::{ErrorCode, Repository, RepositoryState};

use crate::oid::to_git;
use crate::ref_lock::RefLock;
use crate::{Error, Result};

/// The branch that is checked out, and its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// `refs/heads/…`
    pub(super) branch: String,
    /// None before the first commit.
    pub(super) tip: Option<git2::Oid>,
}

impl Head {
    /// Reads HEAD; refused where a commit would not be the user's wish.
    pub(super) fn read(git: &Repository) -> Result<Self> {
        let doing = match git.state() {
            RepositoryState::Clean => None,
            RepositoryState::Merge => Some("a merge"),
            RepositoryState::Revert | RepositoryState::RevertSequence => Some("a revert"),
            RepositoryState::CherryPick | RepositoryState::CherryPickSequence => Some("a cherry-pick"),
            RepositoryState::Bisect => Some("a bisection"),
            RepositoryState::Rebase | RepositoryState::RebaseInteractive | RepositoryState::RebaseMerge => {
                Some("a rebase")
            }
            RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => Some("applying patches"),
        };
        let shown = git.workdir().unwrap_or(git.path()).display();
        if let Some(doing) = doing {
            return Err(Error::Refused(format!(
                "{doing} is in progress in {shown}; nothing is lost, and nothing is committed meanwhile. Finish or abort it ('git status' says how)"
            )));
        }
        let head = git.find_reference("HEAD").map_err(Error::git("read HEAD"))?;
        let Ok(Some(branch)) = head.symbolic_target() else {
            return Err(Error::Refused(format!(
                "no branch is checked out in {shown} (HEAD is detached); nothing is lost, and nothing is committed. Run 'git checkout BRANCH'"
            )));
        };
        let name = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        if name == branch || name.starts_with("adjusted/") || name.starts_with("views/") || name == "git-annex" {
            return Err(Error::Refused(format!(
                "the branch {name} is checked out in {shown}, on which Anabranch does not commit; nothing is lost. Run 'git checkout' with the branch that you work on"
            )));
        }
        let tip = match git.refname_to_id(branch) {
            Ok(tip) => Some(tip),
            Err(error) if error.code() == ErrorCode::NotFound => None,
            Err(error) => return Err(Error::git(format!("read the branch {name}"))(error)),
        };
        Ok(Self {
            branch: branch.to_owned(),
            tip,
        })
    }

    /// Locks the branch; none if it is not where it was any more.
    pub(super) fn lock<'r>(&self, git: &'r Repository) -> Result<Option<RefLock<'r>>> {
        let lock = RefLock::take(git, &self.branch)?;
        Ok((lock.target()?.map(to_git) == self.tip).then_some(lock))
    }

    /// What the reflog says of a new commit.
    pub(super) fn deed(&self, message: &str) -> String {
        let subject = message.lines().next().unwrap_or_default();
        match self.tip {
            Some(_) => format!("commit: {subject}"),
            None => format!("commit (initial): {subject}"),
        }
    }
}
