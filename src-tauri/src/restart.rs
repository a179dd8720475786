//! The web view gives up the whole program when it cannot start its own processes, because they are missing, crash at once, or
//! there is no room for them. The folders are kept in sync all the same: then the program starts again, without a window.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use gtk::glib::{LogField, LogLevel, log_set_writer_func, log_writer_default};

/// The arguments of the program that is started again: why the window could not be shown, and the folders that were named.
fn arguments(why: &str, folders: &[PathBuf]) -> Vec<OsString> {
    // An argument cannot hold the byte that ends it.
    let failed = format!("--window-failed={}", why.replace('\0', " "));
    let folders = folders.iter().map(|folder| folder.clone().into_os_string());
    [failed, "--".to_owned()]
        .map(OsString::from)
        .into_iter()
        .chain(folders)
        .collect()
}

/// From now on the program starts again, with the same folders, where a library of the desktop would end it. What was under way
/// goes on as after any other end.
pub(crate) fn instead_of_the_end(folders: Vec<PathBuf>) {
    log_set_writer_func(move |level, fields| {
        if level == LogLevel::Error {
            // It returns only if it cannot be done; then the end comes as the library wants it.
            let why_not = start(&arguments(message(fields), &folders));
            crate::say(&format!("the program could not start again: {why_not}"));
        }
        log_writer_default(level, fields)
    });
}

/// Why a library gives up, in its own words.
fn message<'a>(fields: &'a [LogField<'_>]) -> &'a str {
    let message = fields.iter().find(|field| field.key() == "MESSAGE");
    message.and_then(LogField::value_str).unwrap_or_default()
}

/// This process becomes a new run of the program. Its descriptors are closed by that, and with them its locks and its name on the bus
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
    fn the_same_folders_are_kept_and_no_window_is_opened() {
        let folders = [PathBuf::from("/home/ann/Photos"), PathBuf::from("-odd")];
        let arguments = arguments("no such \"file\"\0", &folders);
        let read = Arguments::parse_from([OsString::from("it")].into_iter().chain(arguments));
        assert_eq!(read.folders, folders);
        assert_eq!(read.window_failed.as_deref(), Some("no such \"file\" "));
        assert!(!read.window);
    }
}
