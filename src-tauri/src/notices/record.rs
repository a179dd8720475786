//! What was told, on disk, so that a new start does not tell it again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::history::History;

/// The file of the history. It is never missed much: without it, or when it cannot be read, some things are told again.
#[derive(Debug)]
pub(super) struct Record {
    path: Option<PathBuf>,
    written: History,
}

impl Record {
    /// Where this user's programs keep such things.
    pub(super) fn find() -> Option<PathBuf> {
        let directories = directories::BaseDirs::new()?;
        Some(directories.state_dir()?.join("anabranch/notices.json"))
    }

    /// Reads the history; a new one if there is none that can be read.
    pub(super) fn read(path: Option<PathBuf>) -> (Self, History) {
        let text = path.as_deref().and_then(|path| fs::read(path).ok()).unwrap_or_default();
        let written: History = serde_json::from_slice(&text).unwrap_or_default();
        let record = Self {
            path,
            written: written.clone(),
        };
        (record, written)
    }

    /// Writes the history if there is something new in it. A disk that cannot be written is said to be so once.
    pub(super) fn keep(&mut self, history: &History) {
        let lasting = history.lasting();
        if lasting == self.written {
            return;
        }
        let Some(path) = &self.path else { return };
        match write(path, &lasting) {
            Ok(()) => self.written = lasting,
            Err(error) => {
                crate::say(&format!(
                    "{} cannot be written: {error}; after the next start some notifications come again",
                    path.display()
                ));
                self.path = None;
            }
        }
    }
}

/// Whole or not at all.
fn write(path: &Path, history: &History) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(history)?)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::busy;
    use super::*;

    #[test]
    fn a_history_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anabranch/notices.json");
        let (mut record, history) = Record::read(Some(path.clone()));
        assert_eq!(history, History::default());
        let told = busy();
        assert_ne!(told.lasting(), History::default());
        record.keep(&told);
        assert_eq!(Record::read(Some(path)).1, told.lasting());
    }

    #[test]
    fn what_an_older_version_wrote_is_kept_as_far_as_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notices.json");
        let mut text = serde_json::to_value(busy().lasting()).unwrap();
        let old = serde_json::json!([{"full": "/home/ann/Photos"}, {"at": 10, "count": 1}]);
        text["told"].as_array_mut().unwrap().insert(0, old);
        fs::write(&path, text.to_string()).unwrap();
        assert_eq!(Record::read(Some(path)).1, busy().lasting());
    }

    #[test]
    fn what_cannot_be_read_or_written_is_done_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notices.json");
        for text in ["", "{", "[1]", r#"{"told":[["no such thing",{}]]}"#, "\u{0}"] {
            fs::write(&path, text).unwrap();
            let (mut record, history) = Record::read(Some(path.clone()));
            assert_eq!(history, History::default(), "{text:?}");
            record.keep(&busy());
            assert_eq!(Record::read(Some(path.clone())).1, busy().lasting());
        }
        // A file stands where a directory is needed.
        let (mut record, history) = Record::read(Some(path.join("below/notices.json")));
        assert_eq!(history, History::default());
        record.keep(&busy());
        record.keep(&History::default());
        assert_eq!(Record::read(Some(path)).1, busy().lasting());
        Record::read(None).0.keep(&busy());
    }
}
