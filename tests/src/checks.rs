//! Checks by programs other than ours: git and the real git-annex.

use std::path::Path;
use std::time::Duration;

use crate::run::told;
use crate::{Sandbox, attempt, eventually, run, trees};

/// Checks a repository in every way that git and git-annex can: objects, index, contents and their logs.
///
/// # Panics
///
/// With the first thing that is not as it should be.
#[track_caller]
pub fn assert_whole(sandbox: &Sandbox, repository: &Path) {
    git_fsck(sandbox, repository);
    let git_dir = git_dir(sandbox, repository);
    trees::objects_are_whole(&git_dir).unwrap_or_else(|fault| panic!("{fault}"));
    assert!(
        !git_dir.join("index.lock").exists(),
        "a stale lock: {}",
        git_dir.join("index.lock").display()
    );
    let is_bare = run(&mut sandbox.git(repository, ["rev-parse", "--is-bare-repository"])).trim() == "true";
    if !is_bare {
        is_clean(sandbox, repository).unwrap_or_else(|fault| panic!("{fault}"));
    }
    if sandbox.has_git_annex() {
        // Without --fast: it reads every content again, and compares it and its place with the logs.
        let fsck: &[&str] = if is_bare {
            &["annex", "fsck", "--quiet", "--all"]
        } else {
            &["annex", "fsck", "--quiet"]
        };
        run(&mut sandbox.git(repository, fsck));
    }
}

/// Checks git's own objects and refs.
///
/// # Panics
///
/// When git finds a fault.
#[track_caller]
pub fn git_fsck(sandbox: &Sandbox, repository: &Path) {
    run(&mut sandbox.git(
        repository,
        ["fsck", "--full", "--strict", "--no-dangling", "--no-progress"],
    ));
}

/// Whether `git status` finds nothing changed and nothing untracked.
///
/// # Errors
///
/// With what it found.
pub fn is_clean(sandbox: &Sandbox, repository: &Path) -> Result<(), String> {
    let changes = run(&mut sandbox.git(repository, ["status", "--porcelain"]));
    if changes.is_empty() {
        Ok(())
    } else {
        Err(format!("git status in {}:\n{changes}", repository.display()))
    }
}

/// Checks with git-annex that every file of the tree has this many copies, one of them here.
///
/// # Panics
///
/// With the files that have not.
#[track_caller]
pub fn assert_copies(sandbox: &Sandbox, repository: &Path, copies: usize) {
    let at_least = format!("--copies={copies}");
    let lacking = run(&mut sandbox.git(repository, ["annex", "find", "--not", &at_least]));
    assert!(
        lacking.is_empty(),
        "fewer than {copies} copies, seen from {}:\n{lacking}",
        repository.display()
    );
    let absent = run(&mut sandbox.git(repository, ["annex", "find", "--not", "--in=here"]));
    assert!(absent.is_empty(), "not in {}:\n{absent}", repository.display());
    run(&mut sandbox.git(repository, ["annex", "whereis", "--quiet"]));
}

/// Whether the branches of all repositories have the same tree.
///
/// # Errors
///
/// With the trees that differ.
pub fn same_commit_tree(sandbox: &Sandbox, repositories: &[&Path]) -> Result<(), String> {
    // A clone of nothing has no commit before it got its first.
    let tree = |repository: &&Path| {
        let mut parse = sandbox.git(repository, ["rev-parse", "HEAD^{tree}"]);
        let parsed = attempt(&mut parse);
        match parsed.status.success() {
            true => Ok(String::from_utf8_lossy(&parsed.stdout).trim().to_owned()),
            false => Err(told(&parse, &parsed)),
        }
    };
    let trees = repositories.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
    if trees.iter().all(|tree| *tree == trees[0]) {
        Ok(())
    } else {
        Err(format!("trees differ: {trees:?}"))
    }
}

/// Waits until nothing was committed for three seconds in any of the repositories, on either branch.
#[track_caller]
pub fn come_to_rest(sandbox: &Sandbox, repositories: &[&Path], at_most: Duration) {
    let heads = || -> Vec<String> {
        let heads = |repository: &&Path| run(&mut sandbox.git(repository, ["rev-parse", "HEAD", "git-annex"]));
        repositories.iter().map(heads).collect()
    };
    eventually(at_most, || {
        let before = heads();
        std::thread::sleep(Duration::from_secs(3));
        match heads() == before {
            true => Ok(()),
            false => Err("they do not come to rest"),
        }
    });
}

/// The repository's git folder.
pub fn git_dir(sandbox: &Sandbox, repository: &Path) -> std::path::PathBuf {
    run(&mut sandbox.git(repository, ["rev-parse", "--absolute-git-dir"]))
        .trim()
        .into()
}

/// How many commits a repository's branch has.
///
/// # Panics
///
/// When there is no branch.
#[must_use]
pub fn commits(sandbox: &Sandbox, repository: &Path) -> usize {
    run(&mut sandbox.git(repository, ["rev-list", "--count", "HEAD"]))
        .trim()
        .parse()
        .unwrap()
}
