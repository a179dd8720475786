//! The state that the folders of one process share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use assistant::Direction;
use assistant::pacing::Limit;
use contract::Settings;
use remotes::Hosts;
use remotes::askpass::Whom;
use surroundings::{Circumstances, Network};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::login;
use crate::repository::hosts;

/// The restrictions that follow from settings and circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Holds {
    /// True if all folders pause.
    pub(crate) battery: bool,
    /// True if places on the network count as away.
    pub(crate) metered: bool,
}

impl Holds {
    pub(crate) fn of(settings: &Settings, now: Circumstances) -> Self {
        Self {
            battery: settings.pause_on_battery && now.on_battery,
            metered: settings.pause_on_metered && now.metered,
        }
    }
}

/// The state that the folders of one process share.
pub(crate) struct Process {
    clock: Clock,
    /// The speed limits of sending and of receiving.
    limits: Mutex<[Limit; 2]>,
    holds: watch::Sender<Holds>,
    /// Notified when the network has changed.
    network: watch::Sender<()>,
    /// The connections to other computers.
    hosts: Hosts,
    /// Changes with what logins there ask.
    questions: watch::Sender<()>,
}

impl Process {
    /// Creates a state without limits and holds. What logins ask is shown by the status of the folders.
    pub(crate) fn new() -> Self {
        let questions = watch::Sender::default();
        let tell = questions.clone();
        let whom = Whom::Everybody(Box::new(move || tell.send_replace(())));
        Self::asking(whom, questions)
    }

    /// Like [`Process::new`], but logins ask at the terminal.
    pub(crate) fn at_terminal() -> Self {
        Self::asking(Whom::One(Box::new(login::ask)), watch::Sender::default())
    }

    fn asking(whom: Whom, questions: watch::Sender<()>) -> Self {
        Self {
            clock: Clock::start(),
            limits: Mutex::new([Limit::new(None); 2]),
            holds: watch::Sender::default(),
            hosts: hosts(whom),
            questions,
            network: watch::Sender::default(),
        }
    }

    /// Applies settings under the current circumstances.
    pub(crate) fn follow(&self, settings: &Settings, now: Circumstances) {
        // A thread that panicked while holding the lock left valid limits.
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        *limits = [
            limits[0].with_rate(settings.limit_up),
            limits[1].with_rate(settings.limit_down),
        ];
        drop(limits);
        let holds = Holds::of(settings, now);
        self.holds
            .send_if_modified(|before| std::mem::replace(before, holds) != holds);
    }

    /// The holds, now and whenever they change.
    pub(crate) fn holds(&self) -> watch::Receiver<Holds> {
        self.holds.subscribe()
    }

    /// Takes note of how this computer is connected now.
    pub(crate) fn network_changed(&self, network: &Network) {
        self.hosts.network_changed(|address| network.lacks(address));
        self.network.send_replace(());
    }

    /// Notified whenever the network has changed.
    pub(crate) fn network(&self) -> watch::Receiver<()> {
        self.network.subscribe()
    }

    /// The connections to other computers.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Changes with what logins on other computers ask.
    pub(crate) fn questions(&self) -> watch::Receiver<()> {
        self.questions.subscribe()
    }

    /// Records that bytes passed; returns how long to wait before the next may pass.
    pub(crate) fn passed(&self, direction: Direction, bytes: u64) -> Duration {
        let which = match direction {
            Direction::Send => 0,
            Direction::Get => 1,
        };
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits[which].pass(self.clock.now(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circumstances_restrict_only_what_the_settings_say() {
        let settings = |battery, metered| Settings {
            pause_on_battery: battery,
            pause_on_metered: metered,
            ..Settings::default()
        };
        for (wanted, is) in [(false, false), (false, true), (true, false), (true, true)] {
            let now = Circumstances {
                on_battery: is,
                metered: is,
            };
            let both = wanted && is;
            let held = Holds::of(&settings(wanted, false), now);
            assert_eq!((held.battery, held.metered), (both, false));
            let held = Holds::of(&settings(false, wanted), now);
            assert_eq!((held.battery, held.metered), (false, both));
        }
    }

    #[test]
    fn all_folders_together_keep_to_the_limit() {
        let process = Process::new();
        let settings = Settings {
            limit_up: Some(1000),
            ..Settings::default()
        };
        assert_eq!(process.passed(Direction::Send, 5000), Duration::ZERO);
        process.follow(&settings, Circumstances::default());
        let first = process.passed(Direction::Send, 5000);
        let second = process.passed(Direction::Send, 5000);
        assert!(
            first > Duration::from_secs(4) && second > Duration::from_secs(8),
            "{first:?} {second:?}"
        );
        assert_eq!(process.passed(Direction::Get, 5000), Duration::ZERO);
    }
}
