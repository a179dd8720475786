//! The desktop program on a bus and a display of the test's own, seen and clicked as a panel does it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "tray/host.rs"]
mod host;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::TrayHost;
use whole_system::clones::Actor;
use whole_system::skip::{needs_desktop, needs_window};
use whole_system::window::Window;
use whole_system::{Desktop, Engine, Sandbox, attempt, eventually, programs, run, trees};

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with one file, and a clone beside it.
fn photos(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let photos = Actor::Anabranch.init(sandbox, "Photos");
    fs::write(photos.join("a.jpg"), "a picture\n").unwrap();
    Actor::Anabranch.sync(sandbox, &photos);
    let clone = Actor::Anabranch.clone(sandbox, &photos, "clone", false);
    Actor::Anabranch.sync(sandbox, &photos);
    (photos, clone)
}

/// The picture of a state, as the tray hands it on.
fn icon(set: &str, name: &str) -> (i32, Vec<u8>) {
    let path = format!("{}/../icons/tray/{set}/{name}.png", env!("CARGO_MANIFEST_DIR"));
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut points = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut points).unwrap();
    points.truncate(frame.buffer_size());
    for point in points.chunks_exact_mut(4) {
        point.rotate_right(1);
    }
    (frame.width.cast_signed(), points)
}

/// Waits until the tray shows a state, in picture and words.
#[track_caller]
fn shows(tray: &TrayHost, name: &str, words: &str) {
    let expected = icon("light", name);
    eventually(PATIENCE, || {
        let tooltip = tray.tooltip();
        match tray.picture() == expected && tooltip.contains(words) {
            true => Ok(()),
            false => Err(format!("not the picture of {name}, or not its words: {tooltip}")),
        }
    });
}

#[track_caller]
fn has_windows(desktop: &Desktop, count: usize) {
    eventually(PATIENCE, || match desktop.windows("Anabranch").len() {
        found if found == count => Ok(()),
        found => Err(format!("{found} windows instead of {count}")),
    });
}

fn state(sandbox: &Sandbox, folder: &Path) -> String {
    let mut status = sandbox.anabranch(["status", "--json"]);
    let answer = attempt(status.arg(folder));
    let folder: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    folder["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_tray_shows_the_state_and_does_what_is_clicked() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, clone) = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    let engine = desktop.run(&sandbox, &[&photos]);

    assert_eq!(tray.property::<String>("Id"), "anabranch");
    assert_eq!(tray.property::<String>("Title"), "Anabranch");
    shows(&tray, "safe", "Photos: everything is in step (1 file)");
    let labels = tray.labels();
    let safe = "everything is in step (1 file)";
    let expected = [
        format!("[Photos: {safe}]"),
        "---".to_owned(),
        "Photos".to_owned(),
        format!("[Photos ▸ {safe}]"),
        "Photos ▸ Open".to_owned(),
        "Photos ▸ Sync now".to_owned(),
        "Photos ▸ Pause".to_owned(),
    ];
    assert_eq!(labels[..expected.len()], expected);
    assert_eq!(
        labels[labels.len() - 5..],
        ["---", "Open Anabranch", "Settings", "Help", "Quit"]
    );
    assert!(desktop.windows("Anabranch").is_empty(), "it starts without a window");

    tray.click("Photos ▸ Pause");
    shows(&tray, "paused", "Photos: paused");
    assert_eq!(state(&sandbox, &photos), "paused");
    fs::write(photos.join("b.jpg"), "another picture\n").unwrap();
    tray.click("Photos ▸ Resume");
    shows(&tray, "safe", "Photos: everything is in step (2 files)");
    eventually(PATIENCE, || trees::same(&[&photos, &clone]));

    tray.click("Pause ▸ For 1 hour");
    shows(&tray, "paused", "Photos: paused");
    tray.click("Pause ▸ Resume");
    shows(&tray, "safe", "Photos: everything is in step (2 files)");

    tray.activate();
    has_windows(&desktop, 1);
    tray.click("Open Anabranch");
    std::thread::sleep(Duration::from_millis(500));
    has_windows(&desktop, 1);

    tray.click("Quit");
    engine.end();
    assert_eq!(state(&sandbox, &photos), "stopped");
}

#[test]
fn a_question_is_answered_in_the_menu() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, _) = photos(&sandbox);
    for number in 0..9 {
        fs::write(photos.join(format!("{number}.jpg")), format!("picture {number}\n")).unwrap();
    }
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    shows(&tray, "safe", "Photos: everything is in step (10 files)");

    for number in 0..9 {
        fs::remove_file(photos.join(format!("{number}.jpg"))).unwrap();
    }
    shows(&tray, "needs-you", "Photos: a question waits for your answer");
    tray.click("Photos: a question waits for your answer ▸ Bring them back");
    shows(&tray, "safe", "Photos: everything is in step (10 files)");
    assert!(photos.join("0.jpg").exists(), "no brings the files back");
    engine.stop();
}

#[test]
fn help_opens_in_the_window() {
    if !needs_desktop() || !needs_window() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, _) = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    let window = Window::open(&desktop, &sandbox, &[&photos]);
    window.shows("Your folder is safe.");
    tray.click("Help");
    window.shows("The sign in the tray");
}

#[test]
fn a_folder_is_shown_in_the_file_manager() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, _) = photos(&sandbox);
    let (programs, opened) = (sandbox.path("programs"), sandbox.path("opened"));
    fs::create_dir(&programs).unwrap();
    let script = format!("#!/bin/sh\nprintf '%s' \"$1\" > '{}'\n", opened.display());
    fs::write(programs.join("xdg-open"), script).unwrap();
    fs::set_permissions(programs.join("xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    let mut program = desktop.program(&sandbox, &[&photos]);
    program.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    let engine = Engine::spawn_program(program, sandbox.path("desktop.log"));
    tray.click("Photos ▸ Open");
    eventually(PATIENCE, || match fs::read_to_string(&opened) {
        Ok(path) if Path::new(&path) == photos => Ok(()),
        other => Err(format!("{other:?}")),
    });
    engine.stop();
}

#[test]
fn a_tray_that_comes_late_or_again_gets_the_icon() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, _) = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let engine = desktop.run(&sandbox, &[&photos]);
    for _ in 0..2 {
        let tray = TrayHost::start(&desktop);
        shows(&tray, "safe", "Photos: everything is in step");
        drop(tray);
    }
    engine.stop();
}

#[test]
fn the_picture_follows_the_colours_of_the_desktop() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, _) = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    tray.has_colours(1);
    let engine = desktop.run(&sandbox, &[&photos]);
    let looks = |set| {
        eventually(PATIENCE, || match tray.picture() == icon(set, "safe") {
            true => Ok(()),
            false => Err(format!("the picture is not of the set {set}")),
        });
    };
    looks("dark");
    tray.changes_colours(2);
    looks("light");
    engine.stop();
}

#[test]
fn a_second_start_opens_the_window_of_the_first() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, _) = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let engine = desktop.run(&sandbox, &[&photos]);
    assert!(desktop.windows("Anabranch").is_empty());
    for _ in 0..2 {
        run(&mut desktop.program(&sandbox, &[&photos]));
        has_windows(&desktop, 1);
    }
    // The last window closes, and the folder is kept in sync all the same.
    desktop.close(desktop.windows("Anabranch")[0]);
    has_windows(&desktop, 0);
    assert_eq!(state(&sandbox, &photos), "safe");
    engine.stop();
}

/// What a program that found no desktop does: it says so, and keeps the folder in sync.
#[track_caller]
fn goes_on(sandbox: &Sandbox, program: std::process::Command, photos: &Path, clone: &Path, says: &str) {
    let mut engine = Engine::spawn_program(program, sandbox.path("desktop.log"));
    engine.wait_until_up(sandbox, photos);
    fs::write(photos.join("b.jpg"), "another picture\n").unwrap();
    eventually(PATIENCE, || trees::same(&[photos, clone]));
    eventually(PATIENCE, || match engine.words().contains(says) {
        true => Ok(()),
        false => Err(engine.words()),
    });
    engine.stop();
}

#[test]
fn without_a_display_the_engine_runs() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, clone) = photos(&sandbox);
    let mut program = sandbox.command(programs::anabranch_desktop());
    program.arg(&photos).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    goes_on(&sandbox, program, &photos, &clone, "there is no display");
}

#[test]
fn without_a_session_bus_the_engine_runs() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, clone) = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let mut program = desktop.program(&sandbox, &[&photos]);
    program.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    goes_on(&sandbox, program, &photos, &clone, "there is no tray icon");
}

#[test]
fn a_folder_that_cannot_be_run_is_named() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let desktop = Desktop::start(&sandbox);
    let output = attempt(&mut desktop.program(&sandbox, &[&sandbox.path("nowhere")]));
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("nowhere"), "{said}");
}

/// Git runs the filter of annexed files by itself: what the desktop program names as that must be able to do it.
#[test]
fn git_works_in_a_folder_that_the_desktop_program_adopted() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::without_git_annex();
    let (photos, _) = photos(&sandbox);
    run(&mut sandbox.git(&photos, ["config", "filter.annex.process", "git-annex filter-process"]));
    let desktop = Desktop::start(&sandbox);
    let engine = desktop.run(&sandbox, &[&photos]);
    let filter = run(&mut sandbox.git(&photos, ["config", "filter.annex.process"]));
    assert!(filter.trim_end().ends_with("/anabranch' filter-process"), "{filter}");
    fs::remove_file(photos.join("a.jpg")).unwrap();
    run(&mut sandbox.git(&photos, ["checkout", "--", "a.jpg"]));
    assert_eq!(fs::read_to_string(photos.join("a.jpg")).unwrap(), "a picture\n");
    engine.stop();
}
