use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Weak;

use contract::{Command, Reply};
use model::{RemoteName, Uuid};
use remotes::Remote;
use tokio::sync::{mpsc, oneshot};

use super::socket::Asked;
use crate::work::FolderState;

/// Sends commands to a running folder.
#[derive(Clone)]
pub(crate) struct Handle {
    path: String,
    ask: mpsc::UnboundedSender<Asked>,
    /// Weak, so that it does not keep the repository open after the folder is left.
    state: Weak<FolderState>,
}

impl Handle {
    pub(super) fn new(path: String, ask: mpsc::UnboundedSender<Asked>, state: Weak<FolderState>) -> Self {
        Self { path, ask, state }
    }

    /// The path of the folder, as its status shows it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The locations of the places that were connected at the last probe.
    pub(crate) fn places(&self) -> BTreeMap<String, PathBuf> {
        let reached = self.state.upgrade().map(|state| state.remotes.reached());
        let places = reached.into_iter().flatten();
        let place =
            |(name, remote): (RemoteName, Remote)| Some((name.to_string(), remote.directories()?.git_dir.clone()));
        places.filter_map(place).collect()
    }

    /// The repositories of the places, as far as known.
    pub(crate) fn repositories(&self) -> BTreeMap<String, Uuid> {
        let remotes = self.state.upgrade().map(|state| state.remotes.settings());
        let remotes = remotes.into_iter().flatten();
        remotes
            .filter_map(|(name, remote)| Some((name.to_string(), remote.uuid?)))
            .collect()
    }

    /// The status of the folder; none if its loop has ended.
    pub(crate) async fn status(&self) -> Option<contract::Folder> {
        if let Reply::Status(folder) = self.ask(Command::Status).await {
            return Some(*folder);
        }
        None
    }

    /// Sends a command to the loop; refused if it has ended.
    pub(crate) async fn ask(&self, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        let stopping = || Reply::Refused("the engine is stopping".to_owned());
        if self.ask.send((command, reply)).is_err() {
            return stopping();
        }
        answer.await.unwrap_or_else(|_| stopping())
    }
}
