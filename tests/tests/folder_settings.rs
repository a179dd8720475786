//! What git and git-annex are told of a folder: set here or elsewhere, all agree; and when places were last checked.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use whole_system::asking::status;
use whole_system::clones::{Actor, connect_both};
use whole_system::skip::needs_git_annex;
use whole_system::{Engine, Sandbox, ask, attempt, checks, eventually, run, trees};

const SOON: Duration = Duration::from_secs(20);

/// Two clones with a file that both have; only the first has an engine.
fn two_clones(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "first");
    fs::write(first.join("letter"), "Dear all,\n").unwrap();
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    Actor::Anabranch.sync(sandbox, &first);
    trees::same(&[&first, &second]).unwrap();
    (first, second)
}

fn asked(folder: &Path, command: &Value) -> Value {
    serde_json::from_str(&ask(folder, &command.to_string())).unwrap()
}

fn set(folder: &Path, setting: &Value) -> Value {
    asked(folder, &json!({"set-folder": {"setting": setting}}))
}

fn annex(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> String {
    run(&mut sandbox.git(folder, [&["annex"], arguments].concat()))
}

/// Waits until this part of what is told of the folder is so.
#[track_caller]
fn is_told(sandbox: &Sandbox, folder: &Path, pointer: &str, wanted: &Value) {
    eventually(SOON, || match status(sandbox, folder)?.pointer(pointer) {
        Some(found) if found == wanted => Ok(()),
        found => Err(format!("{pointer}: {found:?}")),
    });
}

fn here(value: &str) -> Value {
    json!({"value": value, "origin": "here"})
}

#[test]
fn the_users_own_attributes_hold_where_git_looks_for_them() {
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    let own = sandbox.path("home/.config/git/attributes");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "*.md annex.largefiles=nothing\n").unwrap();
    fs::write(first.join("note.md"), "a note\n").unwrap();
    fs::write(first.join("photo"), "a photo\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let stored = |name: &str| run(&mut sandbox.git(&first, ["show", &format!("HEAD:{name}")]));
    assert_eq!(stored("note.md"), "a note\n");
    assert!(stored("photo").contains("annex"), "{}", stored("photo"));
}

#[test]
fn copies_are_set_here_and_elsewhere_and_both_agree() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    is_told(
        &sandbox,
        &first,
        "/settings/copies",
        &json!({"value": "1", "origin": "default"}),
    );

    assert_eq!(set(&first, &json!({"copies": 3})), "done");
    // At once, in all that is told of it.
    let folder = status(&sandbox, &first).unwrap();
    assert_eq!(
        (&folder["settings"]["copies"], &folder["few_copies"]),
        (&here("3"), &json!(1))
    );
    let few = json!({"files": {"which": "few-copies", "skip": 0, "count": 10}});
    assert_eq!(asked(&first, &few)["files"]["total"], 1);
    assert_eq!(annex(&sandbox, &first, &["numcopies"]).trim(), "3");
    assert!(annex(&sandbox, &first, &["find", "--lackingcopies=1"]).contains("letter"));
    // It is the same for all clones.
    eventually(SOON, || match annex(&sandbox, &second, &["numcopies"]).trim() {
        "3" => Ok(()),
        other => Err(other.to_owned()),
    });

    // And from there.
    annex(&sandbox, &second, &["numcopies", "2"]);
    is_told(&sandbox, &first, "/settings/copies", &here("2"));
    is_told(&sandbox, &first, "/few_copies", &json!(0));
    assert_eq!(asked(&first, &few)["files"]["total"], 0);

    let refused = set(&first, &json!({"copies": 0}));
    assert!(
        refused["refused"].as_str().unwrap().contains("nothing was changed"),
        "{refused}"
    );
    assert!(set(&first, &json!({"copies": "many"}))["refused"].is_string());
    assert_eq!(annex(&sandbox, &first, &["numcopies"]).trim(), "2");
    engine.stop();
    checks::assert_whole(&sandbox, &first);
}

#[test]
fn copies_of_an_old_fashioned_configuration_are_heeded() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, _) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    run(&mut sandbox.git(&first, ["config", "annex.numcopies", "4"]));
    is_told(&sandbox, &first, "/few_copies", &json!(1));
    is_told(
        &sandbox,
        &first,
        "/settings/copies",
        &json!({"value": "4", "origin": {"weaker": "annex.numcopies in .git/config, for this clone only"}}),
    );
    let check = attempt(&mut sandbox.git(&first, ["annex", "fsck", "letter"]));
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(said.contains("Only 2 of 4 trustworthy copies"), "{said}");
    engine.stop();
}

#[test]
fn the_reserve_is_set_here_and_by_git_and_is_obeyed_at_once() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let config = first.join(".git/config");
    let remark = "# mine\n[alias]\n\tst = status\n";
    fs::write(&config, remark.to_owned() + &fs::read_to_string(&config).unwrap()).unwrap();
    let engine = Engine::start(&sandbox, &[&first]);
    let git = |arguments: &[&str]| run(&mut sandbox.git(&first, [&["config"], arguments].concat()));
    git(&["annex.diskreserve", "7 MB"]);
    is_told(&sandbox, &first, "/settings/reserve", &here("7 MB"));

    // More than any disk has: nothing can come here now.
    assert_eq!(set(&first, &json!({"reserve": "900 PB"})), "done");
    assert_eq!(status(&sandbox, &first).unwrap()["settings"]["reserve"], here("900 PB"));
    assert_eq!(git(&["annex.diskreserve"]), "900 PB\n");
    assert!(fs::read_to_string(&config).unwrap().starts_with(remark));
    fs::write(second.join("news"), "It is here.\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &second);
    is_told(&sandbox, &first, "/full", &json!([first.to_str().unwrap()]));
    assert_ne!(
        fs::read_to_string(first.join("news")).unwrap_or_default(),
        "It is here.\n"
    );

    // What is refused changes nothing.
    let refused = set(&first, &json!({"reserve": "1,5 GB"}));
    assert!(refused["refused"].as_str().unwrap().contains("not a size"), "{refused}");
    assert_eq!(git(&["annex.diskreserve"]), "900 PB\n");

    // Without waiting for the next try of what did not fit.
    assert_eq!(set(&first, &json!({"reserve": null})), "done");
    eventually(SOON, || trees::same(&[&first, &second]));
    is_told(&sandbox, &first, "/full", &json!([]));
    is_told(
        &sandbox,
        &first,
        "/settings/reserve",
        &json!({"value": "100 MB", "origin": "default"}),
    );
    git(&["--global", "annex.diskreserve", "2 MB"]);
    // git's settings of the user are read with those of the folder.
    git(&["annex.x", "y"]);
    let place = "your settings of git (git config --global)";
    is_told(
        &sandbox,
        &first,
        "/settings/reserve",
        &json!({"value": "2 MB", "origin": {"weaker": place}}),
    );
    engine.stop();
}

#[test]
fn new_files_are_added_as_it_is_set() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(set(&first, &json!({"unlocked": false})), "done");
    fs::write(first.join("locked"), "locked").unwrap();
    eventually(SOON, || match first.join("locked").is_symlink() {
        true => Ok(()),
        false => Err("no link"),
    });
    run(&mut sandbox.git(&first, ["config", "annex.addunlocked", "include=*.txt"]));
    is_told(&sandbox, &first, "/settings/unlocked", &here("include=*.txt"));
    assert_eq!(set(&first, &json!({"unlocked": true})), "done");
    is_told(&sandbox, &first, "/settings/unlocked", &here("true"));
    fs::write(first.join("unlocked"), "unlocked").unwrap();
    eventually(SOON, || trees::same(&[&first, &second]));
    assert!(!first.join("unlocked").is_symlink());
    engine.stop();
}

#[test]
fn a_check_by_git_annex_is_told_with_its_time() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    let why = json!({"why": {"path": hex::encode("letter")}});
    let checked = || -> Vec<(String, Option<u64>)> {
        let have = asked(&first, &why)["why"]["have"].clone();
        let one = |one: &Value| (one["place"].as_str().unwrap().to_owned(), one["checked"].as_u64());
        have.as_array().unwrap().iter().map(one).collect()
    };
    let is_known = || checked().into_iter().filter(|(_, at)| at.is_some()).count();
    assert_eq!((checked().len(), is_known()), (2, 0));
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // Of this clone, and of the other through it.
    annex(&sandbox, &first, &["fsck", "--quiet", "letter"]);
    eventually(SOON, || match is_known() {
        1 => Ok(()),
        _ => Err(format!("{:?}", checked())),
    });
    annex(&sandbox, &first, &["fsck", "--quiet", "--fast", "--from", "second"]);
    eventually(SOON, || match is_known() {
        2 => Ok(()),
        _ => Err(format!("{:?}", checked())),
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (place, at) in checked() {
        assert!(at.is_some_and(|at| (before..=now).contains(&at)), "{place}: {at:?}");
    }
    let folder = status(&sandbox, &first).unwrap();
    assert!(folder["places"][0]["checked"].is_u64(), "{folder}");
    engine.stop();
    checks::assert_whole(&sandbox, &second);
}
