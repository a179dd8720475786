//! Creates and adopts repositories, and runs git's filter.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use annex::Annex;
use annex::settings::Address;
use model::Uuid;
use remotes::askpass::Whom;
use remotes::{ByGit, Failed, Hosts};

use crate::Error;
use crate::clock::wall_clock;
use crate::runtime_directory::runtime_directory;

/// Bytes that a new repository needs besides the history that is copied into it.
pub(crate) const LEAST_ROOM: u64 = 10_000_000;

/// Turns `path` into a repository, or adopts one that git or git-annex created there. Returns its uuid.
pub fn init(path: &Path, description: Option<&str>) -> Result<Uuid, Error> {
    let annex = annex::init::init(path, description, wall_clock())?;
    prepare(&annex)?;
    // A drive may be pulled out at once.
    annex.make_durable()?;
    Ok(annex.uuid().clone())
}

/// Clones the repository `source` to `path`, and adds the clone to the remotes of `source`, so that each brings the
/// other up to date. Files appear when the clone is synced. Returns the uuid of the clone.
pub fn clone(source: &Path, path: &Path, bare: bool, description: Option<&str>) -> Result<Uuid, Error> {
    let original = Annex::open(source)?;
    let annex = annex::init::clone(source, path, bare, description, wall_clock())?;
    prepare(&annex)?;
    // A drive may be pulled out at once.
    annex.make_durable()?;
    annex::init::add_remote(&original, &annex)?;
    Ok(annex.uuid().clone())
}

/// Clones the repository at an address that git understands to `path`. Files appear when the clone is synced. Returns the uuid of the clone.
///
/// # Errors
///
/// If it cannot be reached, or there is no such repository. Then nothing is left behind.
pub(crate) fn clone_over(
    address: &Address,
    path: &Path,
    description: Option<&str>,
    hosts: &Hosts,
) -> Result<Uuid, Error> {
    let cloned =
        ByGit::to(address, None, hosts).and_then(|way| way.clone_from(address, path, description, wall_clock()));
    let annex = cloned.map_err(|failed| {
        Error::Refused(match failed {
            Failed::Away => {
                let computer = address.computer().unwrap_or_else(|| address.to_string());
                format!("{computer} cannot be reached; nothing was made. Is it on, and in this network?")
            }
            Failed::Busy(why) | Failed::Full(why) | Failed::Refused(why) | Failed::Broken(why) => why,
        })
    })?;
    prepare(&annex)?;
    annex.make_durable()?;
    Ok(annex.uuid().clone())
}

/// Prepares a repository for work: checks that its file system preserves names, and sets a filter that exists on this
/// computer.
pub(crate) fn prepare(annex: &Annex) -> Result<(), Error> {
    annex::init::check_names(annex)?;
    let ours = command_line_program()?;
    annex::init::set_filter(annex, &ours)?;
    annex::settings::renew_git_monitor(annex, &ours)?;
    Ok(())
}

/// The program that git runs.
pub(crate) fn command_line_program() -> Result<PathBuf, Error> {
    let this = std::env::current_exe().map_err(|source| Error::Io {
        doing: "find",
        path: "this program".into(),
        source,
    })?;
    // Only the command line program can serve git. Every other program that hosts an engine is installed beside it.
    let command_line = this.with_file_name("anabranch");
    Ok(if command_line.is_file() { command_line } else { this })
}

/// Connected to no other computer yet. What a login asks is for `whom`.
pub(crate) fn hosts(whom: Whom) -> Hosts {
    match (runtime_directory(), command_line_program()) {
        (Ok(directory), Ok(program)) => Hosts::new(Ok(directory), program, whom),
        (Err(why), _) | (_, Err(why)) => Hosts::new(Err(why.to_string()), PathBuf::new(), whom),
    }
}

/// Serves git as its filter for annexed files in the repository at `path`, until git closes `input`.
pub fn filter_process(path: &Path, input: impl Read, output: impl Write) -> Result<(), Error> {
    Ok(annex::filter_process::run(
        &Annex::open_for_filter(path)?,
        input,
        output,
    )?)
}

/// The size of a repository's history: git's own objects, without annexed content.
pub(crate) fn history_bytes(annex: &Annex) -> u64 {
    fn below(directory: &Path) -> u64 {
        let entries = directory.read_dir().into_iter().flatten().flatten();
        let bytes = entries.map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => below(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        });
        bytes.sum()
    }
    below(&annex.git_dir().join("objects"))
}
