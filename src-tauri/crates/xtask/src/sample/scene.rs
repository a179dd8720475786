//! The sample's repositories, in a world of their own: no setting of the user's reaches them, and they change none.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::packages::has_program;
use crate::steps::output;

/// The laptop, the desk and the drive, and how to run programs among them.
pub(super) struct Scene {
    /// Everything is in here.
    pub(super) folder: PathBuf,
    /// Whether the real git-annex is here to check the result.
    pub(super) has_git_annex: bool,
    anabranch: PathBuf,
    path: OsString,
}

impl Scene {
    /// Makes the three repositories with the `anabranch` program.
    ///
    /// # Errors
    ///
    /// When one of them cannot be made.
    pub(super) fn make(anabranch: &Path, git_annex: &Path) -> Result<Scene> {
        let folder = tempfile::Builder::new()
            .prefix("anabranch-sample-")
            .tempdir()
            .context("no temporary folder could be made")?
            .keep();
        println!("\n▶ a sample in {}", folder.display());
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        if git_annex.is_file()
            && let Some(bin) = git_annex.parent()
        {
            let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path).collect::<Vec<_>>());
            path = std::env::join_paths(folders).context("the build folder's name cannot stand in PATH")?;
        }
        let scene = Scene {
            has_git_annex: git_annex.is_file() || has_program("git-annex"),
            anabranch: anabranch.to_owned(),
            folder,
            path,
        };
        scene.furnish()?;
        Ok(scene)
    }

    fn furnish(&self) -> Result<()> {
        fs::create_dir(self.folder.join("home"))?;
        fs::create_dir(self.folder.join("runtime"))?;
        fs::set_permissions(self.folder.join("runtime"), fs::Permissions::from_mode(0o700))?;
        fs::write(
            self.folder.join("home/.gitconfig"),
            "[user]\n\tname = Sample\n\temail = sample@localhost\n[init]\n\tdefaultBranch = main\n",
        )?;
        let (laptop, desk, drive) = (self.laptop(), self.desk(), self.drive());
        output(self.anabranch(&["init"]).arg(&laptop).args(["--description", "laptop"]))?;
        output(
            self.anabranch(&["clone"])
                .arg(&laptop)
                .arg(&desk)
                .args(["--description", "desk"]),
        )?;
        output(
            self.anabranch(&["clone", "--bare"])
                .arg(&laptop)
                .arg(&drive)
                .args(["--description", "drive"]),
        )?;
        // A clone and its source know each other already.
        output(self.git(&desk, &["remote", "add", "drive"]).arg(&drive))?;
        println!("  a laptop's folder, a desk's clone of it, and a bare clone as on a drive");
        Ok(())
    }

    pub(super) fn laptop(&self) -> PathBuf {
        self.folder.join("laptop")
    }

    pub(super) fn desk(&self) -> PathBuf {
        self.folder.join("desk")
    }

    pub(super) fn drive(&self) -> PathBuf {
        self.folder.join("drive")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env("PATH", &self.path);
        for (variable, folder) in self.places() {
            command.env(variable, folder);
        }
        command
    }

    fn places(&self) -> [(&'static str, PathBuf); 6] {
        let home = self.folder.join("home");
        [
            ("XDG_CONFIG_HOME", home.join(".config")),
            ("XDG_STATE_HOME", home.join(".local/state")),
            ("XDG_CACHE_HOME", home.join(".cache")),
            ("XDG_DATA_HOME", home.join(".local/share")),
            ("XDG_RUNTIME_DIR", self.folder.join("runtime")),
            ("HOME", home),
        ]
    }

    fn anabranch(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.anabranch);
        command.args(arguments);
        command
    }

    /// A git command in one of the repositories.
    pub(super) fn git(&self, repository: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command(Path::new("git"));
        command.arg("-C").arg(repository).args(arguments);
        command
    }

    /// Starts one engine for the laptop and the desk, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it does not start; the message holds what it said.
    pub(super) fn start_engine(&self) -> Result<Engine> {
        let log = fs::File::create(self.log())?;
        let mut run = self.anabranch(&["run"]);
        run.arg(self.laptop())
            .arg(self.desk())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut engine = Engine {
            process: run.spawn().context("the engine could not be started")?,
        };
        let began_at = Instant::now();
        loop {
            // Without an engine, and until it has looked at its folder once, the state is "stopped".
            let status = self.anabranch(&["status", "--json"]).arg(self.laptop()).output()?;
            let status = String::from_utf8_lossy(&status.stdout).into_owned();
            if status.contains("\"state\"") && !status.contains("\"state\": \"stopped\"") {
                return Ok(engine);
            }
            if let Some(status) = engine.process.try_wait()? {
                bail!("the engine ended at once ({status}):\n{}", self.last_words());
            }
            if began_at.elapsed() > Duration::from_secs(20) {
                bail!("the engine does not answer after 20 s:\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("engine.log")
    }

    /// The last lines that the engine wrote.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The command line that runs the engine again on the sample.
    pub(super) fn go_on(&self) -> String {
        let mut line = String::from("env");
        for (variable, folder) in self.places() {
            line.push_str(&format!(" {variable}='{}'", folder.display()));
        }
        line.push_str(&format!(
            " '{}' run '{}' '{}'",
            self.anabranch.display(),
            self.laptop().display(),
            self.desk().display()
        ));
        line
    }
}

/// A running engine; killed when it is let go of without being stopped.
pub(super) struct Engine {
    process: Child,
}

impl Engine {
    /// Asks the engine to stop, as Ctrl-C does, and waits for it.
    ///
    /// # Errors
    ///
    /// When it does not stop within ten seconds, or says that something went wrong.
    pub(super) fn stop(&mut self) -> Result<()> {
        if let Ok(id) = i32::try_from(self.process.id()) {
            kill(Pid::from_raw(id), Signal::SIGINT).context("the engine was gone before it was stopped")?;
        }
        let began_at = Instant::now();
        while began_at.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.process.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the engine ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the engine did not stop within 10 s of being asked to");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
