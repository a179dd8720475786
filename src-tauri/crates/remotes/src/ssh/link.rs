//! The network connection of an ssh: whether the other computer still answers.
//!
//! The socket is ssh's own (pidfd_getfd(2)). Where the system lets nobody have it, nothing is known.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use rustix::net::{SocketType, getpeername, getsockname, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// How long the other end may leave data unconfirmed before the kernel ends the connection, in milliseconds.
const UNCONFIRMED: u32 = 20_000;
/// How long the other end may be silent before the kernel asks it.
const IDLE: Duration = Duration::from_secs(60);
/// The same while somebody waits for what comes.
const WAITED_FOR: Duration = Duration::from_secs(5);
/// The same when the answer itself is wanted: the shortest that there is.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often it is asked again.
const AGAIN: Duration = Duration::from_secs(2);
/// The clock of the kernel goes by steps.
const STEP: Duration = Duration::from_millis(20);

/// The TCP sockets of an ssh. Kept only for a moment: no connection ends while somebody has its socket.
#[derive(Default)]
pub(super) struct Link(Vec<OwnedFd>);

impl Link {
    /// Those of a process and of what it has started, as for a `ProxyJump`.
    pub(super) fn of(process: Pid) -> Self {
        let mut sockets = Vec::new();
        collect(process, &mut sockets);
        Self(sockets)
    }

    /// Those of a process alone. What it has started for a `ProxyJump` only leads to the computer between.
    pub(super) fn direct(process: Pid) -> Self {
        Self(sockets(process))
    }

    /// The shortest time that an answer took of late, as the kernel has measured it on what was sent anyway; none if nothing is known.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        let [socket] = self.0.as_slice() else { return None };
        let measured = facts(socket)?.tcpi_min_rtt;
        // The kernel says so if it has measured nothing.
        (measured != u32::MAX).then(|| Duration::from_micros(measured.into()))
    }

    /// True if nothing is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses of this computer that it uses.
    pub(super) fn local_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let address = |socket| SocketAddr::try_from(getsockname(socket).ok()?).ok();
        self.0.iter().filter_map(address).map(|address| address.ip())
    }

    /// Has the kernel end the connection soon after the other computer has gone; sooner while somebody waits for it.
    pub(super) fn watch(&self, is_waited_for: bool) {
        self.ask_after(if is_waited_for { WAITED_FOR } else { IDLE });
    }

    /// Has the kernel ask the other computer when it was silent for this long.
    fn ask_after(&self, idle: Duration) {
        for socket in &self.0 {
            // Without them, ssh notices by itself, later.
            let _ = sockopt::set_tcp_user_timeout(socket, UNCONFIRMED);
            let _ = sockopt::set_tcp_keepintvl(socket, AGAIN);
            let _ = sockopt::set_tcp_keepidle(socket, idle);
            let _ = sockopt::set_socket_keepalive(socket, true);
        }
    }

    /// Asks the other computer. True if it answers within `patience`.
    pub(super) fn answers(&self, patience: Duration) -> bool {
        let asked = Instant::now();
        self.ask_after(AT_ONCE);
        let has_answered = |socket| {
            let heard = facts(socket).map(|facts| Duration::from_millis(facts.tcpi_last_ack_recv.into()));
            heard.is_some_and(|heard| heard + STEP < asked.elapsed())
        };
        loop {
            thread::sleep(STEP * 2);
            if self.0.iter().all(has_answered) {
                return true;
            }
            if asked.elapsed() > patience {
                return false;
            }
        }
    }
}

fn collect(process: Pid, sockets: &mut Vec<OwnedFd>) {
    let number = process.as_raw_nonzero();
    sockets.extend(self::sockets(process));
    let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    for child in children.filter_map(Pid::from_raw) {
        collect(child, sockets);
    }
}

fn sockets(process: Pid) -> Vec<OwnedFd> {
    let (Ok(pidfd), Ok(open)) = (
        pidfd_open(process, PidfdFlags::empty()),
        fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())),
    ) else {
        return Vec::new();
    };
    let open = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let taken = open.filter_map(|fd| pidfd_getfd(&pidfd, fd, PidfdGetfdFlags::empty()).ok());
    taken.filter(is_tcp).collect()
}

fn is_tcp(socket: &OwnedFd) -> bool {
    sockopt::socket_type(socket).is_ok_and(|kind| kind == SocketType::STREAM)
        && matches!(getpeername(socket), Ok(Some(peer)) if SocketAddr::try_from(peer.clone()).is_ok())
}

#[allow(unsafe_code)]
fn facts(socket: &OwnedFd) -> Option<libc::tcp_info> {
    // SAFETY: zeros are a valid value of each of its numbers.
    let mut facts: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: getsockopt(2) writes at most `length` bytes there.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut facts).cast(),
            &raw mut length,
        )
    };
    (failed == 0).then_some(facts)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::process::{Signal, kill_process_group};

    use super::*;

    #[test]
    fn the_socket_of_a_child_of_a_child_is_found_and_tells_whether_its_peer_answers() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_there, _) = listener.accept().unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "sleep 100; true"])
            .stdin(Stdio::from(OwnedFd::from(here)))
            .process_group(0);
        let mut shell = shell.spawn().unwrap();
        let process = Pid::from_raw(shell.id().cast_signed()).unwrap();
        let found = || Link::of(process).0.len();
        // Its own, and that of what it has started.
        while found() < 2 {
            thread::sleep(Duration::from_millis(5));
        }
        let link = Link::of(process);
        assert!(link.local_addresses().all(|address| address == Ipv4Addr::LOCALHOST));
        assert!(link.answers(Duration::from_secs(5)));
        assert_eq!(link.round_trip(), None, "nobody knows which one it is");
        let measured = Link::direct(process).round_trip().unwrap();
        assert!(measured < Duration::from_secs(5), "{measured:?}");
        link.watch(true);
        assert_eq!(sockopt::tcp_keepidle(&link.0[0]).unwrap(), WAITED_FOR);
        kill_process_group(process, Signal::KILL).unwrap();
        shell.wait().unwrap();
        assert!(Link::of(process).is_unknown());
    }
}
