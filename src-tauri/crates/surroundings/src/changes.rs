//! Changes of files and directories, from the kernel.
//!
//! Each [`Watch`] takes one inotify instance, of which a user may have only 128: a folder has one for all that is watched
//! for it. What it cannot see (events lost, too many directories, a place that is not there) it says, and asks for a rescan
//! in its stead: it is never silent.

mod history;
mod inotify;
mod messages;
mod outlet;
mod polled;
#[cfg(test)]
mod tests;
mod watcher;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

pub use history::{History, Since};
use messages::{Message, Messages};
pub use outlet::Changes;
use watcher::Watcher;

/// Something happened below a watched place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These files or directories were made, changed, moved or removed. A directory that is gone, or has just come,
    /// stands for everything below it (of one that has come, what is in it is also listed). Each path is there once.
    Paths(Vec<PathBuf>),
    /// Anything may have changed in this directory and below.
    Rescan(PathBuf, Why),
    /// From now on changes here are found every 30 seconds, or, where looking takes long, less often. Each time a
    /// [`Change::Rescan`] comes; but files of a small place on such a file system as [`Why::Elsewhere`] says are compared,
    /// unless it is a work tree, and come as [`Change::Paths`]. That a missing place comes is seen at once, unless it is
    /// mounted.
    Blind(Blind),
    /// Changes here are seen at once again.
    Sighted(PathBuf),
}

/// A directory, with what is below it, that cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// The directory.
    pub path: PathBuf,
    /// Why it cannot.
    pub why: Why,
}

/// Why a part must be looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// More happened at once than the kernel or the listener could hold.
    Overflow,
    /// The place is not there, was replaced or has just been added, a file system was mounted there or unmounted, or a place
    /// that it was also in was removed.
    Missing,
    /// The user's limit of watched directories is reached (`fs.inotify.max_user_watches`).
    WatchLimit,
    /// The directory cannot be read.
    Unreadable,
    /// The directory is on a file system that others change unseen; changes made through it here are seen at once.
    Elsewhere,
}

/// A directory to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedPlace {
    /// Its absolute path. It need not exist yet.
    pub path: PathBuf,
    /// How much of it.
    pub scope: WatchScope,
}

/// How much of a directory is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchScope {
    /// Its entries only.
    Alone,
    /// Everything below it except what is named `.git`.
    WorkTree,
    /// Everything below it.
    All,
}

/// Why nothing can be watched at all.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel gave no inotify instance (`fs.inotify.max_user_instances`, or no descriptors left).
    #[error("file changes cannot be watched; nothing is lost, but changes will not be noticed: {0}")]
    Unavailable(#[from] io::Error),
    /// The thread is gone.
    #[error("watching file changes has ended")]
    Ended,
}

/// The watching thread. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watch {
    messages: Messages,
    history: Option<History>,
}

/// How stale a part that cannot be watched may become.
const POLL_EVERY: Duration = Duration::from_secs(30);

impl Watch {
    /// Starts to watch. When it returns, every change from now on will be reported.
    pub fn new(places: impl IntoIterator<Item = WatchedPlace>) -> Result<(Self, Changes), WatchError> {
        Self::with_limits(places, usize::MAX, POLL_EVERY)
    }

    fn with_limits(
        places: impl IntoIterator<Item = WatchedPlace>,
        most_directories: usize,
        poll_every: Duration,
    ) -> Result<(Self, Changes), WatchError> {
        let places: Vec<WatchedPlace> = places.into_iter().collect();
        let work_tree = places.iter().find(|place| place.scope == WatchScope::WorkTree);
        let history = work_tree.map(|place| History::new(&place.path));
        let (messages, inbox) = Messages::new()?;
        let (outlet, changes) = outlet::pair(history.clone());
        let watcher = Watcher::new(messages.clone(), outlet, most_directories, poll_every)?;
        std::thread::Builder::new()
            .name("changes".into())
            .spawn(move || watcher.run(&inbox))?;
        let watch = Self { messages, history };
        for place in places {
            watch.add(place)?;
        }
        Ok((watch, changes))
    }

    /// Watches one more place. When it returns, every change there from now on will be reported; a place that is not
    /// there yet, or cannot be watched in full, is reported as [`Change::Blind`].
    pub fn add(&self, place: WatchedPlace) -> Result<(), WatchError> {
        let (done, answer) = sync_channel(1);
        self.messages.tell(Message::Add(place, Some(done)))?;
        answer.recv().map_err(|_| WatchError::Ended)
    }

    /// Watches one more place without waiting for that, as its file system may not answer. A [`Change::Rescan`] of it comes
    /// when it is watched.
    pub fn add_soon(&self, place: WatchedPlace) -> Result<(), WatchError> {
        self.messages.tell(Message::Add(place, None))
    }

    /// Stops watching a place. What happened there just now may still be reported. Of what is also in another place a
    /// [`Change::Rescan`] comes.
    pub fn remove(&self, path: &Path) -> Result<(), WatchError> {
        self.messages.tell(Message::Remove(path.to_owned()))
    }

    /// Watches a directory again because something was mounted there: what was watched is covered by it. Then comes a
    /// [`Change::Rescan`] of it. Does not wait for that. Of a directory that is not in a watched place nothing comes.
    pub fn mounted(&self, path: &Path) -> Result<(), WatchError> {
        self.messages.tell(Message::Mounted(path.to_owned()))
    }
}

/// Waits for changes to be passed on, from any thread.
#[derive(Debug, Clone)]
pub struct Delivery {
    messages: Messages,
}

impl Delivery {
    /// Returns when all changes that were made before are passed on: taken from the kernel, and ready to be taken with
    /// [`Changes::next`]. False if that takes longer than `patience`, or watching has ended. It says nothing of what is blind.
    pub fn wait(&self, patience: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        self.messages.tell(Message::Deliver(done)).is_ok() && answer.recv_timeout(patience).is_ok()
    }
}

impl Watch {
    /// A handle to wait for changes with.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            messages: self.messages.clone(),
        }
    }

    /// What changes in the work tree that was among the first places; none if there was none.
    pub fn history(&self) -> Option<History> {
        self.history.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // If it cannot be told, the thread has already ended. If it waits for a file system that does not answer, nobody is to
        // wait for it.
        let _ = self.messages.tell(Message::End);
    }
}
