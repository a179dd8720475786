//! Tests that cannot run on a machine say so, and why.

pub use crate::skipped::{lacks, skipped};

/// What this machine could have; when it could not, the test is left out.
///
/// # Panics
///
/// When it could not and `ANABRANCH_REQUIRE_…` says that it can, as for all that is asked for here.
pub fn or_skipped<T>(what: &str, had: Result<T, String>) -> Option<T> {
    had.map_err(|reason| lacks(what, &format!("this machine cannot have it: {reason}")))
        .ok()
}

/// Whether the real git-annex is here; when it is not, the test is left out.
#[must_use]
pub fn needs_git_annex() -> bool {
    let is_here = crate::programs::git_annex().is_some();
    if !is_here {
        lacks(
            "git-annex",
            "the real git-annex is not installed; `cargo xtask test` installs it",
        );
    }
    is_here
}

/// Whether repositories know each other by their paths; when it is over ssh, the test is left out.
#[must_use]
pub fn needs_paths() -> bool {
    let is_over_ssh = crate::over_ssh::shell().is_some();
    if is_over_ssh {
        skipped("it is about a folder that vanishes and comes back, which is noticed at once only on this computer");
    }
    !is_over_ssh
}

/// Whether this runs as root, who alone can mount; when not, the test is left out.
#[must_use]
pub fn needs_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        lacks("root", "only root can mount a disk");
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

/// Whether there is an ssh server, and the real git-annex as its client; when not, the test is left out.
#[must_use]
pub fn needs_sshd() -> bool {
    needs_git_annex() && needs(&["sshd", "ssh"])
}

fn needs(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // sshd is where not everybody's PATH leads.
    let folders = || std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let has = |name: &str| folders().any(|folder| folder.join(name).is_file());
    let missing = programs.iter().find(|name| !has(name));
    if let Some(missing) = missing {
        lacks(
            missing,
            &format!("{missing} is not installed; `cargo xtask test` installs it"),
        );
    }
    missing.is_none()
}
