//! The end of the sample: every clone is looked at with other programs than our own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::crossing::{digest_in_name, held_digests, objects};
use super::scene::Scene;
use crate::steps::output;

/// Verifies that every clone is whole and that all have the same.
///
/// # Errors
///
/// With the first thing that is not as it should be.
pub(super) fn everything(scene: &Scene) -> Result<()> {
    println!("\n▶ verifying every clone");
    let all = [
        ("laptop", scene.laptop()),
        ("desk", scene.desk()),
        ("drive", scene.drive()),
    ];
    for (name, folder) in &all {
        output(&mut scene.git(folder, &["fsck", "--full", "--strict", "--no-dangling"]))
            .with_context(|| format!("git fsck in {name}"))?;
    }
    println!("✔ git fsck: all three");

    let (laptop, desk) = (contents(&scene.laptop())?, contents(&scene.desk())?);
    for (path, content) in &laptop {
        ensure!(
            desk.get(path) == Some(content),
            "desk has not the laptop's content of {}",
            path.display()
        );
    }
    ensure!(
        laptop.len() == desk.len(),
        "desk has {} files, laptop {}",
        desk.len(),
        laptop.len()
    );
    println!("✔ content hashes: laptop and desk have the same {} files", laptop.len());

    let held = held_digests(&scene.drive());
    let missing: Vec<_> = laptop.iter().filter(|(_, digest)| !held.contains(*digest)).collect();
    if let Some((path, _)) = missing.first() {
        bail!(
            "drive lacks {} contents, the first is that of {}",
            missing.len(),
            path.display()
        );
    }
    for object in objects(&scene.drive().join("annex/objects")) {
        let digest = hex::encode(Sha256::digest(fs::read(&object)?));
        ensure!(
            digest_in_name(&object) == Some(digest),
            "{} has not the content it is named for",
            object.display()
        );
    }
    println!("✔ content hashes: drive has every file's content");

    for (name, folder) in &all[..2] {
        let changes = output(&mut scene.git(folder, &["status", "--porcelain"]))?;
        ensure!(
            changes.is_empty(),
            "git status in {name} is not clean:\n{}",
            String::from_utf8_lossy(&changes)
        );
    }
    println!("✔ git status: laptop and desk are clean");

    if !scene.has_git_annex {
        println!("· git annex fsck: left out, git-annex is not installed");
        return Ok(());
    }
    for (name, folder) in &all {
        output(&mut scene.git(folder, &["annex", "fsck", "--quiet"]))
            .with_context(|| format!("git annex fsck in {name}"))?;
    }
    println!("✔ git annex fsck: all three");
    Ok(())
}

/// Every file of a work tree with the digest of its content; symlinks are followed to it.
fn contents(root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name() == ".git" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).with_context(|| format!("{} has no content", path.display()))?;
            let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
            found.insert(below, hex::encode(Sha256::digest(bytes)));
        }
    }
    Ok(found)
}
