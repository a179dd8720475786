//! Writes files atomically: a file is complete or does not exist.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use annex::Directory;

use crate::Error;

/// Writes a file under another name first and renames it, so that it is never incomplete. A link of that name is
/// replaced, and its target stays as it is.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let (top, above, name) = parts(path);
    // The git directory around it is never created: if it is missing, the drive is gone.
    let directory = Arc::new(Directory::make_below(top, above)?);
    let old = directory.open(name, false).ok().flatten();
    let mode = old.and_then(|old| Some(old.metadata().ok()?.permissions().mode() & 0o777));
    Ok(directory.replace(name, text.as_bytes(), mode.unwrap_or(0o644))?)
}

/// Reads a file; none if it does not exist. A link is not followed.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let (top, above, name) = parts(path);
    let directory = Directory::find_below(top, above)?;
    Ok(directory.map(|directory| directory.read(name)).transpose()?.flatten())
}

/// Removes a file. It is no error if the file does not exist.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let (top, above, name) = parts(path);
    if let Some(directory) = Directory::find_below(top, above)?
        && directory.remove(name)?
    {
        directory.sync()?;
    }
    Ok(())
}

/// The directory that must exist, the one below it that holds the file, and the name of the file.
fn parts(path: &Path) -> (&Path, &Path, &OsStr) {
    let above = path.parent().unwrap_or(path);
    (
        above.parent().unwrap_or(above),
        above,
        path.file_name().unwrap_or_default(),
    )
}
