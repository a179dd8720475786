//! The git-annex branches of other repositories.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bstr::{BStr, ByteSlice};
use git2::Oid;

use super::{Branch, REF, transitions};
use crate::{Error, Result};

/// The last component of their names.
const NAME: &str = "git-annex";

impl Branch<'_> {
    /// The commits of all other git-annex branches that may be merged, merged or not.
    pub(crate) fn others(&self, repo: &git2::Repository) -> Result<Vec<Oid>> {
        let config = repo.config().map_err(Error::git("read the configuration"))?;
        if !config.get_bool("annex.merge-annex-branches").unwrap_or(true) {
            return Ok(Vec::new());
        }
        let ignored = transitions::ignored(self.annex)?;
        let others = other_branches(repo)?.into_iter().map(|(_, id)| id);
        Ok(others.filter(|id| !ignored.contains(&id.to_string())).collect())
    }
}

/// Every ref that ends in `/git-annex` and leads to a commit, but ours.
pub(super) fn other_branches(repo: &git2::Repository) -> Result<Vec<(String, Oid)>> {
    // A linked work tree has refs of its own as well.
    let is_main = repo.path() == repo.commondir();
    let found = match is_main.then(|| plain(repo.path())).flatten() {
        Some(found) => found,
        None => listed_by_libgit2(repo)?,
    };
    // A ref that leads to no commit (a tag of something else, a broken ref) is nobody's git-annex branch.
    let commit = |(name, id): (String, Oid)| {
        let commit = repo.find_object(id, None).and_then(|object| object.peel_to_commit());
        commit.ok().map(|commit| (name, commit.id()))
    };
    Ok(found.into_iter().filter_map(commit).collect())
}

/// The refs that end in `/git-annex`, but ours, read from the files of a git directory as in gitrepository-layout(5). None if
/// there is anything unusual among them, such as a symbolic ref.
///
/// The engine reads them several times for each change. To list them, libgit2 would look up every ref.
fn plain(git_dir: &Path) -> Option<BTreeMap<String, Oid>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![("refs".to_owned(), git_dir.join("refs"))];
    while let Some((name, directory)) = ahead.pop() {
        for entry in fs::read_dir(directory).ok()? {
            let entry = entry.ok()?;
            let kind = entry.file_type().ok()?;
            let file_name = entry.file_name();
            if kind.is_dir() {
                ahead.push((format!("{name}/{}", file_name.to_str()?), entry.path()));
            } else if kind.is_symlink() {
                return None;
            } else if file_name == NAME {
                let content = fs::read(entry.path()).ok()?;
                found.insert(format!("{name}/{NAME}"), id(content.trim_ascii_end())?);
            }
        }
    }
    // After the files, since git moves refs from there to here.
    for (name, id) in packed(git_dir)? {
        found.entry(name).or_insert(id);
    }
    found.remove(REF);
    Some(found)
}

/// The refs that git has moved to `packed-refs`.
fn packed(git_dir: &Path) -> Option<BTreeMap<String, Oid>> {
    let content = match fs::read(git_dir.join("packed-refs")) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(BTreeMap::new()),
        Err(_) => return None,
    };
    let mut found = BTreeMap::new();
    // A line with `^` names the commit of the tag on the line before.
    for line in content
        .lines()
        .filter(|line| !line.starts_with(b"#") && !line.starts_with(b"^"))
    {
        let (oid, name) = BStr::new(line).split_once_str(" ")?;
        if name.starts_with(b"refs/") && name.ends_with(b"/git-annex") {
            found.insert(name.to_str().ok()?.to_owned(), id(oid)?);
        }
    }
    Some(found)
}

fn id(hex: &[u8]) -> Option<Oid> {
    let hex = std::str::from_utf8(hex).ok()?;
    (hex.len() == 40).then(|| Oid::from_str(hex).ok()).flatten()
}

fn listed_by_libgit2(repo: &git2::Repository) -> Result<BTreeMap<String, Oid>> {
    let failed = || Error::git("list the branches");
    let mut found = BTreeMap::new();
    for reference in repo.references().map_err(failed())? {
        let reference = reference.map_err(failed())?;
        let Ok(name) = reference.name() else { continue };
        if name.ends_with("/git-annex")
            && name != REF
            && let Ok(resolved) = reference.resolve()
            && let Some(id) = resolved.target()
        {
            found.insert(name.to_owned(), id);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_repository::Scratch;

    #[test]
    fn the_same_branches_are_found_in_files_as_by_libgit2() {
        let repo = Scratch::new();
        for content in ["1", "2"] {
            repo.write("a", content);
            repo.sync();
        }
        let git = |args: &[&str]| drop(repo.git(args));
        let both = || {
            let open = repo.annex.git().unwrap();
            let plain = plain(open.commondir());
            if let Some(plain) = &plain {
                assert_eq!(plain, &listed_by_libgit2(&open).unwrap());
            }
            (plain.is_some(), other_branches(&open).unwrap())
        };
        assert_eq!(both(), (true, vec![]));

        let commits = ["HEAD~1", "HEAD"].map(|name| {
            let id = repo.annex.git().unwrap().revparse_single(name).unwrap().id();
            (id, id.to_string())
        });
        let [(one, first), (two, second)] = &commits;
        let names = [
            "refs/heads/synced/git-annex",
            "refs/remotes/x/git-annex",
            "refs/git-annex",
        ];
        for name in names {
            git(&["update-ref", name, first]);
        }
        for name in [
            "refs/heads/git-annex.old",
            "refs/heads/not-git-annex",
            "refs/tags/x/git-annex/y",
        ] {
            git(&["update-ref", name, first]);
        }
        git(&["tag", "-a", "-m", "tag", "y/git-annex", second]);
        git(&["update-ref", "refs/blobs/git-annex", &format!("{second}^{{tree}}")]);
        let all = [
            ("refs/git-annex", one),
            ("refs/heads/synced/git-annex", one),
            ("refs/remotes/x/git-annex", one),
            ("refs/tags/y/git-annex", two),
        ];
        let all = all.map(|(name, id)| (name.to_owned(), *id));
        assert_eq!(both(), (true, all.to_vec()));
        git(&["pack-refs", "--all"]);
        assert_eq!(both(), (true, all.to_vec()));
        let mut moved = all.to_vec();
        git(&["update-ref", names[1], second]);
        moved[2].1 = *two;
        assert_eq!(both(), (true, moved.clone()), "its file counts");

        git(&["symbolic-ref", "refs/remotes/z/git-annex", names[1]]);
        moved.insert(3, ("refs/remotes/z/git-annex".to_owned(), *two));
        assert_eq!(both(), (false, moved));
    }
}
