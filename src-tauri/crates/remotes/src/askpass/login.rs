//! A program that logs in, and waits for what it has to ask meanwhile.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::{Prompt, Question, Unanswered, lock};

/// One program that logs in, and may ask meanwhile.
pub struct Asking {
    pub(super) _endpoint: Endpoint,
    pub(super) login: Arc<Mutex<Login>>,
}

pub(super) struct Login {
    pub(super) place: String,
    /// The last question.
    pub(super) asked: Option<Prompt>,
    pub(super) is_waiting: bool,
    /// When the last question was closed, or the login began.
    pub(super) since: Instant,
    pub(super) unanswered: Option<Unanswered>,
    /// Called when there is no answer to a question, before the program hears of it.
    pub(super) give_up: Box<dyn Fn() + Send>,
}

impl Login {
    pub(super) fn begin(place: String, give_up: impl Fn() + Send + 'static) -> Self {
        Self {
            place,
            asked: None,
            is_waiting: false,
            since: Instant::now(),
            unanswered: None,
            give_up: Box::new(give_up),
        }
    }

    pub(super) fn asks(&mut self, prompt: Prompt) -> Question {
        let is_repeated = self.asked.as_ref() == Some(&prompt);
        self.asked = Some(prompt.clone());
        self.is_waiting = true;
        Question::new(&self.place, prompt, is_repeated)
    }

    pub(super) fn closed(&mut self, unanswered: Option<Unanswered>) {
        self.is_waiting = false;
        self.since = Instant::now();
        self.unanswered = self.unanswered.or(unanswered);
    }
}

impl Asking {
    /// How long the program has been busy without waiting for an answer.
    #[must_use]
    pub fn busy(&self) -> Duration {
        let login = lock(&self.login);
        match login.is_waiting {
            true => Duration::ZERO,
            false => login.since.elapsed(),
        }
    }

    /// True if a question was asked.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        lock(&self.login).asked.is_some()
    }

    /// Why a question has no answer, if there was one without.
    #[must_use]
    pub fn unanswered(&self) -> Option<Unanswered> {
        lock(&self.login).unanswered
    }
}
