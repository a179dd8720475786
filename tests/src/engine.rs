//! A running engine of the real program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Sandbox;
use crate::asking::status;
use crate::last_words;
use crate::wait::{PATIENCE, eventually};

/// `anabranch run` on some folders; killed when it is let go of.
pub struct Engine {
    process: Child,
    log: PathBuf,
    folders: Vec<PathBuf>,
}

impl Engine {
    /// Starts an engine and waits until it answers for its first folder.
    #[track_caller]
    pub fn start(sandbox: &Sandbox, folders: &[&Path]) -> Engine {
        let mut engine = Engine::spawn(sandbox, folders);
        engine.wait_until_up(sandbox, folders[0]);
        engine
    }

    /// Waits until the engine answers for a folder.
    ///
    /// # Panics
    ///
    /// When it ends instead, or does not answer in time.
    #[track_caller]
    pub fn wait_until_up(&mut self, sandbox: &Sandbox, folder: &Path) {
        eventually(PATIENCE, || {
            if let Some(status) = self.ended() {
                panic!("the engine ended at once: {status}\n{}", self.words());
            }
            // Without an engine, and until it has looked at its folder once, the state is "stopped".
            match status(sandbox, folder)? {
                folder if folder["state"] == "stopped" => Err(folder.to_string()),
                _ => Ok(()),
            }
        });
    }

    /// Starts an engine and waits for nothing.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn spawn(sandbox: &Sandbox, folders: &[&Path]) -> Engine {
        Engine::spawn_with(sandbox, folders, &[])
    }

    /// Starts an engine with more variables in its environment, and waits for nothing.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn spawn_with(sandbox: &Sandbox, folders: &[&Path], variables: &[(&str, &str)]) -> Engine {
        let name = folders[0]
            .file_name()
            .expect("a folder has a name")
            .to_string_lossy()
            .into_owned();
        let log = sandbox.path(format!("engine of {name}.log"));
        let mut run = sandbox.anabranch(["run"]);
        run.args(folders).envs(variables.iter().copied());
        let folders = folders.iter().map(|folder| folder.to_path_buf()).collect();
        let mut engine = Engine::spawn_program(run, log);
        engine.folders = folders;
        engine
    }

    /// Starts any program that hosts an engine, with all that it says in a file, and waits for nothing.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[must_use]
    pub fn spawn_program(mut program: Command, log: PathBuf) -> Engine {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let process = program
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .expect("the program can be started");
        Engine {
            process,
            log,
            folders: Vec::new(),
        }
    }

    /// How the engine ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Kills the engine as a power cut would: it learns nothing of it.
    pub fn kill(mut self) {
        self.end_now();
    }

    /// Stops all threads of the engine where they are.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen engine go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks the engine to stop, as a session's end does, and waits; it must end well.
    #[track_caller]
    pub fn stop(self) {
        self.signal(Signal::SIGTERM);
        self.end();
    }

    /// Waits until the engine, which has been asked to stop, has ended; it must end well.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn end(mut self) {
        let asked_at = Instant::now();
        let mut status = None;
        while status.is_none() && asked_at.elapsed() < PATIENCE {
            status = self.ended();
            std::thread::sleep(Duration::from_millis(5));
        }
        match status {
            Some(status) => assert!(status.success(), "the engine ended with {status}\n{}", self.words()),
            None => panic!("the engine did not stop\n{}", self.words()),
        }
    }

    /// Waits until the engine has written these words.
    #[track_caller]
    pub fn says(&self, words: &str) {
        eventually(PATIENCE, || match self.words() {
            said if said.contains(words) => Ok(()),
            said => Err(format!("no {words:?} in {said}")),
        });
    }

    /// The last lines that the engine wrote.
    #[must_use]
    pub fn words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "--- {}\n{}",
            self.log.display(),
            lines[lines.len().saturating_sub(40)..].join("\n")
        )
    }

    /// The engine's process id.
    #[must_use]
    pub fn id(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    /// The processes of this name that the engine's process has started and that have not ended.
    #[must_use]
    pub fn children(&self, name: &str) -> Vec<Pid> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_child = |process: &Path| {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            let has = |line: String| status.lines().any(|other| other == line);
            // The kernel shortens long names.
            let name = &name[..name.len().min(15)];
            has(format!("Name:\t{name}")) && has(format!("PPid:\t{}", self.id())) && !status.contains("State:\tZ")
        };
        let children = processes
            .map(|process| process.path())
            .filter(|process| is_child(process));
        let numbers = children.filter_map(|process| process.file_name()?.to_str()?.parse().ok());
        numbers.map(Pid::from_raw).collect()
    }

    fn signal(&self, signal: Signal) {
        // An engine that has ended cannot be signalled; who waits for it finds out.
        let _ = kill(self.id(), signal);
    }

    fn end_now(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let has_failed = std::thread::panicking();
        if has_failed {
            eprintln!("{}", last_words::of(self.process.id(), &self.folders));
        }
        self.end_now();
        let words = self.words();
        if has_failed {
            eprintln!("{words}");
        } else {
            assert!(!words.contains("panicked at"), "the engine panicked\n{words}");
        }
    }
}
