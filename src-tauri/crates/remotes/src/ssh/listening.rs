//! Hearing of changes on another computer, without asking.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use model::Oid;

use super::sessions::Permit;

/// The longest line that is read, in bytes: a repository with very many refs lists all of them at first.
const LONGEST: u64 = 1 << 20;

/// A session of `notifychanges`. Dropped, it ends.
pub struct Listening {
    child: Child,
    is_over: Arc<AtomicBool>,
    _permit: Permit,
}

impl Listening {
    /// Runs `command`, and calls `heard` with the objects that refs there have moved to, and with none once it has ended. None
    /// if it cannot be run.
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
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let listen = move || {
            let mut out = BufReader::new(out);
            let mut line = String::new();
            while let Ok(1..) = (&mut out).take(LONGEST).read_line(&mut line) {
                if let Some(ids) = line.trim_end().strip_prefix("CHANGED ") {
                    let ids: Vec<Oid> = ids.split(' ').filter_map(Oid::parse).collect();
                    if !ids.is_empty() {
                        heard(ids);
                    }
                }
                line.clear();
            }
            over.store(true, Ordering::Relaxed);
            heard(Vec::new());
        };
        thread::Builder::new().name("listening".to_owned()).spawn(listen).ok()?;
        Some(Self {
            child,
            is_over,
            _permit: permit,
        })
    }

    /// What is true once nothing is heard any more, and gone once nobody listens.
    pub(super) fn over(&self) -> &Arc<AtomicBool> {
        &self.is_over
    }

    /// True once nothing is heard any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
