use git2::Oid;

use super::{A, B, ORIGIN, Place, log};
use crate::branch::{DEEPEST, REF};
use crate::objects::{Bulk, DIRECTORY, Tree, TreeEntry};
use crate::oid::from_git;

#[test]
fn branches_are_merged_by_moving_forward_or_by_one_commit() {
    let place = Place::new();
    let branch = place.annex.branch();
    let base = place.commit(ORIGIN, &[], &[("a", "1\n")]);
    assert!(branch.merge().unwrap().changed);
    assert_eq!(place.tip(), base, "taken as it is");
    let ahead = place.commit(ORIGIN, &[base], &[("a", "1\n2\n")]);
    branch.merge().unwrap();
    assert_eq!(place.tip(), ahead, "moved forward");

    let one = place.commit(ORIGIN, &[base], &[("a", "1\n3\n"), ("d/x", "b\na")]);
    let two = place.commit(
        "refs/heads/synced/git-annex",
        &[],
        &[("a", "4\n"), ("d/y", "y\n"), ("b", "")],
    );
    place.commit("refs/tags/git-annexed", &[], &[("never", "")]);
    let old = place.commit("refs/remotes/old/git-annex", &[], &[("never", "")]);
    place.write("ignoredrefs", &format!("refs/heads/git-annex\n{old}\n"));
    assert!(branch.merge().unwrap().changed);
    let mut wanted = [ahead, one, two];
    wanted.sort_unstable();
    assert_eq!(place.parents(), wanted);
    assert_eq!(place.subject(), "merging git-annex branches");
    assert_eq!(place.read("a").as_deref(), Some("1\n2\n3\n4\n"));
    assert_eq!(
        place.read("d/x").as_deref(),
        Some("b\na"),
        "on one side only: unchanged"
    );
    assert_eq!(place.read("d/y").as_deref(), Some("y\n"));
    assert_eq!((place.read("b").as_deref(), place.read("never")), (Some(""), None));
    assert!(!branch.merge().unwrap().changed);
    let git = place.git();
    let mut others = branch.others(&git).unwrap();
    others.sort_unstable();
    let mut unmerged = [one, two];
    unmerged.sort_unstable();
    assert_eq!(others, unmerged, "not the one that is ignored");

    let older = place.commit("refs/heads/synced/git-annex", &[two], &[("y", "1\n")]);
    place.commit(ORIGIN, &[place.tip(), older], &[("z", "1\n")]);
    let newer = place.commit("refs/remotes/other/git-annex", &[one], &[("x", "1\n")]);
    let mut wanted = [place.tip(), place.git().refname_to_id(ORIGIN).unwrap(), newer];
    wanted.sort_unstable();
    branch.merge().unwrap();
    assert_eq!(place.parents(), wanted, "what one of them has merged is no parent");

    place.commit(ORIGIN, &[place.tip()], &[("z", "1\n")]);
    place.config("annex.merge-annex-branches", "false");
    assert!(!branch.merge().unwrap().changed);
    assert_eq!(branch.others(&git).unwrap(), []);
}

#[test]
fn whoever_merges_the_same_branches_makes_the_same_commit() {
    let merged = |names: [&str; 3]| {
        let place = Place::new();
        place.config("user.name", names[0].rsplit('/').nth(1).unwrap());
        let base = place.commit("refs/heads/base", &[], &[("a", "1\n")]);
        for (name, files) in names.iter().zip([
            [("a", "1\n2\n"), ("x", "1\n")],
            [("a", "3\n"), ("y", "1\n")],
            [("a/b", "1\n"), ("z", "1\n")],
        ]) {
            place.commit(name, &[base], &files);
        }
        place.annex.branch().merge().unwrap();
        assert_eq!(place.parents().len(), 3);
        place.tip()
    };
    let other = "refs/remotes/other/git-annex";
    let first = merged([REF, ORIGIN, other]);
    assert_eq!(merged([ORIGIN, REF, other]), first);
    assert_eq!(merged([other, ORIGIN, REF]), first);
}

#[test]
fn a_file_in_the_place_of_a_directory_does_not_stop_a_merge() {
    let place = Place::new();
    place.commit(REF, &[], &[("a/b", "1\n"), ("c", "1\n")]);
    place.commit(ORIGIN, &[], &[("a", "2\n"), ("c/d", "2\n"), ("e", "2\n")]);
    place.annex.branch().merge().unwrap();
    let read = |path| place.read(path);
    assert_eq!(
        (read("a/b").as_deref(), read("c").as_deref(), read("e").as_deref()),
        (Some("1\n"), Some("1\n"), Some("2\n"))
    );
    assert_eq!((read("a"), read("c/d")), (None, None));
}

#[test]
fn a_tuned_branch_is_refused_and_others_are_merged() {
    let place = Place::new();
    place.commit(REF, &[], &[("a", "1\n")]);
    let tuned = format!("{B} fromList [OneLevelBranchHash] timestamp=5s\n");
    place.commit(ORIGIN, &[], &[("difference.log", &tuned), ("never", "1\n")]);
    place.commit("refs/remotes/other/git-annex", &[], &[("b", "1\n")]);
    let merged = place.annex.branch().merge().unwrap();
    assert_eq!(merged.refused.len(), 1);
    assert!(merged.refused[0].starts_with(ORIGIN), "{:?}", merged.refused);
    assert_eq!((place.read("b").is_some(), place.read("never")), (true, None));
}

#[test]
fn a_damaged_branch_is_refused_and_others_are_merged() {
    let place = Place::new();
    place.commit(REF, &[], &[("a", "1\n")]);
    place.commit("refs/remotes/other/git-annex", &[], &[("b", "1\n")]);
    let git = place.git();
    let broken = format!(
        "tree {}\nauthor X <x@e> 1 +0000\ncommitter X <x@e> 1 +0000\n\nx\n",
        "7".repeat(40)
    );
    let broken = git
        .odb()
        .unwrap()
        .write(git2::ObjectType::Commit, broken.as_bytes())
        .unwrap();
    git.reference(ORIGIN, broken, true, "").unwrap();
    let merged = place.annex.branch().merge().unwrap();
    assert_eq!(
        (merged.refused.len(), place.read("b").is_some()),
        (1, true),
        "{merged:?}"
    );
}

fn forgotten(extra: &str) -> String {
    format!("ForgetGitHistory 50s\n{extra}")
}

#[test]
fn what_others_forgot_is_not_brought_back() {
    let place = Place::new();
    let old = place.commit(
        REF,
        &[],
        &[
            (&log(1), &format!("5s 1 {A}\n6s 1 {B}\n")),
            (&log(2), &format!("7s 1 {B}\n")),
        ],
    );
    let dead = "ForgetDeadRemotes 50s\n";
    let trust = format!("{B} X timestamp=9s\n");
    let theirs = place.commit(
        ORIGIN,
        &[],
        &[
            ("transitions.log", &forgotten(dead)),
            ("trust.log", &trust),
            (&log(1), &format!("5s 1 {A}\n")),
        ],
    );
    for name in ["index", "index.lck", "mergedrefs"] {
        place.write(name, "x");
    }
    // Something of our own that they do not have yet.
    place.commit(
        REF,
        &[old],
        &[
            (&log(1), &format!("5s 1 {A}\n6s 1 {B}\n")),
            (&log(2), &format!("7s 1 {B}\n")),
            (&log(3), &format!("8s 1 {A}\n9s 1 {B}\n")),
            (&format!("{}.cnk", log(3)), &format!("8s {A}:5 1\n9s {B}:5 1\n")),
            ("group.log", &format!("{A} x timestamp=1s\n{B} y timestamp=1s\n")),
            ("own.log", &format!("{B}\n")),
        ],
    );
    assert!(place.annex.branch().merge().unwrap().changed);
    assert_eq!(place.parents(), [theirs]);
    assert_eq!(
        place.subject(),
        "continuing transition forget git history, forget dead remotes"
    );
    assert_eq!(place.read(&log(1)), Some(format!("5s 1 {A}\n")));
    assert_eq!(place.read(&log(2)), None);
    assert_eq!(place.read(&log(3)), Some(format!("8s 1 {A}\n")));
    assert_eq!(place.read(&format!("{}.cnk", log(3))), Some(format!("8s {A}:5 1\n")));
    assert_eq!(place.read("group.log"), Some(format!("{A} x timestamp=1s\n")));
    assert_eq!(place.read("own.log"), Some(format!("{B}\n")), "carried along");
    assert_eq!(place.read("trust.log"), Some(trust), "that it is dead stays known");
    assert!(!place.exists("index") && !place.exists("index.lck") && place.exists("mergedrefs"));
    assert!(!place.annex.branch().merge().unwrap().changed);
}

#[test]
fn with_nothing_of_our_own_the_forgetting_branch_is_taken_as_it_is() {
    let place = Place::new();
    place.commit(REF, &[], &[("a", "1\n")]);
    // In git-annex's order, which is not that of a merge.
    let transitions = forgotten("ForgetDeadRemotes 50s\n");
    let theirs = place.commit(ORIGIN, &[], &[("a", "1\n"), ("transitions.log", &transitions)]);
    place.annex.branch().merge().unwrap();
    assert_eq!(place.tip(), theirs);
}

#[test]
fn what_was_forgotten_here_is_not_taken_from_those_who_have_it() {
    let place = Place::new();
    let branch = place.annex.branch();
    let trust = format!("{B} X timestamp=9s\n");
    let of_dead = format!("{B} x timestamp=1s\n");
    let ours = place.commit(
        REF,
        &[],
        &[
            ("a", "2\n"),
            ("transitions.log", &forgotten("")),
            ("trust.log", &trust),
            ("group.log", &of_dead),
        ],
    );
    let theirs = place.commit(ORIGIN, &[], &[("a", "1\n2\n"), ("b", "new\n")]);
    let known = place.commit("refs/remotes/known/git-annex", &[], &[("never", "x\n")]);
    place.write("mergedrefs", &format!("{known}\trefs/remotes/known/git-annex\n"));
    place.write("index", "x");
    assert!(branch.merge().unwrap().changed);
    assert_eq!(place.parents(), [ours]);
    assert_eq!(place.subject(), "continuing transition forget git history");
    assert_eq!(place.read("group.log"), Some(of_dead), "only the history was forgotten");
    assert_eq!(place.read("b").as_deref(), Some("new\n"));
    assert_eq!(place.read("never"), None, "git-annex has merged it before");
    let ignored = std::fs::read_to_string(place.annex.annex_file("ignoredrefs")).unwrap();
    assert!(ignored.contains(&theirs.to_string()) && ignored.contains(&known.to_string()));
    assert!(
        place.exists("index"),
        "nothing is forgotten that git-annex does not know of"
    );
    assert!(!branch.merge().unwrap().changed);

    // Those who have forgotten too are merged as ever, with their history.
    let same = place.commit(
        ORIGIN,
        &[ours],
        &[("a", "2\n"), ("c", "\n"), ("transitions.log", &forgotten(""))],
    );
    branch.merge().unwrap();
    assert!(place.parents().contains(&same));
}

#[test]
fn two_who_forgot_on_their_own_come_together() {
    let (one, two) = (Place::new(), Place::new());
    let own = [("a", "1\n"), ("transitions.log", "ForgetGitHistory 1s\n")];
    let other = [("b", "1\n"), ("transitions.log", "ForgetGitHistory 2s\n")];
    for (place, own, other) in [(&one, own, other), (&two, other, own)] {
        place.commit(REF, &[], &own);
        place.commit(ORIGIN, &[], &other);
        place.annex.branch().merge().unwrap();
        assert_eq!(
            place.read("transitions.log").as_deref(),
            Some("ForgetGitHistory 1s\nForgetGitHistory 2s\n")
        );
        assert_eq!(
            (place.read("a").as_deref(), place.read("b").as_deref()),
            (Some("1\n"), Some("1\n"))
        );
    }
    let (git, url) = (one.git(), two.directory.path().to_str().unwrap());
    git.remote_anonymous(url)
        .unwrap()
        .fetch(&["+refs/heads/git-annex:refs/remotes/origin/git-annex"], None, None)
        .unwrap();
    let theirs = two.tip();
    one.annex.branch().merge().unwrap();
    assert!(one.parents().contains(&theirs));
}

#[test]
fn of_several_who_forgot_on_their_own_one_is_built_upon_and_the_others_give_their_lines() {
    let place = Place::new();
    place.commit(REF, &[], &[("transitions.log", "ForgetGitHistory 1s\n"), ("a", "1\n")]);
    let mut others = Vec::new();
    for (name, transitions) in [("1", ""), ("2", "2s"), ("3", "3s"), ("4", "4s")] {
        let line = format!("ForgetGitHistory {transitions}\n");
        let mut files = vec![(name, "1\n")];
        if !transitions.is_empty() {
            files.push(("transitions.log", &line));
        }
        others.push(place.commit(&format!("refs/remotes/{name}/git-annex"), &[], &files));
    }
    // What git-annex has merged already it was told the lines of, but not what was forgotten there.
    place.write("mergedrefs", &format!("{}\trefs/remotes/4/git-annex\n", others[3]));
    place.annex.branch().merge().unwrap();
    assert_eq!(place.parents(), [others[1]], "the first that forgot something");
    let lines = |name| place.read(name).is_some();
    assert_eq!(["a", "1", "2", "3", "4"].map(lines), [true, true, true, true, false]);
    assert_eq!(
        place.read("transitions.log").unwrap(),
        "ForgetGitHistory 1s\nForgetGitHistory 2s\nForgetGitHistory 3s\nForgetGitHistory 4s\n"
    );
}

/// Whoever makes a branch can nest directories without end.
#[test]
fn directories_that_are_deeper_than_any_log_are_carried_along_unread() {
    let place = Place::new();
    // Were it read, that it is not there would be told.
    let deep = |unread: u8| {
        let git = place.git();
        let mut bulk = Bulk::begin(&git).unwrap();
        let mut id = Oid::from_bytes(&[unread; 20]).unwrap();
        for _ in 0..=DEEPEST {
            let mut tree = Tree::default();
            tree.set(b"d", Some(TreeEntry { mode: DIRECTORY, id }));
            id = bulk.tree(tree).unwrap();
        }
        drop(bulk.finish().unwrap());
        id
    };
    let ours = place.commit_upon(Some(deep(7)), REF, &[], &[]);
    let files = [
        ("transitions.log", "ForgetDeadRemotes 1s\n".to_owned()),
        ("trust.log", format!("{B} X timestamp=1s\n")),
    ];
    let files = files.each_ref().map(|(name, content)| (*name, content.as_str()));
    let theirs = place.commit_upon(Some(deep(8)), ORIGIN, &[], &files);
    let branch = place.annex.branch();
    let changes = branch.changes(Some(from_git(ours)), from_git(theirs)).unwrap();
    assert_eq!(changes.locations, []);
    let merged = branch.merge().unwrap();
    assert!(merged.changed && merged.refused.is_empty(), "{merged:?}");
}

#[test]
fn a_transition_that_nobody_knows_is_refused() {
    let place = Place::new();
    place.commit(REF, &[], &[("a", "1\n")]);
    place.commit(ORIGIN, &[], &[("transitions.log", "ForgetEverything 1s\n")]);
    let merged = place.annex.branch().merge().unwrap();
    assert!(!merged.changed && merged.refused.len() == 1, "{merged:?}");
}
