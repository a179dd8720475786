//! What a package says of itself: who made it, from what, and under which licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use super::said;
use crate::place::Place;

/// The maintainer of a package whose builder does not set `DEBFULLNAME` and `DEBEMAIL`, as for all of Debian's tools. Nobody
/// can have an address there.
const NOBODY: (&str, &str) = ("Anabranch", "anabranch@packages.invalid");

/// What its description says below the first line.
const DESCRIPTION: &str = " Anabranch keeps folders in sync: save a file in one folder and it appears in
 the others, at once if they are on this computer, or when you plug in their
 drive. Anabranch keeps both versions if you edit a file in two places, and
 never mistakes a missing drive for deleted files.
 .
 The folders are ordinary git-annex repositories; you don't need to install
 git-annex. You use Anabranch through a tray icon, a window, or the command
 line.
";

/// The texts of the package.
pub(super) struct Papers {
    /// The version as Debian counts: the program's, and the first package of it.
    pub(super) version: String,
    pub(super) copyright: String,
    pub(super) changelog: String,
    /// The licences of everything that the programs hold.
    pub(super) licences: String,
    maintainer: String,
}

impl Papers {
    /// Gathers them from the project and its dependencies.
    ///
    /// # Errors
    ///
    /// When cargo or git does not tell about the project, or a licence cannot be read.
    pub(super) fn gather(place: &Place) -> Result<Papers> {
        let metadata = MetadataCommand::new()
            .manifest_path(place.root.join("Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), host()?])
            .exec()
            .context("cargo does not tell what the programs are made of")?;
        let desktop = metadata
            .packages
            .iter()
            .find(|package| package.name == "anabranch-desktop");
        let version = format!(
            "{}-1",
            desktop.context("the workspace has the desktop program")?.version
        );
        let variable = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
        let (name, address) = (variable("DEBFULLNAME", NOBODY.0), variable("DEBEMAIL", NOBODY.1));
        let maintainer = format!("{name} <{address}>");
        // The day of what is packed, so that the same files give the same package.
        let mut git = Command::new("git");
        let day = said(git.args(["log", "-1", "--format=%cD"]).current_dir(&place.root))?;
        Ok(Papers {
            changelog: format!(
                "anabranch ({version}) stable; urgency=medium\n\n  * The package of this version.\n\n -- {maintainer}  {day}\n"
            ),
            copyright: copyright(&place.root)?,
            licences: licences(&metadata, &place.root.join("ui"))?,
            version,
            maintainer,
        })
    }

    /// The control file. `git` tidies up where it is there, `xdg-open` shows folders, UDisks2 tells about drives.
    pub(super) fn control(&self, architecture: &str, libraries: &str, size: u64) -> String {
        format!(
            "Package: anabranch\nVersion: {}\nArchitecture: {architecture}\nMaintainer: {}\nInstalled-Size: {size}\n\
             Depends: {libraries}\nRecommends: default-dbus-session-bus | dbus-session-bus, git, udisks2, xdg-utils\n\
             Suggests: git-annex\nSection: utils\nPriority: optional\n\
             Description: keep folders in sync across computers and drives\n{DESCRIPTION}",
            self.version, self.maintainer
        )
    }
}

/// What rustc builds for.
fn host() -> Result<String> {
    let version = said(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell what it builds for")?.to_owned())
}

/// In the form that Debian's programs read.
fn copyright(root: &Path) -> Result<String> {
    let licence = root.join("LICENSE-MIT");
    let text = fs::read_to_string(&licence).with_context(|| format!("{} cannot be read", licence.display()))?;
    let holder = text.lines().find(|line| line.starts_with("Copyright"));
    let holder = holder.context("the licence names who holds the copyright")?;
    let holder = holder.trim_start_matches("Copyright").trim_start_matches(" (c)").trim();
    let words = text.split_once(holder).map_or("", |(_, words)| words);
    let mut mit = String::new();
    for line in words.trim().lines() {
        // Writing into a String cannot fail.
        let _ = writeln!(mit, " {}", if line.is_empty() { "." } else { line });
    }
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: Anabranch\n\
         Comment: The programs hold code of other projects. Their licences stand in\n \
         /usr/share/doc/anabranch/licences.gz.\n\n\
         Files: *\nCopyright: {holder}\nLicense: Expat or Apache-2.0\n\n\
         License: Expat\n{mit}\n\
         License: Apache-2.0\n On Debian systems, the full text of the Apache License 2.0 stands in\n \
         /usr/share/common-licenses/Apache-2.0.\n"
    ))
}

/// Every package that is in the programs or the window, with its licence, then each text that one of them comes with.
fn licences(metadata: &Metadata, ui: &Path) -> Result<String> {
    let mut packages = BTreeSet::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name: String, licence: &str, folder: &Path| -> Result<()> {
        packages.insert(format!("{name}: {licence}"));
        for text in licence_texts(folder, 2)? {
            texts.entry(text).or_default().insert(name.clone());
        }
        Ok(())
    };
    for package in linked(metadata) {
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        let licence = package.license.as_deref().unwrap_or("see its text below");
        add(
            format!("{} {}", package.name, package.version),
            licence,
            folder.as_std_path(),
        )?;
    }
    // The window is made of these two and what it is written in; the others only build it.
    for name in ["svelte", "@tauri-apps/api"] {
        add(
            format!("{name} (window)"),
            "see its text below",
            &ui.join("node_modules").join(name),
        )?;
    }
    let mut all = String::from("What the programs of Anabranch hold besides its own code.\n\n");
    for package in &packages {
        let _ = writeln!(all, "{package}");
    }
    for (text, names) in &texts {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _ = writeln!(all, "\n{}\n{}\n\n{}", "-".repeat(72), names.join(", "), text.trim());
    }
    Ok(all)
}

/// The packages from elsewhere that are in one of the programs: not those that only build or test them.
fn linked(metadata: &Metadata) -> Vec<&Package> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: BTreeMap<&PackageId, _> = nodes.map(|node| (&node.id, node)).collect();
    let is_program = |package: &&Package| ["cli", "anabranch-desktop"].contains(&package.name.as_str());
    let mut found = BTreeSet::new();
    let mut next: Vec<&PackageId> = metadata
        .packages
        .iter()
        .filter(is_program)
        .map(|package| &package.id)
        .collect();
    while let Some(id) = next.pop() {
        if !found.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let is_linked =
            |kinds: &[cargo_metadata::DepKindInfo]| kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
        next.extend(dependencies.filter(|one| is_linked(&one.dep_kinds)).map(|one| &one.pkg));
    }
    let packages = metadata.packages.iter();
    packages
        .filter(|package| found.contains(&package.id) && package.source.is_some())
        .collect()
}

/// The texts of licences in a folder; `depth` reaches those of C code that a package brings along.
fn licence_texts(folder: &Path, depth: usize) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let is_licence = ["LICENSE", "LICENCE", "COPYING", "NOTICE"]
            .iter()
            .any(|head| name.starts_with(head));
        if entry.file_type()?.is_dir() {
            if depth > 1 {
                found.extend(licence_texts(&entry.path(), depth - 1)?);
            }
        } else if is_licence && !name.ends_with(".RS") {
            let text = fs::read(entry.path()).with_context(|| format!("{} cannot be read", entry.path().display()))?;
            found.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_crates_are_listed_and_test_dependencies_are_not() {
        let place = Place::find().unwrap();
        let mut metadata = MetadataCommand::new();
        let metadata = metadata.manifest_path(place.root.join("Cargo.toml")).exec().unwrap();
        let names: Vec<&str> = linked(&metadata).iter().map(|package| package.name.as_str()).collect();
        assert!(names.contains(&"libgit2-sys") && names.contains(&"tauri"), "{names:?}");
        assert!(!names.contains(&"proptest") && !names.contains(&"engine"), "{names:?}");
        let libgit2 = metadata
            .packages
            .iter()
            .find(|package| package.name == "libgit2-sys")
            .unwrap();
        let texts = licence_texts(libgit2.manifest_path.parent().unwrap().as_std_path(), 2).unwrap();
        assert!(
            texts.iter().any(|text| text.contains("LINKING EXCEPTION")),
            "the C code's own licence"
        );
    }

    #[test]
    fn the_copyright_is_the_projects() {
        let text = copyright(&Place::find().unwrap().root).unwrap();
        assert!(text.contains("License: Expat\n Permission is hereby granted"), "{text}");
        assert!(!text.contains("\n\n\n") && !text.contains("Copyright: \n"), "{text}");
    }
}
