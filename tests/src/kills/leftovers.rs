//! What a killed engine may leave in a git directory.

use std::fs;
use std::path::{Path, PathBuf};

/// What is in a lock of Anabranch, by which the next start knows it and removes it.
const MARK: &[u8] = b"anabranch holds this while it edits the index\n";

/// How many shared parts of the index Anabranch keeps, and one that it removes with the next.
const SHARED: usize = 4;

/// Right after a kill: locks of Anabranch's own, on the index and on refs. Each next start removes them; a lock without the
/// mark would stop git and Anabranch until a person removes it.
pub(super) fn are_allowed(git_dir: &Path) -> Result<(), String> {
    let is_allowed = |lock: &PathBuf| {
        let is_new_ref = lock.to_string_lossy().ends_with(".new.lock");
        is_new_ref || fs::read(lock).is_ok_and(|content| content == MARK)
    };
    none(locks(git_dir).into_iter().filter(|lock| !is_allowed(lock)).collect())
}

/// When all was synced again: no lock, no file without its name, and no more shared parts of the index than are kept.
pub(super) fn are_gone(git_dir: &Path) -> Result<(), String> {
    none(locks(git_dir))?;
    none(begin_with(git_dir, ".anabranch-"))?;
    let shared = begin_with(git_dir, "sharedindex.");
    none(if shared.len() > SHARED { shared } else { Vec::new() })
}

fn begin_with(directory: &Path, start: &str) -> Vec<PathBuf> {
    let items = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = items.filter(|item| item.file_name().to_string_lossy().starts_with(start));
    named.map(|item| item.path()).collect()
}

fn none(left: Vec<PathBuf>) -> Result<(), String> {
    match left.is_empty() {
        true => Ok(()),
        false => Err(format!("left behind: {left:?}")),
    }
}

/// The locks of git's files: at the top, and below the refs.
fn locks(git_dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![(git_dir.to_owned(), false), (git_dir.join("refs"), true)];
    while let Some((directory, is_deep)) = directories.pop() {
        for item in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = item.path();
            if is_deep && path.is_dir() {
                directories.push((path, true));
            } else if path.extension().is_some_and(|end| end == "lock") {
                found.push(path);
            }
        }
    }
    found
}
