//! The web view gives up the whole program when it cannot start its own processes, because they are missing, crash at once, or
//! there is no room for them. The folders are kept in sync all the same: then the program starts anew, without a window.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use contract::{Command as Ask, PauseReason, Status};
use engine::Door;
use gtk::glib::{LogField, LogLevel, log_set_writer_func, log_writer_default};
use tokio::sync::watch;

/// What a program that was started anew is told: why, and what it would not know otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Anew {
    /// Why the window could not be shown.
    #[arg(long, hide = true)]
    pub(crate) window_failed: Option<String>,
    /// Folders that somebody paused, each after the end of its pause in seconds since the epoch, if it has one, and a colon.
    #[arg(long, hide = true)]
    paused: Vec<String>,
}

impl Anew {
    fn of(why: &str, status: &Status) -> Self {
        let paused = status.folders.iter().filter_map(|folder| {
            let pause = folder.pause.filter(|pause| pause.reason == PauseReason::Asked)?;
            let until = pause.until.map(|until| until.to_string()).unwrap_or_default();
            Some(format!("{until}:{}", folder.path))
        });
        Self {
            // An argument cannot hold the byte that ends it.
            window_failed: Some(why.replace('\0', " ")),
            paused: paused.collect(),
        }
    }

    /// The arguments that say it, before the folders that were named.
    fn arguments(self, folders: &[PathBuf]) -> Vec<OsString> {
        let failed = self.window_failed.map(|why| format!("--window-failed={why}"));
        let paused = self.paused.into_iter().map(|paused| format!("--paused={paused}"));
        let folders = folders.iter().map(|folder| folder.clone().into_os_string());
        let options = failed.into_iter().chain(paused).chain(["--".to_owned()]);
        options.map(OsString::from).chain(folders).collect()
    }

    /// Pauses again what was paused.
    pub(crate) async fn pause_again(&self, door: &Door) {
        for (until, folder) in self.pauses() {
            // A folder that cannot be kept in sync now moves nothing either.
            let _ = door.ask(folder, Ask::Pause { until }).await;
        }
    }

    fn pauses(&self) -> impl Iterator<Item = (Option<u64>, &str)> {
        let paused = self.paused.iter().filter_map(|paused| paused.split_once(':'));
        paused.map(|(until, folder)| (until.parse().ok(), folder))
    }
}

/// From now on the program starts anew, with the same folders, where a library of the desktop would end it. What was under way
/// goes on as after any other end.
pub(crate) fn instead_of_the_end(folders: Vec<PathBuf>, status: watch::Receiver<Status>) {
    log_set_writer_func(move |level, fields| {
        if level == LogLevel::Error {
            let anew = Anew::of(message(fields), &status.borrow());
            // It returns only if it cannot be done; then the end comes as the library wants it.
            let why_not = start(&anew.arguments(&folders));
            crate::say(&format!("the program could not start anew: {why_not}"));
        }
        log_writer_default(level, fields)
    });
}

/// Why a library gives up, in its own words.
fn message<'a>(fields: &'a [LogField<'_>]) -> &'a str {
    let message = fields.iter().find(|field| field.key() == "MESSAGE");
    message.and_then(LogField::value_str).unwrap_or_default()
}

/// This process becomes the program anew. Its descriptors are closed by that, and with them its locks and its name on the bus
/// are free.
fn start(arguments: &[OsString]) -> std::io::Error {
    let name = std::env::args_os().next().unwrap_or_default();
    let become_it = |program: &Path| Command::new(program).arg0(&name).args(arguments).exec();
    // A newer version may be at its place, or none for now; the one that runs can always be had.
    if let Some(program) = place() {
        become_it(&program);
    }
    become_it(Path::new("/proc/self/exe"))
}

/// Where this program is installed; none if the system does not say. Another version may be there by now, or nothing.
pub(crate) fn place() -> Option<PathBuf> {
    Some(installed(std::env::current_exe().ok()?))
}

/// The system marks the name of a program that was replaced while it runs.
fn installed(program: PathBuf) -> PathBuf {
    let name = program.as_os_str().as_encoded_bytes();
    match name.strip_suffix(b" (deleted)") {
        Some(name) if !program.exists() => PathBuf::from(OsStr::from_bytes(name)),
        Some(_) | None => program,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use contract::{Folder, Pause};

    use super::*;
    use crate::Arguments;

    #[test]
    fn a_program_that_was_replaced_is_found_at_its_place() {
        let installed = |name: &str| installed(PathBuf::from(name));
        assert_eq!(installed("/usr/bin/it (deleted)"), PathBuf::from("/usr/bin/it"));
        assert_eq!(installed("/usr/bin/it"), PathBuf::from("/usr/bin/it"));
        let odd = tempfile::Builder::new().suffix(" (deleted)").tempfile().unwrap();
        assert_eq!(super::installed(odd.path().to_owned()), odd.path());
    }

    #[test]
    fn the_same_folders_are_kept_or_paused_and_no_window_is_opened() {
        let folder = |path: &str, pause| Folder {
            pause,
            ..Folder::at(path.to_owned())
        };
        let pause = |reason, until| Some(Pause { reason, until });
        let status = Status {
            folders: vec![
                folder("/home/ann/Photos", pause(PauseReason::Asked, Some(1_795_000_000))),
                folder("/home/ann/a: b", pause(PauseReason::Asked, None)),
                folder("/home/ann/Music", pause(PauseReason::Battery, None)),
                folder("/home/ann/Notes", None),
            ],
            ..Status::default()
        };
        let folders = [PathBuf::from("/home/ann/Photos"), PathBuf::from("-odd")];
        let arguments = Anew::of("no such \"file\"\0", &status).arguments(&folders);
        let read = Arguments::parse_from([OsString::from("it")].into_iter().chain(arguments));
        assert_eq!(read.folders, folders);
        assert_eq!(read.anew.window_failed.as_deref(), Some("no such \"file\" "));
        assert!(!read.window);
        let pauses: Vec<_> = read.anew.pauses().collect();
        let expected = [(Some(1_795_000_000), "/home/ann/Photos"), (None, "/home/ann/a: b")];
        assert_eq!(pauses, expected);
    }
}
