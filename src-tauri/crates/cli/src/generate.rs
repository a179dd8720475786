use std::path::Path;

use anyhow::{Context, Result};
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::arguments::Arguments;

/// Writes manual pages and shell completions, generated from the definition of the command line.
pub(crate) fn generate(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("could not create {}", directory.display()))?;
    clap_mangen::generate_to(Arguments::command(), directory)?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut Arguments::command(), "anabranch", directory)?;
    }
    Ok(())
}
