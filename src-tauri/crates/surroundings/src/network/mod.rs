//! How this computer is connected to others, from the kernel: works on every Linux desktop, and on none.

mod netlink;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::sync::watch;

use netlink::Route;

/// A change of the network comes in many steps. They are seen as one once there was none for this long.
const BURST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// How long to wait for its end.
const LONGEST: Duration = Duration::from_secs(4);
/// The clocks that tell of sleep are not read at the same moment.
const SLEEP: Duration = Duration::from_secs(1);

/// How this computer is connected to others, and how long it has slept. Equal as long as nothing that can matter to a
/// connection has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    addresses: BTreeSet<IpAddr>,
    routes: BTreeSet<Route>,
    /// Since the start of the system.
    slept: Duration,
}

impl Network {
    /// True if a connection from this address of ours cannot work any more, since the address is gone.
    #[must_use]
    pub fn lacks(&self, address: IpAddr) -> bool {
        !stays(address) && !self.addresses.contains(&address.to_canonical())
    }

    fn now(slept: Duration) -> io::Result<Self> {
        let mut addresses = netlink::addresses()?;
        addresses.retain(|address| !stays(*address));
        Ok(Self {
            addresses,
            routes: netlink::default_routes()?,
            slept,
        })
    }
}

/// True for an address that says nothing of a network: every computer has it, or gives it to itself.
fn stays(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}

/// Follows the addresses and default routes, and sleep, by a thread that sleeps until the kernel reports a change, and ends with
/// the first one that nobody listens to.
///
/// # Errors
///
/// If the kernel lets nobody listen.
pub fn watch_network() -> io::Result<watch::Receiver<Arc<Network>>> {
    // Listened to before anything is read: no change falls between.
    let sources = Sources {
        changes: netlink::listen()?,
        clock: clock_changes()?,
    };
    let (sender, network) = watch::channel(Arc::new(Network::now(time_asleep())?));
    std::thread::Builder::new()
        .name("network".into())
        .spawn(move || follow(&sources, &sender))?;
    Ok(network)
}

struct Sources {
    changes: OwnedFd,
    /// Readable after the clock was set, as it is when the system resumes from sleep.
    clock: OwnedFd,
}

impl Sources {
    /// Waits until something was reported; false if nothing was in this time.
    fn wait(&self, at_most: Option<&Timespec>) -> io::Result<bool> {
        let mut sources = [&self.changes, &self.clock].map(|source| PollFd::new(source, PollFlags::IN));
        match poll(&mut sources, at_most) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // The whole state is read afterwards.
        netlink::discard(&self.changes)?;
        let mut expirations = [0; 8];
        // Canceled, or not readable.
        let _ = rustix::io::read(&self.clock, &mut expirations);
        Ok(true)
    }
}

fn follow(sources: &Sources, sender: &watch::Sender<Arc<Network>>) {
    while sources.wait(None).is_ok() {
        let begun = Instant::now();
        while begun.elapsed() < LONGEST && sources.wait(Some(&BURST)).unwrap_or(false) {}
        if sender.is_closed() {
            return;
        }
        let before = sender.borrow().slept;
        let slept = Some(time_asleep()).filter(|slept| *slept > before + SLEEP);
        let Ok(network) = Network::now(slept.unwrap_or(before)) else {
            return;
        };
        if **sender.borrow() != network {
            sender.send_replace(Arc::new(network));
        }
    }
}

/// How long this computer has slept since its start: one clock goes on meanwhile, the other does not.
fn time_asleep() -> Duration {
    let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    read(ClockId::Boottime).saturating_sub(read(ClockId::Monotonic))
}

/// A timer that never ends, but is readable whenever the clock was set.
fn clock_changes() -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let never = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        },
    };
    timerfd_settime(
        &timer,
        TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET,
        &never,
    )?;
    Ok(timer)
}

#[cfg(test)]
mod tests;
