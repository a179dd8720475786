//! A world of its own for one test: home, settings, runtime folder, and the programs' environment.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::sshd::Sshd;
use crate::{PATIENCE, eventually, over_ssh, programs};

/// A temporary world; removed at its end, or kept when `ANABRANCH_KEEP` is set.
pub struct Sandbox {
    folder: Option<TempDir>,
    path: PathBuf,
    programs: Vec<PathBuf>,
    other_computer: OnceLock<Option<Sshd>>,
}

impl Sandbox {
    /// Makes a world in which `anabranch` and, if it is installed, git-annex are in PATH.
    #[must_use]
    pub fn new() -> Sandbox {
        let git_annex = programs::git_annex().and_then(Path::parent).map(Path::to_owned);
        Sandbox::with(git_annex.into_iter().collect())
    }

    /// Makes a world in which git-annex is not installed.
    #[must_use]
    pub fn without_git_annex() -> Sandbox {
        Sandbox::with(Vec::new())
    }

    fn with(mut programs: Vec<PathBuf>) -> Sandbox {
        programs.extend(programs::anabranch().parent().map(Path::to_owned));
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        // A git-annex of the machine's own would be another version than the one that the tests are made for.
        programs.extend(
            std::env::split_paths(&inherited)
                .chain(["/usr/sbin".into(), "/sbin".into()])
                .filter(|folder| !folder.join("git-annex").exists()),
        );
        let folder = tempfile::Builder::new().prefix("anabranch-").tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        for name in ["home", "run", "programs"] {
            fs::create_dir(path.join(name)).unwrap();
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        // No file manager is there to be seen: what it would be asked to show is written down.
        let open = format!("#!/bin/sh\necho \"$1\" >> '{}'\n", path.join("shown").display());
        fs::write(path.join("programs/xdg-open"), open).unwrap();
        fs::set_permissions(path.join("programs/xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
        programs.insert(0, path.join("programs"));
        let config = "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n\
                      [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
        fs::write(path.join("home/.gitconfig"), config).unwrap();
        Sandbox {
            folder: Some(folder),
            path,
            programs,
            other_computer: OnceLock::new(),
        }
    }

    /// The computer on which the repositories of this world are for each other, if they are (see [`over_ssh`]).
    pub(crate) fn other_computer(&self) -> Option<&Sshd> {
        self.other_computer.get_or_init(|| over_ssh::start(self)).as_ref()
    }

    /// Whether a world is kept at its end, for somebody to look at.
    #[must_use]
    pub fn is_kept() -> bool {
        std::env::var_os("ANABRANCH_KEEP").is_some_and(|value| !value.is_empty())
    }

    /// Whether git-annex is installed in this world.
    #[must_use]
    pub fn has_git_annex(&self) -> bool {
        self.programs.iter().any(|folder| folder.join("git-annex").exists())
    }

    /// What the desktop was asked to show, with any program, one after the other.
    #[must_use]
    pub fn shown(&self) -> Vec<PathBuf> {
        let shown = fs::read_to_string(self.path("shown")).unwrap_or_default();
        // Of a line without its end more is being written.
        let lines = shown.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        lines.map(PathBuf::from).collect()
    }

    /// A path in the world.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// A command that sees this world only, started at its top.
    ///
    /// # Panics
    ///
    /// When a folder of PATH has a colon in its name.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path).stdin(Stdio::null());
        let home = self.path("home");
        command
            .env(
                "PATH",
                std::env::join_paths(&self.programs).expect("no folder of PATH has a colon"),
            )
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            // No test talks to the machine's own services by accident.
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }

    /// Waits until no git, and nothing that serves git-annex, runs in this world.
    #[track_caller]
    pub fn no_git_runs(&self) {
        let here = self.path.as_os_str().as_encoded_bytes();
        let runs = || {
            let lines = fs::read_dir("/proc")
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|process| {
                    let line = fs::read(process.path().join("cmdline")).ok()?;
                    let is_git = line.starts_with(b"git") || line.windows(4).any(|part| part == b"/git");
                    let is_here = line.windows(here.len()).any(|part| part == here);
                    (is_git && is_here).then(|| String::from_utf8_lossy(&line).replace('\0', " "))
                });
            lines.collect::<Vec<_>>()
        };
        eventually(PATIENCE, || match runs() {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        });
    }

    /// An `anabranch` command.
    pub fn anabranch<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(programs::anabranch());
        command.args(arguments);
        command
    }

    /// A git command in a repository; `git annex …` is the real git-annex.
    pub fn git<A: AsRef<OsStr>>(&self, repository: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command("git");
        command.current_dir(repository).args(arguments);
        command
    }
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.other_computer.take());
        let Some(folder) = self.folder.take() else { return };
        if Sandbox::is_kept() {
            eprintln!("kept: {}", folder.keep().display());
            return;
        }
        // git-annex keeps its object folders read-only; whatever cannot be removed is left for the system to clean.
        let _ = Command::new("chmod")
            .args(["-R", "u+w"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        drop(folder);
    }
}
