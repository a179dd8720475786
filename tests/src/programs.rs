//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The `anabranch` program: the one that `ANABRANCH_BINARY` names, else built now.
///
/// # Panics
///
/// When it cannot be built.
pub fn anabranch() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| find("anabranch", "ANABRANCH_BINARY"))
}

/// The desktop program: the one that `ANABRANCH_DESKTOP_BINARY` names, else built now.
///
/// # Panics
///
/// When it cannot be built.
pub fn anabranch_desktop() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| find("anabranch-desktop", "ANABRANCH_DESKTOP_BINARY"))
}

fn find(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    // Cargo does not build another package's program for a test. Its own lock keeps several tests apart, and for
    // all but the first there is nothing to build.
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--workspace", "--bin", name, "--target-dir"])
        .arg(build_folder())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "{name} cannot be built");
    build_folder().join("debug").join(name)
}

/// The real git-annex, when it is installed: where `ANABRANCH_GIT_ANNEX` says, else in the build folder.
pub fn git_annex() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let path = std::env::var_os("ANABRANCH_GIT_ANNEX").map_or_else(
                || build_folder().join("tools/git-annex/git_annex/git-annex"),
                PathBuf::from,
            );
            path.is_file().then_some(path)
        })
        .as_deref()
}

/// Cargo's build folder: this test is three levels below it.
fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.ancestors()
        .nth(3)
        .expect("tests are built into target/debug/deps")
        .to_owned()
}
