//! Moving refs, so that a process that is killed in the middle leaves no lock behind that stops everybody.
//!
//! libgit2 takes git's lock of a ref as git does, and what a killed process leaves can be told from nobody else's. The
//! locks taken here are [`GitLock`]s: held by git's rules, and recognised as abandoned by the next one.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};
use model::Oid;

use crate::git_lock::GitLock;
use crate::identity::signature;
use crate::oid::{from_git, to_git};
use crate::{Error, Result, make_below};

/// A ref that nobody else may move, until this is dropped.
pub(crate) struct RefLock<'r> {
    git: &'r Repository,
    name: String,
    file: PathBuf,
    _lock: GitLock,
}

impl<'r> RefLock<'r> {
    /// Takes git's lock of the ref `name`, a full name that git allows. Busy if another program keeps it for more than a
    /// moment.
    pub(crate) fn take(git: &'r Repository, name: &str) -> Result<Self> {
        let is_name = git2::Reference::is_valid_name(name) && name.starts_with("refs/");
        if !is_name {
            return Err(Error::Refused(format!(
                "{name:?} is no name for a ref; nothing was changed"
            )));
        }
        let file = git.commondir().join(name);
        let (Some(directory), Some(leaf)) = (file.parent(), file.file_name()) else {
            return Err(Error::Refused(format!(
                "{name:?} is no name for a ref; nothing was changed"
            )));
        };
        let lock = match GitLock::take(directory, leaf) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                make_below(&git.commondir().join("refs"), directory)
                    .map_err(Error::io("create the directory", directory))?;
                GitLock::take(directory, leaf)?
            }
            taken => taken?,
        };
        Ok(Self {
            git,
            name: name.to_owned(),
            _lock: lock,
            file,
        })
    }

    /// Where the ref is now.
    pub(crate) fn target(&self) -> Result<Option<Oid>> {
        match self.git.refname_to_id(&self.name) {
            Ok(id) => Ok(Some(from_git(id))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(Error::git(format!("read {}", self.name))(error)),
        }
    }

    /// Moves the ref. What it leads to must be on disk.
    pub(crate) fn set(&self, new: Oid, why: &str) -> Result<()> {
        let old = self.target()?;
        if old == Some(new) {
            return Ok(());
        }
        // A new file for each process and ref: whoever is killed before the rename leaves it to be overwritten.
        let mut temporary = self.file.clone().into_os_string();
        temporary.push(OsStr::from_bytes(b".new.lock"));
        let temporary = PathBuf::from(temporary);
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(format!("{new}\n").as_bytes())?;
            file.sync_all()
        });
        written.map_err(Error::io("write", &temporary))?;
        if self.file.is_dir() {
            // Empty directories of refs that are gone may stand where a ref is to be; others are refs of that name.
            remove_empty(&self.file);
        }
        fs::rename(&temporary, &self.file).map_err(Error::io("move the ref", &self.file))?;
        self.log(old, new, why);
        Ok(())
    }

    /// Appends to the reflogs of the ref, and of HEAD if it leads here. They are a convenience: failing is no error.
    fn log(&self, old: Option<Oid>, new: Oid, why: &str) {
        let kinds = ["refs/heads/", "refs/remotes/"];
        let wanted = self
            .git
            .config()
            .and_then(|config| config.get_bool("core.logAllRefUpdates"));
        let wanted = wanted.unwrap_or(!self.git.is_bare());
        if !wanted || !kinds.iter().any(|kind| self.name.starts_with(kind)) {
            return;
        }
        let who = signature(self.git);
        let when = who.when();
        let (hours, minutes) = (when.offset_minutes().abs() / 60, when.offset_minutes().abs() % 60);
        let zone = format!("{}{hours:02}{minutes:02}", when.sign());
        let mut line = format!("{} {new} ", old.unwrap_or(Oid([0; 20]))).into_bytes();
        line.extend_from_slice(who.name_bytes());
        line.extend_from_slice(b" <");
        line.extend_from_slice(who.email_bytes());
        line.extend_from_slice(format!("> {} {zone}\t{}\n", when.seconds(), why.replace('\n', " ")).as_bytes());
        let logs = self.git.commondir().join("logs");
        append(self.git.commondir(), &logs.join(&self.name), &line);
        let head = self.git.find_reference("HEAD");
        if head.is_ok_and(|head| head.symbolic_target_bytes() == Some(self.name.as_bytes())) {
            append(self.git.path(), &self.git.path().join("logs").join("HEAD"), &line);
        }
    }
}

/// Moves a ref if it is where it is expected. False, and nothing is changed, if it is not.
pub(crate) fn move_ref(
    git: &Repository,
    name: &str,
    expected: Option<git2::Oid>,
    new: git2::Oid,
    why: &str,
) -> Result<bool> {
    let lock = RefLock::take(git, name)?;
    let is_expected = lock.target()?.map(to_git) == expected;
    if is_expected {
        lock.set(from_git(new), why)?;
    }
    Ok(is_expected)
}

/// Moves a ref wherever it is.
pub(crate) fn force_ref(git: &Repository, name: &str, new: git2::Oid, why: &str) -> Result<()> {
    RefLock::take(git, name)?.set(from_git(new), why)
}

fn append(git_dir: &Path, path: &Path, line: &[u8]) {
    let open = || fs::OpenOptions::new().append(true).create(true).open(path);
    let file = open().or_else(|_| {
        make_below(git_dir, path.parent().unwrap_or(git_dir))?;
        open()
    });
    // One write: lines of several processes do not mix.
    let _ = file.and_then(|mut file| file.write_all(line));
}

fn remove_empty(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_empty(&entry.path());
    }
    // Not empty: then the rename fails and says so.
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{RefLock, force_ref, move_ref};
    use crate::git_lock::MARK;
    use crate::oid::to_git;
    use model::Oid;

    fn commit(git: &git2::Repository, message: &str) -> git2::Oid {
        let who = git2::Signature::now("a", "a@b").unwrap();
        let tree = git.find_tree(git.treebuilder(None).unwrap().write().unwrap()).unwrap();
        git.commit(None, &who, &who, message, &tree, &[]).unwrap()
    }

    #[test]
    fn a_ref_moves_only_from_where_it_is_expected_and_its_log_tells() {
        let directory = tempfile::tempdir().unwrap();
        let git = git2::Repository::init(directory.path()).unwrap();
        let (one, two) = (commit(&git, "one"), commit(&git, "two"));
        let name = "refs/heads/deep/branch";
        assert!(move_ref(&git, name, None, one, "first").unwrap());
        assert!(!move_ref(&git, name, None, two, "not expected").unwrap());
        assert!(!move_ref(&git, name, Some(two), one, "not expected").unwrap());
        assert!(move_ref(&git, name, Some(one), two, "second").unwrap());
        assert_eq!(git.refname_to_id(name).unwrap(), two);
        let log = git.reflog(name).unwrap();
        let told: Vec<_> = log
            .iter()
            .map(|entry| entry.message().unwrap().unwrap().to_owned())
            .collect();
        assert_eq!(told, ["second", "first"]);
        assert!(git.find_reference("refs/heads/deep/branch.lock").is_err());
    }

    #[test]
    fn a_ref_of_a_drive_that_is_gone_makes_nothing_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("drive");
        // Where the drive's root is the repository, what is left of it is an empty directory.
        let git = git2::Repository::init_bare(&top).unwrap();
        let one = commit(&git, "one");
        fs::rename(&top, directory.path().join("gone")).unwrap();
        assert!(force_ref(&git, "refs/heads/main", one, "too late").is_err());
        assert!(!top.exists());
        fs::create_dir(&top).unwrap();
        assert!(force_ref(&git, "refs/heads/main", one, "too late").is_err());
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_of_a_killed_process_is_taken_over_and_one_of_git_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let git = git2::Repository::init(directory.path()).unwrap();
        let one = commit(&git, "one");
        let lock = git.path().join("refs/heads/main.lock");
        fs::write(&lock, MARK).unwrap();
        force_ref(&git, "refs/heads/main", one, "over a dead one").unwrap();
        assert_eq!(git.refname_to_id("refs/heads/main").unwrap(), one);
        fs::write(&lock, format!("{one}\n")).unwrap();
        assert!(RefLock::take(&git, "refs/heads/main").is_err());
        assert!(lock.exists());
    }

    #[test]
    fn no_ref_leads_out_of_the_git_directory() {
        let directory = tempfile::tempdir().unwrap();
        let git = git2::Repository::init(directory.path()).unwrap();
        for name in [
            "refs/heads/../../x",
            "HEAD",
            "refs/heads/a..b",
            "refs/heads/x.lock",
            "/refs/heads/a",
        ] {
            assert!(RefLock::take(&git, name).is_err(), "{name}");
        }
        assert_eq!(to_git(Oid([0; 20])), git2::Oid::ZERO_SHA1);
    }
}
