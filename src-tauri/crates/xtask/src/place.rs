//! Where the project and its build are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

/// Where the project and its build are, asked of cargo once.
pub(crate) struct Place {
    /// The project's top level.
    pub(crate) root: PathBuf,
    /// The build folder, wherever the user's settings put it.
    pub(crate) target: PathBuf,
}

impl Place {
    /// Asks cargo.
    ///
    /// # Errors
    ///
    /// When cargo cannot read the workspace.
    pub(crate) fn find() -> Result<Place> {
        // Set by `cargo run`; the compiled-in path is for a binary that somebody calls directly.
        let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(&package).join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo could not read the workspace")?;
        Ok(Place {
            root: metadata.workspace_root.into(),
            target: metadata.target_directory.into(),
        })
    }

    /// The folder of the programs that are installed for the build only.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// A cargo command at the project's top level.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).current_dir(&self.root);
        cargo
    }
}
