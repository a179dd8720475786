//! What the window may ask. Whatever it sends is parsed into the contract's types; the engine knows its own folders.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use contract::{Action, Answer, Command, News, Reply, Request, Status, Update};
use engine::Client;
use tauri::State;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::acts;
use crate::notices::Said;

/// What the commands stand on.
pub(crate) struct Shell {
    client: Client,
    status: watch::Receiver<Status>,
    /// What the user is to be told.
    said: UnboundedSender<Said>,
    /// What tells the window of changes: one, since there is one window.
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl Shell {
    pub(crate) fn new(client: Client, status: watch::Receiver<Status>, said: UnboundedSender<Said>) -> Self {
        Self {
            client,
            status,
            said,
            watcher: Mutex::new(None),
        }
    }

    /// True if nothing is kept in sync yet, and nothing is meant to be.
    pub(crate) fn is_first_run(&self) -> bool {
        let status = self.status.borrow();
        status.folders.is_empty() && status.problems.is_empty()
    }

    /// There is no window, and why: whoever wanted it is told.
    pub(crate) fn window_failed(&self, why: &str) {
        let body = format!("Anabranch still syncs your folders. The reason: {}", why.trim_end());
        acts::tell(&self.said, "Anabranch could not show its window".to_owned(), body);
    }

    /// A folder was named when the program ran already: whoever did so is told if it is not kept in sync.
    pub(crate) fn named_too_late(&self, folder: &Path) {
        let status = self.status.borrow();
        if status.folders.iter().any(|kept| Path::new(&kept.path) == folder) {
            return;
        }
        let title = format!("Anabranch does not sync {}", folder.display());
        let body = "Anabranch is running already. Add the folder in the window, or quit and start again.".to_owned();
        acts::tell(&self.said, title, body);
    }

    /// The window is gone.
    pub(crate) fn nobody_watches(&self) {
        self.watched_by(None);
    }

    fn watched_by(&self, new: Option<JoinHandle<()>>) {
        // Whoever panicked with the lock held left a whole value.
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *watcher, new) {
            old.abort();
        }
    }
}

/// What can be seen now.
#[tauri::command]
pub(crate) async fn status(shell: State<'_, Shell>) -> Result<Status, ()> {
    Ok(shell.client.status().await)
}

/// Asks the engine of a folder, named by its path as the status shows it.
#[tauri::command]
pub(crate) async fn ask(shell: State<'_, Shell>, folder: String, command: Command) -> Result<Reply, ()> {
    Ok(shell.client.ask(&folder, command).await)
}

/// Asks the program as a whole.
#[tauri::command]
pub(crate) async fn request(shell: State<'_, Shell>, request: Request) -> Result<Answer, ()> {
    Ok(shell.client.request(request).await)
}

/// Shows a file or directory with the desktop's program for it: only one that a problem says to look at. That the desktop
/// could not is told as other things are.
#[tauri::command]
pub(crate) async fn show(shell: State<'_, Shell>, path: String) -> Result<(), String> {
    if !is_to_be_shown(&shell.status.borrow(), &path) {
        return Err(format!("no problem names {path} any more"));
    }
    tokio::spawn(acts::show(path, shell.said.clone()));
    Ok(())
}

fn is_to_be_shown(status: &Status, path: &str) -> bool {
    let folders = status.folders.iter().flat_map(|folder| &folder.problems);
    let mut actions = status
        .problems
        .iter()
        .chain(folders)
        .filter_map(|problem| problem.action.as_ref());
    actions.any(|action| matches!(action, Action::Show { path: shown } if shown == path))
}

/// Sends the status now, and from now on what has changed in it: at most four times a second, as it is published.
#[tauri::command]
pub(crate) async fn watch(shell: State<'_, Shell>, channel: Channel<News>) -> Result<(), ()> {
    let mut status = shell.status.clone();
    shell.watched_by(Some(tauri::async_runtime::spawn(async move {
        let mut sent = status.borrow_and_update().clone();
        let mut news = News::Whole(sent.clone());
        while channel.send(news).is_ok() && status.changed().await.is_ok() {
            let seen = status.borrow_and_update().clone();
            news = News::Changed(Update::between(&sent, &seen));
            sent = seen;
        }
    })));
    Ok(())
}

#[cfg(test)]
mod tests {
    use contract::{Folder, Problem};

    use super::*;

    fn with(action: Option<Action>) -> Problem {
        Problem {
            what: "what".to_owned(),
            lost: String::new(),
            next: String::new(),
            remedy: String::new(),
            action,
        }
    }

    #[test]
    fn only_what_a_problem_says_to_look_at_is_shown() {
        let show = |path: &str| with(Some(Action::Show { path: path.to_owned() }));
        let mut folder = Folder::at("/a".to_owned());
        folder.problems = vec![with(Some(Action::SeeDrives)), with(None), show("/a/b")];
        let mut status = Status::of(vec![folder]);
        status.problems = vec![show("/settings.toml")];
        let shown =
            ["/a/b", "/settings.toml", "/a", "/a/b/c", "/etc/passwd", ""].map(|path| is_to_be_shown(&status, path));
        assert_eq!(shown, [true, true, false, false, false, false]);
    }
}
