use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use assistant::{Direction, Lot, Spare};
use model::{Key, Oid, RemoteName, RepoPath, Timestamp, Uuid};

use super::schema::{self, WEEK};
use super::{Cancelled, Demand, Described, Observations, Priorities, Reader, Retries};

fn set(names: &[&str]) -> BTreeSet<Uuid> {
    names.iter().map(|name| Uuid::parse(name).unwrap()).collect()
}

fn wanted(by: &[&str]) -> Demand {
    Demand {
        want: set(by),
        ..Demand::default()
    }
}

fn key(size: u64, name: &str) -> Key {
    Key::parse(format!("SHA256E-s{size}--{name}").as_bytes()).unwrap()
}

fn path(name: &str) -> RepoPath {
    RepoPath::parse(name.as_bytes()).unwrap()
}

fn filled(directory: &Path) -> Observations {
    let mut observations = Observations::open(directory).unwrap();
    let mut update = observations.update().unwrap();
    for (size, name) in [(5, "old"), (2 << 20, "large"), (5, "new")] {
        update.located(&key(size, name), set(&["a"])).unwrap();
        update.named(&path(name), false, Some(&key(size, name))).unwrap();
    }
    update.classify(None, |_| wanted(&["a", "b"])).unwrap();
    let described = Described {
        tree: Some(Oid([1; 20])),
        annex: Some(Oid([2; 20])),
        rules: vec![3],
    };
    update.commit(&described).unwrap();
    assert_eq!(observations.described().unwrap(), described);
    observations
}

fn lots(reader: &Reader) -> Vec<Lot> {
    let remote = RemoteName::parse("b").unwrap();
    let classes = reader.classes().unwrap();
    classes
        .keys()
        .map(|class| Lot {
            class: *class,
            remote: remote.clone(),
            direction: Direction::Send,
            source: Uuid::parse("a").unwrap(),
            destination: Uuid::parse("b").unwrap(),
        })
        .collect()
}

/// Queries what could be transferred, by the observations in a directory.
struct Asking<'a> {
    directory: &'a Path,
    priorities: Priorities,
    retries: Retries,
}

impl<'a> Asking<'a> {
    fn of(directory: &'a Path) -> Self {
        Self {
            directory,
            priorities: Priorities::default(),
            retries: Retries::default(),
        }
    }

    fn offered(&self, now: u64) -> Vec<String> {
        self.ordered(now, 100).0
    }

    fn ordered(&self, now: u64, limit: usize) -> (Vec<String>, Option<Timestamp>) {
        let reader = Reader::open(self.directory).unwrap();
        let offer = reader.offer(&lots(&reader), limit, Timestamp(now), &self.priorities, &self.retries);
        let (candidates, retry_at) = offer.unwrap();
        let names = candidates.iter().map(|candidate| candidate.key.name().to_string());
        (names.collect(), retry_at)
    }

    /// Records that a key failed on its way to the remote.
    fn fail(&mut self, key: &Key, now: u64, retry_after: impl Fn(u32) -> Duration) {
        let (source, destination) = (Uuid::parse("a").unwrap(), Uuid::parse("b").unwrap());
        self.retries
            .note(key, (&source, &destination), Timestamp(now), retry_after);
    }
}

#[test]
fn classes_count_their_keys_and_offers_come_small_and_recent_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let classes = observations.classes().unwrap();
    assert_eq!(classes.len(), 1);
    assert_eq!((classes[0].keys, classes[0].bytes), (3, 10 + (2 << 20)));
    assert_eq!(Asking::of(directory.path()).offered(0), ["new", "old", "large"]);

    let mut update = observations.update().unwrap();
    update.located(&key(5, "old"), set(&["a", "b"])).unwrap();
    update.classify(None, |_| wanted(&["a", "b"])).unwrap();
    update.commit(&Described::default()).unwrap();
    let sizes: Vec<_> = observations.classes().unwrap().iter().map(|class| class.keys).collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn what_is_to_be_dropped_is_read_back_and_goes_large_and_old_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let spare = Spare {
        confirm: 2,
        among: set(&["a", "b", "elsewhere"]),
    };
    let mut update = observations.update().unwrap();
    update.touch_next(0).unwrap();
    let to_drop = Demand {
        spare: Some(spare.clone()),
        ..wanted(&[])
    };
    update.classify(None, |_| to_drop.clone()).unwrap();
    update.commit(&Described::default()).unwrap();
    let classes = observations.classes().unwrap();
    assert_eq!(classes.len(), 1);
    assert_eq!(classes[0].spare, Some(spare));
    let names = |most: usize| {
        let mut found = Vec::new();
        let reader = Reader::open(directory.path()).unwrap();
        let each = reader.each_of_class(classes[0].id, |_, files| {
            found.extend(files()?.into_iter().map(|path| path.to_string()));
            Ok(found.len() < most)
        });
        each.unwrap();
        found
    };
    assert_eq!(names(3), ["large", "old", "new"]);
    assert_eq!(names(2), ["large", "old"]);
}

#[test]
fn files_whose_content_arrived_are_listed_until_they_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = Observations::open(directory.path()).unwrap();
    let here = Uuid::parse("here").unwrap();
    let names = |observations: &Observations, most, bytes| -> Vec<String> {
        let files = observations.unfilled(most, bytes).unwrap();
        files.iter().map(|(path, _)| path.to_string()).collect()
    };
    for (have, expected) in [
        (&["there"][..], &[][..]),
        (&["here"], &["a", "b"]),
        (&["here", "there"], &[]),
    ] {
        let mut update = observations.update().unwrap();
        update.located(&key(5, "1"), set(have)).unwrap();
        for name in ["a", "b"] {
            update.named(&path(name), true, Some(&key(5, "1"))).unwrap();
        }
        update.classify(Some(&here), |_| wanted(&[])).unwrap();
        update.commit(&Described::default()).unwrap();
        assert_eq!(names(&observations, 9, 99), expected, "{have:?}");
        assert_eq!(observations.has_unfilled().unwrap(), !expected.is_empty());
        let files = observations.unfilled(9, 99).unwrap();
        observations.forget_unfilled(&files).unwrap();
    }
    let files = ["a", "b", "c"].map(|name| (path(name), key(5, name)));
    observations.add_unfilled(&files).unwrap();
    assert_eq!(
        (names(&observations, 2, 99), names(&observations, 9, 6)),
        (
            vec!["a".to_owned(), "b".to_owned()],
            vec!["a".to_owned(), "b".to_owned()]
        )
    );
    observations.forget_unfilled(&[(path("a"), key(5, "other"))]).unwrap();
    assert_eq!(
        names(&observations, 1, 1),
        ["a"],
        "it is to have another content by now"
    );
}

/// Of many keys, the holders are written before their files are known.
#[test]
fn what_is_classified_in_parts_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = Observations::open(directory.path()).unwrap();
    let here = Uuid::parse("here").unwrap();
    let names = ["a", "b", "c", "d", "e"];
    let mut update = observations.update().unwrap();
    let classify = |update: &mut super::Update<'_>| {
        let wishes = |touched: &super::Touched| wanted(if touched.paths.is_empty() { &[] } else { &["there"] });
        update.classify(Some(&here), wishes).unwrap();
    };
    for name in names {
        update.located(&key(5, name), set(&["here"])).unwrap();
    }
    assert!(update.is_full());
    classify(&mut update);
    assert!(!update.is_full());
    for name in names {
        update.named(&path(name), false, Some(&key(5, name))).unwrap();
    }
    classify(&mut update);
    update.commit(&Described::default()).unwrap();
    let classes = observations.classes().unwrap();
    assert_eq!(classes.len(), 1);
    assert_eq!((classes[0].keys, classes[0].bytes), (5, 25));
    assert_eq!(
        (&classes[0].have, &classes[0].want),
        (&set(&["here"]), &set(&["there"]))
    );
    // Nobody has seen these files with their content.
    assert_eq!(observations.unfilled(9, 99).unwrap().len(), 5);

    let mut update = observations.update().unwrap();
    let mut last = update.touch_next(0).unwrap();
    let mut parts = 0;
    while let Some(row) = last {
        update.classify(Some(&here), |_| wanted(&["other"])).unwrap();
        last = update.touch_next(row).unwrap();
        parts += 1;
    }
    update.commit(&Described::default()).unwrap();
    let classes = observations.classes().unwrap();
    assert_eq!((parts, classes.len(), &classes[0].want), (2, 1, &set(&["other"])));
}

#[test]
fn a_deleted_file_is_removed_from_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let mut update = observations.update().unwrap();
    update.named(&path("old"), true, None).unwrap();
    let mut seen = Vec::new();
    update
        .classify(None, |touched| {
            seen.push((touched.key.clone(), touched.paths.clone()));
            wanted(&[])
        })
        .unwrap();
    update.commit(&Described::default()).unwrap();
    assert_eq!(seen, [(key(5, "old"), Vec::new())]);
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.paths_of(&key(5, "new")).unwrap(), [path("new")]);
    assert_eq!(reader.file(&path("old")).unwrap(), None);
}

#[test]
fn a_failure_holds_its_key_back_until_its_time_or_until_the_remote_is_back() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let mut asking = Asking::of(directory.path());
    let seconds = |count| Duration::from_secs(u64::from(count));
    asking.fail(&key(5, "new"), 1000, seconds);
    assert_eq!(asking.offered(1500), ["old", "large"]);
    assert_eq!(asking.ordered(1500, 100).1, Some(Timestamp(2000)));
    assert_eq!(asking.offered(2000), ["new", "old", "large"]);
    asking.fail(&key(5, "new"), 2000, seconds);
    assert_eq!(
        asking.offered(3500),
        ["old", "large"],
        "the second failure holds it back for longer"
    );
    asking.retries.forget_repository(&Uuid::parse("b").unwrap());
    assert_eq!(asking.offered(3500), ["new", "old", "large"]);
}

#[test]
fn prioritized_keys_are_offered_first_and_cancelled_ones_when_their_time_comes() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let mut asking = Asking::of(directory.path());
    let there = Uuid::parse("b").unwrap();
    asking
        .priorities
        .put_first(&there, &key(2 << 20, "large"), Timestamp(0));
    asking
        .priorities
        .put_first(&Uuid::parse("elsewhere").unwrap(), &key(5, "old"), Timestamp(0));
    assert_eq!(asking.ordered(0, 100).0, ["large", "new", "old"]);
    asking.priorities.put_first(&there, &key(5, "old"), Timestamp(0));
    assert_eq!(asking.ordered(0, 2).0, ["old", "large"], "the last that was asked for");

    asking.fail(&key(5, "old"), 0, |_| Duration::from_secs(9));
    assert_eq!(asking.ordered(0, 100).0, ["large", "new"]);
    asking.retries.forget_key(&key(5, "old"), &Uuid::parse("a").unwrap());
    assert_eq!(asking.ordered(0, 100).0, ["large", "new"], "it is not to come here");
    asking.retries.forget_key(&key(5, "old"), &there);
    assert_eq!(asking.ordered(0, 100).0, ["old", "large", "new"]);

    asking.priorities.hold(Cancelled {
        destination: there.clone(),
        keys: std::sync::Arc::new([key(5, "old"), key(5, "new")].into()),
        asked_at: Timestamp(u64::MAX),
        until: Timestamp(3000),
        shown: 0,
    });
    let (names, retry_at) = asking.ordered(2999, 100);
    assert_eq!((names, retry_at), (vec!["large".to_owned()], Some(Timestamp(3000))));
    assert_eq!(asking.ordered(3000, 100).0, ["large", "new", "old"]);

    // The same holds however many keys are held back or come before the prioritized one.
    let mut update = observations.update().unwrap();
    let many: Vec<Key> = (0..300).map(|number| key(5, &format!("many{number}"))).collect();
    for key in &many {
        update.located(key, set(&["a"])).unwrap();
        update.named(&path(&key.name().to_string()), false, Some(key)).unwrap();
    }
    update.classify(None, |_| wanted(&["a", "b"])).unwrap();
    update.commit(&Described::default()).unwrap();
    asking.priorities.put_first(&there, &many[0], Timestamp(0));
    assert_eq!(asking.ordered(0, 1).0, ["many0"]);
    asking.priorities.hold(Cancelled {
        destination: there,
        keys: std::sync::Arc::new(many.into_iter().collect()),
        asked_at: Timestamp(u64::MAX),
        until: Timestamp(3000),
        shown: 0,
    });
    assert_eq!(asking.ordered(0, 1).0, ["large"]);
}

#[test]
fn a_damaged_database_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    for damage in [&b"not a database at all, but long enough to be looked at"[..], b""] {
        std::fs::write(directory.path().join("observations.db"), damage).unwrap();
        let observations = Observations::open(directory.path()).unwrap();
        assert_eq!(observations.described().unwrap(), Described::default());
    }
}

#[test]
fn a_database_that_is_made_again_reuses_no_class_number() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let old = observations.classes().unwrap()[0].id;
    observations.renew().unwrap();
    assert_eq!(observations.described().unwrap(), Described::default());
    let mut update = observations.update().unwrap();
    update.located(&key(5, "new"), set(&["a"])).unwrap();
    update.classify(None, |_| wanted(&["a"])).unwrap();
    update.commit(&Described::default()).unwrap();
    assert!(observations.classes().unwrap()[0].id > old);
}

#[test]
fn barred_transfers_form_a_class_and_are_read_back_as_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = filled(directory.path());
    let barred = BTreeSet::from([
        (RemoteName::parse("b").unwrap(), Direction::Send),
        (RemoteName::parse("b").unwrap(), Direction::Get),
        (RemoteName::parse("été/x").unwrap(), Direction::Get),
    ]);
    let mut update = observations.update().unwrap();
    update.located(&key(5, "old"), set(&["a"])).unwrap();
    let wishes = Demand {
        barred: barred.clone(),
        ..wanted(&["a", "b"])
    };
    update.classify(None, |_| wishes.clone()).unwrap();
    update.commit(&Described::default()).unwrap();
    let classes = observations.classes().unwrap();
    let found: Vec<_> = classes.iter().map(|class| (class.keys, class.barred.len())).collect();
    assert_eq!(found, [(2, 0), (1, 3)]);
    assert_eq!(classes[1].barred, barred);
    let file = Reader::open(directory.path()).unwrap().file(&path("old"));
    assert_eq!(file.unwrap().unwrap().barred, barred);
}

#[test]
fn the_database_is_checked_once_a_week_and_if_it_was_not_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("observations.db");
    let is_checked = |now| {
        let db = schema::open(&path, now).unwrap();
        (db.1, db.0)
    };
    let (first, db) = is_checked(WEEK);
    assert!(!first, "there is nothing to check");
    schema::close(&db);
    drop(db);
    let (second, db) = is_checked(WEEK + 5);
    assert!(!second, "it was closed");
    drop(db);
    let (third, db) = is_checked(WEEK + 6);
    assert!(third, "it was not");
    schema::close(&db);
    drop(db);
    let (fourth, db) = is_checked(2 * WEEK + 5);
    assert!(!fourth);
    schema::close(&db);
    drop(db);
    assert!(is_checked(2 * WEEK + 7).0);
}

#[test]
fn a_file_is_in_conflict_while_several_versions_are_left() {
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
