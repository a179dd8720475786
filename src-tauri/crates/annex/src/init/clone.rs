use std::fs;
use std::path::Path;

use git2::{FetchOptions, Repository};

use super::neighbour::url_of;
use super::{adopt, configuration, create, set};
use crate::exchange::shallow;
use crate::{Annex, Error, Result};

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
    let made = create(dest, bare)
        .and_then(|git| fetch(&git, &source, &branch).map(|()| git))
        .and_then(|git| adopt(git, dest, description, now));
    if made.is_err() {
        discard(dest, bare, existed);
    }
    made
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
    let refspec = if git.is_bare() {
        "+refs/heads/*:refs/heads/*"
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
        "+refs/heads/*:refs/remotes/origin/*"
    };
    set(&mut config, "remote.origin.annex-uuid", source.uuid().as_str())?;
    // By url: libgit2 takes a path with a colon for an ssh address.
    git.remote_anonymous(&file_url(&text))
        .and_then(|mut remote| {
            let mut options = FetchOptions::new();
            options.download_tags(git2::AutotagOption::All);
            remote.fetch(&[refspec], Some(&mut options), None)
        })
        .map_err(doing())?;
    if git.is_bare() {
        let branches = git.references_glob("refs/heads/*").map_err(doing())?;
        for mut reference in branches.filter_map(std::result::Result::ok) {
            let name = reference.name_bytes();
            let temporary = [
                &b"refs/heads/synced/"[..],
                b"refs/heads/adjusted/",
                b"refs/heads/views/",
            ];
            if temporary.iter().any(|prefix| name.starts_with(prefix)) {
                reference.delete().map_err(doing())?;
            }
        }
    }
    git.set_head(&format!("refs/heads/{branch}")).map_err(doing())
}

/// Writes an absolute path as a url, which libgit2 decodes again.
fn file_url(path: &str) -> String {
    let mut url = "file://".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => url.push(char::from(byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

/// Removes a clone that failed; files that somebody has put into its work tree meanwhile stay.
fn discard(dest: &Path, bare: bool, existed: bool) {
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
}
