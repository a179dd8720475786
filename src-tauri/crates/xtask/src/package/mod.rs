//! `cargo xtask package`: a Debian package of the programs, checked; and a clean Debian in which to try it.

mod papers;
mod tree;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::packages;
use crate::place::Place;
use crate::run::build_desktop;
use crate::steps::{Steps, output, succeed};

use papers::Papers;

/// The project's files for Linux desktops.
const LINUX: &str = "src-tauri/linux";

/// What dpkg runs: `git-annex-shell` becomes a link to `anabranch`, but not where git-annex's own package has it.
const SCRIPTS: [(&str, &str); 2] = [
    (
        "postinst",
        "#!/bin/sh\nset -e\nif [ \"$1\" = configure ] && ! { [ -e /usr/bin/git-annex-shell ] && [ ! -L /usr/bin/git-annex-shell ]; }; then\n\
         \tupdate-alternatives --install /usr/bin/git-annex-shell git-annex-shell /usr/bin/anabranch 10\nfi\n",
    ),
    (
        "prerm",
        "#!/bin/sh\nset -e\nif [ \"$1\" = remove ]; then\n\tupdate-alternatives --remove git-annex-shell /usr/bin/anabranch\nfi\n",
    ),
];

/// Builds everything in release, packs it and checks the package; with `try_it`, installs and starts it in a clean Debian.
///
/// # Errors
///
/// When something cannot be installed, built or packed, or a check finds an error.
pub(crate) fn run(yes: bool, try_it: bool) -> Result<()> {
    let mut steps = Steps::new();
    let result = everything(&mut steps, yes, try_it);
    println!("{}", steps.summary());
    println!("▶ {}", result?.display());
    Ok(())
}

fn everything(steps: &mut Steps, yes: bool, try_it: bool) -> Result<PathBuf> {
    let place = Place::find()?;
    let mut needs = vec![packages::ENTRIES, packages::PACKAGE];
    if try_it {
        needs.push(packages::TRIAL);
    }
    steps.step("packing tools", || packages::install(&needs, yes))?;
    check_entries(steps, &place)?;
    build_desktop(steps, &place, yes)?;
    let package = steps.step("package", || pack(&place))?;
    let mut lintian = Command::new("lintian");
    // Lintian warns of being run by root, as a container's build is.
    lintian.args(["--allow-root", "--fail-on", "error", "--info"]);
    steps.command("lintian", lintian.arg(&package))?;
    if try_it {
        let root = place.target.join("package/debian");
        steps.step("a clean Debian", || trial::run(&root, &package))?;
    }
    Ok(package)
}

/// Checks what desktops and software centres read of the program.
///
/// # Errors
///
/// When one of the files is not as its specification says.
pub(crate) fn check_entries(steps: &mut Steps, place: &Place) -> Result<()> {
    let linux = place.root.join(LINUX);
    let mut validate = Command::new("desktop-file-validate");
    validate.arg(linux.join("org.anabranch.Desktop.desktop"));
    steps.command("desktop entries", validate.arg(linux.join("autostart.desktop")))?;
    let mut validate = Command::new("appstreamcli");
    validate.args(["validate", "--no-net"]);
    steps.command(
        "metainfo",
        validate.arg(linux.join("org.anabranch.Desktop.metainfo.xml")),
    )
}

/// Packs what was built; returns where the package is.
fn pack(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("package");
    let staged = folder.join("tree");
    if staged.exists() {
        std::fs::remove_dir_all(&staged).context("the last package's files cannot be removed")?;
    }
    let papers = Papers::gather(place)?;
    tree::stage(place, &staged, &papers)?;
    let architecture = said(Command::new("dpkg").arg("--print-architecture"))?;
    let control = papers.control(&architecture, &libraries(&staged, &folder)?, tree::size(&staged)?);
    tree::write(&staged.join("DEBIAN/control"), control)?;
    tree::write(&staged.join("DEBIAN/md5sums"), tree::sums(&staged)?)?;
    for (name, script) in SCRIPTS {
        tree::write_program(&staged.join("DEBIAN").join(name), script)?;
    }
    let package = folder.join(format!("anabranch_{}_{architecture}.deb", papers.version));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(&staged).arg(&package);
    succeed(&mut build)?;
    Ok(package)
}

/// The packages of the libraries that the programs are linked with, as a package's `Depends` says it.
fn libraries(staged: &Path, scratch: &Path) -> Result<String> {
    // It wants to stand in a source package, and asks of its control file only that it is there.
    tree::write(
        &scratch.join("debian/control"),
        "Source: anabranch\n\nPackage: anabranch\nArchitecture: any\n",
    )?;
    let mut ask = Command::new("dpkg-shlibdeps");
    ask.current_dir(scratch).arg("-O");
    for program in tree::PROGRAMS {
        ask.arg(staged.join("usr/bin").join(program));
    }
    let answer = said(&mut ask)?;
    let depends = answer.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    let depends = depends.context("dpkg-shlibdeps names no libraries")?.to_owned();
    ensure!(
        depends.contains("webkit2gtk"),
        "the window's library is not among {depends}"
    );
    Ok(depends)
}

/// What a command says, as text without the last line's end.
fn said(command: &mut Command) -> Result<String> {
    let said = String::from_utf8(output(command)?).context("a program's answer is no text")?;
    Ok(said.trim_end().to_owned())
}
