//! What an engine says and waits for when a test fails beside it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an engine may take to answer.
const MOMENT: Duration = Duration::from_secs(2);

/// The status of an engine's folders, as far as it answers, and where each of its threads waits.
pub(crate) fn of(process: u32, folders: &[PathBuf]) -> String {
    let statuses = folders.iter().map(|folder| {
        let status = status(folder).unwrap_or_else(|| "no answer".to_owned());
        format!("status of {}: {status}", folder.display())
    });
    let lines: Vec<String> = statuses.chain(threads(process)).collect();
    lines.join("\n")
}

fn status(folder: &Path) -> Option<String> {
    let git_dirs = [folder.join(".git"), folder.to_owned()];
    let notes = git_dirs.map(|git_dir| fs::read_to_string(git_dir.join("anabranch/engine")));
    let socket = notes.into_iter().find_map(Result::ok)?;
    let mut stream = UnixStream::connect(socket.trim_end()).ok()?;
    stream.set_read_timeout(Some(MOMENT)).ok()?;
    writeln!(stream, r#""status""#).ok()?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).ok()?;
    Some(reply.trim_end().to_owned())
}

/// The name of each thread and the kernel function that it waits in, with the whole stack if root asks.
fn threads(process: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let describe = |task: &Path| {
        let read = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
        let (name, waits, stack) = (read("comm"), read("wchan"), read("stack"));
        format!("thread {} waits in {waits}\n{stack}", name.trim_end())
    };
    tasks.map(|task| describe(&task.path())).collect()
}
