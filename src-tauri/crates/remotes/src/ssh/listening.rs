//! Hearing of changes on another computer, without asking.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use model::Oid;
use p2p::{Behind, News};

use super::connection::lock;
use super::sessions::Permit;

/// The longest line that is read, in bytes: a repository with very many refs lists all of them at first.
const LONGEST: u64 = 1 << 20;

/// What is known of the other end as long as somebody listens.
#[derive(Debug, Default)]
pub(super) struct Known {
    is_over: AtomicBool,
    behind: Mutex<Option<Behind>>,
}

impl Known {
    /// The last reason that the other end gave for files that wait. The outer option is none once it tells nothing any more.
    pub(super) fn behind(&self) -> Option<Option<Behind>> {
        (!self.is_over.load(Ordering::Relaxed)).then(|| lock(&self.behind).clone())
    }
}

/// A session of `notifychanges`. Dropped, it ends.
pub struct Listening {
    child: Child,
    known: Arc<Known>,
    _permit: Permit,
}

impl Listening {
    /// Runs `command`, and calls `heard` with the objects that refs there have moved to; with none if the files there begin or
    /// cease to wait, and once it has ended. None if it cannot be run.
    pub(crate) fn begin(
        mut command: Command,
        mut permit: Permit,
        heard: impl Fn(Vec<Oid>) + Send + 'static,
    ) -> Option<Self> {
        // The other end listens until its input ends.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        permit.is_for(&child);
        let out = child.stdout.take()?;
        let known = Arc::<Known>::default();
        let told = Arc::clone(&known);
        let listen = move || {
            let mut out = BufReader::new(out);
            let mut line = Vec::new();
            while let Ok(1..) = (&mut out).take(LONGEST).read_until(b'\n', &mut line) {
                match News::parse(line.trim_ascii_end()) {
                    Some(News::Changed(ids)) if !ids.is_empty() => heard(ids),
                    Some(News::Merged(behind)) => {
                        *lock(&told.behind) = behind;
                        heard(Vec::new());
                    }
                    Some(News::Ready | News::Changed(_)) | None => {}
                }
                line.clear();
            }
            told.is_over.store(true, Ordering::Relaxed);
            heard(Vec::new());
        };
        thread::Builder::new().name("listening".to_owned()).spawn(listen).ok()?;
        Some(Self {
            child,
            known,
            _permit: permit,
        })
    }

    /// What is known of the other end. Gone once nobody listens.
    pub(super) fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// True once nothing is heard any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.known.is_over.load(Ordering::Relaxed)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
