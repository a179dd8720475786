//! The desktop program on a bus and a display of the test's own, seen and clicked as a panel does it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use whole_system::asking::status;
use whole_system::clones::pictures;
use whole_system::portal::Portal;
use whole_system::skip::{needs_desktop, needs_window};
use whole_system::{Desktop, Engine, PATIENCE, Sandbox, Scene, TrayHost, eventually, programs, run, trees};

/// A scene with this number of pictures, and an up-to-date clone.
fn with_clone(count: u32) -> (Scene, PathBuf) {
    let scene = Scene::of_pictures(count);
    let clone = scene.cloned_to("clone");
    scene.sync();
    (scene, clone)
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

fn state(scene: &Scene) -> String {
    let folder = status(&scene.sandbox, &scene.photos).unwrap();
    folder["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_tray_shows_the_state_and_does_what_is_clicked() {
    if !needs_desktop() {
        return;
    }
    let (scene, clone) = with_clone(1);
    let tray = scene.tray();
    let engine = scene.run();

    assert_eq!(tray.property::<String>("Id"), "anabranch");
    assert_eq!(tray.property::<String>("Title"), "Anabranch");
    shows(&tray, "safe", "Photos: up to date (1 file)");
    let labels = tray.labels();
    let safe = "up to date (1 file)";
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
    assert!(
        scene.desktop.windows("Anabranch").is_empty(),
        "it starts without a window"
    );

    tray.click("Photos ▸ Pause");
    shows(&tray, "paused", "Photos: paused");
    assert_eq!(state(&scene), "paused");
    fs::write(scene.photos.join("b.jpg"), "another picture\n").unwrap();
    tray.click("Photos ▸ Resume");
    shows(&tray, "safe", "Photos: up to date (2 files)");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));

    tray.click("Pause ▸ For 1 hour");
    shows(&tray, "paused", "Photos: paused");
    tray.click("Pause ▸ Resume");
    shows(&tray, "safe", "Photos: up to date (2 files)");

    tray.activate();
    scene.desktop.has_windows(1);
    // What is clicked is done in turn: when the last shows, the first is done.
    tray.click("Open Anabranch");
    tray.click("Photos ▸ Pause");
    shows(&tray, "paused", "Photos: paused");
    tray.click("Photos ▸ Resume");
    shows(&tray, "safe", "Photos: up to date (2 files)");
    scene.desktop.has_windows(1);

    tray.click("Quit");
    engine.end();
    assert_eq!(state(&scene), "stopped");
}

#[test]
fn a_question_is_answered_in_the_menu() {
    if !needs_desktop() {
        return;
    }
    let (scene, _) = with_clone(10);
    let tray = scene.tray();
    let engine = scene.run();
    shows(&tray, "safe", "Photos: up to date (10 files)");

    scene.delete_pictures(&engine);
    shows(&tray, "needs-you", "Photos: a question waits for your answer");
    tray.click("Photos: a question waits for your answer ▸ Bring them back");
    shows(&tray, "safe", "Photos: up to date (10 files)");
    assert!(scene.photos.join("9.jpg").exists(), "no brings the files back");
    engine.stop();
}

#[test]
fn help_opens_in_the_window() {
    if !needs_desktop() || !needs_window() {
        return;
    }
    let (scene, _) = with_clone(1);
    let tray = scene.tray();
    let window = scene.window();
    window.shows("Your folder is safe.");
    tray.click("Help");
    window.shows("The sign in the tray");
}

#[test]
fn a_folder_is_shown_in_the_file_manager() {
    if !needs_desktop() {
        return;
    }
    let (scene, _) = with_clone(1);
    let tray = scene.tray();
    let engine = scene.run();
    tray.click("Photos ▸ Open");
    eventually(PATIENCE, || match scene.sandbox.shown() {
        shown if shown == [scene.photos.clone()] => Ok(()),
        shown => Err(format!("{shown:?}")),
    });
    engine.stop();
}

#[test]
fn a_tray_that_comes_late_or_again_gets_the_icon() {
    if !needs_desktop() {
        return;
    }
    let (scene, _) = with_clone(1);
    let engine = scene.run();
    for _ in 0..2 {
        let tray = scene.tray();
        shows(&tray, "safe", "Photos: up to date");
        drop(tray);
    }
    engine.stop();
}

#[test]
fn the_picture_follows_the_colours_of_the_desktop() {
    if !needs_desktop() {
        return;
    }
    let (scene, _) = with_clone(1);
    let tray = scene.tray();
    let portal = Portal::start(&scene.desktop, 1);
    let engine = scene.run();
    let looks = |set| {
        eventually(PATIENCE, || match tray.picture() == icon(set, "safe") {
            true => Ok(()),
            false => Err(format!("the picture is not of the set {set}")),
        });
    };
    looks("dark");
    portal.changes(2);
    looks("light");
    engine.stop();
}

#[test]
fn a_second_start_opens_the_window_of_the_first() {
    if !needs_desktop() {
        return;
    }
    let (scene, _) = with_clone(1);
    let engine = scene.run();
    assert!(scene.desktop.windows("Anabranch").is_empty());
    for _ in 0..2 {
        run(&mut scene.desktop.program(&scene.sandbox, &[&scene.photos]));
        scene.desktop.has_windows(1);
    }
    // A folder that it does not keep is not dropped without a word, nor taken in on the way.
    let other = pictures(&scene.sandbox, "Other", 1);
    run(&mut scene.desktop.program(&scene.sandbox, &[&scene.photos, &other]));
    engine.says("/Other: Anabranch is running already.");
    assert!(
        !engine.words().contains("/Photos: Anabranch is running"),
        "{}",
        engine.words()
    );
    // The last window closes, and the folder is kept in sync all the same.
    scene.desktop.close(scene.desktop.windows("Anabranch")[0]);
    scene.desktop.has_windows(0);
    assert_eq!(state(&scene), "safe");
    engine.stop();
}

/// What a program that found no desktop does: it says so, and keeps the folder in sync.
#[track_caller]
fn goes_on(scene: &Scene, program: std::process::Command, clone: &Path, says: &str) {
    let mut engine = Engine::spawn_program(program, scene.sandbox.path("desktop.log"));
    engine.wait_until_up(&scene.sandbox, &scene.photos);
    fs::write(scene.photos.join("b.jpg"), "another picture\n").unwrap();
    eventually(PATIENCE, || trees::same(&[&scene.photos, clone]));
    engine.says(says);
    engine.stop();
}

#[test]
fn without_a_display_the_engine_runs() {
    if !needs_desktop() {
        return;
    }
    let (scene, clone) = with_clone(1);
    let mut program = scene.sandbox.command(programs::anabranch_desktop());
    program
        .arg(&scene.photos)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY");
    goes_on(&scene, program, &clone, "there is no display");
}

#[test]
fn without_a_display_problems_are_said() {
    let sandbox = Sandbox::new();
    let photos = pictures(&sandbox, "Photos", 1);
    let settings = sandbox.path("home/.config/anabranch");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("settings.toml"), "# Mine\nlook = \"pink\"\n").unwrap();
    let mut program = sandbox.command(programs::anabranch_desktop());
    program.arg(&photos).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let mut engine = Engine::spawn_program(program, sandbox.path("desktop.log"));
    engine.wait_until_up(&sandbox, &photos);
    engine.says("line 2");
    engine.stop();
}

#[test]
fn a_desktop_without_a_tray_is_told_of() {
    if !needs_desktop() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let engine = scene.run();
    engine.says("this desktop shows no tray icons now");
    engine.stop();
}

#[test]
fn the_end_of_the_session_bus_is_not_that_of_the_program() {
    if !needs_desktop() {
        return;
    }
    let (mut scene, clone) = with_clone(1);
    let engine = scene.run();
    scene.desktop.end_bus();
    for name in ["b.jpg", "c.jpg"] {
        fs::write(scene.photos.join(name), name).unwrap();
        eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));
    }
    engine.stop();
}

/// The bus knows entries by numbers, which must not come to mean another entry.
#[test]
fn a_late_click_does_nothing_else() {
    if !needs_desktop() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let other = pictures(&scene.sandbox, "Other", 1);
    let tray = scene.tray();
    let engine = scene.desktop.run(&scene.sandbox, &[&scene.photos, &other]);
    // As many recent changes as are shown: from now on the menu keeps its shape.
    let recent = "Recent changes ▸ Photos: ";
    let shown = |start: &str| {
        tray.labels()
            .into_iter()
            .filter(|label| label.starts_with(start))
            .count()
    };
    for number in 0..8 {
        fs::write(scene.photos.join(format!("new {number}")), [number]).unwrap();
        eventually(PATIENCE, || match shown(recent) {
            count if count > usize::from(number) => Ok(()),
            count => Err(format!("{count} changes")),
        });
    }
    let label = tray
        .labels()
        .into_iter()
        .find(|label| label.starts_with(recent))
        .unwrap();
    let first = tray.number(&label);
    fs::write(other.join("new"), "new").unwrap();
    eventually(PATIENCE, || match shown("Recent changes ▸ Other: ") {
        0 => Err("no change of the other"),
        _ => Ok(()),
    });
    tray.click_number(first);
    tray.click("Photos ▸ Open");
    eventually(PATIENCE, || match scene.sandbox.shown() {
        shown if shown.is_empty() => Err("nothing was shown"),
        _ => Ok(()),
    });
    assert_eq!(scene.sandbox.shown(), [scene.photos]);
    engine.stop();
}

#[test]
fn without_a_session_bus_the_engine_runs() {
    if !needs_desktop() {
        return;
    }
    let (scene, clone) = with_clone(1);
    let mut program = scene.desktop.program(&scene.sandbox, &[&scene.photos]);
    program.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    goes_on(&scene, program, &clone, "there is no tray icon");
}

#[test]
fn a_folder_that_cannot_be_run_is_named() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    let nowhere = sandbox.path("nowhere");
    let program = desktop.program(&sandbox, &[&nowhere]);
    let refused = format!("Anabranch does not sync {}", nowhere.display());
    let engine = Engine::spawn_program(program, sandbox.path("desktop.log"));
    eventually(PATIENCE, || {
        let labels = tray.labels();
        match labels.iter().any(|label| label.contains(&refused)) {
            true => Ok(()),
            false => Err(format!("{labels:#?}")),
        }
    });
    engine.stop();
}

/// Git runs the filter of annexed files by itself: what the desktop program names as that must be able to do it.
#[test]
fn git_works_in_a_folder_that_the_desktop_program_adopted() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::without_git_annex();
    let photos = pictures(&sandbox, "Photos", 1);
    run(&mut sandbox.git(&photos, ["config", "filter.annex.process", "git-annex filter-process"]));
    let desktop = Desktop::start(&sandbox);
    let engine = desktop.run(&sandbox, &[&photos]);
    let filter = run(&mut sandbox.git(&photos, ["config", "filter.annex.process"]));
    assert!(filter.trim_end().ends_with("/anabranch' filter-process"), "{filter}");
    fs::remove_file(photos.join("0.jpg")).unwrap();
    run(&mut sandbox.git(&photos, ["checkout", "--", "0.jpg"]));
    assert_eq!(fs::read_to_string(photos.join("0.jpg")).unwrap(), "picture 0\n");
    engine.stop();
}
