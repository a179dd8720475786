//! Logging in where git reaches a server by http: what git asks, and what it gets.

use std::path::PathBuf;
use std::sync::Arc;

use annex::exchange::by_transport::Askpass;
use annex::{Annex, Error, Result};

use crate::askpass::{Account, Held, Questions, Refusal};
use crate::words::{held, is_login_refused, waits_for_answer};

/// How git logs in on one server.
#[derive(Clone)]
pub(crate) struct Login {
    questions: Questions,
    account: Arc<Account>,
    /// The program that the user has set to ask.
    users_program: Option<Askpass>,
}

impl Login {
    pub(crate) fn on(place: &str, local: Option<&Annex>, questions: &Questions) -> Self {
        Self {
            questions: questions.clone(),
            account: questions.account(place),
            users_program: users_program(local),
        }
    }

    /// Runs git, as often as the user has something new to answer.
    pub(crate) fn run<T>(&self, mut git: impl FnMut(Askpass) -> Result<T>) -> Result<T> {
        let refused = |done: &Result<T>| matches!(done, Err(Error::Refused(said)) if is_login_refused(said));
        let held = |why| Err(Error::Refused(held(self.account.place(), why)));
        if let Some(program) = &self.users_program {
            let before = self.account.held();
            let done = git(before.map_or_else(|| program.clone(), |_| Askpass::Nobody));
            if !refused(&done) {
                return done;
            }
            self.account.hold(Held::UsersProgram);
            return held(Held::UsersProgram);
        }
        loop {
            let Ok(attempt) = self.questions.attempt(&self.account) else {
                return git(Askpass::Nobody);
            };
            let done = git(Askpass::Program(attempt.program()));
            if !refused(&done) {
                if done.is_ok() {
                    attempt.succeeded();
                }
                return done;
            }
            match attempt.refused() {
                Refusal::Again => {}
                Refusal::Waits => return Err(Error::Refused(waits_for_answer(self.account.place()))),
                Refusal::Held(why) => return held(why),
                Refusal::Elsewhere => return done,
            }
        }
    }
}

/// The program that the user has set to ask, in the order of gitcredentials(7). That of `SSH_ASKPASS` is set for the whole
/// desktop; ssh asks here as well.
fn users_program(local: Option<&Annex>) -> Option<Askpass> {
    if let Some(program) = std::env::var_os("GIT_ASKPASS").filter(|program| !program.is_empty()) {
        return Some(Askpass::Program(PathBuf::from(program)));
    }
    let name = "core.askPass";
    let entry = local.map_or_else(
        || annex::settings::entry_of_user(name),
        |local| annex::settings::entry(local, name),
    );
    let entry = entry.ok().flatten().filter(|entry| !entry.value.is_empty());
    entry.map(|_| Askpass::AsConfigured)
}
