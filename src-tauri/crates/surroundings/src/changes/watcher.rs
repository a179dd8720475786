mod missing;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{
    ErrorKind, Event, EventKindMask, PathOp, RecommendedWatcher, RecursiveMode, WatchPathConfig, Watcher as _,
};

use super::outlet::Outlet;
use super::{Blind, Change, Place, Scope, WatchError, Why};
use crate::mounts::{mount_of, mounts_now};

/// What the thread is told.
pub(super) enum Message {
    /// From the kernel, by the watcher of that generation.
    Event(u64, notify::Result<Event>),
    /// Answered when the place is watched; without anybody to answer, the place is reported instead.
    Add(Place, Option<SyncSender<()>>),
    Remove(PathBuf),
    /// Something was mounted there.
    Mounted(PathBuf),
    End,
    /// Keeps the thread busy.
    #[cfg(test)]
    Hold(Box<dyn FnOnce() + Send>),
}

/// The state of the watching thread.
///
/// Directories are walked here and watched one by one, not by notify's recursive mode: that would also watch `.git`,
/// with its hundreds of thousands of directories of annexed objects.
pub(super) struct Watcher {
    kernel: RecommendedWatcher,
    /// Counts the watchers made: after an overflow a new one is made, and what the old one still says is stale.
    generation: u64,
    /// Events were lost, and there is no new watcher yet.
    must_start_over: bool,
    messages: SyncSender<Message>,
    /// Set if an event was dropped because too many wait.
    events_lost: Arc<AtomicBool>,
    places: BTreeMap<PathBuf, Scope>,
    /// Every directory that is watched, and how much of it.
    watched: BTreeMap<PathBuf, Scope>,
    /// Names under which notify may still watch a directory that was moved away.
    stale: BTreeSet<PathBuf>,
    blind: BTreeMap<PathBuf, Why>,
    /// Directories that are watched for a missing place to come into them, or a part of the way to it.
    awaited: BTreeSet<PathBuf>,
    /// What the listener believes to be blind.
    announced: BTreeMap<PathBuf, Why>,
    /// Paths to be passed on with the next batch.
    paths: BTreeSet<PathBuf>,
    /// Files that were written to and not closed since.
    unclosed: BTreeMap<PathBuf, Unclosed>,
    outlet: Outlet,
    most_directories: usize,
    poll_every: Duration,
    next_poll: Instant,
}

/// A file that was written to, and that nobody was seen to close: it is open, or was changed by its name.
struct Unclosed {
    /// When it is to be reported; none if it has been since.
    due: Option<Instant>,
    /// How long it must have rested for that.
    rest: Duration,
}

/// A file that was changed and not closed is reported when it has rested so long, each time it is not closed for twice as
/// long: a program may keep it open for days.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(64);

/// Beyond so many, those that have been reported are forgotten.
const MOST_UNCLOSED: usize = 4096;

/// The polling takes no more than such a part of the time.
const POLLING_PART: u32 = 10;

/// Above so many blind directories in a place, the whole place is polled instead.
const MOST_BLIND: usize = 32;

/// Beyond so many stale names it is better to begin anew.
const MOST_STALE: usize = 20_000;

/// Events that are passed on together, at most.
const MOST_IN_BATCH: usize = 8192;

/// Events that come in such a time after another are a burst, and are taken from the kernel that often.
const SLICE: Duration = Duration::from_millis(2);
/// Events less far apart were taken together.
const SAME_READ: Duration = Duration::from_micros(20);

impl Watcher {
    pub(super) fn new(
        messages: SyncSender<Message>,
        outlet: Outlet,
        most_directories: usize,
        poll_every: Duration,
    ) -> Result<Self, WatchError> {
        let events_lost = Arc::new(AtomicBool::new(false));
        Ok(Self {
            kernel: kernel_watcher(0, messages.clone(), events_lost.clone())?,
            generation: 0,
            must_start_over: false,
            messages,
            events_lost,
            places: BTreeMap::new(),
            watched: BTreeMap::new(),
            stale: BTreeSet::new(),
            blind: BTreeMap::new(),
            awaited: BTreeSet::new(),
            announced: BTreeMap::new(),
            paths: BTreeSet::new(),
            unclosed: BTreeMap::new(),
            outlet,
            most_directories,
            poll_every,
            next_poll: Instant::now(),
        })
    }

    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            // Mostly there is nothing to wake for but messages.
            let first = match self.wakes_at() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match first {
                Ok(message) => {
                    let batch = std::iter::once(message).chain(inbox.try_iter()).take(MOST_IN_BATCH);
                    for message in batch {
                        if self.handle(message).is_break() {
                            return;
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.blind.is_empty() && self.next_poll <= Instant::now() {
                self.poll();
            }
            self.report_unclosed();
            if self.events_lost.swap(false, Ordering::AcqRel) || self.stale.len() > MOST_STALE {
                self.start_over();
            }
            self.await_missing();
            self.flush();
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        let poll = (!self.blind.is_empty()).then_some(self.next_poll);
        let unclosed = self.unclosed.values().filter_map(|file| file.due);
        unclosed.chain(poll).min()
    }

    fn handle(&mut self, message: Message) -> std::ops::ControlFlow<()> {
        match message {
            Message::Event(generation, event) if generation == self.generation => self.on_event(event),
            Message::Event(..) => {}
            Message::Add(place, done) => {
                self.places.insert(place.path.clone(), place.scope);
                self.enter(place.path.clone(), place.scope, false);
                self.note_elsewhere(&place.path);
                match done {
                    Some(done) => drop(done.send(())),
                    None => self.outlet.put(Change::Rescan(place.path, Why::Missing)),
                }
            }
            Message::Remove(path) => self.remove(&path),
            Message::Mounted(path) => self.on_mount(path),
            Message::End => return std::ops::ControlFlow::Break(()),
            #[cfg(test)]
            Message::Hold(hold) => hold(),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn on_event(&mut self, event: notify::Result<Event>) {
        // Reading from the kernel failed: what was lost is unknown.
        let Ok(event) = event else { return self.start_over() };
        if event.need_rescan() {
            return self.start_over();
        }
        let Some(path) = event.paths.first() else { return };
        let renamed = |mode| event.kind == EventKind::Modify(ModifyKind::Name(mode));
        if event.kind.is_create() || renamed(RenameMode::To) {
            self.on_arrival(path, event.kind == EventKind::Create(CreateKind::File));
        } else if event.kind.is_remove() || renamed(RenameMode::From) {
            self.on_departure(path);
        } else if let EventKind::Modify(ModifyKind::Data(_)) = event.kind {
            self.on_writing(path);
        } else if !renamed(RenameMode::Both) && !matches!(event.kind, EventKind::Access(AccessKind::Open(_))) {
            // Both halves of a rename have also come as From and To.
            if let EventKind::Access(AccessKind::Close(_)) = event.kind {
                self.unclosed.remove(path);
            }
            let scope = self.report(path);
            if let Some(scope) = scope
                && self.blind.get(path) == Some(&Why::Unreadable)
            {
                // It may be readable now.
                self.blind.remove(path);
                self.enter(path.to_owned(), scope, true);
            }
        }
    }

    /// Somebody writes to a file. That is reported when it is closed; but a file can also be cut by its name, without ever
    /// being open.
    fn on_writing(&mut self, path: &Path) {
        if self.scope_of(path) != Some(Scope::WorkTree) {
            return;
        }
        if self.unclosed.len() > MOST_UNCLOSED {
            self.unclosed.retain(|_, file| file.due.is_some());
        }
        let file = self
            .unclosed
            .entry(path.to_owned())
            .or_insert(Unclosed { due: None, rest: REST });
        file.due = Some(Instant::now() + file.rest);
    }

    fn report_unclosed(&mut self) {
        if self.unclosed.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut rested = Vec::new();
        for (path, file) in &mut self.unclosed {
            if file.due.is_some_and(|due| due <= now) {
                file.due = None;
                file.rest = (file.rest * 2).min(LONGEST_REST);
                rested.push(path.clone());
            }
        }
        for path in rested {
            self.report(&path);
        }
    }

    fn on_arrival(&mut self, path: &Path, is_file: bool) {
        self.report_nesting(path);
        if let Some(scope) = self.report(path)
            && !is_file
            && scope != Scope::Alone
            && is_directory(path)
        {
            // What was watched under this name is another directory.
            self.forget(path);
            self.enter(path.to_owned(), scope, true);
        }
        self.revisit_places_within(path);
    }

    fn on_departure(&mut self, path: &Path) {
        self.report_nesting(path);
        self.unclosed.remove(path);
        let scope = self.report(path);
        let was_directory = self.forget(path);
        self.revisit_places_within(path);
        // An unmounted or quickly replaced directory leaves one under the same name.
        if let Some(scope) = scope
            && was_directory
            && !self.places.contains_key(path)
            && scope != Scope::Alone
            && is_directory(path)
        {
            self.enter(path.to_owned(), scope, true);
        }
    }

    fn on_mount(&mut self, path: PathBuf) {
        let Some(scope) = self.scope_of(&path).filter(|scope| *scope != Scope::Alone) else {
            return;
        };
        self.forget(&path);
        // The directory that was watched under this name is covered, not gone.
        let _ = self.kernel.unwatch(&path);
        self.enter(path.clone(), scope, false);
        self.note_elsewhere(&path);
        self.outlet.put(Change::Rescan(path, Why::Missing));
    }

    /// Notes a path for the listener, unless it is out of scope. Gives the scope it is in, if any.
    fn report(&mut self, path: &Path) -> Option<Scope> {
        let scope = self.scope_of(path)?;
        self.paths.insert(path.to_owned());
        Some(scope)
    }

    fn scope_of(&self, path: &Path) -> Option<Scope> {
        let around = path.parent().and_then(|parent| self.watched.get(parent)).copied();
        let scope = around.or_else(|| self.watched.get(path).copied())?;
        let is_out = around.is_some() && is_excluded(scope, path);
        (!is_out).then_some(scope)
    }

    /// When a `.git` comes or goes below the top, the directory that it is in has become, or was, a repository of its own.
    fn report_nesting(&mut self, path: &Path) {
        let Some(directory) = path.parent() else { return };
        let is_in_tree = self.watched.get(directory) == Some(&Scope::WorkTree) && !self.places.contains_key(directory);
        if is_in_tree && is_excluded(Scope::WorkTree, path) {
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
        if self.places.get(place) == Some(&Scope::Alone) {
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
    /// Each directory is watched before it is listed: a file is either listed or reported. Failures make it blind.
    fn enter(&mut self, top: PathBuf, scope: Scope, report: bool) {
        let mut level = vec![top];
        while !level.is_empty() {
            let mut next = Vec::new();
            for directory in self.watch(level, scope) {
                if scope == Scope::Alone && !report {
                    continue;
                }
                let entries = match std::fs::read_dir(&directory) {
                    Ok(entries) => entries,
                    Err(why) if is_gone(&why) => continue,
                    Err(_) => {
                        self.make_blind(directory, Why::Unreadable);
                        continue;
                    }
                };
                for entry in entries.flatten() {
                    let path = entry.path();
                    if is_excluded(scope, &path) {
                        continue;
                    }
                    if scope != Scope::Alone && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        next.push(path.clone());
                    }
                    if report {
                        self.paths.insert(path);
                    }
                }
            }
            level = next;
        }
    }

    /// Asks the kernel to watch directories. Gives those that are watched.
    fn watch(&mut self, directories: Vec<PathBuf>, scope: Scope) -> Vec<PathBuf> {
        let mut failed = BTreeMap::new();
        let mut room = self.most_directories.saturating_sub(self.watched.len());
        let mut operations = Vec::with_capacity(directories.len());
        for directory in &directories {
            let is_new = !self.watched.contains_key(directory);
            if is_new && room == 0 {
                failed.insert(directory.clone(), Some(Why::WatchLimit));
                continue;
            }
            room -= usize::from(is_new);
            if self.stale.remove(directory) {
                operations.push(PathOp::Unwatch(directory.clone()));
            }
            // Only a place may be a symlink; below it none is followed.
            let follow = self.places.contains_key(directory);
            let config = WatchPathConfig::new(RecursiveMode::NonRecursive).with_dereference_symlinks(follow);
            operations.push(PathOp::Watch(directory.clone(), config));
        }
        while let Err(error) = self.kernel.update_paths(std::mem::take(&mut operations)) {
            if matches!(error.origin, Some(PathOp::Unwatch(_))) {
                // It was not watched any more.
                operations = error.remaining;
                continue;
            }
            let why = match &error.source.kind {
                ErrorKind::MaxFilesWatch => Some(Why::WatchLimit),
                ErrorKind::PathNotFound => None,
                ErrorKind::Io(why) if is_gone(why) => None,
                ErrorKind::Io(_) | ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
                    Some(Why::Unreadable)
                }
            };
            operations = error.remaining;
            if why == Some(Why::WatchLimit) || error.origin.is_none() {
                // The rest would fail as well.
                failed.extend(
                    operations
                        .drain(..)
                        .map(|rest| (rest.into_path(), why.or(Some(Why::Unreadable)))),
                );
            }
            if let Some(origin) = error.origin {
                failed.insert(origin.into_path(), why);
            }
        }
        let mut watched = directories;
        watched.retain(|directory| !failed.contains_key(directory));
        for directory in &watched {
            let known = self.watched.entry(directory.clone()).or_insert(scope);
            *known = (*known).max(scope);
        }
        for (directory, why) in failed {
            let is_place = self.places.contains_key(&directory);
            // Without a reason it was removed since it was seen, which was, or will be, reported.
            if let Some(why) = why.or(is_place.then_some(Why::Missing)) {
                self.make_blind(directory, why);
            }
        }
        watched
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

    /// Looks again at the places that a directory is or holds, which came, went or was replaced.
    fn revisit_places_within(&mut self, path: &Path) {
        let within = self
            .places
            .range(path.to_owned()..)
            .take_while(|(place, _)| place.starts_with(path));
        let within: Vec<_> = within.map(|(place, &scope)| (place.clone(), scope)).collect();
        for (place, scope) in within {
            self.forget(&place);
            self.enter(place.clone(), scope, false);
            self.note_elsewhere(&place);
            self.outlet.put(Change::Rescan(place, Why::Missing));
        }
    }

    fn remove(&mut self, path: &Path) {
        if !self.places.contains_key(path) {
            return;
        }
        self.forget(path);
        self.places.remove(path);
        let others: Vec<_> = self
            .places
            .iter()
            .filter(|(place, _)| place.starts_with(path) || path.starts_with(place))
            .map(|(place, &scope)| (place.clone(), scope))
            .collect();
        for (place, scope) in others {
            self.enter(place, scope, false);
        }
    }

    /// Forgets that a directory and those below it are watched. True if any was.
    ///
    /// notify has already ended the watch of a directory that was removed or moved, unless nobody watched the one
    /// above it. Those below a moved one it keeps under their old names, and would take a new watch there for done.
    /// Ending a watch costs it time in proportion to all watches: beyond a few, that waits until the name comes again.
    fn forget(&mut self, path: &Path) -> bool {
        const FEW: usize = 64;
        let below = self.watched.range(path.to_owned()..).map(|(path, _)| path);
        let gone: Vec<PathBuf> = below.take_while(|below| below.starts_with(path)).cloned().collect();
        for (count, gone) in gone.iter().enumerate() {
            self.watched.remove(gone);
            self.awaited.remove(gone);
            if gone == path && !self.places.contains_key(path) {
                continue;
            }
            if count <= FEW {
                let _ = self.kernel.unwatch(gone);
            } else {
                self.stale.insert(gone.clone());
            }
        }
        self.blind.retain(|blind, _| !blind.starts_with(path));
        !gone.is_empty()
    }

    /// Passes on what has gathered.
    fn flush(&mut self) {
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

fn kernel_watcher(
    generation: u64,
    messages: SyncSender<Message>,
    events_lost: Arc<AtomicBool>,
) -> Result<RecommendedWatcher, WatchError> {
    // Without opens and reads: our own walks would be reported, and overflow the queue.
    let kinds = EventKindMask::CREATE
        | EventKindMask::REMOVE
        | EventKindMask::MODIFY_DATA
        | EventKindMask::MODIFY_NAME
        | EventKindMask::MODIFY_META
        | EventKindMask::ACCESS_CLOSE;
    let config = notify::Config::default()
        .with_event_kinds(kinds)
        .with_follow_symlinks(false);
    let mut last = Instant::now();
    let send = move |event| {
        // Three threads would wake for every single event of a burst: the next are taken together.
        if SAME_READ < last.elapsed() && last.elapsed() < SLICE {
            std::thread::sleep(SLICE);
        }
        last = Instant::now();
        // It must not block: the kernel's queue would overflow instead, and this thread wait for the other.
        if messages.try_send(Message::Event(generation, event)).is_err() {
            events_lost.store(true, Ordering::Release);
        }
    };
    RecommendedWatcher::new(send, config).map_err(|why| WatchError::Unavailable(why.to_string()))
}

fn is_excluded(scope: Scope, path: &Path) -> bool {
    scope == Scope::WorkTree && path.file_name() == Some(OsStr::new(".git"))
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn is_gone(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
