use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Change, History, Why};

/// Paths that wait to be taken; beyond, they are replaced by a rescan of everything.
const MOST_WAITING: usize = 200_000;

/// Where changes come out.
#[derive(Debug)]
pub struct Changes {
    changes: UnboundedReceiver<Change>,
    load: Arc<Load>,
}

/// Where the thread puts them in. Never blocks, so that who takes them may also command the thread.
pub(super) struct Outlet {
    changes: UnboundedSender<Change>,
    load: Arc<Load>,
    pub(super) history: Option<History>,
}

#[derive(Debug, Default)]
struct Load {
    waiting: AtomicUsize,
    /// A rescan of everything waits to be taken, and will find all that is dropped until its first part is.
    rescan_waits: AtomicBool,
}

pub(super) fn pair(history: Option<History>) -> (Outlet, Changes) {
    let (sender, receiver) = unbounded_channel();
    let load = Arc::<Load>::default();
    (
        Outlet {
            changes: sender,
            load: load.clone(),
            history,
        },
        Changes {
            changes: receiver,
            load,
        },
    )
}

impl Changes {
    /// Waits for the next change; none once the watching has ended.
    pub async fn next(&mut self) -> Option<Change> {
        let change = self.changes.recv().await?;
        self.took(&change);
        Some(change)
    }

    /// The next change if it has been passed on already.
    pub fn next_ready(&mut self) -> Option<Change> {
        let change = self.changes.try_recv().ok()?;
        self.took(&change);
        Some(change)
    }

    fn took(&self, change: &Change) {
        match change {
            Change::Paths(paths) => {
                self.load.waiting.fetch_sub(paths.len(), Ordering::AcqRel);
            }
            Change::Rescan(_, Why::Overflow) => self.load.rescan_waits.store(false, Ordering::Release),
            Change::Rescan(..) | Change::Blind(_) | Change::Sighted(_) => {}
        }
    }
}

impl Outlet {
    /// Passes a change on.
    pub(super) fn put(&self, change: Change) {
        if let Change::Paths(paths) = &change {
            self.load.waiting.fetch_add(paths.len(), Ordering::AcqRel);
        }
        if let (Change::Rescan(directory, _), Some(history)) = (&change, &self.history) {
            history.lost(directory);
        }
        // Nobody listens any more: nobody misses it.
        let _ = self.changes.send(change);
    }

    /// Passes paths on, or, if too many wait, a rescan of all `places`.
    pub(super) fn put_paths(&self, paths: Vec<PathBuf>, places: impl Iterator<Item = PathBuf>) {
        if let Some(history) = &self.history {
            history.changed(paths.iter().map(PathBuf::as_path));
        }
        if self.load.waiting.load(Ordering::Acquire) + paths.len() <= MOST_WAITING {
            self.put(Change::Paths(paths));
        } else if !self.load.rescan_waits.swap(true, Ordering::AcqRel) {
            places.for_each(|place| self.put(Change::Rescan(place, Why::Overflow)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_lags_far_behind_is_told_to_rescan_once() {
        let (outlet, mut changes) = pair(None);
        let places = || [PathBuf::from("/a")].into_iter();
        let many = || vec![PathBuf::from("/a/x"); MOST_WAITING];
        outlet.put_paths(many(), places());
        outlet.put_paths(many(), places());
        outlet.put_paths(many(), places());
        assert!(matches!(changes.next().await, Some(Change::Paths(_))));
        assert_eq!(changes.next().await, Some(Change::Rescan("/a".into(), Why::Overflow)));
        outlet.put_paths(vec!["/a/y".into()], places());
        assert_eq!(changes.next().await, Some(Change::Paths(vec!["/a/y".into()])));
        drop(outlet);
        assert_eq!(changes.next().await, None);
    }
}
