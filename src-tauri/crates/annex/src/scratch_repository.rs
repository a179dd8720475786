//! A repository for the tests of this crate: made by the real git, with a filter that tells when git runs it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use bstr::{BString, ByteSlice};
use model::{Key, RepoPath};

use crate::settings::Settings;
use crate::skipped::lacks;
use crate::{Annex, Intake, IntakeOptions, Look, Result, Rules, Scope};

pub(crate) struct Scratch {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) annex: Annex,
    pub(crate) settings: Settings,
    pub(crate) unlocked: bool,
    pub(crate) allow_removals: bool,
    pub(crate) cancelled: AtomicBool,
    /// How much later than now files are taken in: some file systems date changes by steps of two seconds.
    pub(crate) later: Duration,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// In a directory of a file system of its own.
    pub(crate) fn within(directory: &Path) -> Self {
        let folder = tempfile::tempdir_in(directory).unwrap();
        let top = folder.path().join("top");
        fs::create_dir(&top).unwrap();
        let filter = format!("echo ran >> {}; cat", folder.path().join("filtered").display());
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["config", "user.name", "T"],
            &["config", "user.email", "t@e"],
            &["config", "annex.uuid", "5f4dcc3b-5aa7-4d5c-8a3b-0c5d6e7f8a9b"],
            &["config", "annex.version", "10"],
            &["config", "annex.diskreserve", "0"],
            &["config", "core.excludesFile", "/dev/null"],
            &["config", "filter.annex.clean", &filter],
            &["config", "filter.annex.smudge", "cat"],
        ] {
            git_in(&top, folder.path(), args);
        }
        fs::create_dir_all(top.join(".git/info")).unwrap();
        fs::write(top.join(".git/info/attributes"), "* filter=annex\n").unwrap();
        let annex = Annex::open(&top).unwrap();
        let settings = Settings::read(&annex, &BTreeMap::new()).unwrap();
        Self {
            folder,
            annex,
            settings,
            unlocked: true,
            allow_removals: true,
            cancelled: AtomicBool::new(false),
            later: Duration::ZERO,
        }
    }

    pub(crate) fn top(&self) -> &Path {
        self.annex.work_tree().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.top().join(name)
    }

    /// Writes a file that is old enough for git not to suspect it.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.make_old(&path);
    }

    pub(crate) fn make_old(&self, path: &Path) {
        let old = SystemTime::now() - Duration::from_secs(100);
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(old)
            .unwrap();
    }

    pub(crate) fn set_executable(&self, name: &str) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn git(&self, args: &[&str]) -> BString {
        git_in(self.top(), self.folder.path(), args)
    }

    pub(crate) fn look(&self) -> Look {
        self.annex.look(&Scope::Everything).unwrap()
    }

    pub(crate) fn look_at(&self, paths: &[&str]) -> Look {
        let paths = paths.iter().map(|path| RepoPath::parse(path.as_bytes()).unwrap());
        self.annex.look(&Scope::Paths(paths.collect())).unwrap()
    }

    pub(crate) fn ingest(&self, look: Look) -> Result<Intake> {
        self.ingest_deciding(look, &|_| true)
    }

    pub(crate) fn ingest_deciding(&self, look: Look, is_large: &(dyn Fn(&RepoPath) -> bool + Sync)) -> Result<Intake> {
        self.ingest_by(look, is_large, &|_| Ok(()))
    }

    /// With what decides which files are large, and what records the keys.
    pub(crate) fn ingest_by(
        &self,
        look: Look,
        is_large: &(dyn Fn(&RepoPath) -> bool + Sync),
        record: &(dyn Fn(&[Key]) -> Result<()> + Sync),
    ) -> Result<Intake> {
        let options = IntakeOptions {
            record,
            settings: &self.settings,
            is_large: &|path, _, _| Ok(Some(is_large(path))),
            is_unlocked: &|_, _, _| Ok(self.unlocked),
            backend: &|_| Ok(None),
            message: "git-annex in test",
            allow_removals: self.allow_removals,
            cancelled: &self.cancelled,
        };
        self.annex.ingest(look, &options, SystemTime::now() + self.later)
    }

    /// By the rules of the repository, as they are now.
    pub(crate) fn ingest_by_rules(&self) -> Intake {
        let settings = Settings::read(&self.annex, &BTreeMap::new()).unwrap();
        let rules = Rules::of(&self.annex, &settings).unwrap();
        let options = IntakeOptions {
            record: &|_| Ok(()),
            settings: &settings,
            is_large: &|path, size, file| rules.is_large(path, size, file),
            is_unlocked: &|path, size, file| rules.is_unlocked(path, size, file),
            backend: &|path| rules.backend(path),
            message: "git-annex in test",
            allow_removals: self.allow_removals,
            cancelled: &self.cancelled,
        };
        self.annex.ingest(self.look(), &options, SystemTime::now()).unwrap()
    }

    /// Looks at everything and takes it in; nothing must be left over.
    pub(crate) fn sync(&self) -> Intake {
        let intake = self.ingest(self.look()).unwrap();
        assert_eq!(intake.postponed, [], "nothing is postponed");
        intake
    }

    /// What git has staged: mode, content and path of each entry.
    pub(crate) fn staged(&self) -> Vec<(String, BString, BString)> {
        let lines = self.git(&["ls-files", "-s", "-z"]);
        let lines = lines.split_str("\0").filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let (head, path) = line.split_once_str("\t").unwrap();
                let head = head.to_str().unwrap();
                let content = self.git(&["cat-file", "blob", &head[7..47]]);
                (head[..6].to_owned(), content, path.into())
            })
            .collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.staged().into_iter().map(|(_, _, name)| name.to_string()).collect()
    }

    /// git finds nothing changed, without running the filter, and all objects whole.
    pub(crate) fn check(&self) {
        let _ = fs::remove_file(self.folder.path().join("filtered"));
        assert_eq!(self.git(&["status", "--porcelain"]), "", "git status is clean");
        assert!(!self.folder.path().join("filtered").exists(), "git ran no filter");
        self.git(&["fsck", "--strict", "--full"]);
        self.git(&["diff", "--cached", "--exit-code"]);
        let tree = self.git(&["write-tree"]);
        assert_eq!(tree, self.git(&["rev-parse", "HEAD^{tree}"]), "the tree is git's");
        let look = self.look();
        assert!(look.is_clean() && look.unreadable.is_empty(), "{look:?}");
    }
}

fn git_in(top: &Path, home: &Path, args: &[&str]) -> BString {
    let output = Command::new("git")
        .args(args)
        .current_dir(top)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}{}",
        output.stderr.as_bstr(),
        output.stdout.as_bstr()
    );
    output.stdout.into()
}

/// A file that something is mounted on, as it stands for all that the system refuses of one path alone.
pub(crate) struct Bound(PathBuf);

impl Bound {
    /// None, said aloud, where nothing can be mounted.
    pub(crate) fn mount(from: &Path, onto: PathBuf) -> Option<Self> {
        let status = Command::new("mount").arg("--bind").args([from, &onto]).status();
        if !status.is_ok_and(|status| status.success()) {
            lacks("mount", "nothing can be mounted here (it needs root)");
            return None;
        }
        Some(Self(onto))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A file system for the time of a test that takes `X` and `x` for one name.
pub(crate) struct Folding {
    place: tempfile::TempDir,
    device: String,
}

impl Folding {
    /// One that lists names as they were given. None, said aloud, where it cannot be had.
    pub(crate) fn mount() -> Option<Self> {
        Self::mount_as(&["mkfs.exfat"], &["mount.exfat-fuse"])
    }

    /// One that lists all names in lower case. None, said aloud, where it cannot be had.
    pub(crate) fn mount_lower_case() -> Option<Self> {
        let mount = ["lowntfs-3g", "-o", "permissions,ignore_case"];
        Self::mount_as(&["mkfs.ntfs", "-F", "-q"], &mount)
    }

    fn mount_as(format: &[&str], mount: &[&str]) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::File::create(at("image")).unwrap().set_len(64 << 20).unwrap();
        fs::create_dir(at("mounted")).unwrap();
        let run = |command: &[&str], more: &[&str]| {
            let (program, args) = command.split_first()?;
            let mut command = Command::new(program);
            let output = command.args(args).args(more).current_dir(place.path()).output();
            output
                .ok()
                .filter(|output| output.status.success())
                .map(|output| output.stdout)
        };
        let device = run(format, &["image"]).and_then(|_| run(&["losetup", "-f", "--show"], &["image"]));
        let device = device
            .map(|name| String::from_utf8(name).unwrap().trim().to_owned())
            .unwrap_or_default();
        let is_mounted = !device.is_empty() && run(mount, &[&device, "mounted"]).is_some();
        let folding = Self { place, device };
        if !is_mounted {
            let lacking = format!(
                "no file system that folds case can be mounted here (it needs root and {})",
                mount[0]
            );
            lacks("mount", &lacking);
            return None;
        }
        Some(folding)
    }

    /// Its top.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join("mounted")
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.place.path().join("mounted")).output();
        let _ = Command::new("losetup").args(["-d", &self.device]).output();
    }
}
