//! The files of a large folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::pair::wait;

/// How many files are in one directory, unless all are.
const IN_DIRECTORY: usize = 1000;

/// How many files there are, and in which directories.
#[derive(Clone)]
pub(super) struct Layout {
    pub(super) files: usize,
    pub(super) in_directory: usize,
    /// The name of the first directory, which is renamed in between.
    pub(super) first: &'static str,
}

impl Layout {
    /// The files are in directories of 1,000, or all in one.
    pub(super) fn new(files: usize, is_flat: bool) -> Self {
        Self {
            files,
            in_directory: if is_flat { files } else { IN_DIRECTORY },
            first: "d0000",
        }
    }

    pub(super) fn path_of(&self, number: usize) -> PathBuf {
        let directory = match number / self.in_directory {
            0 => self.first.to_owned(),
            other => format!("d{other:04}"),
        };
        PathBuf::from(directory).join(Self::name(number))
    }

    pub(super) fn name(number: usize) -> String {
        format!("file-{number}.txt")
    }

    pub(super) fn content(number: usize) -> String {
        format!("content of file {number}\n")
    }

    pub(super) fn make_directories(&self, folder: &Path) -> Result<()> {
        for number in (0..self.files).step_by(self.in_directory) {
            let path = folder.join(self.path_of(number));
            fs::create_dir_all(path.parent().context("no directory")?)?;
        }
        Ok(())
    }

    /// Creates all files.
    pub(super) fn make(&self, folder: &Path) -> Result<()> {
        self.make_directories(folder)?;
        for number in 0..self.files {
            fs::write(folder.join(self.path_of(number)), Self::content(number))?;
        }
        Ok(())
    }

    /// How many files are in `folder` with their first content.
    pub(super) fn arrived(&self, folder: &Path) -> usize {
        (0..self.files).filter(|number| self.is_in(folder, *number)).count()
    }

    /// Whether all files are in `folder` before `patience` ends.
    pub(super) fn arrives(&self, folder: &Path, patience: Duration) -> bool {
        let mut next = 0;
        let all = wait(patience, || {
            while next < self.files && self.is_in(folder, next) {
                next += 1;
            }
            next == self.files
        });
        all.is_some()
    }

    fn is_in(&self, folder: &Path, number: usize) -> bool {
        fs::read(folder.join(self.path_of(number))).is_ok_and(|found| found == Self::content(number).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_files_are_in_each_directory_or_all_in_one() {
        let path = |is_flat| Layout::new(2500, is_flat).path_of(2499);
        assert_eq!(path(false), Path::new("d0002/file-2499.txt"));
        assert_eq!(path(true), Path::new("d0000/file-2499.txt"));
    }

    #[test]
    fn a_file_with_other_content_has_not_arrived() {
        let (folder, layout) = (tempfile::tempdir().unwrap(), Layout::new(3, false));
        layout.make(folder.path()).unwrap();
        assert!(layout.arrives(folder.path(), Duration::ZERO));
        fs::write(folder.path().join(layout.path_of(1)), "other").unwrap();
        assert_eq!(layout.arrived(folder.path()), 2);
        assert!(!layout.arrives(folder.path(), Duration::ZERO));
    }
}
