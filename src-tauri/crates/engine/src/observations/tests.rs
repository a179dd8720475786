use std::collections::BTreeSet;
use std::time::Duration;

use assistant::{Direction, Lot};
use model::{Key, Oid, RemoteName, RepoPath, Timestamp, Uuid};

use super::{Cancelled, Precedence};
use super::{Described, Observations, Wishes};

fn set(names: &[&str]) -> BTreeSet<Uuid> {
    names.iter().map(|name| Uuid::parse(name).unwrap()).collect()
}

fn wanted(by: &[&str]) -> Wishes {
    Wishes {
        want: set(by),
        ..Wishes::default()
    }
}

fn key(size: u64, name: &str) -> Key {
    Key::parse(format!("SHA256E-s{size}--{name}").as_bytes()).unwrap()
}

fn path(name: &str) -> RepoPath {
    RepoPath::parse(name.as_bytes()).unwrap()
}

fn filled(directory: &std::path::Path) -> Observations {
    let mut observations = Observations::open(directory).unwrap();
    let mut update = observations.update().unwrap();
    for (size, name) in [(5, "old"), (2 << 20, "large"), (5, "new")] {
        update.located(&key(size, name), set(&["a"])).unwrap();
        update.named(&path(name), false, Some(&key(size, name))).unwrap();
    }
    update.classify(|_| wanted(&["a", "b"])).unwrap();
    let described = Described {
        tree: Some(Oid([1; 20])),
        annex: Some(Oid([2; 20])),
        rules: vec![3],
    };
    update.commit(&described).unwrap();
    assert_eq!(observations.described().unwrap(), described);
    observations
}

fn lots(observations: &Observations) -> Vec<Lot> {
    let remote = RemoteName::parse("b").unwrap();
    let classes = observations.classes().unwrap();
    classes
        .iter()
        .map(|class| Lot {
            class: class.id,
            remote: remote.clone(),
            direction: Direction::Send,
            destination: Uuid::parse("b").unwrap(),
        })
        .collect()
}

fn offered(observations: &Observations, now: u64) -> Vec<String> {
    ordered(observations, now, &Precedence::default(), 100).0
}

fn ordered(
    observations: &Observations,
    now: u64,
    precedence: &Precedence,
    limit: usize,
) -> (Vec<String>, Option<Timestamp>) {
    let lots = lots(observations);
    let (candidates, retry_at) = observations.offer(&lots, limit, Timestamp(now), precedence).unwrap();
    let names = candidates
        .iter()
        .map(|candidate| candidate.key.name().to_string())
        .collect();
    (names, retry_at)
}

#[test]
fn classes_count_their_keys_and_offers_come_small_and_recent_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let classes = observations.classes().unwrap();
    assert_eq!(classes.len(), 1);
    assert_eq!((classes[0].keys, classes[0].bytes), (3, 10 + (2 << 20)));
    assert_eq!(offered(&observations, 0), ["new", "old", "large"]);

    let mut update = observations.update().unwrap();
    update.located(&key(5, "old"), set(&["a", "b"])).unwrap();
    update.classify(|_| wanted(&["a", "b"])).unwrap();
    update.commit(&Described::default()).unwrap();
    let sizes: Vec<_> = observations.classes().unwrap().iter().map(|class| class.keys).collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn a_file_that_goes_leaves_its_key_without_that_path() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let mut update = observations.update().unwrap();
    update.named(&path("old"), true, None).unwrap();
    let mut seen = Vec::new();
    update
        .classify(|touched| {
            seen.push((touched.key.clone(), touched.paths.clone()));
            wanted(&[])
        })
        .unwrap();
    update.commit(&Described::default()).unwrap();
    assert_eq!(seen, [(key(5, "old"), Vec::new())]);
    assert_eq!(observations.paths_of(&key(5, "new")).unwrap(), [path("new")]);
    assert_eq!(observations.file(&path("old")).unwrap(), None);
}

#[test]
fn a_failure_holds_its_key_back_until_its_time_or_until_the_remote_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let observations = filled(directory.path());
    observations
        .note_failure(&key(5, "new"), "b>", 1000, |count| {
            Duration::from_secs(u64::from(count))
        })
        .unwrap();
    assert_eq!(offered(&observations, 1500), ["old", "large"]);
    let (_, retry_at) = ordered(&observations, 1500, &Precedence::default(), 100);
    assert_eq!(retry_at, Some(Timestamp(2000)));
    assert_eq!(offered(&observations, 2000), ["new", "old", "large"]);
    observations
        .note_failure(&key(5, "new"), "b>", 2000, |count| {
            Duration::from_secs(u64::from(count))
        })
        .unwrap();
    assert_eq!(
        offered(&observations, 3500),
        ["old", "large"],
        "the second failure holds it back for longer"
    );
    observations.forget_failures(Some("b")).unwrap();
    assert_eq!(offered(&observations, 3500), ["new", "old", "large"]);
}

#[test]
fn what_the_user_put_first_is_offered_first_and_what_was_cancelled_when_its_time_comes() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let there = Uuid::parse("b").unwrap();
    let mut precedence = Precedence::default();
    precedence.put_first(&there, &key(2 << 20, "large"), Timestamp(0));
    precedence.put_first(&Uuid::parse("elsewhere").unwrap(), &key(5, "old"), Timestamp(0));
    assert_eq!(ordered(&observations, 0, &precedence, 100).0, ["large", "new", "old"]);
    precedence.put_first(&there, &key(5, "old"), Timestamp(0));
    assert_eq!(
        ordered(&observations, 0, &precedence, 2).0,
        ["old", "large"],
        "the last that was asked for"
    );

    observations
        .note_failure(&key(5, "old"), "b>", 0, |_| Duration::from_secs(9))
        .unwrap();
    assert_eq!(ordered(&observations, 0, &precedence, 100).0, ["large", "new"]);
    let to = RemoteName::parse("b").unwrap();
    observations.forget_failures_of(&key(5, "old"), None).unwrap();
    assert_eq!(
        ordered(&observations, 0, &precedence, 100).0,
        ["large", "new"],
        "it is not to come here"
    );
    observations.forget_failures_of(&key(5, "old"), Some(&to)).unwrap();
    assert_eq!(ordered(&observations, 0, &precedence, 100).0, ["old", "large", "new"]);

    precedence.hold(Cancelled {
        destination: there.clone(),
        keys: std::sync::Arc::new([key(5, "old"), key(5, "new")].into()),
        asked_at: Timestamp(u64::MAX),
        until: Timestamp(3000),
        shown: 0,
    });
    let (names, retry_at) = ordered(&observations, 2999, &precedence, 100);
    assert_eq!((names, retry_at), (vec!["large".to_owned()], Some(Timestamp(3000))));
    assert_eq!(
        ordered(&observations, 3000, &precedence, 100).0,
        ["large", "new", "old"]
    );

    // However many are held back, or are before what is first.
    let mut update = observations.update().unwrap();
    let many: Vec<Key> = (0..300).map(|number| key(5, &format!("many{number}"))).collect();
    for key in &many {
        update.located(key, set(&["a"])).unwrap();
        update.named(&path(&key.name().to_string()), false, Some(key)).unwrap();
    }
    update.classify(|_| wanted(&["a", "b"])).unwrap();
    update.commit(&Described::default()).unwrap();
    precedence.put_first(&there, &many[0], Timestamp(0));
    assert_eq!(ordered(&observations, 0, &precedence, 1).0, ["many0"]);
    precedence.hold(Cancelled {
        destination: there,
        keys: std::sync::Arc::new(many.into_iter().collect()),
        asked_at: Timestamp(u64::MAX),
        until: Timestamp(3000),
        shown: 0,
    });
    assert_eq!(ordered(&observations, 0, &precedence, 1).0, ["large"]);
}

#[test]
fn a_damaged_database_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    for damage in [&b"not a database at all, but long enough to be looked at"[..], b""] {
        std::fs::write(directory.path().join("observations.db"), damage).unwrap();
        let observations = Observations::open(directory.path()).unwrap();
        assert_eq!(observations.described().unwrap(), Described::default());
    }
}

#[test]
fn a_database_that_is_made_anew_gives_no_class_an_old_number() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let old = observations.classes().unwrap()[0].id;
    observations.renew(directory.path()).unwrap();
    assert_eq!(observations.described().unwrap(), Described::default());
    let mut update = observations.update().unwrap();
    update.located(&key(5, "new"), set(&["a"])).unwrap();
    update.classify(|_| wanted(&["a"])).unwrap();
    update.commit(&Described::default()).unwrap();
    assert!(observations.classes().unwrap()[0].id > old);
}

#[test]
fn barred_ways_make_a_class_of_their_own_and_are_read_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let barred = BTreeSet::from([
        (RemoteName::parse("b").unwrap(), Direction::Send),
        (RemoteName::parse("b").unwrap(), Direction::Get),
        (RemoteName::parse("été/x").unwrap(), Direction::Get),
    ]);
    let mut update = observations.update().unwrap();
    update.located(&key(5, "old"), set(&["a"])).unwrap();
    let wishes = Wishes {
        barred: barred.clone(),
        ..wanted(&["a", "b"])
    };
    update.classify(|_| wishes.clone()).unwrap();
    update.commit(&Described::default()).unwrap();
    let classes = observations.classes().unwrap();
    let found: Vec<_> = classes.iter().map(|class| (class.keys, class.barred.len())).collect();
    assert_eq!(found, [(2, 0), (1, 3)]);
    assert_eq!(classes[1].barred, barred);
    assert_eq!(observations.file(&path("old")).unwrap().unwrap().barred, barred);
}

#[test]
fn a_file_is_in_conflict_as_long_as_more_than_one_version_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = Observations::open(directory.path()).unwrap();
    let (one, other) = (path("a.variant-1111.jpg"), path("a.variant-2222.jpg"));
    let (file, elsewhere) = (path("a.jpg"), path("d/a.jpg"));
    let mut update = observations.update().unwrap();
    for version in [&one, &other] {
        update.versioned(version, &file, true).unwrap();
    }
    let alone = path("d/a.variant-3333.jpg");
    update.versioned(&alone, &elsewhere, true).unwrap();
    update.commit(&Described::default()).unwrap();
    assert_eq!(observations.conflicts(&|_| false).unwrap(), 1);
    assert_eq!(observations.conflicts(&|path| *path == elsewhere).unwrap(), 2);
    let mut update = observations.update().unwrap();
    update.versioned(&other, &file, false).unwrap();
    update.commit(&Described::default()).unwrap();
    assert_eq!(observations.conflicts(&|_| false).unwrap(), 0);
    assert_eq!(observations.conflicts(&|path| *path == file).unwrap(), 1);
}
