//! What a user does to a file between the look that found it and the end of taking it in: it counts, and nothing else does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use model::Key;

use super::{HELLO, Postponed, key, path};
use crate::durable::told;
use crate::scratch_repository::{Bound, Scratch};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    New,
    Edited,
    Renamed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Edits,
    Replaces,
    Deletes,
    Renames,
    MakesADirectory,
    MakesItExecutable,
    GitAdds,
    GitCommits,
    GitMoves,
    GitRemoves,
}

const ACTS: [Act; 10] = [
    Act::Edits,
    Act::Replaces,
    Act::Deletes,
    Act::Renames,
    Act::MakesADirectory,
    Act::MakesItExecutable,
    Act::GitAdds,
    Act::GitCommits,
    Act::GitMoves,
    Act::GitRemoves,
];

/// Brings the file `f` into the form in which it is found.
fn prepare(repo: &Scratch, found: Found) {
    if found != Found::New {
        repo.write(if found == Found::Renamed { "before" } else { "f" }, "old");
        repo.sync();
    }
    match found {
        Found::New | Found::Edited => repo.write("f", "found"),
        Found::Renamed => fs::rename(repo.path("before"), repo.path("f")).unwrap(),
    }
}

impl Act {
    /// Does it, and says what the user has then, by name.
    fn on(self, repo: &Scratch, content: &str) -> BTreeMap<&'static str, String> {
        let path = repo.path("f");
        let unfiltered = |arguments: &[&str]| {
            let mut all = vec!["-c", "filter.annex.clean="];
            all.extend(arguments);
            repo.git(&all);
        };
        match self {
            Act::Edits => repo.write("f", "mine"),
            Act::Replaces => {
                repo.write("f.part", "mine");
                fs::rename(repo.path("f.part"), &path).unwrap();
            }
            Act::Deletes => fs::remove_file(&path).unwrap(),
            Act::Renames => fs::rename(&path, repo.path("h")).unwrap(),
            Act::MakesADirectory => {
                fs::remove_file(&path).unwrap();
                repo.write("f/inner", "mine");
            }
            Act::MakesItExecutable => repo.set_executable("f"),
            Act::GitAdds => {
                repo.write("f", "mine");
                unfiltered(&["add", "f"]);
            }
            Act::GitCommits => {
                repo.write("f", "mine");
                unfiltered(&["add", "f"]);
                unfiltered(&["commit", "--quiet", "--message=own"]);
            }
            Act::GitMoves => {
                unfiltered(&["add", "f"]);
                unfiltered(&["mv", "f", "h"]);
            }
            Act::GitRemoves => {
                unfiltered(&["add", "f"]);
                unfiltered(&["rm", "--quiet", "--force", "f"]);
            }
        }
        let one = |name, text: &str| BTreeMap::from([(name, text.to_owned())]);
        match self {
            Act::Edits | Act::Replaces | Act::GitAdds | Act::GitCommits => one("f", "mine"),
            Act::Deletes | Act::GitRemoves => BTreeMap::new(),
            Act::Renames | Act::GitMoves => one("h", content),
            Act::MakesADirectory => one("f/inner", "mine"),
            Act::MakesItExecutable => one("f", content),
        }
    }
}

#[test]
fn an_act_between_look_and_commit_counts() {
    for (found, act) in [Found::New, Found::Edited, Found::Renamed]
        .into_iter()
        .flat_map(|found| ACTS.map(|act| (found, act)))
    {
        for (is_large, while_recorded) in [(true, false), (true, true), (false, false)] {
            let told = format!("{found:?}, the user {act:?}, large {is_large}, while it is recorded {while_recorded}");
            let repo = Scratch::new();
            prepare(&repo, found);
            // What makes that something is recorded.
            repo.write("beside", &told);
            let look = repo.look();
            let content = if found == Found::Renamed { "old" } else { "found" };
            let expected = std::sync::Mutex::new(None);
            if !while_recorded {
                *expected.lock().unwrap() = Some(act.on(&repo, content));
            }
            let record = |_: &[Key]| {
                expected.lock().unwrap().get_or_insert_with(|| act.on(&repo, content));
                Ok(())
            };
            let sort = |path: &model::RepoPath| is_large || path.as_bytes() == b"beside";
            repo.ingest_by(look, &sort, &record)
                .unwrap_or_else(|error| panic!("{told}: {error}"));
            let mut rounds = Cell::new(0);
            while !repo.look().is_clean() {
                *rounds.get_mut() += 1;
                assert!(rounds.get() < 5, "{told}: it does not come to rest");
                repo.ingest_deciding(repo.look(), &sort).unwrap();
            }
            let mut expected = expected.into_inner().unwrap().unwrap();
            expected.insert("beside", told.clone());
            let names: Vec<String> = expected.keys().map(ToString::to_string).collect();
            assert_eq!(repo.names(), names, "{told}");
            for (name, text) in expected {
                assert_eq!(fs::read_to_string(repo.path(name)).unwrap(), text, "{told}: {name}");
            }
            repo.check();
        }
    }
}

#[test]
fn a_renamed_file_that_is_changed_after_the_look_waits() {
    let repo = Scratch::new();
    repo.write("before", "old");
    repo.sync();
    fs::rename(repo.path("before"), repo.path("f")).unwrap();
    let look = repo.look();
    repo.write("f", "mine");
    let intake = repo.ingest(look).unwrap();
    assert_eq!(intake.postponed, [(path("f"), Postponed::Changed)]);
}

#[test]
fn a_file_that_has_come_back_is_not_taken_out() {
    let repo = Scratch::new();
    repo.write("f", "old");
    repo.sync();
    fs::remove_file(repo.path("f")).unwrap();
    let look = repo.look();
    repo.write("f", "new");
    let intake = repo.ingest(look).unwrap();
    assert_eq!(intake.postponed, [(path("f"), Postponed::Changed)]);
    assert_eq!(repo.names(), ["f"]);
}

/// `git sparse-checkout` removes the files before the index says that they are left out.
#[test]
fn a_file_that_git_has_left_out_since_the_look_is_not_taken_out() {
    let repo = Scratch::new();
    for name in ["d/a", "e/b"] {
        repo.write(name, name);
    }
    repo.sync();
    fs::remove_file(repo.path("e/b")).unwrap();
    repo.write("d/a", "mine");
    let look = repo.look();
    repo.git(&["update-index", "--skip-worktree", "e/b", "d/a"]);
    let intake = repo.ingest(look).unwrap();
    assert_eq!(intake.postponed.len(), 2, "{:?}", intake.postponed);
    assert!(intake.commit.is_none());
    assert_eq!(repo.names(), ["d/a", "e/b"]);
}

/// Its object is the file itself, and holds what is written into that.
#[test]
fn a_file_that_is_changed_once_it_was_read_waits_and_an_object_that_is_another_does_not_stay() {
    for (unlocked, is_replaced) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut repo = Scratch::new();
        repo.settings.thin = true;
        repo.unlocked = unlocked;
        repo.write("a", "hello");
        repo.write("b", "b");
        let other = repo.folder.path().join("other");
        fs::write(&other, "other").unwrap();
        let set_mode = |file: &Path, mode| fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        let mode = || fs::metadata(repo.path("a")).unwrap().mode() & 0o777;
        set_mode(&other, 0o600);
        set_mode(&repo.path("a"), 0o640);
        // When the second file is asked about, the first has been read.
        let act = |asked: &model::RepoPath| {
            if asked.as_bytes() != b"b" {
                return true;
            }
            if is_replaced {
                fs::rename(&other, repo.path("a")).unwrap();
            } else {
                let protected = mode();
                set_mode(&repo.path("a"), 0o600);
                let mut file = fs::File::options().write(true).open(repo.path("a")).unwrap();
                set_mode(&repo.path("a"), protected);
                file.write_all(b"HELLO").unwrap();
            }
            true
        };
        let intake = repo.ingest_deciding(repo.look(), &act).unwrap();
        let told = format!("unlocked {unlocked}, replaced {is_replaced}");
        assert_eq!(intake.postponed, [(path("a"), Postponed::Changed)], "{told}");
        assert_eq!(repo.annex.store().find(&key(HELLO)).is_some(), is_replaced, "{told}");
        assert_eq!(mode(), if is_replaced { 0o600 } else { 0o640 }, "{told}");
    }
}

/// The object of both was the first one.
#[test]
fn a_file_with_the_content_of_one_that_is_changed_meanwhile_waits_and_is_taken_in_next() {
    let mut repo = Scratch::new();
    repo.settings.thin = true;
    for name in ["a", "b"] {
        repo.write(name, "hello");
    }
    let changed = repo.path("a");
    let look = repo.look();
    // When the objects have their names.
    told::before_next_directory(move || {
        let mut file = fs::File::options().write(true).open(changed).unwrap();
        file.write_all(b"HELLO").unwrap();
    });
    let intake = repo.ingest(look).unwrap();
    let waits = [path("a"), path("b")].map(|path| (path, Postponed::Changed));
    assert_eq!(intake.postponed, waits);
    assert_eq!(intake.keys_added, []);
    repo.sync();
    for (name, content) in [("a", "HELLO"), ("b", "hello")] {
        assert_eq!(fs::read_to_string(repo.path(name)).unwrap(), content);
    }
    assert!(repo.annex.store().is_present(&key(HELLO)));
    assert!(repo.look().is_clean());
}

/// It stays where anybody may change it, and must not be the object meanwhile.
#[test]
fn a_locked_file_that_cannot_be_replaced_is_no_object() {
    let mut repo = Scratch::new();
    repo.unlocked = false;
    repo.write("a", "hello");
    repo.write("b", "b");
    let bound = std::sync::Mutex::new(None);
    let act = |asked: &model::RepoPath| {
        if asked.as_bytes() == b"b" {
            *bound.lock().unwrap() = Some(Bound::mount(&repo.path("a"), repo.path("a")));
        }
        true
    };
    let intake = repo.ingest_deciding(repo.look(), &act).unwrap();
    let Some(bound) = bound.into_inner().unwrap().unwrap() else {
        return;
    };
    assert!(
        matches!(&intake.postponed[..], [(_, Postponed::NotStored(_))]),
        "{:?}",
        intake.postponed
    );
    assert!(repo.annex.store().find(&key(HELLO)).is_none());
    assert_eq!(intake.keys_added.len(), 1, "{:?}", intake.keys_added);
    drop(bound);
    repo.sync();
    assert!(repo.path("a").is_symlink());
    assert_eq!(fs::read_to_string(repo.path("a")).unwrap(), "hello");
    repo.check();
}

#[test]
fn no_file_is_replaced_by_an_object_that_another_file_may_change() {
    let mut repo = Scratch::new();
    repo.unlocked = false;
    repo.write("seed", "hello");
    repo.sync();
    fs::remove_file(repo.path("seed")).unwrap();
    repo.write("a", "hello");
    fs::hard_link(repo.annex.store().find(&key(HELLO)).unwrap(), repo.path("b")).unwrap();
    let bound = std::sync::Mutex::new(None);
    let act = |asked: &model::RepoPath| {
        if asked.as_bytes() == b"b" {
            *bound.lock().unwrap() = Some(Bound::mount(&repo.path("b"), repo.path("b")));
        }
        true
    };
    let intake = repo.ingest_deciding(repo.look(), &act).unwrap();
    let Some(_bound) = bound.into_inner().unwrap().unwrap() else {
        return;
    };
    assert_eq!(intake.postponed.len(), 2, "{:?}", intake.postponed);
    assert!(!repo.path("a").is_symlink());
    assert_eq!(fs::read_to_string(repo.path("a")).unwrap(), "hello");
}
