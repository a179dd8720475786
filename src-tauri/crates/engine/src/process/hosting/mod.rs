//! The folders of one process: decides which are synced, by the settings and by the folders named at the start. The
//! only owner of the settings file.

pub(crate) mod computers;
mod following;
mod keeping;
mod place;
mod requests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::{Answer, Problem, Refused};
use surroundings::{Circumstances, Mount, Network, watch_network};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::drives::Drives;
use crate::folder::Handle;
use crate::process::settings::{Edit, SettingsFile, Written};
use crate::work::process::Process;
use following::Following;
pub(crate) use keeping::Opening;
use keeping::{Kept, Step};

/// How often to retry a folder that cannot be synced.
const RETRY: Duration = Duration::from_secs(20);

/// A request to the hosting, which sends its own answer.
pub(crate) type Asked = Box<dyn FnOnce(&mut Hosting) + Send>;

/// The state that clients show.
#[derive(Clone, Default)]
pub(crate) struct View {
    /// False until the folders of the start are synced, or cannot be.
    pub(crate) has_begun: bool,
    pub(crate) opening: Vec<Opening>,
    pub(crate) folders: Vec<Handle>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) settings: contract::Settings,
}

/// The channels to a running hosting.
pub(crate) struct Ways {
    pub(crate) view: watch::Receiver<View>,
    pub(crate) requests: mpsc::UnboundedSender<Asked>,
    pub(crate) drives: Drives,
    pub(crate) changed: watch::Receiver<()>,
}

/// The folders of one process.
pub(crate) struct Hosting {
    process: Arc<Process>,
    file: Option<SettingsFile>,
    /// The folders named at the start, synced whatever the settings say.
    named: Vec<PathBuf>,
    /// The settings when they could last be read, and why they cannot be read now.
    written: Written,
    mistake: Option<String>,
    kept: Vec<Kept>,
    /// The threads that open folders.
    opening: JoinSet<Step>,
    /// Folders that are being stopped; until they have stopped, they cannot be opened again.
    leaving: JoinSet<()>,
    mounts: watch::Receiver<Arc<[Mount]>>,
    circumstances: watch::Receiver<Circumstances>,
    network: watch::Receiver<Arc<Network>>,
    /// None if there is no settings file, or no directory for it.
    following: Option<Following>,
    requests: mpsc::UnboundedReceiver<Asked>,
    /// The completed work of requests.
    done: mpsc::UnboundedReceiver<Done>,
    do_then: mpsc::UnboundedSender<Done>,
    view: watch::Sender<View>,
    changed: watch::Sender<()>,
}

/// The last step of a request whose work on a thread has ended.
pub(crate) struct Done {
    /// The change of the settings that completes it, or why the work failed.
    edit: Result<Edit, String>,
    /// The result, as text for the user.
    words: String,
    reply: oneshot::Sender<Answer>,
}

impl Hosting {
    /// Opens the folders named at the start and those in the settings. A folder that cannot be synced is shown as a
    /// problem. Must be called inside a tokio runtime.
    pub(crate) fn begin(
        named: &[PathBuf],
        file: Option<SettingsFile>,
        mounts: watch::Receiver<Arc<[Mount]>>,
    ) -> (Self, Ways) {
        let (view, seen) = watch::channel(View::default());
        let (requests, asked) = mpsc::unbounded_channel();
        let (do_then, done) = mpsc::unbounded_channel();
        let (changed, noticed) = watch::channel(());
        let circumstances = match &file {
            Some(_) => Circumstances::watch(),
            None => watch::channel(Circumstances::default()).1,
        };
        let following = file.as_ref().and_then(Following::start);
        let drives = Drives::watch(mounts.clone(), changed.clone());
        let mut hosting = Self {
            process: Arc::new(Process::new()),
            file,
            named: absolute(named),
            written: Written::default(),
            mistake: None,
            kept: Vec::new(),
            opening: JoinSet::new(),
            leaving: JoinSet::new(),
            mounts,
            circumstances,
            // Where the kernel tells nothing, a change is noticed by what fails.
            network: watch_network().unwrap_or_else(|_| watch::channel(Arc::default()).1),
            following,
            requests: asked,
            done,
            do_then,
            view,
            changed,
        };
        hosting.read_settings();
        let ways = Ways {
            view: seen,
            requests,
            drives,
            changed: noticed,
        };
        (hosting, ways)
    }

    /// Runs until `stop` is set. Then running transfers are stopped so that they can be resumed.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.keep_what_is_wanted().await;
        loop {
            let is_refused = self.kept.iter().any(Kept::is_refused);
            let too_long_at = self.kept.iter().filter_map(Kept::too_long_at);
            let too_long_at = too_long_at.filter(|at| *at > Instant::now()).min();
            tokio::select! {
                Some(asked) = self.requests.recv() => asked(&mut self),
                Some(done) = self.done.recv() => self.complete(done).await,
                Some(Ok(step)) = self.opening.join_next() => self.took(step),
                () = sleep_until(too_long_at) => {}
                Some(()) = changed(&mut self.following) => {
                    self.read_settings();
                    self.try_again();
                }
                Ok(()) = self.circumstances.changed() => self.follow_settings(),
                Ok(()) = self.network.changed() => {
                    let network = Arc::clone(&self.network.borrow_and_update());
                    self.process.network_changed(&network);
                }
                Ok(()) = self.mounts.changed() => self.try_again(),
                Some(_) = self.leaving.join_next() => self.try_again(),
                () = tokio::time::sleep(RETRY), if is_refused => self.try_again(),
                _ = stop.changed() => break,
            }
            self.keep_what_is_wanted().await;
        }
        // Stop all at once, since each may have to wait for its work.
        for kept in self.kept {
            self.leaving.spawn(kept.stop());
        }
        self.leaving.join_all().await;
    }

    fn read_settings(&mut self) {
        let Some(file) = &self.file else {
            return;
        };
        match file.read() {
            Ok(written) => {
                self.written = written;
                self.mistake = None;
            }
            Err(why) => self.mistake = Some(why),
        }
        self.follow_settings();
    }

    fn follow_settings(&mut self) {
        let now = *self.circumstances.borrow_and_update();
        self.process.follow(&self.written.settings, now);
    }

    /// Changes the settings file and applies it.
    fn edit(&mut self, edit: &Edit) -> Result<(), String> {
        self.changeable()?.change(edit)?;
        self.read_settings();
        // Show the change at once.
        self.show();
        Ok(())
    }

    fn changeable(&self) -> Result<&SettingsFile, String> {
        self.file.as_ref().ok_or_else(|| {
            "this program was started without settings, so there is nowhere to write that to; nothing was changed"
                .to_owned()
        })
    }

    async fn complete(&mut self, done: Done) {
        let edited = done.edit.and_then(|edit| self.edit(&edit));
        self.keep_what_is_wanted().await;
        // The asker may be gone.
        let _ = done.reply.send(match edited {
            Ok(()) => Answer::Done(done.words),
            Err(why) => Answer::Refused(why),
        });
    }
}

/// Makes paths absolute, and removes duplicates.
fn absolute(named: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in named {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn changed(following: &mut Option<Following>) -> Option<()> {
    match following {
        Some(following) => following.changed().await,
        None => std::future::pending().await,
    }
}
