//! One-shot commands, sent to the engine that runs in a folder, or, without one, carried out here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annex::Annex;
use annex::settings::{Address, SshAddress};
use contract::{Command, Reply, Why};
use model::{RepoPath, Uuid};
use tokio::sync::watch;

use super::running::{runtime, watch_mounts};
use crate::Error;
use crate::folder::socket;
use crate::folder::{AskedPause, Folder};
use crate::login;
use crate::work::process::Process;
use crate::work::{Dropped, Fetched, FolderState};

/// Does everything in a folder that can be done now, and returns the status after it. If an engine runs there, the
/// engine does it. Ends a pause.
pub fn sync(path: &Path) -> Result<contract::Folder, Error> {
    let annex = find(path)?;
    match socket::ask(&annex, &Command::Sync)? {
        Some(Reply::Status(folder)) => Ok(*folder),
        Some(other) => Err(unexpected(other)),
        None => run_once(annex, None),
    }
}

/// Makes a repository for a folder at an address on another computer, or takes the clone of it that is there, and makes it a
/// remote of the folder. `bare` is one without files to see. Returns what was done, as text for the user.
pub fn add_computer(path: &Path, address: &SshAddress, bare: bool) -> Result<String, Error> {
    let annex = find(path)?;
    crate::computers::add(&annex, address, bare, alone().hosts())
}

/// Clones the repository at an address that git understands to `path`. Files appear when the clone is synced. Returns the uuid of
/// the clone.
pub fn clone_over(address: &Address, path: &Path, description: Option<&str>) -> Result<Uuid, Error> {
    crate::repository::clone_over(address, path, description, alone().hosts())
}

/// Answers the open question of a folder, and returns the status after it. If something is to be typed, yes asks for it at
/// the terminal, or takes it from the input. If an engine runs there, it takes the answer. Otherwise everything is done
/// once, and the question that comes up gets the answer. A paused folder stays
/// paused.
///
/// # Errors
///
/// Refused if no question is open.
pub fn answer(path: &Path, yes: bool) -> Result<contract::Folder, Error> {
    let annex = find(path)?;
    let typed = match socket::ask(&annex, &Command::Status)? {
        Some(Reply::Status(folder)) if yes => folder.question.filter(|question| question.typed.is_some()),
        Some(_) | None => None,
    };
    let command = match typed {
        Some(question) => Command::Enter {
            text: login::enter(&question)?,
            question: question.id,
        },
        None => Command::Answer { question: None, yes },
    };
    match socket::ask(&annex, &command)? {
        Some(Reply::Done) => status(path),
        Some(other) => Err(unexpected(other)),
        None => run_once(annex, Some(yes)),
    }
}

fn run_once(annex: Annex, answer: Option<bool>) -> Result<contract::Folder, Error> {
    let path = annex.work_tree().unwrap_or(annex.git_dir()).to_owned();
    drop(annex);
    runtime()?.block_on(async {
        let table = watch_mounts()?;
        let (folder, handle) = Folder::open(&path, table, watch::channel(()).0, &alone())?;
        if answer.is_some() && folder.pause().is_some() {
            return Err(Error::Refused(format!(
                "{} is paused, so it asks nothing; 'anabranch resume' ends the pause",
                path.display()
            )));
        }
        folder.run_once(&handle, answer).await
    })
}

/// Returns the status of a folder.
pub fn status(path: &Path) -> Result<contract::Folder, Error> {
    let annex = find(path)?;
    match socket::ask(&annex, &Command::Status)? {
        Some(Reply::Status(folder)) => Ok(*folder),
        Some(other) => Err(unexpected(other)),
        None => {
            let pause = AskedPause::read(&annex).now();
            let state = FolderState::of_command(annex, alone())?;
            state.settings()?;
            Ok(contract::Folder {
                pause,
                ..crate::views::status::unattended(&state)
            })
        }
    }
}

/// Tells where a file is, where it should be, and what it is waiting for.
pub fn why(file: &Path) -> Result<Why, Error> {
    let (annex, path) = locate(file)?;
    let asked = Command::Why {
        path: hex::encode(path.as_bytes()),
    };
    match socket::ask(&annex, &asked)? {
        Some(Reply::Why(why)) => Ok(why),
        Some(other) => Err(unexpected(other)),
        None => crate::views::why::why(&FolderState::of_command(annex, alone())?, None, &path),
    }
}

/// Removes the content of files from this computer, as far as enough other copies exist: that of a file, or of all files in a
/// directory. Tells of each file whose content was here, as soon as that is decided. An engine that runs there sees it.
///
/// # Errors
///
/// If nothing can be dropped. An error that concerns one file is the reason why its content is kept.
pub fn drop_content(path: &Path, told: &mut dyn FnMut(Dropped)) -> Result<(), Error> {
    let (state, at) = open_at(path)?;
    let mounts = watch_mounts()?.borrow().clone();
    crate::work::drop_content(&state, at.as_ref(), &mounts, told)
}

/// Fetches the content of files to this computer, from the places that have it: that of a file, or of all files in a directory.
/// Tells of each file that lacked its content, as soon as the result is known. An engine that runs there sees it.
///
/// # Errors
///
/// If nothing can be fetched. An error that concerns one file is the reason why its content is missing.
pub fn get_content(path: &Path, told: &mut dyn FnMut(Fetched)) -> Result<(), Error> {
    let (state, at) = open_at(path)?;
    let mounts = watch_mounts()?.borrow().clone();
    crate::work::get_content(&state, at.as_ref(), &mounts, told)
}

/// Opens the repository of a file or directory; without a path if it is the top of the work tree.
fn open_at(path: &Path) -> Result<(FolderState, Option<RepoPath>), Error> {
    let (annex, at) = match path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        false => {
            let (annex, file) = locate(path)?;
            (annex, Some(file))
        }
        true => locate_directory(path)?,
    };
    Ok((FolderState::of_command(annex, alone())?, at))
}

/// Pauses a folder until the user resumes it, whichever engine runs it meanwhile.
pub fn pause(path: &Path) -> Result<(), Error> {
    tell(path, &Command::Pause { until: None }, |pause| pause.begin(None))
}

/// Resumes a paused folder.
pub fn resume(path: &Path) -> Result<(), Error> {
    tell(path, &Command::Resume, AskedPause::end)
}

/// Sends a command to the engine of a folder; without one, changes the stored pause for the next engine.
fn tell(path: &Path, command: &Command, change: impl FnOnce(&AskedPause)) -> Result<(), Error> {
    let annex = find(path)?;
    let mut reply = socket::ask(&annex, command)?;
    if reply.is_none() {
        let pause = AskedPause::read(&annex);
        change(&pause);
        pause.keep()?;
        // An engine that has started meanwhile may have read what was stored before.
        reply = socket::ask(&annex, command)?;
    }
    match reply {
        Some(Reply::Done) | None => Ok(()),
        Some(other) => Err(unexpected(other)),
    }
}

/// Opens the repository at a path, or the nearest one above it, as git does.
fn find(path: &Path) -> Result<Annex, Error> {
    let is_repository = |path: &Path| path.join(".git").exists();
    let here = Annex::open(path);
    if here.is_ok() || !path.is_dir() || is_repository(path) {
        return Ok(here?);
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match real.ancestors().skip(1).find(|above| is_repository(above)) {
        Some(above) => Ok(Annex::open(above)?),
        None => Ok(here?),
    }
}

/// The shared state for a folder that runs alone.
fn alone() -> Arc<Process> {
    Arc::new(Process::at_terminal())
}

fn unexpected(reply: Reply) -> Error {
    Error::Refused(if let Reply::Refused(why) = reply {
        why
    } else {
        "the engine gave an unknown answer; it may be another version of Anabranch".to_owned()
    })
}

/// Opens the repository of a file, and returns the file's path in it. The file itself may be a symlink, or missing.
fn locate(file: &Path) -> Result<(Annex, RepoPath), Error> {
    let refused = |why: &str| Error::Refused(format!("{}: {why}", file.display()));
    let name = file.file_name().ok_or_else(|| refused("name a file"))?;
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let io = |source| Error::Io {
        doing: "find",
        path: parent.to_owned(),
        source,
    };
    let absolute: PathBuf = parent.canonicalize().map_err(io)?.join(name);
    let mut tops = absolute.ancestors().skip(1).filter(|top| top.join(".git").exists());
    let nowhere = || match absolute.join(".git").exists() {
        true => refused("it is a repository itself; name a file in it"),
        false => refused("it is in no repository"),
    };
    let nearest = tops.next().ok_or_else(nowhere)?;
    let (top, annex) = match Annex::open(nearest) {
        Ok(annex) => (nearest, annex),
        // A repository of git alone may lie inside a synced one.
        Err(error) => tops.find_map(|top| Some((top, Annex::open(top).ok()?))).ok_or(error)?,
    };
    let inside = absolute
        .strip_prefix(top)
        .map_err(|_| refused("it is in no repository"))?;
    let path = RepoPath::parse(inside.as_os_str().as_encoded_bytes()).map_err(|why| refused(&why.to_string()))?;
    Ok((annex, path))
}

/// As [`locate`], for a directory; without a path if it is the top of the work tree.
fn locate_directory(path: &Path) -> Result<(Annex, Option<RepoPath>), Error> {
    let real = path.canonicalize().map_err(|source| Error::Io {
        doing: "find",
        path: path.to_owned(),
        source,
    })?;
    if Annex::open(&real).is_ok_and(|annex| annex.is_bare()) {
        return Err(Error::Refused(format!(
            "{} has no files, only content: use 'git annex get --all' or 'git annex drop --all'",
            path.display()
        )));
    }
    match real.join(".git").exists() {
        true => Ok((Annex::open(&real)?, None)),
        false => locate(&real).map(|(annex, path)| (annex, Some(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_found_from_the_directories_in_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("folder");
        annex::init::init(&folder, None, 1).unwrap();
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::write(folder.join("file"), "").unwrap();
        let real = folder.canonicalize().unwrap();
        for path in [&folder, &folder.join("a"), &folder.join("a/b")] {
            assert_eq!(find(path).unwrap().work_tree(), Some(&*real), "{}", path.display());
        }
        for path in [place.path(), &folder.join("file"), &folder.join("missing")] {
            assert!(find(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn only_files_in_a_repository_are_found() {
        let place = tempfile::tempdir().unwrap();
        let told = |path: &Path| locate(path).unwrap_err().to_string();
        assert!(told(&place.path().join("a")).ends_with("it is in no repository"));
        let folder = place.path().join("folder");
        annex::init::init(&folder, None, 1).unwrap();
        assert!(told(&folder).ends_with("it is a repository itself; name a file in it"));
        let (found, path) = locate(&folder.join("a")).unwrap();
        assert_eq!(
            (found.work_tree(), path.to_string()),
            (Some(&*folder.canonicalize().unwrap()), "a".to_owned())
        );
    }
}
