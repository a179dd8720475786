//! Merges that would delete many files.

use super::*;

fn ten_files() -> Leaves {
    (0..10)
        .map(|number| (format!("d/{number}"), pointer(&format!("SHA256E-s1--{number}"))))
        .collect()
}

fn at_most_four(removed: usize, _: usize) -> bool {
    removed <= 4
}

const GUARDED: MergeOptions<'static> = MergeOptions {
    resolve: true,
    checkout: crate::CheckoutOptions {
        thin: false,
        partial: false,
    },
    may_remove: &at_most_four,
};

#[test]
fn a_merge_that_would_delete_too_much_changes_nothing_and_tells_who_did_it() {
    let base = ten_files();
    let mut ours = base.clone();
    ours.insert("own".into(), file("own"));
    let theirs: Leaves = base.clone().into_iter().skip(6).collect();
    for (ours, of) in [(&base, 10), (&ours, 11)] {
        let (fixture, outcome) = merged(&base, ours, &theirs, &GUARDED);
        let MergeOutcome::Removes(removals) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((removals.removed, removals.of), (6, of));
        let deed = removals.deed.unwrap();
        assert_eq!((deed.deleted, deed.who.is_empty()), (6, false));
        assert_eq!(&fixture.leaves(fixture.get("refs/heads/main").unwrap()), ours);
        fixture.assert_clean();
    }
    let few: Leaves = base.clone().into_iter().skip(4).collect();
    let (fixture, _) = merged(&base, &base, &few, &GUARDED);
    assert_eq!(fixture.leaves(fixture.get("refs/heads/main").unwrap()), few);
}

#[test]
fn files_that_are_renamed_are_not_deleted() {
    let base = ten_files();
    let moved = |leaf: &dyn Fn(&str, u32) -> Leaf| -> Leaves {
        let name = |number| format!("elsewhere/deeper/{number}");
        (0..10)
            .map(|number| (name(number), leaf(&name(number), number)))
            .collect()
    };
    let unlocked = moved(&|_, number| pointer(&format!("SHA256E-s1--{number}")));
    let links = moved(&|path, number| locked(path, &format!("SHA256E-s1--{number}")));
    let mut twice = base.clone();
    twice.extend(unlocked.clone());
    for (before, after) in [(&base, &unlocked), (&base, &links), (&twice, &unlocked)] {
        let (fixture, outcome) = merged(before, before, after, &GUARDED);
        assert!(matches!(outcome, MergeOutcome::Merged { .. }), "{outcome:?}");
        assert_eq!(&fixture.leaves(fixture.get("refs/heads/main").unwrap()), after);
    }
}

/// What is kept comes back where it was deleted, and all else of that side is taken.
#[test]
fn deleted_files_can_be_kept() {
    let base = ten_files();
    let mut ours = base.clone();
    ours.insert("own".into(), file("own"));
    let mut theirs: Leaves = base.clone().into_iter().skip(6).collect();
    // A file where a directory was that keeps files, a rename, and a new file.
    theirs.insert("renamed".into(), theirs["d/9"].clone());
    theirs.remove("d/9");
    theirs.insert("new".into(), file("new"));
    for (start, is_forward) in [(&base, true), (&ours, false)] {
        let fixture = Fixture::new();
        let root = fixture.start(&base);
        let here = match is_forward {
            true => root,
            false => fixture.commit(start, &[root], "ours"),
        };
        let deletes = fixture.commit(&theirs, &[root], "theirs");
        assert!(fixture.check_out(here).unwrap().blocked.is_empty());
        let reference = "refs/heads/synced/main";
        let what = Theirs {
            commit: deletes,
            reference,
        };
        let outcome = fixture.annex.merge_and_keep_files(&what, "kept", &GUARDED).unwrap();
        let MergeOutcome::Merged { commit, .. } = outcome else {
            panic!("{outcome:?}");
        };
        let mut wanted = start.clone();
        wanted.remove("d/9");
        wanted.extend(theirs.clone());
        assert_eq!(fixture.leaves(commit), wanted);
        fixture.assert_clean();
        let git = fixture.repo();
        let made = git.find_commit(to_git(commit)).unwrap();
        assert_eq!(made.parent_count(), if is_forward { 1 } else { 2 });
        // Whoever deleted them has only to follow.
        assert!(fixture.annex.contains(commit, deletes));
        let again = fixture.annex.merge_and_keep_files(&what, "kept", &GUARDED).unwrap();
        assert_eq!(again, MergeOutcome::UpToDate);
    }
}

/// Merges a commit and keeps the files that it deletes; the commit of that.
#[track_caller]
fn kept(fixture: &Fixture, deletes: Oid) -> Oid {
    let what = Theirs {
        commit: deletes,
        reference: "refs/heads/synced/main",
    };
    let outcome = fixture.annex.merge_and_keep_files(&what, "kept", &GUARDED).unwrap();
    let MergeOutcome::Merged { commit, .. } = outcome else {
        panic!("{outcome:?}");
    };
    commit
}

#[test]
fn a_deleted_file_is_kept_although_another_has_its_content() {
    let mut base = ten_files();
    base.insert("copy".into(), base["d/9"].clone());
    for name in ["one", "two"] {
        base.insert(name.into(), file("the same"));
    }
    let fixture = Fixture::new();
    let root = fixture.start(&base);
    let theirs: Leaves = [("copy", base["copy"].clone()), ("moved", file("the same"))]
        .map(|(name, leaf)| (name.to_owned(), leaf))
        .into();
    let deletes = fixture.commit(&theirs, &[root], "theirs");
    let commit = kept(&fixture, deletes);
    // One of the two was moved; which, nobody can say.
    let mut wanted = base.clone();
    wanted.insert("moved".into(), file("the same"));
    wanted.remove("one");
    assert_eq!(fixture.leaves(commit), wanted);
}

#[test]
fn a_file_is_kept_although_its_directory_became_a_file() {
    let base = ten_files();
    let theirs: Leaves = [("d".to_owned(), file("now a file"))].into();
    let fixture = Fixture::new();
    let root = fixture.start(&base);
    let deletes = fixture.commit(&theirs, &[root], "theirs");
    let kept = fixture.leaves(kept(&fixture, deletes));
    assert_eq!(kept.len(), 11, "{kept:?}");
    assert!(base.iter().all(|(path, leaf)| kept.get(path) == Some(leaf)));
    fixture.assert_clean();
}
