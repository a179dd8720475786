//! Who did what: told of all clones, by git's history, whoever committed, and after a restart as before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use whole_system::clones::{Actor, connect_both};
use whole_system::skip::needs_git_annex;
use whole_system::{Engine, Sandbox, ask, eventually, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// A part of who did what, and where to go on.
fn activity(folder: &Path, skip: u64, count: u64) -> (Vec<Value>, Option<u64>) {
    let command = json!({"activity": {"skip": skip, "count": count}});
    let reply: Value = serde_json::from_str(&ask(folder, &command.to_string())).unwrap();
    let deeds = reply["activity"]["deeds"].as_array();
    let deeds = deeds.unwrap_or_else(|| panic!("{reply}")).clone();
    (deeds, reply["activity"]["next"].as_u64())
}

/// Waits until it is told that somebody did this to a file.
#[track_caller]
fn is_told(folder: &Path, who: &str, what: &str, name: &str) {
    eventually(PATIENCE, || {
        let (deeds, _) = activity(folder, 0, 100);
        let is_told = |deed: &Value| {
            deed["who"] == who && deed[what] == 1 && deed["names"] == json!([{"shown": name, "bytes": hex(name)}])
        };
        if deeds.iter().any(is_told) {
            Ok(())
        } else {
            Err(format!("{deeds:?}"))
        }
    });
}

fn hex(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_each_clone_did_is_told_in_the_other() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    fs::write(first.join("a.txt"), "a").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    connect_both(&sandbox, &first, &second);
    for (clone, who) in [(&first, "laptop"), (&second, "desk")] {
        run(&mut sandbox.git(clone, ["config", "user.name", who]));
    }
    let engine = Engine::start(&sandbox, &[&first]);
    fs::write(second.join("b.txt"), "b").unwrap();
    Actor::Anabranch.sync(&sandbox, &second);
    is_told(&first, "desk", "added", "b.txt");
    fs::rename(first.join("a.txt"), first.join("c.txt")).unwrap();
    is_told(&first, "laptop", "renamed", "c.txt");
    fs::write(second.join("d.txt"), "d").unwrap();
    Actor::GitAnnex.sync(&sandbox, &second);
    is_told(&first, "desk", "added", "d.txt");

    // What only happened here is told beside it, until the engine stops.
    fs::write(first.join("e.txt"), "e").unwrap();
    is_told(&first, "laptop", "added", "e.txt");
    eventually(PATIENCE, || {
        let status = ask(&first, r#""status""#);
        if status.contains("sent 1 file to second") {
            Ok(())
        } else {
            Err(status)
        }
    });
    let (before, end) = activity(&first, 0, 100);
    assert_eq!(end, None);
    engine.stop();
    let engine = Engine::start(&sandbox, &[&first]);
    assert!(!ask(&first, r#""status""#).contains("sent 1 file"));
    let (mut parts, mut next) = (Vec::new(), Some(0));
    while let Some(skip) = next {
        let (part, after) = activity(&first, skip, 2);
        parts.extend(part);
        next = after;
    }
    assert_eq!(parts, before);
    engine.stop();
}
