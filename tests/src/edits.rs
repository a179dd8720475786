//! Random edits, as people and programs make them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Chance;
use crate::trees::{self, Entry, digest};

/// Saves a file in a clone as an editor does, by another file in the place of the old: a locked file is a symlink, which
/// must not be written through.
///
/// # Panics
///
/// When it cannot be written.
pub fn save(clone: &Path, name: &str, text: &str) {
    let (new, path) = (clone.join(".git/new"), clone.join(name));
    fs::create_dir_all(path.parent().expect("it is below the clone")).unwrap();
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// A file that random edits leave alone, so that a tree never comes to hold nothing at all.
pub const ALWAYS_HERE: &str = "always here.txt";

/// Few names, so that edits meet.
const NAMES: &[&str] = &[
    "note.txt",
    "photo 1.jpg",
    "-dash.md",
    "ä ö ü.tar.gz",
    "empty",
    "list.csv",
    "two  blanks",
    "film.mkv",
    "naïve.rs",
    "UPPER.TXT",
];
const FOLDERS: &[&str] = &["", "album", "album/2026", "work", "work/deep/er"];

/// What a round of edits did.
#[derive(Debug, Default)]
pub struct Done {
    /// One line for each edit, for a failed assertion.
    pub lines: Vec<String>,
    /// The contents that were written and still stand in the tree: their digests, and where.
    pub written: BTreeMap<String, PathBuf>,
    /// The files and folders that were renamed, by their names before.
    pub renamed: BTreeSet<PathBuf>,
    /// Where files were renamed or copied to, and from where.
    pub moved: BTreeMap<PathBuf, PathBuf>,
}

impl Done {
    /// The contents that this side has just written and that a merge with the other side must keep in the tree.
    ///
    /// Left aside is a file that the other side renamed at the same time, where yet another file may have come to its
    /// new name, and one in whose place the other side put a file that this side renamed: git-annex keeps two of three
    /// contents in the tree then, and the third in the history.
    pub fn kept_beside<'a>(&'a self, other: &'a Done) -> impl Iterator<Item = (&'a String, &'a PathBuf)> {
        let is_renamed = |done: &Done, path: &PathBuf| done.renamed.iter().any(|renamed| path.starts_with(renamed));
        self.written.iter().filter(move |(_, path)| {
            let source = other.moved.get(*path);
            !is_renamed(other, path) && !source.is_some_and(|source| is_renamed(self, source))
        })
    }
}

/// Makes random edits in a work tree.
///
/// # Panics
///
/// When the file system refuses.
pub fn edit(chance: &mut Chance, root: &Path, count: usize) -> Done {
    let mut done = Done::default();
    let mut written = BTreeSet::new();
    for _ in 0..count {
        let line = one(chance, root, &mut written, &mut done);
        done.lines.push(line);
    }
    for (path, entry) in trees::tree(root) {
        if let Entry::Content(digest) = entry
            && written.contains(&digest)
        {
            done.written.insert(digest, path);
        }
    }
    done
}

fn one(chance: &mut Chance, root: &Path, written: &mut BTreeSet<String>, done: &mut Done) -> String {
    let existing = trees::files(root).into_iter();
    let existing: Vec<PathBuf> = existing.filter(|path| path != Path::new(ALWAYS_HERE)).collect();
    match chance.below(if existing.is_empty() { 35 } else { 100 }) {
        0..35 => {
            let path = new_path(chance);
            let bytes = content(chance);
            write(root, &path, &bytes, written);
            format!("write {path:?}, {} bytes", bytes.len())
        }
        35..60 => {
            let path = chance.pick(&existing).clone();
            let bytes = content(chance);
            write(root, &path, &bytes, written);
            format!("change {path:?} to {} bytes", bytes.len())
        }
        60..75 => {
            let (from, to) = (chance.pick(&existing).clone(), new_path(chance));
            let is_done = make_room(root, &to) && fs::rename(root.join(&from), root.join(&to)).is_ok();
            let line = format!("rename {from:?} to {to:?}");
            if !is_done {
                return format!("{line}: not possible");
            }
            done.renamed.insert(from.clone());
            done.moved.insert(to, from);
            line
        }
        75..90 => {
            let path = chance.pick(&existing);
            fs::remove_file(root.join(path)).unwrap();
            format!("delete {path:?}")
        }
        90..96 => {
            let from = *chance.pick(&FOLDERS[1..]);
            let to = format!("moved {}", chance.below(4));
            let is_done = !root.join(&to).exists() && fs::rename(root.join(from), root.join(&to)).is_ok();
            let line = format!("rename folder {from} to {to}");
            if !is_done {
                return format!("{line}: not possible");
            }
            done.renamed.insert(from.into());
            line
        }
        _ => {
            let (from, to) = (chance.pick(&existing).clone(), new_path(chance));
            // Read before the room is made: it may be the same file.
            let Ok(bytes) = fs::read(root.join(&from)) else {
                return format!("copy {from:?}: no content");
            };
            if trees::entry(&root.join(&from)) == Some(Entry::Absent) {
                return format!("copy {from:?}: no content");
            }
            // No new content: where it came from, the other side may rightly replace it.
            write(root, &to, &bytes, &mut BTreeSet::new());
            let line = format!("copy {from:?} to {to:?}");
            done.moved.insert(to, from);
            line
        }
    }
}

fn new_path(chance: &mut Chance) -> PathBuf {
    Path::new(chance.pick(FOLDERS)).join(chance.pick(NAMES))
}

fn content(chance: &mut Chance) -> Vec<u8> {
    // Never nothing: an empty file says nothing of where its content came from.
    let length = match chance.below(20) {
        0 => 300_000 + chance.below(700_000),
        1..4 => 5_000 + chance.below(60_000),
        _ => 16 + chance.below(3_000),
    };
    chance.bytes(length)
}

/// Writes a file as a careful editor does, over a symlink too: aside, then renamed.
fn write(root: &Path, path: &Path, bytes: &[u8], written: &mut BTreeSet<String>) {
    if !make_room(root, path) {
        return;
    }
    // Aside means outside the tree: a file that lives for a moment would be a chance of its own.
    let aside = root.join(".git/edited-aside");
    fs::write(&aside, bytes).unwrap();
    fs::rename(&aside, root.join(path)).unwrap();
    written.insert(digest(bytes));
}

/// Makes the folders of a path; false where a file or a folder is in the way.
fn make_room(root: &Path, path: &Path) -> bool {
    let full = root.join(path);
    !full.is_dir() && full.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_tree() {
        let make = |seed| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join(".git")).unwrap();
            let done = edit(&mut Chance::from_seed(seed), folder.path(), 60);
            (trees::tree(folder.path()), done)
        };
        let ((one, done), (same, _), (other, _)) = (make(1), make(1), make(2));
        assert_eq!(one, same);
        assert_ne!(one, other);
        let standing = trees::contents(&one);
        assert!(done.written.keys().all(|digest| standing.contains(digest)) && !done.written.is_empty());
    }
}
