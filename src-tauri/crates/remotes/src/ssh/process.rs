//! The process that holds a login: it ends with us, and what it says about a failure is kept.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use annex::exchange::stands_alone;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::connection::lock;

/// How much of what ssh says about a failure is kept.
const KEPT: usize = 8 << 10;

/// An `ssh` that was started; none once it has ended.
pub(super) type Process = Arc<Mutex<Option<Pid>>>;

/// Starts a process, and a thread that outlives it. `tell` gets true once it listens; false, or nothing more, if it has
/// ended. The returned receiver gets what it said about that.
pub(super) fn begin(
    mut command: Command,
    tell: mpsc::Sender<bool>,
) -> std::io::Result<(Process, mpsc::Receiver<String>)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A command of the user's may run ssh as a child, and a login that nobody knows of would stay for days.
    stands_alone(&mut command);
    let (started, start) = mpsc::channel();
    let (say, said) = mpsc::channel();
    thread::Builder::new().name("ssh".to_owned()).spawn(move || {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return drop(started.send(Err(error))),
        };
        let process = Arc::new(Mutex::new(Pid::from_raw(child.id().cast_signed())));
        let _ = started.send(Ok(Arc::clone(&process)));
        supervise(&mut child, &tell, &say);
        if let Some(process) = Pid::from_raw(child.id().cast_signed()) {
            let _ = waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        }
        // Once waited for, its number may become another process's.
        let mut ended = lock(&process);
        let _ = child.wait();
        *ended = None;
    })?;
    let process = start.recv().map_err(|_| std::io::ErrorKind::BrokenPipe)??;
    Ok((process, said))
}

/// Waits until a process ends.
fn supervise(child: &mut Child, tell: &mpsc::Sender<bool>, say: &mpsc::Sender<String>) {
    thread::scope(|scope| {
        if let Some(out) = child.stdout.take() {
            scope.spawn(move || {
                let _ = tell.send(says_connected(out));
            });
        }
        let Some(mut err) = child.stderr.take() else { return };
        let mut said = Vec::new();
        let mut part = [0; 1024];
        // Read to the end, so that it never waits for us.
        while let Ok(length @ 1..) = err.read(&mut part) {
            let room = KEPT.saturating_sub(said.len()).min(length);
            said.extend_from_slice(&part[..room]);
        }
        let _ = say.send(String::from_utf8_lossy(&said).into_owned());
    });
}

fn says_connected(out: ChildStdout) -> bool {
    let mut line = String::new();
    let mut out = BufReader::new(out.take(1024));
    // A shell's start-up files may say something of their own.
    while let Ok(1..) = out.read_line(&mut line) {
        if line == "connected\n" {
            return true;
        }
        line.clear();
    }
    false
}
