//! The real window over the real engine, used by the words on it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use whole_system::clones::Actor;
use whole_system::skip::needs_window;
use whole_system::window::Window;
use whole_system::{Desktop, Sandbox, attempt, eventually, run, trees};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `anabranch status` says that a folder is in this state.
#[track_caller]
fn is_in_state(sandbox: &Sandbox, folder: &Path, state: &str) {
    eventually(PATIENCE, || {
        let answer = attempt(sandbox.anabranch(["status", "--json"]).arg(folder));
        let answer: serde_json::Value =
            serde_json::from_slice(&answer.stdout).map_err(|error| format!("no status: {error}"))?;
        match answer["state"].as_str() {
            Some(found) if found == state => Ok(()),
            found => Err(format!("{found:?} instead of {state}")),
        }
    });
}

#[test]
fn the_window_shows_what_is_so_and_does_what_is_clicked() {
    if !needs_window() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = Actor::Anabranch.init(&sandbox, "Photos");
    fs::write(photos.join("a.jpg"), "a picture\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &photos);
    let clone = Actor::Anabranch.clone(&sandbox, &photos, "clone", false);
    let desktop = Desktop::start(&sandbox);
    let window = Window::open(&desktop, &sandbox, &[&photos]);

    window.shows("Photos");
    window.shows("Your folder is safe.");
    window.shows("1 file ");

    // What happens outside is seen inside.
    fs::write(photos.join("b.jpg"), "another picture\n").unwrap();
    window.shows("2 files ");
    eventually(PATIENCE, || trees::same(&[&photos, &clone]));

    // So is what another asked for, and what is clicked inside happens outside.
    run(sandbox.anabranch(["pause"]).arg(&photos));
    window.shows("Paused");
    fs::write(photos.join("c.jpg"), "a third picture\n").unwrap();
    window.click("Resume: Photos");
    window.shows("3 files ");
    window.shows("Your folder is safe.");
    is_in_state(&sandbox, &photos, "safe");
    eventually(PATIENCE, || trees::same(&[&photos, &clone]));

    drop(window);
    is_in_state(&sandbox, &photos, "stopped");
}

#[test]
fn the_window_says_of_a_file_where_it_is() {
    if !needs_window() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = Actor::Anabranch.init(&sandbox, "Photos");
    fs::write(photos.join("a.jpg"), "a picture\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &photos);
    let desktop = Desktop::start(&sandbox);
    let window = Window::open(&desktop, &sandbox, &[&photos]);
    window.shows("Your folder is safe.");
    window.click("Why?");
    window.fill("File", "a.jpg");
    window.click("Ask");
    window.shows("1 copy: wherever it is wanted, it is.");
    window.fill("File", "/etc/passwd");
    window.click("Ask");
    window.shows("This path is not in the folder.");
}
