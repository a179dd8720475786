//! What programs ask when they log in: passwords, passphrases, and whether an unknown computer is the right one.
//!
//! ssh and git start a program to ask (ssh(1), `SSH_ASKPASS`). Here that is a link to our own, in a directory of each login
//! that only the user can enter, beside a socket. It passes the question on to this process, which keeps it among
//! [`Questions`] until somebody answers. Nothing secret is an argument, in an environment or stored.

mod helper;
mod login;
mod peer;
mod prompt;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use login::{Login, has_hung_up, prepare, read};
use peer::has_lost_its_peer;

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

/// The questions of all logins of this process.
#[derive(Clone)]
pub struct Questions(Arc<Shared>);

struct Shared {
    directory: Result<PathBuf, String>,
    program: PathBuf,
    whom: Whom,
    open: Mutex<Vec<Open>>,
    logins: AtomicU64,
}

struct Open {
    question: Question,
    login: Arc<Mutex<Login>>,
    /// The helper that waits.
    helper: Arc<UnixStream>,
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
            logins: AtomicU64::new(0),
        }))
    }

    /// Has a program ask here when it logs in at `place`, for as long as the returned value exists. If a question gets no
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
        let parent = self.0.directory.as_ref().map_err(Clone::clone)?;
        let number = self.0.logins.fetch_add(1, Ordering::Relaxed);
        // The path must be short (unix(7)).
        let directory = parent.join(format!("ask{}-{number}", std::process::id()));
        let failed = |error: io::Error| format!("could not make {}: {error}", directory.display());
        let listener = prepare(parent, &directory, &self.0.program).map_err(failed)?;
        let login = Login::begin(place, give_up);
        let asking = Asking {
            directory,
            listener: Arc::new(listener),
            login: Arc::new(Mutex::new(login)),
        };
        let (shared, login, listener) = (self.0.clone(), asking.login.clone(), asking.listener.clone());
        thread::Builder::new()
            .name("askpass".to_owned())
            .spawn(move || {
                // One after the other: nobody can answer two at once.
                while let Ok((helper, _)) = listener.accept() {
                    shared.ask(&login, helper);
                }
            })
            .map_err(|error| format!("could not start a thread: {error}"))?;
        let helper = asking.directory.join(NAME);
        command
            .env("SSH_ASKPASS", &helper)
            // Also where there is a terminal.
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("GIT_ASKPASS", &helper)
            .env("GIT_TERMINAL_PROMPT", "0");
        Ok(asking)
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
        let open = Open {
            question,
            login: Arc::clone(login),
            helper: Arc::clone(&helper),
        };
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
        if let Some(open) = take() {
            lock(&open.login).closed(None);
            self.tell();
        }
    }
}

impl Open {
    fn close(self, answer: Result<&str, Unanswered>) {
        let mut login = lock(&self.login);
        login.closed(answer.err());
        let Ok(text) = answer else {
            return (login.give_up)();
        };
        let mut helper = &*self.helper;
        let answer = [&[AGREED], text.as_bytes()].concat();
        // If it has ended, so has its program.
        let _ = helper.write_all(&answer);
        wipe(answer);
        let _ = helper.shutdown(std::net::Shutdown::Both);
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
