mod removing;

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use model::Oid;

use super::{MergeOptions, MergeOutcome, Theirs};
use crate::fixture::{Fixture, Leaf, Leaves, file, leaves, pointer};
use crate::oid::{from_git, to_git};

/// The target of an annexed symlink as git-annex makes it.
fn locked(path: &str, key: &str) -> Leaf {
    let path = model::RepoPath::parse(path.as_bytes()).unwrap();
    let key = model::Key::parse(key.as_bytes()).unwrap();
    Leaf::Link(format!("{}.git/annex/objects/xx/yy/{key}/{key}", "../".repeat(path.depth())).into_bytes())
}

fn tree(case: &Value, side: &str) -> Leaves {
    let text = |entry: &Value, name: &str| entry[name].as_str().map(str::to_owned);
    case[side]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let path = text(entry, "path").unwrap();
            let leaf = match (text(entry, "mode").unwrap().as_str(), text(entry, "key")) {
                ("120000", Some(key)) => locked(&path, &key),
                ("120000", None) => Leaf::Link(text(entry, "content").unwrap().into_bytes()),
                ("100755", Some(key)) => Leaf::Executable(format!("/annex/objects/{key}\n").into_bytes()),
                ("100755", None) => Leaf::Executable(text(entry, "content").unwrap().into_bytes()),
                (_, Some(key)) => pointer(&key),
                (_, None) => Leaf::File(text(entry, "content").unwrap().into_bytes()),
            };
            (path, leaf)
        })
        .collect()
}

/// What matters of a tree: a symlink moved to another depth is still the same key.
fn plain(leaves: &Leaves) -> Vec<(String, String)> {
    let plain = |leaf: &Leaf| match leaf {
        Leaf::Link(target) => {
            let target = String::from_utf8_lossy(target).into_owned();
            let key = target.rsplit('/').next().unwrap().to_owned();
            format!(
                "link {}",
                if target.contains("/annex/objects/") {
                    key
                } else {
                    target
                }
            )
        }
        Leaf::File(data) => format!("file {}", String::from_utf8_lossy(data)),
        Leaf::Executable(data) => format!("executable {}", String::from_utf8_lossy(data)),
    };
    leaves.iter().map(|(path, leaf)| (path.clone(), plain(leaf))).collect()
}

/// Makes base, ours, theirs; checks out ours; merges theirs.
fn merged(base: &Leaves, ours: &Leaves, theirs: &Leaves, options: &MergeOptions<'_>) -> (Fixture, MergeOutcome) {
    let fixture = Fixture::new();
    let base = fixture.start(base);
    let ours = fixture.commit(ours, &[base], "ours");
    let theirs = fixture.commit(theirs, &[base], "theirs");
    assert!(fixture.check_out(ours).unwrap().blocked.is_empty());
    let reference = "refs/remotes/origin/master";
    let outcome = fixture
        .annex
        .merge_into_head(
            &[Theirs {
                commit: theirs,
                reference,
            }],
            options,
        )
        .unwrap();
    (fixture, outcome)
}

#[test]
fn resolves_every_conflict_as_git_annex_does() {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../tests/vectors/conflicts.json"
    ));
    let vectors: Value = serde_json::from_str(text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    let (mut run, mut ours_alone) = (0, 0);
    for (at, case) in cases.iter().enumerate() {
        let label = case["label"].as_str().unwrap();
        run += 1;
        // The second round goes on from the result of the case before.
        let second_round = case.get("base").is_none();
        let (base, mut ours) = match second_round {
            true => (tree(&cases[at - 1], "theirs"), tree(&cases[at - 1], "result")),
            false => (tree(case, "base"), tree(case, "ours")),
        };
        if case["commit_subjects"][1] == "git-annex in ours" {
            // There the executable bit was changed in the work tree only, and `git annex sync` committed it first.
            let Some(Leaf::File(pointer)) = ours.remove("foo.txt") else {
                panic!("{label}: {ours:?}");
            };
            ours.insert("foo.txt".into(), Leaf::Executable(pointer));
        }
        let theirs = tree(case, "theirs");
        let options = MergeOptions {
            resolve: label != "annex.resolvemerge=false",
            ..MergeOptions::default()
        };
        let (fixture, outcome) = merged(&base, &ours, &theirs, &options);
        let commit = fixture.get("refs/heads/main").unwrap();
        let result = fixture.leaves(commit);
        let repo = fixture.repo();
        let found = repo.find_commit(crate::oid::to_git(commit)).unwrap();
        let subject = found.summary().unwrap().unwrap().to_owned();
        fixture.assert_clean();
        if case["rc"] == 0 {
            let expected = tree(case, "result");
            let expected_subject = match case["commit_subjects"][0].as_str().unwrap() {
                // git names the ref, which is another one in every repository.
                subject if subject.starts_with("Merge ") => "Merge branch 'main'",
                subject => subject,
            };
            if plain(&result) != plain(&expected) || subject != expected_subject || found.parent_count() != 2 {
                wrong.push(format!(
                    "{label}: {subject}: {:#?} instead of {:#?}",
                    plain(&result),
                    plain(&expected)
                ));
            }
        } else if options.resolve {
            // git-annex stops at a conflict of two files in git; here both are kept.
            ours_alone += 1;
            let contents = |leaves: &Leaves| leaves.values().map(|leaf| format!("{leaf:?}")).collect::<BTreeSet<_>>();
            let kept = contents(&result);
            assert!(
                contents(&ours).is_subset(&kept) && contents(&theirs).is_subset(&kept),
                "{label}: {result:?}"
            );
            assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{label}");
        } else {
            assert!(matches!(outcome, MergeOutcome::Conflict { .. }), "{label}: {outcome:?}");
            assert_eq!(plain(&result), plain(&ours), "{label}");
        }
    }
    println!("conflicts.json: {run} cases run, {ours_alone} of them where git-annex has no rule, 0 not concerned");
    assert_eq!(run, 50);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn nothing_is_merged_where_both_sides_changed_a_submodule() {
    let fixture = Fixture::new();
    let commit = |files: &Leaves, parents: &[Oid], number| {
        fixture.with_submodule(fixture.commit(files, parents, "with a submodule"), "sub", number)
    };
    let base = commit(&leaves([("a", file("1"))]), &[], 1);
    let ours = commit(&leaves([("a", file("1"))]), &[base], 2);
    let theirs = commit(&leaves([("a", file("2"))]), &[base], 3);
    fixture.check_out(ours).unwrap();
    let theirs = Theirs {
        commit: theirs,
        reference: "refs/heads/theirs",
    };
    let outcome = fixture
        .annex
        .merge_into_head(&[theirs], &MergeOptions::default())
        .unwrap();
    let paths = vec![model::RepoPath::parse(b"sub").unwrap()];
    assert_eq!(outcome, MergeOutcome::Conflict { paths });
    assert_eq!(fixture.get("refs/heads/main"), Some(ours));
    assert_eq!(fixture.read("a"), b"1");
}

#[test]
fn fast_forwards_and_knows_when_there_is_nothing_to_do() {
    let fixture = Fixture::new();
    let theirs = fixture.commit(&leaves([("a", file("1"))]), &[], "1");
    let next = fixture.commit(&leaves([("a", file("2"))]), &[theirs], "2");
    let options = MergeOptions::default();
    let merge = |commit| {
        let reference = "refs/remotes/origin/main";
        fixture
            .annex
            .merge_into_head(&[Theirs { commit, reference }], &options)
            .unwrap()
    };
    // The branch has no commit yet.
    assert!(matches!(merge(theirs), MergeOutcome::FastForwarded { commit, .. } if commit == theirs));
    assert!(matches!(merge(next), MergeOutcome::FastForwarded { commit, .. } if commit == next));
    assert_eq!(merge(theirs), MergeOutcome::UpToDate);
    assert_eq!(fixture.read("a"), b"2");
    fixture.assert_clean();
}

#[test]
fn several_are_merged_and_checked_out_at_once() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let one = fixture.commit(&leaves([("a", file("1")), ("b", file("b"))]), &[base], "one");
    let two = fixture.commit(&leaves([("a", file("1")), ("c", file("c"))]), &[base], "two");
    // A history that began elsewhere.
    let three = fixture.commit(&leaves([("d", file("d"))]), &[], "three");
    let theirs = [
        (one, "refs/heads/synced/main"),
        (two, "refs/remotes/x/main"),
        (three, "refs/remotes/y/main"),
    ];
    let theirs = theirs.map(|(commit, reference)| Theirs { commit, reference });
    let outcome = fixture
        .annex
        .merge_into_head(&theirs, &MergeOptions::default())
        .unwrap();
    assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
    let all = leaves([("a", file("1")), ("b", file("b")), ("c", file("c")), ("d", file("d"))]);
    assert_eq!(fixture.leaves(fixture.get("refs/heads/main").unwrap()), all);
    assert_eq!(fixture.git(&["log", "-1", "--format=%s"]), "Merge branch 'main'\n");
    fixture.assert_clean();
}

/// What was found by comparing with git-annex on random trees: renames are followed as git follows them.
#[test]
fn renames_meet_other_changes() {
    let (a, b) = ("SHA256E-s5--aa", "SHA256E-s5--bb");
    let mark = |name: &str, key: &str| {
        let key = model::Key::parse(key.as_bytes()).unwrap();
        super::variant::variant(name.as_bytes(), &super::variant::Side::Annexed(key)).to_string()
    };
    let cases = [
        // Renamed and deleted: in dispute under the new name.
        (
            leaves([("x", pointer(a))]),
            leaves([("y", pointer(a))]),
            leaves([]),
            vec![(mark("y", a), pointer(a))],
        ),
        // Renamed, and a link made of the file: both, and the link keeps its path.
        (
            leaves([("x", pointer(a))]),
            leaves([("y", pointer(a))]),
            leaves([("x", locked("x", b))]),
            vec![("x".to_owned(), locked("x", b)), (mark("y", a), pointer(a))],
        ),
        // Renamed on both sides alike.
        (
            leaves([("x", pointer(a))]),
            leaves([("y", pointer(a))]),
            leaves([("y", pointer(a))]),
            vec![("y".to_owned(), pointer(a))],
        ),
        // Renamed to where the other side, which changed the file, put another one.
        (
            leaves([("x", pointer(a))]),
            leaves([("y", pointer(a))]),
            leaves([("x", pointer(a)), ("y", pointer(b))]),
            vec![(mark("y", a), pointer(a)), (mark("y", b), pointer(b))],
        ),
        // A file where the other side renames within the directory: libgit2 loses the file.
        (
            leaves([("d/x", pointer(a))]),
            leaves([("d", file("0"))]),
            leaves([("d/y", pointer(a))]),
            vec![(mark("d/y", a), pointer(a)), ("d.variant-c227".to_owned(), file("0"))],
        ),
    ];
    for (base, ours, theirs, expected) in cases {
        let expected: Leaves = expected.into_iter().collect();
        for (one, two) in [(&ours, &theirs), (&theirs, &ours)] {
            let (fixture, outcome) = merged(&base, one, two, &MergeOptions::default());
            let result = fixture.leaves(fixture.get("refs/heads/main").unwrap());
            assert_eq!(result, expected, "{base:?} {one:?} {two:?} {outcome:?}");
            fixture.assert_clean();
        }
    }
}

#[test]
fn after_crossing_merges_nothing_comes_back() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("x", pointer("SHA256E-s5--0")), ("y", file("1"))]));
    let one = fixture.commit(
        &leaves([("x", pointer("SHA256E-s5--1")), ("y", file("1"))]),
        &[base],
        "one",
    );
    let two = fixture.commit(&leaves([("x", pointer("SHA256E-s5--2"))]), &[base], "two");
    let merge = |into: Oid, from: Oid| {
        let git = fixture.repo();
        let head = crate::tree::head::head_of(&git).unwrap();
        let side = |commit, name: &str| super::Side {
            commit: to_git(commit),
            name: name.to_owned(),
        };
        match super::merge_two(
            &git,
            &head,
            &side(into, "HEAD"),
            &side(from, "theirs"),
            &MergeOptions::default(),
        )
        .unwrap()
        {
            super::Made::Commit(commit, _) => from_git(commit),
            super::Made::Stuck(paths) => panic!("{paths:?}"),
        }
    };
    let (first, second) = (merge(one, two), merge(two, one));
    assert_eq!(fixture.leaves(first), fixture.leaves(second));
    // One of them goes on; then they meet, with two commits where they parted.
    let mut next = fixture.leaves(first);
    next.pop_first();
    let third = fixture.commit(&next, &[first], "three");
    assert_eq!(fixture.leaves(merge(third, second)), next);
    assert_eq!(fixture.leaves(merge(second, third)), next);
}

#[test]
fn whoever_merges_the_same_commits_makes_the_same_commit() {
    let trees = [
        leaves([("a", pointer("SHA256E-s1--1")), ("b", file("b"))]),
        leaves([("a", pointer("SHA256E-s1--2")), ("c", file("c"))]),
        leaves([("a", file("base")), ("b", file("b")), ("d", file("d"))]),
    ];
    for count in [2, 3] {
        let merged = |ours: usize| {
            let fixture = Fixture::new();
            fixture
                .repo()
                .config()
                .unwrap()
                .set_str("user.name", &format!("n{ours}"))
                .unwrap();
            let root = commit_at(&fixture, &leaves([("a", file("base"))]), &[], 0);
            let all: Vec<_> = (0..count)
                .map(|at| commit_at(&fixture, &trees[at], &[root], at as i64 % 2))
                .collect();
            let options = MergeOptions::default();
            fixture.check_out(all[ours]).unwrap();
            let others: Vec<_> = all.iter().filter(|commit| **commit != all[ours]).collect();
            let reference = "refs/remotes/origin/main";
            let theirs: Vec<_> = others.into_iter().map(|&commit| Theirs { commit, reference }).collect();
            let outcome = fixture.annex.merge_into_head(&theirs, &options).unwrap();
            fixture.assert_clean();
            let MergeOutcome::Merged { commit, .. } = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(fixture.get("refs/heads/main"), Some(commit));
            commit
        };
        let all: Vec<_> = (0..count).map(merged).collect();
        assert!(all.iter().all(|commit| *commit == all[0]), "{all:?}");
    }
}

/// A commit that is the same in every repository.
fn commit_at(fixture: &Fixture, leaves: &Leaves, parents: &[Oid], seconds: i64) -> Oid {
    let repo = fixture.repo();
    let made = repo.find_commit(to_git(fixture.commit(leaves, parents, "x"))).unwrap();
    let who = git2::Signature::new("x", "x@example.com", &git2::Time::new(1_600_000_000 + seconds, 60)).unwrap();
    from_git(made.amend(None, Some(&who), Some(&who), None, None, None).unwrap())
}

#[test]
fn edits_in_the_way_block_a_merge() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1")), ("b", file("1"))]));
    let theirs = fixture.commit(&leaves([("a", file("2")), ("b", file("1"))]), &[base], "theirs");
    let ours = fixture.commit(&leaves([("a", file("1")), ("b", file("2"))]), &[base], "ours");
    fixture.check_out(ours).unwrap();
    fixture.write("a", b"mine");
    let reference = "refs/remotes/origin/main";
    let outcome = fixture
        .annex
        .merge_into_head(
            &[Theirs {
                commit: theirs,
                reference,
            }],
            &MergeOptions::default(),
        )
        .unwrap();
    assert!(
        matches!(outcome, MergeOutcome::Blocked { ref paths } if paths.len() == 1),
        "{outcome:?}"
    );
    assert_eq!(fixture.get("refs/heads/main"), Some(ours));
    assert_eq!(fixture.read("a"), b"mine");
}

/// A few paths that get into each other's way, with a few contents in every form.
fn trees() -> impl Strategy<Value = Leaves> {
    let path = prop::sample::select(vec!["a", "b.txt", "d/x", "d/y.variant-1.z", "d", "e/f/g", "e", ".h"]);
    let leaf = (0..4u8, 0..3u8).prop_map(|(form, content)| {
        let key = format!("SHA256E-s5--{content}{content}");
        match form {
            0 => pointer(&key),
            1 => Leaf::Executable(format!("/annex/objects/{key}\n").into_bytes()),
            2 => Leaf::Link(format!(".git/annex/objects/{key}/{key}").into_bytes()),
            _ => file(&format!("{content}\n")),
        }
    });
    prop::collection::vec((path, leaf), 0..6).prop_map(|all| {
        let mut tree = Leaves::new();
        for (path, leaf) in all {
            // A path cannot be a file and a directory.
            let within = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
            if !tree.keys().any(|other| within(other, path) || within(path, other)) {
                tree.insert(path.to_owned(), leaf);
            }
        }
        tree
    })
}

/// The content of a file, whatever its form.
fn content(leaf: &Leaf) -> String {
    let (Leaf::File(data) | Leaf::Executable(data) | Leaf::Link(data)) = leaf;
    let text = String::from_utf8_lossy(data).trim_end().to_owned();
    text.rsplit('/').next().unwrap().to_owned()
}

/// What each of two repositories makes of the other's commit.
fn both_ways(base: &Leaves, ours: &Leaves, theirs: &Leaves) -> (Leaves, Leaves) {
    let fixture = Fixture::new();
    let root = fixture.commit(base, &[], "base");
    let one = fixture.commit(ours, &[root], "one");
    let two = fixture.commit(theirs, &[root], "two");
    let merge = |into, from| {
        fixture.set("refs/heads/main", into);
        let git = fixture.repo();
        let head = crate::tree::head::head_of(&git).unwrap();
        let side = |commit| super::Side {
            commit: to_git(commit),
            name: "HEAD".to_owned(),
        };
        match super::merge_two(&git, &head, &side(into), &side(from), &MergeOptions::default()).unwrap() {
            super::Made::Commit(commit, _) => fixture.leaves(from_git(commit)),
            super::Made::Stuck(paths) => panic!("{paths:?}"),
        }
    };
    (merge(one, two), merge(two, one))
}

/// Where one side has a directory no file of that name may be, also if a rename makes both sides have it there.
#[test]
fn a_file_that_was_renamed_to_the_name_of_a_directory_is_kept_beside_it() {
    let [one, two] = ["11", "00"].map(|content| format!("/annex/objects/SHA256E-s5--{content}\n").into_bytes());
    let base = leaves([("a", Leaf::File(two.clone())), ("e/f/g", Leaf::File(one.clone()))]);
    let ours = leaves([("d/x", Leaf::File(two)), ("e/f/g", Leaf::Executable(one.clone()))]);
    let theirs = leaves([("d", Leaf::Executable(one.clone()))]);
    let (first, second) = both_ways(&base, &ours, &theirs);
    assert_eq!(first, second);
    let kept: Vec<_> = first.values().map(content).collect();
    assert_eq!(kept.len(), 2, "{:?}", plain(&first));
    assert!(
        first
            .iter()
            .any(|(path, leaf)| path.starts_with("d.variant-") && *leaf == Leaf::Executable(one.clone()))
    );
}

/// Rules under another name rule nothing: files that both sides keep out would be committed, and shared.
#[test]
fn a_control_file_in_conflict_stays_one_file_at_its_path() {
    let (a, b) = ("SHA256E-s5--aa", "SHA256E-s5--bb");
    let link = |target: &str| Leaf::Link(target.as_bytes().to_vec());
    let key = |name: &str| model::Key::parse(name.as_bytes()).unwrap();
    let beside =
        |key: model::Key| super::variant::variant(b".gitignore", &super::variant::Side::Annexed(key)).to_string();
    let at = |leaf: Leaf| leaves([(".gitignore", leaf), ("d/.gitattributes", file("*.md x\n"))]);
    let union = |text: &str| at(file(text));
    let nothing = leaves([("d/.gitattributes", file("*.md x\n"))]);
    for (base, ours, theirs, expected) in [
        // Both change it, both add it, one removes it.
        (
            at(file("*.key\n")),
            at(file("*.key\n*.log\n")),
            at(file("*.key\n*.tmp\n")),
            union("*.key\n*.log\n*.tmp\n"),
        ),
        (leaves([]), at(file("a\n")), at(file("b\n")), union("a\nb\n")),
        (at(file("a\n")), at(file("a\nb\n")), nothing.clone(), union("a\nb\n")),
        (at(pointer(a)), at(pointer(b)), nothing, at(pointer(b))),
        // Only one of them rules anything: git follows no link here, and reads no pointer.
        (leaves([]), at(file("a\n")), at(pointer(a)), {
            let mut tree = union("a\n");
            tree.insert(beside(key(a)), pointer(a));
            tree
        }),
        (leaves([]), at(pointer(a)), at(locked(".gitignore", b)), {
            let mut tree = at(pointer(a));
            tree.insert(beside(key(b)), locked(".gitignore", b));
            tree
        }),
        (leaves([]), at(file("a\n")), at(link("x")), {
            let mut tree = union("a\n");
            tree.insert("..variant-c1b0.gitignore".to_owned(), link("x"));
            tree
        }),
        // Taken out of force on one side, changed on the other.
        (at(file("a\n")), leaves([("old", file("a\n"))]), at(file("a\nb\n")), {
            let mut tree = leaves([(".gitignore", file("a\nb\n"))]);
            tree.insert("old".to_owned(), file("a\n"));
            tree
        }),
        // The other files that rule what git does.
        (
            leaves([]),
            leaves([
                (".gitattributes", file("*.md x\n")),
                (".gitmodules", file("[submodule \"a\"]\n")),
            ]),
            leaves([
                (".gitattributes", file("*.md y\n")),
                (".gitmodules", file("[submodule \"b\"]\n")),
            ]),
            leaves([
                (".gitattributes", file("*.md x\n*.md y\n")),
                (".gitmodules", file("[submodule \"a\"]\n[submodule \"b\"]\n")),
            ]),
        ),
        // Renamed together with its directory.
        (
            leaves([("p/.gitignore", file("a\n")), ("p/x", file("x"))]),
            leaves([("q/.gitignore", file("a\n")), ("q/x", file("x"))]),
            leaves([("p/.gitignore", file("a\nb\n")), ("p/x", file("x"))]),
            leaves([("q/.gitignore", file("a\nb\n")), ("q/x", file("x"))]),
        ),
    ] {
        let (first, second) = both_ways(&base, &ours, &theirs);
        assert_eq!(first, second);
        assert_eq!(first, expected, "{ours:?} and {theirs:?}");
    }
}

#[test]
fn a_union_of_rules_is_told_as_a_conflict() {
    let [base, ours, theirs] = ["a\n", "a\nb\n", "a\nc\n"].map(|text| leaves([(".gitignore", file(text))]));
    let (fixture, outcome) = merged(&base, &ours, &theirs, &MergeOptions::default());
    let MergeOutcome::Merged { resolved, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(resolved, [model::RepoPath::parse(b".gitignore").unwrap()]);
    assert_eq!(fixture.read(".gitignore"), b"a\nb\nc\n");
    fixture.assert_clean();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two repositories that merge each other's commits get the same tree, and what either side added is in it.
    /// (Only where a file meets a directory does the name tell whose it was, in git-annex too.)
    #[test]
    fn both_sides_make_the_same_tree_and_nothing_is_lost(base in trees(), ours in trees(), theirs in trees()) {
        let (first, second) = both_ways(&base, &ours, &theirs);
        prop_assert_eq!(&first, &second);
        let kept: BTreeSet<_> = first.values().map(content).collect();
        let old: BTreeSet<_> = base.values().map(content).collect();
        for side in [&ours, &theirs] {
            for leaf in side.values() {
                let new = content(leaf);
                prop_assert!(old.contains(&new) || kept.contains(&new), "{} is lost: {:?} and {:?} from {:?} made {:?}", new, plain(&ours), plain(&theirs), plain(&base), plain(&first));
            }
        }
    }
}
