//! Handles commands to a folder: answers at once, on a thread, or when something has ended.

use std::sync::Arc;

use assistant::{Event, Question};
use contract::{Command, FolderSetting, Reply};
use tokio::sync::oneshot;

use super::asking::{inside, refused};
use super::changed_since::changed_since;
use super::conflicts;
use super::logins::too_late;
use super::prioritize;
use super::settings;
use super::{Ended, Folder, PATIENCE};
use crate::Error;
use crate::rules::policy;
use crate::views::contacts::Contacts;
use crate::views::lists;
use crate::views::status::{self, git};
use crate::views::why;
use crate::work::FolderState;

impl Folder {
    pub(super) fn asked(&mut self, command: Command, reply: oneshot::Sender<Reply>) {
        let answer = match command {
            Command::Status => Reply::Status(Box::new(self.status())),
            Command::Why { path } => {
                let contacts = Contacts::of(&self.assistant, &self.state.remotes.settings());
                return self.look_up(reply, move |state| {
                    why::why(state, Some(&contacts), &inside(&path)?).map(Reply::Why)
                });
            }
            Command::Pause { until } => return self.begin_pause(until, reply),
            Command::Resume => {
                self.resume();
                Reply::Done
            }
            Command::Sync => {
                self.end_pause();
                self.state.retry_all();
                self.state.retry_logins();
                self.handle(Event::SyncAsked);
                self.sync_until = self.clock.now() + PATIENCE;
                self.syncs.push(reply);
                return;
            }
            Command::First { path, place } => {
                let contacts = Contacts::of(&self.assistant, &self.state.remotes.settings());
                return self.change(reply, move |state| {
                    let said = prioritize::prioritize(state, &inside(&path)?, place.as_deref(), &contacts)?;
                    Ok((vec![Event::FirstAsked], Reply::Said(said)))
                });
            }
            Command::Cancel { transfer } => self.cancel(&transfer),
            Command::Answer { question, yes } => return self.answered(question.as_deref(), yes, reply),
            Command::Enter { question, text } => self.entered(&question, &text),
            Command::Files { which, skip, count } => {
                return self.look_up(reply, move |state| {
                    lists::files(state, &which, skip, count).map(Reply::Files)
                });
            }
            Command::Tree { directory } => {
                return self.look_up(reply, move |state| {
                    let directory = (!directory.is_empty()).then(|| inside(&directory)).transpose()?;
                    lists::tree(state, directory.as_ref()).map(Reply::Tree)
                });
            }
            Command::Activity { skip, count } => {
                return self.look_up(reply, move |state| {
                    lists::activity(state, skip, count).map(Reply::Activity)
                });
            }
            Command::ChangedSince { moment, top } => {
                let (history, delivery) = (self.watching.history(), self.watching.delivery());
                return self.look_up(reply, move |state| {
                    changed_since(state, history, &delivery, &moment, &top)
                });
            }
            Command::Rules => Reply::Rules(policy::told(&self.state.rules())),
            Command::PreviewRules { rules, keeps } => {
                return self.look_up(reply, move |state| {
                    lists::preview(state, policy::understood(&rules)?, &keeps).map(Reply::Preview)
                });
            }
            Command::SetRules { before, rules, keeps } => {
                return self.change(reply, move |state| done(state.set_rules(&before, &rules, &keeps)));
            }
            Command::SetFolder { setting } => {
                return self.change(reply, move |state| done(settings::set(state, &setting)));
            }
            Command::Conflicts => {
                return self.look_up(reply, |state| conflicts::list(state).map(Reply::Conflicts));
            }
            Command::Resolve { path, keep } => {
                return self.change(reply, move |state| {
                    done(conflicts::resolve(state, &inside(&path)?, &keep))
                });
            }
            Command::Reopen { path } => {
                return self.change(reply, move |state| done(conflicts::reopen(state, &inside(&path)?)));
            }
        };
        // The asker may be gone.
        let _ = reply.send(answer);
    }

    fn cancel(&mut self, transfer: &str) -> Reply {
        match self.state.transfers.named(transfer) {
            Some(id) => {
                self.handle(Event::CancelAsked { id });
                Reply::Done
            }
            None => Reply::Refused("that transfer has ended already; nothing was cancelled".to_owned()),
        }
    }

    /// Takes the answer to the question of this name, or to the first one.
    fn answered(&mut self, name: Option<&str>, yes: bool, reply: oneshot::Sender<Reply>) {
        let is_meant = |asked: &&Question| name.is_none_or(|name| name == status::name_of_question(asked));
        match self.assistant.questions().iter().find(is_meant).cloned() {
            Some(Question::Unverified(remote)) => {
                return self.change(reply, move |state| done(state.verify(&remote, yes)));
            }
            Some(question) => {
                self.handle(Event::Answered { question, yes });
                // Whoever asked may have gone.
                let _ = reply.send(Reply::Done);
                return;
            }
            None => {}
        }
        if let Some(asked) = self.state.remotes.asks_about()
            && name.is_none_or(|name| name == asked.name())
        {
            return self.change(reply, move |state| {
                state.confirm(&asked, yes)?;
                Ok((vec![Event::PlacesChanged], Reply::Done))
            });
        }
        let answer = match self.login_question(name) {
            Some(asked) => self.agreed(&asked, yes),
            None if self.asks_about_git(name) => {
                return self.change(reply, move |state| {
                    done(settings::set(state, &FolderSetting::QuickGit(yes)))
                });
            }
            None => too_late(),
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
    }

    fn asks_about_git(&self, name: Option<&str>) -> bool {
        let question = self.status().question;
        question.is_some_and(|question| question.id == git::NAME && name.is_none_or(|name| name == git::NAME))
    }

    /// Answers what may take a while and changes nothing, beside the loop.
    fn look_up(
        &self,
        reply: oneshot::Sender<Reply>,
        answer: impl FnOnce(&FolderState) -> Result<Reply, Error> + Send + 'static,
    ) {
        let state = Arc::clone(&self.state);
        // This does not count as work in progress: neither a sync nor the end of the loop waits for it.
        tokio::task::spawn_blocking(move || {
            // The asker may be gone.
            let _ = reply.send(answer(&state).unwrap_or_else(refused));
        });
    }

    /// Performs a command on a thread; the answer is sent after the resulting events have been handled.
    fn change(
        &mut self,
        reply: oneshot::Sender<Reply>,
        change: impl FnOnce(&FolderState) -> Result<(Vec<Event>, Reply), Error> + Send + 'static,
    ) {
        let state = Arc::clone(&self.state);
        self.spawn(move || Ended::Changed(change(&state), reply));
    }
}

/// The events of a change, with a plain [`Reply::Done`].
fn done(changed: Result<Vec<Event>, Error>) -> Result<(Vec<Event>, Reply), Error> {
    Ok((changed?, Reply::Done))
}

/// True if a sync waits longer because of this event: one part of a long ingest has ended. An ingest that fails again and again
/// must not keep it waiting.
pub(super) fn lengthens_sync(event: &Event) -> bool {
    matches!(event, Event::Ingested { failed: None, .. })
}

#[cfg(test)]
mod tests {
    use assistant::{Event, Id, Refs};

    use super::lengthens_sync;

    /// For example because of an index lock that another program left.
    #[test]
    fn a_sync_does_not_wait_for_an_ingest_that_fails() {
        for (failed, expected) in [(None, true), (Some("the index is locked".into()), false)] {
            let ingested = Event::Ingested {
                id: Id::default(),
                refs: Refs::default(),
                postponed: Vec::new(),
                has_rest: false,
                failed,
            };
            assert_eq!(lengthens_sync(&ingested), expected);
        }
    }
}
