use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::scratch_repository::Scratch;

/// Everything that a scan found, sorted.
fn found_in(look: &Look) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut tell = |what: String| assert!(all.insert(what.clone()), "found twice: {what}");
    look.added
        .iter()
        .for_each(|found| tell(format!("added {}", found.path())));
    look.modified
        .iter()
        .for_each(|found| tell(format!("modified {}", found.path())));
    look.removed
        .iter()
        .for_each(|found| tell(format!("removed {}", found.path())));
    look.unfilled
        .iter()
        .for_each(|found| tell(format!("unfilled {}", found.0)));
    look.unreadable
        .iter()
        .for_each(|found| tell(format!("unreadable {found:?}")));
    look.refused.iter().for_each(|found| tell(format!("refused {found:?}")));
    look.nested.iter().for_each(|found| tell(format!("nested {found:?}")));
    all
}

/// A work tree with many kinds of changes since its commit.
fn changed() -> Scratch {
    let repo = Scratch::new();
    let names = ["top", "z"].map(str::to_owned).into_iter();
    let deep = ["a", "b/c", "b/c-d", "b/e/f", "g.h", "g"];
    let below = deep
        .iter()
        .flat_map(|directory| ["1", "2", "x.skip"].map(|name| format!("{directory}/{name}")));
    let names: Vec<String> = names.chain(below).collect();
    names.iter().for_each(|name| repo.write(name, name));
    repo.sync();
    repo.write(".gitignore", "*.skip\n");
    repo.write("b/.gitignore", "new\n");
    repo.write("b/c/.gitignore", "!new\n");
    for name in [
        "new",
        "a/new",
        "b/new",
        "b/c/new",
        "b/e/new",
        "b/e/f/new",
        "g/deep/new",
        "0",
        "b/c-d/y.skip",
    ] {
        repo.write(name, "new");
    }
    for name in ["top", "b/c/1", "g.h/2"] {
        repo.write(name, "changed");
    }
    for name in ["z", "b/c/2", "g/1"] {
        fs::remove_file(repo.path(name)).unwrap();
    }
    // A deleted directory, a directory replaced by a file, a file by a directory, and a directory by a link.
    fs::remove_dir_all(repo.path("a")).unwrap();
    fs::remove_dir_all(repo.path("b/e/f")).unwrap();
    repo.write("b/e/f", "a file");
    fs::remove_file(repo.path("g.h/1")).unwrap();
    repo.write("g.h/1/inside", "new");
    fs::remove_dir_all(repo.path("b/c-d")).unwrap();
    symlink("c", repo.path("b/c-d")).unwrap();
    repo.git(&["init", "-q", repo.path("g").to_str().unwrap()]);
    repo
}

#[test]
fn two_halves_find_what_one_walk_finds() {
    let repo = changed();
    let git = repo.annex.git().unwrap();
    let index = Index::read(&repo.annex, &git).unwrap();
    let (whole, _) = Walk::new(&repo.annex, &git, repo.top(), &index)
        .unwrap()
        .over(&Scope::Everything);
    let whole = found_in(&whole);
    assert!(whole.len() > 20, "{whole:#?}");
    let borders = [
        "a",
        "b",
        "b/c",
        "b/c-d",
        "b/e",
        "b/e/f",
        "b/e/f/1",
        "b/e/g",
        "b/c/new",
        "g",
        "g.h",
        "g.h/1",
        "g/deep",
        "top",
        "z",
        "0",
        "zz",
        "b/x/y",
        "none/at/all",
    ];
    for border in borders {
        let (look, _) = in_halves(&repo.annex, &git, repo.top(), &index, border.as_bytes()).unwrap();
        assert_eq!(found_in(&look), whole, "with the border at {border}");
    }
}

#[test]
fn a_deleted_directory_above_the_border_is_found_once() {
    let repo = Scratch::new();
    ["a/b/1", "a/c/1", "d/1"].iter().for_each(|name| repo.write(name, name));
    repo.sync();
    fs::remove_dir_all(repo.path("a")).unwrap();
    let git = repo.annex.git().unwrap();
    let index = Index::read(&repo.annex, &git).unwrap();
    for border in ["a", "a/b", "a/b/c", "a/c"] {
        let (look, _) = in_halves(&repo.annex, &git, repo.top(), &index, border.as_bytes()).unwrap();
        let gone: BTreeSet<String> = ["a/b/1", "a/c/1"].map(|name| format!("removed {name}")).into();
        assert_eq!(found_in(&look), gone, "with the border at {border}");
    }
}
