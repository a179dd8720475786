//! Messages to the watching thread, from users of a [`Watch`](super::Watch) and from threads that compare places.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};

use rustix::event::{EventfdFlags, eventfd};

use super::{WatchError, WatchedPlace};

/// A message to the watching thread.
pub(super) enum Message {
    /// Answered when the place is watched; without anybody to answer, the place is reported instead.
    Add(WatchedPlace, Option<SyncSender<()>>),
    Remove(PathBuf),
    /// Something was mounted there.
    Mounted(PathBuf),
    /// These differ from when they were compared before.
    Changed(Vec<PathBuf>),
    /// Answered when all that has happened before is passed on.
    Deliver(SyncSender<()>),
    /// This blind directory is to be looked through.
    Rescan(PathBuf),
    End,
    /// Keeps the thread busy.
    #[cfg(test)]
    Hold(Box<dyn FnOnce() + Send>),
}

/// Sends messages to the watching thread.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    sender: Sender<Message>,
    /// Readable when a message has come.
    pub(super) wake: Arc<OwnedFd>,
}

impl Messages {
    /// Creates a queue, and gives its end for the thread.
    pub(super) fn new() -> io::Result<(Self, Receiver<Message>)> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, inbox) = channel();
        Ok((Self { sender, wake }, inbox))
    }

    pub(super) fn tell(&self, message: Message) -> Result<(), WatchError> {
        self.sender.send(message).map_err(|_| WatchError::Ended)?;
        // It fails only if the thread has not noticed 2^64 messages yet.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        Ok(())
    }
}
