//! The package's files, where they will lie on the disk.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::papers::Papers;
use super::{LINUX, said};
use crate::place::Place;
use crate::steps::{output, succeed};

/// The programs of the package.
pub(super) const PROGRAMS: [&str; 2] = ["anabranch", "anabranch-desktop"];

/// What completes the command line of `anabranch`: the file that it writes, and where the shell looks for it.
const COMPLETIONS: [(&str, &str); 3] = [
    ("anabranch.bash", "usr/share/bash-completion/completions/anabranch"),
    ("_anabranch", "usr/share/zsh/vendor-completions/_anabranch"),
    ("anabranch.fish", "usr/share/fish/vendor_completions.d/anabranch.fish"),
];

/// The name that the desktop knows the program by: of its entry, its metainfo and its icon.
const NAME: &str = "org.anabranch.Desktop";

/// Puts all files of the package below `staged`, but not what is made from them.
///
/// # Errors
///
/// When one is missing or cannot be written, or the manual leaves an option out.
pub(super) fn stage(place: &Place, staged: &Path, papers: &Papers) -> Result<()> {
    for program in PROGRAMS {
        let to = staged.join("usr/bin").join(program);
        copy(&place.target.join("release").join(program), &to)?;
        succeed(
            Command::new("strip")
                .args(["--strip-unneeded", "--remove-section=.comment"])
                .arg(&to),
        )?;
        allow(&to, 0o755)?;
    }
    let linux = place.root.join(LINUX);
    let share = staged.join("usr/share");
    let (entry, metainfo) = (format!("{NAME}.desktop"), format!("{NAME}.metainfo.xml"));
    copy(&linux.join(&entry), &share.join("applications").join(&entry))?;
    copy(&linux.join(&metainfo), &share.join("metainfo").join(&metainfo))?;
    icons(&place.root.join("icons"), &share.join("icons/hicolor"))?;
    manual(staged, &linux.join("anabranch-desktop.1"))?;
    let documents = share.join("doc/anabranch");
    write(&documents.join("copyright"), &papers.copyright)?;
    for (name, text) in [("changelog.Debian", &papers.changelog), ("licences", &papers.licences)] {
        write(&documents.join(name), text)?;
        compress(&documents.join(name))?;
    }
    Ok(())
}

fn icons(from: &Path, to: &Path) -> Result<()> {
    let picture = from.join("anabranch.svg");
    copy(&picture, &to.join(format!("scalable/apps/{NAME}.svg")))?;
    for file in listed(&from.join("application"))? {
        let size = file
            .file_stem()
            .context("a picture has a name")?
            .to_string_lossy()
            .into_owned();
        copy(&file, &to.join(format!("{size}x{size}/apps/{NAME}.png")))?;
    }
    Ok(())
}

/// Manual pages and completions, which `anabranch` writes itself.
fn manual(staged: &Path, desktop: &Path) -> Result<()> {
    let scratch = tempfile::tempdir().context("no temporary folder could be made")?;
    let bin = staged.join("usr/bin");
    output(Command::new(bin.join("anabranch")).arg("generate").arg(scratch.path()))?;
    let pages = staged.join("usr/share/man/man1");
    let mut count = 0;
    for file in listed(scratch.path())? {
        let name = file.file_name().context("a page has a name")?;
        if file.extension().is_some_and(|end| end == "1") {
            copy(&file, &pages.join(name))?;
            compress(&pages.join(name))?;
            count += 1;
        }
    }
    ensure!(count > 0, "anabranch wrote no manual page");
    for (name, place) in COMPLETIONS {
        copy(&scratch.path().join(name), &staged.join(place))?;
    }
    let text = fs::read_to_string(desktop).with_context(|| format!("{} cannot be read", desktop.display()))?;
    let help = said(Command::new(bin.join("anabranch-desktop")).arg("--help"))?;
    if let Some(option) = left_out(&help, &text) {
        bail!("{} says nothing of {option}", desktop.display());
    }
    copy(desktop, &pages.join("anabranch-desktop.1"))?;
    compress(&pages.join("anabranch-desktop.1"))
}

/// An option that a program's help names and its manual page does not.
fn left_out<'a>(help: &'a str, page: &str) -> Option<&'a str> {
    let page = page.replace('\\', "");
    let words = help.split(|character: char| !(character.is_alphanumeric() || character == '-'));
    let mut options = words.filter(|word| word.len() > 2 && word.starts_with("--"));
    options.find(|option| !page.contains(option))
}

/// How many KiB the files take when they are installed.
///
/// # Errors
///
/// When they cannot be read.
pub(super) fn size(staged: &Path) -> Result<u64> {
    let mut size = 0;
    for file in files(staged)? {
        // Each takes whole blocks, and its entry.
        size += fs::metadata(&file)?.len().div_ceil(1024) + 1;
    }
    Ok(size)
}

/// The hashes by which `dpkg --verify` knows the files.
///
/// # Errors
///
/// When they cannot be read.
pub(super) fn sums(staged: &Path) -> Result<String> {
    let mut sum = Command::new("md5sum");
    sum.current_dir(staged);
    for file in files(&staged.join("usr"))? {
        sum.arg(file.strip_prefix(staged).context("a file lies in its folder")?);
    }
    Ok(format!("{}\n", said(&mut sum)?))
}

/// Writes a file with its folders, as every file of a package is to be read.
///
/// # Errors
///
/// When it cannot be written.
pub(super) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    folders_of(path)?;
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    allow(path, 0o644)
}

/// Writes a script that can be run.
///
/// # Errors
///
/// When it cannot be written.
pub(super) fn write_program(path: &Path, text: &str) -> Result<()> {
    write(path, text)?;
    allow(path, 0o755)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    folders_of(to)?;
    fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    allow(to, 0o644)
}

/// Makes the folders of a file; a package's folders are for all to read, whatever the builder's own are.
fn folders_of(path: &Path) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    if folder.exists() {
        return Ok(());
    }
    folders_of(folder)?;
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    allow(folder, 0o755)
}

fn allow(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("{} cannot be made readable", path.display()))
}

fn compress(path: &Path) -> Result<()> {
    succeed(Command::new("gzip").args(["--best", "--no-name"]).arg(path))
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in listed(folder)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_without_a_word_in_the_manual_is_found() {
        let help = "Usage: it [OPTIONS]\n\n  --window   Open it\n  -h, --help  Print help\n";
        assert_eq!(left_out(help, r"\fB\-\-window\fR and \fB\-\-help\fR"), None);
        assert_eq!(left_out(help, r"\fB\-\-help\fR"), Some("--window"));
    }

    #[test]
    fn a_folder_is_readable_whatever_the_builders_own_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usr/share/file");
        write(&file, "text").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o644, 0o755));
        assert_eq!(files(folder.path()).unwrap(), [file]);
    }
}
