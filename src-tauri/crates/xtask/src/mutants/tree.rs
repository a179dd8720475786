//! A copy of the project to change and build.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, TargetKind};
use sha2::{Digest as _, Sha256};

use super::change::Change;
use crate::place::Place;
use crate::steps::{output, succeed};

/// The copy.
pub(super) struct Tree {
    root: PathBuf,
    target: PathBuf,
    /// Of all that was copied: this program and its settings are in there too.
    pub(super) digest: String,
    /// The texts of all files that will be changed, by their paths below the top.
    pub(super) texts: BTreeMap<String, String>,
    /// The files that begin a crate, by package.
    pub(super) roots: BTreeMap<String, Vec<String>>,
    metadata: Metadata,
}

impl Tree {
    /// Copies what git knows of or would add, as it is now.
    ///
    /// # Errors
    ///
    /// When git does not answer, a file cannot be copied, or cargo does not understand the copy.
    pub(super) fn copy(place: &Place, folder: &Path, changes: &[Change]) -> Result<Tree> {
        let root = folder.join("tree");
        if root.exists() {
            fs::remove_dir_all(&root).context("the last copy cannot be removed")?;
        }
        fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
        // A broken program must not find the project's own repository above it.
        succeed(Command::new("git").args(["init", "--quiet"]).arg(&root))?;
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = output(git.current_dir(&place.root))?;
        let files: BTreeSet<&[u8]> = listed
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .collect();
        let mut digest = Sha256::new();
        for file in files {
            let name = Path::new(OsStr::from_bytes(file));
            let from = place.root.join(name);
            let to = root.join(name);
            // Deleted, and not yet told to git.
            let Ok(metadata) = from.symlink_metadata() else {
                continue;
            };
            fs::create_dir_all(to.parent().context("a file without a folder")?)?;
            let content = if metadata.is_symlink() {
                let aim = fs::read_link(&from)?;
                symlink(&aim, &to)?;
                aim.as_os_str().as_bytes().to_vec()
            } else {
                fs::copy(&from, &to).with_context(|| format!("{} cannot be copied", from.display()))?;
                fs::read(&to)?
            };
            for part in [file, &content] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        }
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo could not read the copy")?;
        let mut tree = Tree {
            target: folder.join("build"),
            digest: hex::encode(digest.finalize()),
            texts: BTreeMap::new(),
            roots: BTreeMap::new(),
            root,
            metadata,
        };
        tree.read(changes)?;
        Ok(tree)
    }

    fn read(&mut self, changes: &[Change]) -> Result<()> {
        for package in self.metadata.workspace_packages() {
            if !changes.iter().any(|change| *package.name == change.package) {
                continue;
            }
            let crates = package.targets.iter().filter(|target| {
                let kinds = [TargetKind::Lib, TargetKind::Bin];
                target.kind.iter().any(|kind| kinds.contains(kind))
            });
            let below = |path: &Path| Some(path.strip_prefix(&self.root).ok()?.to_str()?.to_owned());
            let roots: Option<Vec<String>> = crates.map(|target| below(target.src_path.as_std_path())).collect();
            self.roots.insert(
                package.name.to_string(),
                roots.context("a crate begins outside of the project")?,
            );
        }
        let files = changes
            .iter()
            .map(|change| &change.file)
            .chain(self.roots.values().flatten());
        for file in files {
            if !self.texts.contains_key(file) {
                let text =
                    fs::read_to_string(self.root.join(file)).with_context(|| format!("{file} cannot be read"))?;
                self.texts.insert(file.clone(), text);
            }
        }
        Ok(())
    }

    /// Gives a file this text; one that has it stays as it is, for cargo builds what is newer.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.root.join(file);
        if fs::read_to_string(&path).is_ok_and(|now| now == text) {
            return Ok(());
        }
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// A cargo command in the copy, for these packages.
    pub(super) fn cargo<'a>(&self, arguments: &[&str], packages: impl IntoIterator<Item = &'a str>) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).args(["--locked", "--message-format=json"]);
        packages
            .into_iter()
            .for_each(|package| _ = cargo.args(["--package", package]));
        // Nobody debugs what is built here.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.env("CARGO_TARGET_DIR", &self.target).current_dir(&self.root);
        cargo
    }

    /// The folder of a package.
    pub(super) fn folder(&self, package: &str) -> Result<PathBuf> {
        let found = self
            .metadata
            .workspace_packages()
            .into_iter()
            .find(|each| *each.name == package);
        let manifest = &found
            .with_context(|| format!("there is no package {package}"))?
            .manifest_path;
        Ok(manifest.parent().context("a manifest without a folder")?.into())
    }
}
