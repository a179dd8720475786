//! Content that is taken from, kept for, and removed for other programs.

use std::collections::BTreeMap;

use model::Uuid;

use super::*;
use crate::copies::{Confirmed, CopiesProof, Fewest};
use crate::fixture::{Fixture, file, leaves, pointer, put_object};
use crate::pointer::pointer_for;
use crate::removal::Removal;
use crate::store::Receipt;

fn client() -> Uuid {
    Uuid::parse("client").unwrap()
}

fn begin<'a>(store: &'a Store<'_>, key: &Key, offset: u64) -> Receipt<'a> {
    store.receive(key, &client(), None, offset).unwrap().unwrap()
}

#[test]
fn content_that_breaks_off_is_continued() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let bytes = content(3000, 1);
    let key = key_of(&bytes);
    let mut receipt = begin(&store, &key, 0);
    receipt.write(&bytes[..1000]).unwrap();
    assert!(
        store.receive(&key, &client(), None, 1000).unwrap().is_none(),
        "somebody sends it"
    );
    drop(receipt);
    assert_eq!(store.partial_size(&key), 1000);
    assert!(
        store.receive(&key, &client(), None, 999).unwrap().is_none(),
        "that is not where it goes on"
    );
    let mut receipt = begin(&store, &key, 1000);
    receipt.write(&bytes[1000..]).unwrap();
    assert!(receipt.finish(true).unwrap());
    assert_eq!(fs::read(store.find(&key).unwrap()).unwrap(), bytes);
    let mode = fs::metadata(store.find(&key).unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    assert_eq!(store.partial_size(&key), 0);
}

#[test]
fn what_is_not_the_content_of_its_key_is_not_stored_and_does_not_stay() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let bytes = content(3000, 1);
    let unhashed = Key::parse(b"WORM-s3000-m1--a").unwrap();
    for (key, wrong, is_valid, is_stored) in [
        (key_of(&bytes), true, true, false),
        (key_of(&bytes), false, false, true),
        (unhashed.clone(), false, false, false),
        (unhashed, false, true, true),
    ] {
        let mut receipt = begin(&store, &key, 0);
        receipt.write(if wrong { &bytes[1..] } else { &bytes }).unwrap();
        assert_eq!(receipt.finish(is_valid).unwrap(), is_stored, "{key}");
        assert_eq!(store.find(&key).is_some(), is_stored, "{key}");
        assert_eq!(store.partial_size(&key), 0, "{key}");
    }
    // More than all of it cannot be gone on with.
    let key = key_of(&content(10, 2));
    fs::write(store.partial_path(&key), [0; 11]).unwrap();
    assert_eq!(store.partial_size(&key), 0);
    let mut receipt = begin(&store, &key, 0);
    receipt.write(&content(10, 2)).unwrap();
    assert!(receipt.finish(true).unwrap());
}

#[test]
fn content_is_kept_until_the_last_lock_ends_and_ten_minutes_after_a_crash() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let key = put(&annex, b"content");
    let store = annex.store();
    let object = store.find(&key).unwrap();
    let has = |suffix: &str| object.with_file_name(format!("{key}{suffix}")).exists();
    let remove = || annex.remove_content(&key, &|| true).unwrap();
    let (first, second) = (
        store.lock_content_retained(&key).unwrap().unwrap(),
        store.lock_content_retained(&key).unwrap().unwrap(),
    );
    assert_eq!(remove(), Removal::Locked);
    drop(first);
    assert!(has(".rtm"));
    assert_eq!(remove(), Removal::Locked);
    drop(second);
    assert!(!has(".rtm") && !has(".rtl") && !has(".lck"));

    // A process that is killed drops nothing, but the system lets go of its lock.
    let crashed = store.lock_content_retained(&key).unwrap().unwrap();
    let text = fs::read_to_string(object.with_file_name(format!("{key}.rtm"))).unwrap();
    drop(crashed);
    let directory = object.parent().unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(object.with_file_name(format!("{key}.rtm")), text).unwrap();
    assert_eq!(remove(), Removal::Locked);
    // A later lock does not shorten it.
    fs::write(object.with_file_name(format!("{key}.rtm")), "9999999999s").unwrap();
    drop(store.lock_content_retained(&key).unwrap().unwrap());
    assert_eq!(remove(), Removal::Locked);
    fs::write(object.with_file_name(format!("{key}.rtm")), "1s").unwrap();
    assert_eq!(annex.remove_content(&key, &|| false).unwrap(), Removal::TooLate);
    assert!(store.is_present(&key));
    assert_eq!(remove(), Removal::Removed);
    assert!(!object.exists() && !has(".rtm"));
    assert_eq!(remove(), Removal::Missing);
    assert!(annex.branch().locations(&key).unwrap().is_empty());
}

fn drop_one(
    annex: &Annex,
    key: &Key,
    mut prove: impl FnMut() -> Result<CopiesProof, &'static str>,
) -> Result<Removal, &'static str> {
    let mut outcome = None;
    let told = &mut |_: &Key, removal: crate::Result<_>| outcome = Some(removal.unwrap());
    annex
        .drop_contents(std::slice::from_ref(key), &mut |_| prove(), told)
        .unwrap();
    outcome.unwrap()
}

#[test]
fn content_is_dropped_only_with_a_proof_and_while_nobody_can_rely_on_it() {
    let fixture = Fixture::new();
    let annex = &fixture.annex;
    let key = put_object(annex, b"content\n");
    let text = key.to_string();
    let commit = fixture.commit(&leaves([("file", pointer(&text))]), &[], "one");
    fixture.start(&leaves([]));
    let with_parent = fixture.commit(&fixture.leaves(commit), &[fixture.get("HEAD").unwrap()], "two");
    fixture.check_out(with_parent).unwrap();
    let other = [Uuid::parse("other").unwrap()];
    let prove_for = |of: &Key| {
        let fewest = Fewest {
            numcopies: 1,
            mincopies: 1,
        };
        CopiesProof::gather(of, annex.uuid(), fewest, &BTreeMap::new(), &other, &mut |_| {
            // Somebody who asks for this copy at the same moment does not get it.
            assert!(annex.store().lock_content_shared(&key).unwrap().is_none());
            Some(Confirmed::Seen)
        })
        .map_err(|_| "too few")
    };

    assert_eq!(drop_one(annex, &key, || Err("none")), Err("none"));
    assert_eq!(fixture.read("file"), b"content\n");
    let another = put_object(annex, b"another");
    let removal = drop_one(annex, &key, || prove_for(&another));
    assert_eq!(removal, Ok(Removal::TooLate), "that proves nothing of this key");
    assert!(annex.store().is_present(&key));
    let held = annex.store().lock_content_shared(&key).unwrap();
    assert_eq!(drop_one(annex, &key, || prove_for(&key)), Ok(Removal::Locked));
    drop(held);
    assert_eq!(drop_one(annex, &key, || prove_for(&key)), Ok(Removal::Removed));
    assert_eq!(fixture.read("file"), pointer_for(&key));
    assert!(annex.branch().locations(&key).unwrap().is_empty());
    assert_eq!(drop_one(annex, &key, || prove_for(&key)), Ok(Removal::Missing));
}

/// More than are removed together, some of which are locked or lack a proof.
#[test]
fn of_many_contents_each_is_dropped_for_itself() {
    let fixture = Fixture::new();
    let annex = &fixture.annex;
    let keys: Vec<Key> = (0..150)
        .map(|number| put_object(annex, format!("{number}").as_bytes()))
        .collect();
    let files = (0..)
        .zip(&keys)
        .map(|(number, key)| (number.to_string(), pointer(&key.to_string())));
    let all = files.collect();
    fixture.start(&leaves([]));
    let commit = fixture.commit(&all, &[fixture.get("HEAD").unwrap()], "all");
    fixture.check_out(commit).unwrap();
    let _locked = annex.store().lock_content_shared(&keys[3]).unwrap();
    let other = [Uuid::parse("other").unwrap()];
    let fewest = Fewest {
        numcopies: 1,
        mincopies: 1,
    };
    let mut told = BTreeMap::new();
    let mut prove = |key: &Key| match *key == keys[100] {
        true => Err("none"),
        false => CopiesProof::gather(key, annex.uuid(), fewest, &BTreeMap::new(), &other, &mut |_| {
            // Each fifth occupies a connection.
            Some(match key.as_bytes().last().is_some_and(|last| last % 5 == 0) {
                true => Confirmed::Kept(Box::new(())),
                false => Confirmed::Seen,
            })
        })
        .map_err(|_| "too few"),
    };
    let done = annex.drop_contents(&keys, &mut prove, &mut |key, removal| {
        assert!(told.insert(key.clone(), removal.unwrap()).is_none(), "told twice");
    });
    done.unwrap();
    for (number, key) in keys.iter().enumerate() {
        let expected = match number {
            3 => Ok(Removal::Locked),
            100 => Err("none"),
            _ => Ok(Removal::Removed),
        };
        assert_eq!(told[key], expected, "{number}");
        let is_kept = matches!(number, 3 | 100);
        assert_eq!(annex.store().is_present(key), is_kept);
        let content = if is_kept {
            number.to_string().into_bytes()
        } else {
            pointer_for(key)
        };
        assert_eq!(fixture.read(&number.to_string()), content);
    }
    fixture.assert_clean();
}

#[test]
fn files_become_pointers_when_their_content_is_removed_unless_they_were_changed() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content\n");
    let text = key.to_string();
    let commit = fixture.commit(
        &leaves([
            ("clean", pointer(&text)),
            ("changed", pointer(&text)),
            ("touched", pointer(&text)),
            ("other", file("other\n")),
        ]),
        &[],
        "one",
    );
    fixture.start(&leaves([]));
    let with_parent = fixture.commit(&fixture.leaves(commit), &[fixture.get("HEAD").unwrap()], "two");
    fixture.check_out(with_parent).unwrap();
    assert_eq!(fixture.read("clean"), b"content\n");
    fixture.write("changed", b"changed\n");
    fixture.write("touched", b"content\n");
    let unlocked = fixture.annex.unlocked_files(std::slice::from_ref(&key)).unwrap();
    assert_eq!(unlocked.len(), 3);
    assert_eq!(fixture.annex.remove_content(&key, &|| true).unwrap(), Removal::Removed);
    for (path, content) in [
        ("clean", &pointer_for(&key)[..]),
        ("touched", &pointer_for(&key)[..]),
        ("changed", b"changed\n"),
        ("other", b"other\n"),
    ] {
        assert_eq!(fixture.read(path), content, "{path}");
    }
    assert_eq!(fixture.git(&["diff", "--name-only"]), "changed\n");
}

#[test]
fn content_that_is_written_to_while_it_is_sent_is_not_valid() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let key = put(&annex, &content(3000, 5));
    let store = annex.store();
    let sending = store.send(&key, &client(), None).unwrap().unwrap();
    let mut out = tempfile::tempfile().unwrap();
    assert_eq!(sending.copy_to(1000, 500, &mut out).unwrap(), 500);
    assert_eq!(sending.copy_to(3000, 500, &mut out).unwrap(), 0);
    let mut sent = Vec::new();
    std::io::Seek::rewind(&mut out).unwrap();
    out.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, content(3000, 5)[1000..1500]);
    assert!(sending.is_unchanged());
    overwrite(&store, &key, &content(3001, 6));
    assert!(!sending.is_unchanged());
    assert!(store.send(&key_of(b"other"), &client(), None).unwrap().is_none());
}
