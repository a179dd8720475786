//! The loop of one folder: facts become events, effects become work. It is the only owner of its [`Assistant`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use annex::{Annex, EngineLock};
use assistant::{Assistant, Effect, Event, Id, Root};
use contract::{Command, Reply};
use model::{Oid, RemoteName, RepoPath, Timestamp};
use remotes::Remote;
use remotes::askpass::Question;
use surroundings::{Change, Changes, Mount};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

mod asked;
mod asking;
mod changed_since;
mod conflicts;
mod examining;
mod handle;
mod logins;
mod pausing;
mod prioritize;
mod scanning;
mod settings;
pub(crate) mod socket;
mod watching;

use asking::{only_looks, refused};
use examining::{Examining, Folding};
use scanning::with_all_changes;
use socket::Asked;
use watching::{Concern, Watching};

use crate::Error;
use crate::clock::Clock;
use crate::memory;
use crate::repository;
use crate::views::status;
use crate::work::process::{Holds, Process};
use crate::work::{self, FolderState, Journal};

pub use changed_since::answer_git;
pub(crate) use handle::Handle;
pub(crate) use pausing::AskedPause;
use pausing::{Pausing, pause_ends};

/// A sync does not wait for anything that takes longer than this, but reports it as waiting.
const SOON: Duration = Duration::from_millis(900);
/// How often to check for things that cause no event: free space while a transfer waits for it, and old files that a
/// program has open.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(30);
/// How often small packs are folded at rest, and git may be asked to pack its objects.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// A folder is at rest when it had nothing to do for this long.
const REST: Duration = Duration::from_secs(10);
/// A sync stops waiting after this long in all: a file may be written all the time, or a lock be held.
const PATIENCE: Duration = Duration::from_secs(20);

/// A synced folder.
pub(crate) struct Folder {
    assistant: Assistant,
    state: Arc<FolderState>,
    clock: Clock,
    watching: Watching,
    changes: Changes,
    mounts: watch::Receiver<Arc<[Mount]>>,
    holds: watch::Receiver<Holds>,
    questions: watch::Receiver<()>,
    /// Those that were open when last seen.
    open_questions: Vec<Question>,
    network: watch::Receiver<()>,
    pausing: Pausing,
    ended: mpsc::UnboundedReceiver<Ended>,
    end: mpsc::UnboundedSender<Ended>,
    commands: mpsc::UnboundedReceiver<Asked>,
    /// The state when the folder was opened.
    beginning: Vec<Event>,
    /// The number of effects in progress.
    under_way: usize,
    examining: Examining,
    folding: Folding,
    /// Remotes whose engines have time to push.
    expected: BTreeSet<RemoteName>,
    /// The requests that wait for a sync to end, and until when at most.
    syncs: Vec<oneshot::Sender<Reply>>,
    sync_until: Timestamp,
    /// When packs are tidied next, if the folder rests; none while they are, or in a one-shot run.
    tidy_at: Option<Timestamp>,
    /// When to check next for free space and for old files that were closed; none while nothing waits for either.
    room_at: Option<Timestamp>,
    /// When to give memory back to the system: a while after something was done; none if nothing was since the last time.
    give_back_at: Option<Timestamp>,
    /// Notified when the status may have changed.
    changed: watch::Sender<()>,
    /// Listens at the socket for as long as this exists.
    _listening: JoinSet<()>,
    _lock: EngineLock,
}

impl Folder {
    /// Opens the repository at `path` as its only engine. May wait for its disk. Must be called inside a tokio runtime.
    pub(crate) fn open(
        path: &Path,
        mounts: watch::Receiver<Arc<[Mount]>>,
        changed: watch::Sender<()>,
        process: &Arc<Process>,
    ) -> Result<(Self, Handle), Error> {
        let before = Arc::clone(&mounts.borrow());
        let annex = Annex::open(path)?;
        let socket = socket::socket_path(&annex)?;
        let Some(lock) = annex.lock_engine(&socket.to_string_lossy())? else {
            let shown = path.display();
            return Err(Error::Refused(match annex.synced_by()? {
                Some(annex::SyncedBy::Assistant) => format!(
                    "git-annex's assistant runs in {shown}; nothing was started. Stop it with 'git annex assistant --stop'"
                ),
                Some(annex::SyncedBy::Engine(_)) | None => {
                    format!("an engine already runs in {shown}; nothing was started. 'anabranch status' asks it")
                }
            }));
        };
        annex.remove_abandoned_locks();
        repository::prepare(&annex)?;
        let state = Arc::new(FolderState::open(annex, Arc::clone(process), &lock)?);
        let clock = state.clock;
        let (end, ended) = mpsc::unbounded_channel();
        let (watching, changes) = Watching::start(&state, &before)?;
        // Do this before reading the configuration, so that later changes of it are noticed.
        state.remember_stamps();
        let remotes = state.list_remotes();
        let beginning = vec![
            Event::RefsMoved(state.refs()),
            Event::UnverifiedListed(state.remotes.unverified()),
            Event::RemotesListed(remotes),
        ];
        let (ask, commands) = mpsc::unbounded_channel();
        let notes = Arc::downgrade(&state);
        let say = move |what| {
            if let Some(state) = notes.upgrade() {
                state.log.note(what);
            }
        };
        let listening = socket::listen(&socket, ask.clone(), say)?;
        let pausing = Pausing::read(state.annex());
        let seed = u64::from(std::process::id());
        // Do this before those that are open are read.
        let questions = process.questions();
        let assistant = Assistant::new(state.annex().uuid().clone(), seed, clock.now());
        let folder = Self {
            assistant,
            open_questions: state.all_login_questions(),
            state,
            clock,
            watching,
            changes,
            mounts,
            holds: process.holds(),
            questions,
            network: process.network(),
            pausing,
            ended,
            end,
            commands,
            beginning,
            under_way: 0,
            examining: Examining::default(),
            folding: Folding::starting(clock.now()),
            expected: BTreeSet::new(),
            syncs: Vec::new(),
            sync_until: clock.now() + PATIENCE,
            tidy_at: Some(clock.now()),
            room_at: None,
            give_back_at: None,
            changed,
            _listening: listening,
            _lock: lock,
        };
        let path = status::place(folder.state.annex());
        let state = Arc::downgrade(&folder.state);
        Ok((folder, Handle::new(path, ask, state)))
    }

    fn status(&self) -> contract::Folder {
        status::of_folder(&self.assistant, &self.state, self.pause())
    }

    /// Runs until `stop` is set. Then running transfers are stopped so that they can be resumed.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.begin();
        loop {
            let wake = self.assistant.next_wake();
            let pause = self.pause().and_then(|pause| pause.until);
            let waits = !self.state.failures().without_room().is_empty()
                || self.state.has_retired()
                || !self.state.log.unstored().is_empty();
            if self.under_way > 0 {
                // Not only at rest: some folders never rest.
                self.give_back_at.get_or_insert(self.clock.now() + REST);
            }
            self.room_at = waits.then(|| self.room_at.unwrap_or(self.clock.now() + LOOK_FOR_ROOM));
            tokio::select! {
                Some(ended) = self.ended.recv() => self.took(ended),
                Some(change) = self.changes.next() => self.noticed(change),
                Some((command, reply)) = self.commands.recv() => {
                    let only_looks = only_looks(&command);
                    self.asked(command, reply);
                    if only_looks {
                        // A read-only command changes nothing, and must not make its sender read again.
                        continue;
                    }
                }
                Ok(()) = self.mounts.changed() => self.places_changed(),
                Ok(()) = self.holds.changed() => self.held(),
                Ok(()) = self.questions.changed() => self.questions_changed(),
                Ok(()) = self.network.changed() => self.handle(Event::NetworkChanged),
                () = pause_ends(pause) => self.resume_if_due(),
                () = sleep_until(self.clock, wake) => self.handle(Event::Woke),
                () = sleep_until(self.clock, self.room_at) => self.look_for_room(),
                () = sleep_until(self.clock, self.examining.wakes_at(self.folding.wakes_at())) => self.examine(),
                () = sleep_until(self.clock, self.give_back_at) => {
                    self.give_back_at = None;
                    let state = Arc::clone(&self.state);
                    tokio::task::spawn_blocking(move || {
                        state.annex().close_idle();
                        memory::give_back();
                        // Last, since a hung mount blocks here.
                        let reached = state.remotes.reached();
                        reached.values().filter_map(Remote::git).for_each(|git| git.close_idle());
                    });
                    // The status has not changed.
                    continue;
                }
                _ = stop.changed() => break,
            }
            // Take everything that ended meanwhile at once, so that a burst makes one plan.
            while let Ok(ended) = self.ended.try_recv() {
                self.took(ended);
            }
            let is_at_rest = self.under_way == 0 && self.folding.wants_rest();
            if is_at_rest || self.examining.waits() && !self.is_busy() {
                self.examine();
            }
            self.answer();
            self.tidy();
            self.changed.send_replace(());
        }
        self.stop().await;
    }

    /// Does everything that can be done now, and returns the status after it. An open question gets the answer. Without
    /// an answer, this is a requested sync, which ends a pause.
    pub(crate) async fn run_once(mut self, handle: &Handle, answer: Option<bool>) -> Result<contract::Folder, Error> {
        let (sender, receiver) = oneshot::channel();
        self.syncs.push(sender);
        self.tidy_at = None;
        self.watching.listen_to_none();
        if answer.is_none() {
            self.end_pause();
        }
        let state = Arc::clone(&self.state);
        let (end, ended) = watch::channel(false);
        let run = self.run(ended);
        tokio::pin!(run);
        let done = async {
            let done = receiver.await.ok()?;
            let Some(yes) = answer else { return Some(done) };
            let answered = handle.ask(Command::Answer { question: None, yes }).await;
            if answered != Reply::Done {
                return Some(answered);
            }
            Some(handle.ask(Command::Sync).await)
        };
        let status = tokio::select! {
            () = &mut run => return Ok(status::unattended(&state)),
            status = done => status,
        };
        end.send_replace(true);
        run.await;
        match status {
            Some(Reply::Status(folder)) => Ok(*folder),
            Some(Reply::Refused(why)) => Err(Error::Refused(why)),
            _ => Ok(status::unattended(&state)),
        }
    }

    fn begin(&mut self) {
        // Do this before anything that would start work.
        self.heed_pause();
        for event in std::mem::take(&mut self.beginning) {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        for effect in self.assistant.handle(self.clock.now(), event) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Cancel { id, held_until } => self.state.transfers.cancel(id, held_until),
            // The assistant keeps the question, and the status shows it.
            Effect::Ask(_) | Effect::Withdraw(_) => {}
            Effect::Look { .. }
            | Effect::Ingest { .. }
            | Effect::Restore { .. }
            | Effect::Fill { .. }
            | Effect::Probe { .. }
            | Effect::Fetch { .. }
            | Effect::Merge { .. }
            | Effect::Push { .. }
            | Effect::Observe { .. }
            | Effect::Offer { .. }
            | Effect::Transfer { .. }
            | Effect::Drop { .. } => {
                work::announce(&self.state, &effect);
                let state = Arc::clone(&self.state);
                let mounts = Arc::clone(&self.mounts.borrow());
                let delivery = self.watching.delivery();
                self.spawn(move || {
                    let effect = with_all_changes(effect, &state, &delivery);
                    let confirms = matches!(effect, Effect::Look { confirms: true, .. });
                    let event = work::perform(&state, effect, &mounts);
                    if confirms {
                        // What moved during the scan was perhaps found missing, and not where it is now.
                        delivery.wait(scanning::PATIENCE);
                    }
                    let learned = work::learned(&state, &event);
                    Ended::Effect(event, learned)
                });
            }
        }
    }

    fn spawn(&mut self, work: impl FnOnce() -> Ended + Send + 'static) {
        self.under_way += 1;
        let end = self.end.clone();
        tokio::task::spawn_blocking(move || {
            // The loop may have ended and need no answer.
            let _ = end.send(work());
        });
    }

    fn took(&mut self, ended: Ended) {
        self.under_way -= usize::from(ended.was_counted());
        match ended {
            Ended::Tidied => self.tidy_at = Some(self.clock.now() + TIDY_EVERY),
            Ended::Effect(event, learned) => {
                if matches!(event, Event::Looked { .. }) {
                    // What was reported before the scan ended must be known before its findings are.
                    while let Some(change) = self.changes.next_ready() {
                        self.noticed(change);
                    }
                }
                if asked::lengthens_sync(&event) {
                    self.sync_until = self.clock.now() + PATIENCE;
                }
                if matches!(event, Event::Ingested { .. }) {
                    self.folding.may_wait(self.clock.now());
                }
                let probed = matches!(event, Event::Probed { .. });
                let observed = matches!(event, Event::Observed { .. });
                self.handle(event);
                for event in learned {
                    self.handle(event);
                }
                if self.state.take_renewed() && !observed {
                    self.handle(Event::Observed {
                        id: Id::default(),
                        heads: self.assistant.refs().heads,
                        classes: Err("Anabranch rebuilds its damaged observations; nothing is lost".into()),
                    });
                }
                if probed {
                    let mounts = Arc::clone(&self.mounts.borrow());
                    let unwatched = self.watching.follow(&self.state.remotes.reached(), &mounts, &self.end);
                    self.state.log.forget_blind(&unwatched);
                }
            }
            Ended::Examined(events, journal, rules) => {
                self.watching.follow_rules(rules);
                self.examining.ended(self.clock.now());
                self.folding.ended(journal, self.clock.now());
                for event in events {
                    self.handle(event);
                }
            }
            Ended::Changed(changed, reply) => {
                let answer = match changed {
                    Ok((events, reply)) => {
                        events.into_iter().for_each(|event| self.handle(event));
                        reply
                    }
                    Err(error) => refused(error),
                };
                // The asker may be gone.
                let _ = reply.send(answer);
            }
            Ended::Noticed(change) => self.noticed(change),
            Ended::Heard(name, moved_to) => self.heard(name, moved_to),
            Ended::RemoteMoved(name, true) => self.expect_push(name),
            Ended::RemoteMoved(name, false) => self.examine_remote(name),
            Ended::RemoteExamined(Some(name)) => self.handle(Event::RemoteRefsMoved(name)),
            // This probes all remotes again, and then offers keys for them.
            Ended::LookedForRoom(true) => self.handle(Event::PlacesChanged),
            Ended::RemoteExamined(None) | Ended::Noted | Ended::LookedForRoom(false) => {}
            Ended::Expected(name) => {
                self.expected.remove(&name);
                self.examine_remote(name);
            }
        }
    }

    fn noticed(&mut self, change: Change) {
        let mut seen = Noticed::default();
        self.sort(change, &mut seen);
        if seen.lost {
            self.handle(Event::CountLost(None));
        }
        if !seen.paths.is_empty() {
            self.handle(Event::FilesChanged(seen.paths));
        }
        if seen.git {
            self.examine();
        }
        for name in seen.remotes {
            match seen.is_rescan {
                true => self.examine_remote(name),
                false => self.remote_moved(name),
            }
        }
    }

    fn sort(&self, change: Change, seen: &mut Noticed) {
        let paths = match change {
            Change::Paths(paths) => paths,
            Change::Rescan(path, _) => {
                seen.is_rescan = true;
                vec![path]
            }
            // Each file system has this directory for its own repairs.
            Change::Blind(blind) if annex::is_lost_and_found(self.state.annex(), &blind.path) => return,
            Change::Blind(blind) => return self.state.log.set_blind(blind.path, Some(blind.why)),
            Change::Sighted(path) => return self.state.log.set_blind(path, None),
        };
        for path in paths {
            seen.git |= self.watching.is_of_rules(&path);
            match self.watching.concern(&path) {
                Some(Concern::File(path)) => seen.paths.push(path),
                Some(Concern::Git) => seen.git = true,
                Some(Concern::Remote(name)) => {
                    seen.remotes.insert(name);
                }
                Some(Concern::Top) => (seen.lost, seen.git) = (true, true),
                None => {}
            }
        }
    }

    fn look_for_room(&mut self) {
        self.room_at = None;
        let unstored = self.state.log.files_to_store();
        if !unstored.is_empty() {
            self.handle(Event::FilesChanged(unstored));
        }
        let state = Arc::clone(&self.state);
        self.spawn(move || {
            state.resolve_retired();
            Ended::LookedForRoom(work::look_for_room(&state))
        });
    }

    fn places_changed(&mut self) {
        let mounts = Arc::clone(&self.mounts.borrow());
        self.watching.follow_mounts(&mounts);
        self.handle(Event::MountsChanged);
        // A drive may have been away too briefly to be noticed, and have been changed elsewhere.
        let reached = self.state.remotes.reached().into_iter();
        for (name, _) in reached.filter(|(_, remote)| remote.directories().is_some()) {
            self.handle(Event::RemoteRefsMoved(name));
        }
    }

    /// Answers the requests that wait for work to end, if it has ended.
    fn answer(&mut self) {
        if self.under_way > 0 {
            return;
        }
        self.pausing.answer();
        if self.syncs.is_empty() {
            return;
        }
        let now = self.clock.now();
        let soon = self.assistant.next_wake().is_some_and(|at| at <= now + SOON) || self.assistant.waits_for_lock();
        if soon && now < self.sync_until {
            return;
        }
        let status = self.status();
        for sync in self.syncs.drain(..) {
            let _ = sync.send(Reply::Status(Box::new(status.clone())));
        }
    }

    /// Tidies packs if the folder rests.
    fn tidy(&mut self) {
        let now = self.clock.now();
        let wakes_soon = self.assistant.next_wake().is_some_and(|at| at <= now + REST);
        let is_due = self.tidy_at.is_some_and(|at| at <= now);
        let rests = self.under_way == 0 && !wakes_soon && !self.assistant.is_working() && !self.assistant.is_paused();
        if !is_due || !rests || self.assistant.root() != Root::Same {
            return;
        }
        self.tidy_at = None;
        let (state, end) = (Arc::clone(&self.state), self.end.clone());
        // This does not count as work in progress, so a sync does not wait for it.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = state.annex().tidy() {
                state.log.note(error.to_string());
            }
            // The loop may have ended and need no answer.
            let _ = end.send(Ended::Tidied);
        });
    }

    /// Stops running work and waits for its end, so that the next start knows about everything that is incomplete.
    async fn stop(mut self) {
        // From now on, every command is refused at once.
        self.commands.close();
        self.state.stop();
        while self.commands.try_recv().is_ok() {}
        for effect in self.assistant.handle(self.clock.now(), Event::Paused) {
            if let Effect::Cancel { id, held_until } = effect {
                self.state.transfers.cancel(id, held_until);
            }
        }
        while self.under_way > 0
            && let Some(ended) = self.ended.recv().await
        {
            self.under_way -= usize::from(ended.was_counted());
        }
        // Closing files may wait for their disk.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

/// Work that has ended.
enum Ended {
    /// The event that ended an effect, and further events that follow from it.
    Effect(Event, Vec<Event>),
    /// The events from the git directory, and the target of the file with the rules if it is a link.
    Examined(Vec<Event>, Journal, Option<PathBuf>),
    /// The watch of a remote reported a change.
    Noticed(Change),
    /// Another computer told which objects refs of a remote moved to; none if it tells nothing any more.
    Heard(RemoteName, Vec<Oid>),
    /// Refs of a remote changed; true if an engine there pushes its changes.
    RemoteMoved(RemoteName, bool),
    RemoteExamined(Option<RemoteName>),
    /// The result of a requested change, and where to send the reply.
    Changed(Result<(Vec<Event>, Reply), Error>, oneshot::Sender<Reply>),
    /// True if a place that was full has space now.
    LookedForRoom(bool),
    /// Packs were tidied, or there was nothing to do.
    Tidied,
    /// Nothing further has to be done.
    Noted,
    /// The time for the engine of a remote to push is over.
    Expected(RemoteName),
}

impl Ended {
    /// True for work that a sync, and the end of the loop, wait for.
    fn was_counted(&self) -> bool {
        !matches!(self, Ended::Tidied | Ended::Noticed(_) | Ended::Heard(..))
    }
}

/// The kinds of changes in a burst.
#[derive(Default)]
struct Noticed {
    paths: Vec<RepoPath>,
    remotes: BTreeSet<RemoteName>,
    git: bool,
    lost: bool,
    /// True if it is only known that something may have changed.
    is_rescan: bool,
}

async fn sleep_until(clock: Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(clock.until(at)).await,
        None => std::future::pending().await,
    }
}
