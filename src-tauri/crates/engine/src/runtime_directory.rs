use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::Error;

/// The directory for sockets, which only this user can enter. It is made if it is missing.
///
/// # Errors
///
/// Refused if somebody else has made it.
pub(crate) fn runtime_directory() -> Result<PathBuf, Error> {
    let runtime = directories::BaseDirs::new().and_then(|dirs| dirs.runtime_dir().map(Path::to_owned));
    let directory = match runtime {
        Some(runtime) if runtime.is_dir() => runtime.join("anabranch"),
        Some(_) | None => std::env::temp_dir().join(format!("anabranch-{}", Uid::effective())),
    };
    let failed = |doing| {
        let path = directory.clone();
        move |source| Error::Io { doing, path, source }
    };
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(&directory);
    made.map_err(failed("create the directory"))?;
    let meta = std::fs::symlink_metadata(&directory).map_err(failed("examine"))?;
    if !meta.is_dir() || meta.uid() != Uid::effective().as_raw() || meta.permissions().mode() & 0o077 != 0 {
        return Err(Error::Refused(format!(
            "{} is not a directory of this user alone, so no engine listens there; remove it",
            directory.display()
        )));
    }
    Ok(directory)
}
