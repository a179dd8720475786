//! Submodules: a checkout makes only their directories.

use super::*;

/// Commits these files and a submodule.
fn commit_with_submodule(fixture: &Fixture, all: &Leaves, submodule: &str, parents: &[Oid]) -> Oid {
    fixture.with_submodule(fixture.commit(all, parents, "without"), submodule, 7)
}

fn is_empty_directory(fixture: &Fixture, path: &str) -> bool {
    fs::read_dir(fixture.path().join(path)).is_ok_and(|mut names| names.next().is_none())
}

#[test]
fn a_submodule_is_an_empty_directory_whatever_was_there() {
    let with = |path: &str, leaf: Leaf| {
        let mut all = leaves([("kept", file("kept"))]);
        all.insert(path.to_owned(), leaf);
        all
    };
    let fixture = Fixture::new();
    let kept = leaves([("kept", file("kept"))]);
    let mut last = fixture.start(&kept);
    for before in [
        kept.clone(),
        with("d/sub", file("a file")),
        with("d/sub", link("elsewhere")),
        with("d/sub/inner", file("in a directory")),
        with("d", file("above")),
    ] {
        last = fixture.commit(&before, &[last], "before");
        assert_eq!(check_out(&fixture, last).waiting, []);
        assert_holds(&fixture, &before);
        last = commit_with_submodule(&fixture, &kept, "d/sub", &[last]);
        let done = check_out(&fixture, last);
        assert_eq!((done.blocked, done.waiting), (vec![], vec![]), "{before:?}");
        assert!(is_empty_directory(&fixture, "d/sub"), "{before:?}");
        assert!(fixture.git(&["ls-files", "-s", "d/sub"]).starts_with("160000 "));
        fixture.assert_clean();
    }
}

#[test]
fn what_is_in_the_place_of_a_submodule_stays_when_it_comes_and_when_it_goes() {
    let fixture = Fixture::new();
    let kept = leaves([("kept", file("kept"))]);
    let base = fixture.start(&kept);
    fixture.write("sub/inner", b"theirs");
    let with = commit_with_submodule(&fixture, &kept, "sub", &[base]);
    assert_eq!(check_out(&fixture, with).waiting, []);
    assert_eq!(fixture.git(&["ls-files"]), "kept\nsub\n");
    let without = fixture.commit(&kept, &[with], "without");
    assert_eq!(check_out(&fixture, without).waiting, []);
    assert_eq!(fixture.git(&["ls-files"]), "kept\n");
    assert_eq!(fixture.read("sub/inner"), b"theirs");

    let fixture = Fixture::new();
    let with = commit_with_submodule(&fixture, &kept, "sub", &[]);
    check_out(&fixture, with);
    fs::remove_dir(fixture.path().join("sub")).unwrap();
    fixture.write("sub", b"mine");
    let without = fixture.commit(&kept, &[with], "without");
    let done = check_out(&fixture, without);
    assert_eq!((done.blocked, done.waiting), (vec![], vec![]));
    assert_eq!(fixture.read("sub"), b"mine");
}

#[test]
fn a_submodule_comes_in_the_place_of_a_file_that_is_gone() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("sub", file("1"))]));
    fs::remove_file(fixture.path().join("sub")).unwrap();
    let next = commit_with_submodule(&fixture, &Leaves::new(), "sub", &[base]);
    assert_eq!(check_out(&fixture, next).blocked, []);
    assert!(is_empty_directory(&fixture, "sub"));
}

#[test]
fn a_file_that_was_edited_does_not_give_way_to_a_submodule() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("sub", file("1"))]));
    let next = commit_with_submodule(&fixture, &Leaves::new(), "sub", &[base]);
    let wanted = of_main(base, next);
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&wanted, &options, false, &mut |step| {
        if step == Step::WorkTree {
            fixture.write("sub", b"mine");
        }
        Ok(())
    });
    let waiting = done.unwrap().waiting;
    assert_eq!(
        waiting.iter().map(|one| &one.why).collect::<Vec<_>>(),
        [&Obstacle::Changed]
    );
    assert_eq!(fixture.read("sub"), b"mine");
}
