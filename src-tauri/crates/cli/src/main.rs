//! `anabranch`: the engine without a desktop, and commands to query and control it.

mod arguments;
mod generate;
mod view;
mod words;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use contract::{Folder, State};
use engine::{Address, SshAddress, askpass};

use arguments::{Arguments, Task, YesNo};

/// The exit code of `sync` and `status` if something is still waiting.
const WAITING: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().map(PathBuf::from);
    if name.as_deref().and_then(Path::file_name) == Some(OsStr::new(shell::NAME)) {
        let arguments: Vec<OsString> = arguments.collect();
        return ExitCode::from(shell::run(&arguments));
    }
    if let Some(name) = name.filter(|name| name.file_name() == Some(OsStr::new(askpass::NAME))) {
        let prompt = arguments.next().unwrap_or_default();
        // ssh and git take it for no answer.
        return match askpass::run(&name, &prompt, std::io::stdout()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) | Err(_) => ExitCode::FAILURE,
        };
    }
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn say_error(error: &anyhow::Error) {
    // Errors are ignored, since nobody may be reading.
    let _ = writeln!(std::io::stderr(), "anabranch: {}", words::plain(&told(error)));
}

/// An error and its causes, without the causes that its text already contains.
fn told(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .reduce(|words, cause| match words.contains(&cause) {
            true => words,
            false => format!("{words}: {cause}"),
        })
        .unwrap_or_default()
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Init { path, description } => {
            let path = path.unwrap_or_else(here);
            let uuid = engine::init(&path, description.as_deref())?;
            line(&format!(
                "{} is ready ({uuid}). Keep it in sync with 'anabranch run {0}'",
                path.display()
            ))
        }
        Task::Clone {
            source,
            path,
            bare,
            description,
        } => {
            let address = match source.to_str().filter(|_| !source.exists()) {
                Some(text) => Address::of(text),
                None => Address::Path(source.clone()),
            };
            let path = path.map_or_else(|| name_of(&address), Ok)?;
            let uuid = match &address {
                Address::Path(source) => engine::clone(source, &path, bare, description.as_deref())?,
                _ if bare => {
                    bail!("so far, --bare works only for repositories on this computer; nothing was made")
                }
                Address::Ssh(_) | Address::Http(_) | Address::Unknown(_) | Address::Special { .. } => {
                    engine::clone_over(&address, &path, description.as_deref())?
                }
            };
            let path = path.display();
            let next = match bare {
                true => String::new(),
                false => format!(
                    ". Get its files with 'anabranch sync {path}', or keep it in sync with 'anabranch run {path}'"
                ),
            };
            line(&format!("{path} is a clone of {address} ({uuid}){next}"))
        }
        Task::Add { folder, address, bare } => {
            let Some(parsed) = SshAddress::parse(&address) else {
                bail!(
                    "{address} is not an address for ssh, such as HOST:PATH; nothing was changed. For a place on this \
                     computer, use 'anabranch clone'"
                )
            };
            let done = engine::add_computer(&folder, &parsed, bare)?;
            line(&format!(
                "{done}. Bring it up to date with 'anabranch sync', or keep it in sync with 'anabranch run'"
            ))
        }
        Task::Run { folders } => {
            let folders = if folders.is_empty() { vec![here()] } else { folders };
            view::run(&folders)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Sync { folder } => {
            let folder = engine::sync(&folder.unwrap_or_else(here))?;
            print(&words::summary(&folder))?;
            Ok(in_step(&folder))
        }
        Task::Status { folder, json } => {
            let folder = engine::status(&folder.unwrap_or_else(here))?;
            print(&if json {
                words::json(&serde_json::to_string_pretty(&folder)?)
            } else {
                words::summary(&folder)
            })?;
            Ok(in_step(&folder))
        }
        Task::Why { path, json } => {
            let why = engine::why(&path)?;
            print(&if json {
                words::json(&serde_json::to_string_pretty(&why)?)
            } else {
                words::why(&why)
            })
        }
        Task::Get { paths } => Ok(for_each(&paths, |path, told| {
            engine::get_content(path, &mut |fetched| {
                told(
                    &fetched.path,
                    "fetched",
                    fetched.missing.map(|why| format!("not fetched, since {why}")),
                );
            })
        })),
        Task::Drop { paths } => Ok(for_each(&paths, |path, told| {
            engine::drop_content(path, &mut |dropped| {
                told(
                    &dropped.path,
                    "dropped",
                    dropped.kept.map(|why| format!("kept, since {why}")),
                );
            })
        })),
        Task::Pause { folder } => {
            let folder = folder.unwrap_or_else(here);
            engine::pause(&folder)?;
            line(&format!("{}: paused", folder.display()))
        }
        Task::Resume { folder } => {
            let folder = folder.unwrap_or_else(here);
            engine::resume(&folder)?;
            line(&format!("{}: resumed", folder.display()))
        }
        Task::Answer { answer, folder } => {
            let folder = engine::answer(&folder.unwrap_or_else(here), answer == YesNo::Yes)?;
            print(&words::summary(&folder))
        }
        Task::FilterProcess => {
            engine::filter_process(&here(), std::io::stdin().lock(), std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Fsmonitor { form, moment } => {
            engine::answer_git(&form, &moment, std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Shell { arguments } => Ok(ExitCode::from(shell::run(&arguments))),
        Task::Generate { directory } => {
            generate::generate(&directory)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Does something with the files at each path, which tells of each: what was done, or what was not. Fails if anything was not
/// done for a file or a path, as git-annex does.
fn for_each(
    paths: &[PathBuf],
    each: impl Fn(&Path, &mut dyn FnMut(&dyn Display, &str, Option<String>)) -> Result<(), engine::Error>,
) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        let mut is_failed = false;
        let done = each(path, &mut |file, done, undone| {
            is_failed |= undone.is_some();
            // An error is ignored, since nobody may be reading.
            let _ = line(&format!("{file}: {}", undone.as_deref().unwrap_or(done)));
        });
        if let Err(error) = done {
            is_failed = true;
            say_error(&error.into());
        }
        if is_failed {
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn here() -> PathBuf {
    PathBuf::from(".")
}

/// The name of the directory that a clone is made in if the user names none.
fn name_of(address: &Address) -> Result<PathBuf> {
    let found;
    let (place, is_elsewhere) = match address {
        Address::Path(path) => {
            found = path
                .canonicalize()
                .with_context(|| format!("could not find {}", path.display()))?;
            (found.as_path(), false)
        }
        Address::Ssh(address) => (Path::new(&address.path), true),
        Address::Http(url) | Address::Unknown(url) => (Path::new(url), true),
        Address::Special { .. } => bail!("a special remote cannot be cloned"),
    };
    let name = place.file_name().context("name the folder to make the clone in")?;
    let name = PathBuf::from(name);
    // As git does with the address of a bare repository.
    Ok(match name.extension() {
        Some(end) if is_elsewhere && end == "git" => name.with_extension(""),
        Some(_) | None => name,
    })
}

/// Prints one line that may contain names.
fn line(text: &str) -> Result<ExitCode> {
    print(&words::plain(text))
}

/// Prints text whose lines are safe for a terminal.
fn print(text: &str) -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

fn in_step(folder: &Folder) -> ExitCode {
    let waits = !folder.waiting.is_empty() || folder.state == State::NeedsYou || !folder.problems.is_empty();
    ExitCode::from(if waits { WAITING } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_an_error_is_printed_once() {
        let source = || std::io::Error::other("no room");
        let path = PathBuf::from("/x");
        let doing = "read";
        let says_it = engine::Error::Io {
            doing,
            path,
            source: source(),
        };
        assert_eq!(told(&says_it.into()), "could not read /x: no room");
        let says_it_not = anyhow::Error::from(source()).context("could not find /x");
        assert_eq!(told(&says_it_not), "could not find /x: no room");
    }
}
