//! A server of git repositories by http, as far as git can tell: `git http-backend` behind a small server on this computer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::{Sandbox, run};

/// The user's name and password that a forge may want, and how they are sent.
const USER: (&str, &str, &str) = ("ann", "secret", "Basic YW5uOnNlY3JldA==");

/// What it wants to know the user for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Nothing.
    Never,
    /// What is pushed.
    ToPush,
    /// Everything.
    Always,
}

const HTTP: &str = "http://";

/// A server on 127.0.0.1; it is gone when this is let go of.
pub struct Forge {
    root: PathBuf,
    port: u16,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

struct State {
    root: PathBuf,
    /// What git has in its environment there.
    environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    login: Login,
    /// How often somebody came with another name or password.
    refused: AtomicUsize,
    is_silent: AtomicBool,
    is_over: AtomicBool,
    /// Connections that get no answer.
    unanswered: Mutex<Vec<TcpStream>>,
}

impl Forge {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(sandbox: &Sandbox, login: Login) -> Forge {
        let root = sandbox.path("forge");
        fs::create_dir(&root).unwrap();
        let command = sandbox.command("git");
        let set = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let state = Arc::new(State {
            root: root.clone(),
            environment: set.collect(),
            login,
            refused: AtomicUsize::new(0),
            is_silent: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            unanswered: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for connection in listener.incoming() {
                    if state.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (state, connection) = (Arc::clone(&state), connection.unwrap());
                    std::thread::spawn(move || state.serve(connection));
                }
            })
        };
        Forge {
            root,
            port,
            state,
            accepting: Some(accepting),
        }
    }

    /// Makes an empty repository there, and returns where it is and its address.
    pub fn repository(&self, sandbox: &Sandbox, name: &str) -> (PathBuf, String) {
        let path = self.root.join(name);
        let mut init = sandbox.command("git");
        run(init
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&path));
        (path, format!("{HTTP}127.0.0.1:{}/{name}", self.port))
    }

    /// Has git store the password of the sandbox's user for this server.
    ///
    /// # Panics
    ///
    /// When it cannot be stored.
    pub fn store_password(&self, sandbox: &Sandbox) {
        let (user, password, _) = USER;
        let stored = sandbox.path("home/.git-credentials");
        fs::write(stored, format!("{HTTP}{user}:{password}@127.0.0.1:{}\n", self.port)).unwrap();
        run(sandbox
            .command("git")
            .args(["config", "--global", "credential.helper", "store"]));
    }

    /// How often somebody has tried to log in with another name or password.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.state.refused.load(Ordering::SeqCst)
    }

    /// From now on it takes connections and answers nothing, or answers again.
    pub fn set_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // It waits for one more connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// What a client asks for.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl State {
    fn serve(&self, mut connection: TcpStream) {
        if self.is_silent.load(Ordering::SeqCst) {
            self.unanswered.lock().unwrap().push(connection);
            return;
        }
        // A client that goes away gets no answer.
        let Some(request) = read(&connection) else { return };
        let sent = request.headers.get("authorization");
        let is_known = sent.is_some_and(|sent| sent == USER.2);
        if sent.is_some() && !is_known {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        let is_wanted = match self.login {
            Login::Never => false,
            Login::ToPush => format!("{} {}", request.path, request.query).contains("git-receive-pack"),
            Login::Always => true,
        };
        let answer = match is_wanted && !is_known {
            true => answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"forge\"\r\n", b""),
            false => self.by_git(&request),
        };
        let _ = connection.write_all(&answer);
    }

    /// See git-http-backend(1).
    fn by_git(&self, request: &Request) -> Vec<u8> {
        let mut git = std::process::Command::new("git");
        git.arg("http-backend").envs(self.environment.iter().cloned());
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        for (name, value) in [
            ("GIT_HTTP_EXPORT_ALL", "1"),
            ("REMOTE_USER", "ann"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REQUEST_METHOD", &request.method),
            ("PATH_INFO", &request.path),
            ("QUERY_STRING", &request.query),
            ("CONTENT_TYPE", header("content-type")),
            ("HTTP_CONTENT_ENCODING", header("content-encoding")),
            ("GIT_PROTOCOL", header("git-protocol")),
            ("CONTENT_LENGTH", &request.body.len().to_string()),
        ] {
            git.env(name, value);
        }
        git.env("GIT_PROJECT_ROOT", &self.root);
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut git = git.spawn().unwrap();
        let mut to = git.stdin.take().unwrap();
        let body = request.body.clone();
        let writing = std::thread::spawn(move || {
            // What does not want all of it says so in its answer.
            let _ = to.write_all(&body);
        });
        let said = git.wait_with_output().unwrap().stdout;
        writing.join().unwrap();
        let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&said[..end + 2]).into_owned();
        let (status, rest): (Vec<&str>, Vec<&str>) = head
            .split_inclusive("\r\n")
            .partition(|line| line.starts_with("Status: "));
        let status = status
            .first()
            .map_or("200 OK", |line| line["Status: ".len()..].trim_end());
        answer(status, &rest.concat(), &said[end + 4..])
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn read(connection: &TcpStream) -> Option<Request> {
    let mut from = BufReader::new(connection);
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let body = if headers.get("transfer-encoding").is_some_and(|how| how == "chunked") {
        read_chunks(&mut from)?
    } else {
        let length = headers
            .get("content-length")
            .map_or(Ok(0), |length| length.parse())
            .ok()?;
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        body
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}

fn read_chunks(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let start = body.len();
        body.resize(start + length, 0);
        from.read_exact(&mut body[start..]).ok()?;
        from.read_line(&mut line).ok()?;
        if length == 0 {
            return Some(body);
        }
    }
}
