//! The `git` program, where only it can do something: run hooks, or reach another computer.
//!
//! No hook of this repository runs, and nothing waits for an answer in a terminal.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Pushing exactly what is named, and telling what became of it.
pub(super) const PUSH: [&str; 6] = [
    "push",
    "--porcelain",
    "--no-verify",
    "--no-signed",
    "--no-follow-tags",
    "--recurse-submodules=no",
];

/// How much of what another program says is passed on, in characters.
const TOLD: usize = 200;

/// Runs git in the repository with this git directory.
pub(super) fn command(git_dir: &Path) -> Command {
    let mut git = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| leads_elsewhere(name)) {
        git.env_remove(name);
    }
    git.env("GIT_TERMINAL_PROMPT", "0");
    git.arg("--git-dir").arg(git_dir);
    // These hold for this side only: git passes none of them on to the other end.
    git.args(["-c", "core.hooksPath=/dev/null", "-c", "push.pushOption="]);
    git.stdin(Stdio::null()).current_dir(git_dir);
    git
}

/// True for a variable that may name another repository; those that name settings are the user's.
fn leads_elsewhere(variable: &OsStr) -> bool {
    let name = variable.as_encoded_bytes();
    name.starts_with(b"GIT_") && !name.starts_with(b"GIT_CONFIG_")
}

/// What `git push --porcelain` says of one ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefReport<'a> {
    flag: &'a str,
    /// The ref there.
    pub(super) reference: &'a str,
    summary: &'a str,
}

impl<'a> RefReport<'a> {
    /// Reads what git said.
    pub(super) fn all(said: &'a str) -> impl Iterator<Item = Self> {
        said.lines().filter_map(|line| {
            let mut fields = line.splitn(3, '\t');
            let (flag, refs, summary) = (fields.next()?, fields.next()?, fields.next()?);
            let (_, reference) = refs.rsplit_once(':')?;
            Some(Self {
                flag,
                reference,
                summary,
            })
        })
    }

    pub(super) fn is_refused(&self) -> bool {
        self.flag == "!"
    }

    /// True if the ref there was not where it was expected, or the move is not forward. `output` has what the other end said.
    pub(super) fn lags_behind(&self, output: &Output) -> bool {
        let moved = [
            "non-fast-forward",
            "fetch first",
            "stale info",
            "needs force",
            "cannot lock ref",
        ];
        // Somebody else moved it while the objects came. It may also be that nobody may move it.
        let said = || String::from_utf8_lossy(&output.stderr);
        let is_raced = || {
            ["but expected", "reference already exists"]
                .iter()
                .any(|why| said().contains(why))
        };
        moved.iter().any(|why| self.summary.contains(why))
            || self.summary.contains("failed to update ref") && is_raced()
    }

    /// True if the branch is checked out there, so that only its owner may move it.
    pub(super) fn is_checked_out(&self) -> bool {
        self.summary.contains("branch is currently checked out")
    }

    /// Why the other end refused, in words for people.
    pub(super) fn declined(&self, place: &str, output: &Output) -> String {
        let said = String::from_utf8_lossy(&output.stderr);
        let remote: Vec<&str> = without_progress(&said)
            .filter_map(|line| line.strip_prefix("remote:"))
            .collect();
        let said = in_one_line(&remote.join(" "));
        let why = match (self.summary.contains("hook declined"), said.is_empty()) {
            (true, true) => "a hook there refused it".to_owned(),
            (true, false) => format!("a hook there refused it: {said}"),
            (false, _) => in_one_line(self.summary),
        };
        format!("{place} did not take the changes: {why}")
    }
}

/// The lines of what git said, without those that only tell of its progress.
pub(super) fn without_progress(said: &str) -> impl Iterator<Item = &str> {
    let is_progress = |line: &&str| {
        let line = line.strip_prefix("remote: ").unwrap_or(line);
        line.contains("% (") || line.ends_with(", done.") || line.starts_with("Total ")
    };
    let lines = said.split(['\n', '\r']).map(|line| line.trim_end());
    lines.filter(move |line| !line.is_empty() && !line.starts_with("From ") && !is_progress(line))
}

/// What a program said, as one line without control characters and not too long.
pub fn in_one_line(said: &str) -> String {
    let words = said
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{ExitStatus, Output};

    use super::{RefReport, in_one_line, leads_elsewhere, without_progress};

    #[test]
    fn variables_of_git_lead_elsewhere_unless_they_are_settings() {
        let names = ["GIT_DIR", "GIT_CONFIG_GLOBAL", "PATH"];
        assert_eq!(names.map(|name| leads_elsewhere(name.as_ref())), [true, false, false]);
    }

    #[test]
    fn what_a_program_said_is_one_line_of_words() {
        assert_eq!(in_one_line(" a\u{1b}[1m \n\n b\0c\t"), "a [1m b c");
    }

    /// What git 2.47 says.
    #[test]
    fn progress_is_told_from_what_matters() {
        let said = "remote: Enumerating objects: 5, done.        \nremote: Counting objects:  20% (1/5)\rremote: Counting objects: 100% (5/5), done.\n\
            Receiving objects: 100% (5/5), 1.2 MiB | 3 MiB/s, done.\nTotal 3 (delta 0), reused 0 (delta 0), pack-reused 0\n\
            remote: no photos on sundays\nfatal: early EOF\n";
        let told: Vec<&str> = without_progress(said).collect();
        assert_eq!(told, ["remote: no photos on sundays", "fatal: early EOF"]);
    }

    /// What git 2.47 says.
    #[test]
    fn each_verdict_on_a_ref_is_understood() {
        let said = "To desk:photos\n\
            *\tabc:refs/heads/a\t[new branch]\n\
            =\tabc:refs/heads/b\t[up to date]\n\
            !\tabc:refs/heads/c\t[rejected] (fetch first)\n\
            !\tabc:refs/heads/d\t[remote rejected] (branch is currently checked out)\n\
            !\tabc:refs/heads/f\t[remote rejected] (failed to update ref)\n\
            !\tabc:refs/heads/e\t[remote rejected] (pre-receive hook declined)\n\
            Done\n";
        let all: Vec<_> = RefReport::all(said).collect();
        let raced = "remote: error: cannot lock ref 'refs/heads/f': is at 1 but expected 2\n";
        let told = |stderr: &str| -> Vec<_> {
            let output = Output {
                status: ExitStatus::default(),
                stdout: Vec::new(),
                stderr: stderr.into(),
            };
            let told = |verdict: &RefReport<'_>| {
                (
                    verdict.is_refused(),
                    verdict.lags_behind(&output),
                    verdict.is_checked_out(),
                )
            };
            all.iter().map(told).collect()
        };
        let (taken, lagging, refused) = ((false, false, false), (true, true, false), (true, false, false));
        let checked_out = (true, false, true);
        assert_eq!(told(raced), [taken, taken, lagging, checked_out, lagging, refused]);
        assert_eq!(
            told("remote: error: Permission denied\n"),
            [taken, taken, lagging, checked_out, refused, refused]
        );
        assert_eq!(all[5].reference, "refs/heads/e");
    }
}
