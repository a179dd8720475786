use std::path::{Path, PathBuf};

use surroundings::{Watch, WatchScope, WatchedPlace};

/// A file edited by people, which may be a link to another place. Changes of the link's target matter too.
#[derive(Clone)]
pub(crate) struct WatchedSymlink {
    named: PathBuf,
    /// Its target, if it is a link.
    target: Option<PathBuf>,
}

impl WatchedSymlink {
    pub(crate) fn new(named: PathBuf) -> Self {
        Self { named, target: None }
    }

    /// Its current target, if it is a link. May wait for its file system.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        self.named.canonicalize().ok().filter(|target| *target != self.named)
    }

    /// Watches the directory of `target`, and no longer that of the old target. Skips directories that are watched in
    /// any case, by `is_watched`.
    pub(crate) fn follow(&mut self, target: Option<PathBuf>, watch: &Watch, is_watched: impl Fn(&Path) -> bool) {
        let directory = |target: &Option<PathBuf>| {
            let directory = target.as_deref().and_then(Path::parent)?;
            (!is_watched(directory)).then(|| directory.to_owned())
        };
        let (before, now) = (directory(&self.target), directory(&target));
        if before != now {
            // Errors are ignored: a watch that has ended is noticed when its changes end.
            let _ = before.map(|before| watch.remove(&before));
            let _ = now.map(|path| {
                watch.add_soon(WatchedPlace {
                    path,
                    scope: WatchScope::Alone,
                })
            });
        }
        self.target = target;
    }

    /// True if a change of `path` may change the target. A directory stands for everything in it.
    pub(crate) fn leads_to(&self, path: &Path) -> bool {
        self.target.as_ref().is_some_and(|target| target.starts_with(path))
    }
}
