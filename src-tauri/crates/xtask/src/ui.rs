//! The window in `ui/`: its packages, and its own checks, tests and build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::steps::{Steps, output, succeed};

/// The oldest node that every package in `ui/package.json` runs on; Debian 12 has 18.20.
const NODE: (u32, u32) = (18, 18);

/// What `ui/package.json` calls its checks, with the step's name, in the order in which a fault is found soonest.
const SCRIPTS: &[(&str, &str)] = &[
    ("window: types", "check"),
    ("window: lints", "lint"),
    ("window: tests", "test"),
    ("window: build", "build"),
    ("window: in a browser", "browser"),
];

/// Installs the window's packages where they are missing or others than the lock file says, then checks everything.
///
/// # Errors
///
/// When node is too old, the packages cannot be fetched, or a check fails.
pub(crate) fn check(steps: &mut Steps, place: &Place) -> Result<()> {
    let ui = place.root.join("ui");
    steps.step("window: packages", || install(&ui))?;
    for (name, script) in SCRIPTS {
        let mut npm = npm(&ui, &["run", "--silent", script]);
        steps.command(name, npm.env("ANABRANCH_PICTURES", pictures(place)))?;
    }
    println!("  pictures of every page: {}", pictures(place).display());
    Ok(())
}

/// Installs the window's packages likewise, and builds it.
///
/// # Errors
///
/// When node is too old, the packages cannot be fetched, or the build fails.
pub(crate) fn build(steps: &mut Steps, place: &Place) -> Result<()> {
    let ui = place.root.join("ui");
    steps.step("window: packages", || install(&ui))?;
    steps.command("window: build", &mut npm(&ui, &["run", "--silent", "build"]))
}

fn pictures(place: &Place) -> PathBuf {
    place.target.join("window-pictures")
}

fn install(ui: &Path) -> Result<()> {
    let said = output(Command::new("node").arg("--version")).context("node could not be asked for its version")?;
    let said = String::from_utf8_lossy(&said);
    if node_version(&said).is_none_or(|version| version < NODE) {
        let (major, minor) = NODE;
        bail!(
            "node is {}, and the window needs {major}.{minor} or newer; Debian 12 has it in the package nodejs",
            said.trim()
        );
    }
    if is_installed(ui) {
        println!("  the packages are those of the lock file");
        return Ok(());
    }
    succeed(&mut npm(ui, &["ci", "--no-audit", "--no-fund"]))?;
    fs::copy(ui.join("package-lock.json"), installed(ui)).context("the installed lock file could not be kept")?;
    Ok(())
}

fn npm(ui: &Path, arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(ui);
    npm
}

/// A copy of the lock file that the packages were installed from; written last, so a broken installation has none.
fn installed(ui: &Path) -> PathBuf {
    ui.join("node_modules/.installed-lock.json")
}

fn is_installed(ui: &Path) -> bool {
    let wanted = fs::read(ui.join("package-lock.json"));
    let there = fs::read(installed(ui));
    matches!((wanted, there), (Ok(wanted), Ok(there)) if wanted == there)
}

/// The major and minor number of what `node --version` says, such as `v18.20.4`.
fn node_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said
        .trim()
        .strip_prefix('v')?
        .split('.')
        .map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_says_its_version() {
        assert_eq!(node_version("v18.20.4\n"), Some((18, 20)));
        assert_eq!(node_version("v9.1.0\n"), Some((9, 1)));
        assert_eq!(node_version("18.20.4"), None);
        assert_eq!(node_version("v18"), None);
        assert!(node_version("v18.20.4").is_some_and(|version| version >= NODE));
        assert!(node_version("v18.9.1").is_some_and(|version| version < NODE));
    }

    #[test]
    fn packages_are_installed_when_the_lock_file_is_another() {
        let ui = tempfile::tempdir().unwrap();
        assert!(!is_installed(ui.path()), "neither is there");
        fs::write(ui.path().join("package-lock.json"), "1").unwrap();
        assert!(!is_installed(ui.path()), "nothing was installed");
        fs::create_dir(ui.path().join("node_modules")).unwrap();
        fs::write(installed(ui.path()), "1").unwrap();
        assert!(is_installed(ui.path()));
        fs::write(ui.path().join("package-lock.json"), "2").unwrap();
        assert!(!is_installed(ui.path()), "the lock file changed");
    }

    #[test]
    fn every_script_is_one_of_the_windows() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ui/package.json");
        let package = fs::read_to_string(package).unwrap();
        for (_, script) in SCRIPTS {
            assert!(package.contains(&format!("\"{script}\": \"")), "{script}");
        }
    }
}
