//! Has git ask the engine which files have changed (`core.fsmonitor`), and remember which are untracked
//! (`core.untrackedCache`), so that `git status` need not look at every file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use git2::{Config, ErrorCode};

use super::one::edit;
use super::{set, snapshot};
use crate::git_lock::GitLock;
use crate::{Annex, Directory, Error, Result};

const MONITOR: &str = "core.fsmonitor";
const CACHE: &str = "core.untrackedCache";
/// Implies an untracked cache.
const MANY_FILES: &str = "feature.manyFiles";

/// What ends the command that git runs. If the program is gone, nobody is told: git then looks at every file.
const COMMAND: &str = "' fsmonitor 2>/dev/null";

/// There while the user wants git to look for itself, so that they are not asked again.
const DECLINED: &str = "no-fsmonitor";

/// Whom git asks which files have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GitMonitor {
    /// The engine.
    Ours,
    /// What somebody else has set, which is left alone. The name of the setting.
    Theirs(&'static str),
    /// Nobody.
    #[default]
    Nobody,
    /// Nobody, as the user wants it.
    Declined,
}

/// Tells whom git asks which files have changed.
pub fn git_monitor(annex: &Annex) -> Result<GitMonitor> {
    let config = snapshot(annex)?;
    let monitor = value(&config, MONITOR)?;
    if monitor.as_ref().is_some_and(|command| command.ends_with(COMMAND)) {
        return Ok(GitMonitor::Ours);
    }
    if monitor.is_some() {
        return Ok(GitMonitor::Theirs(MONITOR));
    }
    for name in [CACHE, MANY_FILES] {
        if value(&config, name)?.is_some() {
            return Ok(GitMonitor::Theirs(name));
        }
    }
    let own = Directory::find_below(annex.git_dir(), &annex.own_dir())?;
    Ok(match own.is_some_and(|own| own.kind(DECLINED).is_some()) {
        true => GitMonitor::Declined,
        false => GitMonitor::Nobody,
    })
}

/// Has git ask the engine by running `ours`, the command line program.
///
/// # Errors
///
/// [`Error::Refused`] if somebody else has set one of the settings.
pub fn set_git_monitor(annex: &Annex, ours: &Path) -> Result<()> {
    match git_monitor(annex)? {
        GitMonitor::Theirs(name) => {
            return Err(Error::Refused(format!(
                "{name} is set already; nothing was changed. Remove it and try again"
            )));
        }
        GitMonitor::Ours | GitMonitor::Nobody | GitMonitor::Declined => {}
    }
    // First and, when it is taken back, last: while it is there, the other is known to be ours.
    write_monitor(annex, ours)?;
    if value(&snapshot(annex)?, CACHE)?.is_none() {
        set(annex, CACHE, Some("true"))?;
    }
    Directory::make_below(annex.git_dir(), &annex.own_dir())?.remove(DECLINED)?;
    Ok(())
}

fn write_monitor(annex: &Annex, ours: &Path) -> Result<()> {
    let executable = ours.to_str().filter(|text| !text.contains('\n')).ok_or_else(|| {
        Error::Refused(format!(
            "the program's own path {} cannot stand in git's configuration; nothing was changed. Move the program",
            ours.display()
        ))
    })?;
    let command = format!("'{}{COMMAND}", executable.replace('\'', r"'\''"));
    // Not as one of several values, of which libgit2 does not escape what stands in them.
    edit(
        annex,
        || Error::git(format!("write {MONITOR} to the configuration")),
        |config| config.set_str(MONITOR, &command),
    )
}

/// Follows the program to another place.
pub fn renew_git_monitor(annex: &Annex, ours: &Path) -> Result<()> {
    match git_monitor(annex)? {
        GitMonitor::Ours => write_monitor(annex, ours),
        GitMonitor::Theirs(_) | GitMonitor::Nobody | GitMonitor::Declined => Ok(()),
    }
}

/// Takes back what [`set_git_monitor`] has set, in the configuration and in the index. If the user `declined` it, that is
/// remembered.
pub fn remove_git_monitor(annex: &Annex, declined: bool) -> Result<()> {
    let own = Arc::new(Directory::make_below(annex.git_dir(), &annex.own_dir())?);
    match declined {
        true => own.replace(DECLINED, b"", 0o644)?,
        false => _ = own.remove(DECLINED)?,
    }
    if git_monitor(annex)? != GitMonitor::Ours {
        return Ok(());
    }
    if super::entry(annex, CACHE)?.is_some_and(|entry| entry.value == "true") {
        set(annex, CACHE, None)?;
    }
    set(annex, MONITOR, None)?;
    remove_empty_section(annex)?;
    annex.forget_git_caches()
}

/// Removes the section that libgit2 added at the end of the configuration for our settings, and leaves there when they go.
fn remove_empty_section(annex: &Annex) -> Result<()> {
    let path = annex.git_dir().join("config");
    let real = path.canonicalize().map_err(Error::io("find", &path))?;
    let (Some(above), Some(name)) = (real.parent(), real.file_name()) else {
        return Ok(());
    };
    let directory = Arc::new(Directory::top(above)?);
    let _lock = GitLock::take(&directory, name)?;
    let examine = Error::io("examine", &real);
    let mode = std::fs::metadata(&real).map_err(examine)?.permissions().mode() & 0o777;
    let text = directory.read(name)?.unwrap_or_default();
    match text.strip_suffix(b"\n[core]\n") {
        Some(rest) => directory.replace(name, &[rest, b"\n"].concat(), mode),
        None => Ok(()),
    }
}

/// What is set, even to nothing.
fn value(config: &Config, name: &str) -> Result<Option<String>> {
    match config.get_entry(name) {
        Ok(entry) if entry.has_value() => Ok(Some(String::from_utf8_lossy(entry.value_bytes()).into_owned())),
        Ok(_) => Ok(Some(String::new())),
        Err(problem) if problem.code() == ErrorCode::NotFound => Ok(None),
        Err(problem) => Err(Error::git(format!("read {name}"))(problem)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::scratch_repository::Scratch;

    #[test]
    fn what_was_set_is_taken_back_without_a_trace() {
        let repo = Scratch::new();
        repo.write("a", "a");
        repo.git(&["add", "a"]);
        let config = || fs::read_to_string(repo.path(".git/config")).unwrap();
        let before = config();
        let monitor = || git_monitor(&repo.annex).unwrap();
        assert_eq!(monitor(), GitMonitor::Nobody);
        set_git_monitor(&repo.annex, Path::new("/opt/it's here/anabranch")).unwrap();
        assert_eq!(monitor(), GitMonitor::Ours);
        assert_eq!(
            repo.git(&["config", "core.fsmonitor"]),
            "'/opt/it'\\''s here/anabranch' fsmonitor 2>/dev/null\n"
        );
        renew_git_monitor(&repo.annex, Path::new("/usr/bin/anabranch")).unwrap();
        assert_eq!(
            repo.git(&["config", "core.fsmonitor"]),
            "'/usr/bin/anabranch' fsmonitor 2>/dev/null\n"
        );
        repo.git(&["status"]);
        let has = |name: &[u8]| bstr::ByteSlice::contains_str(&fs::read(repo.path(".git/index")).unwrap()[..], name);
        assert!(has(b"FSMN") && has(b"UNTR"));
        remove_git_monitor(&repo.annex, true).unwrap();
        assert_eq!((monitor(), config()), (GitMonitor::Declined, before.clone()));
        assert!(!has(b"FSMN") && !has(b"UNTR"));
        renew_git_monitor(&repo.annex, Path::new("/usr/bin/anabranch")).unwrap();
        remove_git_monitor(&repo.annex, false).unwrap();
        assert_eq!((monitor(), config()), (GitMonitor::Nobody, before));
    }

    #[test]
    fn settings_of_the_user_stay() {
        for (name, value) in [
            ("core.fsmonitor", "true"),
            ("core.fsmonitor", "watchman"),
            ("core.untrackedCache", "false"),
            ("core.untrackedCache", "keep"),
            ("feature.manyFiles", "true"),
        ] {
            let repo = Scratch::new();
            repo.git(&["config", name, value]);
            let before = fs::read_to_string(repo.path(".git/config")).unwrap();
            assert!(matches!(git_monitor(&repo.annex).unwrap(), GitMonitor::Theirs(theirs) if theirs == name));
            assert!(set_git_monitor(&repo.annex, Path::new("/usr/bin/anabranch")).is_err());
            renew_git_monitor(&repo.annex, Path::new("/usr/bin/anabranch")).unwrap();
            remove_git_monitor(&repo.annex, false).unwrap();
            assert_eq!(fs::read_to_string(repo.path(".git/config")).unwrap(), before);
        }
        let repo = Scratch::new();
        set_git_monitor(&repo.annex, Path::new("/usr/bin/anabranch")).unwrap();
        repo.git(&["config", "core.untrackedCache", "false"]);
        renew_git_monitor(&repo.annex, Path::new("/opt/anabranch")).unwrap();
        set_git_monitor(&repo.annex, Path::new("/opt/anabranch")).unwrap();
        assert_eq!(repo.git(&["config", "core.untrackedCache"]), "false\n");
        remove_git_monitor(&repo.annex, false).unwrap();
        assert_eq!(repo.git(&["config", "core.untrackedCache"]), "false\n");
    }
}
