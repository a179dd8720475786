//! Running a program that talks to another computer: one that falls silent is given up, and so is one that nobody waits for
//! any more.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal, setsid};

/// How often a wait looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(100);
/// How long a program has to clean up before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How much of what it says is kept, in bytes. More is too much from any server.
const MOST: usize = 64 << 20;

/// Runs a program to its end, or until it has said nothing for as long as `silence`, or `cancelled` is set. Then it ends with
/// all that it has started.
///
/// # Errors
///
/// `TimedOut` if it fell silent, `Interrupted` if it was cancelled.
pub(super) fn run(mut command: Command, silence: Duration, cancelled: &AtomicBool) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    stands_alone(&mut command);
    let mut child = command.spawn()?;
    let (say, said) = mpsc::channel();
    pass_on(child.stdout.take(), Stream::Out, say.clone());
    pass_on(child.stderr.take(), Stream::Err, say);
    let mut heard = [Vec::new(), Vec::new()];
    let listened = listen(&mut child, &said, &mut heard, silence, cancelled);
    if listened.is_err() {
        end(&mut child);
    }
    let status = child.wait()?;
    listened?;
    let [stdout, stderr] = heard;
    Ok(Output { status, stdout, stderr })
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Takes a program from our terminal, where it might ask, into a session and group of its own, so that what it starts can be
/// ended with it. Has it end with the thread that starts it, and so when this process is killed.
#[allow(unsafe_code)]
pub fn stands_alone(command: &mut Command) {
    // SAFETY: setsid(2) and prctl(2) are the only calls between fork and exec; they allocate nothing and take no lock.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
        });
    }
}

fn pass_on(from: Option<impl Read + Send + 'static>, stream: Stream, say: Sender<(Stream, Vec<u8>)>) {
    let Some(mut from) = from else { return };
    thread::spawn(move || {
        let mut part = vec![0; 32 << 10];
        while let Ok(length @ 1..) = from.read(&mut part) {
            if say.send((stream, part[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// Collects what the program says until it says no more.
fn listen(
    child: &mut Child,
    said: &Receiver<(Stream, Vec<u8>)>,
    heard: &mut [Vec<u8>; 2],
    silence: Duration,
    cancelled: &AtomicBool,
) -> io::Result<()> {
    let mut last = Instant::now();
    loop {
        match said.recv_timeout(LOOK) {
            Ok((stream, part)) => {
                last = Instant::now();
                let all = &mut heard[stream as usize];
                all.extend_from_slice(&part);
                if all.len() > MOST {
                    return Err(io::Error::new(ErrorKind::InvalidData, "the answer has no end"));
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                // What it has started may outlive it, and hold the other end.
                if last.elapsed() > GRACE && child.try_wait()?.is_some() {
                    return Ok(());
                }
            }
        }
        if cancelled.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        if last.elapsed() > silence {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}

/// Ends a program and all that it has started. git removes what it has begun to write.
fn end(child: &mut Child) {
    let Some(group) = Pid::from_raw(child.id().cast_signed()) else {
        return;
    };
    let _ = kill_process_group(group, Signal::TERM);
    let asked = Instant::now();
    while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(Duration::from_millis(20));
    }
    // If it is gone, others of its group may not be.
    let _ = kill_process_group(group, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn what_a_program_says_is_told_apart() {
        let ran = run(shell("echo out; echo err >&2; exit 3"), LONG, &AtomicBool::new(false)).unwrap();
        assert_eq!(
            (ran.status.code(), &*ran.stdout, &*ran.stderr),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn a_silent_program_is_ended_with_all_that_it_has_started() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        // While the sleeper lives, it holds the pipe open.
        let script = format!("sleep 100 > '{}' & echo started; wait", pipe.display());
        let reading = thread::spawn(move || std::fs::read(pipe));
        let begun = Instant::now();
        let error = run(shell(&script), Duration::from_millis(300), &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(reading.join().unwrap().unwrap(), b"");
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn a_program_that_says_something_is_not_silent() {
        let script = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done";
        let ran = run(shell(script), Duration::from_millis(500), &AtomicBool::new(false)).unwrap();
        assert_eq!(ran.stdout.len(), 12);
    }

    #[test]
    fn a_program_that_nobody_waits_for_ends() {
        let cancelled = AtomicBool::new(false);
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                cancelled.store(true, Ordering::Relaxed);
            });
            run(shell("trap '' TERM; sleep 100; sleep 100"), LONG, &cancelled).unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}
