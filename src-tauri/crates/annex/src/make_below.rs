//! Making directories in a repository that may go away at any moment.

use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Makes a directory and what is missing above it, and returns what was made, from the top down; nothing if it was there.
///
/// `top` itself is never made, nor anything above it: where it is missing, the drive that held it is gone, and whatever
/// was made would lie on another file system, below a mount point. `NotFound` then. A `directory` that does not lie below
/// `top` is `InvalidInput`.
pub fn make_below(top: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.starts_with(top) {
        return Err(ErrorKind::InvalidInput.into());
    }
    if directory == top {
        return std::fs::metadata(top).map(|_| Vec::new());
    }
    let mut made = Vec::new();
    make(top, directory, &mut made)?;
    Ok(made)
}

fn make(top: &Path, directory: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    let create = || match std::fs::create_dir(directory) {
        // Somebody else may make the same at the same moment.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    };
    let is_made = match (create(), directory.parent()) {
        (Err(error), Some(above)) if error.kind() == ErrorKind::NotFound && above != top => {
            make(top, above, made)?;
            create()?
        }
        (outcome, _) => outcome?,
    };
    if is_made {
        made.push(directory.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::make_below;

    #[test]
    fn what_is_missing_is_made_but_never_the_top() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        let deep = top.join("a/b");
        for directory in [&top, &deep] {
            assert_eq!(make_below(&top, directory).unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert!(!top.exists());
        std::fs::create_dir(&top).unwrap();
        assert_eq!(make_below(&top, &deep).unwrap(), [top.join("a"), deep.clone()]);
        assert_eq!(make_below(&top, &deep).unwrap(), [] as [&std::path::Path; 0]);
        assert!(make_below(&top, &top).unwrap().is_empty());
        assert!(deep.is_dir());
    }

    #[test]
    fn a_file_in_the_way_and_another_place_are_errors() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        assert!(make_below(place.path(), &place.path().join("file")).is_err());
        assert!(make_below(place.path(), &place.path().join("file/below")).is_err());
        assert!(make_below(&place.path().join("a"), &place.path().join("b")).is_err());
    }
}
