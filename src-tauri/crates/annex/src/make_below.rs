//! Making directories in a repository that may go away at any moment.

use std::io::{Error, Result};
use std::path::Path;

use crate::Directory;

/// Makes a directory and what is missing above it, up to but without `top`: [`Directory::make_below`].
pub fn make_below(top: &Path, directory: &Path) -> Result<()> {
    match Directory::make_below(top, directory) {
        Ok(_) => Ok(()),
        Err(crate::Error::Io { source, .. }) => Err(source),
        Err(error) => Err(Error::other(error.to_string())),
    }
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
        for _ in 0..2 {
            make_below(&top, &deep).unwrap();
        }
        make_below(&top, &top).unwrap();
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
