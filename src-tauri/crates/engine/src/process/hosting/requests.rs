//! Requests to the program as a whole.

use std::path::{Path, PathBuf};

use contract::{Answer, AtPlace};
use tokio::sync::oneshot;

use super::{Done, Hosting, place};
use crate::process::settings::{Edit, SettingsFile};
use crate::repository;

impl Hosting {
    pub(crate) fn inspect(&self, path: String, reply: oneshot::Sender<Answer>) {
        let kept = self.kept_paths();
        answer_with(reply, move || {
            crate::process::settings::place(&path).map_or_else(
                || refused("A path begins with / or ~/."),
                |path| Answer::Found(place::find(&path, &kept)),
            )
        });
    }

    pub(crate) fn suggest(&self, reply: oneshot::Sender<Answer>) {
        let kept = self.kept_paths();
        answer_with(reply, move || {
            let found = place::autostarted().into_iter();
            let new = found.filter(|path| place::find(path, &kept).what == AtPlace::Annex);
            Answer::Suggested(new.map(|path| path.to_string_lossy().into_owned()).collect())
        });
    }

    pub(super) fn kept_paths(&self) -> Vec<PathBuf> {
        self.kept.iter().map(|kept| kept.real().to_owned()).collect()
    }

    pub(crate) fn change(&mut self, edit: &Edit, reply: oneshot::Sender<Answer>) {
        send(
            reply,
            match self.edit(edit) {
                Ok(()) => Answer::Done("The settings are changed.".to_owned()),
                Err(why) => Answer::Refused(why),
            },
        );
    }

    /// Creates or adopts a folder on a thread, then syncs it.
    pub(crate) fn add(&self, path: &str, reply: oneshot::Sender<Answer>) {
        let Some(path) = crate::process::settings::place(path) else {
            return send(reply, refused("A path begins with / or ~/; nothing was changed."));
        };
        let Some(reply) = self.if_settings_take_changes(reply) else {
            return;
        };
        let kept = self.kept_paths();
        self.work(reply, move || {
            let found = place::find(&path, &kept);
            let real = PathBuf::from(&found.path);
            let words = match found.what {
                AtPlace::Unusable(why) => return Err(format!("{why} Nothing was changed.")),
                AtPlace::Kept => return Err(format!("Anabranch syncs {} already.", real.display())),
                AtPlace::Annex => "Anabranch syncs it from now on.",
                AtPlace::Nothing => "Anabranch made it, and syncs it from now on.",
                AtPlace::Directory | AtPlace::Git => "Anabranch syncs it from now on; its files stay where they are.",
            };
            // Changes nothing if it is already an annex, and is safe to repeat.
            repository::init(&real, None).map_err(|error| error.to_string())?;
            Ok((Edit::Keep(real), words.to_owned()))
        });
    }

    pub(crate) fn clone_to(&self, folder: String, path: &str, reply: oneshot::Sender<Answer>) {
        let kept = self.kept_paths();
        let Some(path) = crate::process::settings::place(path) else {
            return send(reply, refused("A path begins with / or ~/; nothing was changed."));
        };
        if !self.kept.iter().any(|kept| kept.is_shown_as(&folder)) {
            return send(
                reply,
                refused(&format!("Anabranch does not sync {folder}; nothing was changed.")),
            );
        }
        let Some(reply) = self.if_settings_take_changes(reply) else {
            return;
        };
        self.work(reply, move || {
            let real = free_place(&path, &kept)?;
            repository::clone(Path::new(&folder), &real, false, None).map_err(|error| error.to_string())?;
            Ok((
                Edit::Keep(real),
                "The copy is made, and Anabranch fills it from now on.".to_owned(),
            ))
        });
    }

    pub(crate) fn leave(&mut self, folder: &str, reply: oneshot::Sender<Answer>) {
        let kept = self.kept.iter().find(|kept| kept.is_shown_as(folder));
        let Some(path) = kept.map(|kept| kept.path().to_owned()) else {
            return send(reply, refused("Anabranch does not sync it; nothing was changed."));
        };
        if self.named.contains(&path) {
            return send(
                reply,
                refused("It was named when this program was started, so Anabranch syncs it until the program ends."),
            );
        }
        send(
            reply,
            match self.edit(&Edit::Leave(path)) {
                Ok(()) => Answer::Done("Anabranch no longer syncs it. Its files stay as they are.".to_owned()),
                Err(why) => Answer::Refused(why),
            },
        );
    }

    /// Refuses a request that could not be written to the settings when it is done; otherwise returns the sender of the
    /// answer.
    pub(super) fn if_settings_take_changes(&self, reply: oneshot::Sender<Answer>) -> Option<oneshot::Sender<Answer>> {
        match self.changeable().and_then(SettingsFile::takes_changes) {
            Ok(()) => Some(reply),
            Err(why) => {
                send(reply, Answer::Refused(why));
                None
            }
        }
    }

    /// Does `work` on a thread; the change of the settings that it returns completes the request.
    pub(super) fn work(
        &self,
        reply: oneshot::Sender<Answer>,
        work: impl FnOnce() -> Result<(Edit, String), String> + Send + 'static,
    ) {
        let then = self.do_then.clone();
        tokio::task::spawn_blocking(move || {
            let (edit, words) = match work() {
                Ok((edit, words)) => (Ok(edit), words),
                Err(why) => (Err(why), String::new()),
            };
            // The program may be ending.
            let _ = then.send(Done { edit, words, reply });
        });
    }
}

/// The real path of a place where nothing is, or an empty directory. `kept` are the real paths of the synced folders.
pub(super) fn free_place(path: &Path, kept: &[PathBuf]) -> Result<PathBuf, String> {
    let found = place::find(path, kept);
    match found.what {
        AtPlace::Nothing => Ok(PathBuf::from(found.path)),
        AtPlace::Directory if found.files == Some(0) => Ok(PathBuf::from(found.path)),
        AtPlace::Unusable(why) => Err(format!("{why} Nothing was changed.")),
        AtPlace::Directory | AtPlace::Git | AtPlace::Annex | AtPlace::Kept => Err(format!(
            "Something is at {} already; nothing was changed. Choose another place.",
            found.path
        )),
    }
}

/// Answers from a thread, since file systems may be slow.
pub(super) fn answer_with(reply: oneshot::Sender<Answer>, look: impl FnOnce() -> Answer + Send + 'static) {
    tokio::task::spawn_blocking(move || send(reply, look()));
}

pub(super) fn send(reply: oneshot::Sender<Answer>, answer: Answer) {
    // The asker may be gone.
    let _ = reply.send(answer);
}

pub(super) fn refused(why: &str) -> Answer {
    Answer::Refused(why.to_owned())
}
