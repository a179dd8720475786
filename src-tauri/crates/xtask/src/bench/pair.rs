//! Two clones of one repository, each with its engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The program that syncs the clones.
pub(super) enum Who {
    /// This binary of ours.
    Ours(PathBuf),
    /// git-annex's assistant, with this binary.
    GitAnnex(PathBuf),
}

/// Two clones, laptop and other, with engines that run or not.
pub(super) struct Pair {
    who: Who,
    engines: Vec<Child>,
    pub(super) laptop: PathBuf,
    pub(super) other: PathBuf,
    home: tempfile::TempDir,
}

impl Pair {
    pub(super) fn make(who: &Who) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("anabranch-bench-").tempdir()?;
        let (laptop, other) = (home.path().join("laptop"), home.path().join("other"));
        let who = match who {
            Who::Ours(path) => Who::Ours(path.clone()),
            Who::GitAnnex(path) => Who::GitAnnex(path.clone()),
        };
        let mut pair = Self {
            who,
            engines: Vec::new(),
            laptop,
            other,
            home,
        };
        pair.set_up()?;
        pair.start()?;
        Ok(pair)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.who {
            Who::Ours(_) => "ours",
            Who::GitAnnex(_) => "git-annex's assistant",
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self.who, Who::Ours(_))
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The processes of the engines.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.engines.iter().map(Child::id).collect()
    }

    fn set_up(&mut self) -> Result<()> {
        let (laptop, other) = (self.laptop.clone(), self.other.clone());
        fs::write(
            self.home().join(".gitconfig"),
            "[user]\nname = Bench\nemail = bench@example.invalid\n",
        )?;
        match &self.who {
            Who::Ours(_) => {
                self.run(&["init", path(&laptop)?])?;
                fs::write(laptop.join("first"), "first")?;
                self.run(&["sync", path(&laptop)?])?;
                self.run(&["clone", path(&laptop)?, path(&other)?])?;
                self.run(&["sync", path(&other)?])
            }
            Who::GitAnnex(_) => {
                self.git(self.home(), &["init", "-q", "-b", "main", path(&laptop)?])?;
                self.git(&laptop, &["annex", "init", "-q", "laptop"])?;
                fs::write(laptop.join("first"), "first")?;
                self.git(&laptop, &["annex", "add", "-q", "."])?;
                self.git(&laptop, &["commit", "-q", "-m", "first"])?;
                self.git(self.home(), &["clone", "-q", path(&laptop)?, path(&other)?])?;
                self.git(&other, &["annex", "init", "-q", "other"])?;
                self.git(&laptop, &["remote", "add", "other", path(&other)?])?;
                self.git(&laptop, &["annex", "assist", "-q"])?;
                self.git(&other, &["annex", "assist", "-q"])
            }
        }
    }

    /// Starts the engines of both clones.
    pub(super) fn start(&mut self) -> Result<()> {
        for folder in [self.laptop.clone(), self.other.clone()] {
            self.start_in(&folder)?;
        }
        Ok(())
    }

    /// Starts an engine in a folder.
    pub(super) fn start_in(&mut self, folder: &Path) -> Result<()> {
        let mut command = match &self.who {
            Who::Ours(anabranch) => {
                let mut command = self.command(anabranch);
                command.arg("run").arg(folder);
                command
            }
            Who::GitAnnex(_) => {
                let mut command = self.command(Path::new("git"));
                command.current_dir(folder).args(["annex", "assistant", "--foreground"]);
                command
            }
        };
        let engine = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.engines.push(engine.context("the engine could not be started")?);
        Ok(())
    }

    /// Stops the engines as a user would.
    pub(super) fn stop(&mut self) -> Result<()> {
        for engine in &mut self.engines {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(engine.id())?);
            // It may have ended by itself; waiting tells.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            engine.wait()?;
        }
        self.engines.clear();
        Ok(())
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let Who::Ours(anabranch) = &self.who else {
            bail!("only for ours")
        };
        done(self.command(anabranch).args(arguments))
    }

    pub(super) fn git(&self, directory: &Path, arguments: &[&str]) -> Result<()> {
        done(self.command(Path::new("git")).current_dir(directory).args(arguments))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let home = self.home();
        command
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home)
            .env("XDG_CONFIG_HOME", home.join("config"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
        if let Who::GitAnnex(git_annex) = &self.who
            && let Some(directory) = git_annex.parent()
        {
            let rest = std::env::var_os("PATH").unwrap_or_default();
            let mut path = directory.as_os_str().to_owned();
            path.push(":");
            path.push(rest);
            command.env("PATH", path);
        }
        command
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // The directory is removed next; engines that still run would only complain.
        let _ = self.stop();
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(self.home.path()).status();
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the temporary directory is not UTF-8")
}

fn done(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() && output.status.code() != Some(2) {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Waits until `ready` says so, asking every millisecond; none if that takes longer than `patience`.
pub(super) fn wait(patience: Duration, mut ready: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    while !ready() {
        if start.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(start.elapsed())
}

impl Pair {
    /// What `anabranch status --json` prints.
    pub(super) fn status(&self, folder: &Path) -> Result<String> {
        let Who::Ours(anabranch) = &self.who else {
            bail!("only for ours")
        };
        let output = self
            .command(anabranch)
            .arg("status")
            .arg("--json")
            .arg(folder)
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// How long `anabranch why` takes, whatever it answers.
    pub(super) fn why(&self, file: &Path) -> Result<Duration> {
        let Who::Ours(anabranch) = &self.who else {
            bail!("only for ours")
        };
        let start = Instant::now();
        self.command(anabranch).arg("why").arg(file).output()?;
        Ok(start.elapsed())
    }

    /// Has a folder do everything once.
    pub(super) fn sync(&self, folder: &Path) -> Result<()> {
        self.run(&["sync", path(folder)?])
    }

    /// Makes another clone of a folder.
    pub(super) fn clone(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(&["clone", path(from)?, path(to)?])
    }

    /// What git prints.
    pub(super) fn output(&self, directory: &Path, arguments: &[&str]) -> Result<String> {
        let output = self
            .command(Path::new("git"))
            .current_dir(directory)
            .args(arguments)
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
