mod crashes;
mod durable;
mod filling;
mod locks;
mod restoring;
mod sparing;
mod submodules;
mod waiting;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::SystemTime;

use model::{Key, Oid, RepoPath};

use super::marker::Marker;
use super::place::{OpenWorkTree, Parent};
use super::taken_away::{Taken, TakenAway};
use super::{CheckedOut, CheckoutOptions, Obstacle, Retired, Step};
use crate::fixture::put_object;
use crate::fixture::{Fixture, Leaf, Leaves, file, leaves, link, pointer};
use crate::scratch_repository::Folding;
use crate::stat::AT_REST;
use crate::{Annex, Error, Result};

fn check_out(fixture: &Fixture, to: Oid) -> CheckedOut {
    fixture.check_out(to).unwrap()
}

/// Checks out one tree after the other and expects work tree, index and branch to follow.
fn follows(from: &Leaves, to: &Leaves) -> Fixture {
    let fixture = Fixture::new();
    let base = fixture.start(from);
    assert_holds(&fixture, from);
    let next = fixture.commit(to, &[base], "next");
    let done = check_out(&fixture, next);
    assert_eq!((done.blocked, done.waiting), (vec![], vec![]));
    assert_holds(&fixture, to);
    assert_eq!(fixture.get("refs/heads/main"), Some(next));
    fixture.assert_clean();
    fixture
}

/// Every file as expected, and no other.
fn assert_holds(fixture: &Fixture, expected: &Leaves) {
    let mut found = Leaves::new();
    collect(&fixture.path(), "", &mut found);
    assert_eq!(&found, expected);
}

fn collect(directory: &std::path::Path, prefix: &str, found: &mut Leaves) {
    let mut empty = true;
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        empty = false;
        if prefix.is_empty() && name == ".git" {
            continue;
        }
        let path = format!("{prefix}{name}");
        let metadata = entry.path().symlink_metadata().unwrap();
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{path}/"), found);
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            found.insert(path, link(target.to_str().unwrap()));
        } else {
            let data = fs::read(entry.path()).unwrap();
            let executable = metadata.permissions().mode() & 0o100 != 0;
            found.insert(
                path,
                if executable {
                    Leaf::Executable(data)
                } else {
                    Leaf::File(data)
                },
            );
        }
    }
    assert!(!empty || prefix.is_empty(), "{prefix} is empty and was left behind");
}

fn pointer_to(key: &Key) -> Leaf {
    pointer(&key.to_string())
}

/// A checkout of the branch `main` from one commit to another.
fn of_main(from: Oid, to: Oid) -> Marker {
    Marker {
        branch: "main".into(),
        from: Some(from),
        to,
    }
}

#[test]
fn every_kind_of_change_is_followed() {
    let run = |data: &str| Leaf::Executable(data.as_bytes().to_vec());
    let from = leaves([
        ("same", file("same")),
        ("edited", file("old")),
        ("gone", file("gone")),
        ("deep/er/gone", file("x")),
        ("bit", file("bit")),
        ("unbit", run("unbit")),
        ("file to link", file("a")),
        ("link to file", link("a")),
        ("file to directory", file("b")),
        ("directory to file/x", file("c")),
        ("directory to file/y/z", file("d")),
        ("moved/1", file("one")),
        ("moved/2", pointer("SHA256E-s9--2")),
        ("moved/3", link("elsewhere")),
        ("into itself", file("deeper")),
        ("Case", file("case")),
        ("pointer", pointer("SHA256E-s9--1")),
    ]);
    let to = leaves([
        ("same", file("same")),
        ("edited", file("new")),
        ("bit", run("bit")),
        ("unbit", file("unbit")),
        ("file to link", link("a")),
        ("link to file", file("b")),
        ("file to directory/x", file("c2")),
        ("file to directory/y/z", link("../x")),
        ("directory to file", file("e")),
        ("other/1", file("one")),
        ("other/2", pointer("SHA256E-s9--2")),
        ("other/3", link("elsewhere")),
        ("into itself/into itself", file("deeper")),
        ("case", file("case")),
        ("pointer", pointer("SHA256E-s9--3")),
        ("new/in/new", file("")),
        ("na\nme\t\"-", file("odd")),
    ]);
    follows(&from, &to);
    follows(&to, &from);
    follows(&Leaves::new(), &to);
    follows(&from, &Leaves::new());
}

#[test]
fn annexed_files_get_their_content_if_it_is_here() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content");
    let absent = pointer("SHA256E-s5--absent");
    let tree = leaves([
        ("here", pointer_to(&key)),
        ("run", Leaf::Executable(format!("/annex/objects/{key}\n").into_bytes())),
        ("absent", absent.clone()),
    ]);
    let first = fixture.start(&tree);
    let content = leaves([
        ("here", file("content")),
        ("run", Leaf::Executable(b"content".to_vec())),
        ("absent", absent),
    ]);
    assert_holds(&fixture, &content);
    // Without a filter, git takes the content for a change only if the stat data does not tell otherwise.
    fixture.assert_clean();
    // A renamed file is the same inode: nothing was copied.
    let inode = |path: &str| fs::metadata(fixture.path().join(path)).unwrap().ino();
    let before = inode("here");
    let mut moved = tree;
    let leaf = moved.remove("here").unwrap();
    moved.insert("d/there".into(), leaf);
    let second = fixture.commit(&moved, &[first], "moved");
    check_out(&fixture, second);
    assert_eq!(inode("d/there"), before);
    fixture.assert_clean();
}

/// git has its filter read such a file, and git-annex's knows another key for it under another extension.
#[test]
fn a_file_as_young_as_the_index_that_gets_another_extension_is_made_older() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content");
    let object = fs::File::options()
        .write(true)
        .open(fixture.annex.store().object_path(&key));
    object.unwrap().set_modified(SystemTime::now()).unwrap();
    let first = fixture.start(&leaves([("young", pointer_to(&key))]));
    let moved = leaves([("young.csv", pointer_to(&key))]);
    let second = fixture.commit(&moved, &[first], "moved");
    check_out(&fixture, second);
    assert_holds(&fixture, &leaves([("young.csv", file("content"))]));
    let file = fs::metadata(fixture.path().join("young.csv")).unwrap();
    assert!(file.modified().unwrap().elapsed().unwrap() >= AT_REST);
    fixture.assert_clean();
}

#[test]
fn nothing_of_the_users_is_overwritten_or_deleted() {
    let from = leaves([
        ("edited", file("1")),
        ("deleted", file("2")),
        ("gone", file("3")),
        ("fine", file("4")),
    ]);
    let to = leaves([
        ("edited", file("new")),
        ("deleted", file("new")),
        ("fine", file("new")),
        ("untracked", file("theirs")),
        ("dir/x", file("theirs")),
        ("deep/dir/x", file("theirs")),
        ("place", file("theirs")),
        ("through/x", file("theirs")),
    ]);
    let outside = tempfile::TempDir::new().unwrap();
    type Obstacle<'a> = (&'a str, &'a dyn Fn(&Fixture));
    let obstacles: [Obstacle<'_>; 9] = [
        ("edited", &|f| f.write("edited", b"mine")),
        ("edited", &|f| {
            // The same size and the same times, but not the same file.
            let path = f.path().join("edited");
            let times = fs::metadata(&path).unwrap();
            let other = f.path().join("other");
            fs::write(&other, "9").unwrap();
            let file = fs::File::options().write(true).open(&other).unwrap();
            file.set_modified(times.modified().unwrap()).unwrap();
            fs::rename(other, path).unwrap();
        }),
        ("deleted", &|f| fs::remove_file(f.path().join("deleted")).unwrap()),
        ("gone", &|f| f.write("gone", b"mine")),
        ("untracked", &|f| f.write("untracked", b"mine")),
        ("dir", &|f| f.write("dir", b"mine")),
        ("deep/dir", &|f| f.write("deep/dir", b"mine")),
        ("place/mine", &|f| f.write("place/mine", b"mine")),
        ("through", &|f| {
            symlink(outside.path(), f.path().join("through")).unwrap();
        }),
    ];
    for (path, obstacle) in obstacles {
        let fixture = Fixture::new();
        let base = fixture.start(&from);
        let next = fixture.commit(&to, &[base], "next");
        obstacle(&fixture);
        let mut before = Leaves::new();
        collect(&fixture.path(), "", &mut before);
        let done = check_out(&fixture, next);
        let blocked: Vec<_> = done.blocked.iter().map(ToString::to_string).collect();
        assert_eq!(blocked, [path]);
        assert_holds(&fixture, &before);
        assert_eq!(fixture.get("refs/heads/main"), Some(base));
        assert!(!fixture.annex.is_checkout_unfinished());
        assert!(!fixture.exists(".git/index.lock"));
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn changes_that_are_only_staged_are_not_lost() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    fixture.write("a", b"mine");
    fixture.git(&["add", "a"]);
    assert_eq!(check_out(&fixture, next).blocked.len(), 1);
    assert_eq!(fixture.git(&["diff", "--cached", "--name-only"]), "a\n");
}

#[test]
fn untracked_files_that_are_the_same_are_accepted() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("x", file("x"))]));
    let here = put_object(&fixture.annex, b"content");
    let key = Key::parse(b"SHA256E-s3--ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap();
    fixture.write_before("plain", b"plain");
    fixture.write_before("here", b"content");
    fixture.write_before("absent", b"abc");
    let large = "x".repeat(40_000);
    fixture.write_before("large", large.as_bytes());
    fixture.write_before("converted.txt", b"1\r\n2\r\n");
    symlink("target", fixture.path().join("link")).unwrap();
    let next = fixture.commit(
        &leaves([
            (".gitattributes", file("*.txt text eol=crlf\n")),
            ("converted.txt", file("1\n2\n")),
            ("large", file(&large)),
            ("plain", file("plain")),
            ("here", pointer_to(&here)),
            ("absent", pointer_to(&key)),
            ("link", link("target")),
        ]),
        &[base],
        "next",
    );
    let done = check_out(&fixture, next);
    assert_eq!(done.blocked, []);
    assert_eq!(fixture.read("absent"), b"abc");
    fixture.assert_clean();
}

#[test]
fn untracked_files_that_are_not_quite_the_same_are_in_the_way() {
    let here = b"content";
    let absent = "SHA256E-s3--ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let large = "x".repeat(140_000);
    for (path, content) in [
        ("here", "CONTENT"),
        ("absent", "abd"),
        ("big", &format!("{}y", &large[1..])),
        ("plain", "Plain"),
        ("run", "run"),
        ("large", &large.replacen('x', "y", 1)),
        ("large", &large[1..]),
        ("a.txt", "1\r\n2\r\n3"),
        ("a.txt", "1\r\n2\r\nand more"),
        ("a.txt", "1\r\n2\r\r"),
        ("link", "target"),
    ] {
        let fixture = Fixture::new();
        let base = fixture.start(&leaves([("x", file("x"))]));
        let key = put_object(&fixture.annex, here);
        let big = put_object(&fixture.annex, large.as_bytes());
        let to = leaves([
            (".gitattributes", file("*.txt text eol=crlf\n")),
            ("here", pointer_to(&key)),
            ("big", pointer_to(&big)),
            ("absent", pointer(absent)),
            ("plain", file("plain")),
            ("run", Leaf::Executable(b"run".to_vec())),
            ("large", file(&large)),
            ("a.txt", file("1\n2\n")),
            ("link", link("target")),
        ]);
        let next = fixture.commit(&to, &[base], "next");
        fixture.write(path, content.as_bytes());
        let blocked: Vec<_> = check_out(&fixture, next)
            .blocked
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(blocked, [path], "{content:.20?}");
    }
}

#[test]
fn a_symlink_that_no_file_system_can_hold_is_damage() {
    for (target, is_right) in [
        ("x".repeat(4095), true),
        ("x".repeat(4096), false),
        ("a\0b".into(), false),
        (String::new(), false),
    ] {
        let fixture = Fixture::new();
        let base = fixture.start(&leaves([("x", file("x"))]));
        let next = fixture.commit(&leaves([("l", link(&target))]), &[base], "next");
        let outcome = fixture.check_out(next);
        match is_right {
            true => assert_eq!(outcome.unwrap().waiting, []),
            false => assert!(matches!(outcome, Err(Error::Damaged(_))), "{outcome:?}"),
        }
    }
}

#[test]
fn a_pointer_that_is_renamed_gets_the_content_that_has_come_since() {
    let fixture = Fixture::new();
    let content = b"content";
    let key = put_object(&Fixture::new().annex, content);
    let base = fixture.start(&leaves([("old", pointer_to(&key))]));
    put_object(&fixture.annex, content);
    let next = fixture.commit(&leaves([("new", pointer_to(&key))]), &[base], "next");
    check_out(&fixture, next);
    assert_holds(&fixture, &leaves([("new", file("content"))]));
}

#[test]
fn stat_data_of_another_time_is_no_obstacle_if_the_content_is_the_same() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content");
    let base = fixture.start(&leaves([("a", file("1")), ("b", pointer_to(&key)), ("c", link("x"))]));
    // As after `cp -a` of the whole repository.
    for (path, data) in [("a", &b"1"[..]), ("b", b"content")] {
        fs::remove_file(fixture.path().join(path)).unwrap();
        fixture.write(path, data);
    }
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    assert_eq!(check_out(&fixture, next).blocked, []);
    assert_holds(&fixture, &leaves([("a", file("2"))]));
}

/// Writes a tree object from raw entries.
fn raw_tree(fixture: &Fixture, entries: &[(&str, &[u8], git2::Oid)]) -> git2::Oid {
    let mut data = Vec::new();
    for (mode, name, id) in entries {
        data.extend_from_slice(mode.as_bytes());
        data.push(b' ');
        data.extend_from_slice(name);
        data.push(0);
        data.extend_from_slice(id.as_bytes());
    }
    let repo = fixture.repo();
    repo.odb().unwrap().write(git2::ObjectType::Tree, &data).unwrap()
}

fn raw_commit(fixture: &Fixture, tree: git2::Oid) -> Oid {
    let text = format!("tree {tree}\nauthor n <e> 1 +0000\ncommitter n <e> 1 +0000\n\nhostile\n");
    let repo = fixture.repo();
    let id = repo
        .odb()
        .unwrap()
        .write(git2::ObjectType::Commit, text.as_bytes())
        .unwrap();
    crate::oid::from_git(id)
}

#[test]
fn hostile_trees_write_nothing_anywhere() {
    let long = vec![b'x'; 300];
    let outside = tempfile::TempDir::new().unwrap();
    let target = outside.path().to_str().unwrap().to_owned();
    let fixture = Fixture::new();
    fixture.start(&leaves([("mine", file("mine"))]));
    let repo = fixture.repo();
    let blob = repo.blob(b"#!/bin/sh\ntouch /tmp/owned\n").unwrap();
    let evil = repo.blob(target.as_bytes()).unwrap();
    let nothing = repo.blob(b"").unwrap();
    let inner = raw_tree(&fixture, &[("100644", b"x", blob)]);
    let hooks = raw_tree(&fixture, &[("40000", b"hooks", inner)]);
    let trees: Vec<git2::Oid> = vec![
        raw_tree(&fixture, &[("40000", b".git", hooks)]),
        raw_tree(&fixture, &[("40000", b".GIT", hooks)]),
        raw_tree(&fixture, &[("40000", b"git~1", hooks)]),
        raw_tree(&fixture, &[("40000", b"..", inner)]),
        raw_tree(&fixture, &[("40000", b".", inner)]),
        raw_tree(&fixture, &[("100644", b"../x", blob)]),
        raw_tree(&fixture, &[("100644", b"a/b", blob)]),
        raw_tree(&fixture, &[("100644", b"/tmp/x", blob)]),
        raw_tree(&fixture, &[("100644", b"", blob)]),
        raw_tree(&fixture, &[("100644", &long, blob)]),
        raw_tree(&fixture, &[("120000", b"d", evil), ("40000", b"d", inner)]),
        raw_tree(
            &fixture,
            &[("120000", b"d", evil), ("100644", b"d.", blob), ("40000", b"d", inner)],
        ),
        raw_tree(&fixture, &[("100644", b"d", blob), ("100644", b"d", evil)]),
        raw_tree(&fixture, &[("100644", b"z", blob), ("100644", b"a", blob)]),
        raw_tree(&fixture, &[("120000", b"empty", nothing)]),
        raw_tree(&fixture, &[("170000", b"odd", blob)]),
        raw_tree(&fixture, &[("40000", b"not a tree", blob)]),
        raw_tree(
            &fixture,
            &[("100644", b"missing", git2::Oid::from_bytes(&[7; 20]).unwrap())],
        ),
    ];
    for (at, tree) in trees.into_iter().enumerate() {
        let commit = raw_commit(&fixture, tree);
        let outcome = fixture.check_out(commit);
        // A tree that git could not have made is refused whole; of others, what no folder may hold waits.
        let waits = |done: &CheckedOut| !done.waiting.is_empty();
        assert!(outcome.as_ref().map_or(true, waits), "tree {at}: {outcome:?}");
        let mut found = Leaves::new();
        collect(&fixture.path(), "", &mut found);
        found.remove("mine");
        assert_eq!(found, Leaves::new(), "tree {at}");
        assert!(!fixture.annex.is_checkout_unfinished());
    }
    assert!(!fixture.exists(".git/hooks/x"));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_symlink_made_in_one_commit_is_not_followed_in_the_next() {
    let outside = tempfile::TempDir::new().unwrap();
    let target = outside.path().to_str().unwrap();
    let from = leaves([("d", link(target)), ("e/x", file("x"))]);
    let to = leaves([("d/x", file("x")), ("e", link(target))]);
    follows(&from, &to);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn only_pointers_of_the_key_are_populated() {
    let fixture = Fixture::new();
    let absent = "SHA256E-s7--ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    let key = Key::parse(absent.as_bytes()).unwrap();
    let names = ["a", "d/run", "edited", "other", "gone"];
    let mut tree: Leaves = names.iter().map(|name| ((*name).to_owned(), pointer(absent))).collect();
    tree.insert(
        "d/run".into(),
        Leaf::Executable(format!("/annex/objects/{absent}\n").into_bytes()),
    );
    fixture.start(&tree);
    fixture.write("edited", b"mine");
    fixture.write("other", b"/annex/objects/SHA256E-s1--other\n");
    fs::remove_file(fixture.path().join("gone")).unwrap();
    let files: Vec<_> = names
        .iter()
        .map(|name| (RepoPath::parse(name.as_bytes()).unwrap(), key.clone()))
        .collect();
    assert_eq!(fixture.annex.populate(&files, false).unwrap(), []);
    put_object(&fixture.annex, b"content");
    let populated = fixture.annex.populate(&files, false).unwrap();
    assert_eq!(
        populated.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["a", "d/run"]
    );
    assert_eq!(fixture.read("a"), b"content");
    assert_eq!(fixture.read("edited"), b"mine");
    assert_eq!(
        fs::metadata(fixture.path().join("d/run")).unwrap().mode() & 0o777,
        0o755
    );
    assert_eq!(
        fixture.git(&["status", "--porcelain"]),
        " M edited\n D gone\n M other\n"
    );
}

#[test]
fn what_was_committed_meanwhile_stays() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let decided_on = fixture.annex.head().unwrap();
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    let mine = fixture.commit(&leaves([("a", file("1")), ("mine", file("mine"))]), &[base], "mine");
    fixture.check_out(mine).unwrap();
    let busy = fixture.annex.check_out(&decided_on, next, &CheckoutOptions::default());
    assert!(matches!(busy, Err(Error::Busy(_))), "{busy:?}");
    assert_eq!(fixture.get("refs/heads/main"), Some(mine));
    assert_holds(&fixture, &leaves([("a", file("1")), ("mine", file("mine"))]));
    fixture.git(&["checkout", "-q", "-b", "other", &base.to_string()]);
    let busy = fixture.annex.check_out(&decided_on, next, &CheckoutOptions::default());
    assert!(matches!(busy, Err(Error::Busy(_))), "{busy:?}");
    assert_eq!(fixture.get("refs/heads/other"), Some(base));
}

#[test]
fn refused_in_the_middle_of_a_merge_and_off_branches() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    fixture.write(".git/MERGE_HEAD", format!("{next}\n").as_bytes());
    assert!(matches!(fixture.check_out(next), Err(Error::Refused(_))));
    fs::remove_file(fixture.path().join(".git/MERGE_HEAD")).unwrap();
    for head in [
        format!("{base}\n"),
        "ref: refs/heads/adjusted/main(unlocked)\n".into(),
        "ref: refs/heads/git-annex\n".into(),
    ] {
        fixture.write(".git/HEAD", head.as_bytes());
        assert!(matches!(fixture.check_out(next), Err(Error::Refused(_))), "{head}");
    }
    fixture.write(".git/HEAD", b"ref: refs/heads/main\n");
    assert_eq!(check_out(&fixture, next).blocked, []);
    fixture.assert_clean();
}
