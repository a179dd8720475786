//! Paths that cannot follow, and files that a program has open.

use super::*;
use crate::fixture::not_as_root;
use crate::{MergeOptions, Theirs};

fn waiting(done: &CheckedOut) -> Vec<(String, Obstacle)> {
    let waiting = done.waiting.iter();
    waiting.map(|one| (one.path.to_string(), one.why.clone())).collect()
}

pub(super) fn check_out_partially(fixture: &Fixture, to: Oid) -> CheckedOut {
    let head = fixture.annex.head().unwrap();
    let options = CheckoutOptions {
        thin: false,
        partial: true,
    };
    fixture.annex.check_out(&head, to, &options).unwrap()
}

/// What others get while paths wait, and of which commits that is a merge.
pub(super) fn published(fixture: &Fixture) -> (Leaves, BTreeSet<Oid>) {
    let published = fixture.get("refs/heads/synced/main").unwrap();
    let repo = fixture.repo();
    let commit = repo.find_commit(crate::oid::to_git(published)).unwrap();
    let parents = commit.parent_ids().map(crate::oid::from_git).collect();
    (fixture.leaves(published), parents)
}

#[test]
fn one_path_waits_and_all_others_follow() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1")), ("d/f", file("1")), ("gone", file("1"))]));
    fixture.write("d/f", b"mine");
    fixture.write("ignored", b"mine");
    let to = leaves([
        ("a", file("2")),
        ("d/f", file("2")),
        ("d/new", file("2")),
        ("ignored", file("2")),
    ]);
    let next = fixture.commit(&to, &[base], "next");
    let done = check_out_partially(&fixture, next);
    let expected = [("d/f", Obstacle::Changed), ("ignored", Obstacle::Changed)];
    assert_eq!(waiting(&done), expected.map(|(path, why)| (path.to_owned(), why)));
    let partial = fixture.get("refs/heads/main").unwrap();
    assert_eq!(
        fixture.leaves(partial),
        leaves([("a", file("2")), ("d/f", file("1")), ("d/new", file("2"))])
    );
    assert_eq!(published(&fixture), (to, BTreeSet::from([partial, next])));
    assert_eq!(fixture.git(&["status", "--porcelain"]), " M d/f\n?? ignored\n");
    assert_eq!(
        (fixture.read("d/f"), fixture.read("ignored")),
        (b"mine".to_vec(), b"mine".to_vec())
    );
    // The same again makes no commit.
    assert_eq!(check_out_partially(&fixture, next).changed, 0);
    assert_eq!(fixture.get("refs/heads/main"), Some(partial));
}

#[test]
fn what_is_changed_back_elsewhere_while_a_path_waits_stays_changed_back() {
    let fixture = Fixture::new();
    let from = leaves([("edited", file("1")), ("gone", file("1")), ("waits", file("1"))]);
    let base = fixture.start(&from);
    fixture.write("waits", b"mine");
    let to = leaves([("edited", file("2")), ("new", file("1")), ("waits", file("2"))]);
    let next = fixture.commit(&to, &[base], "next");
    check_out_partially(&fixture, next);
    fixture.write("waits", b"1");
    let back = fixture.commit(&from, &[next], "changed back");
    let synced = fixture.get("refs/heads/synced/main").unwrap();
    let theirs = [(back, "refs/remotes/origin/main"), (synced, "refs/heads/synced/main")]
        .map(|(commit, reference)| Theirs { commit, reference });
    fixture
        .annex
        .merge_into_head(&theirs, &MergeOptions::default())
        .unwrap();
    assert_holds(&fixture, &from);
}

#[test]
fn a_file_that_a_program_has_open_is_not_taken_away() {
    for (open, to) in [
        (
            "edited",
            leaves([("edited", file("2")), ("gone", file("1")), ("x", file("2"))]),
        ),
        ("gone", leaves([("edited", file("1")), ("x", file("2"))])),
    ] {
        let fixture = Fixture::new();
        let base = fixture.start(&leaves([("edited", file("1")), ("gone", file("1"))]));
        let next = fixture.commit(&to, &[base], "next");
        let mut writer = fs::File::options()
            .append(true)
            .open(fixture.path().join(open))
            .unwrap();
        let done = check_out(&fixture, next);
        assert_eq!(waiting(&done), [(open.to_owned(), Obstacle::Open)]);
        assert_eq!(fixture.read("x"), b"2", "all others arrive");
        std::io::Write::write_all(&mut writer, b" and more").unwrap();
        assert_eq!(fixture.read(open), b"1 and more");
    }
}

/// Its note is there already, and the file comes in a moment.
#[test]
fn a_file_that_is_being_set_aside_keeps_its_note() {
    let fixture = Fixture::new();
    let retired = fixture.annex.own_dir().join("retired");
    fs::create_dir_all(&retired).unwrap();
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let note = retired.join(format!("{:x}.path", since.as_nanos()));
    fs::write(&note, "1 2 3\nd/f.txt").unwrap();
    let open = fixture.annex.resolve_retired(now).unwrap().open;
    assert_eq!(open, [RepoPath::parse(b"d/f.txt").unwrap()]);
    assert!(note.exists());
    let later = now + std::time::Duration::from_secs(61);
    assert_eq!(fixture.annex.resolve_retired(later).unwrap(), Retired::default());
    assert!(!note.exists());
}

/// A program found the file by its name just before it was taken away, and writes to it after.
#[test]
fn what_is_written_to_a_file_that_was_taken_away_comes_back_as_a_version() {
    // Also when the checkout ends with an error.
    for is_finished in [true, false] {
        let fixture = Fixture::new();
        fixture.write("d/f.txt", b"old");
        let store = fixture.annex.store();
        let path = RepoPath::parse(b"d/f.txt").unwrap();
        let mut place = OpenWorkTree::open(&fixture.path()).unwrap();
        let seen = place.look(&path).unwrap().unwrap();
        let mut taken_away = TakenAway::new(&store);
        let (_, new) = store.work_tree_file(false).unwrap();
        let Parent::Open(parent) = place.parent(&path, false).unwrap() else {
            panic!("it is there")
        };
        assert_eq!(taken_away.replace(new, parent, &path, &seen).unwrap(), Taken::Done);
        let taken = fs::read_dir(fixture.path().join(".git/annex/othertmp")).unwrap();
        let taken = taken.flatten().map(|entry| entry.path()).next().unwrap();
        let mut writer = fs::File::options().append(true).open(taken).unwrap();
        match is_finished {
            true => taken_away.finish().unwrap(),
            false => drop(taken_away),
        }
        let now = std::time::SystemTime::now();
        let open = fixture.annex.resolve_retired(now).unwrap();
        assert_eq!((open.open, open.brought_back), (vec![path], vec![]));
        std::io::Write::write_all(&mut writer, b" and new").unwrap();
        drop(writer);
        let back = fixture.annex.resolve_retired(now).unwrap().brought_back;
        assert_eq!(back.len(), 1);
        let name = back[0].to_string();
        assert!(name.starts_with("d/f.variant-") && name.ends_with(".txt"), "{name}");
        assert_eq!(fixture.read(&name), b"old and new");
        assert_eq!(fixture.annex.resolve_retired(now).unwrap(), Retired::default());
    }
}

#[test]
fn what_is_written_to_an_edited_file_lets_it_wait_until_it_is_closed() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    fixture.write("a", b"mine");
    let _writer = fs::File::options().append(true).open(fixture.path().join("a")).unwrap();
    let done = check_out(&fixture, next);
    assert_eq!(
        (done.blocked.clone(), waiting(&done)),
        (vec![], vec![("a".to_owned(), Obstacle::Open)])
    );
}

/// The file that was to be renamed goes, as in the commit, and its new name waits.
#[test]
fn what_is_stuck_is_neither_renamed_nor_half_removed() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("old", file("moved")), ("a", file("1"))]));
    let to = leaves([
        ("a", file("1")),
        ("file/x", file("moved")),
        ("free", file("2")),
        ("new", file("2")),
        ("stuck", file("2")),
    ]);
    let next = fixture.commit(&to, &[base], "next");
    fixture.write("file", b"mine");
    fixture.write("stuck/mine", b"mine");
    for empty in ["stuck/empty", "free/empty"] {
        fs::create_dir_all(fixture.path().join(empty)).unwrap();
    }
    let done = check_out_partially(&fixture, next);
    assert_eq!(
        waiting(&done),
        ["file/x", "stuck"].map(|path| (path.to_owned(), Obstacle::Changed))
    );
    assert!(!fixture.exists("old"));
    assert!(fixture.exists("stuck/empty"));
    assert_eq!(
        (fixture.read("free"), fixture.read("new")),
        (b"2".to_vec(), b"2".to_vec())
    );
}

#[test]
fn what_cannot_be_kept_for_its_writer_is_not_deleted() {
    let fixture = Fixture::new();
    fixture.write("f", b"old");
    fixture.write(".git/anabranch/retired", b"in the way");
    let store = fixture.annex.store();
    let path = RepoPath::parse(b"f").unwrap();
    let mut place = OpenWorkTree::open(&fixture.path()).unwrap();
    let seen = place.look(&path).unwrap().unwrap();
    let mut taken_away = TakenAway::new(&store);
    let Parent::Open(parent) = place.parent(&path, false).unwrap() else {
        panic!("it is there")
    };
    assert_eq!(taken_away.delete(parent, &path, &seen).unwrap(), Taken::Done);
    let taken = fs::read_dir(fixture.path().join(".git/annex/othertmp")).unwrap();
    let taken = taken.flatten().map(|entry| entry.path()).next().unwrap();
    let _writer = fs::File::options().append(true).open(&taken).unwrap();
    assert!(taken_away.finish().is_err());
    assert!(taken.exists());
}

/// The one who writes has the other name's file.
#[test]
fn a_hard_linked_file_is_replaced_although_a_program_writes_to_it() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let other = fixture.path().join(".git/other");
    fs::hard_link(fixture.path().join("a"), &other).unwrap();
    let _writer = fs::File::options().append(true).open(&other).unwrap();
    let next = fixture.commit(&leaves([("a", file("2"))]), &[base], "next");
    assert_eq!(check_out(&fixture, next).waiting, []);
    assert_eq!(
        (fixture.read("a"), fs::read(other).unwrap()),
        (b"2".to_vec(), b"1".to_vec())
    );
}

#[test]
fn a_file_that_nobody_wrote_to_is_deleted() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1")), ("b", file("1")), ("link", link("a"))]));
    let next = fixture.commit(&leaves([("a", file("2")), ("link", link("b"))]), &[base], "next");
    assert_eq!(check_out(&fixture, next).waiting, []);
    assert!(!fixture.exists(".git/anabranch/retired"));
    let left = fs::read_dir(fixture.path().join(".git/annex/othertmp"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
}

#[test]
fn only_what_may_not_be_changed_waits() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([
        ("Archive/edited", file("1")),
        ("Archive/gone", file("2")),
        ("Archive/moved", file("3")),
        ("keep", file("1")),
    ]));
    let to = leaves([
        ("Archive/edited", file("4")),
        ("Archive/new", file("5")),
        ("keep", file("2")),
        ("moved", file("3")),
    ]);
    let next = fixture.commit(&to, &[base], "next");
    let archive = fixture.path().join("Archive");
    let permit = |mode| fs::set_permissions(&archive, fs::Permissions::from_mode(mode)).unwrap();
    permit(0o555);
    let done = not_as_root(|| check_out_partially(&fixture, next));
    let why = Obstacle::Refused("you have no permission to change it");
    let names = [
        "Archive/edited",
        "Archive/gone",
        "Archive/moved",
        "Archive/new",
        "moved",
    ];
    assert_eq!(waiting(&done), names.map(|name| (name.to_owned(), why.clone())));
    assert_eq!(
        (fixture.read("Archive/edited"), fixture.read("keep")),
        (b"1".to_vec(), b"2".to_vec())
    );
    permit(0o755);
    let done = not_as_root(|| check_out_partially(&fixture, done.ahead.unwrap()));
    assert_eq!(waiting(&done), []);
    assert_eq!(fixture.leaves(fixture.get("refs/heads/main").unwrap()), to);
    assert!(fixture.exists("moved") && !fixture.exists("Archive/gone"));
}

#[test]
fn a_file_that_comes_at_the_last_moment_is_one_of_the_users() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    let next = fixture.commit(&leaves([("a", file("1")), ("new", file("2"))]), &[base], "next");
    let wanted = of_main(base, next);
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&wanted, &options, false, &mut |step| {
        if step == Step::WorkTree {
            fixture.write("new", b"mine");
        }
        Ok(())
    });
    assert_eq!(waiting(&done.unwrap()), [("new".to_owned(), Obstacle::Changed)]);
    assert_eq!(fixture.read("new"), b"mine");
}

#[test]
fn directories_without_files_give_way_to_a_file() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("a", file("1"))]));
    fs::create_dir_all(fixture.path().join("new/empty/inner")).unwrap();
    let to = leaves([("a", file("1")), ("new", file("2"))]);
    let next = fixture.commit(&to, &[base], "next");
    assert_eq!(check_out(&fixture, next).waiting, []);
    assert_holds(&fixture, &to);
}

/// What goes wrong otherwise is not an obstacle of one path.
#[test]
fn what_a_disk_cannot_hold_waits() {
    let all = leaves([("a", file("1"))]);
    let mut to = all.clone();
    to.insert("link".into(), link("a"));
    let fixture = Fixture::new();
    let base = fixture.start(&all);
    let next = fixture.commit(&to, &[base], "next");
    let wanted = of_main(base, next);
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&wanted, &options, false, &mut |_| {
        let _ = fs::remove_dir(fixture.path().join(".git/annex/othertmp"));
        Ok(())
    });
    assert!(matches!(done, Err(Error::Io { .. })), "{done:?}");

    let Some(without) = Folding::mount() else { return };
    let fixture = Fixture::within(&without.path());
    let mut all = all;
    all.insert("old".into(), file("moved"));
    let base = fixture.start(&all);
    for (path, content) in [("a:b", "2"), ("d:e/x", "2"), ("m:n", "moved"), ("new", "2")] {
        to.insert(path.into(), file(content));
    }
    let next = fixture.commit(&to, &[base], "next");
    let unfit = "this disk cannot hold a file of its name";
    let expected = [
        ("a:b", unfit),
        ("d:e/x", unfit),
        ("link", "this disk has no symbolic links"),
        ("m:n", unfit),
    ];
    let expected = expected.map(|(path, why)| (path.to_owned(), Obstacle::Refused(why)));
    assert_eq!(waiting(&check_out(&fixture, next)), expected);
    assert_eq!(
        (fixture.read("new"), fixture.read("old")),
        (b"2".to_vec(), b"moved".to_vec())
    );
}

/// Names that differ in case only are one name there.
#[test]
fn where_names_fold_nothing_is_overwritten_and_case_only_renames_follow() {
    let Some(folding) = Folding::mount() else { return };
    let fixture = Fixture::within(&folding.path());
    let listed = |below: &str| {
        let names = fs::read_dir(fixture.path().join(below)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != ".git").collect();
        names.sort();
        names
    };
    let first = fixture.start(&leaves([
        ("readme", file("lower")),
        ("x", file("x")),
        ("d/f", file("f")),
        ("moved", file("moved")),
    ]));
    let both = leaves([
        ("X", file("moved")),
        ("D/f", file("upper")),
        ("readme", file("lower")),
        ("README", file("upper")),
        ("x", file("x")),
        ("d/f", file("f")),
        ("news", file("news")),
    ]);
    let second = fixture.commit(&both, &[first], "second");
    let done = check_out(&fixture, second);
    let same_name = |path: &str| (path.to_owned(), Obstacle::SameName);
    assert_eq!(waiting(&done), ["D/f", "README", "X"].map(same_name));
    assert_eq!(
        (fixture.read("readme"), fixture.read("d/f")),
        (b"lower".to_vec(), b"f".to_vec())
    );
    assert_eq!(
        fixture.read("x"),
        b"x",
        "the file that was to get its name is gone or waits"
    );
    assert_eq!(listed(""), ["d", "moved", "news", "readme", "x"]);
    let partial = fixture.get("refs/heads/main").unwrap();
    let renamed = leaves([
        ("readme", file("lower")),
        ("X", file("x")),
        ("d/F", file("f")),
        ("news", file("news")),
    ]);
    let third = fixture.commit(&renamed, &[partial], "third");
    assert_eq!(waiting(&check_out(&fixture, third)), []);
    assert_eq!(
        (listed(""), listed("d")),
        (
            vec!["X".into(), "d".into(), "news".into(), "readme".into()],
            vec!["F".into()]
        )
    );
    assert_eq!((fixture.read("X"), fixture.read("d/F")), (b"x".to_vec(), b"f".to_vec()));
    // Another content under the new name.
    let mut replaced = renamed;
    replaced.remove("X");
    replaced.insert("x".into(), file("another"));
    let fourth = fixture.commit(&replaced, &[third], "fourth");
    check_out(&fixture, fourth);
    check_out(&fixture, fourth);
    assert_eq!(fixture.read("x"), b"another");
    assert_eq!(fixture.get("refs/heads/main"), Some(fourth));
}

#[test]
fn where_new_files_have_no_room_the_old_ones_are_deleted_first() {
    let disk = tempfile::tempdir().unwrap();
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(disk.path());
    if !mount.status().is_ok_and(|status| status.success()) {
        return crate::skipped::lacks("mount", "nothing can be mounted here (it needs root)");
    }
    let fixture = Fixture::within(disk.path());
    let large = |byte: &str| byte.repeat(10 << 20);
    let base = fixture.start(&leaves([("old", file(&large("1")))]));
    let next = fixture.commit(&leaves([("new", file(&large("2")))]), &[base], "next");
    let done = fixture.check_out(next);
    let found = (
        fixture.exists("old"),
        fs::read(fixture.path().join("new")).map(|data| data.len()).ok(),
    );
    drop(fixture);
    let unmounted = std::process::Command::new("umount").arg(disk.path()).status();
    assert!(unmounted.unwrap().success());
    assert_eq!(done.unwrap().waiting, []);
    assert_eq!(found, (false, Some(10 << 20)));
}

#[test]
fn nothing_is_deleted_for_files_that_cannot_be_made() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("gone", file("gone"))]));
    // Too long for a pointer, so that only its size is read before it is made.
    let text: String = (0..9999_u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string())
        .collect();
    let next = fixture.commit(&leaves([("new", file(&text))]), &[base], "next");
    let blob = fixture.git(&["rev-parse", &format!("{next}:new")]);
    let (directory, name) = blob.trim().split_at(2);
    let object = fixture.path().join(".git/objects").join(directory).join(name);
    let mut damaged = fs::read(&object).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 100].fill(0xff);
    fs::remove_file(&object).unwrap();
    fs::write(&object, damaged).unwrap();
    fixture.check_out(next).unwrap_err();
    assert_eq!(fixture.read("gone"), b"gone");
    assert!(!fixture.exists("new"));
}
