//! A program that logs in, and the helper that it asks by.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::Shutdown;
use rustix::time::Timespec;

use super::{ID, NAME, Prompt, Question, SOCKET, Unanswered, lock};

/// The longest question, in bytes.
const LONGEST: u64 = 16 << 10;
/// How long the helper may take to pass its question on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to check whether a question still has a purpose.
const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// One program that logs in, and may ask meanwhile.
pub struct Asking {
    pub(super) directory: PathBuf,
    pub(super) listener: Arc<UnixListener>,
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
        Question {
            id: format!("{ID}{:016x}", RandomState::new().build_hasher().finish()),
            place: self.place.clone(),
            prompt,
            is_repeated,
        }
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

impl Drop for Asking {
    fn drop(&mut self) {
        // Its thread ends then.
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Both);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Makes the directory of a login, with a link to the program and a socket.
pub(super) fn prepare(parent: &Path, directory: &Path, program: &Path) -> io::Result<UnixListener> {
    // Left by a process that was killed and had the same number.
    let _ = fs::remove_dir_all(directory);
    for (directory, may_exist) in [(parent, true), (directory, false)] {
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(may_exist)
            .create(directory)?;
    }
    symlink(program, directory.join(NAME))?;
    UnixListener::bind(directory.join(SOCKET))
}

/// What a helper has to ask: a hint, and the question itself.
pub(super) fn read(helper: &UnixStream) -> Option<(String, String)> {
    helper.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut said = BufReader::new(helper.take(LONGEST));
    let mut part = || {
        let mut bytes = Vec::new();
        said.read_until(0, &mut bytes).ok()?;
        (bytes.pop() == Some(0)).then(|| String::from_utf8_lossy(&bytes).into_owned())
    };
    Some((part()?, part()?))
}

/// Waits for a moment; true if the helper has ended, or was answered.
pub(super) fn has_hung_up(helper: &UnixStream) -> bool {
    let mut waited = [PollFd::new(helper, PollFlags::IN)];
    match poll(&mut waited, Some(&LOOK)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => false,
        Ok(_) | Err(_) => true,
    }
}
