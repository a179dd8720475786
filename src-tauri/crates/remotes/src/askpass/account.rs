//! The account of the user on a server that git reaches by itself, as by https.
//!
//! git asks each time that it runs, and ends if the server refuses the answers. So an answer is kept in memory until the server
//! refuses it or this process ends. If there is none yet, git ends without one; it runs again when somebody has answered.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::endpoint::{Endpoint, pass_answer, read};
use super::{Asker, Open, Prompt, Question, Questions, Unanswered, Whom, lock, wipe};

/// How often a server may refuse answers until nobody is asked any more.
const MOST_REFUSALS: u32 = 3;

/// What the user has answered for one server.
pub(crate) struct Account {
    place: String,
    state: Mutex<State>,
    /// Held while somebody is asked at a terminal.
    turn: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// By what git asks, which names the server and the protocol.
    answers: BTreeMap<String, Answer>,
    /// How many answers there were.
    number: u64,
    /// How often the server has refused answers since it has taken any.
    refusals: u32,
    /// True if the next question has to say that the answers before were wrong.
    was_refused: bool,
    /// What the user is asked now.
    open: Option<String>,
    /// Set if nobody is to be asked.
    held: Option<Held>,
}

struct Answer {
    text: Vec<u8>,
    /// Tells answers apart.
    number: u64,
    /// True if the server has taken it.
    is_proven: bool,
}

/// Why nobody is asked before the user says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The last question got no answer.
    Unanswered(Unanswered),
    /// The server has refused too many answers.
    Refused,
    /// The program that the user has set to ask got no answer that the server takes.
    UsersProgram,
}

/// One run of git that may ask.
pub(crate) struct Attempt {
    account: Arc<Account>,
    questions: Questions,
    endpoint: Endpoint,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    /// The answers that git got, by what it asked, with their numbers.
    used: Vec<(String, u64)>,
    /// What nobody has answered yet.
    lacks: Option<String>,
}

/// What follows when a server has refused git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// git may run again at once.
    Again,
    /// The user has yet to answer a question.
    Waits,
    /// Nobody is asked any more.
    Held(Held),
    /// Nothing was asked here, so the credentials came from elsewhere.
    Elsewhere,
}

impl Questions {
    /// Prepares a run of git that logs in with an account.
    pub(crate) fn attempt(&self, account: &Arc<Account>) -> Result<Attempt, String> {
        let asked = Arc::<Mutex<Asked>>::default();
        let (from, by) = (Arc::clone(account), Arc::clone(&asked));
        let endpoint = Endpoint::open(&self.0, move |helper| from.tell(&helper, &by))?;
        Ok(Attempt {
            account: Arc::clone(account),
            questions: self.clone(),
            endpoint,
            asked,
        })
    }
}

impl Attempt {
    /// The program by which git asks.
    pub(crate) fn program(&self) -> PathBuf {
        self.endpoint.program()
    }

    /// The server has taken what git got here.
    pub(crate) fn succeeded(&self) {
        let asked = lock(&self.asked);
        if asked.used.is_empty() {
            return;
        }
        let mut state = lock(&self.account.state);
        (state.refusals, state.was_refused) = (0, false);
        for (text, _) in &asked.used {
            if let Some(answer) = state.answers.get_mut(text) {
                answer.is_proven = true;
            }
        }
    }

    /// The server has refused git: asks the user, or says why not.
    pub(crate) fn refused(&self) -> Refusal {
        let asked = lock(&self.asked);
        let Some(text) = &asked.lacks else {
            return lock(&self.account.state).refused(&asked.used);
        };
        match &self.questions.0.whom {
            Whom::One(ask) => {
                let _turn = lock(&self.account.turn);
                self.account.opens(text).map_or_else(
                    |refusal| refusal,
                    |question| {
                        let mut answer = ask(&question);
                        self.account.answered(answer.as_deref().map_err(|why| *why));
                        if let Ok(text) = &mut answer {
                            wipe(std::mem::take(text).into_bytes());
                        }
                        Refusal::Again
                    },
                )
            }
            Whom::Everybody(tell) => match self.account.opens(text) {
                Err(refusal) => refusal,
                Ok(question) => {
                    let asker = Asker::Account(Arc::clone(&self.account));
                    lock(&self.questions.0.open).push(Open { question, asker });
                    tell();
                    Refusal::Waits
                }
            },
        }
    }
}

impl Account {
    pub(super) fn on(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            state: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// Where it is, as text for the user.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Why nobody is asked, if so.
    pub(crate) fn held(&self) -> Option<Held> {
        lock(&self.state).held
    }

    /// Has nobody ask until [`Account::try_again`].
    pub(crate) fn hold(&self, why: Held) {
        lock(&self.state).held = Some(why);
    }

    /// Lets the user be asked again.
    pub(crate) fn try_again(&self) {
        let mut state = lock(&self.state);
        (state.held, state.refusals, state.was_refused) = (None, 0, false);
    }

    /// Tells a helper the answer that is known.
    fn tell(&self, helper: &UnixStream, asked: &Mutex<Asked>) {
        let Some((_, text)) = read(helper) else { return };
        let state = lock(&self.state);
        let mut asked = lock(asked);
        match state.answers.get(&text) {
            Some(answer) => {
                asked.used.push((text, answer.number));
                pass_answer(helper, &answer.text);
            }
            None => asked.lacks = Some(text),
        }
    }

    /// The question to ask the user, or why not.
    fn opens(&self, text: &str) -> Result<Question, Refusal> {
        let mut state = lock(&self.state);
        if state.answers.contains_key(text) {
            return Err(Refusal::Again);
        }
        if let Some(held) = state.held {
            return Err(Refusal::Held(held));
        }
        if state.open.is_some() {
            return Err(Refusal::Waits);
        }
        state.open = Some(text.to_owned());
        let was_refused = std::mem::take(&mut state.was_refused);
        Ok(Question::new(&self.place, Prompt::parse("", text), was_refused))
    }

    /// Takes the answer to the open question.
    pub(super) fn answered(&self, answer: Result<&str, Unanswered>) {
        let mut state = lock(&self.state);
        let Some(asked) = state.open.take() else { return };
        match answer {
            Ok(text) => {
                state.number += 1;
                let answer = Answer {
                    text: text.as_bytes().to_vec(),
                    number: state.number,
                    is_proven: false,
                };
                state.answers.insert(asked, answer);
            }
            Err(why) => {
                state.held = Some(Held::Unanswered(why));
                // Perhaps the user has mistyped the name before.
                state.answers.retain(|_, answer| answer.is_proven);
            }
        }
    }
}

impl State {
    /// Forgets answers that the server has refused.
    fn refused(&mut self, used: &[(String, u64)]) -> Refusal {
        if used.is_empty() {
            return self.held.map_or(Refusal::Elsewhere, Refusal::Held);
        }
        let before = self.answers.len();
        self.answers
            .retain(|text, answer| !used.iter().any(|(of, number)| of == text && *number == answer.number));
        // Otherwise another run of git was refused with the same answers.
        if self.answers.len() < before {
            self.refusals += 1;
            self.was_refused = true;
        }
        if self.refusals >= MOST_REFUSALS {
            self.held = Some(Held::Refused);
        }
        self.held.map_or(Refusal::Again, Refusal::Held)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.text));
    }
}
