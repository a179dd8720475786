//! Special remotes, with the real git-annex at the other end of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whole_system::asking::{is_in_state, status};
use whole_system::clones::{Actor, connect_both};
use whole_system::run::told;
use whole_system::skip::needs_git_annex;
use whole_system::{Engine, Sandbox, attempt, eventually, run, trees};

/// A folder of Anabranch with a directory remote, and a clone of git-annex that has the same, each the other's remote. No
/// content goes directly from one to the other.
struct Scene {
    sandbox: Sandbox,
    here: PathBuf,
    there: PathBuf,
    directory: PathBuf,
}

fn scene() -> Scene {
    let sandbox = Sandbox::new();
    let here = Actor::Anabranch.init(&sandbox, "here");
    fs::write(here.join("first"), "first").unwrap();
    Actor::Anabranch.sync(&sandbox, &here);
    let directory = sandbox.path("directory");
    fs::create_dir(&directory).unwrap();
    let place = format!("directory={}", directory.display());
    let init = [
        "annex",
        "initremote",
        "disk",
        "type=directory",
        "encryption=none",
        &place,
    ];
    run(&mut sandbox.git(&here, init));
    let there = Actor::GitAnnex.clone(&sandbox, &here, "there", false);
    run(&mut sandbox.git(&there, ["annex", "enableremote", "disk", &place]));
    run(&mut sandbox.git(&there, ["config", "remote.disk.annex-verified", "verified"]));
    connect_both(&sandbox, &here, &there);
    for (clone, remote) in [(&here, "there"), (&there, "origin")] {
        let setting = format!("remote.{remote}.annex-ignore");
        run(&mut sandbox.git(clone, ["config", &setting, "true"]));
    }
    Scene {
        sandbox,
        here,
        there,
        directory,
    }
}

impl Scene {
    fn annex(&self, clone: &Path, arguments: &[&str]) -> String {
        run(&mut self.sandbox.git(clone, [&["annex"], arguments].concat()))
    }

    /// The contents in the directory, by the names of their files.
    fn stored(&self) -> usize {
        let objects = trees::files(&self.directory).into_iter();
        objects
            .filter(|path| path.parent().unwrap().file_name() == path.file_name())
            .count()
    }
}

#[test]
fn git_annex_reads_what_anabranch_stores_in_a_directory_and_the_other_way_round() {
    if !needs_git_annex() {
        return;
    }
    let scene = scene();
    fs::write(scene.here.join("large"), vec![3; 3 << 20]).unwrap();
    let said = Actor::Anabranch.sync(&scene.sandbox, &scene.here);
    assert_eq!(scene.stored(), 2, "{said}");
    let checked = scene.annex(&scene.here, &["fsck", "--from", "disk"]);
    assert!(!checked.contains("failed"), "{checked}");

    scene.annex(&scene.there, &["sync", "--no-content", "origin"]);
    scene.annex(&scene.there, &["get", "--from", "disk", "first", "large"]);
    assert_eq!(fs::read(scene.there.join("large")).unwrap(), vec![3; 3 << 20]);

    fs::write(scene.there.join("theirs"), "theirs").unwrap();
    scene.annex(&scene.there, &["add", "theirs"]);
    scene.annex(&scene.there, &["copy", "--to", "disk", "theirs"]);
    scene.annex(&scene.there, &["sync", "--no-content", "origin"]);
    let said = Actor::Anabranch.sync(&scene.sandbox, &scene.here);
    assert_eq!(
        fs::read_to_string(scene.here.join("theirs")).unwrap(),
        "theirs",
        "{said}"
    );

    // What git-annex dropped there is stored again, as it is wanted.
    scene.annex(&scene.here, &["drop", "--force", "--from", "disk", "theirs"]);
    assert_eq!(scene.stored(), 2);
    Actor::Anabranch.sync(&scene.sandbox, &scene.here);
    assert_eq!(scene.stored(), 3);

    let tested = scene.annex(&scene.here, &["testremote", "--fast", "disk"]);
    assert!(!tested.contains("FAIL"), "{tested}");
    assert_eq!(scene.stored(), 3, "the test leaves nothing");
}

#[test]
fn a_directory_remote_is_a_place_like_others() {
    if !needs_git_annex() {
        return;
    }
    let scene = scene();
    let engine = Engine::start(&scene.sandbox, &[&scene.here]);
    fs::write(scene.here.join("second"), "second").unwrap();
    let has = |count: usize| match scene.stored() {
        stored if stored == count => Ok(()),
        stored => Err(format!("{stored} contents are stored")),
    };
    eventually(Duration::from_secs(20), || has(2));
    is_in_state(&scene.sandbox, &scene.here, "safe");
    let why = run(scene.sandbox.anabranch(["why"]).arg(scene.here.join("second")));
    assert!(why.contains("disk"), "{why}");

    engine.stop();

    let away = scene.directory.with_extension("away");
    fs::rename(&scene.directory, &away).unwrap();
    fs::write(scene.here.join("third"), "third").unwrap();
    let mut sync = scene.sandbox.anabranch(["sync"]);
    sync.arg(&scene.here);
    let waits = attempt(&mut sync);
    let said = told(&sync, &waits);
    assert!(waits.status.code() == Some(2) && said.contains("disk"), "{said}");
    fs::rename(&away, &scene.directory).unwrap();
    run(&mut sync);
    has(3).unwrap();
}

#[test]
fn special_remotes_that_cannot_be_used_say_why() {
    if !needs_git_annex() {
        return;
    }
    let scene = scene();
    let other = scene.sandbox.path("other");
    fs::create_dir(&other).unwrap();
    let place = format!("directory={}", other.display());
    let init = [
        "initremote",
        "chunked",
        "type=directory",
        "encryption=none",
        "chunk=1MiB",
        &place,
    ];
    scene.annex(&scene.here, &init);
    let engine = Engine::start(&scene.sandbox, &[&scene.here]);
    eventually(Duration::from_secs(20), || {
        let told = status(&scene.sandbox, &scene.here)?["places"].to_string();
        let words = "special remotes with chunks are not supported yet";
        told.contains(words).then_some(()).ok_or(told)
    });
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    // Described otherwise, without a change of this configuration.
    scene.annex(&scene.there, &["sync", "--no-content", "origin"]);
    scene.annex(&scene.there, &["enableremote", "chunked", "chunk=0", &place]);
    scene.annex(&scene.there, &["sync", "--no-content", "origin"]);
    eventually(Duration::from_secs(30), || match trees::files(&other).len() {
        0 => Err("nothing is stored"),
        _ => Ok(()),
    });
    engine.stop();
}
