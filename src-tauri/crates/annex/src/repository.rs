use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Uuid;

use crate::durable::sync_file_system;
use crate::handles::Handles;
use crate::{Error, Result};

/// The one repository version that this program reads and writes.
pub const VERSION: &str = "10";

/// One git-annex repository: where its parts are, and who it is.
///
/// A cheap handle to share between threads; each operation opens what it needs and takes git-annex's locks itself.
#[derive(Clone)]
pub struct Annex {
    inner: Arc<Inner>,
}

struct Inner {
    git_dir: PathBuf,
    work_tree: Option<PathBuf>,
    uuid: Uuid,
    root: Option<RootId>,
    index: crate::index::Cache,
    handles: Handles,
}

/// Which directory the top of a work tree is: as long as this is the same, so is the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RootId {
    device: u64,
    inode: u64,
    file_system: u64,
}

impl RootId {
    /// Looks at a directory; none if there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = rustix::fs::stat(path).ok()?;
        let file_system = rustix::fs::statvfs(path).ok()?;
        Some(Self {
            device: found.st_dev,
            inode: found.st_ino,
            file_system: file_system.f_fsid,
        })
    }
}

impl Annex {
    /// Opens the repository whose top (or bare git directory) is `path`.
    ///
    /// Refused with a message, and nothing changed: no repository, not initialised by git-annex, a version other than
    /// 10, pid locks, private or tuned repositories, SHA-256 objects, a `.git` file in place of the directory.
    pub fn open(path: &Path) -> Result<Self> {
        let annex = Self::open_for_filter(path)?;
        if annex.work_tree().is_some_and(|top| top.join(".git").is_file()) {
            let shown = path.display();
            return Err(Error::Refused(format!(
                "{shown} has a .git file, through which annexed links lead nowhere; nothing was changed. Run 'anabranch init {shown}', which makes it a link to the git directory"
            )));
        }
        Ok(annex)
    }

    /// As [`Self::open`], also where `.git` is a file: `git worktree add` passes files through the filter before anybody
    /// could have made it a link, and no link is followed for that.
    pub fn open_for_filter(path: &Path) -> Result<Self> {
        let git = open_git(path)?;
        let config = git
            .config()
            .and_then(|mut config| config.snapshot())
            .map_err(Error::git("read the configuration"))?;
        let shown = path.display();
        let text = |name: &str| config.get_string(name).ok();
        let uuid = text("annex.uuid").unwrap_or_default();
        if uuid.is_empty() {
            return Err(Error::Refused(format!(
                "{shown} is a git repository that has no annex yet; nothing was changed. Run 'anabranch init {shown}' to make it one"
            )));
        }
        let uuid = Uuid::parse(&uuid)
            .ok_or_else(|| Error::Damaged(format!("{shown} has an annex.uuid that is not a uuid: {uuid:?}")))?;
        if text("annex.version").is_none() {
            return Err(Error::Refused(format!(
                "{shown} has an annex.uuid but no annex.version; nothing was changed. Run 'anabranch init {shown}' to complete it"
            )));
        }
        refuse_unsupported(&config, path)?;
        refuse_elsewhere(&git, path)?;
        let git_dir = git.commondir().to_owned();
        let work_tree = git.workdir().map(Path::to_owned);
        Ok(Self {
            inner: Arc::new(Inner {
                root: RootId::of(work_tree.as_deref().unwrap_or(&git_dir)),
                git_dir,
                work_tree,
                uuid,
                index: crate::index::Cache::default(),
                handles: Handles::default(),
            }),
        })
    }

    /// The annex uuid of this repository.
    pub fn uuid(&self) -> &Uuid {
        &self.inner.uuid
    }

    /// The git directory: `.git`, or the repository itself if bare.
    pub fn git_dir(&self) -> &Path {
        &self.inner.git_dir
    }

    /// The top of the work tree; none if bare.
    pub fn work_tree(&self) -> Option<&Path> {
        self.inner.work_tree.as_deref()
    }

    /// True if there is no work tree.
    pub fn is_bare(&self) -> bool {
        self.inner.work_tree.is_none()
    }

    /// `<git dir>/annex`.
    pub fn annex_dir(&self) -> PathBuf {
        self.inner.git_dir.join("annex")
    }

    /// `<git dir>/annex/<name>`.
    pub fn annex_file(&self, name: &str) -> PathBuf {
        self.inner.git_dir.join("annex").join(name)
    }

    /// Removes the locks of git's files that a killed process of this program has left, or a drive that was pulled out;
    /// git's commands would wait for a person to do so. Locks of others stay.
    pub fn remove_abandoned_locks(&self) {
        crate::git_lock::remove_all_abandoned(self.git_dir());
    }

    /// Writes out the file system that the git directory is on: one wait for all that was written there, by whomever.
    pub fn make_durable(&self) -> Result<()> {
        let git_dir = self.git_dir();
        std::fs::File::open(git_dir)
            .and_then(|directory| Ok(sync_file_system(directory)?))
            .map_err(Error::io("write to disk", git_dir))
    }

    /// Which directory the top was when the repository was opened.
    pub(crate) fn root(&self) -> Option<RootId> {
        self.inner.root
    }

    /// The index as it was read or written last.
    pub(crate) fn index_cache(&self) -> &crate::index::Cache {
        &self.inner.index
    }

    /// libgit2 handles that are open.
    pub(crate) fn handles(&self) -> &Handles {
        &self.inner.handles
    }
}

impl fmt::Debug for Annex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.work_tree().unwrap_or(self.git_dir()).display(),
            self.uuid()
        )
    }
}

/// Refuses repositories that say in their configuration that they are of a kind that this program does not write.
pub(crate) fn refuse_unsupported(config: &git2::Config, path: &Path) -> Result<()> {
    let shown = path.display();
    if let Ok(version) = config.get_string("annex.version")
        && version != VERSION
    {
        return Err(Error::Refused(format!(
            "{shown} has git-annex repository version {version}; only version {VERSION} is supported; nothing was changed. Run 'git annex upgrade' there"
        )));
    }
    for setting in ["annex.pidlock", "annex.private"] {
        if config.get_bool(setting).unwrap_or(false) {
            return Err(Error::Refused(format!(
                "{shown} has {setting} set, which is not supported; nothing was changed"
            )));
        }
    }
    let mut tuned = config
        .entries(Some("^annex\\.tune\\."))
        .map_err(Error::git("read the configuration"))?;
    while let Some(setting) = tuned.next() {
        let setting = setting.map_err(Error::git("read the configuration"))?;
        let name = setting.name().unwrap_or_default();
        if config.get_bool(name).unwrap_or(true) {
            return Err(Error::Refused(format!(
                "{shown} has a tuned annex ({name}), which is not supported; nothing was changed"
            )));
        }
    }
    Ok(())
}

/// Refuses a directory through which git works on the files of another one: a copied `.git` file, or `core.worktree`.
pub(crate) fn refuse_elsewhere(git: &git2::Repository, path: &Path) -> Result<()> {
    let Some(top) = git.workdir() else {
        return Ok(());
    };
    let real = |path: &Path| path.canonicalize().map_err(Error::io("examine", path));
    let asked = real(path)?;
    if asked == real(top)? || asked == real(git.path())? {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "the git directory of {} belongs to the files in {}; nothing was changed. Work there, or make a clone",
        path.display(),
        top.display()
    )))
}

/// Opens the git repository at exactly this place.
pub(crate) fn open_git(path: &Path) -> Result<git2::Repository> {
    crate::objects::open(path).map_err(Error::git(format!("open the repository {}", path.display())))
}
