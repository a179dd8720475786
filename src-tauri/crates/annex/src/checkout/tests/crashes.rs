//! Checkouts that are cut off, and finished later.

use super::*;

/// Runs a checkout that is cut off before the `nth` step, leaving its locks behind as a killed process does.
fn cut_off(annex: &Annex, wanted: &Marker, nth: usize) -> bool {
    let mut steps = 0;
    let result: Result<CheckedOut> = annex.carry_out(wanted, &CheckoutOptions::default(), false, &mut |_: Step| {
        steps += 1;
        match steps > nth {
            true => Err(Error::Damaged("cut off".into())),
            false => Ok(()),
        }
    });
    match result {
        Ok(_) => false,
        Err(Error::Damaged(_)) => {
            if annex.is_checkout_unfinished() {
                fs::write(annex.git_dir().join("index.lock"), crate::index::MARK).unwrap();
                fs::write(annex.git_dir().join("refs/heads/main.lock"), crate::index::MARK).unwrap();
            }
            true
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_checkout_cut_off_anywhere_is_finished() {
    let from = leaves([
        ("edited", file("old")),
        ("gone", file("gone")),
        ("bit", file("bit")),
        ("f", file("f")),
        ("d/x", file("c")),
        ("moved/1", file("one")),
        ("moved/2", pointer("SHA256E-s9--2")),
        ("kept", file("kept")),
    ]);
    let to = leaves([
        ("edited", file("new")),
        ("bit", Leaf::Executable(b"bit".to_vec())),
        ("f/g", file("g")),
        ("d", file("d")),
        ("other/1", file("one")),
        ("other/2", pointer("SHA256E-s9--2")),
        ("added", file("added")),
        ("link", link("added")),
        ("kept", file("kept")),
    ]);
    let mut nth = 0;
    loop {
        let fixture = Fixture::new();
        let base = fixture.start(&from);
        let next = fixture.commit(&to, &[base], "next");
        let wanted = of_main(base, next);
        if !cut_off(&fixture.annex, &wanted, nth) {
            break;
        }
        let begun = fixture.annex.is_checkout_unfinished();
        let finished = fixture.annex.finish_checkout().unwrap();
        assert_eq!(finished.is_some(), begun, "step {nth}");
        let expected = if begun { &to } else { &from };
        assert_holds(&fixture, expected);
        assert_eq!(
            fixture.get("refs/heads/main"),
            Some(if begun { next } else { base }),
            "step {nth}"
        );
        fixture.assert_clean();
        assert_eq!(fixture.annex.finish_checkout().unwrap(), None);
        nth += 1;
    }
    assert!(nth > 12, "only {nth} steps");
}

/// The attempt that was cut off wrote a pointer; what finishes it must not take that for done when the content is there.
#[test]
fn a_pointer_left_by_a_crash_gets_the_content_that_has_come_since() {
    let content = b"a photo";
    let key = crate::fixture::put_object(&Fixture::new().annex, content);
    let from = leaves([("a", file("1"))]);
    let to = leaves([("a", file("1")), ("photo", pointer(&key.to_string()))]);
    let mut left_pointers = 0;
    for nth in 0.. {
        let fixture = Fixture::new();
        let base = fixture.start(&from);
        let next = fixture.commit(&to, &[base], "next");
        let wanted = of_main(base, next);
        if !cut_off(&fixture.annex, &wanted, nth) {
            break;
        }
        if fixture.annex.is_checkout_unfinished() {
            left_pointers += usize::from(fixture.exists("photo"));
            crate::fixture::put_object(&fixture.annex, content);
            fixture.annex.finish_checkout().unwrap();
            assert_eq!(fixture.read("photo"), content, "step {nth}");
        }
    }
    assert!(left_pointers > 0, "no step left a pointer");
}

#[test]
fn edits_made_after_a_crash_stay() {
    let from = leaves([("a", file("1")), ("b", file("1")), ("c", file("1")), ("z", file("1"))]);
    let to = leaves([("a", file("2")), ("b", file("2")), ("z", file("2")), ("new", file("2"))]);
    for nth in 2..9 {
        let fixture = Fixture::new();
        let base = fixture.start(&from);
        let next = fixture.commit(&to, &[base], "next");
        let wanted = of_main(base, next);
        assert!(cut_off(&fixture.annex, &wanted, nth), "step {nth}");
        fixture.write("b", b"mine");
        fixture.write("c", b"mine");
        fixture.write("new", b"mine");
        let done = fixture.annex.finish_checkout().unwrap().unwrap();
        let waiting: Vec<_> = done.waiting.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(waiting, ["b", "c", "new"], "step {nth}");
        for path in ["b", "c", "new"] {
            assert_eq!(fixture.read(path), b"mine", "step {nth}, {path}");
        }
        assert_eq!(fixture.read("a"), b"2");
        // A partial commit: what the user edited is what it was, so that the next merge sees who changed what.
        let expected = leaves([("a", file("2")), ("b", file("1")), ("c", file("1")), ("z", file("2"))]);
        let partial = fixture.get("refs/heads/main").unwrap();
        assert_eq!(fixture.leaves(partial), expected, "step {nth}");
        assert_eq!(
            waiting::published(&fixture),
            (to.clone(), BTreeSet::from([partial, next])),
            "step {nth}"
        );
        // What git would commit now are the user's edits and nothing else.
        assert_eq!(
            fixture.git(&["status", "--porcelain"]),
            " M b\n M c\n?? new\n",
            "step {nth}"
        );
    }
}

#[test]
fn a_note_that_nobody_needs_is_dropped() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    let other = fixture.commit(&leaves([("a", file("1")), ("b", file("1"))]), &[base], "other");
    let wanted = of_main(next, other);
    wanted.write(&fixture.annex).unwrap();
    assert!(fixture.annex.is_checkout_unfinished());
    assert_eq!(fixture.annex.finish_checkout().unwrap(), None);
    assert!(!fixture.annex.is_checkout_unfinished());
    fixture.assert_clean();
}

/// Cut off, a partial checkout has told others of its commit already; the next one goes on from there.
#[test]
fn what_others_were_told_of_before_a_crash_is_in_what_they_are_told_of_next() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1")), ("waits", file("1"))]));
    fixture.write("waits", b"mine");
    let to = leaves([("a", file("2")), ("waits", file("2"))]);
    let next = fixture.commit(&to, &[base], "next");
    let wanted = of_main(base, next);
    let options = CheckoutOptions {
        partial: true,
        thin: false,
    };
    let cut_off = fixture
        .annex
        .carry_out(&wanted, &options, false, &mut |step| match step == Step::Branch {
            true => Err(Error::Damaged("cut off".into())),
            false => Ok(()),
        });
    assert!(cut_off.is_err());
    let told = fixture.get("refs/heads/synced/main").unwrap();
    fixture.annex.finish_checkout().unwrap();
    let partial = fixture.get("refs/heads/main").unwrap();
    assert_ne!(partial, base);
    assert_eq!(waiting::published(&fixture), (to, BTreeSet::from([partial, told])));
}

#[test]
fn what_others_pushed_meanwhile_stays_beside_a_partial_checkout() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1")), ("waits", file("1"))]));
    fixture.write("waits", b"mine");
    let to = leaves([("a", file("2")), ("waits", file("2"))]);
    let next = fixture.commit(&to, &[base], "next");
    let pushed = fixture.commit(&leaves([("a", file("3"))]), &[next], "pushed");
    fixture.set("refs/heads/synced/main", pushed);
    waiting::check_out_partially(&fixture, next);
    assert_ne!(fixture.get("refs/heads/main"), Some(base));
    assert_eq!(fixture.get("refs/heads/synced/main"), Some(pushed));
}
