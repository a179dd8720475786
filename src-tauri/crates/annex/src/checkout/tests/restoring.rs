//! Files that are gone from the work tree are brought back.

use super::*;
use crate::checkout::DRAFTS;

#[test]
fn files_that_are_gone_come_back_and_no_others_are_touched() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content");
    let base = fixture.start(&leaves([
        ("annexed", pointer_to(&key)),
        ("conflict", file("1")),
        ("d/gone", file("gone")),
        ("edited", file("1")),
        ("left out", file("1")),
    ]));
    let theirs = fixture.commit(&leaves([("conflict", file("3"))]), &[base], "theirs");
    fixture.write("conflict", b"2");
    fixture.git(&["commit", "-q", "-a", "-m", "ours"]);
    assert!(!fixture.try_git(&["merge", "-q", "-X", "no-renames", &theirs.to_string()]));
    fixture.git(&["reset", "-q", "HEAD", "--", "annexed", "d/gone", "edited", "left out"]);
    fixture.git(&["update-index", "--skip-worktree", "left out"]);
    fixture.write("announced", b"mine");
    fixture.git(&["add", "--intent-to-add", "announced"]);
    let submodule = format!("160000,{},sub", git2::Oid::from_bytes(&[7; 20]).unwrap());
    fixture.git(&["update-index", "--add", "--cacheinfo", &submodule]);
    for gone in ["annexed", "announced", "conflict", "d/gone", "left out"] {
        let _ = fs::remove_file(fixture.path().join(gone));
    }
    let _ = fs::remove_dir(fixture.path().join("d"));
    fixture.write("edited", b"mine");

    assert_eq!(fixture.annex.restore(false).unwrap(), 2);
    assert_holds(
        &fixture,
        &leaves([
            ("annexed", file("content")),
            ("d/gone", file("gone")),
            ("edited", file("mine")),
        ]),
    );
    assert_eq!(fixture.annex.restore(false).unwrap(), 0);
}

#[test]
fn what_is_restored_while_the_index_changes_all_the_time_is_planned_under_the_lock_at_last() {
    let fixture = Fixture::new();
    fixture.start(&leaves([("a", file("1"))]));
    fs::remove_file(fixture.path().join("a")).unwrap();
    let mut staged = Vec::new();
    let restored = fixture.annex.restore_by_steps(false, &mut |step| {
        if step == Step::Marker {
            let name = staged.len().to_string();
            fixture.write(&name, b"mine");
            staged.push(fixture.try_git(&["add", &name]));
        }
        Ok(())
    });
    assert_eq!(restored.unwrap(), 1);
    let mut expected = vec![true; DRAFTS];
    expected.push(false);
    assert_eq!(staged, expected);
}
