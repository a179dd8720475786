use std::fs;
use std::io::Write;

use model::Key;

use super::{HELLO, key};
use crate::logs::{Presence, VectorClock, location_log};
use crate::scratch_repository::Scratch;

fn thin() -> Scratch {
    let mut repo = Scratch::new();
    repo.settings.thin = true;
    repo
}

fn key_at(repo: &Scratch, name: &str) -> Key {
    let staged = repo.staged().into_iter().find(|(_, _, path)| *path == name).unwrap();
    crate::pointer::key_of_pointer(&staged.1).unwrap()
}

/// Writes into a file as a program does that keeps its inode, here that of the object too.
fn edit_in_place(repo: &Scratch, name: &str, content: &str) {
    let mut file = fs::File::options().write(true).open(repo.path(name)).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    repo.make_old(&repo.path(name));
}

#[test]
fn an_edit_in_place_of_a_thin_file_leaves_no_object_that_is_another() {
    let repo = thin();
    repo.write("a", "the first text");
    repo.sync();
    let first = key_at(&repo, "a");
    let here = (first.clone(), repo.annex.uuid().clone(), Presence::Present);
    repo.annex
        .branch()
        .record_presence(&[here], VectorClock::now())
        .unwrap();
    edit_in_place(&repo, "a", "THE");
    repo.sync();
    assert_eq!(repo.annex.branch().locations(&first).unwrap(), []);
    let (store, second) = (repo.annex.store(), key_at(&repo, "a"));
    assert!(store.find(&first).is_none() && store.is_present(&second));
    assert_eq!(fs::read(store.find(&second).unwrap()).unwrap(), b"THE first text");
    // The old version comes back under another name.
    repo.write("b", "the first text");
    repo.sync();
    assert_eq!(fs::read(store.find(&first).unwrap()).unwrap(), b"the first text");
}

#[test]
fn an_untouched_file_gives_the_object_its_content_back() {
    let repo = thin();
    repo.write("a", "the text");
    repo.sync();
    repo.write("b", "the text");
    repo.sync();
    let first = key_at(&repo, "b");
    assert_eq!(first, key_at(&repo, "a"));
    edit_in_place(&repo, "a", "THE");
    repo.sync();
    let object = repo.annex.store().find(&first).unwrap();
    assert_eq!(fs::read(object).unwrap(), b"the text");
}

#[test]
fn content_that_comes_again_replaces_an_object_that_is_another() {
    let repo = thin();
    repo.write("a", "bar");
    repo.sync();
    let first = key_at(&repo, "a");
    fs::write(repo.path("a"), "").unwrap();
    fs::remove_file(repo.path("a")).unwrap();
    repo.write("b", "bar");
    repo.sync();
    assert_eq!(fs::read(repo.annex.store().find(&first).unwrap()).unwrap(), b"bar");
}

#[test]
fn an_object_that_was_changed_before_its_file_was_removed_does_not_count() {
    let repo = thin();
    repo.write("a", "bar");
    repo.write("other", "other");
    repo.sync();
    let first = key_at(&repo, "a");
    edit_in_place(&repo, "a", "BAR");
    fs::remove_file(repo.path("a")).unwrap();
    repo.sync();
    assert!(repo.annex.store().find(&first).is_none());
    let bad = repo.annex.annex_file("bad");
    assert_eq!(
        fs::read_dir(bad).unwrap().count(),
        1,
        "it may be the only copy of what was written last"
    );
}

#[test]
fn content_that_was_never_here_is_not_told_to_be_missing() {
    let repo = thin();
    let pointer = format!("/annex/objects/{HELLO}\n");
    repo.write("a", &pointer);
    repo.sync();
    repo.write("a", "a new one");
    repo.sync();
    let log = location_log(&key(HELLO));
    assert_eq!(repo.annex.branch().read(&log).unwrap(), None);
}
