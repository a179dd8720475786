//! Inspects a path that the user may want to sync.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use annex::Annex;
use contract::{AtPlace, Found};

/// The largest number of files to count.
const MOST: u64 = 20_000;

/// Inspects an absolute path without changing anything. `kept` are the real paths of the synced folders.
pub(super) fn find(path: &Path, kept: &[PathBuf]) -> Found {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let what = what(&real, kept);
    let files = match what {
        AtPlace::Directory | AtPlace::Git => count(&real),
        AtPlace::Nothing => Some(0),
        AtPlace::Annex | AtPlace::Kept | AtPlace::Unusable(_) => None,
    };
    Found {
        path: real.to_string_lossy().into_owned(),
        what,
        files,
    }
}

fn what(path: &Path, kept: &[PathBuf]) -> AtPlace {
    let unusable = |why: String| AtPlace::Unusable(why);
    for other in kept {
        if other == path {
            return AtPlace::Kept;
        }
        if path.starts_with(other) {
            return unusable(format!("It is in {}, which Anabranch syncs already.", other.display()));
        }
        if other.starts_with(path) {
            return unusable(format!(
                "{} is in it, and Anabranch syncs that already.",
                other.display()
            ));
        }
    }
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
    if path == Path::new("/") || home.is_some_and(|home| home.starts_with(path)) {
        return unusable(
            "It holds the settings of all programs, which change all the time. Choose a folder in it.".to_owned(),
        );
    }
    if std::str::from_utf8(path.as_os_str().as_bytes()).is_err() {
        return unusable("Its name is not text, so the settings cannot hold it. Rename it.".to_owned());
    }
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match makeable(path) {
            Ok(()) => AtPlace::Nothing,
            Err(why) => unusable(why),
        },
        Err(error) => unusable(format!("Anabranch cannot look at it: {error}.")),
        Ok(meta) if !meta.is_dir() => unusable("It is a file. Choose a folder.".to_owned()),
        Ok(_) => directory(path),
    }
}

fn directory(path: &Path) -> AtPlace {
    match Annex::open(path) {
        Ok(_) => AtPlace::Annex,
        Err(_)
            if nix::unistd::access(path, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_err() =>
        {
            AtPlace::Unusable("You may not write in it.".to_owned())
        }
        Err(_) if path.join(".git").exists() => AtPlace::Git,
        Err(_) => AtPlace::Directory,
    }
}

/// Checks that the nearest existing directory above is writable.
fn makeable(path: &Path) -> Result<(), String> {
    let above = path.ancestors().skip(1).find(|above| above.exists());
    let above = above.ok_or_else(|| "The folder that should contain it is missing.".to_owned())?;
    if !above.is_dir() {
        return Err(format!("{} is a file.", above.display()));
    }
    nix::unistd::access(above, nix::unistd::AccessFlags::W_OK)
        .map_err(|_| format!("You may not make a folder in {}.", above.display()))
}

/// How many files are in a directory; none if there are too many, or if it cannot be read.
fn count(path: &Path) -> Option<u64> {
    let mut files = 0;
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir().ok()? {
            let entry = entry.ok()?;
            let is_directory = entry.file_type().ok()?.is_dir();
            if is_directory && entry.file_name() != ".git" {
                directories.push(entry.path());
            }
            files += u64::from(!is_directory);
            if files > MOST {
                return None;
            }
        }
    }
    Some(files)
}

/// The folders that git-annex's assistant starts with the desktop, by its autostart file.
pub(super) fn autostarted() -> Vec<PathBuf> {
    let Some(directories) = directories::BaseDirs::new() else {
        return Vec::new();
    };
    let file = directories.config_dir().join("git-annex/autostart");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let paths = text.lines().map(PathBuf::from);
    paths.filter(|path| path.is_absolute() && path.is_dir()).collect()
}
