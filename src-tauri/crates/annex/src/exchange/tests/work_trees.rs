//! Work trees that a push brings up to date, and those that it does not.

use super::*;

/// Why the work tree there is behind.
fn behind(outcome: PushOutcome) -> Option<String> {
    match outcome {
        PushOutcome::Pushed { behind, .. } => behind,
        PushOutcome::UpToDate => None,
        PushOutcome::Refused { .. } => panic!("{outcome:?}"),
    }
}

#[test]
fn a_work_tree_that_would_lose_too_many_files_is_left_alone() {
    let (here, clone) = (Fixture::new(), Fixture::new());
    let first = here.start(&many(3));
    push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    let less = here.commit(&many(1), &[first], "less");
    here.check_out(less).unwrap();
    let careful = PushOptions {
        may_remove: Some(|removed, of| (removed, of) != (2, 3)),
        ..both()
    };
    let outcome = push(&here.annex, &clone.path(), &origin(), "main", &careful).unwrap();
    let PushOutcome::Pushed { checkout, behind, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(matches!(checkout, Some(MergeOutcome::Removes(_))), "{checkout:?}");
    assert!(behind.unwrap().starts_with("2 of its 3 files would be deleted there"));
    assert_eq!(clone.get("refs/heads/main"), Some(first));
    assert_eq!(clone.get("refs/heads/synced/main"), Some(less));
    clone.assert_clean();
}

#[test]
fn a_work_tree_that_has_commits_of_its_own_is_left_to_its_owner() {
    let (here, clone) = (Fixture::new(), Fixture::new());
    let first = here.start(&many(3));
    push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    let theirs = clone.commit(&many(4), &[first], "theirs");
    clone.check_out(theirs).unwrap();
    let ours = here.commit(&many(5), &[first], "ours");
    here.set("refs/heads/main", ours);
    let outcome = push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    let why = behind(outcome);
    assert!(why.unwrap().starts_with("it has commits that are not here yet"));
    assert_eq!(clone.get("refs/heads/synced/main"), Some(ours));
    assert_eq!(clone.get("refs/heads/main"), Some(theirs));
}

#[test]
fn a_work_tree_is_brought_up_to_date_in_the_way_that_is_asked_for() {
    let (here, clone) = (Fixture::new(), Fixture::new());
    // git-annex's own filter is known, and does not run.
    clone.git(&["config", "filter.annex.process", "git-annex filter-process"]);
    let key = put_object(&clone.annex, b"content");
    here.start(&leaves([("a", pointer(&key.to_string()))]));
    let thin = CheckoutOptions {
        thin: true,
        ..CheckoutOptions::default()
    };
    let options = PushOptions {
        checkout: thin,
        ..both()
    };
    push(&here.annex, &clone.path(), &origin(), "main", &options).unwrap();
    let file = std::fs::metadata(clone.path().join("a")).unwrap();
    assert_eq!((file.len(), file.nlink()), (7, 2), "it is a link to the object");
}

/// The remote has the commits, but not the files: each push says so until it has both.
#[test]
fn a_work_tree_that_could_not_follow_is_told_and_follows_at_the_next_push() {
    let push = |here: &Fixture, there: &Fixture| {
        let outcome = push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap();
        behind(outcome)
    };
    type Act = fn(&Fixture);
    let acts: [(Act, Act, &str); 4] = [
        (
            |there| there.write(".git/index.lock", b""),
            |there| std::fs::remove_file(there.path().join(".git/index.lock")).unwrap(),
            "index.lock",
        ),
        (
            |there| there.write("a", b"mine"),
            |there| drop(there.git(&["checkout", "-q", "a"])),
            "a was changed there and is not committed",
        ),
        (
            |there| drop(there.git(&["checkout", "-q", "--detach"])),
            |there| drop(there.git(&["checkout", "-q", "main"])),
            "no branch is checked out there",
        ),
        (
            |there| {
                let head = format!("{}\n", there.get("refs/heads/main").unwrap());
                there.write(".git/MERGE_HEAD", head.as_bytes());
            },
            |there| std::fs::remove_file(there.path().join(".git/MERGE_HEAD")).unwrap(),
            "a merge or rebase is under way",
        ),
    ];
    for (hinder, free, words) in acts {
        let (here, there) = (Fixture::new(), Fixture::new());
        let first = here.start(&leaves([("a", file("1"))]));
        assert_eq!(push(&here, &there), None);
        hinder(&there);
        let second = here.commit(&leaves([("a", file("2"))]), &[first], "2");
        here.check_out(second).unwrap();
        for _ in 0..2 {
            let told = push(&here, &there).unwrap_or_else(|| panic!("{words}: nothing is told"));
            assert!(told.contains(words), "{told}");
        }
        free(&there);
        assert_eq!(push(&here, &there), None, "{words}");
        assert_eq!(there.read("a"), b"2", "{words}");
        there.assert_clean();
    }
}

/// A filter is a program, and somebody else may have written that configuration.
#[test]
fn a_work_tree_with_filters_of_its_own_is_left_to_its_owner() {
    let (here, there) = (Fixture::new(), Fixture::new());
    let first = there.start(&leaves([("a", file("1"))]));
    fetch(&here.annex, &there.path(), &origin(), "main").unwrap();
    here.set("refs/heads/main", first);
    let filter = format!("touch '{}/ran'; cat", there.path().display());
    there.git(&["config", "filter.x.smudge", &filter]);
    let to = leaves([("a", file("2")), (".gitattributes", file("a filter=x\n"))]);
    let second = here.commit(&to, &[first], "second");
    here.set("refs/heads/main", second);
    let why = behind(push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap());
    assert!(why.unwrap().starts_with("its configuration has filters of its own"));
    assert_eq!(there.get("refs/heads/synced/main"), Some(second));
    assert_eq!((there.read("a"), there.exists("ran")), (b"1".to_vec(), false));
}

#[test]
fn a_work_tree_with_edits_in_the_way_is_left_alone() {
    let (here, clone) = (Fixture::new(), Fixture::new());
    let first = here.start(&leaves([("a", file("1"))]));
    push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    clone.write("a", b"mine");
    let second = here.commit(&leaves([("a", file("2"))]), &[first], "2");
    here.set("refs/heads/main", second);
    let outcome = push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    let PushOutcome::Pushed {
        checkout: Some(MergeOutcome::Blocked { paths }),
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(paths.len(), 1);
    assert_eq!(clone.read("a"), b"mine");
    assert_eq!(clone.get("refs/heads/main"), Some(first));
    assert_eq!(clone.get("refs/heads/synced/main"), Some(second));
}

#[test]
fn what_a_work_tree_shows_is_told_unless_that_is_another_branch() {
    let here = Fixture::new();
    let shown = |there: &Fixture| fetch(&here.annex, &there.path(), &origin(), "main").unwrap().shown;
    let clone = Fixture::new();
    assert_eq!(shown(&clone), Some(None), "nothing yet");
    let first = clone.start(&many(2));
    let second = clone.commit(&many(3), &[first], "second");
    clone.set("refs/heads/synced/main", second);
    assert_eq!(shown(&clone), Some(Some(first)));
    clone.git(&["branch", "later", &second.to_string()]);
    clone.git(&["checkout", "-q", "-f", "--detach", "later"]);
    assert_eq!(shown(&clone), Some(Some(second)));
    clone.git(&["checkout", "-q", "later"]);
    assert_eq!(shown(&clone), None);

    let drive = Fixture::bare();
    push(&clone.annex, &drive.path(), &origin(), "main", &both()).unwrap();
    assert_eq!(shown(&drive), None, "it has no files");
}
