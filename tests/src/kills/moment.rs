//! When the engines are killed.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

use crate::Chance;

/// How the names in a git directory begin that a moment may wait for, and how many events of such names there are in two
/// or three writes: git's index, its lock, the new index, the part that is shared, and its file before it has its name.
const NAMES: [(&str, usize); 5] = [
    ("index", 12),
    ("index.lock", 5),
    ("index.anabranch", 5),
    ("sharedindex.", 1),
    (".anabranch-", 3),
];

/// How long a moment may wait for a name: some moments don't come.
const PATIENCE: Duration = Duration::from_secs(1);

/// When the engines are killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// So long after they were started.
    AfterStart(Duration),
    /// So long after both were up.
    WhileUp(Duration),
    /// So long after a name that begins so was made, written, moved or removed for the `nth` time at one end, or a
    /// second after the start.
    Named {
        end: usize,
        name: &'static str,
        nth: usize,
        later: Duration,
    },
}

impl Moment {
    pub(super) fn by(chance: &mut Chance) -> Moment {
        let milliseconds = |chance: &mut Chance, end| Duration::from_millis(chance.below(end) as u64);
        match chance.below(100) {
            0..50 => {
                let (name, most) = *chance.pick(&NAMES);
                Moment::Named {
                    end: chance.below(2),
                    name,
                    nth: 1 + chance.below(most),
                    later: match chance.happens(50) {
                        true => Duration::ZERO,
                        false => Duration::from_micros(chance.below(2_000) as u64),
                    },
                }
            }
            50..70 => Moment::AfterStart(milliseconds(chance, 400)),
            _ => Moment::WhileUp(milliseconds(chance, 500)),
        }
    }

    pub(super) fn is_while_up(self) -> bool {
        matches!(self, Moment::WhileUp(_))
    }

    /// Begins to watch for the moment.
    pub(super) fn watch(self, clones: &[PathBuf; 2]) -> Watched {
        let began = Instant::now();
        match self {
            Moment::AfterStart(after) | Moment::WhileUp(after) => Watched::Until(began + after),
            Moment::Named { end, name, nth, later } => {
                let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
                let changes = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVE | WatchFlags::DELETE;
                add_watch(&events, clones[end].join(".git"), changes).unwrap();
                Watched::Events {
                    events,
                    name,
                    nth,
                    later,
                    until: began + PATIENCE,
                }
            }
        }
    }
}

/// A moment that is being watched for.
pub(super) enum Watched {
    Until(Instant),
    Events {
        events: OwnedFd,
        name: &'static str,
        nth: usize,
        later: Duration,
        until: Instant,
    },
}

impl Watched {
    /// Waits for the moment, but no longer than a moment may take. Whether the index was being written then.
    pub(super) fn wait(self) -> bool {
        let Watched::Events {
            events,
            name,
            nth,
            later,
            until,
        } = self
        else {
            let Watched::Until(moment) = self else { return false };
            thread::sleep(moment.saturating_duration_since(Instant::now()));
            return false;
        };
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(&events, &mut buffer);
        let mut seen = 0;
        while seen < nth {
            match reader.next() {
                Ok(event) => {
                    let is_meant = |found: &CStr| found.to_bytes().starts_with(name.as_bytes());
                    seen += usize::from(event.file_name().is_some_and(is_meant));
                }
                Err(Errno::AGAIN) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let left = Timespec::try_from(left).expect("because it is a second at most");
                    poll(&mut [PollFd::new(&events, PollFlags::IN)], Some(&left)).unwrap();
                }
                Err(error) => panic!("no events: {error}"),
            }
        }
        thread::sleep(later);
        true
    }
}
