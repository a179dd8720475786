use std::collections::{BTreeMap, BTreeSet};

use model::Key;
use proptest::prelude::*;

use super::*;
use crate::observations::{Demand, Described, Filter, Observations, Reader};

type Model = BTreeMap<RepoPath, Key>;

#[derive(Debug, Clone)]
enum Change {
    Put(RepoPath, u8),
    Delete(RepoPath),
    /// Of a directory.
    Rename(RepoPath, RepoPath),
}

/// Directories, some of them deep or not named in UTF-8. None is the folder itself.
fn directory() -> impl Strategy<Value = Vec<u8>> {
    let name = proptest::sample::select(vec![&b"a"[..], b"a-", b"a0", b"\xff", "é".as_bytes()]);
    let deep = (1..300usize).prop_map(|depth| b"a/".repeat(depth));
    let few = prop::collection::vec(name, 0..4)
        .prop_map(|names| names.iter().flat_map(|name| [name, &b"/"[..]].concat()).collect());
    prop_oneof![9 => few, 1 => deep]
}

fn file() -> impl Strategy<Value = RepoPath> {
    let name = proptest::sample::select(vec![&b"f.x"[..], b"a.x", b"\xfe.x"]);
    (directory(), name).prop_map(|(directory, name)| RepoPath::parse(&[&directory, name].concat()).unwrap())
}

fn change() -> impl Strategy<Value = Change> {
    let inside = || directory().prop_filter_map("the folder", |path| RepoPath::parse(path.strip_suffix(b"/")?).ok());
    prop_oneof![
        4 => (file(), any::<u8>()).prop_map(|(file, key)| Change::Put(file, key)),
        2 => file().prop_map(Change::Delete),
        1 => (inside(), inside()).prop_map(|(from, to)| Change::Rename(from, to)),
    ]
}

fn key(number: u8) -> Key {
    // Some keys have several files.
    let number = number % 7;
    Key::parse(format!("WORM-s{number}--{number}").as_bytes()).unwrap()
}

/// How each file changes: to this key, or to none.
fn changed(files: &mut Model, change: Change) -> Vec<(RepoPath, Option<Key>)> {
    match change {
        Change::Put(path, number) => vec![(path, Some(key(number)))],
        Change::Delete(path) => vec![(path, None)],
        Change::Rename(from, to) => {
            let moved = files.iter().filter(|(path, _)| path.is_within(&from));
            let moved: Vec<(RepoPath, Key)> = moved.map(|(path, key)| (path.clone(), key.clone())).collect();
            let away = moved.iter().map(|(path, _)| (path.clone(), None));
            let back = moved.iter().filter_map(|(path, key)| {
                let rest = &path.as_bytes()[from.as_bytes().len()..];
                let path = RepoPath::parse(&[to.as_bytes(), rest].concat()).ok()?;
                Some((path, Some(key.clone())))
            });
            away.chain(back).collect()
        }
    }
}

fn update(observations: &mut Observations, files: &mut Model, changes: Vec<Change>) {
    let mut update = observations.update().unwrap();
    for change in changes {
        for (path, key) in changed(files, change) {
            let old = match &key {
                Some(key) => files.insert(path.clone(), key.clone()),
                None => files.remove(&path),
            };
            update.named(&path, old.is_some(), key.as_ref()).unwrap();
            if update.is_full() {
                update.classify(None, |_| Demand::default()).unwrap();
            }
        }
    }
    let check = |touched: &crate::observations::Touched| {
        let expected = files.iter().filter(|(_, key)| **key == touched.key);
        assert_eq!(
            touched.paths.iter().collect::<BTreeSet<_>>(),
            expected.map(|(path, _)| path).collect()
        );
        Demand::default()
    };
    update.classify(None, check).unwrap();
    update.commit(&Described::default()).unwrap();
}

fn check(reader: &Reader, files: &Model) {
    let (total, rows) = reader.page(&Filter::All, 0, 9999).unwrap();
    assert_eq!(total, files.len() as u64);
    let found: Vec<_> = rows.into_iter().map(|row| (row.path, row.key)).collect();
    let expected: Vec<_> = files.iter().map(|(path, key)| (path.clone(), key.clone())).collect();
    assert_eq!(found, expected);
    for (path, key) in files {
        assert_eq!(reader.file(path).unwrap().map(|facts| facts.key), Some(key.clone()));
    }
    for number in 0..7 {
        let with_it = files.iter().filter(|(_, other)| **other == key(number));
        let with_it: Vec<_> = with_it.map(|(path, _)| path.clone()).collect();
        assert_eq!(reader.paths_of(&key(number)).unwrap(), with_it);
    }
    check_rows(reader, files);
}

/// Checks that there is a row of each directory that has files, and of no other.
fn check_rows(reader: &Reader, files: &Model) {
    let mut expected: BTreeSet<Vec<u8>> = BTreeSet::new();
    for path in files.keys() {
        let path = path.as_bytes();
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        expected.extend(ends.map(|(at, _)| path[..=at].to_vec()));
        expected.insert(Vec::new());
    }
    let mut query = reader.db.prepare("SELECT id FROM directories").unwrap();
    let numbers: Result<Vec<i64>> = query.query_map([], |row| row.get(0)).unwrap().collect();
    let numbers = numbers.unwrap();
    assert_eq!(numbers.len(), expected.len());
    let (mut one_by_one, mut all) = (Paths::default(), Paths::all(&reader.db).unwrap());
    let mut found = BTreeSet::new();
    for number in numbers {
        let path = one_by_one.path(&reader.db, number).unwrap();
        assert_eq!(path, all.path(&reader.db, number).unwrap());
        assert_eq!(super::find(&reader.db, &path).unwrap(), Some(number));
        found.insert(path.to_vec());
    }
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn directories_are_those_of_the_files(
        updates in prop::collection::vec(prop::collection::vec(change(), 0..12), 1..6),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut observations = Observations::open(directory.path()).unwrap();
        let mut files = Model::new();
        for changes in updates {
            update(&mut observations, &mut files, changes);
            check(&Reader::open(directory.path()).unwrap(), &files);
        }
    }
}
