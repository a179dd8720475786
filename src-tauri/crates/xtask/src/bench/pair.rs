//! Two clones of one repository, each with its engine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::syncthing;

/// The program that syncs the clones.
#[derive(Clone)]
pub(super) enum Who {
    /// This binary of ours.
    Ours(PathBuf),
    /// git-annex's assistant, with this binary.
    GitAnnex(PathBuf),
    /// The system's Syncthing; the clones are folders without a repository.
    Syncthing,
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
    /// Makes both clones and starts their engines.
    pub(super) fn make(who: &Who) -> Result<Self> {
        let mut pair = Self::at_rest(who)?;
        pair.start()?;
        Ok(pair)
    }

    /// Makes both clones.
    pub(super) fn at_rest(who: &Who) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("anabranch-bench-").tempdir()?;
        let (laptop, other) = (home.path().join("laptop"), home.path().join("other"));
        let mut pair = Self {
            who: who.clone(),
            engines: Vec::new(),
            laptop,
            other,
            home,
        };
        pair.set_up()?;
        Ok(pair)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.who {
            Who::Ours(_) => "ours",
            Who::GitAnnex(_) => "git-annex's assistant",
            Who::Syncthing => "Syncthing",
        }
    }

    pub(super) fn who(&self) -> &Who {
        &self.who
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
            Who::Syncthing => {
                let homes = [self.syncthing_home(&laptop), self.syncthing_home(&other)];
                syncthing::set_up([(&homes[0], &laptop), (&homes[1], &other)])
            }
        }
    }

    /// Where Syncthing keeps what belongs to a folder.
    fn syncthing_home(&self, folder: &Path) -> PathBuf {
        let name = folder.file_name().unwrap_or_default();
        self.home().join("syncthing").join(name)
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
            Who::Syncthing => syncthing::serve(&self.syncthing_home(folder)),
        };
        let engine = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.engines.push(engine.context("the engine could not be started")?);
        Ok(())
    }

    /// Stops the engines as a user would.
    pub(super) fn stop(&mut self) -> Result<()> {
        for engine in &mut self.engines {
            terminate(engine)?;
        }
        self.engines.clear();
        Ok(())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Result<()> {
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

pub(super) fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the temporary directory is not UTF-8")
}

fn done(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() && output.status.code() != Some(2) {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn terminate(process: &mut Child) -> Result<()> {
    let id = nix::unistd::Pid::from_raw(i32::try_from(process.id())?);
    // It may have ended by itself; waiting tells.
    let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
    process.wait()?;
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

    /// Has a folder do everything once; false if that was not done within `patience`, and is broken off.
    pub(super) fn sync(&self, folder: &Path, patience: Duration) -> Result<bool> {
        let (program, arguments): (&Path, &[&str]) = match &self.who {
            Who::Ours(anabranch) => (anabranch, &["sync"]),
            Who::GitAnnex(_) => (Path::new("git"), &["annex", "assist", "-q"]),
            Who::Syncthing => bail!("Syncthing does nothing once"),
        };
        let mut command = self.command(program);
        command.args(arguments);
        let messages = self.home().join("messages");
        command
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(File::create(&messages)?);
        let mut running = command.spawn()?;
        if wait(patience, || !matches!(running.try_wait(), Ok(None))).is_none() {
            terminate(&mut running)?;
            return Ok(false);
        }
        let status = running.wait()?;
        // Exit code 2 means that something waits. The rows check the files themselves.
        if !status.success() && status.code() != Some(2) {
            bail!("{command:?} failed: {}", fs::read_to_string(&messages)?);
        }
        Ok(true)
    }

    /// Makes another clone of a folder.
    pub(super) fn clone(&self, from: &Path, to: &Path) -> Result<()> {
        match &self.who {
            Who::Ours(_) => self.run(&["clone", path(from)?, path(to)?]),
            Who::GitAnnex(_) => {
                self.git(self.home(), &["clone", "-q", path(from)?, path(to)?])?;
                self.git(to, &["annex", "init", "-q"])
            }
            Who::Syncthing => bail!("Syncthing makes no clones"),
        }
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
