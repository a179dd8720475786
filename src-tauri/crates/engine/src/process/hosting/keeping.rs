//! Folders that are kept in sync, or should be.

use std::path::{Path, PathBuf};

use contract::{Action, Problem, Refused};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Hosting, View};
use crate::Error;
use crate::folder::{Folder, Handle};

/// A folder that is wanted.
pub(crate) struct Kept {
    path: PathBuf,
    state: State,
}

enum State {
    Running {
        handle: Handle,
        running: JoinHandle<()>,
        stop: watch::Sender<bool>,
    },
    /// Why it cannot be kept in sync now.
    Refused(String),
}

impl Kept {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True if this is the folder that people see under that path.
    pub(super) fn is_shown_as(&self, folder: &str) -> bool {
        self.path == Path::new(folder) || self.handle().is_some_and(|handle| handle.path() == folder)
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused(_))
    }

    fn has_ended(&self) -> bool {
        matches!(&self.state, State::Running { running, .. } if running.is_finished())
    }

    pub(super) fn handle(&self) -> Option<&Handle> {
        match &self.state {
            State::Running { handle, .. } => Some(handle),
            State::Refused(_) => None,
        }
    }

    /// Stops it; transfers are left so that they can be resumed.
    pub(super) async fn stop(self) {
        if let State::Running { running, stop, .. } = self.state {
            stop.send_replace(true);
            // A loop that panicked has stopped too.
            let _ = running.await;
        }
    }

    /// Where it should be, and why it cannot be kept in sync; none if it is.
    fn refused(&self) -> Option<Refused> {
        let State::Refused(why) = &self.state else {
            return None;
        };
        let path = self.path.display().to_string();
        // Said once: where there is room for few words, the reason is to be among them.
        let why = why
            .strip_prefix(&path)
            .map_or_else(|| why.clone(), |rest| format!("it{rest}"));
        Some(Refused { path, why })
    }
}

fn problem(Refused { path, why }: &Refused, is_named: bool) -> Problem {
    let (remedy, action) = match is_named {
        true => ("start this program without it", None),
        false => ("stop keeping it", Some(Action::Leave { folder: path.clone() })),
    };
    Problem {
        what: format!("{path} is not kept in sync: {why}."),
        lost: "Nothing is lost.".to_owned(),
        next: "It is tried again by itself.".to_owned(),
        remedy: format!("If it is not wanted any more, {remedy}."),
        action,
    }
}

impl Hosting {
    /// Puts a folder to work that is none of those that are kept, in none of them and around none.
    fn run_folder(&self, path: &Path) -> Result<State, Error> {
        self.refuse_nested(path).map_err(Error::Refused)?;
        let (folder, handle) = Folder::open(path, self.mounts.clone(), self.changed.clone(), &self.household)?;
        let (stop, stopped) = watch::channel(false);
        Ok(State::Running {
            handle,
            running: tokio::spawn(folder.run(stopped)),
            stop,
        })
    }

    /// Two folders of which one is in the other would each take the other's files for its own.
    pub(super) fn refuse_nested(&self, path: &Path) -> Result<(), String> {
        let new = real(path);
        let others = self.kept.iter().filter(|kept| kept.path != path);
        for other in others.map(|kept| real(&kept.path)) {
            if other == new {
                return Err(format!("it is the same folder as {}", other.display()));
            }
            if new.starts_with(&other) || other.starts_with(&new) {
                let (inner, outer) = if new.starts_with(&other) {
                    (new, other)
                } else {
                    (other, new)
                };
                return Err(format!(
                    "{} lies inside {}, and of two such folders only one can be kept in sync",
                    inner.display(),
                    outer.display()
                ));
            }
        }
        Ok(())
    }

    /// Forgets why folders could not be kept, so that they are tried again.
    pub(super) fn try_again(&mut self) {
        self.kept.retain(|kept| !kept.is_refused());
    }

    /// Takes charge of the folders that are wanted and not kept, and lets go of those that are not wanted any more.
    pub(super) fn keep_what_is_wanted(&mut self) {
        let mut wanted = self.named.clone();
        wanted.extend(
            self.written
                .folders
                .iter()
                .filter(|folder| !self.named.contains(&real(folder)))
                .cloned(),
        );
        let (kept, left) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|kept| wanted.contains(&kept.path) && !kept.has_ended());
        self.kept = kept;
        for kept in left {
            self.leaving.spawn(kept.stop());
        }
        for path in wanted {
            if self.kept.iter().all(|kept| kept.path != path) {
                let refused = |error: Error| State::Refused(error.to_string().trim_end_matches('.').to_owned());
                let state = self.run_folder(&path).unwrap_or_else(refused);
                self.kept.push(Kept { path, state });
            }
        }
        self.show();
    }

    fn show(&self) {
        let mut problems = Vec::new();
        let mut all_refused = Vec::new();
        for kept in &self.kept {
            if let Some(refused) = kept.refused() {
                problems.push(problem(&refused, self.named.contains(&kept.path)));
                all_refused.push(refused);
            }
        }
        problems.extend(self.mistake.iter().map(|why| Problem {
            what: format!("The settings cannot be read: {why}"),
            lost: "Nothing is lost.".to_owned(),
            next: "Until they can be read the settings before are in force.".to_owned(),
            remedy: "Correct that line.".to_owned(),
            action: self.file.as_ref().map(|file| Action::Show {
                path: file.path().display().to_string(),
            }),
        }));
        let view = View {
            folders: self.kept.iter().filter_map(Kept::handle).cloned().collect(),
            refused: all_refused,
            problems,
            settings: self.written.settings.clone(),
        };
        self.view.send_replace(view);
        self.changed.send_replace(());
    }
}

/// Where these folders are, each once however often and however it is named.
pub(super) fn each_once(named: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in named.iter().map(|folder| real(folder)) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Where a path leads; of one that cannot be followed, as far as can be told.
fn real(path: &Path) -> PathBuf {
    let real = path.canonicalize().or_else(|_| std::path::absolute(path));
    real.unwrap_or_else(|_| path.to_owned())
}
