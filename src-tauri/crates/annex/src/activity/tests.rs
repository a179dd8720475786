use model::{Key, Oid, RepoPath};

use super::{Activity, Deed};
use crate::fixture::{Fixture, Leaf, Leaves, file, leaves, link, pointer};
use crate::pointer::symlink_target;
use crate::{MergeOptions, Theirs};

/// Who did what, in one line.
fn told(deed: &Deed) -> String {
    let names = deed.names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (added, changed, deleted, renamed) = (deed.added, deed.changed, deed.deleted, deed.renamed);
    format!(
        "{} {}: +{added} *{changed} -{deleted} >{renamed} {}",
        deed.who,
        deed.at,
        names.join(" ")
    )
}

fn all(fixture: &Fixture) -> Vec<String> {
    let Activity { deeds, next } = fixture.annex.activity(0, usize::MAX).unwrap();
    assert_eq!(next, None);
    deeds.iter().map(told).collect()
}

/// A branch of these commits, each by somebody a second after the one before.
fn history(commits: &[(&str, Leaves)]) -> (Fixture, Vec<Oid>) {
    let fixture = Fixture::new();
    let mut made: Vec<Oid> = Vec::new();
    for (at, (who, leaves)) in commits.iter().enumerate() {
        let parents = made.last().copied();
        let parents = parents.as_slice();
        made.push(fixture.commit_by(leaves, parents, who, 1_000 + i64::try_from(at).unwrap()));
    }
    fixture.set("refs/heads/main", *made.last().unwrap());
    (fixture, made)
}

/// A bare branch of commits that each add a file.
fn added(count: usize) -> (Fixture, Vec<Oid>) {
    let mut so_far = Leaves::new();
    let commits = (0..count).map(|at| {
        so_far.insert(at.to_string(), file(&at.to_string()));
        ("Ann", so_far.clone())
    });
    history(&commits.collect::<Vec<_>>())
}

#[test]
fn each_commit_is_told_with_who_made_it_and_what_it_did() {
    let (fixture, _) = history(&[
        ("Ann", leaves([("a", file("1")), ("d/b", pointer("SHA256E-s1--b"))])),
        (
            "Bén",
            leaves([("a", file("2")), ("d/b", pointer("SHA256E-s1--b")), ("c", file("3"))]),
        ),
        ("Ann", leaves([("a", file("2")), ("c", file("3"))])),
        (
            "Ann",
            leaves([("a", Leaf::Executable(b"2".to_vec())), ("e/c", file("3"))]),
        ),
        (
            "nobody",
            leaves([("a", Leaf::Executable(b"2".to_vec())), ("e/c", file("3"))]),
        ),
    ]);
    assert_eq!(
        all(&fixture),
        [
            "Ann 1003: +0 *1 -0 >1 a e/c",
            "Ann 1002: +0 *0 -1 >0 d/b",
            "Bén 1001: +1 *1 -0 >0 a c",
            "Ann 1000: +2 *0 -0 >0 a d/b",
        ]
    );
}

#[test]
fn what_went_and_came_elsewhere_was_renamed_as_often_as_both_happened() {
    let same = |names: &[&str]| -> Leaves { names.iter().map(|name| ((*name).to_owned(), file("same"))).collect() };
    for (before, after, expected) in [
        (&["a", "b", "c"][..], &["d"][..], "+0 *0 -2 >1 d b c"),
        (&["d"], &["a", "b", "c"], "+2 *0 -0 >1 a b c"),
        (&["x/a", "x/b"], &["a", "b"], "+0 *0 -0 >2 a b"),
        (&["a", "b"], &["x/a", "x/b"], "+0 *0 -0 >2 x/a x/b"),
        (&["a"], &["a", "b"], "+1 *0 -0 >0 b"),
    ] {
        let (fixture, _) = history(&[("Ann", same(before)), ("Ann", same(after))]);
        assert_eq!(
            all(&fixture)[0],
            format!("Ann 1001: {expected}"),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn a_locked_file_is_the_same_at_another_depth() {
    let locked = |paths: &[(&str, &str)]| -> Leaves {
        let target = |path: &str, key: &str| {
            let key = Key::parse(key.as_bytes()).unwrap();
            symlink_target(&RepoPath::parse(path.as_bytes()).unwrap(), &key)
        };
        let all = paths
            .iter()
            .map(|(path, key)| ((*path).to_owned(), Leaf::Link(target(path, key))));
        all.chain([("l".to_owned(), link("elsewhere"))]).collect()
    };
    let (a, b) = ("SHA256E-s1--a", "SHA256E-s1--b");
    for (before, after, expected) in [
        (&[("x", a)][..], &[("d/x", a)][..], "+0 *0 -0 >1 d/x"),
        (
            &[("x", a), ("y", a)],
            &[("d/x", a), ("d/e/y", a)],
            "+0 *0 -0 >2 d/x d/e/y",
        ),
        (&[("x", a), ("y", a)], &[("d/x", a)], "+0 *0 -1 >1 d/x y"),
        (&[("x", a)], &[("d/x", b)], "+1 *0 -1 >0 d/x x"),
    ] {
        let (fixture, _) = history(&[("Ann", locked(before)), ("Ann", locked(after))]);
        let all = all(&fixture);
        assert_eq!(all[0], format!("Ann 1001: {expected}"), "{before:?} {after:?}");
    }
}

#[test]
fn of_many_files_a_few_are_named() {
    let many: Leaves = (0..1_000)
        .map(|at| (format!("{at:03}"), file(&at.to_string())))
        .collect();
    let (fixture, _) = history(&[("Ann", many), ("Ann", leaves([("x", file("x"))]))]);
    assert_eq!(
        all(&fixture),
        [
            "Ann 1001: +1 *0 -1000 >0 x 000 001",
            "Ann 1000: +1000 *0 -0 >0 000 001 002"
        ]
    );
}

#[test]
fn merges_are_told_for_what_they_made_themselves() {
    let base = leaves([
        ("d/same", file("0")),
        ("d/ours", file("0")),
        ("d/theirs", file("0")),
        ("both", file("0")),
    ]);
    let with = |more: &[(&str, &str)]| {
        let mut all = base.clone();
        all.extend(more.iter().map(|(path, text)| ((*path).to_owned(), file(text))));
        all
    };
    let (fixture, made) = history(&[("Base", base.clone())]);
    let ours = fixture.commit_by(&with(&[("d/ours", "1"), ("both", "1")]), &made, "Ann", 2_000);
    let theirs = fixture.commit_by(&with(&[("d/theirs", "2"), ("both", "2")]), &made, "Bob", 3_000);
    let brought = [("d/ours", "1"), ("d/theirs", "2")];
    let plain = with(&[&brought[..], &[("both", "1")]].concat());
    let own = with(&[&brought[..], &[("both", "3"), ("d/new", "3")]].concat());
    let mut less = plain.clone();
    less.remove("both");
    for (tree, expected) in [
        (plain, None),
        (own, Some("Cid 4000: +1 *1 -0 >0 both d/new")),
        (less, Some("Cid 4000: +0 *0 -1 >0 both")),
    ] {
        let merge = fixture.commit_by(&tree, &[ours, theirs], "Cid", 4_000);
        fixture.set("refs/heads/main", merge);
        let rest = [
            "Bob 3000: +0 *2 -0 >0 both d/theirs",
            "Ann 2000: +0 *2 -0 >0 both d/ours",
            "Base 1000: +4 *0 -0 >0 both d/ours d/same",
        ];
        let expected: Vec<_> = expected.into_iter().chain(rest).map(str::to_owned).collect();
        assert_eq!(all(&fixture), expected);
    }
}

#[test]
fn versions_that_a_merge_kept_are_told() {
    let fixture = Fixture::new();
    let tree = |key: &str| leaves([("photo.jpg", pointer(key)), ("other", file("other"))]);
    let base = fixture.commit_by(&tree("SHA256E-s1--base"), &[], "Base", 1_000);
    let ann = fixture.commit_by(&tree("SHA256E-s2--ann"), &[base], "Ann", 2_000);
    let bob = fixture.commit_by(&tree("SHA256E-s3--bob"), &[base], "Bob", 3_000);
    assert!(fixture.check_out(ann).unwrap().blocked.is_empty());
    let theirs = [Theirs {
        commit: bob,
        reference: "refs/remotes/bob/main",
    }];
    fixture
        .annex
        .merge_into_head(&theirs, &MergeOptions::default())
        .unwrap();
    let all = all(&fixture);
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all[0].contains("+1 *0 -0 >1 photo.variant-"), "{all:?}");
}

#[test]
fn the_parts_of_a_history_make_the_whole() {
    let (fixture, made) = added(5);
    // A side that did nothing and one that did, merged; then a commit that did nothing.
    let tip = *made.last().unwrap();
    let mut tree = fixture.leaves(tip);
    let idle = fixture.commit_by(&tree, &[tip], "Ann", 1_010);
    tree.insert("side".to_owned(), file("side"));
    let side = fixture.commit_by(&tree, &[tip], "Bob", 1_011);
    let merge = fixture.commit_by(&tree, &[idle, side], "Ann", 1_012);
    fixture.set("refs/heads/main", fixture.commit_by(&tree, &[merge], "Ann", 1_013));
    let whole = fixture.annex.activity(0, usize::MAX).unwrap().deeds;
    assert_eq!(whole.len(), 6);
    for count in 1..=7 {
        let (mut parts, mut next) = (Vec::new(), Some(0));
        while let Some(skip) = next {
            let part = fixture.annex.activity(skip, count).unwrap();
            assert!(part.deeds.len() == count || part.next.is_none());
            parts.extend(part.deeds);
            next = part.next;
        }
        assert_eq!(parts, whole, "{count} at a time");
    }
    let beyond = fixture.annex.activity(100, 10).unwrap();
    assert_eq!((beyond.deeds.len(), beyond.next), (0, None));
}

#[test]
fn a_history_that_has_not_begun_is_empty() {
    let nothing = Activity {
        deeds: Vec::new(),
        next: None,
    };
    assert_eq!(Fixture::new().annex.activity(0, 10).unwrap(), nothing);
    assert_eq!(Fixture::bare().annex.activity(0, 10).unwrap(), nothing);
}

#[test]
fn no_more_is_read_than_is_told() {
    let (fixture, made) = added(5);
    let remove = |object: &str| {
        let (directory, file) = object.trim().split_at(2);
        std::fs::remove_file(fixture.path().join(".git/objects").join(directory).join(file)).unwrap();
    };
    // As if the beginning, and a directory that did not change since, lay too far away to be read.
    let mut tree = fixture.leaves(made[4]);
    tree.insert("d/x".to_owned(), file("x"));
    let before = fixture.commit_by(&tree, &made[4..], "Ann", 2_000);
    tree.insert("new".to_owned(), file("new"));
    let last = fixture.commit_by(&tree, &[before], "Bob", 2_001);
    fixture.set("refs/heads/main", last);
    remove(&fixture.git(&["rev-parse", "main:d"]));
    remove(&made[0].to_string());
    let part = fixture.annex.activity(0, 1).unwrap();
    assert_eq!(told(&part.deeds[0]), "Bob 2001: +1 *0 -0 >0 new");
    assert_eq!(part.next, Some(1));
    fixture.annex.activity(1, 1).unwrap_err();
}
