//! The rules of a folder: what may travel to and from a place, by directory and direction.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use whole_system::asking::status;
use whole_system::clones::{Actor, connect_both};
use whole_system::edits::save;
use whole_system::{Chance, Engine, Sandbox, ask, attempt, checks, eventually, run, trees};

/// What came across: names each way, and contents each way, in `raw` and elsewhere.
#[derive(Debug, PartialEq, Eq)]
struct Crossed {
    names: [bool; 2],
    up: [bool; 2],
    down: [bool; 2],
}

const ALL: [bool; 2] = [true, true];
const NONE: [bool; 2] = [false, false];
/// Elsewhere, not in `raw`.
const ELSEWHERE: [bool; 2] = [false, true];

fn set_rules(folder: &Path, rules: &str) {
    save(folder, ".git/anabranch/policy.toml", rules);
}

fn two_clones(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "first");
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    (first, second)
}

/// Two clones with files of their own meet; only the first has an engine, with these rules.
fn meet(rules: &str) -> Crossed {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    for (clone, name) in [(&first, "up"), (&second, "down")] {
        for directory in ["raw", "other"] {
            fs::create_dir_all(clone.join(directory)).unwrap();
            fs::write(clone.join(directory).join(name), format!("{directory} {name}")).unwrap();
        }
    }
    // The second commits what it has and does nothing else.
    set_rules(&second, "[[rule]]\nallow = \"nothing\"\n");
    Actor::Anabranch.sync(&sandbox, &second);
    assert!(!first.join("raw/down").exists());
    set_rules(&first, rules);
    for _ in 0..2 {
        Actor::Anabranch.sync(&sandbox, &first);
    }
    let has_name = |clone: &Path, name: &str| {
        let tree = run(&mut sandbox.git(clone, ["ls-tree", "-r", "--name-only", "HEAD"]));
        tree.lines().any(|line| line == name)
    };
    let has_content = |clone: &Path, name: &str| {
        ["raw", "other"].map(|directory| {
            let content = fs::read_to_string(clone.join(directory).join(name)).unwrap_or_default();
            content == format!("{directory} {name}")
        })
    };
    for clone in [&first, &second] {
        checks::is_clean(&sandbox, clone).unwrap();
    }
    Crossed {
        names: [has_name(&second, "raw/up"), has_name(&first, "raw/down")],
        up: has_content(&second, "up"),
        down: has_content(&first, "down"),
    }
}

fn crossed(names: [bool; 2], up: [bool; 2], down: [bool; 2]) -> Crossed {
    Crossed { names, up, down }
}

#[test]
fn without_rules_everything_crosses() {
    assert_eq!(meet(""), crossed(ALL, ALL, ALL));
}

#[test]
fn everything_of_a_directory_crosses_where_the_folder_is_held_back() {
    let rules = "[[rule]]\nallow = \"git-only\"\n[[rule]]\nplace = \"second\"\ndirectory = \"other\"\n\
                 allow = \"everything\"\n";
    assert_eq!(meet(rules), crossed(ALL, ELSEWHERE, ELSEWHERE));
}

#[test]
fn git_only_lets_names_cross() {
    assert_eq!(meet("[[rule]]\nallow = \"git-only\"\n"), crossed(ALL, NONE, NONE));
    let raw = "[[rule]]\ndirectory = \"raw\"\nallow = \"git-only\"\n";
    assert_eq!(meet(raw), crossed(ALL, ELSEWHERE, ELSEWHERE));
}

#[test]
fn content_up_lets_contents_go() {
    let whole = "[[rule]]\nplace = \"second\"\nallow = \"content-up\"\n";
    assert_eq!(meet(whole), crossed(ALL, ALL, NONE));
    let raw = "[[rule]]\ndirectory = \"raw\"\nallow = \"content-up\"\n";
    assert_eq!(meet(raw), crossed(ALL, ALL, ELSEWHERE));
}

#[test]
fn content_down_lets_contents_come() {
    let whole = "[[rule]]\nallow = \"content-down\"\n";
    assert_eq!(meet(whole), crossed(ALL, NONE, ALL));
    let raw = "[[rule]]\nplace = \"second\"\ndirectory = \"raw\"\nallow = \"content-down\"\n";
    assert_eq!(meet(raw), crossed(ALL, ELSEWHERE, ALL));
}

#[test]
fn nothing_lets_nothing_cross() {
    let whole = "[[rule]]\nplace = \"second\"\nallow = \"nothing\"\n";
    assert_eq!(meet(whole), crossed(NONE, NONE, NONE));
    // Names travel as whole commits.
    let raw = "[[rule]]\ndirectory = \"raw\"\nallow = \"nothing\"\n";
    assert_eq!(meet(raw), crossed(ALL, ELSEWHERE, ELSEWHERE));
    let another = "[[rule]]\nplace = \"third\"\nallow = \"nothing\"\n";
    assert_eq!(meet(another), crossed(ALL, ALL, ALL));
}

/// A new rule stops what it forbids within a second, also in the middle; taken back, it goes on.
#[test]
fn a_new_rule_stops_a_transfer_under_way() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let engine = Engine::start(&sandbox, &[&first]);
    // Slow enough that the rule comes in the middle of it on any machine.
    run(&mut sandbox.git(&first, ["config", "annex.bwlimit-upload", "4mb"]));
    let film = Chance::from_seed(7).bytes(64 << 20);
    fs::write(first.join("film"), &film).unwrap();
    let partial = second.join(".git/annex/tmp");
    let arriving = || {
        trees::files(&partial)
            .iter()
            .map(|path| size(&partial.join(path)))
            .sum::<u64>()
    };
    eventually(Duration::from_secs(60), || match arriving() {
        0 => Err("nothing arrives"),
        _ => Ok(()),
    });
    set_rules(&first, "[[rule]]\ndirectory = \"film\"\nallow = \"git-only\"\n");
    let told_at = Instant::now();
    eventually(Duration::from_secs(1), || match status(&sandbox, &first)? {
        folder if folder["transfers"] == json!([]) && folder["state"] == "safe" => Ok(()),
        folder => Err(folder.to_string()),
    });
    let came = arriving();
    assert!(
        came > 0 && came < 64 << 20,
        "{came} bytes after {:?}",
        told_at.elapsed()
    );
    let why = run(sandbox.anabranch(["why"]).arg(first.join("film")));
    assert!(why.contains("a rule keeps it from second"), "{why}");
    assert_ne!(size(&second.join("film")), 64 << 20);

    run(&mut sandbox.git(&first, ["config", "--unset", "annex.bwlimit-upload"]));
    fs::remove_file(first.join(".git/anabranch/policy.toml")).unwrap();
    eventually(Duration::from_secs(60), || trees::same(&[&first, &second]));
    engine.stop();
    checks::assert_whole(&sandbox, &second);
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// While the rules cannot be read no content moves, and it is told which line is wrong.
#[test]
fn rules_with_a_mistake_hold_contents_back_and_are_told() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    fs::write(first.join("letter"), "Dear all,\n").unwrap();
    set_rules(&first, "[[rule]]\nallow = \"evrything\"\n");
    let mut sync = sandbox.anabranch(["sync"]);
    let told = attempt(sync.arg(&first));
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.contains("line 2") && text.contains("evrything"), "{text}");
    assert_ne!(
        fs::read_to_string(second.join("letter")).unwrap_or_default(),
        "Dear all,\n"
    );
    set_rules(&first, "[[rule]]\nallow = \"everything\"\n");
    Actor::Anabranch.sync(&sandbox, &first);
    assert_eq!(fs::read_to_string(second.join("letter")).unwrap(), "Dear all,\n");
}

fn asked(folder: &Path, command: &Value) -> Value {
    serde_json::from_str(&ask(folder, &command.to_string())).unwrap()
}

/// As the window does it: seen, foreseen, set, obeyed.
#[test]
fn rules_that_are_set_by_command_are_obeyed_at_once() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    let remark = "# written by hand\n[look]\ncolour = \"blue\"\n";
    set_rules(&first, remark);
    let engine = Engine::start(&sandbox, &[&first]);
    assert_eq!(
        asked(&first, &json!("rules")),
        json!({"rules": {"rules": [], "mistake": null}})
    );

    let rules = json!([{"place": "second", "directory": "raw", "allow": "git-only"}]);
    assert_eq!(
        asked(&first, &json!({"set-rules": {"before": [], "rules": rules}})),
        "done"
    );
    assert_eq!(asked(&first, &json!("rules"))["rules"]["rules"], rules);
    let file = fs::read_to_string(first.join(".git/anabranch/policy.toml")).unwrap();
    assert!(file.contains(remark), "{file}");

    for directory in ["raw/deep", "other"] {
        fs::create_dir_all(first.join(directory)).unwrap();
        fs::write(first.join(directory).join("file"), directory).unwrap();
    }
    eventually(Duration::from_secs(30), || {
        match fs::read_to_string(second.join("other/file")) {
            Ok(text) if text == "other" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_ne!(
        fs::read_to_string(second.join("raw/deep/file")).unwrap_or_default(),
        "raw/deep"
    );

    // The lists say the same.
    let path = |shown: &str| json!({"shown": shown, "bytes": hex::encode(shown)});
    let files =
        |which: Value| asked(&first, &json!({"files": {"which": which, "skip": 0, "count": 10}}))["files"].clone();
    let file = |shown: &str, bytes: u64, copies: u64| json!({"path": path(shown), "bytes": bytes, "is_here": true, "copies": copies});
    let all = json!({"total": 2, "files": [file("other/file", 5, 2), file("raw/deep/file", 8, 1)]});
    eventually(Duration::from_secs(10), || match files(json!("all")) {
        seen if seen == all => Ok(()),
        seen => Err(seen),
    });
    assert_eq!(files(json!({"named": "DEEP"}))["total"], 1);
    assert_eq!(files(json!({"wanted-by": "second"})), json!({"total": 0, "files": []}));
    assert_eq!(files(json!("wanted-here"))["total"], 0);
    let tree = |directory: &str| asked(&first, &json!({"tree": {"directory": hex::encode(directory)}}))["tree"].clone();
    let branch = |shown: &str, bytes: u64, more: bool| json!({"path": path(shown), "holds": {"files": 1, "bytes": bytes}, "has_directories": more});
    assert_eq!(tree(""), json!([branch("other", 5, false), branch("raw", 8, true)]));
    assert_eq!(tree("raw"), json!([branch("raw/deep", 8, false)]));

    // Nothing changes by being foreseen.
    let preview = |rules: &Value| asked(&first, &json!({"preview-rules": {"rules": rules}}))["preview"].clone();
    let none = json!({"files": 0, "bytes": 0});
    let one = json!({"files": 1, "bytes": 8});
    let travels = |up: &Value, held: &Value| json!([{"place": "second", "up": up, "down": none, "held_back": held}]);
    let as_it_is = json!({"travels": travels(&none, &one), "fewest_copies": 1, "files_with_fewest": 1});
    assert_eq!(preview(&rules), as_it_is);
    let without = json!({"travels": travels(&one, &none), "fewest_copies": 2, "files_with_fewest": 2});
    assert_eq!(preview(&json!([])), without);
    assert_eq!(preview(&rules), as_it_is);

    // Somebody who saw other rules changes nothing.
    let refused = asked(&first, &json!({"set-rules": {"before": [], "rules": []}}));
    assert!(
        refused["refused"]
            .as_str()
            .unwrap()
            .contains("somebody else changed the rules"),
        "{refused}"
    );
    let bad = json!([{"place": null, "directory": "../x", "allow": "nothing"}]);
    let refused = asked(&first, &json!({"set-rules": {"before": rules, "rules": bad}}));
    assert!(refused["refused"].as_str().unwrap().contains("../x"), "{refused}");
    assert_eq!(asked(&first, &json!("rules"))["rules"]["rules"], rules);

    assert_eq!(
        asked(&first, &json!({"set-rules": {"before": rules, "rules": []}})),
        "done"
    );
    eventually(Duration::from_secs(30), || trees::same(&[&first, &second]));
    engine.stop();
    assert_eq!(
        fs::read_to_string(first.join(".git/anabranch/policy.toml")).unwrap(),
        remark
    );
    checks::assert_whole(&sandbox, &second);
}

#[test]
fn what_comes_after_its_names_fills_the_files_of_a_clone_that_nobody_tends() {
    let sandbox = Sandbox::new();
    let (first, second) = two_clones(&sandbox);
    set_rules(&first, "[[rule]]\nallow = \"git-only\"\n");
    // Many, and two of one content.
    for number in 0..40 {
        fs::write(first.join(format!("{number}.txt")), format!("{}", number / 2)).unwrap();
    }
    Actor::Anabranch.sync(&sandbox, &first);
    let size = |number: u32| fs::metadata(second.join(format!("{number}.txt"))).map(|found| found.len());
    assert!(
        (0..40).all(|number| size(number).is_ok_and(|size| size > 10)),
        "no pointers"
    );
    set_rules(&first, "");
    Actor::Anabranch.sync(&sandbox, &first);
    trees::same(&[&first, &second]).unwrap();
    checks::assert_whole(&sandbox, &second);
}
