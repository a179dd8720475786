//! What the real git-annex makes of logs: merged, read, and written again.
#![allow(clippy::unwrap_used, reason = "all of it is for tests")]

mod fixture;

use annex::logs::{Presence, PresenceLog, VectorClock};
use fixture::{Fixture, HERE, bytes, show, vectors};
use model::{Key, Uuid};
use serde_json::Value;

const D: &str = "dddddddd-0000-0000-0000-000000000000";

fn clock(text: &str) -> VectorClock {
    VectorClock::parse(text.as_bytes()).unwrap()
}

fn key(number: usize) -> Key {
    Key::parse(format!("SHA256E-s{number}--{number:064x}.txt").as_bytes()).unwrap()
}

fn assert_content(label: &Value, what: &str, found: Option<&[u8]>, wanted: Option<&[u8]>) {
    assert_eq!(show(found), show(wanted), "{label}: {what}");
    assert_eq!(found, wanted, "{label}: {what}");
}

#[test]
fn location_logs_merge_read_and_change_as_in_git_annex() {
    let vectors = vectors("logs.json");
    let cases = vectors["location_cases"].as_array().unwrap();
    let fixture = Fixture::new();
    let base = fixture.commit("refs/heads/git-annex", None, &[(b"uuid.log", b"x y timestamp=1s\n")]);
    let paths: Vec<Vec<u8>> = (0..cases.len()).map(|at| annex::logs::location_log(&key(at))).collect();
    for (side, reference) in [("ours", "refs/heads/git-annex"), ("theirs", "refs/remotes/r/git-annex")] {
        let contents: Vec<Option<Vec<u8>>> = cases.iter().map(|case| bytes(&case[side])).collect();
        let files: Vec<(&[u8], &[u8])> = paths
            .iter()
            .zip(&contents)
            .filter_map(|(path, content)| Some((path.as_slice(), content.as_deref()?)))
            .collect();
        fixture.commit(reference, Some(base), &files);
    }
    let branch = fixture.annex.branch();
    let merged = branch.merge().unwrap();
    assert!(merged.changed && merged.refused.is_empty());
    // git-annex goes on with the names of the refs, which are others in every repository.
    assert!(
        vectors["merge_commit_subject"]
            .as_str()
            .unwrap()
            .starts_with("merging ")
    );
    assert!(fixture.subject().starts_with("merging "));
    assert!(!branch.merge().unwrap().changed, "merging again changes nothing");

    for (case, path) in cases.iter().zip(&paths) {
        let found = branch.read(path).unwrap();
        assert_content(
            &case["label"],
            "merged",
            found.as_deref(),
            bytes(&case["merged"]).as_deref(),
        );
        let content = found.unwrap_or_default();
        let log = PresenceLog::parse(&content);
        // The vectors show each byte that is no UTF-8 as one replacement character.
        let present: Vec<String> = log
            .present()
            .map(|uuid| String::from_utf8_lossy(uuid).into_owned())
            .collect();
        let mut wanted: Vec<String> = serde_json::from_value(case["present_in"].clone()).unwrap();
        wanted.sort();
        assert_eq!(present, wanted, "{}: present", case["label"]);
    }
    let d = Uuid::parse(D).unwrap();
    let changes: Vec<_> = (0..cases.len())
        .map(|at| (key(at), d.clone(), Presence::Present))
        .collect();
    branch.record_presence(&changes, clock("1000")).unwrap();
    for (case, path) in cases.iter().zip(&paths) {
        let wanted = bytes(&case["after_write_of_D_present_at_clock_1000"]);
        assert_content(
            &case["label"],
            "written",
            fixture.committed(path).as_deref(),
            wanted.as_deref(),
        );
    }
    println!("{} location cases run", cases.len());
}

#[test]
fn every_change_wins_over_what_it_replaces() {
    let vectors = vectors("logs.json");
    let cases = vectors["clock_cases"].as_array().unwrap();
    for case in cases {
        let fixture = Fixture::new();
        let (key, branch) = (key(1), fixture.annex.branch());
        let path = annex::logs::location_log(&key);
        if let Some(before) = bytes(&case["before"]) {
            fixture.commit("refs/heads/git-annex", None, &[(&path, &before)]);
        }
        let presence = match case["set"][1].as_str().unwrap() {
            "1" => Presence::Present,
            "0" => Presence::Missing,
            other => panic!("{other}"),
        };
        let uuid = Uuid::parse(case["set"][0].as_str().unwrap()).unwrap();
        let now = clock(case["clock"].as_str().unwrap());
        let before = branch.tip().unwrap();
        let tip = branch.record_presence(&[(key, uuid, presence)], now).unwrap();
        let after = bytes(&case["after"]);
        assert_content(
            &case["label"],
            "after",
            fixture.committed(&path).as_deref(),
            after.as_deref(),
        );
        if bytes(&case["before"]) == after {
            assert_eq!(Some(tip), before, "{}: nothing to commit", case["label"]);
        }
    }
    println!("{} clock cases run", cases.len());
}

/// Does what `git annex <operation>` does to a log; false if this crate has no such operation.
fn operate(fixture: &Fixture, operation: &[String], here: &str, now: VectorClock) -> bool {
    let words: Vec<&str> = operation.iter().map(String::as_str).collect();
    let branch = fixture.annex.branch();
    let uuid = |text: &str| Uuid::parse(if text == "here" { here } else { text }).unwrap();
    let result = match words.as_slice() {
        ["describe", who, text] => branch.record_value("uuid.log", &uuid(who), text, now),
        ["trust", who, "--force"] => branch.record_value("trust.log", &uuid(who), "1", now),
        ["untrust", who] => branch.record_value("trust.log", &uuid(who), "0", now),
        ["semitrust", who] => branch.record_value("trust.log", &uuid(who), "?", now),
        ["dead", who] => branch.record_value("trust.log", &uuid(who), "X", now),
        ["group", who, group] => {
            let mut groups = branch.facts().unwrap().groups.remove(&uuid(who)).unwrap_or_default();
            groups.insert((*group).to_owned());
            let groups: Vec<String> = groups.into_iter().collect();
            branch.record_value("group.log", &uuid(who), &groups.join(" "), now)
        }
        ["wanted", who, text] => branch.record_value("preferred-content.log", &uuid(who), text, now),
        ["required", who, text] => branch.record_value("required-content.log", &uuid(who), text, now),
        ["schedule", who, text] => branch.record_value("schedule.log", &uuid(who), text, now),
        ["fsck", "--fast"] => branch.record_value("activity.log", &uuid("here"), "Fsck", now),
        ["groupwanted", group, text] => branch.record_field("group-preferred-content.log", group, text, now),
        ["config", "--set", name, text] => branch.record_field("config.log", name, text, now),
        ["config", "--unset", name] => branch.record_field("config.log", name, "", now),
        ["maxsize", who, "1kb"] => branch.record_field("maxsize.log", uuid(who).as_str(), "1000", now),
        ["numcopies", number] => branch.record_number("numcopies.log", number.parse().unwrap(), now),
        ["mincopies", number] => branch.record_number("mincopies.log", number.parse().unwrap(), now),
        ["initremote", name, "type=directory", _, "encryption=none", who] => {
            let settings = format!("name={name} type=directory encryption=none");
            let uuid = uuid(who.strip_prefix("uuid=").unwrap());
            branch.record_value("remote.log", &uuid, &settings, now)
        }
        _ => return false,
    };
    result.unwrap();
    true
}

#[test]
fn logs_of_the_whole_repository_merge_and_change_as_in_git_annex() {
    let vectors = vectors("logs.json");
    let cases = vectors["global_cases"].as_array().unwrap();
    let (mut operated, mut left) = (0, Vec::new());
    for case in cases {
        let label = format!("{} {}", case["path"], case["label"]).into();
        let path = case["path"].as_str().unwrap().as_bytes();
        let fixture = Fixture::new();
        // The repository's own line is on both sides of uuid.log, with a description of its own.
        let merged = bytes(&case["merged"]).unwrap();
        let own = match path {
            b"uuid.log" => merged.split_inclusive(|&b| b == b'\n').next().unwrap(),
            _ => b"",
        };
        let side = |side: &str| Some([own, &bytes(&case[side])?].concat());
        let base = fixture.commit("refs/heads/git-annex", None, &[(b"nothing", b"")]);
        fixture.commit("refs/heads/git-annex", Some(base), &[(path, &side("ours").unwrap())]);
        if let Some(theirs) = side("theirs") {
            fixture.commit("refs/remotes/r/git-annex", Some(base), &[(path, &theirs)]);
        }
        let branch = fixture.annex.branch();
        assert!(branch.merge().unwrap().refused.is_empty());
        assert_content(&label, "merged", branch.read(path).unwrap().as_deref(), Some(&merged));
        let Some(after) = case.get("after_op_at_clock_1000") else {
            continue;
        };
        // Where this repository's line is the last one, its uuid was the greatest.
        let text = after.as_str().unwrap();
        let is_last = text.lines().last().unwrap().starts_with("$HERE");
        let here = if is_last {
            "eeeeeeee-0000-0000-0000-000000000000"
        } else {
            HERE
        };
        let after = text.replace("$HERE", here).into_bytes();
        let operation: Vec<String> = serde_json::from_value(case["op"].clone()).unwrap();
        if operate(&fixture, &operation, here, clock("1000")) {
            assert_content(&label, "written", branch.read(path).unwrap().as_deref(), Some(&after));
            operated += 1;
        } else {
            left.push(operation.join(" "));
        }
    }
    println!(
        "{} global cases merged, {operated} operations run; not yet concerned: {left:?}",
        cases.len()
    );
    assert!(left.is_empty());
}

#[test]
fn logs_of_one_key_merge_as_in_git_annex() {
    let vectors = vectors("logs.json");
    let cases = vectors["perkey_cases"].as_array().unwrap();
    let mut left = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let mut path = annex::logs::location_log(&key(at));
        path.extend_from_slice(case["suffix"].as_str().unwrap().as_bytes());
        let fixture = Fixture::new();
        let base = fixture.commit("refs/heads/git-annex", None, &[(b"nothing", b"")]);
        for (side, reference) in [("ours", "refs/heads/git-annex"), ("theirs", "refs/remotes/r/git-annex")] {
            if let Some(content) = bytes(&case[side]) {
                fixture.commit(reference, Some(base), &[(&path, &content)]);
            }
        }
        let branch = fixture.annex.branch();
        branch.merge().unwrap();
        let found = branch.read(&path).unwrap();
        assert_content(
            &case["label"],
            "merged",
            found.as_deref(),
            bytes(&case["merged"]).as_deref(),
        );
        if let Some(operation) = case.get("op") {
            left.push(operation[0].as_str().unwrap().to_owned());
        }
    }
    println!(
        "{} per-key cases merged; operations not yet concerned: {} {left:?}",
        cases.len(),
        left.len()
    );
}
