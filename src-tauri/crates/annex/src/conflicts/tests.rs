use std::fs;

use super::{Conflict, Version};
use crate::fixture::{Fixture, Leaf, file, leaves, link, pointer, put_object};
use crate::merge::original;
use crate::{Error, MergeOptions, Theirs};

/// Ann and Bob have changed a file that was in one form: both versions are kept. `leaf` makes the file of a key.
fn in_conflict(path: &str, leaf: impl Fn(&str) -> Leaf) -> Fixture {
    let fixture = Fixture::new();
    let keys = ["SHA256E-s1--base", "SHA256E-s2--ann", "SHA256E-s3--bob"];
    let trees = keys.map(|key| leaves([(path, leaf(key)), ("other", file("other"))]));
    let base = fixture.commit_by(&trees[0], &[], "Base", 1_000);
    let ann = fixture.commit_by(&trees[1], &[base], "Ann", 2_000);
    let bob = fixture.commit_by(&trees[2], &[base], "Bob", 3_000);
    let done = fixture.check_out(ann).unwrap();
    assert!(done.blocked.is_empty());
    let reference = "refs/remotes/bob/main";
    let theirs = [Theirs { commit: bob, reference }];
    fixture
        .annex
        .merge_into_head(&theirs, &MergeOptions::default())
        .unwrap();
    fixture
}

fn locked(key: &str) -> Leaf {
    link(&format!(".git/annex/objects/xx/yy/{key}/{key}"))
}

fn only(fixture: &Fixture) -> Conflict {
    let mut all = fixture.annex.conflicts().unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn told(version: &Version) -> (Option<u64>, &str, u64) {
    let brought = version.brought.as_ref().unwrap();
    (version.bytes, &brought.who, brought.at)
}

#[test]
fn versions_are_found_with_who_made_them() {
    for path in ["photo.jpg", "d/photo", ".dotfile"] {
        for leaf in [pointer, locked] {
            let fixture = in_conflict(path, leaf);
            let conflict = only(&fixture);
            assert_eq!(conflict.path.to_string(), path);
            let mut versions: Vec<_> = conflict.versions.iter().map(told).collect();
            versions.sort_unstable();
            assert_eq!(versions, [(Some(2), "Ann", 2_000), (Some(3), "Bob", 3_000)]);
            assert!(conflict.versions.iter().all(|version| !version.is_here));
        }
    }
}

#[test]
fn the_one_that_kept_the_name_is_a_version_and_a_single_one_without_it_is_a_conflict() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content").to_string();
    fixture.start(&leaves([
        ("a.txt", file("in git")),
        ("a.variant-12ab.txt", pointer(&key)),
        ("alone.variant-12ab.txt", pointer(&key)),
        ("b", file("b")),
    ]));
    let [conflict, alone] = fixture.annex.conflicts().unwrap().try_into().unwrap();
    let names = |conflict: &Conflict| -> Vec<String> {
        let versions = conflict.versions.iter();
        versions.map(|version| version.path.to_string()).collect()
    };
    assert_eq!(names(&conflict), ["a.txt", "a.variant-12ab.txt"]);
    assert_eq!(alone.path.to_string(), "alone.txt");
    assert_eq!(names(&alone), ["alone.variant-12ab.txt"]);
    assert_eq!(conflict.versions[0].bytes, Some(6));
    assert_eq!(conflict.versions[1].bytes, Some(7));
    assert!(conflict.versions.iter().all(|version| version.is_here));
    assert!(Fixture::bare().annex.conflicts().unwrap().is_empty());
}

/// Names of the work tree, without the git directory.
fn names(fixture: &Fixture) -> Vec<String> {
    let listed = fs::read_dir(fixture.path()).unwrap();
    let mut names: Vec<_> = listed
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != ".git");
    names.sort();
    names
}

fn resolve(
    fixture: &Fixture,
    conflict: &Conflict,
    versions: &[(model::RepoPath, Option<model::RepoPath>)],
) -> crate::Result<()> {
    let options = crate::CheckoutOptions::default();
    fixture.annex.resolve_conflict(&conflict.path, versions, &options)
}

fn reopen(fixture: &Fixture, file: &model::RepoPath) -> crate::Result<()> {
    fixture.annex.reopen_conflict(file, &crate::CheckoutOptions::default())
}

#[test]
fn one_version_is_kept_under_the_old_name() {
    for leaf in [pointer, locked] {
        let fixture = in_conflict("photo.jpg", leaf);
        let conflict = only(&fixture);
        let bob = conflict
            .versions
            .iter()
            .find(|version| version.bytes == Some(3))
            .unwrap();
        let changes = conflict.versions.iter().map(|version| {
            let to = (version == bob).then(|| conflict.path.clone());
            (version.path.clone(), to)
        });
        resolve(&fixture, &conflict, &changes.collect::<Vec<_>>()).unwrap();
        assert_eq!(names(&fixture), ["other", "photo.jpg"]);
        let kept = fixture.path().join("photo.jpg");
        let kept = fs::read_link(&kept).map_or_else(
            |_| fs::read_to_string(&kept).unwrap(),
            |target| target.to_str().unwrap().to_owned(),
        );
        assert!(kept.contains("SHA256E-s3--bob"), "{kept}");
        assert!(!fixture.exists(".git/index.lock"));
    }
}

#[test]
fn the_one_that_has_the_name_gives_way() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content").to_string();
    fixture.start(&leaves([
        ("a.txt", file("in git")),
        ("a.variant-12ab.txt", pointer(&key)),
    ]));
    let conflict = only(&fixture);
    let [plain, variant] = [0, 1].map(|at: usize| conflict.versions[at].path.clone());
    resolve(&fixture, &conflict, &[(plain.clone(), None), (variant, Some(plain))]).unwrap();
    assert_eq!(
        (names(&fixture), fixture.read("a.txt")),
        (vec!["a.txt".to_owned()], b"content".to_vec())
    );
}

#[test]
fn nothing_happens_if_a_version_was_changed_or_a_name_is_taken() {
    let refused = |fixture: &Fixture, to: &str| {
        let conflict = only(fixture);
        let before = names(fixture);
        let to = model::RepoPath::parse(to.as_bytes()).unwrap();
        let changes = [
            (conflict.versions[0].path.clone(), Some(to)),
            (conflict.versions[1].path.clone(), None),
        ];
        let answer = resolve(fixture, &conflict, &changes);
        let Err(Error::Refused(why)) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(names(fixture), before);
        why
    };
    let fixture = in_conflict("photo.jpg", pointer);
    let second = only(&fixture).versions[1].path.to_string();
    assert!(original(second.as_bytes()).is_some());
    fixture.write(&second, b"edited and not committed");
    assert!(refused(&fixture, "photo.jpg").contains(&second));

    // Staged only: the commit does not have it.
    fixture.git(&["add", &second]);
    assert!(refused(&fixture, "photo.jpg").contains(&second));
    fixture.git(&["reset", "--quiet", "--hard"]);

    fixture.write("photo.jpg", b"somebody else's");
    assert!(refused(&fixture, "photo.jpg").contains("another file with the name photo.jpg"));
    assert_eq!(fixture.read("photo.jpg"), b"somebody else's");
    assert!(refused(&fixture, "other").contains("other"));

    let conflict = only(&fixture);
    fs::remove_file(fixture.path().join(&second)).unwrap();
    let changes = conflict.versions.iter().map(|version| (version.path.clone(), None));
    let answer = resolve(&fixture, &conflict, &changes.collect::<Vec<_>>());
    assert!(matches!(answer, Err(Error::Refused(why)) if why.contains(&second)));
    assert!(fixture.exists(&conflict.versions[0].path.to_string()));
    assert_eq!(only(&fixture).versions.len(), 1, "what the user has left");
    fs::remove_file(fixture.path().join(conflict.versions[0].path.as_path())).unwrap();
    assert!(
        fixture.annex.conflicts().unwrap().is_empty(),
        "the user has resolved it"
    );
}

/// What is in the work tree and what is committed, and whether they are the same.
fn held(fixture: &Fixture) -> Vec<String> {
    fixture.assert_clean();
    let commit = fixture.get("refs/heads/main").unwrap();
    let committed = fixture.leaves(commit);
    assert_eq!(committed.keys().cloned().collect::<Vec<_>>(), names(fixture));
    committed
        .iter()
        .map(|(name, leaf)| format!("{name}: {leaf:?}"))
        .collect()
}

#[test]
fn what_was_resolved_is_taken_back() {
    for leaf in [pointer, locked] {
        let fixture = in_conflict("photo.jpg", leaf);
        let before = held(&fixture);
        let conflict = only(&fixture);
        let [first, second] = [0, 1].map(|at: usize| conflict.versions[at].path.clone());
        let name = |name: &str| model::RepoPath::parse(name.as_bytes()).unwrap();
        let resolutions = [
            vec![(first.clone(), None), (second.clone(), Some(name("photo.jpg")))],
            vec![
                (first.clone(), Some(name("a.jpg"))),
                (second.clone(), Some(name("b.jpg"))),
            ],
        ];
        for resolution in resolutions {
            resolve(&fixture, &conflict, &resolution).unwrap();
            assert!(fixture.annex.conflicts().unwrap().is_empty());
            assert_ne!(held(&fixture), before);
            reopen(&fixture, &conflict.path).unwrap();
            assert_eq!(held(&fixture), before);
            assert_eq!(only(&fixture), conflict, "with whose they are");
        }
        // A name that the user has taken away since does not come back, nor does it keep the versions from it.
        resolve(&fixture, &conflict, &[(first, None), (second, Some(name("photo.jpg")))]).unwrap();
        fixture.git(&["rm", "--quiet", "photo.jpg"]);
        fixture.git(&["commit", "--quiet", "-m", "gone"]);
        reopen(&fixture, &conflict.path).unwrap();
        assert_eq!(held(&fixture), before);
    }
}

#[test]
fn a_single_version_is_resolved_and_that_is_taken_back() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content").to_string();
    fixture.start(&leaves([
        ("a.variant-12ab.txt", pointer(&key)),
        ("other", file("other")),
    ]));
    let (before, conflict) = (held(&fixture), only(&fixture));
    let version = conflict.versions[0].path.clone();
    for (to, left) in [
        (Some(conflict.path.clone()), vec!["a.txt", "other"]),
        (None, vec!["other"]),
    ] {
        resolve(&fixture, &conflict, &[(version.clone(), to)]).unwrap();
        held(&fixture);
        assert_eq!(names(&fixture), left);
        assert!(fixture.annex.conflicts().unwrap().is_empty());
        reopen(&fixture, &conflict.path).unwrap();
        assert_eq!(held(&fixture), before);
        assert_eq!(fixture.read("a.variant-12ab.txt"), b"content");
    }
}

#[test]
fn what_gave_way_gets_its_name_back() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content").to_string();
    fixture.start(&leaves([
        ("a.txt", file("in git")),
        ("a.variant-12ab.txt", pointer(&key)),
        // It has the content of a version, and has had it all the time.
        ("copy.txt", pointer(&key)),
    ]));
    let (before, conflict) = (held(&fixture), only(&fixture));
    let [plain, variant] = [0, 1].map(|at: usize| conflict.versions[at].path.clone());
    resolve(&fixture, &conflict, &[(plain.clone(), None), (variant, Some(plain))]).unwrap();
    assert_eq!(fixture.read("a.txt"), b"content");
    reopen(&fixture, &conflict.path).unwrap();
    assert_eq!((held(&fixture), fixture.read("a.txt")), (before, b"in git".to_vec()));
}

#[test]
fn what_was_changed_since_is_not_taken_back() {
    let fixture = in_conflict("photo.jpg", pointer);
    let conflict = only(&fixture);
    let file = conflict.path.clone();
    let refused = |what: &str| {
        let answer = reopen(&fixture, &file);
        assert!(
            matches!(&answer, Err(Error::Refused(why)) if why.contains(what)),
            "{answer:?}"
        );
    };
    refused("nothing to take back");
    let changes = conflict.versions.iter().enumerate().map(|(at, version)| {
        let to = (at == 0).then(|| file.clone());
        (version.path.clone(), to)
    });
    resolve(&fixture, &conflict, &changes.collect::<Vec<_>>()).unwrap();
    // Not committed, then committed.
    fixture.write("photo.jpg", b"edited");
    refused("photo.jpg was changed since");
    assert_eq!(fixture.read("photo.jpg"), b"edited");
    fixture.git(&["-c", "filter.annex.clean=cat", "commit", "--quiet", "-am", "edited"]);
    refused("photo.jpg was changed since");
    assert_eq!(
        (names(&fixture), fixture.read("photo.jpg")),
        (vec!["other".into(), "photo.jpg".into()], b"edited".to_vec())
    );
    // Something else at the name of a version.
    fixture.git(&["revert", "--no-edit", "HEAD"]);
    let version = conflict.versions[1].path.to_string();
    fixture.write(&version, b"mine");
    refused(&version);
    assert_eq!(fixture.read(&version), b"mine");
    fixture.git(&["-c", "filter.annex.clean=cat", "add", &version]);
    fixture.git(&["commit", "--quiet", "-m", "mine"]);
    refused(&version);
    assert_eq!(fixture.read(&version), b"mine");
}
