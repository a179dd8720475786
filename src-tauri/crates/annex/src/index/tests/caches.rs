//! git's file system monitor and its untracked cache: what they say stays true when this program edits the index.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bstr::ByteSlice;
use proptest::prelude::*;

use super::read;
use crate::index::{IndexEntry, REGULAR, Staged};
use crate::oid::from_git;
use crate::scratch_repository::Scratch;
use crate::stat::Stat;

/// Answers git from a list of changes: a token says how much of it git knows.
const MONITOR: &str = r#"#!/bin/sh
log="$(dirname "$0")/changes"
printf 't:%s\0' "$(wc -l < "$log")"
case "$2" in
    t:*) tail -n "+$((${2#t:} + 1))" "$log" | tr '\n' '\0' ;;
    *) printf '/\0' ;;
esac
"#;

struct Watched {
    repo: Scratch,
}

impl Watched {
    fn new(is_split: bool, listing: &str) -> Self {
        let repo = Scratch::new();
        let monitor = repo.path(".git/monitor");
        fs::write(&monitor, MONITOR).unwrap();
        fs::set_permissions(&monitor, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(repo.path(".git/changes"), "").unwrap();
        fs::write(repo.path(".git/info/attributes"), "").unwrap();
        repo.git(&["config", "core.fsmonitor", monitor.to_str().unwrap()]);
        repo.git(&["config", "core.untrackedCache", "true"]);
        repo.git(&["config", "status.showUntrackedFiles", listing]);
        repo.write("first", "");
        repo.git(&["add", "first"]);
        if is_split {
            repo.git(&["config", "splitIndex.maxPercentChange", "100"]);
            repo.git(&["update-index", "--split-index"]);
        }
        let watched = Self { repo };
        watched.status(&[]);
        watched
    }

    /// Notes a change for the monitor, as the engine tells git of it.
    fn changed(&self, path: &str) {
        let log = self.repo.path(".git/changes");
        let before = fs::read_to_string(&log).unwrap();
        fs::write(log, format!("{before}{path}\n{path}/\n{path}/a\n")).unwrap();
    }

    fn all_changed(&self, directory: &str) {
        self.changed(directory);
        for entry in fs::read_dir(self.repo.path(directory)).into_iter().flatten().flatten() {
            let path = format!("{directory}/{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => self.all_changed(&path),
                false => self.changed(&path),
            }
        }
    }

    fn git(&self, arguments: &[&str], index: Option<&Path>) -> String {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(self.repo.top());
        if let Some(index) = index {
            git.env("GIT_INDEX_FILE", index);
        }
        let output = git.output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{arguments:?}: {}",
            output.stderr.as_bstr()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn status(&self, options: &[&str]) -> String {
        self.git(&[options, &["status", "--porcelain"]].concat(), None)
    }

    /// git says the same with and without what it need not look at.
    fn assert_right(&self) {
        let copy = self.repo.path(".git/copy-of-index");
        fs::copy(self.repo.path(".git/index"), &copy).unwrap();
        let without = [
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.untrackedCache=false",
            "status",
            "--porcelain",
        ];
        let expected = self.git(&without, Some(&copy));
        assert_eq!(self.status(&["--no-optional-locks"]), expected);
    }

    fn perform(&self, act: &Act) {
        let top = self.repo.top().to_owned();
        match act {
            Act::Write(path, text) => {
                let above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
                for above in above
                    .iter()
                    .rev()
                    .filter_map(|above| above.to_str())
                    .filter(|above| !above.is_empty())
                {
                    if top.join(above).is_file() {
                        fs::remove_file(top.join(above)).unwrap();
                    }
                    if !top.join(above).exists() {
                        fs::create_dir(top.join(above)).unwrap();
                        self.changed(above);
                    }
                }
                if top.join(path).is_dir() {
                    return;
                }
                fs::write(top.join(path), text).unwrap();
                self.changed(path);
            }
            Act::Remove(path) => {
                let at = top.join(path);
                let _ = fs::remove_file(&at).or_else(|_| fs::remove_dir_all(&at));
                self.changed(path);
            }
            Act::Rename(from, to) => {
                if fs::rename(top.join(from), top.join(to)).is_ok() {
                    self.changed(from);
                    self.all_changed(to);
                }
            }
            Act::Status => _ = self.status(&[]),
            Act::GitAdds(path) => {
                if top.join(path).exists() {
                    self.git(&["add", path], None);
                }
            }
            Act::GitForgets(path) => {
                // By force: what is staged may differ from both the file and HEAD.
                self.git(&["rm", "-rqf", "--cached", "--ignore-unmatch", path], None);
            }
            Act::WeStage(mask) => self.stage(&self.some_files(*mask)),
        }
    }

    /// Those of all files, tracked or not, whose bit is set.
    fn some_files(&self, mask: u8) -> Vec<String> {
        let list = ["-c", "core.fsmonitor=false", "ls-files", "--cached", "--others"];
        let files = self.git(&list, None);
        let files = files.lines().enumerate().filter(|(nth, _)| mask >> (nth % 8) & 1 == 1);
        files.map(|(_, file)| file.to_owned()).collect()
    }

    /// Stages these paths as they are in the work tree, as this program does.
    fn stage(&self, paths: &[String]) {
        let git = self.repo.annex.git().unwrap();
        let mut staged = Staged::open(&self.repo.annex, &git).unwrap();
        for path in paths {
            let at = self.repo.top().join(path);
            match rustix::fs::lstat(&at).map(Stat::from) {
                Ok(stat) if stat.is_file() => {
                    let blob = from_git(git.blob(&fs::read(&at).unwrap()).unwrap());
                    staged.put(IndexEntry::new(path.as_bytes(), REGULAR, blob, &stat));
                }
                Ok(_) => {}
                Err(_) => staged.remove(path.as_bytes()),
            }
        }
        staged.commit().unwrap();
    }
}

#[derive(Debug, Clone)]
enum Act {
    Write(String, String),
    Remove(String),
    Rename(String, String),
    Status,
    GitAdds(String),
    GitForgets(String),
    /// Some of the files that are in the work tree or tracked.
    WeStage(u8),
}

fn path() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "b.c", "d"]);
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (path(), "[xyz]{0,2}").prop_map(|(path, text)| Act::Write(path, text)),
        1 => path().prop_map(Act::Remove),
        1 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
        2 => Just(Act::Status),
        1 => path().prop_map(Act::GitAdds),
        1 => path().prop_map(Act::GitForgets),
        4 => any::<u8>().prop_map(Act::WeStage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn git_is_right_whoever_changes_the_index(
        is_split in any::<bool>(),
        listing in prop::sample::select(vec!["normal", "all"]),
        acts in prop::collection::vec(act(), 1..25),
    ) {
        let watched = Watched::new(is_split, listing);
        for act in &acts {
            watched.perform(act);
            watched.assert_right();
        }
    }
}

/// Otherwise the test above would show nothing.
#[test]
fn git_need_not_look_at_what_we_left_alone() {
    for is_split in [false, true] {
        let watched = Watched::new(is_split, "normal");
        for path in ["a", "b/a", "b/own", "d/a", "d/own"] {
            watched.perform(&Act::Write(path.to_owned(), "x".to_owned()));
        }
        // git has found them untracked.
        watched.status(&[]);
        watched.stage(&["a", "b/a", "d/a"].map(str::to_owned));
        watched.assert_right();
        let valid = || watched.git(&["ls-files", "-f"], None);
        watched.status(&[]);
        assert_eq!(valid(), "h a\nh b/a\nh d/a\nh first\n");
        // Nobody tells git of these.
        fs::write(watched.repo.path("a"), "changed").unwrap();
        fs::write(watched.repo.path("d/unseen"), "").unwrap();
        fs::write(watched.repo.path("b/b"), "new").unwrap();
        watched.stage(&["b/b".to_owned()]);
        assert_eq!(valid(), "h a\nh b/a\nH b/b\nh d/a\nh first\n");
        let said = watched.status(&["--no-optional-locks"]);
        assert_eq!(said, "A  a\nA  b/a\nA  b/b\nA  d/a\nA  first\n?? b/own\n?? d/own\n");
        watched.status(&[]);
        assert_eq!(valid(), "h a\nh b/a\nh b/b\nh d/a\nh first\n");
        assert_eq!(read(&watched.repo).entries().len(), 5);
    }
}
