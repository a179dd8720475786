//! Repositories for tests, made with git2 and looked at with git itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use digest::Digest;
use model::{Key, Oid};
use sha2::Sha256;
use tempfile::TempDir;

use crate::Annex;
use crate::oid::from_git;

/// What a test tree has at a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(Vec<u8>),
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (form, data) = match self {
            Leaf::File(data) => ("file", data),
            Leaf::Executable(data) => ("executable", data),
            Leaf::Link(data) => ("link", data),
        };
        write!(f, "{form} {:?}", bstr::BStr::new(&data[..data.len().min(100)]))
    }
}

/// A tree by path.
pub(crate) type Leaves = BTreeMap<String, Leaf>;

/// A repository of one test.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) annex: Annex,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::made(false, TempDir::new().unwrap())
    }

    pub(crate) fn bare() -> Self {
        Self::made(true, TempDir::new().unwrap())
    }

    /// In a directory of a file system of its own.
    pub(crate) fn within(directory: &Path) -> Self {
        let fixture = Self::made(false, TempDir::new_in(directory).unwrap());
        fixture.git(&["config", "core.fileMode", "false"]);
        fixture
    }

    fn made(bare: bool, directory: TempDir) -> Self {
        let mut how = git2::RepositoryInitOptions::new();
        how.bare(bare).initial_head("main").external_template(false);
        let git = git2::Repository::init_opts(directory.path(), &how).unwrap();
        let mut config = git.config().unwrap();
        config.set_str("user.name", "n").unwrap();
        config.set_str("user.email", "e@example.com").unwrap();
        config
            .set_str("annex.uuid", "217f23d5-452b-47a9-a485-f40d19253ce3")
            .unwrap();
        config.set_str("annex.version", "10").unwrap();
        config.set_str("core.fileMode", "true").unwrap();
        config.set_str("core.quotePath", "false").unwrap();
        let annex = Annex::open(directory.path()).unwrap();
        std::fs::create_dir_all(annex.annex_dir()).unwrap();
        Self { directory, annex }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub(crate) fn repo(&self) -> git2::Repository {
        git2::Repository::open(self.directory.path()).unwrap()
    }

    /// Makes a commit of exactly these files, without touching any branch.
    pub(crate) fn commit(&self, leaves: &Leaves, parents: &[Oid], message: &str) -> Oid {
        commit_in(&self.repo(), leaves, parents, message)
    }

    /// As [`Self::commit`], by somebody at some time.
    pub(crate) fn commit_by(&self, leaves: &Leaves, parents: &[Oid], who: &str, at: i64) -> Oid {
        let made = self.commit(leaves, parents, "by somebody");
        let repo = self.repo();
        let made = repo.find_commit(crate::oid::to_git(made)).unwrap();
        let time = git2::Time::new(at, 0);
        let who = git2::Signature::new(who, "e@example.com", &time).unwrap();
        from_git(made.amend(None, Some(&who), Some(&who), None, None, None).unwrap())
    }

    /// Adds a submodule to a commit, at a commit of its own whose id is all of `number`.
    pub(crate) fn with_submodule(&self, commit: Oid, path: &str, number: u8) -> Oid {
        let repo = self.repo();
        let commit = repo.find_commit(crate::oid::to_git(commit)).unwrap();
        let id = git2::Oid::from_bytes(&[number; 20]).unwrap();
        let tree = git2::build::TreeUpdateBuilder::new()
            .upsert(path, id, git2::FileMode::Commit)
            .create_updated(&repo, &commit.tree().unwrap())
            .unwrap();
        let tree = repo.find_tree(tree).unwrap();
        from_git(commit.amend(None, None, None, None, None, Some(&tree)).unwrap())
    }

    /// Points a ref at a commit.
    pub(crate) fn set(&self, reference: &str, commit: Oid) {
        let id = crate::oid::to_git(commit);
        self.repo().reference(reference, id, true, "test").unwrap();
    }

    pub(crate) fn get(&self, reference: &str) -> Option<Oid> {
        self.repo().refname_to_id(reference).ok().map(from_git)
    }

    /// Makes a commit of these files and checks it out.
    pub(crate) fn start(&self, leaves: &Leaves) -> Oid {
        let commit = self.commit(leaves, &[], "base");
        let done = self.check_out(commit).unwrap();
        assert!(done.blocked.is_empty(), "{done:?}");
        commit
    }

    /// Checks out a commit in the place of what is checked out.
    pub(crate) fn check_out(&self, to: Oid) -> crate::Result<crate::CheckedOut> {
        let head = self.annex.head()?;
        self.annex.check_out(&head, to, &crate::CheckoutOptions::default())
    }

    /// The files of a commit.
    pub(crate) fn leaves(&self, commit: Oid) -> Leaves {
        let repo = self.repo();
        let odb = repo.odb().unwrap();
        let tree = repo.find_commit(crate::oid::to_git(commit)).unwrap().tree_id();
        let all = crate::tree::raw::leaves(&odb, tree);
        all.into_iter()
            .map(|(path, blob)| {
                let data = odb.read(blob.id).unwrap().data().to_vec();
                use crate::tree::raw::Mode;
                let leaf = match blob.mode {
                    Mode::File => Leaf::File(data),
                    Mode::Executable => Leaf::Executable(data),
                    Mode::Symlink => Leaf::Link(data),
                    Mode::Submodule => unreachable!("tests make no submodules"),
                };
                (String::from_utf8(path).unwrap(), leaf)
            })
            .collect()
    }

    /// Runs git here, without the machine's and the user's settings.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git_at(self.directory.path(), arguments)
    }

    /// False if git fails.
    pub(crate) fn try_git(&self, arguments: &[&str]) -> bool {
        output_of_git(self.directory.path(), arguments).status.success()
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// As [`Self::write`], as if it was done a minute ago: git trusts stat data only if it is older than the index.
    pub(crate) fn write_before(&self, path: &str, content: &[u8]) {
        self.write(path, content);
        let file = std::fs::File::options()
            .write(true)
            .open(self.directory.path().join(path))
            .unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60))
            .unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(path)).unwrap()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        std::fs::symlink_metadata(self.directory.path().join(path)).is_ok()
    }

    /// Asserts that git finds nothing wrong and nothing changed.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        assert!(!self.exists(".git/index.lock"));
        assert!(!self.exists(".git/refs/heads/main.lock"));
        self.git(&["fsck", "--strict", "--no-dangling"]);
    }
}

pub(crate) fn git_at(directory: &Path, arguments: &[&str]) -> String {
    let output = output_of_git(directory, arguments);
    assert!(
        output.status.success(),
        "git {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn output_of_git(directory: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap()
}

pub(crate) fn commit_in(repo: &git2::Repository, leaves: &Leaves, parents: &[Oid], message: &str) -> Oid {
    let mut index = git2::Index::new().unwrap();
    for (path, leaf) in leaves {
        let (mode, data) = match leaf {
            Leaf::File(data) => (0o100_644, data),
            Leaf::Executable(data) => (0o100_755, data),
            Leaf::Link(data) => (0o120_000, data),
        };
        let time = git2::IndexTime::new(0, 0);
        index
            .add(&git2::IndexEntry {
                ctime: time,
                mtime: time,
                dev: 0,
                ino: 0,
                mode,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: repo.blob(data).unwrap(),
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            })
            .unwrap();
    }
    let tree = repo.find_tree(index.write_tree_to(repo).unwrap()).unwrap();
    let who = git2::Signature::now("n", "e@example.com").unwrap();
    let parents: Vec<_> = parents
        .iter()
        .map(|parent| repo.find_commit(crate::oid::to_git(*parent)).unwrap())
        .collect();
    let parents: Vec<_> = parents.iter().collect();
    from_git(repo.commit(None, &who, &who, message, &tree, &parents).unwrap())
}

pub(crate) fn file(content: &str) -> Leaf {
    Leaf::File(content.as_bytes().to_vec())
}

pub(crate) fn link(target: &str) -> Leaf {
    Leaf::Link(target.as_bytes().to_vec())
}

/// A pointer to a key that is not SHA256E of anything.
pub(crate) fn pointer(key: &str) -> Leaf {
    Leaf::File(format!("/annex/objects/{key}\n").into_bytes())
}

pub(crate) fn leaves<const N: usize>(all: [(&str, Leaf); N]) -> Leaves {
    all.into_iter().map(|(path, leaf)| (path.to_owned(), leaf)).collect()
}

/// Puts content into the store.
pub(crate) fn put_object(annex: &Annex, content: &[u8]) -> Key {
    let key = format!("SHA256E-s{}--{}", content.len(), hex::encode(Sha256::digest(content)));
    let key = Key::parse(key.as_bytes()).unwrap();
    let path = annex.store().object_path(&key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    // As if added a while ago: git trusts the stat data of a file only if it is older than the index.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60))
        .unwrap();
    key
}

/// Does something as somebody who may not do what the permissions of files forbid, as root may: on a thread of its own.
pub(crate) fn not_as_root<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut may = capabilities(None).unwrap();
            may.effective
                .remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, may).unwrap();
            work()
        });
        other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
