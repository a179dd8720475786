use super::*;
use crate::checkout::DRAFTS;

#[test]
fn the_index_is_locked_while_files_are_put_in_place_and_no_longer() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1")), ("b", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2")), ("b", file("1"))]), &[base], "next");
    let wanted = of_main(base, next);
    let mut locked = Vec::new();
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&wanted, &options, false, &mut |step: Step| {
        locked.push((step, fixture.exists(".git/index.lock")));
        // What the user stages until then is in the index that is put in place.
        if locked.len() == 1 {
            fixture.write("mine", b"mine");
            fixture.git(&["add", "mine"]);
        }
        Ok(())
    });
    assert_eq!(done.unwrap().changed, 1);
    let is_locked =
        |(step, is_locked): &(Step, bool)| *is_locked == matches!(step, Step::WorkTree | Step::File | Step::Index);
    assert!(locked.iter().all(is_locked), "{locked:?}");
    assert_eq!(
        locked.iter().filter(|(step, _)| *step == Step::Marker).count(),
        2,
        "the checkout plans again"
    );
    assert_eq!(fixture.git(&["status", "--porcelain"]), "A  mine\n");
}

#[test]
fn a_checkout_whose_index_changes_all_the_time_is_planned_under_the_lock_at_last() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    let wanted = of_main(base, next);
    let mut staged = Vec::new();
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&wanted, &options, false, &mut |step: Step| {
        if step == Step::Marker {
            let name = staged.len().to_string();
            fixture.write(&name, b"mine");
            staged.push(fixture.try_git(&["add", &name]));
        }
        Ok(())
    });
    assert_eq!(done.unwrap().changed, 1);
    let mut expected = vec![true; DRAFTS];
    expected.push(false);
    assert_eq!(staged, expected);
}

#[test]
fn a_user_who_fast_forwards_first_leaves_no_note_behind() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    let mut plans = 0;
    let options = CheckoutOptions::default();
    let done = fixture
        .annex
        .carry_out(&of_main(base, next), &options, false, &mut |step: Step| {
            plans += usize::from(step == Step::Marker);
            match (step, plans) {
                // The first plan writes the note.
                (Step::Marker, 1) => {
                    fixture.write("mine", b"mine");
                    fixture.git(&["add", "mine"]);
                }
                (Step::Marker, 2) => _ = fixture.git(&["merge", "-q", "--ff-only", &next.to_string()]),
                _ => {}
            }
            Ok(())
        });
    assert_eq!(done.unwrap().changed, 0);
    assert!(!fixture.annex.is_checkout_unfinished());
}

#[test]
fn a_merge_that_the_user_begins_meanwhile_is_not_checked_out_over() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    let other = fixture.commit(&leaves([("a", file("1")), ("b", file("1"))]), &[base], "other");
    let options = CheckoutOptions::default();
    let mut acted = false;
    let done = fixture
        .annex
        .carry_out(&of_main(base, next), &options, false, &mut |_: Step| {
            if !std::mem::replace(&mut acted, true) {
                fixture.git(&["merge", "-q", "--no-commit", "--no-ff", &other.to_string()]);
            }
            Ok(())
        });
    assert!(matches!(done, Err(Error::Refused(_))), "{done:?}");
    assert!(!fixture.annex.is_checkout_unfinished());
    assert_eq!(
        (fixture.get("refs/heads/main"), fixture.read("a")),
        (Some(base), b"1".to_vec())
    );
    assert!(fixture.exists(".git/MERGE_HEAD"));
}
