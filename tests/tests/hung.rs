//! A disk that does not answer, as a network mount whose server is gone, keeps nothing waiting that is not on it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whole_system::asking::{ask, ask_at, is_in_state, socket};
use whole_system::clones::Actor;
use whole_system::drives::Share;
use whole_system::skip::{needs_root, or_skipped};
use whole_system::wait::PATIENCE;
use whole_system::{Engine, Sandbox, eventually, run};

/// A directory on another computer, or the test is left out.
fn share(sandbox: &Sandbox) -> Option<Share> {
    let server = sandbox.path("server");
    fs::create_dir(&server).unwrap();
    match needs_root() {
        true => or_skipped("mount", Share::new(sandbox, &server, "share")),
        false => None,
    }
}

/// Two folders with each other as remotes.
fn pair(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let photos = Actor::Anabranch.init(sandbox, "photos");
    fs::write(photos.join("first"), "first").unwrap();
    Actor::Anabranch.sync(sandbox, &photos);
    let copy = Actor::Anabranch.clone(sandbox, &photos, "copy", false);
    (photos, copy)
}

/// Saves a file, and waits until it is in another folder.
#[track_caller]
fn travels(from: &Path, to: &Path, name: &str) {
    fs::write(from.join(name), name).unwrap();
    arrives(to, name);
}

#[track_caller]
fn arrives(to: &Path, name: &str) {
    eventually(PATIENCE, || match fs::read_to_string(to.join(name)) {
        Ok(text) if text == name => Ok(()),
        found => Err(format!("{name}: {found:?}")),
    });
}

#[test]
fn a_folder_whose_disk_does_not_answer_at_the_start_keeps_no_other_waiting() {
    let sandbox = Sandbox::new();
    let Some(share) = share(&sandbox) else { return };
    let (photos, copy) = pair(&sandbox);
    let far = Actor::Anabranch.init(&sandbox, "share/far");
    share.freeze();
    let mut engine = Engine::spawn(&sandbox, &[&far, &photos]);
    engine.wait_until_up(&sandbox, &photos);
    travels(&photos, &copy, "second");
    assert!(ask(&photos, r#"{"pause":{"until":null}}"#).contains("done"));
    // What is seen of all folders together is seen too.
    engine.says("photos: paused");
    engine.says("share/far: its disk does not answer");
    share.thaw();
    eventually(PATIENCE, || match far.join(".git/anabranch/engine").exists() {
        true => Ok(()),
        false => Err("the folder is not opened when its disk answers"),
    });
    is_in_state(&sandbox, &far, "safe");
    engine.stop();
}

#[test]
fn a_folder_whose_disk_stops_answering_keeps_no_other_waiting() {
    let sandbox = Sandbox::new();
    let Some(share) = share(&sandbox) else { return };
    let (photos, copy) = pair(&sandbox);
    let far = Actor::Anabranch.init(&sandbox, "share/far");
    let engine = Engine::start(&sandbox, &[&far, &photos]);
    is_in_state(&sandbox, &far, "safe");
    is_in_state(&sandbox, &photos, "safe");
    let far_socket = socket(&far);
    share.freeze();
    // It begins to look at its files, and waits for the disk.
    let mut waits = UnixStream::connect(&far_socket).unwrap();
    writeln!(waits, r#""sync""#).unwrap();
    travels(&photos, &copy, "second");
    for command in [r#""status""#, r#""rules""#] {
        assert!(!ask_at(&far_socket, command).contains("refused"));
    }
    assert!(ask(&photos, r#"{"pause":{"until":null}}"#).contains("done"));
    engine.says("photos: paused");
    share.thaw();
    is_in_state(&sandbox, &far, "safe");
    engine.stop();
}

#[test]
fn a_place_whose_disk_does_not_answer_keeps_no_other_waiting() {
    let sandbox = Sandbox::new();
    let Some(share) = share(&sandbox) else { return };
    let (photos, copy) = pair(&sandbox);
    let far = Actor::Anabranch.clone(&sandbox, &photos, "share/far", false);
    let engine = Engine::start(&sandbox, &[&photos]);
    is_in_state(&sandbox, &photos, "safe");
    arrives(&far, "first");
    share.freeze();
    for name in ["second", "third", "fourth"] {
        travels(&photos, &copy, name);
    }
    let why = run(sandbox.anabranch(["why"]).arg(photos.join("second")));
    assert!(why.contains("copy"), "{why}");
    // Somebody asks for everything to be looked for again.
    let mut waits = UnixStream::connect(socket(&photos)).unwrap();
    writeln!(waits, r#""sync""#).unwrap();
    for name in ["fifth", "sixth"] {
        travels(&photos, &copy, name);
    }
    share.thaw();
    for name in ["second", "sixth"] {
        eventually(Duration::from_secs(60), || match fs::read_to_string(far.join(name)) {
            Ok(text) if text == name => Ok(()),
            found => Err(format!("{name}: {found:?}")),
        });
    }
    engine.stop();
}
