//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::Error;

/// Writes a file, complete under another name first: at no moment is there half a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    match std::fs::create_dir(directory) {
        // The git directory around it is never made: where it is missing the drive is gone.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed("create the directory", directory)(error));
        }
        _ => {}
    }
    let mode = std::fs::metadata(path).map_or(0o644, |old| old.permissions().mode() & 0o777);
    let written = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)
        .and_then(|mut new| {
            new.write_all(text.as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(path).map_err(|error| error.error)
        })
        .and_then(|_| File::open(directory)?.sync_all());
    written.map_err(failed("write", path))
}

/// Removes a file; there being none is as good.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => {
            let directory = path.parent().unwrap_or(Path::new("."));
            let removed = removed.and_then(|()| File::open(directory)?.sync_all());
            removed.map_err(failed("remove", path))
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
