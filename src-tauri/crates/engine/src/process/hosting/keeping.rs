//! The folders that are synced, or should be. Each is resolved and opened on a thread, so that a disk that hangs, such
//! as a network mount whose server is gone, delays no other folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annex::Annex;
use contract::{Action, Problem, Refused};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::{Hosting, View};
use crate::Error;
use crate::folder::{Folder, Handle};

/// How long to wait for folders to open. Almost all open at once, and are then shown with their status.
const MOMENT: Duration = Duration::from_secs(1);
/// A folder that has not opened for this long is reported.
pub(super) const TOO_LONG: Duration = Duration::from_secs(10);

/// A folder that should be synced.
pub(crate) struct Kept {
    path: PathBuf,
    /// Its real path; none until it is resolved.
    real: Option<PathBuf>,
    state: State,
}

enum State {
    /// A thread resolves its real path, then opens it.
    Opening {
        since: Instant,
        is_found: bool,
        /// Set when its disk has answered.
        has_answered: Arc<AtomicBool>,
    },
    Running {
        handle: Handle,
        running: JoinHandle<()>,
        stop: watch::Sender<bool>,
    },
    /// It cannot be synced now; with the reason.
    Refused(String),
    /// It is the same as a folder named at the start by another path.
    Named,
}

/// The result of a thread's work for a folder.
pub(super) enum Step {
    /// The real path is resolved.
    Found { path: PathBuf, real: PathBuf },
    /// The folder is opened, or failed to open.
    Opened {
        path: PathBuf,
        opened: Box<Result<(Folder, Handle), Error>>,
    },
}

/// A folder that is being opened.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) path: String,
    since: Instant,
    /// Set when its disk has answered: a large folder may still take a while.
    has_answered: Arc<AtomicBool>,
}

impl Opening {
    /// The status to show for it.
    pub(crate) fn status(&self) -> contract::Folder {
        let mut folder = contract::Folder::at(self.path.clone());
        folder.headline = "opening".to_owned();
        if !self.has_answered.load(Ordering::Relaxed) && self.since.elapsed() >= TOO_LONG {
            folder.headline = "its disk does not answer".to_owned();
            folder.state = contract::State::NeedsYou;
            folder.problems = vec![Problem {
                what: format!("{} cannot be opened: its disk does not answer.", self.path),
                lost: "Nothing is lost.".to_owned(),
                next: "Anabranch opens it as soon as the disk answers.".to_owned(),
                remedy: "If it is on a network, check the connection.".to_owned(),
                action: None,
            }];
        }
        folder
    }
}

impl Kept {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its real path, as far as known.
    pub(super) fn real(&self) -> &Path {
        self.real.as_deref().unwrap_or(&self.path)
    }

    /// True if the user sees this folder under that path.
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
            State::Opening { .. } | State::Refused(_) | State::Named => None,
        }
    }

    /// When its opening will have taken too long; none if it is not being opened.
    pub(super) fn too_long_at(&self) -> Option<Instant> {
        self.opening_since().map(|since| since + TOO_LONG)
    }

    fn opening_since(&self) -> Option<Instant> {
        match self.state {
            State::Opening { since, .. } => Some(since),
            State::Running { .. } | State::Refused(_) | State::Named => None,
        }
    }

    fn has_answered(&self) -> Option<Arc<AtomicBool>> {
        match &self.state {
            State::Opening { has_answered, .. } => Some(Arc::clone(has_answered)),
            State::Running { .. } | State::Refused(_) | State::Named => None,
        }
    }

    fn is_found(&self) -> bool {
        matches!(self.state, State::Opening { is_found: true, .. })
    }

    /// Stops it; its transfers can be resumed.
    pub(super) async fn stop(self) {
        if let State::Running { running, stop, .. } = self.state {
            stop.send_replace(true);
            // A loop that panicked has stopped too.
            let _ = running.await;
        }
    }

    /// Stops it for good: it is not to be synced any more.
    async fn leave(self) {
        let path = self.real().to_owned();
        self.stop().await;
        let _ = tokio::task::spawn_blocking(move || {
            let annex = Annex::open(&path)?;
            // If it stays, git is told that anything may have changed.
            let _ = annex::settings::remove_git_monitor(&annex, false);
            // Some programs cannot read an index as we write it for a large folder. If this fails, git can do it.
            annex.make_index_whole()
        })
        .await;
    }

    /// Its path, and why it cannot be synced; none if it is synced.
    fn refused(&self) -> Option<Refused> {
        let State::Refused(why) = &self.state else {
            return None;
        };
        let path = self.path.display().to_string();
        // Do not repeat the path: if space is short, the reason must fit.
        let why = why
            .strip_prefix(&path)
            .map_or_else(|| why.clone(), |rest| format!("it{rest}"));
        Some(Refused { path, why })
    }
}

fn problem(Refused { path, why }: &Refused, is_named: bool) -> Problem {
    let (remedy, action) = match is_named {
        true => ("start this program without it", None),
        false => ("stop syncing it", Some(Action::Leave { folder: path.clone() })),
    };
    Problem {
        what: format!("Anabranch does not sync {path}: {why}."),
        lost: "Nothing is lost.".to_owned(),
        next: "Anabranch tries again by itself.".to_owned(),
        remedy: format!("If you no longer want it, {remedy}."),
        action,
    }
}

impl Hosting {
    /// Forgets the failures of folders, so that they are tried again.
    pub(super) fn try_again(&mut self) {
        self.kept
            .retain(|kept| !matches!(kept.state, State::Refused(_) | State::Named));
    }

    /// Opens the folders that should be synced and are not, and stops those that should not be synced any more. Waits a
    /// moment for the new ones, if there are any.
    pub(super) async fn keep_what_is_wanted(&mut self) {
        let mut wanted = self.named.clone();
        wanted.extend(self.written.folders.iter().cloned());
        let (kept, left) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|kept| wanted.contains(&kept.path) && !kept.has_ended());
        self.kept = kept;
        for kept in left {
            match wanted.contains(&kept.path) {
                true => self.leaving.spawn(kept.stop()),
                false => self.leaving.spawn(kept.leave()),
            };
        }
        let mut is_any_new = false;
        for path in wanted {
            if self.kept.iter().all(|kept| kept.path != path) {
                is_any_new = true;
                self.begin_to_open(path);
            }
        }
        if !is_any_new {
            self.open_what_is_found(false);
            return self.show();
        }
        let waits_until = Instant::now() + MOMENT;
        loop {
            self.open_what_is_found(Instant::now() < waits_until);
            let step = timeout_at(waits_until, self.opening.join_next()).await;
            // Nothing is being opened, or its disk is slow.
            let Ok(Some(step)) = step else { break };
            // A thread that panicked has reported that as its step.
            if let Ok(step) = step {
                self.took(step);
            }
        }
        self.open_what_is_found(false);
        self.show();
    }

    fn begin_to_open(&mut self, path: PathBuf) {
        self.kept.push(Kept {
            path: path.clone(),
            real: None,
            state: State::Opening {
                since: Instant::now(),
                is_found: false,
                has_answered: Arc::default(),
            },
        });
        self.opening.spawn_blocking(move || Step::Found {
            real: real(&path),
            path,
        });
    }

    /// Handles the result of a thread, unless its folder should not be synced any more.
    pub(super) fn took(&mut self, step: Step) {
        match step {
            Step::Found { path, real } => {
                if let Some(kept) = self.kept.iter_mut().find(|kept| kept.path == path)
                    && let State::Opening { is_found, .. } = &mut kept.state
                {
                    *is_found |= kept.real.is_none();
                    kept.real = Some(real);
                }
            }
            Step::Opened { path, opened } => {
                let mut kept = self.kept.iter_mut();
                let opening = kept.find(|kept| kept.path == path && kept.opening_since().is_some());
                let Some(kept) = opening else {
                    // Closing files may wait for their disk.
                    tokio::task::spawn_blocking(move || drop(opened));
                    return;
                };
                kept.state = match *opened {
                    Ok((folder, handle)) => {
                        let (stop, stopped) = watch::channel(false);
                        State::Running {
                            handle,
                            running: tokio::spawn(folder.run(stopped)),
                            stop,
                        }
                    }
                    Err(error) => State::Refused(error.to_string().trim_end_matches('.').to_owned()),
                };
            }
        }
    }

    /// Opens the resolved folders, except one that is the same as, inside or around another. If `is_patient`, waits for
    /// those still being resolved: of two such folders, the one listed first is synced.
    fn open_what_is_found(&mut self, is_patient: bool) {
        for index in 0..self.kept.len() {
            if is_patient && self.kept[index].real.is_none() {
                return;
            }
            if !self.kept[index].is_found() {
                continue;
            }
            if let Some(refused) = self.overlap(index) {
                self.kept[index].state = refused;
                continue;
            }
            let State::Opening {
                is_found, has_answered, ..
            } = &mut self.kept[index].state
            else {
                continue;
            };
            *is_found = false;
            let has_answered = Arc::clone(has_answered);
            let kept = &self.kept[index];
            let path = kept.path.clone();
            // A folder is shown under its name in the settings; one named at the start under its real path.
            let place = match self.named.contains(&path) {
                true => kept.real().to_owned(),
                false => path.clone(),
            };
            let (mounts, changed) = (self.mounts.clone(), self.changed.clone());
            let process = self.process.clone();
            self.opening.spawn_blocking(move || {
                // The real path may come from a cache. Only opening the repository shows that the disk answers.
                let _ = Annex::open(&place);
                has_answered.store(true, Ordering::Relaxed);
                let open = || Folder::open(&place, mounts, changed, &process);
                let opened = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
                    let why = "an error in Anabranch itself; it tries again";
                    Err(Error::Refused(why.to_owned()))
                });
                Step::Opened {
                    path,
                    opened: Box::new(opened),
                }
            });
        }
    }

    /// The state of a folder that overlaps another one opened or listed before it. Each would treat the other's files
    /// as its own.
    fn overlap(&self, index: usize) -> Option<State> {
        let new = self.kept[index].real();
        let was_opened = |kept: &Kept| kept.real.is_some() && !kept.is_found() && !kept.is_refused();
        let is_before = |(other, kept): &(usize, &Kept)| *other < index || (*other > index && was_opened(kept));
        let others = self.kept.iter().enumerate().filter(is_before);
        for (_, other) in others.filter(|(_, kept)| !matches!(kept.state, State::Named)) {
            let place = other.real();
            if place == new {
                let is_named = [&other.path, &self.kept[index].path].map(|path| self.named.contains(path));
                return Some(match is_named.contains(&true) {
                    true => State::Named,
                    false => State::Refused(format!("it is the same folder as {}", place.display())),
                });
            }
            if new.starts_with(place) || place.starts_with(new) {
                let (inner, outer) = if new.starts_with(place) {
                    (new, place)
                } else {
                    (place, new)
                };
                return Some(State::Refused(format!(
                    "{} lies inside {}, and Anabranch can sync only one of two such folders",
                    inner.display(),
                    outer.display()
                )));
            }
        }
        None
    }

    pub(super) fn show(&self) {
        let mut problems = Vec::new();
        let mut all_refused = Vec::new();
        for kept in &self.kept {
            if let Some(refused) = kept.refused() {
                problems.push(problem(&refused, self.named.contains(&kept.path)));
                all_refused.push(refused);
            }
        }
        problems.extend(self.mistake.iter().map(|why| Problem {
            what: format!("Anabranch cannot read the settings: {why}"),
            lost: "Nothing is lost.".to_owned(),
            next: "Until you correct them, the previous settings apply.".to_owned(),
            remedy: "Correct that line.".to_owned(),
            action: self.file.as_ref().map(|file| Action::Show {
                path: file.path().display().to_string(),
            }),
        }));
        let opening = self.kept.iter().filter_map(|kept| {
            Some(Opening {
                path: kept.path.display().to_string(),
                since: kept.opening_since()?,
                has_answered: kept.has_answered()?,
            })
        });
        let view = View {
            has_begun: true,
            opening: opening.collect(),
            folders: self.kept.iter().filter_map(Kept::handle).cloned().collect(),
            refused: all_refused,
            problems,
            settings: self.written.settings.clone(),
        };
        self.view.send_replace(view);
        self.changed.send_replace(());
    }
}

/// The real path; if it cannot be resolved, the absolute one.
fn real(path: &Path) -> PathBuf {
    let real = path.canonicalize().or_else(|_| std::path::absolute(path));
    real.unwrap_or_else(|_| path.to_owned())
}
