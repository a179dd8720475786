use std::fs;
use std::path::Path;

use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};

use super::neighbour::url_of;
use super::{adopt, configuration, create, set};
use crate::exchange::{missing, shallow};
use crate::{Annex, Error, Result, objects};

/// Clones a repository on this machine: its history and its git-annex branch, no content.
///
/// `dest` must not exist or be empty. Hooks and filters of the source are not run and its configuration has no effect.
/// The work tree is left to the caller: the new repository has no files, and HEAD names the source's branch, which does
/// not exist yet. The caller merges `refs/remotes/origin/<branch>` into it, as for every sync, and so makes the files.
/// (A branch without its files would look like a repository whose files were all deleted.) A bare clone is complete:
/// it has the source's branches, without those that only syncing uses.
///
/// On an error nothing is left behind.
pub fn clone(source: &Path, dest: &Path, bare: bool, description: Option<&str>, now: u64) -> Result<Annex> {
    let source = Annex::open(source)?;
    let git = source.git()?;
    if git.is_shallow() {
        return Err(shallow(&git));
    }
    let branch = branch_of(&source)?;
    let existed = is_free(dest)?;
    let made = create(dest, bare)
        .and_then(|git| fetch(&git, &source, &branch).map(|()| git))
        .and_then(|git| adopt(git, dest, description, now));
    if made.is_err() {
        discard(dest, bare, existed);
    }
    made
}

/// Whether a directory for a clone is there already; refused if something is in it.
pub(super) fn is_free(dest: &Path) -> Result<bool> {
    let existed = dest.symlink_metadata().is_ok();
    if existed {
        let mut entries = fs::read_dir(dest).map_err(Error::io("read the directory", dest))?;
        if entries.next().is_some() {
            return Err(Error::Refused(format!(
                "{} is not empty; nothing was changed. Choose another place for the clone",
                dest.display()
            )));
        }
    }
    Ok(existed)
}

/// The branch whose work the source's work tree shows.
fn branch_of(source: &Annex) -> Result<String> {
    let git = source.git()?;
    let head = git
        .find_reference("HEAD")
        .map_err(Error::git("read HEAD of the source"))?;
    let target = head.symbolic_target().ok().flatten().unwrap_or_default();
    let name = target.strip_prefix("refs/heads/").unwrap_or_default();
    let name = match name.strip_prefix("adjusted/") {
        Some(adjusted) => adjusted.rsplit_once('(').map_or(adjusted, |(name, _)| name),
        None => name,
    };
    if name.is_empty() || name.starts_with("views/") {
        return Err(Error::Refused(format!(
            "{source:?} has no ordinary branch checked out; nothing was changed. Check one out there with 'git checkout'"
        )));
    }
    if git.find_reference(&format!("refs/heads/{name}")).is_err()
        && source.is_bare()
        && let Some(only) = only_branch(&git)?
    {
        return Ok(only);
    }
    Ok(name.to_owned())
}

/// The only branch of a bare repository, apart from git-annex's own. HEAD there may name a branch that nobody ever pushed.
fn only_branch(git: &Repository) -> Result<Option<String>> {
    let doing = || Error::git("list the branches of the source");
    let branches = git.branches(Some(git2::BranchType::Local)).map_err(doing())?;
    let mut names = Vec::new();
    for branch in branches {
        let (branch, _) = branch.map_err(doing())?;
        let name = branch.name().ok().flatten().unwrap_or_default();
        if !name.is_empty() && name != "git-annex" && !name.starts_with("synced/") {
            names.push(name.to_owned());
        }
    }
    Ok((names.len() == 1).then(|| names.remove(0)))
}

fn fetch(git: &Repository, source: &Annex, branch: &str) -> Result<()> {
    let place = source.work_tree().unwrap_or(source.git_dir());
    let place = fs::canonicalize(place).map_err(Error::io("examine", place))?;
    let doing = || Error::git(format!("clone {}", place.display()));
    let text = url_of(&place)?;
    let mut config = configuration(git)?;
    set(&mut config, "remote.origin.url", &text)?;
    let heads = if git.is_bare() {
        "refs/heads/"
    } else {
        set(
            &mut config,
            "remote.origin.fetch",
            "+refs/heads/*:refs/remotes/origin/*",
        )?;
        set(&mut config, &format!("branch.{branch}.remote"), "origin")?;
        set(
            &mut config,
            &format!("branch.{branch}.merge"),
            &format!("refs/heads/{branch}"),
        )?;
        "refs/remotes/origin/"
    };
    set(&mut config, "remote.origin.annex-uuid", source.uuid().as_str())?;
    bring(git, &*source.git()?, heads)?;
    git.set_head(&format!("refs/heads/{branch}")).map_err(doing())
}

/// Copies the branches and tags of a repository, with all objects that they lead to. `heads` is where the branches go.
fn bring(git: &Repository, source: &Repository, heads: &str) -> Result<()> {
    let doing = || Error::git(format!("read the branches and tags of {}", source.path().display()));
    let (mut named, mut commits, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    for reference in source.references().map_err(doing())? {
        let reference = reference.map_err(doing())?;
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        let name = match name.strip_prefix("refs/heads/") {
            Some(branch) if git.is_bare() && is_temporary(branch) => continue,
            Some(branch) => format!("{heads}{branch}"),
            None if name.starts_with("refs/tags/") => name,
            None => continue,
        };
        if name.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Error::Refused(format!(
                "{} has a branch or tag whose name is not UTF-8 ({name}); nothing was changed. Rename it there",
                source.path().display()
            )));
        }
        let Some(target) = reference.resolve().map_err(doing())?.target() else {
            continue;
        };
        let mut object = source.find_object(target, None).map_err(doing())?;
        while let Some(tag) = object.as_tag() {
            objects.push(tag.id());
            object = tag.target().map_err(doing())?;
        }
        match object.kind() {
            Some(ObjectType::Commit) => commits.push(object.id()),
            Some(ObjectType::Tree) => objects.extend(below(&object.peel_to_tree().map_err(doing())?).map_err(doing())?),
            _ => objects.push(object.id()),
        }
        named.push((name, target));
    }
    objects.extend(missing(source, git, &commits)?);
    objects.sort_unstable();
    objects.dedup();
    let _kept = objects::send(source, git, &objects)?;
    for (name, target) in named {
        let made = git.reference(&name, target, true, "clone");
        made.map_err(Error::git(format!("make the ref {name}")))?;
    }
    Ok(())
}

/// True for branches that only git-annex's syncing and adjusting use.
fn is_temporary(branch: &str) -> bool {
    ["synced/", "adjusted/", "views/"]
        .iter()
        .any(|prefix| branch.starts_with(prefix))
}

/// A tree and all that is in it.
fn below(tree: &git2::Tree<'_>) -> std::result::Result<Vec<git2::Oid>, git2::Error> {
    let mut all = vec![tree.id()];
    tree.walk(TreeWalkMode::PreOrder, |_, entry| {
        if entry.kind() != Some(ObjectType::Commit) {
            all.push(entry.id());
        }
        TreeWalkResult::Ok
    })?;
    Ok(all)
}

/// Removes a clone that failed; files that somebody has put into its work tree meanwhile stay.
pub(super) fn discard(dest: &Path, bare: bool, existed: bool) {
    const BARE: [&str; 10] = [
        "FETCH_HEAD",
        "HEAD",
        "config",
        "description",
        "hooks",
        "info",
        "objects",
        "refs",
        "annex",
        "packed-refs",
    ];
    for name in if bare { &BARE[..] } else { &[".git"] } {
        let path = dest.join(name);
        let _ = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
    }
    if !existed {
        let _ = fs::remove_dir(dest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, file, leaves};

    #[test]
    fn of_a_bare_repository_the_branch_that_is_there_is_taken() {
        let (files, bare) = (Fixture::new(), Fixture::bare());
        files.start(&leaves([("a", file("a"))]));
        files.git(&["push", "-q", bare.path().to_str().unwrap(), "HEAD:files"]);
        assert_eq!(branch_of(&bare.annex).unwrap(), "files");
        files.git(&["push", "-q", bare.path().to_str().unwrap(), "HEAD:others"]);
        assert_eq!(branch_of(&bare.annex).unwrap(), "main", "nobody can tell");
    }

    #[test]
    fn of_a_clone_that_failed_nothing_is_left_but_the_files_of_others() {
        let source = Fixture::new();
        source.start(&leaves([("a", file("a"))]));
        let place = tempfile::tempdir().unwrap();
        for bare in [false, true] {
            for existed in [false, true] {
                let dest = place.path().join(format!("{bare} {existed}"));
                if existed {
                    fs::create_dir(&dest).unwrap();
                }
                clone(&source.path(), &dest, bare, None, 1).unwrap();
                discard(&dest, bare, existed);
                let left: Vec<_> = fs::read_dir(&dest)
                    .into_iter()
                    .flatten()
                    .map(|entry| entry.unwrap().file_name())
                    .collect();
                assert!(left.is_empty(), "bare {bare}, existed {existed}: {left:?}");
            }
        }
        let dest = place.path().join("used");
        clone(&source.path(), &dest, false, None, 1).unwrap();
        for name in ["config", "photo"] {
            fs::write(dest.join(name), "of the user").unwrap();
        }
        discard(&dest, false, false);
        assert_eq!(fs::read_dir(&dest).unwrap().count(), 2);
    }

    #[test]
    fn branches_and_tags_come_with_all_that_they_lead_to() {
        let source = Fixture::new();
        source.start(&leaves([("a", file("a")), ("d/b", file("b"))]));
        for command in [
            &["tag", "light"][..],
            &["tag", "-a", "-m", "m", "heavy", "HEAD"],
            &["tag", "-a", "-m", "m", "twice", "heavy"],
            &["tag", "tree", "HEAD^{tree}"],
            &["branch", "synced/main"],
            &["branch", "other"],
        ] {
            source.git(command);
        }
        let blob = source.git(&["hash-object", "-w", "--stdin"]);
        source.git(&["tag", "blob", blob.trim()]);
        let place = tempfile::tempdir().unwrap();
        for bare in [false, true] {
            let dest = place.path().join(format!("{bare}"));
            let made = clone(&source.path(), &dest, bare, None, 1).unwrap();
            let git = |arguments: &[&str]| {
                let output = std::process::Command::new("git")
                    .arg("-C")
                    .arg(made.git_dir())
                    .args(arguments)
                    .output();
                let output = output.unwrap();
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            };
            git(&["fsck", "--full", "--strict"]);
            let refs = git(&[
                "for-each-ref",
                "--format=%(refname)",
                "refs/tags",
                "refs/heads",
                "refs/remotes",
            ]);
            let heads = if bare { "refs/heads" } else { "refs/remotes/origin" };
            let mut wanted = vec![format!("{heads}/main"), format!("{heads}/other")];
            wanted.extend((!bare).then(|| format!("{heads}/synced/main")));
            wanted.extend(["blob", "heavy", "light", "tree", "twice"].map(|tag| format!("refs/tags/{tag}")));
            for name in &wanted {
                assert!(refs.lines().any(|line| line == name), "{name} is not in {refs}");
            }
            assert_eq!(refs.contains("synced/main"), !bare, "{refs}");
            for tag in ["blob", "heavy", "light", "tree", "twice"] {
                let name = format!("refs/tags/{tag}");
                assert_eq!(git(&["rev-parse", &name]), source.git(&["rev-parse", &name]));
            }
        }
    }

    #[test]
    fn of_a_source_with_an_object_that_is_cut_off_there_is_no_clone() {
        let source = Fixture::new();
        source.start(&leaves([("a", file(&"words ".repeat(2000)))]));
        let blob = source.git(&["rev-parse", "HEAD:a"]);
        let (directory, name) = blob.trim().split_at(2);
        let object = source.path().join(".git/objects").join(directory).join(name);
        let whole = fs::read(&object).unwrap();
        fs::remove_file(&object).unwrap();
        fs::write(&object, &whole[..whole.len() / 2]).unwrap();
        let dest = source.path().with_extension("clone");
        let error = clone(&source.path(), &dest, false, None, 1).unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
        assert!(!dest.exists());
    }
}
