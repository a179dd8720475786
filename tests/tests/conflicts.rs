//! A file that was changed in two places at once: both versions are listed, and each way to resolve the conflict reaches
//! all clones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use whole_system::clones::{Actor, connect_both};
use whole_system::edits::save;
use whole_system::skip::needs_git_annex;
use whole_system::{Engine, Sandbox, ask, checks, eventually, run, trees};

const NAME: &str = "album/photo.jpg";

/// Two clones that are up to date, one of `laptop` and one of `desk`.
fn in_step(sandbox: &Sandbox, is_unlocked: bool) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "first");
    run(&mut sandbox.git(&first, ["config", "annex.addunlocked", &is_unlocked.to_string()]));
    save(&first, NAME, "as it was");
    fs::write(first.join("other"), "something else").unwrap();
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    for (clone, who) in [(&first, "laptop"), (&second, "desk")] {
        run(&mut sandbox.git(clone, ["config", "user.name", who]));
        run(&mut sandbox.git(clone, ["config", "annex.addunlocked", &is_unlocked.to_string()]));
    }
    Actor::Anabranch.sync(sandbox, &second);
    (first, second)
}

/// Two clones in which the same file was changed, and that have merged.
fn in_conflict(sandbox: &Sandbox, is_unlocked: bool) -> (PathBuf, PathBuf) {
    let (first, second) = in_step(sandbox, is_unlocked);
    save(&first, NAME, "as the laptop has it");
    save(&second, NAME, "as the desk has it");
    for clone in [&first, &second, &first, &second] {
        Actor::Anabranch.sync(sandbox, clone);
    }
    assert!(!first.join(NAME).exists());
    (first, second)
}

fn conflicts(folder: &Path) -> Vec<Value> {
    let reply: Value = serde_json::from_str(&ask(folder, r#""conflicts""#)).unwrap();
    reply["conflicts"]
        .as_array()
        .unwrap_or_else(|| panic!("{reply}"))
        .clone()
}

fn resolve(folder: &Path, path: &Value, keep: &Value) -> Value {
    let command = json!({"resolve": {"path": path, "keep": keep}});
    serde_json::from_str(&ask(folder, &command.to_string())).unwrap()
}

/// To keep this version.
fn one(version: &Value) -> Value {
    json!({"one": version["path"]["bytes"]})
}

fn reopen(folder: &Path, path: &Value) -> Value {
    serde_json::from_str(&ask(folder, &json!({"reopen": {"path": path}}).to_string())).unwrap()
}

/// The files of the album, with what they say.
fn album(clone: &Path) -> BTreeSet<(String, String)> {
    // A directory goes with its last file.
    let listed = fs::read_dir(clone.join("album")).into_iter().flatten();
    listed
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect()
}

/// So many conflicts are left in the first, and all is committed; git-annex takes it to the second, and finds nothing wrong
/// anywhere.
fn agree(sandbox: &Sandbox, engine: Engine, first: &Path, second: &Path, left: usize) {
    eventually(Duration::from_secs(30), || match conflicts(first) {
        found if found.len() == left => checks::is_clean(sandbox, first),
        other => Err(format!("{other:?}")),
    });
    engine.stop();
    for clone in [second, first] {
        Actor::GitAnnex.sync(sandbox, clone);
    }
    trees::same(&[first, second]).unwrap();
    checks::same_commit_tree(sandbox, &[first, second]).unwrap();
    for clone in [first, second] {
        checks::assert_whole(sandbox, clone);
        checks::assert_copies(sandbox, clone, 2);
    }
}

fn one_is_kept(is_unlocked: bool) {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, second) = in_conflict(&sandbox, is_unlocked);
    let engine = Engine::start(&sandbox, &[&first]);
    let all = conflicts(&first);
    assert_eq!(all.len(), 1, "{all:?}");
    let conflict = &all[0];
    assert_eq!(conflict["path"]["shown"], NAME);
    let versions = conflict["versions"].as_array().unwrap();
    let told = |version: &Value| {
        assert_eq!(version["is_here"], true, "{version}");
        assert!(version["at"].as_u64().is_some_and(|at| at > 1_700_000_000), "{version}");
        (
            version["who"].as_str().unwrap().to_owned(),
            version["bytes"].as_u64().unwrap(),
        )
    };
    let versions_told: BTreeSet<_> = versions.iter().map(told).collect();
    assert_eq!(
        versions_told,
        BTreeSet::from([("laptop".into(), 20), ("desk".into(), 18)])
    );

    let desk = versions.iter().find(|version| version["who"] == "desk").unwrap();
    assert_eq!(resolve(&first, &conflict["path"]["bytes"], &one(desk)), "done");
    assert_eq!(conflicts(&first), Vec::<Value>::new(), "it is gone at once");
    let kept = BTreeSet::from([("photo.jpg".to_owned(), "as the desk has it".to_owned())]);
    assert_eq!(album(&first), kept);
    agree(&sandbox, engine, &first, &second, 0);
    assert_eq!(album(&second), kept);
    let is_link = fs::symlink_metadata(first.join(NAME)).unwrap().is_symlink();
    assert_eq!(is_link, !is_unlocked);

    // Taken back, all is as it was, here and everywhere.
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(reopen(&first, &conflict["path"]["bytes"]), "done");
    let both = BTreeSet::from(["as the desk has it", "as the laptop has it"].map(str::to_owned));
    let texts = |clone: &Path| album(clone).into_iter().map(|(_, text)| text).collect::<BTreeSet<_>>();
    assert_eq!(texts(&first), both);
    assert_eq!(conflicts(&first)[0]["versions"], conflict["versions"]);
    agree(&sandbox, engine, &first, &second, 1);
    assert_eq!(texts(&second), both);
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(resolve(&first, &conflict["path"]["bytes"], &one(desk)), "done");
    agree(&sandbox, engine, &first, &second, 0);
    assert_eq!(album(&second), kept);

    // What was not kept is still in the history, with its content: brought back as anybody would.
    let laptop = versions.iter().find(|version| version["who"] == "laptop").unwrap();
    let name = laptop["path"]["shown"].as_str().unwrap();
    let last = run(&mut sandbox.git(&first, ["rev-list", "-n", "1", "HEAD", "--", name]));
    run(&mut sandbox.git(
        &first,
        ["checkout", "--quiet", &format!("{}^", last.trim()), "--", name],
    ));
    assert_eq!(fs::read_to_string(first.join(name)).unwrap(), "as the laptop has it");
}

#[test]
fn one_version_is_kept_of_unlocked_files() {
    one_is_kept(true);
}

#[test]
fn one_version_is_kept_of_locked_files() {
    one_is_kept(false);
}

fn all_are_kept(is_unlocked: bool) {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, second) = in_conflict(&sandbox, is_unlocked);
    let engine = Engine::start(&sandbox, &[&first]);
    let conflict = conflicts(&first).remove(0);
    assert_eq!(resolve(&first, &conflict["path"]["bytes"], &json!("all")), "done");
    agree(&sandbox, engine, &first, &second, 0);
    let kept: Vec<(String, String)> = album(&second).into_iter().collect();
    for ((name, text), who) in kept.iter().zip(["desk", "laptop"]) {
        assert!(
            name.starts_with(&format!("photo (from {who}, 2")) && name.ends_with(").jpg"),
            "{name}"
        );
        assert_eq!(*text, format!("as the {who} has it"));
    }
    assert_eq!(kept.len(), 2);
}

#[test]
fn all_versions_are_kept_of_unlocked_files() {
    all_are_kept(true);
}

#[test]
fn all_versions_are_kept_of_locked_files() {
    all_are_kept(false);
}

/// Changed at one place and deleted at the other: it is kept under a name of its own, and gets its own back or goes.
#[test]
fn a_file_that_was_deleted_elsewhere_is_kept_or_goes() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, second) = in_step(&sandbox, true);
    fs::remove_file(first.join(NAME)).unwrap();
    save(&second, NAME, "as the desk has it");
    for clone in [&first, &second, &first] {
        Actor::Anabranch.sync(&sandbox, clone);
    }
    for (keep, left) in [("all", Some("photo.jpg")), ("nothing", None)] {
        let engine = Engine::start(&sandbox, &[&first]);
        let conflict = conflicts(&first).remove(0);
        assert_eq!(conflict["path"]["shown"], NAME);
        let [version] = conflict["versions"].as_array().unwrap().as_slice() else {
            panic!("{conflict}")
        };
        assert_eq!(version["who"], "desk");
        assert_eq!(resolve(&first, &conflict["path"]["bytes"], &json!(keep)), "done");
        agree(&sandbox, engine, &first, &second, 0);
        let left = left.map(|name| (name.to_owned(), "as the desk has it".to_owned()));
        assert_eq!(album(&second), BTreeSet::from_iter(left));
        if keep == "all" {
            let engine = Engine::start(&sandbox, &[&first]);
            assert_eq!(reopen(&first, &conflict["path"]["bytes"]), "done");
            agree(&sandbox, engine, &first, &second, 1);
        }
    }
}

/// Somebody works on: nothing of that is taken for what was decided about.
#[test]
fn what_changed_meanwhile_is_left_alone() {
    let sandbox = Sandbox::new();
    let (first, _) = in_conflict(&sandbox, true);
    let engine = Engine::start(&sandbox, &[&first]);
    let conflict = conflicts(&first).remove(0);
    let (path, versions) = (&conflict["path"]["bytes"], conflict["versions"].as_array().unwrap());
    // The name is taken by another file, which somebody is still writing: it is not committed.
    let _being_written = fs::File::create(first.join(NAME)).unwrap();
    let before = album(&first);
    let refused = resolve(&first, path, &one(&versions[0]));
    let why = refused["refused"].as_str().unwrap_or_else(|| panic!("{refused}"));
    assert!(why.contains("another file with the name album/photo.jpg"), "{why}");
    let refused = resolve(&first, path, &json!({"one": hex::encode("other")}));
    assert!(
        refused["refused"].as_str().unwrap().contains("not one of the versions"),
        "{refused}"
    );
    let refused = resolve(&first, &json!(hex::encode("other")), &json!("all"));
    assert!(
        refused["refused"].as_str().unwrap().contains("resolved already"),
        "{refused}"
    );
    let refused = resolve(&first, &json!("2e2e"), &json!("all"));
    assert!(
        refused["refused"].as_str().unwrap().contains("no path inside"),
        "{refused}"
    );
    assert_eq!(album(&first), before);
    engine.stop();
}
