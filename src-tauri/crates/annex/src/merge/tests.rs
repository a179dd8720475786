use std::collections::BTreeSet;

use serde_json::Value;

use super::{MergeOptions, MergeOutcome, Theirs};
use crate::fixture::{Fixture, Leaf, Leaves, file, leaves, pointer};

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
            format!("link {}", if target.contains("/annex/objects/") { key } else { target })
        }
        Leaf::File(data) => format!("file {}", String::from_utf8_lossy(data)),
        Leaf::Executable(data) => format!("executable {}", String::from_utf8_lossy(data)),
    };
    leaves.iter().map(|(path, leaf)| (path.clone(), plain(leaf))).collect()
}

/// Makes base, ours, theirs; checks out ours; merges theirs.
fn merged(base: &Leaves, ours: &Leaves, theirs: &Leaves, options: &MergeOptions) -> (Fixture, MergeOutcome) {
    let fixture = Fixture::new();
    let base = fixture.start(base);
    let ours = fixture.commit(ours, &[base], "ours");
    let theirs = fixture.commit(theirs, &[base], "theirs");
    assert!(fixture.annex.check_out(ours, &options.checkout).unwrap().blocked.is_empty());
    let reference = "refs/remotes/origin/master";
    let outcome = fixture
        .annex
        .merge_into_head(&[Theirs { commit: theirs, reference }], options)
        .unwrap();
    (fixture, outcome)
}

#[test]
fn resolves_every_conflict_as_git_annex_does() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/conflicts.json"));
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
        let found = repo.find_commit(crate::tree::git2_oid(commit)).unwrap();
        let subject = found.summary().unwrap().unwrap().to_owned();
        fixture.assert_clean();
        if case["rc"] == 0 {
            let expected = tree(case, "result");
            let expected_subject = case["commit_subjects"][0].as_str().unwrap();
            if plain(&result) != plain(&expected) || subject != expected_subject || found.parent_count() != 2 {
                wrong.push(format!("{label}: {subject}: {:#?} instead of {:#?}", plain(&result), plain(&expected)));
            }
        } else if options.resolve {
            // git-annex stops at a conflict of two files in git; here both are kept.
            ours_alone += 1;
            let contents = |leaves: &Leaves| leaves.values().cloned().map(|leaf| format!("{leaf:?}")).collect::<BTreeSet<_>>();
            let kept = contents(&result);
            assert!(contents(&ours).is_subset(&kept) && contents(&theirs).is_subset(&kept), "{label}: {result:?}");
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
