//! What changes the files while the engines run, and goes on for a moment after they were killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::trees::{Entry, Tree, digest};
use crate::{Chance, edits};

/// With fewer files in a directory, none is deleted: the engine would ask about more than half of a folder.
const FEWEST: usize = 30;

/// The changes of one directory, which happen at one end at a time.
pub(super) struct Script {
    directory: &'static str,
    /// What the directory holds by now.
    pub(super) files: Tree,
    /// The contents that a file has ever had, by their digests.
    pub(super) written: BTreeSet<String>,
    /// The paths that a file has ever had.
    pub(super) named: BTreeSet<PathBuf>,
}

impl Script {
    /// Fills a directory.
    pub(super) fn new(chance: &mut Chance, clone: &Path, directory: &'static str) -> Script {
        let mut script = Script {
            directory,
            files: Tree::new(),
            written: BTreeSet::new(),
            named: BTreeSet::new(),
        };
        while script.files.len() < FEWEST {
            let path = script.any_path(chance);
            script.save(chance, clone, path);
        }
        script
    }

    /// Whether a path is in the directory.
    pub(super) fn owns(&self, path: &Path) -> bool {
        path.starts_with(self.directory)
    }

    fn change(&mut self, chance: &mut Chance, clone: &Path) {
        let there: Vec<PathBuf> = self.files.keys().cloned().collect();
        let existing = chance.pick(&there).clone();
        match chance.below(100) {
            0..40 => {
                let path = self.any_path(chance);
                self.save(chance, clone, path);
            }
            40..65 => self.save(chance, clone, existing),
            65..85 => {
                let to = self.any_path(chance);
                make_directory(clone, &to);
                fs::rename(clone.join(&existing), clone.join(&to)).unwrap();
                if let Some(entry) = self.files.remove(&existing) {
                    self.named.insert(to.clone());
                    self.files.insert(to, entry);
                }
            }
            _ if there.len() > FEWEST => {
                fs::remove_file(clone.join(&existing)).unwrap();
                self.files.remove(&existing);
            }
            _ => {}
        }
    }

    fn any_path(&self, chance: &mut Chance) -> PathBuf {
        let below = *chance.pick(&["", "", "deep/er"]);
        let name = format!("file {}.txt", chance.below(60));
        Path::new(self.directory).join(below).join(name)
    }

    /// Saves a file as an editor does, by another file or in place. Many have the same size.
    fn save(&mut self, chance: &mut Chance, clone: &Path, path: PathBuf) {
        let length = *chance.pick(&[20, 20, 20, 2_000, 100_000]);
        let text = hex::encode(chance.bytes(length));
        make_directory(clone, &path);
        match chance.happens(50) {
            true => edits::save(clone, path.to_str().expect("because its names are text"), &text),
            false => fs::write(clone.join(&path), &text).unwrap(),
        }
        let digest = digest(text.as_bytes());
        self.written.insert(digest.clone());
        self.named.insert(path.clone());
        self.files.insert(path, Entry::Content(digest));
    }
}

fn make_directory(clone: &Path, path: &Path) {
    let path = clone.join(path);
    fs::create_dir_all(path.parent().expect("because it is below the clone")).unwrap();
}

/// Makes a few changes at both ends, with short pauses.
pub(super) fn work(chance: &mut Chance, clones: &[PathBuf; 2], scripts: &mut [Script; 2]) {
    for _ in 0..2 + chance.below(8) {
        let end = chance.below(2);
        scripts[end].change(chance, &clones[end]);
        thread::sleep(Duration::from_millis(chance.below(40) as u64));
    }
}
