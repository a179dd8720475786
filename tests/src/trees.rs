//! What a work tree holds, and whether two hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// Content, by its SHA-256, in a plain file or behind an annex symlink.
    Content(String),
    /// An annexed file whose content is not here.
    Absent,
    /// A symlink that is none of git-annex's.
    Symlink(PathBuf),
}

/// All files of a work tree by path, `.git` aside.
pub type Tree = BTreeMap<PathBuf, Entry>;

/// Reads a work tree; what vanishes while it is read is left out.
#[must_use]
pub fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    for path in files(root) {
        if let Some(entry) = entry(&root.join(&path)) {
            found.insert(path, entry);
        }
    }
    found
}

/// The paths of all files and symlinks of a work tree, `.git` aside, below its root.
#[must_use]
pub fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = item.path();
            if item.file_name() == ".git" {
                continue;
            }
            match item.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) => {
                    found.insert(path.strip_prefix(root).unwrap().to_owned());
                }
                Err(_) => {}
            }
        }
    }
    found
}

/// What is at a path, `None` when nothing is.
#[must_use]
pub fn entry(path: &Path) -> Option<Entry> {
    if fs::symlink_metadata(path).ok()?.is_symlink() {
        let target = fs::read_link(path).ok()?;
        let is_annexed = target
            .as_os_str()
            .as_bytes()
            .windows(14)
            .any(|part| part == b"annex/objects/");
        return match fs::read(path) {
            _ if !is_annexed => Some(Entry::Symlink(target)),
            Ok(bytes) => Some(Entry::Content(digest(&bytes))),
            Err(_) => Some(Entry::Absent),
        };
    }
    let bytes = fs::read(path).ok()?;
    if bytes.len() < 32_768 && bytes.starts_with(b"/annex/objects/") {
        return Some(Entry::Absent);
    }
    Some(Entry::Content(digest(&bytes)))
}

/// The SHA-256 of bytes, in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The contents that a tree holds.
#[must_use]
pub fn contents(tree: &Tree) -> BTreeSet<String> {
    tree.values()
        .filter_map(|entry| match entry {
            Entry::Content(digest) => Some(digest.clone()),
            Entry::Absent | Entry::Symlink(_) => None,
        })
        .collect()
}

/// The first differences between two trees, for people; empty when there is none.
#[must_use]
pub fn difference(left: &Tree, right: &Tree) -> String {
    let paths: BTreeSet<&PathBuf> = left.keys().chain(right.keys()).collect();
    let differing: Vec<&PathBuf> = paths
        .into_iter()
        .filter(|path| left.get(*path) != right.get(*path))
        .collect();
    let mut text = String::new();
    if !differing.is_empty() {
        let _ = writeln!(text, "{} paths differ:", differing.len());
    }
    for path in differing.iter().take(12) {
        let _ = writeln!(text, "  {path:?}: {:?} | {:?}", left.get(*path), right.get(*path));
    }
    text
}

/// Whether all work trees hold the same, with all content.
///
/// # Errors
///
/// With the first differences.
pub fn same(roots: &[&Path]) -> Result<(), String> {
    let trees: Vec<Tree> = roots.iter().map(|root| tree(root)).collect();
    for (root, tree) in roots.iter().zip(&trees) {
        let absent: Vec<_> = tree
            .iter()
            .filter(|(_, entry)| **entry == Entry::Absent)
            .map(|(path, _)| path)
            .collect();
        if let Some(first) = absent.first() {
            return Err(format!(
                "{}: {} contents absent, the first of {first:?}",
                root.display(),
                absent.len()
            ));
        }
    }
    for (root, tree) in roots.iter().zip(&trees).skip(1) {
        let text = difference(&trees[0], tree);
        if !text.is_empty() {
            return Err(format!("{} | {}: {text}", roots[0].display(), root.display()));
        }
    }
    Ok(())
}

/// Whether a work tree holds exactly these files.
///
/// # Errors
///
/// With the first differences: expected on the left.
pub fn holds(root: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), String> {
    let expected: Tree = expected
        .iter()
        .map(|(path, bytes)| (path.clone(), Entry::Content(digest(bytes))))
        .collect();
    let text = difference(&expected, &tree(root));
    if text.is_empty() {
        Ok(())
    } else {
        Err(format!("{}: {text}", root.display()))
    }
}

/// Whether a git directory holds the contents of all these files.
///
/// # Errors
///
/// With how many it does not.
pub fn stores(git_dir: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), String> {
    let stored: String = objects(git_dir).into_keys().collect();
    match files.values().filter(|bytes| !stored.contains(&digest(bytes))).count() {
        0 => Ok(()),
        missing => Err(format!("{missing} contents are not in {}", git_dir.display())),
    }
}

/// The keys whose objects a repository holds, with each object's path. Beside an object there may be the lock of its content.
///
/// # Panics
///
/// When an object has no name.
#[must_use]
pub fn objects(git_dir: &Path) -> BTreeMap<String, PathBuf> {
    let root = git_dir.join("annex/objects");
    files(&root)
        .into_iter()
        .filter(|path| path.extension().is_none_or(|end| end != "lck"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                root.join(path),
            )
        })
        .collect()
}

/// Whether every object of a repository has the content that its key names (keys of the SHA-256 family only).
///
/// # Errors
///
/// With the first object that has not, or that anybody could write.
pub fn objects_are_whole(git_dir: &Path) -> Result<(), String> {
    for (key, path) in objects(git_dir) {
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let named = key
            .split_once("--")
            .and_then(|(_, name)| name.split('.').next())
            .unwrap_or_default();
        if key.starts_with("SHA256") && named != digest(&bytes) {
            return Err(format!(
                "{} has not the content it is named for ({} bytes)",
                path.display(),
                bytes.len()
            ));
        }
        let mode = fs::metadata(&path)
            .map_err(|error| error.to_string())?
            .permissions()
            .mode();
        if mode & 0o222 != 0 {
            return Err(format!("{} can be written: mode {mode:o}", path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_tells_content_pointer_and_symlink_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".git/config"), "x").unwrap();
        fs::write(root.join("plain"), "content").unwrap();
        fs::write(root.join("pointer"), "/annex/objects/SHA256E-s1--00\n").unwrap();
        std::os::unix::fs::symlink("../elsewhere", root.join("link")).unwrap();
        std::os::unix::fs::symlink(".git/annex/objects/a/b/K/K", root.join("locked")).unwrap();
        let tree = tree(root);
        assert_eq!(tree.len(), 4);
        assert_eq!(tree[Path::new("plain")], Entry::Content(digest(b"content")));
        assert_eq!(tree[Path::new("pointer")], Entry::Absent);
        assert_eq!(tree[Path::new("link")], Entry::Symlink("../elsewhere".into()));
        assert_eq!(tree[Path::new("locked")], Entry::Absent);
        assert!(same(&[root, root]).unwrap_err().contains("2 contents absent"));
    }

    #[test]
    fn a_difference_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let expected = BTreeMap::from([(PathBuf::from("a"), b"1".to_vec())]);
        assert!(holds(folder.path(), &expected).unwrap_err().contains("1 paths differ"));
        fs::write(folder.path().join("a"), "1").unwrap();
        holds(folder.path(), &expected).unwrap();
    }
}
