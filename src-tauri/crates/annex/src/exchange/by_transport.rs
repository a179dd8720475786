//! Fetching from and pushing to another computer, by the `git` program: it knows every address, proxy, credential helper and
//! pack trick.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use model::{Oid, RemoteName};

use super::child;
use super::git_program::{self, PUSH, RefReport, in_one_line, without_progress};
use super::refs::{GIT_ANNEX, RemoteHeads, SYNCED_GIT_ANNEX, tip, track, tracked};
use super::{Commits, PushOutcome};
use crate::objects::fold_packs;
use crate::{Annex, Error, Result};

/// How long git may be silent while it fetches or pushes. It tells of its progress every second, but not while the other end
/// runs a hook.
const SILENCE: Duration = Duration::from_secs(150);
/// How long a question may take.
const ANSWER: Duration = Duration::from_secs(45);

/// How git reaches a remote.
#[derive(Debug, Clone)]
pub struct Transport<'a> {
    /// The protocols that it may use, as `GIT_ALLOW_PROTOCOL` lists them; none for those that the user's settings allow, except
    /// ssh.
    pub protocols: Option<&'static str>,
    /// The line of shell that runs ssh, as in `GIT_SSH_COMMAND`; none where git has no need of ssh.
    pub ssh: Option<OsString>,
    /// Who asks for passwords.
    pub askpass: Askpass,
    /// Set to stop as soon as possible.
    pub cancelled: &'a AtomicBool,
}

/// The program by which git asks for user names and passwords that no credential helper knows (gitcredentials(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Askpass {
    /// None: nothing is asked.
    Nobody,
    /// That of `core.askPass`.
    AsConfigured,
    /// This one.
    Program(PathBuf),
}

impl Transport<'_> {
    fn git(&self, git_dir: &Path) -> Command {
        let mut git = git_program::command(git_dir);
        match self.protocols {
            Some(protocols) => git.env("GIT_ALLOW_PROTOCOL", protocols),
            // It would make a login of its own.
            None => git.args(["-c", "protocol.ssh.allow=never"]),
        };
        // Nothing is asked in a terminal.
        match &self.askpass {
            // Also not by a program of the user's (`core.askPass`, `SSH_ASKPASS`).
            Askpass::Nobody => git.env("GIT_ASKPASS", ""),
            Askpass::AsConfigured => &mut git,
            Askpass::Program(program) => git.env("GIT_ASKPASS", program),
        };
        // What git says is understood in English. `LC_ALL` would go on to the other computer.
        git.env_remove("LC_ALL").env("LC_MESSAGES", "C").env("LANGUAGE", "C");
        if let Some(ssh) = &self.ssh {
            git.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
        }
        git
    }
}

/// Brings the branches of a remote that matter here, as `refs/remotes/NAME/…`; those that are gone there go here as well. Other
/// refs there stay: they are the user's.
///
/// # Errors
///
/// Refused, in words for people, if git cannot read the repository there.
pub fn fetch(local: &Annex, name: &RemoteName, branch: &str, transport: &Transport<'_>) -> Result<RemoteHeads> {
    bring_ours(local, name.as_str(), name, branch, transport)?;
    fold_packs(&*local.git()?);
    tracked(local, name, branch)
}

/// Brings the branches that matter here from a repository, a remote or an address, as those of the remote `name`.
pub(super) fn bring_ours(
    local: &Annex,
    from: &str,
    name: &RemoteName,
    branch: &str,
    transport: &Transport<'_>,
) -> Result<()> {
    // Patterns, since git refuses to fetch a branch that is not there.
    let patterns = [&format!("{branch}*"), "synced/*", "git-annex*"];
    bring(local.git_dir(), from, name, &patterns, transport)
}

/// Brings the branches that match the patterns from a repository, a remote or an address, to the one with this git directory,
/// as those of the remote `name`. Those of them that are gone there are forgotten.
pub(crate) fn bring(
    git_dir: &Path,
    from: &str,
    name: &RemoteName,
    patterns: &[&str],
    transport: &Transport<'_>,
) -> Result<()> {
    let mut git = transport.git(git_dir);
    // One pack that is on disk before a ref leads to it, whatever comes.
    git.args([
        "-c",
        "fetch.unpackLimit=1",
        "-c",
        "core.fsync=all",
        "-c",
        "fetch.bundleURI=",
    ]);
    git.args([
        "fetch",
        "--progress",
        "--prune",
        "--no-tags",
        "--no-auto-maintenance",
        "--no-write-fetch-head",
        // What the configuration says of the user's own fetches moves no other ref here.
        "--refmap=",
    ]);
    git.args(["--recurse-submodules=no", "--no-show-forced-updates", "--", from]);
    git.args(
        patterns
            .iter()
            .map(|pattern| format!("+refs/heads/{pattern}:refs/remotes/{name}/{pattern}")),
    );
    let output = run(git, git_dir, SILENCE, transport)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed("fetch from", name, &output)),
    }
}

/// Pushes the git-annex branch to an address, which is called `name`.
pub(super) fn push_git_annex(local: &Annex, name: &RemoteName, url: &str, transport: &Transport<'_>) -> Result<()> {
    let mut git = transport.git(local.git_dir());
    git.args(PUSH).args(["--progress", "--", url]);
    // Forced and not, as by `push`.
    git.arg(format!("+refs/heads/{GIT_ANNEX}:refs/heads/{SYNCED_GIT_ANNEX}"));
    git.arg(format!("refs/heads/{GIT_ANNEX}:refs/heads/{GIT_ANNEX}"));
    let output = run(git, local.git_dir(), SILENCE, transport)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed("push to", name, &output)),
    }
}

/// Makes sure that git can read the repository of a remote.
///
/// # Errors
///
/// Refused, in words for people, if it cannot.
pub fn look(local: &Annex, name: &RemoteName, transport: &Transport<'_>) -> Result<()> {
    let mut git = transport.git(local.git_dir());
    git.args(["ls-remote", "--", name.as_str(), "HEAD"]);
    let output = run(git, local.git_dir(), ANSWER, transport)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed("read", name, &output)),
    }
}

/// True if the repository at an address, which is called `name`, has any branch.
pub(super) fn has_branches(local: &Annex, name: &RemoteName, url: &str, transport: &Transport<'_>) -> Result<bool> {
    let mut git = transport.git(local.git_dir());
    git.args(["ls-remote", "--heads", "--", url]);
    let output = run(git, local.git_dir(), ANSWER, transport)?;
    match output.status.success() {
        true => Ok(!output.stdout.is_empty()),
        false => Err(failed("read the branches of", name, &output)),
    }
}

/// The branch that HEAD names in a remote; the only one that is there, if HEAD names none that exists. None if nobody can
/// tell.
pub(crate) fn branch_there(git_dir: &Path, name: &RemoteName, transport: &Transport<'_>) -> Result<Option<String>> {
    let mut git = transport.git(git_dir);
    git.args(["ls-remote", "--symref", "--", name.as_str(), "HEAD", "refs/heads/*"]);
    let output = run(git, git_dir, ANSWER, transport)?;
    if !output.status.success() {
        return Err(failed("read the branches of", name, &output));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let (mut named, mut branches) = (None, Vec::new());
    for (what, reference) in said.lines().filter_map(|line| line.split_once('\t')) {
        match (
            what.strip_prefix("ref: refs/heads/"),
            reference.strip_prefix("refs/heads/"),
        ) {
            (Some(branch), _) if reference == "HEAD" => named = Some(branch),
            (None, Some(branch)) => branches.push(branch),
            (Some(_) | None, _) => {}
        }
    }
    let named = named.filter(|named| branches.contains(named));
    let mut own = branches
        .iter()
        .filter(|name| **name != GIT_ANNEX && !name.starts_with("synced/"));
    let only = own.next().filter(|_| own.next().is_none()).copied();
    // An adjusted branch, of git-annex, is named `adjusted/BRANCH(HOW)`.
    let plain = |name: &str| {
        name.strip_prefix("adjusted/")
            .and_then(|name| name.rsplit_once('('))
            .map_or(name.to_owned(), |(name, _)| name.to_owned())
    };
    Ok(named.or(only).map(plain))
}

/// Pushes the branch and the git-annex branch, as `git annex sync` does: each to `synced/…`, which is always free, and to
/// itself, which may be refused where it is checked out. What the remote is known to have is not sent.
///
/// # Errors
///
/// Refused, in words for people, if git cannot reach the repository there, or that takes nothing.
pub fn push(
    local: &Annex,
    name: &RemoteName,
    branch: &str,
    commits: Commits,
    transport: &Transport<'_>,
) -> Result<PushOutcome> {
    let here = local.git()?;
    let commit = match commits {
        Commits::OfBranch => tip(&here, &format!("refs/heads/{branch}"))?,
        Commits::UpTo(commit) => Some(commit),
        Commits::Nothing => None,
    };
    let git_annex = tip(&here, &format!("refs/heads/{GIT_ANNEX}"))?;
    let there = tracked(local, name, branch)?;
    let synced = format!("synced/{branch}");
    let wanted = [
        (synced.as_str(), there.synced, commit, ""),
        (branch, there.branch, commit, ""),
        // Forced, as git-annex does: what was there before is merged there already, or is fetched and merged here.
        (SYNCED_GIT_ANNEX, there.synced_git_annex, git_annex, "+"),
        (GIT_ANNEX, there.git_annex, git_annex, ""),
    ];
    let lacking = wanted
        .into_iter()
        .filter(|(_, there, ours, _)| ours.is_some() && there != ours);
    let lacking: Vec<(&str, Oid, &str)> = lacking
        .filter_map(|(to, _, ours, force)| Some((to, ours?, force)))
        .collect();
    let is_there = |to: &str| !lacking.iter().any(|(lacking, ..)| *lacking == to);
    if is_there(GIT_ANNEX) && (is_there(branch) || is_there(&synced)) {
        return Ok(PushOutcome::UpToDate);
    }
    let mut git = transport.git(local.git_dir());
    // A mirror takes no single branches.
    git.arg("-c").arg(format!("remote.{name}.mirror=false"));
    git.args(PUSH).args(["--progress", "--"]).arg(name.as_str());
    git.args(
        lacking
            .iter()
            .map(|(to, ours, force)| format!("{force}{ours}:refs/heads/{to}")),
    );
    let output = run(git, local.git_dir(), SILENCE, transport)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let (mut moved, mut lagging, mut declined) = (Vec::new(), None, None);
    let mut seen = false;
    for verdict in RefReport::all(&said) {
        seen = true;
        let Some((to, ours, _)) = lacking
            .iter()
            .find(|(to, ..)| verdict.reference.strip_prefix("refs/heads/") == Some(to))
        else {
            continue;
        };
        if !verdict.is_refused() {
            track(&here, &format!("refs/remotes/{name}/{to}"), *ours, "update by push")?;
            moved.push((*to).to_owned());
        } else if verdict.lags_behind(&output) {
            lagging.get_or_insert_with(|| (*to).to_owned());
        } else if !(verdict.is_checked_out() && *to == branch) {
            declined.get_or_insert_with(|| verdict.declined(name.as_str(), &output));
        }
    }
    match (seen, lagging, declined) {
        (false, ..) => Err(failed("push to", name, &output)),
        (true, _, Some(why)) => Err(Error::Refused(why)),
        (true, Some(branch), None) => Ok(PushOutcome::Refused { branch }),
        (true, None, None) => Ok(PushOutcome::Pushed {
            refs: moved,
            checkout: None,
            behind: None,
        }),
    }
}

fn run(git: Command, git_dir: &Path, silence: Duration, transport: &Transport<'_>) -> Result<Output> {
    child::run(git, silence, transport.cancelled).map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            return Error::Refused(
                "this place is reached by the git program, which is not installed. Install git".to_owned(),
            );
        }
        Error::io("run git in", git_dir)(error)
    })
}

fn failed(what: &str, name: &RemoteName, output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    // git explains at length what may be wrong; the first lines say what was.
    let told = without_progress(&said).take(2).collect::<Vec<_>>();
    Error::Refused(format!("git could not {what} {name}: {}", in_one_line(&told.join(" "))))
}
