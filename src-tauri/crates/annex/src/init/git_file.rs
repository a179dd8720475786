//! Submodules and linked work trees have a `.git` file; links to annexed content need a `.git` to go through.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use git2::Repository;

use crate::repository::open_git;
use crate::{Error, Result};

/// Replaces a `.git` file by a symbolic link to the git directory, as git-annex does, and opens the repository again.
///
/// Refused, and nothing changed, unless git directory and work tree name each other: a copied or moved work tree would
/// otherwise write into the repository it was copied from.
pub(super) fn make_link(git: Repository) -> Result<Repository> {
    let Some(top) = git.workdir().map(Path::to_owned) else {
        return Ok(git);
    };
    let dot_git = top.join(".git");
    let metadata = dot_git.symlink_metadata().map_err(Error::io("examine", &dot_git))?;
    if metadata.is_dir() {
        return Ok(git);
    }
    let git_dir = fs::canonicalize(git.path()).map_err(Error::io("examine", git.path()))?;
    let refused = |reason: &str| {
        Err(Error::Refused(format!(
            "{} leads to the git directory {}, {reason}; nothing was changed. Make a clone instead",
            dot_git.display(),
            git_dir.display()
        )))
    };
    let same = |a: &Path, b: &Path| {
        fs::canonicalize(a)
            .ok()
            .is_some_and(|a| fs::canonicalize(b).ok() == Some(a))
    };
    let own_config = git_dir.join("config");
    let mut work_tree_setting = None;
    if git.is_worktree() {
        let back = fs::read_to_string(git_dir.join("gitdir")).unwrap_or_default();
        let back = PathBuf::from(back.trim_end_matches('\n'));
        if !back.parent().is_some_and(|parent| same(&git_dir.join(parent), &top)) {
            return refused("which belongs to another work tree");
        }
    } else {
        let config = git2::Config::open(&own_config).map_err(Error::git(format!("read {}", own_config.display())))?;
        match config.get_string("core.worktree") {
            Ok(setting) if !same(&git_dir.join(&setting), &top) => {
                return refused("which belongs to another work tree");
            }
            Ok(_) => work_tree_setting = Some(config),
            Err(_) => {}
        }
    }
    if metadata.is_file() {
        let text = fs::read_to_string(&dot_git).map_err(Error::io("read", &dot_git))?;
        let Some(target) = text
            .strip_prefix("gitdir: ")
            .map(|target| target.trim_end_matches('\n'))
        else {
            return refused("in a form that is not understood");
        };
        let draft = top.join(format!(".git.link-{}", std::process::id()));
        symlink(target, &draft)
            .and_then(|()| fs::rename(&draft, &dot_git))
            .inspect_err(|_| {
                let _ = fs::remove_file(&draft);
            })
            .map_err(Error::io("put a symbolic link in place of", &dot_git))?;
    }
    if git.is_worktree() {
        let link = git_dir.join("annex");
        match symlink("../../annex", &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("make the symbolic link", &link)(error));
            }
            _ => {}
        }
    }
    if let Some(mut config) = work_tree_setting {
        config
            .remove("core.worktree")
            .map_err(Error::git("remove core.worktree from the configuration"))?;
    }
    open_git(&top)
}
