//! What the user says of single contents: which goes next, and which is stopped for now.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use whole_system::clones::{Actor, connect_both};
use whole_system::skip::needs_paths;
use whole_system::{Chance, Engine, PATIENCE, Sandbox, ask, checks, eventually, run, trees};

/// Two clones that know each other; the first sends a million bytes a second.
fn two_clones(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "first");
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    run(&mut sandbox.git(&first, ["config", "annex.bwlimit-upload", "1mb"]));
    (first, second)
}

fn film(folder: &Path, name: &str, seed: u64, megabytes: usize) {
    fs::write(folder.join(name), Chance::from_seed(seed).bytes(megabytes << 20)).unwrap();
}

/// What is replied to a command, by its name.
fn told(folder: &Path, command: &Value, reply: &str) -> Value {
    let line = ask(folder, &command.to_string());
    let mut told: Value = serde_json::from_str(&line).unwrap();
    assert!(told.get(reply).is_some(), "{command}: {told}");
    told[reply].take()
}

fn status(folder: &Path) -> Value {
    told(folder, &json!("status"), "status")
}

/// What is under way, with the names of the transfers.
fn moving(folder: &Path) -> BTreeMap<String, String> {
    let status = status(folder);
    let all = status["transfers"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|one| (text(&one["what"]), text(&one["id"]))).collect()
}

/// Waits until exactly these are under way.
#[track_caller]
fn are_moving(folder: &Path, names: &[&str]) {
    eventually(PATIENCE, || {
        let moving = moving(folder);
        let is_so = moving.keys().eq(names);
        if is_so {
            Ok(())
        } else {
            Err(format!("{moving:?} is under way, not {names:?}"))
        }
    });
}

/// Waits until so many files are known to be wanted by the other clone.
#[track_caller]
fn are_wanted(folder: &Path, count: u64) {
    eventually(PATIENCE, || {
        let status = status(folder);
        let wants = &status["places"][0]["wants"];
        if *wants == count {
            Ok(())
        } else {
            Err(format!("{wants} are wanted, not {count}"))
        }
    });
}

fn put_first(folder: &Path, name: &str, reply: &str) -> String {
    let command = json!({"first": {"path": hex::encode(name), "place": "second"}});
    told(folder, &command, reply).as_str().unwrap().to_owned()
}

#[test]
fn the_next_overtakes_and_what_is_cancelled_waits_until_a_sync() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    film(&first, "large.mkv", 9, 40);
    are_moving(&first, &["large.mkv"]);
    // The youngest would be the next.
    for number in 0..4 {
        film(&first, &format!("film{number}.mkv"), number, 2);
        are_wanted(&first, number + 2);
    }
    assert_eq!(put_first(&first, "film0.mkv", "said"), "it is the next to go to second");
    are_moving(&first, &["film0.mkv", "large.mkv"]);
    put_first(&first, "film1.mkv", "said");
    are_moving(&first, &["film1.mkv", "large.mkv"]);

    let cancel = json!({"cancel": {"transfer": moving(&first)["large.mkv"]}});
    assert_eq!(ask(&first, &cancel.to_string()).trim_end(), "\"done\"");
    eventually(Duration::from_secs(1), || match moving(&first) {
        moving if moving.contains_key("large.mkv") => Err("it goes on"),
        _ => Ok(()),
    });
    let why = told(&first, &cancel, "refused");
    assert!(why.as_str().unwrap().contains("has ended already"), "{why}");
    let kept = trees::files(&second.join(".git/annex/tmp"));
    let lengths = kept
        .iter()
        .map(|path| second.join(".git/annex/tmp").join(path).metadata().unwrap().len());
    let kept = lengths.max().unwrap();
    assert!(kept > 0, "what has arrived is kept");

    // The rest goes on, and nobody is told that all is well.
    eventually(PATIENCE * 2, || match status(&first) {
        status if status["state"] == "waiting" && status["places"][0]["wants"] == 1 => Ok(()),
        status => Err(status.to_string()),
    });
    assert!(moving(&first).is_empty());
    let waits = status(&first);
    assert_eq!(waits["places"][0]["held"]["files"], 1, "{waits}");
    let words = "1 file left to copy to second: it was cancelled and resumes within an hour";
    assert!(waits["waiting"][0].as_str().unwrap().starts_with(words), "{waits}");
    let why = told(&first, &json!({"why": {"path": hex::encode("large.mkv")}}), "why");
    let reason = why["missing"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("it was cancelled; it resumes in "), "{why}");

    run(&mut sandbox.git(&first, ["config", "--unset", "annex.bwlimit-upload"]));
    let synced = told(&first, &json!("sync"), "status");
    assert_eq!(
        (&synced["state"], &synced["places"][0]["held"]),
        (&json!("safe"), &Value::Null)
    );
    trees::same(&[&first, &second]).unwrap();
    engine.stop();
    checks::assert_whole(&sandbox, &second);
}

#[test]
fn what_waits_for_a_place_that_is_away_goes_first_when_it_is_back() {
    if !needs_paths() {
        return;
    }
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    eventually(PATIENCE, || match &status(&first)["places"][0]["contact"] {
        contact if contact == "here" => Ok(()),
        contact => Err(contact.to_string()),
    });
    let elsewhere = sandbox.path("elsewhere");
    fs::rename(&second, &elsewhere).unwrap();
    for number in 0..3 {
        film(&first, &format!("film{number}.mkv"), number, 2);
        are_wanted(&first, number + 1);
    }
    eventually(PATIENCE, || match &status(&first)["places"][0]["contact"] {
        contact if contact["away"].is_string() => Ok(()),
        contact => Err(contact.to_string()),
    });
    let said = put_first(&first, "film0.mkv", "said");
    assert!(
        said.contains("once that is connected, unless Anabranch is stopped before"),
        "{said}"
    );
    assert_eq!(
        put_first(&first, "film9.mkv", "refused"),
        "film9.mkv has no content in the annex, as of the last scan"
    );
    fs::rename(&elsewhere, &second).unwrap();
    are_moving(&first, &["film0.mkv"]);
    run(&mut sandbox.git(&first, ["config", "--unset", "annex.bwlimit-upload"]));
    eventually(PATIENCE * 2, || trees::same(&[&first, &second]));
    engine.stop();
    checks::assert_whole(&sandbox, &second);
}
