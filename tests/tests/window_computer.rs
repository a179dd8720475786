//! A place on another computer, made in the real window over a real ssh.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use whole_system::skip::{needs_root, needs_sshd, needs_window};
use whole_system::sshd::{Login, Shell};
use whole_system::{Desktop, PATIENCE, Sandbox, Scene, Sshd, Window, eventually, trees};

/// A password, and its hash as `openssl passwd -6` makes it.
const PASSWORD: &str = "correct horse";
const HASH: &str =
    "$6$anabranch$hFmEiPmNnsm/zDtHSqGJKN3nx7uisJpAlodp2t0xXqXXTUXgai4IYx/XjEtkcYCJUp3PW/oV4CPx1BXkuMI/p.";

fn desk(sandbox: &Sandbox) -> Sshd {
    Sshd::start(sandbox, "desk", Shell::Anabranch, Login::Everything, &[])
}

#[test]
fn from_the_first_start_to_a_folder_in_sync_with_another_computer() {
    if !needs_window() || !needs_sshd() {
        return;
    }
    let sandbox = Sandbox::new();
    let sshd = desk(&sandbox);
    sshd.is_unknown(&sandbox);
    let (photos, there) = (sandbox.path("Photos"), sshd.home().join("Photos"));
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("a.jpg"), "a picture\n").unwrap();
    let desktop = Desktop::start(&sandbox);
    let window = Window::open(&desktop, &sandbox, &[]);
    window.fill("Folder", photos.to_str().unwrap());
    window.click("Protect this folder");
    window.click("Use another computer…");
    window.fill("Computer", "desk");
    window.fill("Folder there", "Photos");
    window.click("Check");
    // It is met for the first time.
    window.shows(&sshd.fingerprint(&sandbox));
    assert!(!there.exists());
    window.click("It is the right computer");
    window.shows("Nothing is there yet.");
    window.click("Make the place");
    eventually(PATIENCE, || trees::same(&[&photos, &there]));
    window.click("Done");
    window.shows("Your folder is safe.");

    // The other way, from there to a second folder here.
    let copy = sandbox.path("Copy");
    window.click("Bring a folder from another computer…");
    window.fill("Computer", "desk");
    window.fill("Folder there", "Photos");
    window.fill("Folder here", copy.to_str().unwrap());
    window.click("Check");
    window.click("Bring it here");
    eventually(PATIENCE, || trees::same(&[&photos, &copy]));
}

#[test]
fn a_wrong_password_is_asked_again_and_the_right_one_only_once() {
    if !needs_window() || !needs_sshd() || !needs_root() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let sshd = desk(&scene.sandbox);
    sshd.wants_password(HASH);
    let window = scene.window();
    window.click("Places");
    window.click("Use another computer…");
    window.fill("Computer", "desk");
    window.fill("Folder there", "photos");
    window.click("Check");
    window.shows("wants the password");
    window.fill("Your answer", "wrong");
    window.click("Log in");
    window.shows("That was not right.");
    window.fill("Your answer", PASSWORD);
    window.click("Log in");
    window.click("Make the place");
    window.shows("was made for");
    eventually(PATIENCE, || trees::same(&[&scene.photos, &sshd.home().join("photos")]));
    assert_eq!(sshd.log().matches("Accepted password").count(), 1, "{}", sshd.log());
}

#[test]
fn a_changed_host_key_is_a_danger_and_nothing_is_sent() {
    if !needs_window() || !needs_sshd() {
        return;
    }
    let scene = Scene::of_pictures(1);
    let sshd = desk(&scene.sandbox);
    sshd.is_known_by_another_key(&scene.sandbox);
    let window = scene.window();
    window.click("Places");
    window.click("Use another computer…");
    window.fill("Computer", "desk");
    window.fill("Folder there", "photos");
    window.click("Check");
    window.shows("the host key of desk has changed. Somebody may be pretending to be that computer; nothing was sent");
    assert!(!sshd.home().join("photos").exists());
}
