use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::{Answer, Command, Purpose, Question, Reply, Request, Status};
use remotes::askpass;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use surroundings::Mount;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::hosting::{Asked, Hosting, Opening, View, computers};
use super::settings::{Edit, SettingsFile};
use crate::drives::{Drives, Kept};
use crate::{Error, memory};

/// How long to wait for the end of work in progress.
const STOPPING: Duration = Duration::from_secs(10);

/// Creates the runtime for engines: one thread for the loops, and one for each work in progress. Each folder limits its
/// own work, not the runtime: a transfer held back by a speed limit keeps its thread for hours, and nothing else may
/// wait for that. A thread without work ends after a second, so that a burst in many folders costs threads only while
/// it lasts.
///
/// Each transferred key needs up to nine open files. Sessions begin with a limit of 1,024, for programs that cannot
/// handle more; it is raised to this process's maximum.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    memory::share();
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // If that fails, a transfer that reaches the limit is retried.
    let _ = setrlimit(Resource::Nofile, raised);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.thread_keep_alive(Duration::from_secs(1));
    builder.enable_all().build().map_err(|source| Error::Io {
        doing: "start the threads of",
        path: PathBuf::from("the engine"),
        source,
    })
}

/// The running folders of this process.
pub struct Engine {
    hosting: JoinHandle<()>,
    stop: watch::Sender<bool>,
    client: Client,
}

impl Engine {
    /// Opens each folder and starts to sync it. With settings, does the same for the folders that they name, now and
    /// whenever they change. A folder that cannot be opened is reported in the status, and tried again. Must be called
    /// inside [`runtime`].
    ///
    /// # Errors
    ///
    /// If the mounts cannot be read.
    pub fn start(folders: &[PathBuf], settings: Option<SettingsFile>) -> Result<Self, Error> {
        let (hosting, ways) = Hosting::begin(folders, settings, watch_mounts()?);
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            hosting: tokio::spawn(hosting.run(stopped)),
            stop,
            client: Client {
                view: ways.view,
                requests: ways.requests,
                drives: ways.drives,
                changed: ways.changed,
            },
        })
    }

    /// A client for the folders, for other parts of this process.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The current status.
    pub async fn status(&self) -> Status {
        self.client.status().await
    }

    /// Waits until the status may have changed.
    pub async fn changed(&mut self) {
        self.client.changed().await;
    }

    /// Stops all folders. Waits at most ten seconds for work in progress: a user's hook or filter may never end, and
    /// interrupted work resumes at the next start. The caller must end the runtime without waiting.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A loop that panicked has stopped too.
        let _ = tokio::time::timeout(STOPPING, self.hosting).await;
    }
}

/// Sends commands to the folders of an [`Engine`] from anywhere in its process. Clones share the same folders; when the
/// engine has stopped, all of them report that.
#[derive(Clone)]
pub struct Client {
    view: watch::Receiver<View>,
    requests: mpsc::UnboundedSender<Asked>,
    drives: Drives,
    changed: watch::Receiver<()>,
}

impl Client {
    /// The current status.
    pub async fn status(&self) -> Status {
        let view = self.view().await;
        let kept = kept(&view).await;
        let declined = view.settings.declined.iter().map(|drive| drive.id.clone()).collect();
        let (drives, problems) = self.drives.view(&kept, !view.refused.is_empty(), &declined);
        let running = kept.into_iter().map(|kept| kept.folder).collect();
        Status {
            folders: asking_once(running)
                .into_iter()
                .chain(view.opening.iter().map(Opening::status))
                .collect(),
            refused: view.refused,
            drives,
            problems: [view.problems, problems].concat(),
            settings: view.settings,
        }
    }

    /// The folders, once those of the start are open.
    async fn view(&self) -> View {
        let mut view = self.view.clone();
        // When the engine has stopped, the last state.
        let begun = view.wait_for(|view| view.has_begun).await.map(|view| view.clone());
        begun.unwrap_or_else(|_| self.view.borrow().clone())
    }

    async fn kept(&self) -> Vec<Kept> {
        kept(&self.view().await).await
    }

    /// Waits until the status may have changed.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends a command to one folder, identified by its path as the status shows it. The reply to [`Command::Sync`]
    /// comes when the sync has ended, the reply to [`Command::Pause`] when all work in progress has ended; all others
    /// come at once.
    pub async fn ask(&self, folder: &str, command: Command) -> Reply {
        let view = self.view().await;
        match view.folders.iter().find(|handle| handle.path() == folder) {
            Some(handle) => handle.ask(command).await,
            None if view.opening.iter().any(|opening| opening.path == folder) => {
                Reply::Refused(format!("{folder} is still being opened; try again when it is"))
            }
            None => Reply::Refused(format!("Anabranch does not sync {folder}")),
        }
    }

    /// Sends a request to the program as a whole.
    pub async fn request(&self, request: Request) -> Answer {
        match request {
            Request::UseDrive { drive, folder, purpose } => self.use_drive(&drive, &folder, purpose).await,
            Request::Eject { drive } => {
                let kept = || {
                    let client = self.clone();
                    async move { client.kept().await }
                };
                self.drives.eject(&drive, kept, self.changed.clone()).await
            }
            Request::KeepDrive { drive } => self.drives.keep(&drive, &self.kept().await).await,
            Request::Inspect { path } => {
                self.ask_hosting(move |hosting, reply| hosting.inspect(path, reply))
                    .await
            }
            Request::Suggest => self.ask_hosting(|hosting, reply| hosting.suggest(reply)).await,
            Request::Add { path } => self.ask_hosting(move |hosting, reply| hosting.add(&path, reply)).await,
            Request::CloneTo { folder, path } => {
                self.ask_hosting(move |hosting, reply| hosting.clone_to(folder, &path, reply))
                    .await
            }
            Request::Computers => self.ask_hosting(|_, reply| computers::list(reply)).await,
            Request::MakeKey => self.ask_hosting(|_, reply| computers::make_key(reply)).await,
            Request::Look { address } => {
                self.ask_hosting(move |hosting, reply| hosting.look(&address, reply))
                    .await
            }
            Request::AnswerLogin { question, yes, text } => {
                self.ask_hosting(move |hosting, reply| hosting.answer_login(&question, yes, text.as_ref(), reply))
                    .await
            }
            Request::AddComputer { folder, address, bare } => {
                self.ask_hosting(move |hosting, reply| hosting.add_computer(&folder, &address, bare, reply))
                    .await
            }
            Request::CloneFrom { address, path } => {
                self.ask_hosting(move |hosting, reply| hosting.clone_from(&address, &path, reply))
                    .await
            }
            Request::Leave { folder } => {
                self.ask_hosting(move |hosting, reply| hosting.leave(&folder, reply))
                    .await
            }
            Request::Set(setting) => self.change(Edit::Set(setting)).await,
            Request::ReconsiderDrive { drive } => self.change(Edit::Reconsider(drive)).await,
            Request::DeclineDrive { drive } => match self.drives.name(&drive) {
                Some(name) => self.change(Edit::Decline { id: drive, name }).await,
                None => Answer::Refused("That drive is not mounted any more; nothing was changed.".to_owned()),
            },
        }
    }

    async fn use_drive(&self, drive: &str, folder: &str, purpose: Purpose) -> Answer {
        let kept = self.kept().await;
        let Some(path) = kept.iter().find(|kept| kept.folder.path == folder) else {
            return Answer::Refused(format!("Anabranch does not sync {folder}; nothing was changed"));
        };
        let path = PathBuf::from(&path.folder.path);
        match self.drives.use_for(drive, path, purpose, &kept).await {
            Ok(words) => Answer::Done(words),
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    async fn change(&self, edit: Edit) -> Answer {
        self.ask_hosting(move |hosting, reply| hosting.change(&edit, reply))
            .await
    }

    async fn ask_hosting(&self, ask: impl FnOnce(&mut Hosting, oneshot::Sender<Answer>) + Send + 'static) -> Answer {
        let (reply, answer) = oneshot::channel();
        let stopping = || Answer::Refused("the engine is stopping; nothing was changed".to_owned());
        let asked: Asked = Box::new(move |hosting: &mut Hosting| ask(hosting, reply));
        if self.requests.send(asked).is_err() {
            return stopping();
        }
        answer.await.unwrap_or_else(|_| stopping())
    }
}

/// Folders on one computer share its login. Only the first shows what that asks.
fn asking_once(mut folders: Vec<contract::Folder>) -> Vec<contract::Folder> {
    let mut asked = BTreeSet::new();
    for folder in &mut folders {
        let is_login = |question: &Question| question.id.starts_with(askpass::ID);
        folder.question = folder
            .question
            .take()
            .filter(|question| !is_login(question) || asked.insert(question.id.clone()));
    }
    folders
}

/// The states of the running folders.
async fn kept(view: &View) -> Vec<Kept> {
    let mut kept = Vec::new();
    for handle in &view.folders {
        let folder = handle.status().await;
        kept.extend(folder.map(|folder| Kept {
            at: handle.places(),
            repositories: handle.repositories(),
            folder,
        }));
    }
    kept
}

/// Watches the mounts until the runtime ends.
pub(crate) fn watch_mounts() -> Result<watch::Receiver<Arc<[Mount]>>, Error> {
    surroundings::watch_mounts().map_err(|source| Error::Io {
        doing: "watch",
        path: PathBuf::from("/proc/self/mountinfo"),
        source,
    })
}

#[cfg(test)]
mod tests {
    use contract::State;

    use super::*;

    #[test]
    fn folders_that_share_a_login_show_its_question_once() {
        let asking = |path: &str, id: &str| contract::Folder {
            question: Some(Question {
                id: id.to_owned(),
                text: String::new(),
                yes: String::new(),
                no: String::new(),
                typed: None,
            }),
            ..contract::Folder::at(path.to_owned())
        };
        let folders = [
            ("a", "login-1"),
            ("b", "login-1"),
            ("c", "login-2"),
            ("d", "removed"),
            ("e", "removed"),
        ];
        let shown = asking_once(folders.map(|(path, id)| asking(path, id)).to_vec());
        let asking: Vec<String> = shown
            .into_iter()
            .filter(|folder| folder.question.is_some())
            .map(|folder| folder.path)
            .collect();
        assert_eq!(asking, ["a", "c", "d", "e"]);
    }

    #[test]
    fn a_folder_is_identified_by_the_path_in_its_status() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().canonicalize().unwrap().join("Photos");
        crate::init(&path, Some("photos")).unwrap();
        runtime().unwrap().block_on(async {
            let engine = Engine::start(std::slice::from_ref(&path), None).unwrap();
            let client = engine.client();
            let folder = client.status().await.folders.remove(0).path;
            assert_eq!(folder, path.to_str().unwrap());

            assert_eq!(client.ask(&folder, Command::Pause { until: None }).await, Reply::Done);
            let synced = client.ask(&folder, Command::Status).await;
            assert!(matches!(synced, Reply::Status(shown) if shown.path == folder));
            let states = |status: Status| status.folders.iter().map(|folder| folder.state).collect::<Vec<_>>();
            assert!(matches!(
                states(client.status().await)[..],
                [State::Paused | State::Stopped]
            ));

            let elsewhere = client.ask("/somewhere/else", Command::Sync).await;
            assert!(matches!(elsewhere, Reply::Refused(why) if why.contains("/somewhere/else")));
            let unasked = client
                .ask(
                    &folder,
                    Command::Answer {
                        question: None,
                        yes: true,
                    },
                )
                .await;
            assert!(matches!(unasked, Reply::Refused(_)), "no question was open");

            engine.stop().await;
            assert!(matches!(client.ask(&folder, Command::Resume).await, Reply::Refused(_)));
            assert_eq!(client.status().await.folders, []);
        });
    }
}
