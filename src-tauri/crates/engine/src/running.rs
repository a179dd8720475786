use std::path::PathBuf;
use std::sync::Arc;

use contract::Status;
use surroundings::{Mount, Mounts};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;
use crate::folder::{Folder, Handle};

/// The runtime that engines run in: one thread for the loops, and a few for the work.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .max_blocking_threads(16)
        .build()
        .map_err(|source| Error::Io {
            doing: "start the threads of",
            path: PathBuf::from("the engine"),
            source,
        })
}

/// Running folders of this process.
pub struct Engine {
    folders: Vec<(Handle, JoinHandle<()>)>,
    stop: watch::Sender<bool>,
    changed: watch::Receiver<()>,
}

impl Engine {
    /// Takes charge of each folder and starts to keep it in sync. Must be called inside [`runtime`].
    ///
    /// # Errors
    ///
    /// If one of the folders cannot be run; then none is.
    pub fn start(folders: &[PathBuf]) -> Result<Self, Error> {
        let table = watch_mounts()?;
        let (stop, stopped) = watch::channel(false);
        let (change, changed) = watch::channel(());
        let opened: Result<Vec<_>, _> = folders
            .iter()
            .map(|path| Folder::open(path, table.clone(), change.clone()))
            .collect();
        let folders = opened?.into_iter().map(|(folder, handle)| {
            let running = tokio::spawn(folder.run(stopped.clone()));
            (handle, running)
        });
        Ok(Self {
            folders: folders.collect(),
            stop,
            changed,
        })
    }

    /// What can be seen now.
    pub async fn status(&self) -> Status {
        let mut folders = Vec::new();
        for (handle, _) in &self.folders {
            folders.extend(handle.status().await);
        }
        Status { folders }
    }

    /// Waits until the status may have changed.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Stops all folders; transfers are left so that they can be resumed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for (_, running) in self.folders {
            // A loop that panicked has stopped too.
            let _ = running.await;
        }
    }
}

/// Watches which drives are mounted, until the runtime ends.
pub(crate) fn watch_mounts() -> Result<watch::Receiver<Arc<[Mount]>>, Error> {
    let failed = |source| Error::Io {
        doing: "watch",
        path: PathBuf::from("/proc/self/mountinfo"),
        source,
    };
    let mut mounts = Mounts::watch().map_err(failed)?;
    let (sender, table) = watch::channel(mounts.current());
    tokio::spawn(async move {
        while let Some(table) = mounts.changed().await {
            sender.send_replace(table);
        }
    });
    Ok(table)
}
