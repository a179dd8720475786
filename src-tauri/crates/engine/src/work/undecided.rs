//! Files that cannot be added now for reasons that may affect very many of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};

use model::RepoPath;

/// Files that wait until a setting or a rule is corrected, or until they can be stored, by reason: one reason may
/// affect every file of a folder.
#[derive(Debug, Default)]
pub(crate) struct Undecided(BTreeMap<String, BTreeSet<RepoPath>>);

impl Undecided {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a file that waits.
    pub(crate) fn add(&mut self, path: RepoPath, why: String) {
        self.0.entry(why).or_default().insert(path);
    }

    /// Removes these paths and everything below them, or everything.
    pub(crate) fn forget_within(&mut self, within: Option<&[RepoPath]>) {
        let Some(within) = within else {
            return self.0.clear();
        };
        for files in self.0.values_mut() {
            for path in within {
                files.remove(path);
                // In ASCII, `0` follows the slash.
                let (first, end) = ([path.as_bytes(), b"/"].concat(), [path.as_bytes(), b"0"].concat());
                let below = files.range::<[u8], _>((Included(&*first), Excluded(&*end)));
                let below: Vec<RepoPath> = below.cloned().collect();
                for path in below {
                    files.remove(&path);
                }
            }
        }
        self.0.retain(|_, files| !files.is_empty());
    }

    /// Why a file waits.
    pub(crate) fn why(&self, path: &RepoPath) -> Option<&str> {
        let mut reasons = self.0.iter();
        reasons.find_map(|(why, files)| files.contains(path).then_some(why.as_str()))
    }

    /// All files that wait.
    pub(crate) fn paths(&self) -> Vec<RepoPath> {
        self.0.values().flatten().cloned().collect()
    }

    /// Each reason, with its first file and their number.
    pub(crate) fn reasons(&self) -> Vec<(String, RepoPath, usize)> {
        let first =
            |(why, files): (&String, &BTreeSet<RepoPath>)| Some((why.clone(), files.first()?.clone(), files.len()));
        self.0.iter().filter_map(first).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::RepoPath;

    use super::Undecided;

    fn path(name: &str) -> RepoPath {
        RepoPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn all_waiting_files_are_listed() {
        let mut undecided = Undecided::default();
        for (path, why) in [("b", "1"), ("a", "2"), ("c", "1")] {
            undecided.add(RepoPath::parse(path.as_bytes()).unwrap(), why.to_owned());
        }
        let paths: Vec<String> = undecided.paths().iter().map(ToString::to_string).collect();
        assert_eq!(paths, ["b", "c", "a"]);
    }

    #[test]
    fn files_are_removed_by_path_and_by_directory() {
        let mut undecided = Undecided::default();
        for (name, why) in [
            ("a", "x"),
            ("d-", "x"),
            ("d/e/f", "x"),
            ("d/g", "y"),
            ("d0", "y"),
            ("z", "y"),
        ] {
            undecided.add(path(name), why.to_owned());
        }
        let told = |undecided: &Undecided| -> Vec<String> {
            let line = |(why, first, count)| format!("{why} {first} {count}");
            undecided.reasons().into_iter().map(line).collect()
        };
        assert_eq!(told(&undecided), ["x a 3", "y d/g 3"]);
        assert_eq!(undecided.why(&path("d/g")), Some("y"));
        undecided.forget_within(Some(&[path("d"), path("a"), path("no/such")]));
        assert_eq!(told(&undecided), ["x d- 1", "y d0 2"]);
        assert_eq!(undecided.why(&path("d/g")), None);
        undecided.forget_within(Some(&[path("d-")]));
        assert_eq!(told(&undecided), ["y d0 2"]);
        undecided.forget_within(None);
        assert!(undecided.is_empty());
    }
}
