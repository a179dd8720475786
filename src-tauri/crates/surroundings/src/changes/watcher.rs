mod leaf;
mod missing;
mod unclosed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::ReadFlags;

use super::inotify::{Inotify, events};
use super::messages::{Message, Messages};
use super::outlet::Outlet;
use super::polled::{POLLING_PART, Polled};
use super::{Blind, Change, WatchScope, Why};
use crate::mounts::{mount_of, mounts_now};
use leaf::is_leaf;
use unclosed::Unclosed;

/// The state of the watching thread.
pub(super) struct Watcher {
    inotify: Inotify,
    messages: Messages,
    places: BTreeMap<PathBuf, WatchScope>,
    blind: BTreeMap<PathBuf, Why>,
    /// The blind directories whose files are compared.
    polled: BTreeMap<PathBuf, Polled>,
    /// Directories that are watched for a missing place to come into them, or a part of the way to it.
    awaited: BTreeSet<PathBuf>,
    /// What the listener believes to be blind.
    announced: BTreeMap<PathBuf, Why>,
    /// Paths to be passed on with the next batch.
    paths: BTreeSet<PathBuf>,
    /// Files that were written to since the last batch, for the history: the listener is told when they are closed.
    written: BTreeSet<PathBuf>,
    /// Files that were written to and not closed since.
    unclosed: Unclosed,
    outlet: Outlet,
    poll_every: Duration,
    next_poll: Instant,
    /// When events were read last.
    read_at: Option<Instant>,
    /// The threads that wait until everything read so far is passed on.
    delivering: Vec<SyncSender<()>>,
}

/// Above so many blind directories in a place, the whole place is polled instead.
const MOST_BLIND: usize = 32;

/// How often events are taken from the kernel while one follows the other: two threads would wake for every single one.
const SLICE: Duration = Duration::from_millis(2);

impl Watcher {
    pub(super) fn new(
        messages: Messages,
        outlet: Outlet,
        most_directories: usize,
        poll_every: Duration,
    ) -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::new(most_directories)?,
            messages,
            places: BTreeMap::new(),
            blind: BTreeMap::new(),
            polled: BTreeMap::new(),
            awaited: BTreeSet::new(),
            announced: BTreeMap::new(),
            paths: BTreeSet::new(),
            written: BTreeSet::new(),
            unclosed: Unclosed::default(),
            outlet,
            poll_every,
            next_poll: Instant::now(),
            read_at: None,
            delivering: Vec::new(),
        })
    }

    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            self.wait();
            // Read before the messages are: a message that was sent before a change takes effect before it.
            self.inotify.read();
            if self.inotify.has_read() {
                self.read_at = Some(Instant::now());
            }
            for message in inbox.try_iter() {
                if self.handle(message).is_break() {
                    return;
                }
            }
            self.handle_events();
            if !self.blind.is_empty() && self.next_poll <= Instant::now() {
                self.poll();
            }
            for path in self.unclosed.rested() {
                self.report(&path);
            }
            self.await_missing();
            self.flush();
            for done in self.delivering.drain(..) {
                // Whoever asked may have gone.
                let _ = done.send(());
            }
            self.compare_elsewhere();
        }
    }

    /// Waits for messages, events and what is due. Mostly nothing is due.
    fn wait(&self) {
        if self.inotify.has_read() {
            return;
        }
        let for_message = PollFd::new(&*self.messages.wake, PollFlags::IN);
        let mut ready = [for_message, PollFd::new(&self.inotify, PollFlags::IN)];
        // Interrupted, it finds nothing to do.
        let _ = poll(&mut ready, self.wakes_at().and_then(until).as_ref());
        if ready[0].revents().is_empty()
            && let Some(read_at) = self.read_at
            && read_at.elapsed() < SLICE
        {
            let _ = poll(&mut ready[..1], until(read_at + SLICE).as_ref());
        }
        if !ready[0].revents().is_empty() {
            // One reading takes all that was written.
            let _ = rustix::io::read(&*self.messages.wake, &mut [0; 8]);
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        let poll = (!self.blind.is_empty()).then_some(self.next_poll);
        self.unclosed.due().into_iter().chain(poll).min()
    }

    fn handle(&mut self, message: Message) -> ControlFlow<()> {
        match message {
            Message::Add(place, done) => {
                self.places.insert(place.path.clone(), place.scope);
                let why = done.is_none().then_some(Why::Missing);
                self.visit([(place.path, place.scope)], why);
                // Whoever asked may have gone.
                let _ = done.map(|done| done.send(()));
            }
            Message::Remove(path) => {
                if self.places.remove(&path).is_some() {
                    self.visit_all(&path, Why::Missing);
                }
            }
            // The mount covers everything that was watched under this name.
            Message::Mounted(path) => self.visit_all(&path, Why::Missing),
            Message::Changed(paths) => self.paths.extend(paths),
            Message::Rescan(path) => self.outlet.put(Change::Rescan(path, Why::Elsewhere)),
            Message::Deliver(done) => {
                self.follow_work_trees();
                self.inotify.read();
                self.delivering.push(done);
            }
            Message::End => return ControlFlow::Break(()),
            #[cfg(test)]
            Message::Hold(hold) => hold(),
        }
        ControlFlow::Continue(())
    }

    fn handle_events(&mut self) {
        let read = self.inotify.take();
        // Most events are of a path that is noted already: this is room for each of them in turn.
        let mut path = PathBuf::new();
        for event in events(&read) {
            if event.what.contains(ReadFlags::QUEUE_OVERFLOW) {
                // The others are older than the look at everything that it asks for.
                return self.start_over();
            }
            for directory in self.inotify.directories(&event) {
                path.push(&directory);
                path.extend(event.name);
                self.on_change(&path, event.what);
            }
        }
    }

    fn on_change(&mut self, path: &Path, what: ReadFlags) {
        let is_directory = what.contains(ReadFlags::ISDIR);
        if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.on_arrival(path, is_directory);
        } else if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.on_departure(path, is_directory);
        } else if what.intersects(ReadFlags::MOVE_SELF | ReadFlags::IGNORED) {
            self.on_departure(path, true);
        } else if what.contains(ReadFlags::MODIFY) {
            if self.scope_of(path) == Some(WatchScope::WorkTree) {
                self.unclosed.written(path);
                if !self.written.contains(path) {
                    self.written.insert(path.to_owned());
                }
            }
        } else if what.intersects(ReadFlags::ATTRIB | ReadFlags::CLOSE_WRITE) {
            if what.contains(ReadFlags::CLOSE_WRITE) {
                self.unclosed.closed(path);
            }
            if let Some(scope) = self.report(path)
                && self.blind.get(path) == Some(&Why::Unreadable)
            {
                // It may be readable now.
                self.blind.remove(path);
                self.enter(path, scope, true);
            }
        }
    }

    fn on_arrival(&mut self, path: &Path, is_directory: bool) {
        self.report_nesting(path);
        if let Some(scope) = self.report(path)
            && is_directory
            && scope != WatchScope::Alone
        {
            self.enter(path, scope, true);
        }
        self.visit(self.places_within(path), Some(Why::Missing));
    }

    fn on_departure(&mut self, path: &Path, is_directory: bool) {
        self.report_nesting(path);
        self.unclosed.closed(path);
        self.report(path);
        // An unmounted or quickly replaced directory leaves one under the same name.
        if is_directory
            && self.forget(path)
            && let Some(scope) = self.scope_of(path)
            && scope != WatchScope::Alone
        {
            self.enter(path, scope, true);
        }
        self.visit(self.places_within(path), Some(Why::Missing));
    }

    /// Notes a path for the listener, unless it is out of scope. Gives the scope it is in, if any.
    fn report(&mut self, path: &Path) -> Option<WatchScope> {
        let scope = self.scope_of(path)?;
        if !self.paths.contains(path) {
            self.paths.insert(path.to_owned());
        }
        Some(scope)
    }

    fn scope_of(&self, path: &Path) -> Option<WatchScope> {
        let around = path.parent().and_then(|parent| self.inotify.scope(parent));
        let scope = around.or_else(|| self.inotify.scope(path))?;
        let is_out = around.is_some() && is_excluded(scope, path);
        (!is_out).then_some(scope)
    }

    /// When a `.git` comes or goes below the top, the directory that it is in has become, or was, a repository of its own.
    fn report_nesting(&mut self, path: &Path) {
        let Some(directory) = path.parent() else { return };
        if is_excluded(WatchScope::WorkTree, path)
            && self.inotify.scope(directory) == Some(WatchScope::WorkTree)
            && !self.places.contains_key(directory)
        {
            self.paths.insert(directory.to_owned());
        }
    }

    /// Takes note of the file systems at and below a place that others change unseen: what is on them is polled too.
    fn note_elsewhere(&mut self, place: &Path) {
        let mounts = mounts_now();
        let own = mount_of(&mounts, place).filter(|mount| mount.changes_unseen());
        if own.is_some() {
            return self.make_blind(place.to_owned(), Why::Elsewhere);
        }
        if self.places.get(place) == Some(&WatchScope::Alone) {
            return;
        }
        let below = mounts
            .iter()
            .filter(|mount| mount.point != place && mount.point.starts_with(place));
        for mount in below.filter(|mount| mount.changes_unseen()) {
            self.make_blind(mount.point.clone(), Why::Elsewhere);
        }
    }

    /// Watches a directory and, as its scope says, those below it; notes what it finds there if `report` says so.
    ///
    /// Each directory is watched before it is listed: a file is either listed or reported. Failures make it blind. A directory
    /// without subdirectories is listed only if `report` is set.
    fn enter(&mut self, top: &Path, scope: WatchScope, report: bool) {
        // Those near the top first: the limit of watches may be reached.
        let mut ahead = VecDeque::from([Arc::<Path>::from(top)]);
        while let Some(directory) = ahead.pop_front() {
            if !self.watch(&directory, scope) || (!report && (scope == WatchScope::Alone || is_leaf(&directory))) {
                continue;
            }
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(why) if is_gone(&why) => continue,
                Err(_) => {
                    self.make_blind(directory.to_path_buf(), Why::Unreadable);
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if is_excluded(scope, &path) {
                    continue;
                }
                if scope != WatchScope::Alone && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    ahead.push_back(Arc::from(&*path));
                }
                if report {
                    self.paths.insert(path);
                }
            }
        }
    }

    /// Asks the kernel to watch a directory. True if it does.
    fn watch(&mut self, directory: &Arc<Path>, scope: WatchScope) -> bool {
        // Only a place may be a symlink; below it none is followed.
        let is_place = self.places.contains_key(&**directory);
        let why = match self.inotify.watch(directory, Some(scope), is_place) {
            Ok(()) => return true,
            Err(why) if why.kind() == io::ErrorKind::StorageFull => Why::WatchLimit,
            Err(why) if is_gone(&why) => {
                self.forget(directory);
                if !is_place {
                    // It was removed since it was seen, which was, or will be, reported.
                    return false;
                }
                Why::Missing
            }
            Err(_) => Why::Unreadable,
        };
        self.make_blind(directory.to_path_buf(), why);
        false
    }

    fn make_blind(&mut self, path: PathBuf, why: Why) {
        if path.ancestors().any(|above| self.blind.contains_key(above)) {
            return;
        }
        if self.blind.is_empty() {
            self.next_poll = Instant::now() + self.poll_every;
        }
        let place = path
            .ancestors()
            .find(|above| self.places.contains_key(*above))
            .map(Path::to_owned);
        self.blind.insert(path, why);
        if let Some(place) = place
            && self.blind.keys().filter(|blind| blind.starts_with(&place)).count() > MOST_BLIND
        {
            self.blind.retain(|blind, _| !blind.starts_with(&place));
            self.blind.insert(place, why);
        }
    }

    /// Watches directories, and has them looked through if there is a reason.
    fn visit(&mut self, directories: impl IntoIterator<Item = (PathBuf, WatchScope)>, why: Option<Why>) {
        for (path, scope) in directories {
            self.blind.remove(&path);
            // It may wait for a file system that has been replaced.
            self.polled.remove(&path);
            self.enter(&path, scope, false);
            self.note_elsewhere(&path);
            if let Some(why) = why {
                self.outlet.put(Change::Rescan(path, why));
            }
        }
    }

    /// Watches a directory and those below it again, as far as they are in the scope of the places.
    fn visit_all(&mut self, path: &Path, why: Why) {
        self.forget(path);
        let around = self.scope_of(path).filter(|scope| *scope != WatchScope::Alone);
        let directory = around.map(|scope| (path.to_owned(), scope));
        self.visit(directory.into_iter().chain(self.places_within(path)), Some(why));
    }

    /// Watches a work tree that replaced another: no event tells that a directory above it was moved.
    fn follow_work_trees(&mut self) {
        let places = self.places.iter().filter(|(_, scope)| **scope == WatchScope::WorkTree);
        let replaced = places.filter(|(top, _)| self.inotify.is_replaced(top));
        let replaced: Vec<PathBuf> = replaced.map(|(top, _)| top.clone()).collect();
        for top in replaced {
            self.visit_all(&top, Why::Missing);
        }
    }

    fn places_within(&self, path: &Path) -> Vec<(PathBuf, WatchScope)> {
        let after = self.places.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        let within = after.take_while(|(place, _)| place.starts_with(path));
        within.map(|(place, &scope)| (place.clone(), scope)).collect()
    }

    /// Forgets that a directory and those below it are watched. True if any was.
    fn forget(&mut self, path: &Path) -> bool {
        self.blind.retain(|blind, _| !blind.starts_with(path));
        self.inotify.forget(path)
    }

    /// Passes on what has gathered.
    fn flush(&mut self) {
        let written = std::mem::take(&mut self.written);
        if let Some(history) = &self.outlet.history {
            history.changed(written.iter().map(PathBuf::as_path));
            if self.announced != self.blind {
                history.set_blind(self.blind.keys());
            }
        }
        for (path, &why) in &self.blind {
            if self.announced.get(path) != Some(&why) {
                self.outlet.put(Change::Blind(Blind {
                    path: path.clone(),
                    why,
                }));
            }
        }
        for path in self.announced.keys().filter(|path| !self.blind.contains_key(*path)) {
            self.outlet.put(Change::Sighted(path.clone()));
        }
        self.announced.clone_from(&self.blind);
        if !self.paths.is_empty() {
            let paths = std::mem::take(&mut self.paths).into_iter().collect();
            self.outlet.put_paths(paths, self.places.keys().cloned());
        }
    }
}

fn until(at: Instant) -> Option<Timespec> {
    Timespec::try_from(at.saturating_duration_since(Instant::now())).ok()
}

fn is_excluded(scope: WatchScope, path: &Path) -> bool {
    scope == WatchScope::WorkTree && path.file_name() == Some(OsStr::new(".git"))
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn is_gone(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
