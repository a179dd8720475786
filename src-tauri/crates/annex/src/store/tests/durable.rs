//! What of a store is on disk, and when: a power cut may come at any moment.

use super::*;
use crate::durable::told::{self, Synced};
use crate::store::{LARGE, MANY};

fn ingest(store: &Store<'_>, directory: &Path, content: &[u8]) -> (Key, crate::Incoming) {
    let source = file_with(directory, content);
    let made = store.ingest(&source, Backend::Sha256, Making::Copy, None).unwrap();
    (key_of(content), made.incoming)
}

/// The directories of an object, from its own up to that of all objects.
fn directories(object: &Path) -> Vec<Synced> {
    object.ancestors().skip(1).take(4).map(Synced::at).collect()
}

#[test]
fn content_is_on_disk_before_its_name_and_so_are_all_directories_that_got_a_new_one() {
    // How many of the directories are there before.
    for there in 0..=3 {
        let top = Top::new();
        let annex = repository(top.path(), &[]);
        let store = annex.store();
        let incoming = ingest(&store, top.path(), b"hello\n");
        let object = store.object_path(&incoming.0);
        fs::create_dir_all(object.ancestors().nth(4 - there).unwrap()).unwrap();
        told::all();
        finish(&store, vec![incoming]);
        let mut expected = directories(&object);
        expected.truncate((4 - there).max(1));
        expected.insert(0, Synced::at(&object));
        assert_eq!(told::all(), expected, "{there} were there");
    }
}

#[test]
fn the_names_of_an_object_that_was_there_are_on_disk_too() {
    for layout in [&[][..], &[("annex.crippledfilesystem", "true")]] {
        let top = Top::new();
        let annex = repository(top.path(), &[]);
        let store = annex.store();
        finish(&store, vec![ingest(&store, top.path(), b"hello\n")]);
        let object = store.find(&key_of(b"hello\n")).unwrap();
        for (name, value) in layout {
            annex.git().unwrap().config().unwrap().set_str(name, value).unwrap();
        }
        let annex = crate::Annex::open(top.path()).unwrap();
        let store = annex.store();
        let again = ingest(&store, top.path(), b"hello\n");
        told::all();
        finish(&store, vec![again]);
        let synced = told::all();
        assert!(synced.ends_with(&directories(&object)), "{synced:?}");
    }
}

#[test]
fn many_contents_are_on_disk_together_and_then_all_their_names() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for count in [MANY - 1, MANY, 100] {
        let contents = (0..count).map(|at| content(100, (count * 1000 + at) as u64));
        let incoming = contents.map(|content| ingest(&store, top.path(), &content)).collect();
        told::all();
        finish(&store, incoming);
        let synced = told::all();
        let together = vec![Synced::FileSystem, Synced::FileSystem];
        assert_eq!(synced == together, count >= MANY, "{count}: {synced:?}");
        assert_eq!(
            synced.contains(&Synced::FileSystem),
            count >= MANY,
            "{count}: {synced:?}"
        );
    }
}

#[test]
fn large_content_is_written_to_disk_once() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for size in [LARGE - 1, LARGE] {
        let bytes = content(size as usize, size);
        let key = key_of(&bytes);
        let source = file_with(top.path(), &bytes);
        for received in [false, true] {
            told::all();
            let incoming = match received {
                true => store.copy_in(&source, &key, true, &|_| {}).unwrap(),
                false => ingest(&store, top.path(), &bytes).1,
            };
            let early = told::all();
            finish(&store, vec![(key.clone(), incoming)]);
            let object = Synced::at(store.find(&key).unwrap());
            assert_eq!(early, if size >= LARGE { vec![object] } else { vec![] }, "{size}");
            let late = told::all();
            assert_eq!(late.contains(&object), size < LARGE, "{size}: {late:?}");
            assert!(late.ends_with(&directories(&store.find(&key).unwrap())), "{late:?}");
            assert!(store.set_bad(&key).unwrap());
        }
    }
}

/// Of content that is on disk already, and content that is not.
#[test]
fn only_what_is_not_on_disk_counts_among_many() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let large = content(LARGE as usize, 1);
    let mut incoming = vec![ingest(&store, top.path(), &large)];
    incoming.extend((1..MANY).map(|at| ingest(&store, top.path(), &content(100, at as u64))));
    told::all();
    finish(&store, incoming);
    let synced = told::all();
    let files = synced.iter().filter(|synced| matches!(synced, Synced::File(..)));
    assert_eq!(files.count(), MANY - 1, "{synced:?}");
    assert_eq!(synced.last(), Some(&Synced::FileSystem), "all names at once");
}

/// Many contents, for which a link stands where a hash directory is to be.
#[test]
fn directories_that_are_made_ahead_follow_no_link() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let outside = top.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let contents: Vec<_> = (0..200).map(|at| content(100, 5000 + at)).collect();
    let linked = store.object_path(&key_of(&contents[0]));
    let linked = linked.ancestors().nth(2).unwrap();
    fs::create_dir_all(linked.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&outside, linked).unwrap();
    let mut batch = store.batch().unwrap();
    for content in &contents {
        let (key, incoming) = ingest(&store, top.path(), content);
        batch.add(&key, incoming);
    }
    let outcomes = batch.finish();
    assert_eq!(outcomes.len(), contents.len());
    for (key, outcome) in outcomes {
        let is_linked = store.object_path(&key).starts_with(linked);
        assert_eq!(
            matches!(outcome, Err(crate::Error::Refused(_))),
            is_linked,
            "{outcome:?}"
        );
        assert_eq!(outcome.is_err(), is_linked, "{outcome:?}");
    }
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}
