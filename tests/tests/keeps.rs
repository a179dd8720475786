//! What a place keeps: set by command as the window does it, obeyed, and the same to the real git-annex.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use whole_system::asking::status;
use whole_system::clones::{Actor, connect_both};
use whole_system::edits::save;
use whole_system::skip::needs_git_annex;
use whole_system::{Engine, Sandbox, ask, checks, eventually, run};

const SOON: Duration = Duration::from_secs(30);

/// A folder with an engine and two clones without, `second` and `third`. Contents go to `second` only, for now.
struct Scene {
    sandbox: Sandbox,
    first: PathBuf,
    second: PathBuf,
    third: PathBuf,
    engine: Option<Engine>,
}

/// The rule that holds contents back from a place.
fn held(place: &str) -> Value {
    json!([{"place": place, "directory": null, "allow": "git-only"}])
}

fn all() -> Value {
    json!({"all": {"groups": []}})
}

fn of(purpose: &str) -> Value {
    json!({"for": purpose})
}

fn keeping(place: &str, before: &Value, after: &Value) -> Value {
    json!({"place": place, "before": before, "after": after})
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let first = Actor::Anabranch.init(&sandbox, "first");
        Actor::Anabranch.sync(&sandbox, &first);
        let clone = |name: &str| {
            let clone = Actor::Anabranch.clone(&sandbox, &first, name, false);
            connect_both(&sandbox, &first, &clone);
            clone
        };
        let (second, third) = (clone("second"), clone("third"));
        run(&mut sandbox.git(&first, ["remote", "add", "far", "https://nowhere.invalid/far"]));
        run(&mut sandbox.git(&first, ["config", "remote.far.annex-sync", "false"]));
        save(
            &first,
            ".git/anabranch/policy.toml",
            "[[rule]]\nplace = \"third\"\nallow = \"git-only\"\n",
        );
        let engine = Engine::start(&sandbox, &[&first]);
        let scene = Self {
            sandbox,
            first,
            second,
            third,
            engine: Some(engine),
        };
        save(&scene.first, "one", "the first one");
        scene.has(&scene.second, "one");
        scene
    }

    fn ask(&self, command: &Value) -> Value {
        serde_json::from_str(&ask(&self.first, &command.to_string())).unwrap()
    }

    fn keeps(&self, place: &str) -> Value {
        let status = status(&self.sandbox, &self.first).unwrap();
        let places = status["places"].as_array().unwrap();
        places.iter().find(|one| one["name"] == place).unwrap()["keeps"].clone()
    }

    #[track_caller]
    fn set(&self, before: &Value, rules: &Value, keeps: &[Value]) {
        let set = self.ask(&json!({"set-rules": {"before": before, "rules": rules, "keeps": keeps}}));
        assert_eq!(set, "done");
        for keeping in keeps {
            let place = keeping["place"].as_str().unwrap();
            assert_eq!(self.keeps(place), keeping["after"], "{place}, at once");
        }
    }

    #[track_caller]
    fn refuses(&self, keeping: &Value, part: &str) {
        let before = self.ask(&json!("rules"))["rules"]["rules"].clone();
        for command in ["preview-rules", "set-rules"] {
            let told = self.ask(&json!({command: {"before": before, "rules": [], "keeps": [keeping]}}));
            let told = told["refused"].as_str().unwrap_or_default().to_owned();
            assert!(
                told.contains(part) && told.contains("nothing was changed"),
                "{command}: {told:?}"
            );
        }
        assert_eq!(self.ask(&json!("rules"))["rules"]["rules"], before);
    }

    /// How many files would go to second and to third.
    fn foreseen(&self, keeps: &[Value]) -> [u64; 2] {
        let preview = self.ask(&json!({"preview-rules": {"rules": [], "keeps": keeps}}));
        let travels = preview["preview"]["travels"].as_array().unwrap();
        ["second", "third"].map(|place| {
            let to = travels.iter().find(|travel| travel["place"] == place).unwrap();
            to["up"]["files"].as_u64().unwrap()
        })
    }

    #[track_caller]
    fn has(&self, clone: &Path, name: &str) {
        eventually(SOON, || match is_whole(clone, name) {
            true => Ok(()),
            false => Err(format!("{name} is not in {}", clone.display())),
        });
    }

    /// All that can be done is done.
    #[track_caller]
    fn is_in_step(&self) {
        let synced = self.ask(&json!("sync"));
        assert_eq!(synced["status"]["state"], "safe", "{synced}");
    }

    /// What the real git-annex says in the first clone.
    #[track_caller]
    fn git_annex(&self, arguments: &[&str]) -> String {
        let said = run(&mut self.sandbox.git(&self.first, ["annex"].iter().chain(arguments)));
        said.trim().to_owned()
    }

    #[track_caller]
    fn agrees(&self, place: &str, groups: &str, wanted: &str) {
        assert_eq!(self.git_annex(&["group", place]), groups, "{place}");
        assert_eq!(self.git_annex(&["wanted", place]), wanted, "{place}");
    }

    fn end(mut self) {
        self.engine.take().unwrap().stop();
        for clone in [&self.first, &self.second, &self.third] {
            checks::assert_whole(&self.sandbox, clone);
        }
    }
}

fn is_whole(clone: &Path, name: &str) -> bool {
    fs::read_to_string(clone.join(name)).is_ok_and(|text| text.starts_with("the "))
}

#[test]
fn what_a_place_keeps_is_foreseen_set_and_obeyed() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new();
    assert_eq!([scene.keeps("second"), scene.keeps("third")], [all(), all()]);
    // The files arrive before it is observed that they did.
    scene.is_in_step();
    let to = |place: &str, purpose: &str| keeping(place, &all(), &of(purpose));
    assert_eq!(scene.foreseen(&[]), [0, 1]);
    assert_eq!(scene.foreseen(&[to("third", "archive")]), [0, 1]);
    assert_eq!(scene.foreseen(&[to("third", "only-new")]), [0, 1]);
    assert_eq!(
        scene.foreseen(&[to("second", "archive"), to("third", "archive")]),
        [0, 0]
    );
    assert_eq!(
        scene.foreseen(&[to("second", "backup"), to("third", "only-new")]),
        [0, 0]
    );
    assert_eq!(scene.keeps("third"), all(), "nothing is changed by being foreseen");

    // Archives: what one has the other does not want.
    scene.set(
        &held("third"),
        &json!([]),
        &[to("second", "archive"), to("third", "archive")],
    );
    scene.is_in_step();
    assert!(!is_whole(&scene.third, "one"));
    scene.agrees("second", "archive", "standard");
    scene.agrees("third", "archive", "standard");
    assert_eq!(scene.git_annex(&["find", "--want-get-by=third"]), "");
    // The clone itself knows it by now.
    let there = run(&mut scene.sandbox.git(&scene.third, ["annex", "wanted", "here"]));
    assert_eq!(there.trim(), "standard");

    // Everything.
    scene.set(
        &json!([]),
        &json!([]),
        &[keeping("third", &of("archive"), &of("backup"))],
    );
    scene.has(&scene.third, "one");
    scene.agrees("third", "backup", "standard");

    // Only new files: what the full copy has is not.
    let second = keeping("second", &of("archive"), &of("only-new"));
    scene.set(&json!([]), &held("second"), &[second]);
    save(&scene.first, "two", "the second one");
    scene.has(&scene.third, "two");
    scene.is_in_step();
    scene.set(&held("second"), &json!([]), &[]);
    scene.is_in_step();
    assert_eq!(scene.git_annex(&["find", "--want-get-by=second"]), "");
    assert!(!is_whole(&scene.second, "two"));
    // Nothing is dropped for not being wanted.
    assert!(is_whole(&scene.second, "one"));
    scene.agrees("second", "incrementalbackup", "standard");
    scene.end();
}

#[test]
fn what_was_set_with_git_annex_is_shown_and_comes_back() {
    if !needs_git_annex() {
        return;
    }
    let scene = Scene::new();
    for arguments in [
        &["group", "second", "mine"][..],
        &["group", "second", "client"],
        &["wanted", "second", "include=*.jpg or standard"],
    ] {
        scene.git_annex(arguments);
    }
    let own = json!({"own": {"groups": ["client"], "wanted": "include=*.jpg or standard"}});
    eventually(SOON, || match scene.keeps("second") {
        keeps if keeps == own => Ok(()),
        keeps => Err(keeps),
    });
    // Somebody who saw something else changes nothing, and nobody says what an unknown place keeps.
    let told = "got another setting since you saw it";
    scene.refuses(&keeping("second", &all(), &of("archive")), told);
    scene.refuses(&keeping("attic", &all(), &of("archive")), "attic is no place");
    scene.refuses(&keeping("far", &all(), &of("archive")), "far is not supported");
    assert_eq!(scene.keeps("far"), json!(null));
    let strange = json!({"own": {"groups": ["mine"], "wanted": ""}});
    scene.refuses(&keeping("second", &own, &strange), "standard groups");
    scene.agrees("second", "client mine", "include=*.jpg or standard");

    // Rules that somebody else changed: then nothing is set at all.
    let carry = keeping("second", &own, &of("carry"));
    let refused = scene.ask(&json!({"set-rules": {"before": [], "rules": [], "keeps": [carry]}}));
    assert!(
        refused["refused"]
            .as_str()
            .unwrap()
            .contains("somebody else changed the rules"),
        "{refused}"
    );
    scene.agrees("second", "client mine", "include=*.jpg or standard");

    let rules = held("third");
    scene.set(&rules, &rules, &[carry]);
    scene.agrees("second", "mine transfer", "standard");
    scene.set(&rules, &rules, &[keeping("second", &of("carry"), &own)]);
    scene.agrees("second", "client mine", "include=*.jpg or standard");
    scene.end();
}
