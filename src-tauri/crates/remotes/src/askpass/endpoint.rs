//! Where the helper of a program asks: a link to our own program beside a socket.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::{AGREED, NAME, SOCKET, Shared, wipe};

/// The longest question, in bytes.
const LONGEST: u64 = 16 << 10;
/// How long the helper may take to pass its question on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to check whether a question still has a purpose.
const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The directory of one program that may ask. It is gone when this is dropped.
pub(super) struct Endpoint {
    directory: PathBuf,
    listener: Arc<UnixListener>,
}

impl Endpoint {
    /// Makes one, and has a thread call `asks` with each helper that connects.
    pub(super) fn open(shared: &Shared, asks: impl Fn(UnixStream) + Send + 'static) -> Result<Self, String> {
        let parent = shared.directory.as_ref().map_err(Clone::clone)?;
        let number = shared.logins.fetch_add(1, Ordering::Relaxed);
        // The path must be short (unix(7)).
        let directory = parent.join(format!("ask{}-{number}", std::process::id()));
        let failed = |error: io::Error| format!("could not make {}: {error}", directory.display());
        let listener = prepare(parent, &directory, &shared.program).map_err(failed)?;
        let endpoint = Self {
            directory,
            listener: Arc::new(listener),
        };
        let listener = Arc::clone(&endpoint.listener);
        thread::Builder::new()
            .name("askpass".to_owned())
            .spawn(move || {
                while let Ok((helper, _)) = listener.accept() {
                    asks(helper);
                }
            })
            .map_err(|error| format!("could not start a thread: {error}"))?;
        Ok(endpoint)
    }

    /// The program that asks.
    pub(super) fn program(&self) -> PathBuf {
        self.directory.join(NAME)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Its thread ends then.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Passes an answer on to a helper. If it has ended, so has its program.
pub(super) fn pass_answer(mut helper: &UnixStream, text: &[u8]) {
    let answer = [&[AGREED], text].concat();
    let _ = helper.write_all(&answer);
    wipe(answer);
    let _ = helper.shutdown(Shutdown::Both);
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
