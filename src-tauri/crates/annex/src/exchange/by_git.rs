//! Pushing by the `git` program, to a repository whose hooks a push must run.
//!
//! Hooks belong to the other repository: a push to its path runs them, as its owner expects. git-annex's own `post-receive`
//! hook is none of them, because what it does is done here. Nothing of this repository's configuration runs.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use git2::Repository;
use model::Oid;

use super::git_program::{self, PUSH, RefReport, in_one_line};
use crate::{Annex, Error, Result};

/// The hooks that git runs in the repository that it pushes to.
const HOOKS: [&str; 6] = [
    "pre-receive",
    "update",
    "post-receive",
    "post-update",
    "proc-receive",
    "reference-transaction",
];

/// What became of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is where it was to be.
    Yes,
    /// It was not where it was expected, or the move is not forward.
    No,
    /// The other end refused, in words for people.
    Declined(String),
}

/// True if git would run somebody's hook there.
pub(super) fn has_hooks(there: &Repository) -> bool {
    let directory = hooks_directory(there);
    HOOKS.iter().any(|name| {
        let path = directory.join(name);
        let runs = path
            .metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        runs && !is_of_git_annex(&path)
    })
}

fn hooks_directory(there: &Repository) -> PathBuf {
    let set = there.config().and_then(|config| config.get_path("core.hooksPath"));
    match set {
        // Relative to where the hooks run, which is the git directory.
        Ok(path) => there.path().join(path),
        Err(_) => there.commondir().join("hooks"),
    }
}

/// True if a hook is the one that git-annex writes, and nobody has added to it.
fn is_of_git_annex(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some("#!/bin/sh")
        && lines.next() == Some("# automatically configured by git-annex")
        && lines.filter(|line| !line.is_empty()).all(|line| {
            matches!(
                line,
                "git annex post-receive"
                    | "if git annex post-receive --help >/dev/null 2>&1; then git annex post-receive; fi"
            )
        })
}

/// Has git push `new` to a branch of the repository at `path`, which is expected at `old`.
pub(super) fn push(
    local: &Annex,
    path: &Path,
    branch: &str,
    old: Option<Oid>,
    new: Oid,
    forced: bool,
) -> Result<Moved> {
    let reference = format!("refs/heads/{branch}");
    let mut arguments = Vec::new();
    if forced {
        let old = old.map(|old| old.to_string()).unwrap_or_default();
        arguments.push(format!("--force-with-lease={reference}:{old}"));
    }
    let output = run(local, path, &arguments, &format!("{new}:{reference}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match RefReport::all(&said).next() {
        Some(verdict) if verdict.is_refused() => Ok(match verdict.lags_behind(&output) {
            true => Moved::No,
            false => Moved::Declined(verdict.declined(&path.display().to_string(), &output)),
        }),
        Some(_) if output.status.success() => Ok(Moved::Yes),
        Some(_) | None => Err(Error::Refused(format!(
            "git could not push to {}: {}",
            path.display(),
            in_one_line(&String::from_utf8_lossy(&output.stderr))
        ))),
    }
}

fn run(local: &Annex, path: &Path, options: &[String], refspec: &str) -> Result<Output> {
    let mut git = git_program::command(local.git_dir());
    git.env("GIT_ALLOW_PROTOCOL", "file").env("LC_ALL", "C");
    git.args(PUSH).arg("--receive-pack=git-receive-pack");
    git.args(options).arg("--").arg(address(path)).arg(refspec);
    git.output().map_err(|error| not_run(error, local, path))
}

fn not_run(error: io::Error, local: &Annex, path: &Path) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::Refused(format!(
            "{} has hooks, which only the git program can run, and it is not installed; nothing was pushed. Install git",
            path.display()
        ));
    }
    Error::io("run git in", local.git_dir())(error)
}

/// A path that git takes for nothing else. It is absolute: git works in another directory than the caller.
fn address(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};

    use super::not_run;
    use crate::Error;
    use crate::fixture::Fixture;

    #[test]
    fn only_a_git_that_is_not_there_is_to_be_installed() {
        let (here, drive) = (Fixture::new(), Fixture::bare());
        let told = |kind: ErrorKind| not_run(IoError::from(kind), &here.annex, &drive.path());
        assert!(matches!(told(ErrorKind::NotFound), Error::Refused(_)));
        assert!(matches!(told(ErrorKind::PermissionDenied), Error::Io { .. }));
    }
}
