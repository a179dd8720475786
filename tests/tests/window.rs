//! The real window over the real engine, used by the words on it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use whole_system::disk_services::DiskServices;
use whole_system::drives::{Drive, Format};
use whole_system::skip::{needs_git_annex, needs_root, needs_window, or_skipped};
use whole_system::{Desktop, PATIENCE, Sandbox, Scene, Window, eventually, run, trees};

#[test]
fn the_window_shows_what_is_so_and_does_what_is_clicked() {
    if !needs_window() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let clone = scene.cloned_to("clone");
    let window = scene.window();

    window.shows("Photos");
    window.shows("Your folder is safe.");
    window.shows("1 file ");

    // What happens outside is seen inside.
    fs::write(scene.photos.join("b.jpg"), "another picture\n").unwrap();
    window.shows("2 files ");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));

    // What is clicked inside happens outside.
    window.click("Pause…: Photos");
    window.click("Until I resume");
    window.shows("Paused");
    scene.is("paused");
    fs::write(scene.photos.join("c.jpg"), "a third picture\n").unwrap();
    window.click("Resume: Photos");
    window.shows("3 files ");
    window.shows("Your folder is safe.");
    scene.is("safe");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));

    drop(window);
    scene.is("stopped");
}

#[test]
fn the_window_says_of_a_file_where_it_is() {
    if !needs_window() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let window = scene.window();
    window.shows("Your folder is safe.");
    window.click("Why?");
    window.fill("File", "0.jpg");
    window.click("Ask");
    window.shows("and no other place wants it");
    window.fill("File", "/etc/passwd");
    window.click("Ask");
    window.shows("This path is not in the folder.");
}

#[test]
fn a_file_with_a_mistake_is_shown_by_the_button_of_its_problem() {
    if !needs_window() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let rules = scene.photos.join(".git/anabranch/policy.toml");
    fs::write(&rules, "[[rule]]\nallow = \"evrything\"\n").unwrap();
    let window = scene.window();
    window.click("1 problem");
    window.shows("Anabranch cannot read the rules of this folder");
    window.click(&format!("Show it: {}", rules.display()));
    eventually(PATIENCE, || match scene.sandbox.shown() {
        shown if shown == [rules.clone()] => Ok(()),
        shown => Err(format!("{shown:?}")),
    });
}

#[test]
fn from_the_first_start_to_a_folder_that_is_in_sync() {
    if !needs_window() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, copy) = (sandbox.path("Photos"), sandbox.path("disk/Photos"));
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("a.jpg"), "a picture\n").unwrap();
    let desktop = Desktop::start(&sandbox);
    let window = Window::open(&desktop, &sandbox, &[]);

    window.shows("Choose a folder to protect");
    window.fill("Folder", photos.to_str().unwrap());
    window.shows("A folder with 1 file. They stay as they are.");
    window.click("Protect this folder");
    window.shows("Where should copies of Photos be kept?");
    window.fill("Path for the copies of Photos", copy.to_str().unwrap());
    window.shows("Nothing is there yet. Anabranch makes a folder for the copies.");
    window.click("Keep copies there");
    eventually(PATIENCE, || trees::same(&[&photos, &copy]));
    window.click("Done");
    window.shows("All 2 folders are safe.");

    // The program starts with the desktop if that is wanted, and keeps the folders the next time.
    let entry = sandbox.path("home/.config/autostart/org.anabranch.Desktop.desktop");
    assert!(!entry.exists());
    window.click("Yes, start it");
    eventually(PATIENCE, || match entry.exists() {
        true => Ok(()),
        false => Err(format!("no {}", entry.display())),
    });
    drop(window);
    let window = Window::open(&desktop, &sandbox, &[]);
    fs::write(copy.join("b.jpg"), "another picture\n").unwrap();
    eventually(PATIENCE, || trees::same(&[&photos, &copy]));
    window.shows("All 2 folders are safe.");
}

#[test]
fn a_folder_on_a_drive_that_is_away_is_no_first_run_and_can_be_let_go() {
    if !needs_window() {
        return;
    }
    let sandbox = Sandbox::new();
    let settings = sandbox.path("home/.config/anabranch/settings.toml");
    let films = sandbox.path("stick/Films");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, format!("folders = [{:?}]\n", films.to_str().unwrap())).unwrap();
    let desktop = Desktop::start(&sandbox);
    let window = Window::open(&desktop, &sandbox, &[]);
    window.shows("1 folder: 1 needs you.");
    window.shows(films.to_str().unwrap());
    window.click("Stop syncing Films…");
    window.click("Stop syncing it");
    window.shows("Choose a folder to protect");
    assert!(!fs::read_to_string(&settings).unwrap().contains("Films"));
}

#[test]
fn a_rule_that_is_set_in_the_window_is_obeyed() {
    if !needs_window() {
        return;
    }
    let scene = Scene::of_pictures(0);
    fs::create_dir(scene.photos.join("raw")).unwrap();
    fs::write(scene.photos.join("raw/a.jpg"), "a picture\n").unwrap();
    scene.sync();
    let clone = scene.cloned_to("clone");
    let window = scene.window();
    window.shows("Your folder is safe.");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));

    window.click("Rules");
    window.pick("clone", "List files, don’t copy them");
    window.shows("Afterwards every file has at least 2 copies (1 file with only that many).");
    window.click("Apply: Photos");
    window.shows("The rules apply now.");
    fs::write(scene.photos.join("raw/b.jpg"), "another picture\n").unwrap();
    fs::write(scene.photos.join("c.txt"), "a third file\n").unwrap();
    let is_there = |name: &str| fs::symlink_metadata(clone.join(name)).is_ok();
    eventually(PATIENCE, || match is_there("raw/b.jpg") && is_there("c.txt") {
        true => Ok(()),
        false => Err("the names have not come".to_owned()),
    });
    scene.is("safe");
    let has = |name: &str, text: &str| fs::read_to_string(clone.join(name)).is_ok_and(|content| content == text);
    assert!(!has("raw/b.jpg", "another picture\n") && !has("c.txt", "a third file\n"));

    // Only what is in one directory stays here.
    window.click("Undo: Photos");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));
    window.click("Choose directories…: clone");
    window.choose("raw");
    window.shows("Afterwards every file has at least");
    window.click("Apply: Photos");
    window.shows("The rules apply now.");
    fs::write(scene.photos.join("raw/d.jpg"), "a fourth picture\n").unwrap();
    fs::write(scene.photos.join("e.txt"), "a fifth file\n").unwrap();
    eventually(PATIENCE, || {
        match is_there("raw/d.jpg") && has("e.txt", "a fifth file\n") {
            true => Ok(()),
            false => Err("what is allowed has not come".to_owned()),
        }
    });
    scene.is("safe");
    assert!(!has("raw/d.jpg", "a fourth picture\n"));
}

#[test]
fn what_a_place_keeps_is_chosen_in_the_window() {
    if !needs_window() || !needs_git_annex() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let clone = scene.cloned_to("clone");
    let git_annex = |arguments: &[&str]| {
        let said = run(&mut scene.sandbox.git(&scene.photos, ["annex"].iter().chain(arguments)));
        said.trim().to_owned()
    };
    let window = scene.window();
    window.shows("Your folder is safe.");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));

    window.click("Rules");
    window.shows("clone keeps every file of this folder, because you chose nothing else.");
    window.pick("Kept there", "Archive copy");
    window.shows("Nothing would be left to copy.");
    window.click("Apply: Photos");
    window.shows("The rules apply now.");
    window.shows("clone keeps files that no other archive has");
    assert_eq!(git_annex(&["group", "clone"]), "archive");
    // Changed outside, it is another one inside.
    git_annex(&["wanted", "clone", "include=*.jpg"]);
    window.shows("As set with git-annex: include=*.jpg (in archive).");
}

#[test]
fn a_drive_is_taken_into_use_and_ejected_in_the_window() {
    if !needs_window() || !needs_root() {
        return;
    }
    let mut scene = Scene::of_pictures(1);
    let Some(services) = or_skipped("UDisks2", DiskServices::start(&scene.sandbox)) else {
        return;
    };
    scene.desktop = scene.desktop.with_system_bus(services.bus());
    let window = scene.window();
    window.click("Drives");
    window.shows("No drive is connected.");

    let Some(drive) = or_skipped("mount", Drive::for_people(&scene.sandbox, Format::Ext4, "STICK", 300)) else {
        return;
    };
    drive.wait_for_udev();
    window.click("Use it…: STICK");
    window.choose("A full copy");
    window.click("Start using it");
    window.shows("Up to date.");
    eventually(PATIENCE, || {
        trees::same(&[&scene.photos, &drive.mount_point().join("Photos")])
    });
    window.click("Eject when done: STICK");
    window.shows("safe to unplug");
    window.shows("No drive is connected.");
}
