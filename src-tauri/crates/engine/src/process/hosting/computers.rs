//! Requests about other computers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use annex::Annex;
use annex::settings::{Address, SshAddress};
use contract::{Answer, Secret};
use tokio::sync::oneshot;

use super::Hosting;
use super::requests::{answer_with, free_place, refused, send};
use crate::process::settings::Edit;
use crate::{computers, repository};

/// How long a connection is kept after a look, so that making the place needs no second login.
const KEPT: Duration = Duration::from_secs(300);

/// The user's own directory of ssh.
fn ssh_directory() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".ssh"))
}

/// Lists the computers that the user's ssh knows.
pub(crate) fn list(reply: oneshot::Sender<Answer>) {
    answer_with(reply, || {
        Answer::Computers(
            ssh_directory()
                .map(|directory| remotes::known_computers(&directory))
                .unwrap_or_default(),
        )
    });
}

/// Returns the line that allows this computer to log in on another one.
pub(crate) fn make_key(reply: oneshot::Sender<Answer>) {
    answer_with(reply, || {
        let Some(directory) = ssh_directory() else {
            return refused("This user has no home directory, where a key could be.");
        };
        match remotes::own_key(&directory) {
            Ok(key) => Answer::Key(format!(
                "mkdir -p -m 700 ~/.ssh && echo '{key}' >> ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys"
            )),
            Err(error) => refused(&format!(
                "Anabranch could not make a key in {}: {error}. Nothing was changed.",
                directory.display()
            )),
        }
    });
}

impl Hosting {
    pub(crate) fn look(&self, address: &str, reply: oneshot::Sender<Answer>) {
        let Some(address) = SshAddress::parse(address) else {
            return send(reply, no_address(address));
        };
        let process = Arc::clone(&self.process);
        let looking = tokio::task::spawn_blocking(move || computers::look(&address, process.hosts()));
        tokio::spawn(async move {
            // It has panicked. Dropping `reply` tells the client that there is no answer.
            let Ok((looked, way)) = looking.await else { return };
            send(reply, Answer::Looked(looked));
            tokio::time::sleep(KEPT).await;
            drop(way);
        });
    }

    /// Answers what a login asks.
    pub(crate) fn answer_login(&self, id: &str, yes: bool, text: Option<&Secret>, reply: oneshot::Sender<Answer>) {
        let questions = self.process.hosts().questions();
        let agreed = questions.open(|_| true).into_iter().find(|open| open.id == id);
        let agreed = agreed.and_then(|open| open.prompt.agreed());
        let answer = text.map(Secret::reveal).or(agreed).filter(|_| yes);
        if yes && answer.is_none() {
            return send(reply, refused("Enter what is asked for, or check again."));
        }
        send(
            reply,
            match questions.answer(id, answer) {
                true => Answer::Done("Your answer was passed on.".to_owned()),
                false => refused("Anabranch no longer asks that; check again."),
            },
        );
    }

    pub(crate) fn add_computer(&self, folder: &str, address: &str, bare: bool, reply: oneshot::Sender<Answer>) {
        let Some(address) = SshAddress::parse(address) else {
            return send(reply, no_address(address));
        };
        let Some(kept) = self.kept.iter().find(|kept| kept.is_shown_as(folder)) else {
            return send(
                reply,
                refused(&format!("Anabranch does not sync {folder}; nothing was changed.")),
            );
        };
        let (path, process) = (kept.real().to_owned(), Arc::clone(&self.process));
        answer_with(reply, move || {
            let local = Annex::open(&path).map_err(crate::Error::from);
            let added = local.and_then(|local| computers::add(&local, &address, bare, process.hosts()));
            match added {
                Ok(done) => Answer::Done(format!("{done}. Anabranch is bringing it up to date.")),
                Err(error) => Answer::Refused(error.to_string()),
            }
        });
    }

    pub(crate) fn clone_from(&self, address: &str, path: &str, reply: oneshot::Sender<Answer>) {
        let Some(address) = SshAddress::parse(address) else {
            return send(reply, no_address(address));
        };
        let kept = self.kept_paths();
        let Some(path) = crate::process::settings::place(path) else {
            return send(reply, refused("A path begins with / or ~/; nothing was changed."));
        };
        let Some(reply) = self.if_settings_take_changes(reply) else {
            return;
        };
        let process = Arc::clone(&self.process);
        self.work(reply, move || {
            let real = free_place(&path, &kept)?;
            let cloned = repository::clone_over(&Address::Ssh(address), &real, None, process.hosts());
            cloned.map_err(|error| error.to_string())?;
            let words = "The folder is made, and Anabranch fills it from now on.".to_owned();
            Ok((Edit::Keep(real), words))
        });
    }
}

fn no_address(text: &str) -> Answer {
    refused(&format!(
        "{text} is not an address on another computer, such as desk:Photos; nothing was changed."
    ))
}
