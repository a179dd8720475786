//! Locks on content that hold for a while after their owner has died.
//!
//! A client that was promised that content stays relies on it, even if the server's process is killed a moment later. So the
//! lock comes with a time in a file beside the object (`.rtm`, written under the lock `.rtl`). Until then nobody removes
//! the content, as [`Store::try_lock_content_exclusive`] does not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Key;

use super::{ContentLock, Store};
use crate::Result;

/// How long content stays when the process that locked it has died, as git-annex promises it.
const RETENTION: Duration = Duration::from_secs(600);

/// A shared lock on content with its retention. Dropped, both end at once.
#[derive(Debug)]
pub struct RetainedLock {
    lock: Option<ContentLock>,
    /// What was written into the file.
    until: String,
}

impl Store<'_> {
    /// As [`Store::lock_content_shared`]; and should this process die while it holds the lock, the content stays for ten
    /// minutes from now.
    pub fn lock_content_retained(&self, key: &Key) -> Result<Option<RetainedLock>> {
        let Some(lock) = self.lock_content_shared(key)? else {
            return Ok(None);
        };
        let until = SystemTime::now() + RETENTION;
        let since = until.duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = format!("{}.{:09}s", since.as_secs(), since.subsec_nanos());
        lock.retain(&until)?;
        Ok(Some(RetainedLock {
            lock: Some(lock),
            until,
        }))
    }
}

impl Drop for RetainedLock {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            // What stays behind keeps the content for too long, never for too short.
            let _ = lock.end_retention(&self.until);
        }
    }
}
