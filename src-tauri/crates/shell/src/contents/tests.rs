use annex::{Backend, Hasher};

use super::*;

/// A repository with a client that has sent contents.
fn with_contents(test: impl Fn(&Annex, &mut Contents<'_>, &[Key])) {
    let folder = tempfile::tempdir().unwrap();
    annex::init::init(folder.path(), None, 1).unwrap();
    let annex = Annex::open(folder.path()).unwrap();
    let store = annex.store();
    let client = Uuid::parse("22222222-2222-4222-8222-222222222222").unwrap();
    let mut contents = Contents::new(&annex, &store, &client).unwrap();
    let keys: Vec<Key> = (0..WORTH_A_COMMIT).map(|number| send(&mut contents, number)).collect();
    let before = annex.branch().tip().unwrap();
    assert!(contents.stored().into_iter().all(|stored| stored.is_ok()));
    assert_eq!(annex.branch().tip().unwrap(), before, "it was logged at once");
    test(&annex, &mut contents, &keys);
}

fn send(contents: &mut Contents<'_>, number: usize) -> Key {
    let content = format!("content {number}");
    let mut hasher = Hasher::new(Backend::Sha256);
    hasher.update(content.as_bytes());
    let key = format!("SHA256-s{}--{}", content.len(), hasher.finish());
    let key = Key::parse(key.as_bytes()).unwrap();
    let wanted = Wanted {
        key: key.clone(),
        path: None,
    };
    contents.take(&wanted, 0, content.len() as u64, 0);
    contents.add(content.as_bytes());
    contents.taken(true);
    key
}

fn is_logged(annex: &Annex, key: &Key) -> bool {
    annex.branch().locations(key).unwrap().contains(annex.uuid())
}

#[test]
fn many_contents_are_logged_when_the_client_falls_silent() {
    with_contents(|annex, contents, keys| {
        assert!(contents.waiting_since().is_some());
        contents.settle();
        assert!(keys.iter().all(|key| is_logged(annex, key)));
    });
}

#[test]
fn many_contents_are_logged_when_the_client_sends_more() {
    with_contents(|annex, contents, keys| {
        send(contents, keys.len());
        contents.stored();
        assert!(keys.iter().all(|key| is_logged(annex, key)));
    });
}

#[test]
fn what_the_client_has_pushed_is_not_logged_again() {
    with_contents(|annex, contents, keys| {
        let pushed = contents.present(keys);
        let tip = annex.branch().record_presence(&pushed, VectorClock::now()).unwrap();
        contents.settle();
        assert_eq!(annex.branch().tip().unwrap(), Some(tip));
    });
}

#[test]
fn content_that_is_removed_meanwhile_is_not_logged_as_present() {
    with_contents(|annex, contents, keys| {
        annex.remove_content(&keys[0], &|| true).unwrap();
        contents.settle();
        assert!(!is_logged(annex, &keys[0]));
        assert!(is_logged(annex, &keys[1]));
    });
}
