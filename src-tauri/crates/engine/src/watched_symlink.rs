use std::path::{Path, PathBuf};

use surroundings::{Place, Scope, Watch};

/// A file that people write, and that may be a link to where they keep such files: what happens there concerns it too.
#[derive(Clone)]
pub(crate) struct WatchedSymlink {
    named: PathBuf,
    /// Where it really is, if it is a link.
    target: Option<PathBuf>,
}

impl WatchedSymlink {
    pub(crate) fn new(named: PathBuf) -> Self {
        Self { named, target: None }
    }

    /// Where it leads now, if it is a link. May wait for its file system.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        self.named.canonicalize().ok().filter(|target| *target != self.named)
    }

    /// Has the directory watched that `target` is in, and no other, unless that `is_watched` in any case.
    pub(crate) fn follow(&mut self, target: Option<PathBuf>, watch: &Watch, is_watched: impl Fn(&Path) -> bool) {
        let directory = |target: &Option<PathBuf>| {
            let directory = target.as_deref().and_then(Path::parent)?;
            (!is_watched(directory)).then(|| directory.to_owned())
        };
        let (before, now) = (directory(&self.target), directory(&target));
        if before != now {
            // A watch that has ended is noticed when its changes end.
            let _ = before.map(|before| watch.remove(&before));
            let _ = now.map(|path| {
                watch.add_soon(Place {
                    path,
                    scope: Scope::Alone,
                })
            });
        }
        self.target = target;
    }

    /// True if a change of `path` is one of what it leads to. A directory stands for all that is in it.
    pub(crate) fn leads_to(&self, path: &Path) -> bool {
        self.target.as_ref().is_some_and(|target| target.starts_with(path))
    }
}
