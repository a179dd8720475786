//! Asking the `git` program.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use bstr::{BString, ByteSlice};
use model::{Oid, RepoPath};

use super::{Conversion, Conversions};
use crate::index::Index;
use crate::locks::LockFile;
use crate::{Annex, Error, Result};

/// What came of it for one file; the reason, in words for people, if it was not stored.
pub(crate) type Stored = std::result::Result<Oid, String>;

/// Variables that say which configuration holds; all others of git's would lead it elsewhere.
const KEPT: [&str; 4] = [
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_ATTR_NOSYSTEM",
];

/// git-annex's filter has no part in it, what git stores is on disk before a commit leads to it, and of the programs that a
/// repository's configuration names none runs but the filters that are asked for.
const SETTINGS: [(&str, &str); 8] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("filter.annex.process", ""),
    ("filter.annex.clean", ""),
    ("filter.annex.smudge", ""),
    ("filter.annex.required", "false"),
    ("core.fsync", "loose-object,pack,pack-metadata"),
    ("core.safecrlf", "false"),
];

impl Conversions {
    /// Has git read files of the work tree and store them, as `git add` does, but stages nothing. What is stored is on disk.
    /// The caller has to see for itself whether the files have changed meanwhile.
    pub(crate) fn store(&self, files: &[(&RepoPath, Conversion)]) -> HashMap<RepoPath, Stored> {
        self.try_to_store(files).unwrap_or_else(|error| {
            let why = |(path, _): &(&RepoPath, Conversion)| ((*path).clone(), Err(error.to_string()));
            files.iter().map(why).collect()
        })
    }

    fn try_to_store(&self, files: &[(&RepoPath, Conversion)]) -> Result<HashMap<RepoPath, Stored>> {
        let mut outcomes = HashMap::new();
        if files.is_empty() {
            return Ok(outcomes);
        }
        let scratch = Scratch::new(&self.annex)?;
        let index = scratch.copy_index(&self.annex)?;
        let mut paths: Vec<&RepoPath> = files.iter().map(|(path, _)| *path).collect();
        if files.iter().any(|(_, conversion)| conversion.filter.is_some()) {
            self.show_filters()?;
            let seen = self.filters_that_git_sees(&paths, &index)?;
            for ((path, conversion), seen) in files.iter().zip(&seen) {
                if let Some(filter) = conversion.filter()
                    && filter != seen.as_slice()
                {
                    let filter = filter.as_bstr();
                    let why =
                        format!("git's filter {filter} is to pass it, but .git/info/attributes hides that from git");
                    outcomes.insert((*path).clone(), Err(why));
                }
            }
            paths.retain(|path| !outcomes.contains_key(*path));
        }
        let required: Vec<(String, &str)> = files
            .iter()
            .filter_map(|(_, conversion)| conversion.filter())
            .map(|name| (format!("filter.{}.required", name.as_bstr()), "true"))
            .collect();
        self.add(&paths, &index, &required, &mut outcomes)?;
        let staged = Index::at(&self.annex, &index)?;
        for path in paths {
            let entry = staged.entry(path.as_bytes());
            outcomes
                .entry(path.clone())
                .or_insert_with(|| entry.map_or_else(|| Err("it is gone".to_owned()), |entry| Ok(entry.oid)));
        }
        Ok(outcomes)
    }

    /// What git makes of content for a path on its way in.
    pub(crate) fn clean(&self, path: &RepoPath, content: fs::File) -> Result<Vec<u8>> {
        self.show_filters()?;
        let repository = self.annex.git()?;
        let mut git = self.git(&repository.path().join("index"), &[]);
        git.args(["hash-object", "-w", "--stdin", "--path"]).arg(path.as_path());
        let output = git
            .stdin(content)
            .output()
            .map_err(Error::io("run git in", self.annex.git_dir()))?;
        let id = output
            .stdout
            .to_str()
            .ok()
            .and_then(|id| git2::Oid::from_str(id.trim()).ok());
        let Some(id) = id.filter(|_| output.status.success()) else {
            return Err(self.failed("hash-object", &output));
        };
        let blob = repository.find_blob(id).map_err(Error::git("read what git has made"))?;
        Ok(blob.content().to_vec())
    }

    /// Stages files in an index of their own; where git gives up, those that it gives up on get the reason.
    fn add(
        &self,
        paths: &[&RepoPath],
        index: &Path,
        required: &[(String, &str)],
        outcomes: &mut HashMap<RepoPath, Stored>,
    ) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let mut git = self.git(index, required);
        git.args(["update-index", "--add", "--remove", "-z", "--stdin"]);
        let output = self.run(&mut git, &list(paths))?;
        if output.status.success() {
            return Ok(());
        }
        if let [path] = paths {
            let why = format!("git cannot take it as .gitattributes asks: {}", reason(&output));
            outcomes.insert((*path).clone(), Err(why));
            return Ok(());
        }
        let (first, second) = paths.split_at(paths.len() / 2);
        self.add(first, index, required, outcomes)?;
        self.add(second, index, required, outcomes)
    }

    /// For each file, the filter that git itself would take.
    fn filters_that_git_sees(&self, paths: &[&RepoPath], index: &Path) -> Result<Vec<BString>> {
        let mut git = self.git(index, &[]);
        git.args(["check-attr", "-z", "--stdin", "filter"]);
        let output = self.run(&mut git, &list(paths))?;
        let told: Vec<BString> = output
            .stdout
            .split_str("\0")
            .skip(2)
            .step_by(3)
            .map(BString::from)
            .collect();
        match output.status.success() && told.len() == paths.len() {
            true => Ok(told),
            false => Err(self.failed("check-attr", &output)),
        }
    }

    /// A command of git in the work tree, with an index of its own and without git-annex's filter.
    pub(super) fn git(&self, index: &Path, settings_of_files: &[(String, &str)]) -> Command {
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os() {
            let is_kept = KEPT.iter().any(|kept| name == *kept);
            if name.as_encoded_bytes().starts_with(b"GIT_") && !is_kept {
                git.env_remove(name);
            }
        }
        let top = self.annex.work_tree().unwrap_or(self.annex.git_dir());
        git.current_dir(top)
            // What is missing in a partial clone is not fetched: the way there may be a program too.
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_INDEX_FILE", index);
        git.arg("--git-dir")
            .arg(self.annex.git_dir())
            .arg("--work-tree")
            .arg(top);
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value));
        let settings = settings.iter().chain(settings_of_files);
        let mut count = 0;
        for (name, value) in settings {
            git.env(format!("GIT_CONFIG_KEY_{count}"), name)
                .env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        git.env("GIT_CONFIG_COUNT", count.to_string());
        git
    }

    pub(super) fn run(&self, git: &mut Command, input: &[u8]) -> Result<Output> {
        let started = git
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                return Error::Refused(
                    "only git can convert it as .gitattributes asks, and git is not installed".to_owned(),
                );
            }
            Error::io("run git in", self.annex.git_dir())(error)
        })?;
        let mut stdin = child.stdin.take().expect("because it is piped");
        let output = std::thread::scope(|scope| {
            // git ends early where it gives up; its status tells.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output()
        });
        output.map_err(Error::io("run git in", self.annex.git_dir()))
    }

    pub(super) fn failed(&self, command: &str, output: &Output) -> Error {
        Error::Refused(format!(
            "'git {command}' failed; nothing was changed and nothing is lost. It says: {}",
            output.stderr.trim_ascii().as_bstr()
        ))
    }
}

/// What git said last.
pub(super) fn reason(output: &Output) -> String {
    let told = output.stderr.lines().rev().find(|line| !line.trim_ascii().is_empty());
    let told = told.unwrap_or(b"it does not say why").as_bstr().to_string();
    told.trim_start_matches("fatal: ").to_owned()
}

pub(super) fn list(paths: &[&RepoPath]) -> Vec<u8> {
    paths
        .iter()
        .flat_map(|path| [path.as_bytes(), b"\0"].concat())
        .collect()
}

/// A directory for what git needs for one batch, with the lock that keeps git-annex from removing it.
pub(super) struct Scratch {
    directory: tempfile::TempDir,
    _lock: LockFile,
}

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn new(annex: &Annex) -> Result<Self> {
        let path = annex.annex_file("othertmp");
        let lock = LockFile::shared(&annex.annex_file("othertmp.lck"))?;
        annex.store().make_directory("othertmp")?;
        tempfile::Builder::new()
            .prefix("anabranch-git-")
            .tempdir_in(&path)
            .map(|directory| Self { directory, _lock: lock })
            .map_err(Error::io("make a directory in", &path))
    }

    /// Copies the index with its time, by which git knows which entries may be wrong. It also tells git which files have
    /// had returns in git all along.
    fn copy_index(&self, annex: &Annex) -> Result<std::path::PathBuf> {
        let git = annex.git()?;
        let (from, to) = (git.path().join("index"), self.path().join("index"));
        let copied = fs::File::open(&from).and_then(|mut from| {
            let time = from.metadata()?.modified()?;
            let mut to = fs::File::create(&to)?;
            std::io::copy(&mut from, &mut to)?;
            to.set_modified(time)
        });
        match copied {
            Ok(()) => Ok(to),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(to),
            Err(error) => Err(Error::io("copy", &from)(error)),
        }
    }
}
