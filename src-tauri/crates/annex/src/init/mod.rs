//! Makes a directory a git-annex repository, as `git annex init` does.

mod asked;
mod clone;
mod clone_over;
mod filter;
mod git_file;
mod identity;
mod neighbour;
mod sentinel;

use std::fs;
use std::path::{Path, PathBuf};

use git2::Repository;

use crate::locks::LockFile;
use crate::logs::VectorClock;
use crate::ref_lock::force_ref;
use crate::repository::{open_git, refuse_elsewhere, refuse_unsupported};
use crate::{Annex, Directory, Error, Result, VERSION};

pub use asked::{FoundRepository, find};
pub use clone::clone;
pub use clone_over::clone_over;
#[cfg(test)]
pub(crate) use filter::add_hooks;
pub use filter::set_filter;
pub use identity::default_description;
pub use neighbour::{Naming, add_remote, begin_naming, name_for, remote_name, set_remote, set_remote_at};

const BRANCH: &str = "refs/heads/git-annex";

/// Makes `path` a git-annex repository: a new one, or the git or git-annex repository that is there.
///
/// Safe to repeat, also after an interruption: what is there stays. `description` is what people see; without one, a
/// repository that has none gets [`default_description`]. `now` is the wall-clock time in seconds since the epoch, for
/// the log. Content filters are not set: see [`set_filter`].
///
/// # Errors
///
/// Refused with a message, and nothing changed: a place inside another annex, a repository of a kind that is not
/// supported, a checked out adjusted or view branch, a `.noannex` file, a file system that cannot hold a work tree.
pub fn init(path: &Path, description: Option<&str>, now: u64) -> Result<Annex> {
    let git = match open_git(path) {
        Ok(git) => git,
        Err(_) if !is_git_directory(path) => {
            let whole = std::path::absolute(path).map_err(Error::io("find", path))?;
            let there = whole.ancestors().find(|above| above.is_dir());
            refuse_unfit(there.unwrap_or(&whole), path)?;
            create(path, false)?
        }
        Err(error) => return Err(error),
    };
    let config = git.config().map_err(Error::git("read the configuration"))?;
    refuse_unsupported(&config, path)?;
    refuse_elsewhere(&git, path)?;
    refuse_branch(&git, path)?;
    if let Some(top) = git.workdir()
        && let Ok(reason) = fs::read_to_string(top.join(".noannex"))
    {
        return Err(Error::Refused(format!(
            "{} has a .noannex file, which says that it shall not be annexed; nothing was changed. {}",
            path.display(),
            reason.trim()
        )));
    }
    adopt(git, path, description, now)
}

/// Refuses to work where files are listed under other names than they were given, which a mount can begin at any time.
pub fn check_names(annex: &Annex) -> Result<()> {
    let Some(top) = annex.work_tree() else { return Ok(()) };
    // Where nothing can be tried, because the disk is full or read-only, nothing can be renamed either.
    match Directory::top(annex.git_dir()).and_then(|git_dir| keeps_names(git_dir.make("annex")?.path())) {
        Ok(false) => Err(unfit(top, RENAMES)),
        Ok(true) | Err(_) => Ok(()),
    }
}

/// Refuses to work on a branch that git-annex computes from another one: `adjusted/…` and `views/…`.
fn refuse_branch(git: &Repository, path: &Path) -> Result<()> {
    let head = git.find_reference("HEAD").ok();
    let branch = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
    let name = branch
        .and_then(|branch| branch.strip_prefix("refs/heads/"))
        .unwrap_or_default();
    if name.starts_with("adjusted/") || name.starts_with("views/") {
        return Err(Error::Refused(format!(
            "{} has the branch {name} checked out, which git-annex computes from another branch and which is not supported yet; nothing was changed. Check out the other branch with 'git checkout'",
            path.display(),
        )));
    }
    Ok(())
}

fn is_git_directory(path: &Path) -> bool {
    path.join(".git").symlink_metadata().is_ok() || (path.join("HEAD").exists() && path.join("objects").exists())
}

/// Makes a new git repository, whose first branch is the one that git would choose.
fn create(path: &Path, bare: bool) -> Result<Repository> {
    refuse_nested(path)?;
    let branch = git2::Config::open_default()
        .and_then(|config| config.get_string("init.defaultBranch"))
        .ok()
        .filter(|branch| git2::Reference::is_valid_name(&format!("refs/heads/{branch}")));
    let mut options = git2::RepositoryInitOptions::new();
    options
        .bare(bare)
        .no_reinit(true)
        .initial_head(branch.as_deref().unwrap_or("main"));
    let git = Repository::init_opts(path, &options)
        .map_err(Error::git(format!("make a git repository in {}", path.display())))?;
    if !bare {
        let mut config = configuration(&git)?;
        set_new(&mut config, "annex.addunlocked", "true")?;
    }
    Ok(git)
}

/// A repository inside an annex would be a foreign body there.
fn refuse_nested(path: &Path) -> Result<()> {
    let around = path.ancestors().skip(1).find(|ancestor| ancestor.exists());
    let Some(outer) = around.and_then(|ancestor| Repository::discover(ancestor).ok()) else {
        return Ok(());
    };
    let top = outer.workdir().unwrap_or(outer.path()).to_owned();
    let is_annex = outer
        .config()
        .is_ok_and(|config| config.get_string("annex.uuid").is_ok());
    let inside_git_directory = fs::canonicalize(outer.path())
        .ok()
        .zip(around.and_then(|ancestor| fs::canonicalize(ancestor).ok()))
        .is_some_and(|(git_dir, ancestor)| ancestor.starts_with(git_dir));
    if is_annex || inside_git_directory {
        return Err(Error::Refused(format!(
            "{} lies inside the repository {}; nothing was changed. Choose a place outside of it",
            path.display(),
            top.display()
        )));
    }
    Ok(())
}

/// Gives a git repository all that makes it an annex. The version is set last: until then it is not taken for one.
fn adopt(git: Repository, path: &Path, description: Option<&str>, now: u64) -> Result<Annex> {
    let annex = Directory::top(git.commondir())?.make("annex")?;
    if !git.is_bare() {
        refuse_unfit(annex.path(), path)?;
    }
    let crippled = !has_links_and_permissions(annex.path())?;
    let git = git_file::make_link(git)?;
    let mut config = configuration(&git)?;
    identity::give_author(&git, &mut config)?;
    if !git.is_bare() {
        filter::add_attributes(git.commondir())?;
        if filter::git_annex_is_installed() {
            filter::add_hooks(git.commondir(), false)?;
        }
    } else if filter::git_annex_is_installed() {
        filter::add_hooks(git.commondir(), true)?;
    }
    if crippled {
        set_new(&mut config, "annex.crippledfilesystem", "true")?;
    }
    if config.get_string("annex.uuid").unwrap_or_default().is_empty() {
        set(&mut config, "annex.uuid", identity::new_uuid()?.as_str())?;
    }
    sentinel::place(git.commondir())?;
    take_over_branch(&git)?;
    set_new(&mut config, "annex.version", VERSION)?;
    store_configuration(&git)?;

    let annex = Annex::open(path)?;
    let top = annex.work_tree().unwrap_or(annex.git_dir());
    let known = annex.branch().facts()?.descriptions.remove(annex.uuid());
    let text = match (description, &known) {
        (Some(text), _) => identity::one_line(text),
        (None, Some(known)) => known.clone(),
        (None, None) => default_description(top),
    };
    if known.as_ref() != Some(&text) {
        let now = VectorClock::parse(format!("{now}s").as_bytes()).unwrap_or_else(VectorClock::now);
        annex.branch().record_value("uuid.log", annex.uuid(), &text, now)?;
    }
    Ok(annex)
}

/// Lets the git-annex branch begin with that of a remote if there is one: their histories belong together.
fn take_over_branch(git: &Repository) -> Result<()> {
    let _journal = LockFile::exclusive(&git.commondir().join("annex/journal.lck"))?;
    if git.find_reference(BRANCH).is_ok() {
        return Ok(());
    }
    if let Some(commit) = remote_branch(git)? {
        force_ref(git, BRANCH, commit, "branch created")?;
    }
    Ok(())
}

/// A git-annex branch of some remote.
fn remote_branch(git: &Repository) -> Result<Option<git2::Oid>> {
    let theirs = git
        .references_glob("refs/remotes/*/git-annex")
        .map_err(Error::git("look for a git-annex branch"))?
        .filter_map(|reference| Some(reference.ok()?.peel_to_commit().ok()?.id()))
        .next();
    Ok(theirs)
}

/// Refuses a work tree at `path` where the file system of `directory` cannot hold one. Tries it, and leaves nothing behind.
fn refuse_unfit(directory: &Path, path: &Path) -> Result<()> {
    match (has_links_and_permissions(directory)?, keeps_names(directory)?) {
        (true, true) => Ok(()),
        (false, _) => Err(unfit(path, "without symbolic links or permissions")),
        (true, false) => Err(unfit(path, RENAMES)),
    }
}

const RENAMES: &str = "that lists files under other names than they were given (in lower case, for instance)";

fn unfit(path: &Path, lacks: &str) -> Error {
    Error::Refused(format!(
        "{} is on a file system {lacks}, where only repositories without a work tree are supported yet; nothing was changed. Make a bare repository there with 'anabranch clone --bare'",
        path.display()
    ))
}

/// True if a work tree can lie in `directory`: symbolic links can be made there, write protection has an effect, and files
/// are listed under the names that they were given. Tries it, and leaves nothing behind.
pub fn can_hold_work_tree(directory: &Path) -> Result<bool> {
    Ok(has_links_and_permissions(directory)? && keeps_names(directory)?)
}

fn probe(directory: &Path) -> Result<tempfile::TempDir> {
    let made = tempfile::Builder::new().prefix("probe-").tempdir_in(directory);
    made.map_err(Error::io("create a directory in", directory))
}

/// False if symbolic links cannot be made or write protection has no effect, as on FAT.
fn has_links_and_permissions(directory: &Path) -> Result<bool> {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let probe = probe(directory)?;
    let (link, file) = (probe.path().join("link"), probe.path().join("file"));
    if symlink("file", &link).is_err() {
        return Ok(false);
    }
    fs::write(&file, b"").map_err(Error::io("write", &file))?;
    Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).is_ok()
        && fs::metadata(&file).is_ok_and(|metadata| metadata.permissions().mode() & 0o222 == 0))
}

/// False if files are listed under other names than they were given: in lower case, as by `lowntfs-3g` with `ignore_case`,
/// or decomposed, as by HFS+. There every such file would be taken for one that was renamed.
fn keeps_names(directory: &Path) -> Result<bool> {
    const GIVEN: &str = "Caf\u{e9}";
    let probe = probe(directory)?;
    let file = probe.path().join(GIVEN);
    fs::write(&file, b"").map_err(Error::io("write", &file))?;
    let mut listed = fs::read_dir(probe.path()).map_err(Error::io("read the directory", probe.path()))?;
    Ok(listed.any(|entry| entry.is_ok_and(|entry| entry.file_name() == GIVEN)))
}

/// Opens the repository's own configuration, which all its work trees share.
fn configuration(git: &Repository) -> Result<git2::Config> {
    let path: PathBuf = git.commondir().join("config");
    git2::Config::open(&path).map_err(Error::git(format!("read {}", path.display())))
}

/// Gives the configuration to those who share the repository: libgit2 makes a new file of it.
fn share_configuration(git: &Repository) -> Result<fs::File> {
    let stored = git.commondir().join("config");
    let file = fs::File::open(&stored).map_err(Error::io("open", &stored))?;
    Directory::top(git.commondir())?
        .share(&file, 0o644)
        .map_err(|errno| Error::io("set the permissions of", &stored)(errno.into()))?;
    Ok(file)
}

/// Writes the configuration out, for all who share the repository.
fn store_configuration(git: &Repository) -> Result<()> {
    let stored = git.commondir().join("config");
    let file = share_configuration(git)?;
    file.sync_all().map_err(Error::io("store", &stored))
}

fn set(config: &mut git2::Config, name: &str, value: &str) -> Result<()> {
    config
        .set_str(name, value)
        .map_err(Error::git(format!("set {name} in the configuration")))
}

fn set_new(config: &mut git2::Config, name: &str, value: &str) -> Result<()> {
    match config.get_string(name) {
        Ok(_) => Ok(()),
        Err(_) => set(config, name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_repository::Folding;

    #[test]
    fn where_names_do_not_stay_as_they_are_no_work_tree_is_made() {
        let Some(folding) = Folding::mount_lower_case() else {
            return;
        };
        let at = |name: &str| folding.path().join(name);
        let there = |path: &Path| fs::read_dir(path).unwrap().count();
        fs::create_dir(at("photos")).unwrap();
        fs::write(at("photos/picture.jpg"), "a picture").unwrap();
        let why = init(&at("photos"), None, 1).unwrap_err().to_string();
        assert!(why.contains("under other names"), "{why}");
        assert_eq!(there(&at("photos")), 1, "nothing was changed");

        let elsewhere = tempfile::tempdir().unwrap();
        let source = elsewhere.path().join("photos");
        init(&source, None, 1).unwrap();
        let why = clone(&source, &at("clone"), false, None, 1).unwrap_err().to_string();
        assert!(why.contains("under other names"), "{why}");
        assert_eq!(there(&folding.path()), 1, "nothing was left behind");
        clone(&source, &at("bare"), true, None, 1).unwrap();
    }
}
