//! Objects that are not what their key says, and holes.

use super::*;

#[test]
fn bad_content_is_set_aside_unless_it_is_locked() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let key = put(&annex, b"hello\n");
    let object = store.find(&key).unwrap();
    let lock = store.lock_content_shared(&key).unwrap().unwrap();
    let second = store.lock_content_shared(&key).unwrap().unwrap();
    assert_eq!(mode(object.parent().unwrap()) & 0o222, 0);
    assert!(!store.set_bad(&key).unwrap());
    drop(lock);
    assert!(!store.set_bad(&key).unwrap());
    drop(second);
    assert_eq!(entries(object.parent().unwrap()).len(), 1, "no lock file stays");
    assert!(store.set_bad(&key).unwrap());
    assert!(!store.is_present(&key));
    assert_eq!(entries(&annex.annex_file("objects")), [""; 0]);
    assert_eq!(entries(&annex.annex_file("bad")).len(), 1);
    assert!(!store.set_bad(&key).unwrap());
    assert!(store.lock_content_shared(&key).unwrap().is_none());
}

#[test]
fn a_bad_object_of_the_other_layout_does_not_stand_for_good_content() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let key = key_of(b"hello\n");
    let elsewhere = annex.store().places(&key).nth(1).unwrap();
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::write(&elsewhere, b"HELLO\n").unwrap();
    put(&annex, b"hello\n");
    let object = annex.store().find(&key).unwrap();
    assert_eq!(fs::read(object).unwrap(), b"hello\n");
}

#[test]
fn bad_content_that_is_a_file_of_the_users_too_is_only_taken_away() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let key = put(&annex, b"hello\n");
    let other = top.path().join("thin");
    fs::hard_link(store.find(&key).unwrap(), &other).unwrap();
    assert!(store.set_bad(&key).unwrap());
    assert_eq!(entries(&annex.annex_file("bad")), [""; 0]);
    assert_eq!(fs::read(other).unwrap(), b"hello\n");
}

#[test]
fn the_directory_of_an_object_is_locked_down_again_and_otherwise_left_as_it_is() {
    for (shared, before, after) in [
        ("umask", 0o555, 0o555),
        ("umask", 0o755, 0o555),
        ("umask", 0o500, 0o500),
        ("0660", 0o555, 0o555),
        ("0660", 0o755, 0o2570),
    ] {
        let top = Top::new();
        let annex = repository(top.path(), &[("core.sharedRepository", shared)]);
        let key = put(&annex, b"hello\n");
        let store = annex.store();
        let directory = store.find(&key).unwrap().parent().unwrap().to_owned();
        fs::set_permissions(&directory, fs::Permissions::from_mode(before)).unwrap();
        let lock = store.lock_content_shared(&key).unwrap().unwrap();
        assert_eq!(mode(&directory), after, "{shared} {before:o}");
        drop(lock);
        assert_eq!(mode(&directory), after, "{shared} {before:o}");
    }
}

/// A disk image, say: mostly holes, of which one is at the end, with a little data here and there.
#[test]
fn holes_stay_holes_on_the_way_in_between_repositories_and_out() {
    const SIZE: u64 = 24 << 20;
    let (top, other) = (Top::new(), Top::new());
    let (annex, other) = (repository(top.path(), &[]), repository(other.path(), &[]));
    for (size, places) in [
        (SIZE, &[0, 5_000_000, 17_000_001][..]),
        (SIZE + 777, &[]),
        (3 << 20, &[1_000_000]),
    ] {
        let path = top.path().join("image");
        let image = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        image.set_len(size).unwrap();
        for &place in places {
            image.write_all_at(&content(70_000, place), place).unwrap();
        }
        let content = fs::read(&path).unwrap();
        let most = image.metadata().unwrap().blocks() + 64;
        let key = key_of(&content);
        let check = |file: &Path| {
            let found = fs::metadata(file).unwrap();
            assert!(fs::read(file).unwrap() == content, "{file:?}");
            assert!(
                found.blocks() <= most,
                "{file:?} takes {} blocks instead of {most}",
                found.blocks()
            );
        };
        let store = annex.store();
        let made = store.ingest(&image, Backend::Sha256, Making::Copy, None).unwrap();
        assert_eq!(made.size, size);
        finish(&store, vec![(key.clone(), made.incoming)]);
        check(&store.find(&key).unwrap());
        let store = other.store();
        // An interrupted transfer goes on from any place.
        let partial = store.partial_path(&key);
        fs::create_dir_all(partial.parent().unwrap()).unwrap();
        fs::write(&partial, &content[..1_234_567]).unwrap();
        let received = store
            .copy_in(&annex.store().open(&key).unwrap(), &key, true, &|_| {})
            .unwrap();
        finish(&store, vec![(key.clone(), received)]);
        let object = store.find(&key).unwrap();
        assert!(fs::read(&object).unwrap() == content);
        assert!(fs::metadata(&object).unwrap().blocks() <= most + 1_234_567 / 512);
        assert!(store.set_bad(&key).unwrap());
        let received = store
            .copy_in(&annex.store().open(&key).unwrap(), &key, true, &|_| {})
            .unwrap();
        finish(&store, vec![(key.clone(), received)]);
        check(&store.find(&key).unwrap());
        check(
            &store
                .content_for_work_tree(&key, &any_path(), false, false)
                .unwrap()
                .path(),
        );
    }
}

/// As somebody leaves it who made it writable for a moment.
#[test]
fn a_write_protected_object_that_has_another_name_or_size_is_not_believed() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for (is_linked, overwritten) in [(true, &b"HELLO\n"[..]), (false, b"longer than it was")] {
        let key = put(&annex, b"hello\n");
        let object = store.find(&key).unwrap();
        if is_linked {
            fs::hard_link(&object, top.path().join("thin")).unwrap();
        }
        overwrite(&store, &key, overwritten);
        fs::set_permissions(&object, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(!store.holds(&key).unwrap(), "{is_linked}");
    }
}

#[test]
fn a_scratch_file_has_exactly_the_permissions_that_are_asked_for() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for wanted in [0o600, 0o444, 0o777] {
        let (_file, incoming) = store.scratch_file(wanted).unwrap();
        assert_eq!(mode(&incoming.path()), wanted);
    }
}

/// The room is taken at once, so that a full disk is found out before anything is copied.
#[test]
fn zeros_that_take_room_take_it_in_the_store_too() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let zeros = vec![0; 9 << 20];
    let source = file_with(top.path(), &zeros);
    source.sync_all().unwrap();
    let made = store.ingest(&source, Backend::Sha256, Making::Copy, None).unwrap();
    let found = fs::metadata(made.incoming.path()).unwrap();
    assert!(found.blocks() * 512 >= found.len(), "{} blocks", found.blocks());
}

/// As a program does that writes into a thin file, which is the same inode as the object.
pub(crate) fn overwrite(store: &Store<'_>, key: &Key, content: &[u8]) {
    let object = store.find(key).unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, content).unwrap();
}

#[test]
fn an_object_that_is_another_is_neither_used_nor_kept() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for overwritten in [&b"HELLO\n"[..], b"", b"longer than it was"] {
        let key = put(&annex, b"hello\n");
        overwrite(&store, &key, overwritten);
        assert_eq!(
            store.is_present(&key),
            overwritten.len() == 6,
            "a size that is wrong shows at once"
        );
        for thin in [false, true] {
            let placed = store.content_for_work_tree(&key, &any_path(), thin, false);
            assert!(matches!(crate::store::found(placed), Ok(None)));
        }
        assert!(store.find(&key).is_none());
        assert_eq!(
            fs::read(annex.annex_file("bad").join(crate::store::file_name(&key))).unwrap(),
            overwritten
        );

        put(&annex, b"hello\n");
        overwrite(&store, &key, overwritten);
        put(&annex, b"hello\n");
        assert_eq!(fs::read(store.find(&key).unwrap()).unwrap(), b"hello\n");
        assert!(store.holds(&key).unwrap());
        assert!(store.set_bad(&key).unwrap());
    }
}
