//! Programs that are installed into the build folder, never into the system: cargo-deny, cargo-fuzz, cargo-machete,
//! cargo-mutants, cargo-nextest and the real git-annex.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::steps::{shown, succeed};

const DENY: &str = "0.20.2";
const FUZZ: &str = "0.13.1";
const MACHETE: &str = "0.9.2";
const MUTANTS: &str = "27.1.0";
const NEXTEST: &str = "0.9.143";
const GIT_ANNEX: &str = "10.20261026";

/// Finds cargo-nextest, or builds it; the folder to put first in PATH if it had to be built.
///
/// # Errors
///
/// When it is not there and cannot be built.
pub(crate) fn nextest(place: &Place) -> Result<Option<PathBuf>> {
    of_cargo(place, "nextest", NEXTEST)
}

/// Finds cargo-fuzz, or builds it; the folder to put first in PATH if it had to be built.
///
/// # Errors
///
/// When it is not there and cannot be built.
pub(crate) fn fuzz(place: &Place) -> Result<Option<PathBuf>> {
    of_cargo(place, "fuzz", FUZZ)
}

/// Finds cargo-mutants, or builds it; the folder to put first in PATH if it had to be built.
///
/// # Errors
///
/// When it is not there and cannot be built.
pub(crate) fn mutants(place: &Place) -> Result<Option<PathBuf>> {
    of_cargo(place, "mutants", MUTANTS)
}

/// Finds cargo-deny, or builds it; the folder to put first in PATH if it had to be built.
///
/// # Errors
///
/// When it is not there and cannot be built.
pub(crate) fn deny(place: &Place) -> Result<Option<PathBuf>> {
    of_cargo(place, "deny", DENY)
}

/// Finds cargo-machete, or builds it; the folder to put first in PATH if it had to be built.
///
/// # Errors
///
/// When it is not there and cannot be built.
pub(crate) fn machete(place: &Place) -> Result<Option<PathBuf>> {
    of_cargo(place, "machete", MACHETE)
}

fn of_cargo(place: &Place, name: &str, version: &str) -> Result<Option<PathBuf>> {
    let program = format!("cargo-{name}");
    if answers(place.cargo(&[name, "--version"])) {
        println!("  {program} is installed");
        return Ok(None);
    }
    let folder = place.tools().join(name);
    let programs = folder.join("bin");
    if !answers(Command::new(programs.join(&program)).args([name, "--version"])) {
        // Its speed does not matter; the release build takes three times as long.
        let mut install = place.cargo(&[
            "install",
            "--locked",
            "--debug",
            "--version",
            version,
            &program,
            "--root",
        ]);
        install.arg(&folder).env_remove("CARGO_TARGET_DIR");
        println!("  $ {}", shown(&install));
        succeed(&mut install)?;
    }
    println!("  {program} {version} is in {}", programs.display());
    Ok(Some(programs))
}

/// PATH with these folders before all others.
///
/// # Errors
///
/// When a folder's name cannot stand in it.
pub(crate) fn first_in_path<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.into_iter().cloned().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("the build folder's name cannot stand in PATH")
}

/// Finds the real git-annex in the build folder, or fetches it; its path.
///
/// The wheel on PyPI brings the program and its libraries. Its Python wrapper is left aside: it adds more time to
/// every call than most commands take.
///
/// # Errors
///
/// When it is not there and cannot be fetched, or does not run.
pub(crate) fn git_annex(place: &Place) -> Result<PathBuf> {
    let folder = place.tools().join("git-annex");
    let program = folder.join("git_annex/git-annex");
    if !is_complete(&folder) {
        // Unpacked aside and renamed, so that a run that is broken off leaves no half of it.
        let aside = tempfile::Builder::new()
            .prefix("git-annex-")
            .tempdir_in(fs::create_dir_all(place.tools()).map(|()| place.tools())?)
            .context("no room for git-annex in the build folder")?;
        let wheels = aside.path().join("wheel");
        let unpacked = aside.path().join("unpacked");
        fetch(&wheels)?;
        let wheel = fs::read_dir(&wheels)?
            .next()
            .context("pip said it fetched git-annex, but there is no file")??
            .path();
        let mut unpack = Command::new("python3");
        unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked);
        succeed(&mut unpack)?;
        let binary = unpacked.join("git_annex/git-annex");
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))
            .context("the git-annex wheel holds no git_annex/git-annex")?;
        // git-annex looks at the name it is called by.
        symlink("git-annex", unpacked.join("git_annex/git-annex-shell"))?;
        if folder.exists() {
            fs::remove_dir_all(&folder).context("an older git-annex could not be removed")?;
        }
        fs::rename(&unpacked, &folder)?;
    }
    if !answers(Command::new(&program).args(["version", "--raw"])) {
        bail!(
            "git-annex {GIT_ANNEX} was fetched but does not run on this machine: try {} version",
            program.display()
        );
    }
    println!("  git-annex {GIT_ANNEX} is {}", program.display());
    Ok(program)
}

fn is_complete(folder: &std::path::Path) -> bool {
    folder.join(format!("git_annex-{GIT_ANNEX}.dist-info")).is_dir()
        && folder.join("git_annex/git-annex-shell").is_file()
}

fn fetch(wheels: &std::path::Path) -> Result<()> {
    let mut download = Command::new("python3");
    download.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    download
        .args(["--only-binary", ":all:", "--dest"])
        .arg(wheels)
        .arg(format!("git-annex=={GIT_ANNEX}"));
    println!("  $ {}", shown(&download));
    succeed(&mut download).with_context(|| {
        format!("git-annex {GIT_ANNEX} could not be fetched; is there a network, and a build for this processor?")
    })
}

fn answers(mut command: impl std::borrow::BorrowMut<Command>) -> bool {
    let command = command.borrow_mut();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
