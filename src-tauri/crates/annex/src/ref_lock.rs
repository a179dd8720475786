//! Moving refs, so that a process that is killed in the middle leaves no lock behind that stops everybody.
//!
//! libgit2 takes git's lock of a ref as git does, and what a killed process leaves can be told from nobody else's. The
//! locks taken here are [`GitLock`]s: held by git's rules, and recognised as abandoned by the next one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use git2::{ErrorCode, Repository};
use model::Oid;
use rustix::fs::FileType;

use crate::git_lock::GitLock;
use crate::identity::{signature, written};
use crate::oid::{from_git, to_git};
use crate::{Directory, Error, NewFile, Result};

/// The mode of a ref's file, of which the umask takes what it takes.
const MODE: u32 = 0o644;

/// A ref that nobody else may move, until this is dropped.
pub(crate) struct RefLock<'r> {
    git: &'r Repository,
    name: String,
    /// The directory that all work trees share.
    common: Directory,
    /// Where the ref's file is, and its name there.
    directory: Arc<Directory>,
    leaf: OsString,
    _lock: GitLock,
}

impl<'r> RefLock<'r> {
    /// Takes git's lock of the ref `name`, a full name that git allows. Busy if another program keeps it for more than a
    /// moment.
    pub(crate) fn take(git: &'r Repository, name: &str) -> Result<Self> {
        let is_name = git2::Reference::is_valid_name(name);
        let inside = name.strip_prefix("refs/").filter(|_| is_name).map(Path::new);
        let Some((below, leaf)) = inside.and_then(|path| Some((path.parent()?, path.file_name()?))) else {
            return Err(Error::Refused(format!(
                "{name:?} is no name for a ref; nothing was changed"
            )));
        };
        let common = Directory::top(git.commondir())?;
        // Not made: where it is missing the drive is gone.
        let missing = || common.failed("open", "refs".as_ref(), rustix::io::Errno::NOENT);
        let refs = common.find("refs")?.ok_or_else(missing)?;
        let mut directory = Arc::new(refs.make(below)?);
        // libgit2 would read what a link leads to.
        if directory.kind(leaf) == Some(FileType::Symlink) {
            directory.refuse_other_than_file(leaf)?;
        }
        let lock = match GitLock::take(&directory, leaf) {
            // git has removed it meanwhile, being empty.
            Err(error) if error.is_not_found() => {
                directory = Arc::new(refs.make(below)?);
                GitLock::take(&directory, leaf)?
            }
            taken => taken?,
        };
        Ok(Self {
            git,
            name: name.to_owned(),
            common,
            leaf: leaf.to_owned(),
            directory,
            _lock: lock,
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
        self.replace(new, why, || {
            // Overwritten by the next one if a crash comes before the rename.
            let mut temporary = self.leaf.clone();
            temporary.push(".new.lock");
            let path = self.directory.path().join(&temporary);
            self.directory.remove(&temporary)?;
            let made = self.directory.create_new(&temporary, MODE);
            made.and_then(|file| write(&file, new))
                .map_err(Error::io("write", &path))?;
            Ok(move || self.directory.rename_here(&*self.directory, &temporary, &self.leaf))
        })
    }

    /// As [`Self::set`], with a file that is on disk already: what takes longest is done before the lock is taken.
    pub(crate) fn set_prepared(&self, prepared: PreparedRef, why: &str) -> Result<()> {
        let PreparedRef { new, file } = prepared;
        self.replace(new, why, || Ok(|| file.rename_into(&self.directory, &self.leaf)))
    }

    /// Moves the ref, if it is not there: `make` makes the file, and what it returns gives that the name of the ref.
    fn replace<R: FnOnce() -> Result<()>>(&self, new: Oid, why: &str, make: impl FnOnce() -> Result<R>) -> Result<()> {
        let old = self.target()?;
        if old == Some(new) {
            return Ok(());
        }
        let logs = self.open_logs()?;
        let rename = make()?;
        if self.directory.kind(&self.leaf) == Some(FileType::Directory) {
            // Empty directories of refs that are gone may stand where a ref is to be; others are refs of that name.
            remove_empty(&self.directory, &self.leaf);
        }
        rename()?;
        self.log(logs, old, new, why);
        Ok(())
    }

    /// Opens the reflogs of the ref, and of HEAD if it leads here, where they are wanted. They are a convenience: only a
    /// link in their place is an error.
    fn open_logs(&self) -> Result<Vec<File>> {
        let kinds = ["refs/heads/", "refs/remotes/"];
        let wanted = self
            .git
            .config()
            .and_then(|config| config.get_bool("core.logAllRefUpdates"));
        let wanted = wanted.unwrap_or(!self.git.is_bare());
        if !wanted || !kinds.iter().any(|kind| self.name.starts_with(kind)) {
            return Ok(Vec::new());
        }
        let open = |top: &Directory, path: &Path| {
            let (above, leaf) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
            match top.make(above).and_then(|logs| logs.append(leaf, 0o644)) {
                Err(Error::Refused(reason)) => Err(Error::Refused(reason)),
                opened => Ok(opened.ok()),
            }
        };
        let mut logs: Vec<_> = open(&self.common, &Path::new("logs").join(&self.name))?
            .into_iter()
            .collect();
        let head = self.git.find_reference("HEAD");
        if head.is_ok_and(|head| head.symbolic_target_bytes() == Some(self.name.as_bytes())) {
            logs.extend(open(&Directory::top(self.git.path())?, Path::new("logs/HEAD"))?);
        }
        Ok(logs)
    }

    /// Appends to reflogs. Failing is no error.
    fn log(&self, logs: Vec<File>, old: Option<Oid>, new: Oid, why: &str) {
        let who = signature(self.git);
        let mut line = format!("{} {new} ", old.unwrap_or(Oid([0; 20]))).into_bytes();
        line.extend_from_slice(who.name_bytes());
        line.extend_from_slice(b" <");
        line.extend_from_slice(who.email_bytes());
        line.extend_from_slice(format!("> {}\t{}\n", written(who.when()), why.replace('\n', " ")).as_bytes());
        for mut log in logs {
            // One write: lines of several processes do not mix.
            let _ = log.write_all(&line);
        }
    }
}

/// The file of a ref, on disk before anybody locks the ref.
pub(crate) struct PreparedRef {
    new: Oid,
    file: NewFile,
}

impl PreparedRef {
    /// Makes the file among the objects, where `git gc` removes what a crash leaves of such a name. It has a name from the
    /// start: on btrfs most kernels sync nothing of a file that has none.
    pub(crate) fn new(git: &Repository, new: Oid) -> Result<Self> {
        let objects = Arc::new(crate::objects::directory(git)?);
        let mut file = objects.new_file("tmp_ref_", MODE)?;
        let path = file.path();
        write(file.file(), new).map_err(Error::io("write", &path))?;
        Ok(Self { new, file })
    }
}

fn write(mut file: &File, new: Oid) -> std::io::Result<()> {
    file.write_all(format!("{new}\n").as_bytes())?;
    file.sync_all()
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

fn remove_empty(directory: &Directory, name: &OsStr) {
    if let Ok(Some(below)) = directory.find(name) {
        for (name, kind) in below.names().unwrap_or_default() {
            if kind == FileType::Directory {
                remove_empty(&below, &name);
            }
        }
    }
    // Not empty: then the rename fails and says so.
    let _ = directory.remove_directory(name);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{PreparedRef, RefLock, force_ref, move_ref};
    use crate::git_lock::mark::MARK;
    use crate::oid::{from_git, to_git};
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
        let early = "refs/heads/early";
        fs::create_dir_all(git.path().join("refs/heads/early/gone")).unwrap();
        for commit in [one, two] {
            let prepared = PreparedRef::new(&git, from_git(commit)).unwrap();
            let lock = RefLock::take(&git, early).unwrap();
            lock.set_prepared(prepared, "prepared").unwrap();
            assert_eq!(git.refname_to_id(early).unwrap(), commit);
        }
        assert_eq!(git.reflog(early).unwrap().len(), 2);
        drop(PreparedRef::new(&git, from_git(one)).unwrap());
        let left = fs::read_dir(git.path().join("objects")).unwrap();
        let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(left.all(|name| !name.starts_with("tmp_")), "nothing is left");
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
    fn a_ref_that_cannot_be_read_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let git = git2::Repository::init(directory.path()).unwrap();
        let one = commit(&git, "one");
        let name = "refs/heads/main";
        let file = git.path().join(name);
        fs::write(&file, "damaged").unwrap();
        move_ref(&git, name, None, one, "over it").unwrap_err();
        force_ref(&git, name, one, "over it").unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), b"damaged");
    }

    #[test]
    fn moves_are_logged_where_git_would() {
        for (bare, setting, name, logged) in [
            (false, None, "refs/heads/a", true),
            (false, None, "refs/remotes/b/a", true),
            (false, None, "refs/annex/a", false),
            (false, Some(false), "refs/heads/a", false),
            (true, None, "refs/heads/a", false),
            (true, Some(true), "refs/heads/a", true),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let mut options = git2::RepositoryInitOptions::new();
            let git = git2::Repository::init_opts(directory.path(), options.bare(bare)).unwrap();
            let mut config = git.config().unwrap();
            // libgit2 sets it where it makes a repository.
            let _ = config.remove("core.logAllRefUpdates");
            if let Some(setting) = setting {
                config.set_bool("core.logAllRefUpdates", setting).unwrap();
            }
            force_ref(&git, name, commit(&git, "one"), "told").unwrap();
            let log = git.path().join("logs").join(name);
            assert_eq!(log.exists(), logged, "bare {bare}, {setting:?}, {name}");
        }
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
