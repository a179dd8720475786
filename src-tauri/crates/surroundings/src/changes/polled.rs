//! Small places on a file system whose changes the kernel does not tell: notify's `PollWatcher` compares what their files
//! contain. Times would not do, as it compares them in whole seconds.
//!
//! It scans in the thread that adds a place, and to add or remove one waits for a scan that is under way. So each `Polled` has
//! a `PollWatcher` of its own, in a thread that may wait for a file system that does not answer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::{Config, EventKind, PollWatcher, RecursiveMode, Watcher};

use super::WatchScope;
use super::messages::{Message, Messages};

/// A blind directory that is compared until this is dropped.
pub(super) struct Polled {
    pub(super) places: Vec<(PathBuf, WatchScope)>,
    _end: Sender<()>,
}

/// The polling takes no more than such a part of the time.
pub(super) const POLLING_PART: u32 = 10;

/// No more is read each time. A rescan reads less of an index of many files, or where the rules are kept among films.
const MOST_BYTES: u64 = 1 << 20;

impl Polled {
    /// Compares these places: `top`, and those below it.
    pub(super) fn start(
        top: PathBuf,
        places: Vec<(PathBuf, WatchScope)>,
        every: Duration,
        messages: Messages,
    ) -> io::Result<Self> {
        let (end, ended) = channel();
        let compared = places.clone();
        std::thread::Builder::new()
            .name("polled".into())
            .spawn(move || run(&top, &compared, every, &messages, &ended))?;
        Ok(Self { places, _end: end })
    }
}

fn run(top: &Path, places: &[(PathBuf, WatchScope)], every: Duration, messages: &Messages, ended: &Receiver<()>) {
    let has_failed = Arc::new(AtomicBool::new(false));
    let mut watcher = None;
    loop {
        let started = Instant::now();
        let is_small = size(places).is_ok_and(|size| size <= MOST_BYTES);
        if has_failed.swap(false, Ordering::AcqRel) {
            watcher = None;
        }
        let polls = is_small
            && watcher
                .as_ref()
                .is_some_and(|watcher: &PollWatcher| watcher.poll().is_ok());
        if !polls {
            if is_small {
                watcher = compare(places, messages.clone(), has_failed.clone());
            }
            // Afterwards: what changed before is not compared with anything.
            let _ = messages.tell(Message::Rescan(top.to_owned()));
        }
        let wait = every.max(started.elapsed() * POLLING_PART);
        if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Reads the places, and again each time that what is returned is told to.
fn compare(places: &[(PathBuf, WatchScope)], messages: Messages, has_failed: Arc<AtomicBool>) -> Option<PollWatcher> {
    let tell = move |event: notify::Result<notify::Event>| match event {
        // The time of a directory says no more than what came or went in it, which is told as well.
        Ok(event) if matches!(event.kind, EventKind::Modify(_)) && event.paths.iter().all(|path| path.is_dir()) => {}
        Ok(event) => {
            let _ = messages.tell(Message::Changed(event.paths));
        }
        Err(_) => has_failed.store(true, Ordering::Release),
    };
    let config = Config::default()
        .with_compare_contents(true)
        .with_follow_symlinks(false)
        .with_manual_polling();
    let mut watcher = PollWatcher::new(tell, config).ok()?;
    for (place, scope) in places {
        let mode = match scope {
            WatchScope::Alone => RecursiveMode::NonRecursive,
            WatchScope::WorkTree | WatchScope::All => RecursiveMode::Recursive,
        };
        watcher.watch(place, mode).ok()?;
    }
    Some(watcher)
}

/// How many bytes would be read. An error if not all can be compared: `PollWatcher` compares no symlinks.
fn size(places: &[(PathBuf, WatchScope)]) -> io::Result<u64> {
    let mut size = 0;
    let mut ahead = places.to_vec();
    while let Some((directory, scope)) = ahead.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_symlink() {
                return Err(io::ErrorKind::Unsupported.into());
            } else if metadata.is_file() {
                size += metadata.len();
            } else if metadata.is_dir() && scope != WatchScope::Alone {
                ahead.push((entry.path(), scope));
            }
        }
    }
    Ok(size)
}
