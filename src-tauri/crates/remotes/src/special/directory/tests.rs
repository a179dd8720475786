use std::fs;
use std::sync::atomic::AtomicBool;

use annex::exchange::content::Wanted;
use annex::settings::{remotes, set};
use sha2::{Digest, Sha256};

use super::*;

/// A repository, and a directory beside it as its special remote.
struct Scene {
    place: tempfile::TempDir,
    annex: Annex,
    remote: DirectoryRemote,
}

fn scene() -> Scene {
    let place = tempfile::tempdir().unwrap();
    let annex = annex::init::init(&place.path().join("here"), Some("here"), 1_700_000_000).unwrap();
    fs::create_dir_all(annex.own_dir()).unwrap();
    let top = place.path().join("there");
    fs::create_dir(&top).unwrap();
    set(&annex, "remote.d.annex-directory", top.to_str()).unwrap();
    set(&annex, "remote.d.annex-uuid", Some(UUID)).unwrap();
    let remote = open(&annex, &top).unwrap();
    Scene { place, annex, remote }
}

const UUID: &str = "5d4f1f1a-1f5e-4d5e-8d4e-1d3f8f7a9b10";

/// Opens the remote with its current configuration.
fn open(annex: &Annex, top: &Path) -> Result<DirectoryRemote, Failed> {
    let settings = remotes(annex).unwrap().pop().unwrap();
    DirectoryRemote::open(top, Uuid::parse(UUID).unwrap(), &settings)
}

fn key(content: &[u8]) -> Key {
    let hash = hex::encode(Sha256::digest(content));
    Key::parse(format!("SHA256E-s{}--{hash}.bin", content.len()).as_bytes()).unwrap()
}

impl Scene {
    /// Stores content in the repository.
    fn add(&self, content: &[u8]) -> Key {
        let path = self.place.path().join("content");
        fs::write(&path, content).unwrap();
        let store = self.annex.store();
        let key = key(content);
        let incoming = store.copy_in(&File::open(&path).unwrap(), &key, true, &|_| ()).unwrap();
        let mut batch = store.batch().unwrap();
        batch.add(&key, incoming);
        assert!(batch.finish().into_iter().all(|(_, stored)| stored.is_ok()));
        key
    }

    fn travel<T>(&self, keys: &[&Key], go: impl FnOnce(&Travel<'_>) -> T) -> T {
        let wanted: Vec<Wanted> = keys
            .iter()
            .map(|key| Wanted {
                key: (*key).clone(),
                path: None,
            })
            .collect();
        go(&Travel {
            wanted: &wanted,
            config: &BTreeMap::new(),
            progress: &|_, _| (),
            cancelled: &AtomicBool::new(false),
            files: &|_| Vec::new(),
        })
    }

    fn send(&self, keys: &[&Key]) -> Vec<String> {
        told(self.travel(keys, |travel| self.remote.store(&self.annex, travel)))
    }

    fn get(&self, keys: &[&Key]) -> Vec<String> {
        told(self.travel(keys, |travel| self.remote.retrieve(&self.annex, travel)))
    }

    fn object(&self, key: &Key) -> PathBuf {
        self.place.path().join("there").join(object(key))
    }

    fn in_tmp(&self) -> Vec<String> {
        let tmp = self
            .place
            .path()
            .join("there")
            .join(self.remote.writing(self.annex.uuid()));
        let tmp = fs::read_dir(tmp).unwrap();
        let names = tmp.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.collect()
    }
}

fn told(outcomes: Vec<(Key, CopyOutcome)>) -> Vec<String> {
    outcomes
        .into_iter()
        .map(|(_, outcome)| format!("{outcome:?}"))
        .collect()
}

#[test]
fn content_is_stored_in_the_layout_of_git_annex_and_received_back() {
    let scene = scene();
    let small = scene.add(b"hello");
    let large = scene.add(&vec![7; 9 << 20]);
    assert_eq!(scene.send(&[&small, &large]), ["Stored", "Stored"]);
    for (key, size) in [(&small, 5), (&large, 9 << 20)] {
        let object = scene.object(key);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&object), mode(object.parent().unwrap())), (0o444, 0o555));
        assert_eq!(fs::metadata(&object).unwrap().len(), size);
        let parts = object
            .strip_prefix(scene.place.path().join("there"))
            .unwrap()
            .components()
            .count();
        assert_eq!(parts, 4, "two hash directories, the key twice");
    }
    assert_eq!(scene.in_tmp(), [""; 0]);
    assert_eq!(scene.send(&[&small]), ["AlreadyPresent"]);

    for key in [&small, &large] {
        let there = scene.annex.store().object_path(key);
        fs::set_permissions(there.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(&there).unwrap();
    }
    assert_eq!(scene.get(&[&small, &large]), ["Stored", "Stored"]);
    assert_eq!(fs::read(scene.annex.store().object_path(&small)).unwrap(), b"hello");
    assert_eq!(scene.get(&[&small]), ["AlreadyPresent"]);
    assert_eq!(scene.get(&[&key(b"nowhere")]), ["SourceMissing"]);
}

#[test]
fn many_keys_are_synced_to_disk_together() {
    let scene = scene();
    let keys: Vec<Key> = (0..300)
        .map(|number| scene.add(format!("content {number}").as_bytes()))
        .collect();
    let sent = scene.send(&keys.iter().collect::<Vec<_>>());
    assert_eq!(
        (sent.len(), sent.iter().filter(|outcome| *outcome == "Stored").count()),
        (300, 300)
    );
    assert!(keys.iter().all(|key| scene.object(key).is_file()));
    assert_eq!(scene.in_tmp(), [""; 0]);
}

#[test]
fn damaged_content_is_neither_sent_nor_received_nor_kept_in_place() {
    let scene = scene();
    let one = scene.add(b"one");
    let object = scene.annex.store().object_path(&one);
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, b"two").unwrap();
    assert_eq!(scene.send(&[&one]), ["Corrupt"]);
    assert!(!scene.object(&one).exists() && scene.in_tmp().is_empty());

    let other = scene.add(b"other");
    assert_eq!(scene.send(&[&other]), ["Stored"]);
    let there = scene.object(&other);
    let damage = |content: &[u8]| {
        fs::set_permissions(&there, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&there, content).unwrap();
    };
    damage(b"cut");
    // Its size differs, so it is sent again; the damaged file is kept.
    assert_eq!(scene.send(&[&other]), ["Stored"]);
    assert_eq!(fs::read(&there).unwrap(), b"other");
    let bad = scene.place.path().join("there/tmp/bad").join(format!("0-{other}"));
    assert_eq!(fs::read(bad.join(other.to_string())).unwrap(), b"cut");

    damage(b"OTHER");
    let here = scene.annex.store().object_path(&other);
    fs::set_permissions(here.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&here).unwrap();
    assert_eq!(scene.get(&[&other]), ["Corrupt"]);
    scene.remote.set_aside(&other).unwrap();
    assert!(!there.exists());
    assert_eq!(scene.get(&[&other]), ["SourceMissing"]);
}

#[test]
fn another_directory_at_the_same_path_is_not_written_to() {
    let scene = scene();
    let one = scene.add(b"one");
    let there = scene.place.path().join("there");
    fs::rename(&there, there.with_extension("away")).unwrap();
    fs::create_dir(&there).unwrap();
    assert!(!scene.remote.is_there());
    assert!(scene.send(&[&one])[0].starts_with("Failed"));
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
    fs::remove_dir(&there).unwrap();
    assert!(matches!(open(&scene.annex, &there), Err(Failed::Away)));
}

#[test]
fn links_below_the_directory_are_not_followed() {
    let scene = scene();
    let one = scene.add(b"one");
    let outside = scene.place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let there = scene.place.path().join("there");
    std::os::unix::fs::symlink(&outside, there.join("tmp")).unwrap();
    assert!(scene.send(&[&one])[0].starts_with("Failed"));
    fs::remove_file(there.join("tmp")).unwrap();
    let first = hash_directory::lower(&one);
    let first = Path::new(&first).components().next().unwrap();
    std::os::unix::fs::symlink(&outside, there.join(first)).unwrap();
    assert!(scene.send(&[&one])[0].starts_with("Failed"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn content_in_a_mixed_hash_directory_is_found() {
    let scene = scene();
    let one = key(b"one");
    let name = file_name(&one);
    let old = scene
        .place
        .path()
        .join("there")
        .join(hash_directory::mixed(&one))
        .join(&name);
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join(&name), b"one").unwrap();
    assert_eq!(scene.get(&[&one]), ["Stored"]);
    assert_eq!(scene.send(&[&one]), ["AlreadyPresent"]);
}

#[test]
fn the_reserve_is_kept_free() {
    let scene = scene();
    let one = scene.add(b"one");
    set(&scene.annex, "annex.diskreserve", Some("1000 PB")).unwrap();
    assert_eq!(scene.send(&[&one]), ["DiskFull { need: 3 }"]);
    assert!(!scene.object(&one).exists());
}

#[test]
fn content_is_not_set_aside_if_it_is_right_or_the_remote_is_read_only() {
    let scene = scene();
    let one = scene.add(b"one");
    scene.send(&[&one]);
    assert!(matches!(scene.remote.set_aside(&one), Err(Failed::Broken(_))));
    let top = scene.place.path().join("there");
    set(&scene.annex, "remote.d.annex-readonly", Some("true")).unwrap();
    let read_only = open(&scene.annex, &top).unwrap();
    assert!(matches!(read_only.set_aside(&one), Err(Failed::Refused(_))));
    assert_eq!(fs::read(scene.object(&one)).unwrap(), b"one");
}

#[test]
fn an_insecure_key_is_not_sent_if_that_is_forbidden() {
    let scene = scene();
    set(&scene.annex, "annex.securehashesonly", Some("true")).unwrap();
    let hash = "5d41402abc4b2a76b9719d911017c592";
    let insecure = Key::parse(format!("MD5E-s5--{hash}").as_bytes()).unwrap();
    let object = scene.annex.store().object_path(&insecure);
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, b"hello").unwrap();
    let sent = scene.send(&[&insecure, &scene.add(b"one")]);
    assert!(sent.contains(&"Stored".to_owned()), "{sent:?}");
    assert!(
        sent.iter().any(|outcome| outcome.contains("securehashesonly")),
        "{sent:?}"
    );
    assert!(!scene.object(&insecure).exists());
}

#[test]
fn content_is_not_hashed_if_annex_verify_is_off() {
    let mut scene = scene();
    let (one, two) = (key(b"one"), scene.add(b"two"));
    fs::create_dir_all(scene.object(&one).parent().unwrap()).unwrap();
    fs::write(scene.object(&one), b"ONE").unwrap();
    let object = scene.annex.store().find(&two).unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, b"TWO").unwrap();
    let both_ways = |scene: &Scene| [scene.get(&[&one]), scene.send(&[&two])].concat();
    assert_eq!(both_ways(&scene), ["Corrupt", "Corrupt"]);
    set(&scene.annex, "remote.d.annex-verify", Some("false")).unwrap();
    scene.remote = open(&scene.annex, &scene.place.path().join("there")).unwrap();
    assert_eq!(both_ways(&scene), ["Stored", "Stored"]);
}
