//! Pauses: for a time, or for as long as the computer runs on battery.

use std::time::Duration;

use assistant::Event;
use contract::{Pause, PauseReason};

use super::Folder;
use crate::clock::wall_clock;

/// A pause that ends by itself is looked at so often: the clock that wakes this process stands still while the computer
/// sleeps.
const PAUSE_LOOK: Duration = Duration::from_secs(30);

impl Folder {
    /// The settings, or the circumstances, hold something that they did not hold, or the other way round.
    pub(super) fn held(&mut self) {
        let holds = *self.holds.borrow_and_update();
        match self.pause {
            None if holds.battery => {
                self.pause = Some(Pause {
                    reason: PauseReason::Battery,
                    until: None,
                });
                self.handle(Event::Paused);
            }
            Some(pause) if pause.reason == PauseReason::Battery && !holds.battery => self.resume(),
            None | Some(_) => {}
        }
        self.handle(Event::PlacesChanged);
    }

    pub(super) fn resume_if_due(&mut self) {
        let until = self.pause.and_then(|pause| pause.until);
        if until.is_some_and(|until| until <= wall_clock()) {
            self.resume();
        }
    }

    pub(super) fn resume(&mut self) {
        self.pause = None;
        self.handle(Event::Resumed);
    }
}

/// Waits until it is time to see whether a pause is over.
pub(super) async fn pause_ends(until: Option<u64>) {
    match until {
        Some(until) => {
            let left = Duration::from_secs(until.saturating_sub(wall_clock()));
            tokio::time::sleep(left.min(PAUSE_LOOK)).await;
        }
        None => std::future::pending().await,
    }
}
