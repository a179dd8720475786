//! Pauses: one that the user asked for, and one while the computer runs on battery.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annex::Annex;
use assistant::Event;
use contract::{Pause, PauseReason, Reply};
use tokio::sync::oneshot;

use super::{Ended, Folder};
use crate::Error;
use crate::atomic_file;
use crate::clock::wall_clock;

/// The name of the file in `.git/anabranch`.
const FILE: &str = "pause.json";

/// How often to check whether a timed pause is over, because timers stand still while the computer sleeps.
const PAUSE_LOOK: Duration = Duration::from_secs(30);

/// The pause that the user asked for. It is stored in a file too, so that it also holds for the next engine of the
/// folder.
pub(crate) struct AskedPause {
    file: PathBuf,
    now: Mutex<Option<Pause>>,
    /// Held while the file is written, so that the latest request is what remains in it.
    writing: Mutex<()>,
}

impl AskedPause {
    /// Reads the file. An unreadable file counts as a pause without an end: the user asked for a pause, sees it and can
    /// end it. Without the pause, content that it held back would be transferred.
    pub(crate) fn read(annex: &Annex) -> Self {
        let file = annex.own_dir().join(FILE);
        let now = match atomic_file::read(&file) {
            Ok(Some(text)) => {
                let read: Option<Pause> = serde_json::from_slice(&text).ok();
                Some(asked(read.and_then(|pause| pause.until)))
            }
            Ok(None) => None,
            Err(_) => Some(asked(None)),
        };
        Self {
            file,
            now: Mutex::new(now.filter(|pause| !is_over(*pause))),
            writing: Mutex::default(),
        }
    }

    /// The current pause; none if there is none.
    pub(crate) fn now(&self) -> Option<Pause> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pause: Option<Pause>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = pause;
    }

    /// Begins a pause until this time, or, without one, until the user ends it.
    pub(crate) fn begin(&self, until: Option<u64>) {
        self.set(Some(asked(until)));
    }

    /// Ends the pause.
    pub(crate) fn end(&self) {
        self.set(None);
    }

    /// Writes the current pause to the file.
    pub(crate) fn keep(&self) -> Result<(), Error> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.now() {
            Some(pause) => {
                let text = serde_json::to_string(&pause).map_err(|error| Error::Refused(error.to_string()))?;
                atomic_file::write(&self.file, &text)
            }
            None => atomic_file::remove(&self.file),
        }
    }
}

fn asked(until: Option<u64>) -> Pause {
    Pause {
        reason: PauseReason::Asked,
        until,
    }
}

fn is_over(pause: Pause) -> bool {
    pause.until.is_some_and(|until| until <= wall_clock())
}

/// The state of a folder's pauses.
pub(super) struct Pausing {
    asked: Arc<AskedPause>,
    /// True if the user resumed it although the settings pause it on battery.
    despite_battery: bool,
    /// The requests that wait until all work in progress at the time of the pause has ended.
    waiting: Vec<oneshot::Sender<Reply>>,
}

impl Pausing {
    pub(super) fn read(annex: &Annex) -> Self {
        Self {
            asked: Arc::new(AskedPause::read(annex)),
            despite_battery: false,
            waiting: Vec::new(),
        }
    }

    /// Answers the waiting requests, since no work is in progress any more.
    pub(super) fn answer(&mut self) {
        for reply in self.waiting.drain(..) {
            // The asker may be gone.
            let _ = reply.send(Reply::Done);
        }
    }
}

impl Folder {
    /// The current pause and its reason; none if the folder is not paused.
    pub(crate) fn pause(&self) -> Option<Pause> {
        let battery = Pause {
            reason: PauseReason::Battery,
            until: None,
        };
        let on_battery = self.holds.borrow().battery && !self.pausing.despite_battery;
        self.pausing.asked.now().or(on_battery.then_some(battery))
    }

    /// Pauses or resumes the assistant to match the current pause.
    pub(super) fn heed_pause(&mut self) {
        match (self.pause().is_some(), self.assistant.is_paused()) {
            (true, false) => self.handle(Event::Paused),
            (false, true) => self.handle(Event::Resumed),
            (true, true) | (false, false) => {}
        }
    }

    /// Reacts to a change of the holds that follow from settings and circumstances.
    pub(super) fn held(&mut self) {
        let holds = *self.holds.borrow_and_update();
        self.pausing.despite_battery &= holds.battery;
        self.heed_pause();
        self.handle(Event::PlacesChanged);
    }

    /// Begins a pause at the user's request.
    pub(super) fn begin_pause(&mut self, until: Option<u64>, reply: oneshot::Sender<Reply>) {
        self.pausing.despite_battery = false;
        self.pausing.asked.begin(until);
        self.pausing.waiting.push(reply);
        self.keep_pause();
        self.heed_pause();
    }

    /// Ends every pause at the user's request.
    pub(super) fn end_pause(&mut self) {
        self.pausing.despite_battery = self.holds.borrow().battery;
        self.forget_asked_pause();
    }

    pub(super) fn resume(&mut self) {
        self.end_pause();
        self.heed_pause();
    }

    pub(super) fn resume_if_due(&mut self) {
        if self.pausing.asked.now().is_some_and(is_over) {
            self.forget_asked_pause();
            self.heed_pause();
        }
    }

    fn forget_asked_pause(&mut self) {
        if self.pausing.asked.now().is_some() {
            self.pausing.asked.end();
            self.keep_pause();
        }
    }

    fn keep_pause(&mut self) {
        let (state, pause) = (Arc::clone(&self.state), Arc::clone(&self.pausing.asked));
        self.spawn(move || {
            if let Err(error) = pause.keep() {
                state.log.note(format!(
                    "could not save the pause, so it ends when this program ends: {error}"
                ));
            }
            Ended::Noted
        });
    }
}

/// Waits until it is time to check whether a pause is over.
pub(super) async fn pause_ends(until: Option<u64>) {
    match until {
        Some(until) => {
            let left = Duration::from_secs(until.saturating_sub(wall_clock()));
            tokio::time::sleep(left.min(PAUSE_LOOK)).await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use contract::{Command, Settings, State};
    use surroundings::Circumstances;
    use tokio::sync::watch;

    use super::super::Handle;
    use super::*;
    use crate::process::running::{runtime, watch_mounts};
    use crate::work::process::Process;

    fn repository() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().canonicalize().unwrap().join("Photos");
        crate::init(&path, None).unwrap();
        (place, path)
    }

    fn open(path: &Path, process: &Arc<Process>) -> (Folder, Handle) {
        Folder::open(path, watch_mounts().unwrap(), watch::channel(()).0, process).unwrap()
    }

    /// Runs the folder for one command, and returns its status after it.
    async fn run(path: &Path, command: Command) -> contract::Folder {
        let (folder, handle) = open(path, &Arc::new(Process::new()));
        let (stop, stopped) = watch::channel(false);
        let asked = async {
            let reply = handle.ask(command).await;
            assert!(matches!(reply, Reply::Done | Reply::Status(_)), "{reply:?}");
            let status = handle.status().await;
            stop.send_replace(true);
            status.unwrap()
        };
        tokio::join!(folder.run(stopped), asked).1
    }

    fn seen(folder: &contract::Folder) -> (State, Option<Pause>) {
        (folder.state, folder.pause)
    }

    #[test]
    fn a_pause_survives_restarts_until_the_user_ends_it() {
        let (_place, path) = repository();
        runtime().unwrap().block_on(async {
            for until in [None, Some(u64::MAX)] {
                let paused = (State::Paused, Some(asked(until)));
                assert_eq!(seen(&run(&path, Command::Pause { until }).await), paused);
                let again = run(&path, Command::Status).await;
                assert_eq!(
                    (seen(&again), again.has_looked),
                    (paused, false),
                    "before any look has ended"
                );
                for end in [Command::Resume, Command::Sync] {
                    run(&path, Command::Pause { until }).await;
                    assert_eq!(run(&path, end.clone()).await.pause, None);
                    assert_eq!(run(&path, Command::Status).await.pause, None, "{end:?}");
                }
            }
        });
    }

    #[test]
    fn nothing_starts_in_a_folder_that_is_opened_while_paused() {
        let (_place, path) = repository();
        crate::pause(&path).unwrap();
        runtime().unwrap().block_on(async {
            let (mut folder, _handle) = open(&path, &Arc::new(Process::new()));
            folder.begin();
            assert_eq!(folder.under_way, 0);
            folder.resume();
            assert!(folder.under_way > 0);
            folder.stop().await;
        });
    }

    #[test]
    fn a_pause_that_cannot_be_read_holds_until_somebody_ends_it_but_one_that_is_over_does_not() {
        let (_place, path) = repository();
        let file = path.join(".git/anabranch").join(FILE);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for damaged in ["", "{", "\0\0\0\0", "{\"reason\":\"asked\",\"until\":-1}"] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(crate::status(&path).unwrap().pause, Some(asked(None)), "{damaged:?}");
            crate::resume(&path).unwrap();
            assert_eq!(crate::status(&path).unwrap().pause, None, "{damaged:?}");
        }
        // A link counts as a pause too, and is not followed.
        let outside = path.with_file_name("outside");
        fs::write(&outside, "precious").unwrap();
        let link = || std::os::unix::fs::symlink(&outside, &file).unwrap();
        link();
        assert_eq!(crate::status(&path).unwrap().pause, Some(asked(None)));
        crate::resume(&path).unwrap();
        assert_eq!(crate::status(&path).unwrap().pause, None);
        link();
        crate::pause(&path).unwrap();
        assert!(!file.is_symlink());
        assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
        let over = format!("{{\"reason\":\"asked\",\"until\":{}}}", wall_clock());
        fs::write(&file, over).unwrap();
        assert_eq!(crate::status(&path).unwrap().pause, None);
    }

    #[test]
    fn a_folder_without_an_engine_is_paused_and_resumed() {
        let (_place, path) = repository();
        crate::resume(&path).unwrap();
        crate::pause(&path).unwrap();
        assert_eq!(crate::status(&path).unwrap().pause, Some(asked(None)));
        let refused = crate::answer(&path, true).unwrap_err().to_string();
        assert!(refused.contains("anabranch resume"), "{refused}");
        assert_eq!(crate::sync(&path).unwrap().pause, None);
        assert_eq!(crate::status(&path).unwrap().pause, None);
    }

    #[test]
    fn a_pause_on_battery_outlasts_a_requested_one_but_not_a_resume() {
        let (_place, path) = repository();
        let process = Arc::new(Process::new());
        let settings = Settings {
            pause_on_battery: true,
            ..Settings::default()
        };
        let around = |on_battery, metered| process.follow(&settings, Circumstances { on_battery, metered });
        let reason = |folder: &Folder| {
            assert_eq!(folder.assistant.is_paused(), folder.pause().is_some());
            folder.pause().map(|pause| pause.reason)
        };
        let battery = Some(PauseReason::Battery);
        runtime().unwrap().block_on(async {
            around(true, false);
            let (mut folder, _handle) = open(&path, &process);
            folder.begin();
            assert_eq!(reason(&folder), battery);
            for _ in 0..2 {
                folder.begin_pause(Some(wall_clock()), oneshot::channel().0);
                assert_eq!(reason(&folder), Some(PauseReason::Asked));
                folder.resume_if_due();
                assert_eq!(reason(&folder), battery);
                folder.resume();
                assert_eq!(reason(&folder), None);
            }
            around(true, true);
            folder.held();
            assert_eq!(reason(&folder), None, "still on battery, as when somebody resumed");
            for on_battery in [false, true] {
                around(on_battery, false);
                folder.held();
                assert_eq!(reason(&folder), battery.filter(|_| on_battery));
            }
            folder.stop().await;
        });
    }
}
