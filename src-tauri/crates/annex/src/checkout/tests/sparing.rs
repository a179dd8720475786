//! A checkout does no more than it must, and says what it did.

use super::*;

#[test]
fn every_file_that_was_made_replaced_renamed_or_deleted_is_counted() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([
        ("edited", file("1")),
        ("gone/1", file("g1")),
        ("gone/2", file("g2")),
        ("old/1", file("m1")),
        ("old/2", file("m2")),
    ]));
    let to = leaves([
        ("edited", file("2")),
        ("new/1", file("m1")),
        ("new/2", file("m2")),
        ("new/3", file("n3")),
        ("new/4", file("n4")),
    ]);
    let next = fixture.commit(&to, &[base], "next");
    assert_eq!(check_out(&fixture, next).changed, 7);
}

#[test]
fn a_commit_of_the_same_files_moves_only_the_branch() {
    let fixture = Fixture::new();
    let all = leaves([("a", file("1"))]);
    let base = fixture.start(&all);
    let index = || fs::metadata(fixture.path().join(".git/index")).unwrap().ino();
    let before = index();
    let next = fixture.commit(&all, &[base], "next");
    check_out(&fixture, next);
    assert_eq!(fixture.get("refs/heads/main"), Some(next));
    assert_eq!(index(), before);
}

#[test]
fn where_only_permissions_change_the_file_stays_the_same() {
    for (old, new) in [(0o640, 0o750), (0o654, 0o755)] {
        let fixture = Fixture::new();
        let base = fixture.start(&leaves([("f", file("1"))]));
        let path = fixture.path().join("f");
        fs::set_permissions(&path, fs::Permissions::from_mode(old)).unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        let next = fixture.commit(&leaves([("f", Leaf::Executable(b"1".to_vec()))]), &[base], "next");
        assert_eq!(check_out(&fixture, next).waiting, []);
        let now = fs::metadata(&path).unwrap();
        assert_eq!((now.ino(), now.mode() & 0o7777), (before, new));
        fixture.assert_clean();
        let last = fixture.commit(&leaves([("f", file("1"))]), &[next], "last");
        check_out(&fixture, last);
        let now = fs::metadata(&path).unwrap();
        assert_eq!((now.ino(), now.mode() & 0o7777), (before, new & !0o111));
    }
}

/// It may be the object itself.
#[test]
fn a_file_that_has_another_name_gets_its_permissions_as_a_new_file() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("f", file("1"))]));
    let other = tempfile::tempdir_in(fixture.path().join(".git")).unwrap();
    let other = other.path().join("other");
    fs::hard_link(fixture.path().join("f"), &other).unwrap();
    let next = fixture.commit(&leaves([("f", Leaf::Executable(b"1".to_vec()))]), &[base], "next");
    assert_eq!(check_out(&fixture, next).waiting, []);
    assert_eq!(fs::metadata(&other).unwrap().mode() & 0o111, 0);
    assert_holds(&fixture, &leaves([("f", Leaf::Executable(b"1".to_vec()))]));
}

/// Checks out `plain` and `run`, which are annexed and not in the store any more, under a key that proves nothing: only their
/// stat data tells that nobody edited them.
fn with_unproven_files() -> (Fixture, Oid) {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content");
    let worm = Key::parse(b"WORM-s7-m1--content").unwrap();
    let object = fixture.annex.store().object_path(&worm);
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::rename(fixture.annex.store().find(&key).unwrap(), &object).unwrap();
    let executable = Leaf::Executable(format!("/annex/objects/{worm}\n").into_bytes());
    let base = fixture.start(&leaves([("plain", pointer_to(&worm)), ("run", executable)]));
    assert_eq!(fixture.read("plain"), b"content");
    fs::remove_file(object).unwrap();
    (fixture, base)
}

#[test]
fn a_file_with_the_stat_data_of_its_index_entry_is_not_read() {
    let (fixture, base) = with_unproven_files();
    let to = leaves([("plain", file("2"))]);
    let next = fixture.commit(&to, &[base], "next");
    assert_eq!(check_out(&fixture, next).blocked, []);
    assert_holds(&fixture, &to);
}

#[test]
fn permissions_that_are_not_those_of_the_index_count_where_they_are_kept() {
    for are_kept in [true, false] {
        let (fixture, _) = with_unproven_files();
        fixture.git(&["config", "core.fileMode", &are_kept.to_string()]);
        fixture.git(&["update-index", "--chmod=+x", "plain"]);
        fixture.git(&["update-index", "--chmod=-x", "run"]);
        fixture.git(&["commit", "-q", "-m", "other permissions"]);
        let base = fixture.get("refs/heads/main").unwrap();
        let next = fixture.commit(&leaves([("plain", file("2"))]), &[base], "next");
        let blocked = check_out(&fixture, next).blocked;
        let blocked: Vec<_> = blocked.iter().map(ToString::to_string).collect();
        let expected: &[&str] = if are_kept { &["plain", "run"] } else { &[] };
        assert_eq!(blocked, expected);
    }
}

#[test]
fn a_filter_of_the_users_sees_each_file_that_git_itself_keeps_and_no_other() {
    let fixture = Fixture::new();
    let log = fixture.path().join(".git/log");
    let filter = format!("echo %f >> {}; cat", log.display());
    fixture.git(&["config", "filter.log.smudge", &filter]);
    let all = leaves([
        (".gitattributes", file("*.f filter=log\n")),
        ("annexed.f", pointer("SHA256E-s5--absent")),
        ("git.f", file("1")),
        ("link.f", link("git.f")),
    ]);
    fixture.start(&all);
    assert_eq!(fs::read_to_string(log).unwrap(), "git.f\n");
}

#[test]
fn a_file_that_the_user_left_out_stays_left_out() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("changes", file("1")), ("goes", file("1"))]));
    for name in ["changes", "goes"] {
        fixture.git(&["update-index", "--skip-worktree", name]);
        fs::remove_file(fixture.path().join(name)).unwrap();
    }
    let next = fixture.commit(&leaves([("changes", file("2"))]), &[base], "next");
    assert_eq!(check_out(&fixture, next).waiting, []);
    assert_holds(&fixture, &Leaves::new());
    assert_eq!(fixture.git(&["ls-files", "-v"]), "S changes\n");
    fixture.assert_clean();
}
