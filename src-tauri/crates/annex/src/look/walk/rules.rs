//! What is ignored in a directory, as far as that is known.

use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::{Walk, told};
use crate::lease::{Writers, writers};
use crate::openat::open_file;

/// A `.gitignore` larger than this is cut off: it is no list that somebody wrote.
const MAX_RULES: u64 = 16 << 20;

impl Walk<'_> {
    /// Adds the rules of the `.gitignore` in the directory at `path`. Says whether new files there are to be added, which
    /// `adds` says of those above: not while it is not known which of them are ignored.
    pub(super) fn enter_rules(&mut self, directory: &OwnedFd, path: &[u8], adds: bool) -> bool {
        let file = [path, b".gitignore"].concat();
        match self.rules(directory, &file) {
            Ok(rules) => {
                self.ignore.enter(path.len(), &rules);
                adds
            }
            Err(why) => {
                if adds {
                    self.unreadable(&file, format!("{why}, so nothing new beside and below it is synced"));
                }
                false
            }
        }
    }

    /// What a `.gitignore` says; as git, nothing if it is a symlink. Else why that is not known.
    fn rules(&self, directory: &OwnedFd, path: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let start = path.len() - b".gitignore".len();
        let found = match self.stat(directory, path, start) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            found => found.map_err(told)?,
        };
        if !found.is_file() {
            return Ok(Vec::new());
        }
        let file = match open_file(directory, &path[start..]) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            file => std::fs::File::from(file.map_err(told)?),
        };
        if writers(&file) == Writers::Some {
            return Err("a program is writing it".to_owned());
        }
        let mut rules = Vec::new();
        let read = file.take(MAX_RULES).read_to_end(&mut rules);
        let failed = |error: std::io::Error| told(Errno::from_io_error(&error).unwrap_or(Errno::IO));
        read.map(|_| rules).map_err(failed)
    }
}
