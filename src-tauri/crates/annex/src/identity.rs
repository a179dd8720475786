use nix::unistd::{User, getuid};

use crate::{Error, Result};

/// Who commits: `user.name` and `user.email` of git's configuration, else the account and the machine, as git-annex
/// does when nothing is configured.
pub(crate) fn signature(repo: &git2::Repository) -> git2::Signature<'static> {
    let account = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
    let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    repo.signature().unwrap_or_else(|_| {
        let setting = |name| repo.config().and_then(|config| config.get_string(name)).ok();
        let account = usable(account()).unwrap_or_else(|| "unknown".to_owned());
        let machine = usable(machine()).unwrap_or_else(|| "localhost".to_owned());
        let name = usable(setting("user.name")).unwrap_or_else(|| account.clone());
        let email = usable(setting("user.email")).unwrap_or_else(|| format!("{account}@{machine}"));
        git2::Signature::now(&name, &email).expect("because neither is empty nor has characters that git refuses")
    })
}

/// Who merges, and when: the committer of the newest parent, whatever side it came from.
///
/// Two repositories that merge the same commits apart from each other thereby make the same commit. Would each sign its
/// own, the two merges would have to be merged again, on both sides, and so on.
pub(crate) fn of_merge(repo: &git2::Repository, parents: &[git2::Oid]) -> Result<git2::Signature<'static>> {
    let mut newest: Option<git2::Commit<'_>> = None;
    for &id in parents {
        let commit = repo
            .find_commit(id)
            .map_err(Error::git(format!("read the commit {id}")))?;
        let key = |commit: &git2::Commit<'_>| (commit.committer().when().seconds(), commit.id());
        if newest.as_ref().is_none_or(|newest| key(newest) < key(&commit)) {
            newest = Some(commit);
        }
    }
    Ok(newest.map_or_else(|| signature(repo), |commit| commit.committer().to_owned()))
}

/// A time as git writes it in commits and reflogs: `1577836800 -0130`.
pub(crate) fn written(when: git2::Time) -> String {
    let minutes = when.offset_minutes().abs();
    format!(
        "{} {}{:02}{:02}",
        when.seconds(),
        when.sign(),
        minutes / 60,
        minutes % 60
    )
}

fn usable(text: Option<String>) -> Option<String> {
    let refused = |c: char| c.is_control() || matches!(c, '<' | '>');
    let text = text?.replace(refused, "");
    let text = text.trim_matches(|c: char| c.is_whitespace() || ".,:;\"'\\".contains(c));
    (!text.is_empty()).then(|| text.to_owned())
}
