//! A network between this computer and another one, as bad as a test wants it. Each end is a network namespace, and the wire
//! between them is a program.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};

use crate::{Chance, run};

/// The address of the other computer.
pub const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// How much a router on the way keeps back before it drops packets, in time.
const BACKLOG: Duration = Duration::from_millis(500);
const WIRE: &str = "wire";

/// How good a wire is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quality {
    /// How long each way takes.
    pub delay: Duration,
    /// How much passes in a second each way, in bytes; none if that is not limited.
    pub rate: Option<u64>,
    /// How many of a hundred packets are lost.
    pub loss: usize,
    /// True if nothing passes and nobody is told.
    pub is_cut: bool,
}

/// A network with two ends: this thread and all that it starts, and where [`Network::enter_far_end`] leads.
pub struct Network {
    far: File,
    quality: Arc<Mutex<Quality>>,
    passed: [Arc<AtomicU64>; 2],
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Network {
    /// Moves this thread into a network of its own that leads only to [`FAR`]. Only root can do that. Its address there is
    /// still to be set by [`Network::set_address`].
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Network {
        let (far, there) = std::thread::spawn(|| {
            let end = begin_end();
            ip(&format!("addr add {FAR}/24 dev {WIRE}"));
            (File::open("/proc/thread-self/ns/net").unwrap(), end)
        })
        .join()
        .unwrap();
        let here = begin_end();
        let quality = Arc::<Mutex<Quality>>::default();
        let passed = [Arc::<AtomicU64>::default(), Arc::default()];
        let is_over = Arc::<AtomicBool>::default();
        let mut threads = Vec::new();
        for (from, to, passed) in [(&here, &there, &passed[0]), (&there, &here, &passed[1])] {
            let way = Way {
                quality: Arc::clone(&quality),
                passed: Arc::clone(passed),
                is_over: Arc::clone(&is_over),
            };
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (send, receive) = mpsc::channel();
            threads.push(std::thread::spawn(move || way.take(from, &send)));
            threads.push(std::thread::spawn(move || deliver(to, &receive)));
        }
        Network {
            far,
            quality,
            passed,
            is_over,
            threads,
        }
    }

    /// Moves this thread to the other end.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn enter_far_end(&self) {
        setns(self.far.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Gives this end an address, `192.0.2.NUMBER`, in the place of those that it has; none takes it off the network.
    pub fn set_address(&self, number: Option<u8>) {
        ip(&format!("addr flush dev {WIRE}"));
        if let Some(number) = number {
            ip(&format!("addr add 192.0.2.{number}/24 dev {WIRE}"));
        }
    }

    /// Gives this end one more address.
    pub fn add_address(&self, number: u8) {
        ip(&format!("addr add 192.0.2.{number}/24 dev {WIRE}"));
    }

    /// Makes the wire this good from now on.
    pub fn set(&self, quality: Quality) {
        *self.quality.lock().unwrap() = quality;
    }

    /// How many bytes have arrived at the other end, and at this one, with all that the protocols add.
    #[must_use]
    pub fn passed(&self) -> [u64; 2] {
        [&self.passed[0], &self.passed[1]].map(|passed| passed.load(Ordering::Relaxed))
    }
}

impl Default for Network {
    fn default() -> Network {
        Network::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One direction.
struct Way {
    quality: Arc<Mutex<Quality>>,
    passed: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Way {
    /// Takes packets, and decides what becomes of them.
    fn take(&self, mut from: File, send: &mpsc::Sender<(Instant, Vec<u8>)>) {
        let mut chance = Chance::from_seed(7);
        let mut free_at = Instant::now();
        let mut buffer = [0; 2048];
        while !self.is_over.load(Ordering::Relaxed) {
            let mut waited = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
            if poll(&mut waited, PollTimeout::from(100_u8)).unwrap_or(0) == 0 {
                continue;
            }
            let Ok(length) = from.read(&mut buffer) else { continue };
            let quality = *self.quality.lock().unwrap();
            let now = Instant::now();
            free_at = free_at.max(now);
            if quality.is_cut || chance.below(100) < quality.loss || free_at > now + BACKLOG {
                continue;
            }
            if let Some(rate) = quality.rate {
                free_at += Duration::from_secs_f64(length as f64 / rate as f64);
            }
            self.passed.fetch_add(length as u64, Ordering::Relaxed);
            let _ = send.send((free_at + quality.delay, buffer[..length].to_vec()));
        }
    }
}

fn deliver(mut to: File, receive: &mpsc::Receiver<(Instant, Vec<u8>)>) {
    for (due, packet) in receive {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // The end may be down.
        let _ = to.write(&packet);
    }
}

/// Moves this thread into a new network, and returns the wire that leads out of it.
#[allow(unsafe_code)]
fn begin_end() -> File {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let wire = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    // SAFETY: zeros are a valid value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(WIRE.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request is what this call reads and writes.
    let failed = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&wire), TUNSETIFF, &raw mut request) };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
    ip("link set lo up");
    ip(&format!("link set {WIRE} up"));
    wire
}

fn ip(words: &str) {
    run(Command::new("ip").args(words.split(' ')));
}
