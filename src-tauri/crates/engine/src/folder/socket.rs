//! The socket of a running engine in `XDG_RUNTIME_DIR`, which takes and sends one line of JSON each.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annex::{Annex, SyncedBy};
use contract::{Command, Reply};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::Error;
use crate::runtime_directory::runtime_directory;

/// A command, and where to send its reply.
pub(crate) type Asked = (Command, oneshot::Sender<Reply>);

/// The longest line that can be a command.
const LINE: u64 = 64 * 1024;

/// How long to wait after a connection could not be accepted.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an engine may take to start or to end, and how often one looks whether it has.
const STARTS: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// The path of an engine's socket. Its name is made from the path of the repository, since two clones of one drive
/// image may have the same uuid.
pub(crate) fn socket_path(annex: &Annex) -> Result<PathBuf, Error> {
    let directory = runtime_directory()?;
    let place = annex.git_dir().as_os_str().as_encoded_bytes();
    let mark = place.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Ok(directory.join(format!("{mark:016x}")))
}

/// Listens at `path` and passes each command to the loop of the folder, until the returned set is dropped. `say` is
/// called when connections cannot be accepted.
pub(crate) fn listen(
    path: &Path,
    commands: mpsc::UnboundedSender<Asked>,
    say: impl Fn(String) + Send + 'static,
) -> Result<JoinSet<()>, Error> {
    // We hold the lock, so the previous listener is gone.
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(Error::Io {
                doing: "remove",
                path: path.to_owned(),
                source,
            });
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|source| Error::Io {
        doing: "listen at",
        path: path.to_owned(),
        source,
    })?;
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        let listener = &listener;
        let serve = |(stream, _)| drop(tokio::spawn(serve(stream, commands.clone())));
        take_in(|| listener.accept(), serve, say).await;
    });
    Ok(listening)
}

/// Accepts connections forever. Errors such as too many open files pass; each series of them is reported once.
async fn take_in<S, F: Future<Output = io::Result<S>>>(
    accept: impl Fn() -> F,
    serve: impl Fn(S),
    say: impl Fn(String),
) {
    let mut is_said = false;
    loop {
        match accept().await {
            Ok(stream) => {
                is_said = false;
                serve(stream);
            }
            Err(error) => {
                if !std::mem::replace(&mut is_said, true) {
                    say(format!("other programs cannot ask this engine just now: {error}"));
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn serve(stream: tokio::net::UnixStream, commands: mpsc::UnboundedSender<Asked>) {
    let (input, mut output) = stream.into_split();
    let mut line = Vec::new();
    let mut input = tokio::io::BufReader::new(input.take(LINE));
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line).await {
            Ok(length) if length > 0 => {}
            Ok(_) | Err(_) => return,
        }
        input.get_mut().set_limit(LINE);
        let reply = match serde_json::from_slice(&line) {
            Ok(command) => {
                let (sender, receiver) = oneshot::channel();
                if commands.send((command, sender)).is_err() {
                    return;
                }
                receiver
                    .await
                    .unwrap_or_else(|_| Reply::Refused("the engine is stopping".to_owned()))
            }
            Err(error) => Reply::Refused(format!("that is not a command: {error}")),
        };
        let Ok(mut text) = serde_json::to_vec(&reply) else {
            return;
        };
        text.push(b'\n');
        if output.write_all(&text).await.is_err() {
            return;
        }
    }
}

/// Sends a command to the engine of `annex`; none if no engine runs. Waits for one that is just starting or ending.
pub(crate) fn ask(annex: &Annex, command: &Command) -> Result<Option<Reply>, Error> {
    let find = || {
        Ok(match annex.synced_by()? {
            Some(SyncedBy::Engine(note)) => Some(PathBuf::from(note.trim_end())),
            Some(SyncedBy::Assistant) | None => None,
        })
    };
    let Some((stream, path)) = connect(find, |path| UnixStream::connect(path))? else {
        return Ok(None);
    };
    converse(stream, &path, command, patience(command)).map(Some)
}

/// Connects to the engine whose socket `find` finds, as soon as it listens; none if there is none any more.
fn connect<S>(
    find: impl Fn() -> Result<Option<PathBuf>, Error>,
    connect: impl Fn(&Path) -> io::Result<S>,
) -> Result<Option<(S, PathBuf)>, Error> {
    let began = Instant::now();
    loop {
        let Some(path) = find()? else { return Ok(None) };
        match connect(&path) {
            Ok(stream) => return Ok(Some((stream, path))),
            Err(error) if listens_soon(&error) && began.elapsed() < STARTS => std::thread::sleep(LOOK),
            Err(source) => return Err(unheard(&path, source)),
        }
    }
}

/// True for an error of connecting to an engine that holds its lock and does not listen. Its path is empty until it has left a
/// note.
fn listens_soon(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::InvalidInput | ErrorKind::NotFound
    )
}

/// Sends a command to the engine that has left its socket's path in this git directory, if it still runs.
pub(super) fn ask_at(git_dir: &Path, command: &Command) -> Result<Reply, Error> {
    let note = git_dir.join("anabranch").join("engine");
    let path = std::fs::read_to_string(&note).map_err(|source| unheard(&note, source))?;
    let path = PathBuf::from(path.trim_end());
    let stream = connect_at_once(&path).map_err(|source| unheard(&path, source))?;
    converse(stream, &path, command, patience(command))
}

/// Connects, unless so many wait for an engine that takes nobody in that one would have to wait for a place among them.
fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// How long to wait for the reply to a command; none for commands whose reply waits for all work in progress.
fn patience(command: &Command) -> Option<Duration> {
    let waits = matches!(command, Command::Sync | Command::Pause { .. });
    // git does without.
    let is_of_git = matches!(command, Command::ChangedSince { .. });
    (!waits).then_some(Duration::from_secs(if is_of_git { 3 } else { 30 }))
}

fn converse(
    mut stream: UnixStream,
    path: &Path,
    command: &Command,
    patience: Option<Duration>,
) -> Result<Reply, Error> {
    let failed = |source| unheard(path, source);
    stream.set_read_timeout(patience).map_err(failed)?;
    let mut text = serde_json::to_vec(command).map_err(|error| Error::Refused(error.to_string()))?;
    text.push(b'\n');
    stream.write_all(&text).map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(failed)?;
    serde_json::from_str(&line)
        .map_err(|_| Error::Refused("the engine stopped before it answered; try again".to_owned()))
}

fn unheard(path: &Path, source: std::io::Error) -> Error {
    if matches!(source.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return Error::Refused(
            "the engine is busy and has not answered yet; it may still do what you asked. Try again later".to_owned(),
        );
    }
    Error::Io {
        doing: "talk to the engine at",
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn git_does_not_wait_for_an_engine_that_takes_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let _first = connect_at_once(&path).unwrap();
        assert_eq!(connect_at_once(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn errors_of_accepting_connections_are_reported_once_and_pass() {
        let (tries, said) = (Cell::new(0), RefCell::new(Vec::new()));
        let accept = || {
            tries.set(tries.get() + 1);
            let number = tries.get();
            async move {
                match number {
                    1 | 2 => Err(io::Error::from(nix::errno::Errno::EMFILE)),
                    3 => Ok(()),
                    _ => std::future::pending().await,
                }
            }
        };
        let (serve, mut served) = mpsc::unbounded_channel();
        tokio::select! {
            () = take_in(accept, |()| serve.send(()).unwrap(), |what| said.borrow_mut().push(what)) => panic!("nobody is taken in any more"),
            asked = served.recv() => assert_eq!(asked, Some(())),
        }
        let said = said.into_inner();
        assert!(
            matches!(&said[..], [once] if once.contains("Too many open files")),
            "{said:?}"
        );
    }

    #[test]
    fn an_engine_that_is_starting_or_ending_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let tries = Cell::new(0);
        let find = || {
            tries.set(tries.get() + 1);
            Ok(Some(if tries.get() == 1 { PathBuf::new() } else { path.clone() }))
        };
        // The engine leaves its note after the first try, and listens after the third.
        let listener = RefCell::new(None);
        let connected = connect(find, |path| {
            let tried = UnixStream::connect(path);
            if tries.get() == 3 {
                listener.replace(Some(std::os::unix::net::UnixListener::bind(path)?));
            }
            tried
        });
        assert!(connected.unwrap().is_some());
        assert_eq!(tries.get(), 4);
        tries.set(0);
        let ends = || {
            tries.set(tries.get() + 1);
            Ok((tries.get() < 3).then(|| folder.path().join("nothing")))
        };
        let connected = connect(ends, |path| UnixStream::connect(path));
        assert!(connected.unwrap().is_none());
    }

    #[test]
    fn a_busy_engine_is_waited_for_or_reported() {
        let until = None;
        assert_eq!(
            patience(&Command::Pause { until }),
            None,
            "it waits for what is under way"
        );
        assert!(patience(&Command::Status).is_some());
        let (stream, _busy) = UnixStream::pair().unwrap();
        let asked = converse(
            stream,
            Path::new("/x"),
            &Command::Resume,
            Some(Duration::from_millis(1)),
        );
        let words = asked.unwrap_err().to_string();
        assert!(words.contains("is busy") && !words.contains("os error"), "{words}");
    }
}
