//! What programs ask when they log in: passwords, passphrases, and whether an unknown computer is the right one.
//!
//! ssh and git start a program to ask (ssh(1), `SSH_ASKPASS`). Here that is a link to our own, in a directory of each login
//! that only the user can enter, beside a socket. It passes the question on to this process, which keeps it among
//! [`Questions`] until somebody answers. Nothing secret is an argument, in an environment or stored.
//!
//! An ssh that asks waits for its answer ([`Questions::serve`]). git asks each time that it runs, so it waits for none: see
//! `Account`.

mod account;
mod endpoint;
mod helper;
mod login;
mod peer;
mod prompt;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endpoint::{Endpoint, has_hung_up, pass_answer, read};
use login::Login;
use peer::has_lost_its_peer;

pub(crate) use account::{Account, Held, Refusal};
pub use helper::run;
pub use login::Asking;
pub use prompt::Prompt;

/// The name by which a program starts the helper: see [`run`].
pub const NAME: &str = "anabranch-askpass";
/// The id of each question begins with it.
pub const ID: &str = "login-";
/// The socket beside the helper.
const SOCKET: &str = "socket";
/// An answer begins with this byte.
const AGREED: u8 = b'+';
/// How many moments a program has to end after a question got no answer.
const MOMENTS: u32 = 5;

/// A question that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Never used again.
    pub id: String,
    /// Where the program logs in, as text for the user.
    pub place: String,
    /// What it asks.
    pub prompt: Prompt,
    /// True if it asks the same again: the answer before was wrong.
    pub is_repeated: bool,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The user does not want to answer.
    Declined,
    /// There is nobody to ask.
    Nobody,
    /// The other computer has ended the login meanwhile.
    TooLate,
}

/// Asks somebody, and waits for the answer.
pub type Ask = dyn Fn(&Question) -> Result<String, Unanswered> + Send + Sync;

/// Whom to ask.
pub enum Whom {
    /// Whoever looks at the open questions, for as long as it takes. The function is called when they change.
    Everybody(Box<dyn Fn() + Send + Sync>),
    /// Somebody who answers this function, at once.
    One(Box<Ask>),
}

impl Question {
    fn new(place: &str, prompt: Prompt, is_repeated: bool) -> Self {
        Self {
            id: format!("{ID}{:016x}", RandomState::new().build_hasher().finish()),
            place: place.to_owned(),
            prompt,
            is_repeated,
        }
    }
}

/// The questions of all logins of this process.
#[derive(Clone)]
pub struct Questions(Arc<Shared>);

struct Shared {
    directory: Result<PathBuf, String>,
    program: PathBuf,
    whom: Whom,
    open: Mutex<Vec<Open>>,
    /// The servers that git reaches by itself, by place.
    accounts: Mutex<BTreeMap<String, Arc<Account>>>,
    logins: AtomicU64,
}

struct Open {
    question: Question,
    asker: Asker,
}

/// Who wants to know.
enum Asker {
    /// A program that waits, by its helper.
    Waiting {
        login: Arc<Mutex<Login>>,
        helper: Arc<UnixStream>,
    },
    /// Any git that will run.
    Account(Arc<Account>),
}

impl Questions {
    /// None yet. `directory` is one that only the user can enter, or the reason why there is none. `program` calls [`run`] if
    /// it is started by the name [`NAME`].
    #[must_use]
    pub fn new(directory: Result<PathBuf, String>, program: PathBuf, whom: Whom) -> Self {
        Self(Arc::new(Shared {
            directory,
            program,
            whom,
            open: Mutex::default(),
            accounts: Mutex::default(),
            logins: AtomicU64::new(0),
        }))
    }

    /// Has an ssh ask here when it logs in at `place`, for as long as the returned value exists. If a question gets no
    /// answer, `give_up` is called; it should end the program, which would go on with an empty answer otherwise.
    ///
    /// # Errors
    ///
    /// With words for people.
    pub fn serve(
        &self,
        command: &mut Command,
        place: String,
        give_up: impl Fn() + Send + 'static,
    ) -> Result<Asking, String> {
        let login = Arc::new(Mutex::new(Login::begin(place, give_up)));
        let (shared, asked) = (Arc::clone(&self.0), Arc::clone(&login));
        // One after the other: nobody can answer two at once.
        let endpoint = Endpoint::open(&self.0, move |helper| shared.ask(&asked, helper))?;
        command
            .env("SSH_ASKPASS", endpoint.program())
            // Also where there is a terminal.
            .env("SSH_ASKPASS_REQUIRE", "force");
        Ok(Asking {
            _endpoint: endpoint,
            login,
        })
    }

    /// The account of the user on a server that git reaches by itself.
    pub(crate) fn account(&self, place: &str) -> Arc<Account> {
        let mut accounts = lock(&self.0.accounts);
        let account = accounts.entry(place.to_owned());
        Arc::clone(account.or_insert_with(|| Arc::new(Account::on(place))))
    }

    /// The account of the user on a server, if git was to log in there.
    pub(crate) fn known_account(&self, place: &str) -> Option<Arc<Account>> {
        lock(&self.0.accounts).get(place).cloned()
    }

    /// The open questions of logins at these places.
    #[must_use]
    pub fn open(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Question> {
        let open = lock(&self.0.open);
        let questions = open.iter().map(|open| &open.question);
        questions
            .filter(|question| is_meant(&question.place))
            .cloned()
            .collect()
    }

    /// Answers a question, or declines to. False if it is not open any more.
    pub fn answer(&self, id: &str, answer: Option<&str>) -> bool {
        let Some(open) = self.0.take(|open| open.question.id == id) else {
            return false;
        };
        open.close(answer.ok_or(Unanswered::Declined));
        self.0.tell();
        true
    }
}

impl Shared {
    fn take(&self, is_meant: impl Fn(&Open) -> bool) -> Option<Open> {
        let mut open = lock(&self.open);
        let at = open.iter().position(is_meant)?;
        Some(open.remove(at))
    }

    fn tell(&self) {
        if let Whom::Everybody(tell) = &self.whom {
            tell();
        }
    }

    /// Passes a question of a helper on, and returns when it is answered or has no purpose any more.
    fn ask(&self, login: &Arc<Mutex<Login>>, helper: UnixStream) {
        let Some((hint, text)) = read(&helper) else { return };
        let question = lock(login).asks(Prompt::parse(&hint, &text));
        let id = question.id.clone();
        let helper = Arc::new(helper);
        let asker = Asker::Waiting {
            login: Arc::clone(login),
            helper: Arc::clone(&helper),
        };
        let open = Open { question, asker };
        match &self.whom {
            Whom::One(ask) => match ask(&open.question) {
                Ok(text) => {
                    open.close(Ok(&text));
                    wipe(text.into_bytes());
                }
                Err(why) => open.close(Err(why)),
            },
            Whom::Everybody(tell) => {
                lock(&self.open).push(open);
                tell();
            }
        }
        self.attend(login, &id, &helper);
    }

    /// Waits until a question is answered, or the helper ends with its program.
    fn attend(&self, login: &Mutex<Login>, id: &str, helper: &UnixStream) {
        let take = || self.take(|open| open.question.id == id);
        let mut moments = 0;
        while moments < MOMENTS && !has_hung_up(helper) {
            moments += u32::from(lock(login).unanswered.is_some());
            if has_lost_its_peer(helper)
                && let Some(open) = take()
            {
                open.close(Err(Unanswered::TooLate));
                self.tell();
            }
        }
        // As when the user has touched a security key.
        if take().is_some() {
            lock(login).closed(None);
            self.tell();
        }
    }
}

impl Open {
    fn close(self, answer: Result<&str, Unanswered>) {
        match self.asker {
            Asker::Account(account) => account.answered(answer),
            Asker::Waiting { login, helper } => {
                let mut login = lock(&login);
                login.closed(answer.err());
                match answer {
                    Ok(text) => pass_answer(&helper, text.as_bytes()),
                    Err(_) => (login.give_up)(),
                }
            }
        }
    }
}

/// Lets go of bytes without leaving them in memory.
fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is valid whenever the lock is free.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
