//! Tests that cannot run on a machine say so, and why.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Says that a test is left out here, and why.
///
/// The line goes to standard error and, because a runner hides what a passing test says, to the file that
/// `ANABRANCH_SKIPPED` names.
pub fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: left out here: {reason}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ANABRANCH_SKIPPED") {
        // A list that cannot be written must not fail the test that only wanted to be left out.
        let _ = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut list| list.write_all(line.as_bytes()));
    }
}

/// What this machine could have; when it could not, the test is left out.
pub fn or_skipped<T>(had: Result<T, String>) -> Option<T> {
    had.map_err(|reason| skipped(&format!("this machine cannot have it: {reason}")))
        .ok()
}

/// Whether the real git-annex is here; when it is not, the test is left out.
///
/// # Panics
///
/// When it is not here and `ANABRANCH_REQUIRE_GIT_ANNEX` says that it must be, as `cargo xtask test` does.
#[must_use]
pub fn needs_git_annex() -> bool {
    if crate::programs::git_annex().is_some() {
        return true;
    }
    assert!(
        std::env::var_os("ANABRANCH_REQUIRE_GIT_ANNEX").is_none(),
        "git-annex is not installed"
    );
    skipped("the real git-annex is not installed; `cargo xtask test` installs it");
    false
}

/// Whether this runs as root, who alone can mount; when not, the test is left out.
#[must_use]
pub fn needs_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        skipped("only root can mount a disk");
    }
    is_root
}

/// Whether there is what a desktop in a box needs; when not, the test is left out.
#[must_use]
pub fn needs_desktop() -> bool {
    needs(&["dbus-daemon", "Xvfb"])
}

/// Whether there is what a window on such a desktop is used by; when not, the test is left out.
#[must_use]
pub fn needs_window() -> bool {
    needs(&["dbus-daemon", "Xvfb", "WebKitWebDriver"])
}

/// Whether there is what a desktop in a box with a notification server needs; when not, the test is left out.
#[must_use]
pub fn needs_notification_server() -> bool {
    needs(&["dbus-daemon", "Xvfb", "dunst"])
}

fn needs(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<&str> = programs.iter().copied().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        skipped(&format!(
            "{} not installed; `cargo xtask test` installs it",
            missing.join(", ")
        ));
    }
    missing.is_empty()
}
