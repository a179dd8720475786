//! Files that were written to and not closed: open ones, and those that were cut by their name, which opens and closes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files that were written to, and that nobody was seen to close.
#[derive(Default)]
pub(super) struct Unclosed(BTreeMap<PathBuf, Written>);

struct Written {
    /// When it is to be reported; none if it has been since.
    due: Option<Instant>,
    /// How long it must have rested for that.
    rest: Duration,
}

/// A file is reported when it has rested so long, each time it is not closed for twice as long: a program may keep it open
/// for days.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(64);

/// Beyond so many, those that have been reported are forgotten.
const MOST: usize = 4096;

impl Unclosed {
    pub(super) fn written(&mut self, path: &Path) {
        let now = Instant::now();
        if let Some(file) = self.0.get_mut(path) {
            file.due = Some(now + file.rest);
            return;
        }
        if self.0.len() > MOST {
            self.0.retain(|_, file| file.due.is_some());
        }
        let due = Some(now + REST);
        self.0.insert(path.to_owned(), Written { due, rest: REST });
    }

    pub(super) fn closed(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// When the next is to be reported.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.values().filter_map(|file| file.due).min()
    }

    /// Those that are to be reported now.
    pub(super) fn rested(&mut self) -> Vec<PathBuf> {
        let now = Instant::now();
        let mut rested = Vec::new();
        for (path, file) in &mut self.0 {
            if file.due.is_some_and(|due| due <= now) {
                file.due = None;
                file.rest = (file.rest * 2).min(LONGEST_REST);
                rested.push(path.clone());
            }
        }
        rested
    }
}
