//! Pushing by the `git` program, to a repository whose hooks a push must run.
//!
//! Hooks belong to the other repository: a push to its path runs them, as its owner expects. git-annex's own `post-receive`
//! hook is none of them, because what it does is done here. Nothing of this repository's configuration runs.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use git2::Repository;
use model::Oid;

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

/// How much of what a hook says is passed on.
const TOLD: usize = 200;

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
    let mut verdicts = said.lines().filter_map(|line| {
        let mut fields = line.splitn(3, '\t');
        let (flag, _, summary) = (fields.next()?, fields.next()?, fields.next()?);
        Some((flag, summary))
    });
    match verdicts.next() {
        Some(("!", summary)) => {
            let moved = [
                "non-fast-forward",
                "fetch first",
                "stale info",
                "needs force",
                "cannot lock ref",
            ];
            Ok(match moved.iter().any(|why| summary.contains(why)) {
                true => Moved::No,
                false => Moved::Declined(declined(path, summary, &output)),
            })
        }
        Some(_) if output.status.success() => Ok(Moved::Yes),
        Some(_) | None => Err(Error::Refused(format!(
            "git could not push to {}: {}",
            path.display(),
            in_one_line(&String::from_utf8_lossy(&output.stderr))
        ))),
    }
}

fn run(local: &Annex, path: &Path, options: &[String], refspec: &str) -> Result<Output> {
    let mut git = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| leads_elsewhere(name)) {
        git.env_remove(name);
    }
    git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", "file");
    git.env("LC_ALL", "C");
    git.arg("--git-dir").arg(local.git_dir());
    // These hold for this side only: git passes none of them on to the other end.
    git.args(["-c", "core.hooksPath=/dev/null", "-c", "push.pushOption="]);
    git.args(["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"]);
    git.args(["--recurse-submodules=no", "--receive-pack=git-receive-pack"]);
    git.args(options).arg("--").arg(address(path)).arg(refspec);
    git.stdin(Stdio::null()).current_dir(local.git_dir());
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

/// True for a variable that may name another repository; those that name settings are the user's.
fn leads_elsewhere(variable: &OsStr) -> bool {
    let name = variable.as_encoded_bytes();
    name.starts_with(b"GIT_") && !name.starts_with(b"GIT_CONFIG_")
}

/// A path that git takes for nothing else. It is absolute: git works in another directory than the caller.
fn address(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn declined(path: &Path, summary: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let remote: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("remote:")).collect();
    let said = in_one_line(&remote.join(" "));
    let why = match (summary.contains("hook declined"), said.is_empty()) {
        (true, true) => "a hook there refused it".to_owned(),
        (true, false) => format!("a hook there refused it: {said}"),
        (false, _) => in_one_line(summary),
    };
    format!("{} did not take the changes: {why}", path.display())
}

/// What a program said, as one line without control characters and not too long.
fn in_one_line(said: &str) -> String {
    let words = said
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};

    use super::{in_one_line, leads_elsewhere, not_run};
    use crate::Error;
    use crate::fixture::Fixture;

    #[test]
    fn only_a_git_that_is_not_there_is_to_be_installed() {
        let (here, drive) = (Fixture::new(), Fixture::bare());
        let told = |kind: ErrorKind| not_run(IoError::from(kind), &here.annex, &drive.path());
        assert!(matches!(told(ErrorKind::NotFound), Error::Refused(_)));
        assert!(matches!(told(ErrorKind::PermissionDenied), Error::Io { .. }));
    }

    #[test]
    fn variables_of_git_lead_elsewhere_unless_they_are_settings() {
        let names = ["GIT_DIR", "GIT_CONFIG_GLOBAL", "PATH"];
        assert_eq!(names.map(|name| leads_elsewhere(name.as_ref())), [true, false, false]);
    }

    #[test]
    fn what_a_program_said_is_one_line_of_words() {
        assert_eq!(in_one_line(" a\u{1b}[1m \n\n b\0c\t"), "a [1m b c");
    }
}
