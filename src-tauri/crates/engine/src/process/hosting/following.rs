//! Watches the settings file, and decides when to read it again.

use std::path::PathBuf;
use std::time::Duration;

use surroundings::{Change, Changes, Watch, WatchScope, WatchedPlace};
use tokio::time::Instant;

use super::sleep_until;
use crate::process::settings::SettingsFile;
use crate::watched_symlink::WatchedSymlink;

/// A file that is being saved is read after it was unchanged for this long, since some programs save in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long to wait for a missing file to come back, since some programs move the old file away before they write the
/// new one.
const AWAY: Duration = Duration::from_secs(2);

/// The settings file, watched through its directory, since an editor may replace it.
pub(super) struct Following {
    watch: Watch,
    changes: Changes,
    /// The path of the file in change events.
    file: PathBuf,
    linked: WatchedSymlink,
    read_at: Option<Instant>,
    is_gone: bool,
}

impl Following {
    /// Creates the directory of the file if it does not exist. None if that fails, since then no file can be written in
    /// it either.
    pub(super) fn start(file: &SettingsFile) -> Option<Self> {
        std::fs::create_dir_all(file.directory()).ok()?;
        let directory = file.directory().canonicalize().ok()?;
        let file = directory.join(file.path().file_name()?);
        let place = WatchedPlace {
            path: directory,
            scope: WatchScope::Alone,
        };
        let (watch, changes) = Watch::new([place]).ok()?;
        let mut following = Self {
            watch,
            changes,
            is_gone: !file.exists(),
            linked: WatchedSymlink::new(file.clone()),
            file,
            read_at: None,
        };
        following.follow_link();
        Some(following)
    }

    /// Waits until the file has changed and should be read; none when it cannot be watched any longer.
    pub(super) async fn changed(&mut self) -> Option<()> {
        loop {
            tokio::select! {
                change = self.changes.next() => {
                    if self.is_concerned(&change?) {
                        self.read_at = Some(Instant::now() + QUIET);
                    }
                }
                () = sleep_until(self.read_at) => {
                    self.follow_link();
                    let was_gone = std::mem::replace(&mut self.is_gone, !self.file.exists());
                    let may_come_back = self.is_gone && !was_gone;
                    self.read_at = may_come_back.then(|| Instant::now() + AWAY);
                    if !may_come_back {
                        return Some(());
                    }
                }
            }
        }
    }

    fn is_concerned(&self, change: &Change) -> bool {
        // A directory stands for everything in it.
        let concerns = |path: &PathBuf| self.file.starts_with(path) || self.linked.leads_to(path);
        match change {
            Change::Paths(paths) => paths.iter().any(concerns),
            Change::Rescan(path, _) => concerns(path),
            Change::Blind(_) | Change::Sighted(_) => false,
        }
    }

    fn follow_link(&mut self) {
        let directory = self.file.parent();
        self.linked
            .follow(self.linked.find(), &self.watch, |other| Some(other) == directory);
    }
}
