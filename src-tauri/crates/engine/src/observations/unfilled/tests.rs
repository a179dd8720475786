use std::collections::BTreeSet;

use model::Uuid;
use proptest::prelude::*;

use super::*;
use crate::observations::{Demand, Described};

fn path(number: u8) -> RepoPath {
    RepoPath::parse(format!("{}/{number}", number % 3).as_bytes()).unwrap()
}

fn key(number: u8) -> Key {
    // Some keys have two files.
    Key::parse(format!("WORM-s{}--{}", number / 2, number / 2).as_bytes()).unwrap()
}

/// Makes observations of these files, of which those have their content here.
fn make(observations: &mut Observations, files: &BTreeSet<u8>, here: &BTreeSet<Key>) {
    let (us, other) = (Uuid::parse("us").unwrap(), Uuid::parse("other").unwrap());
    let mut update = observations.update().unwrap();
    update.clear().unwrap();
    for number in files {
        let holder = if here.contains(&key(*number)) { &us } else { &other };
        update.located(&key(*number), [holder.clone()].into()).unwrap();
        update.named(&path(*number), false, Some(&key(*number))).unwrap();
        if update.is_full() {
            update.classify(Some(&us), |_| Demand::default()).unwrap();
        }
    }
    update.classify(Some(&us), |_| Demand::default()).unwrap();
    update.commit(&Described::default()).unwrap();
}

/// Takes and forgets files until there are no more.
fn take_all(observations: &mut Observations, most: u32, bytes: u64) -> Vec<(RepoPath, Key)> {
    let mut all = Vec::new();
    loop {
        let files = observations.unfilled(most, bytes).unwrap();
        assert_eq!(
            observations.unfilled(most, bytes).unwrap(),
            files,
            "none is forgotten yet"
        );
        assert!(files.len() <= most as usize);
        if files.is_empty() {
            assert!(!observations.has_unfilled().unwrap());
            return all;
        }
        observations.forget_unfilled(&files).unwrap();
        all.extend(files);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_new_database_lists_each_file_whose_content_is_here_once(
        files in prop::collection::btree_set(any::<u8>(), 0..30),
        here in prop::collection::btree_set(any::<u8>().prop_map(key), 0..90),
        added in prop::collection::btree_set(any::<u8>(), 0..3),
        most in 1..9u32,
        bytes in 1..300u64,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut observations = Observations::open(directory.path()).unwrap();
        make(&mut observations, &files, &here);
        let added: Vec<_> = added.into_iter().map(|number| (path(number), key(number))).collect();
        observations.add_unfilled(&added).unwrap();
        let mut found = take_all(&mut observations, most, bytes);
        let listed = files.iter().filter(|number| here.contains(&key(**number)));
        let mut expected: Vec<_> = listed.map(|number| (path(*number), key(*number))).chain(added).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn files_taken_before_the_observations_were_made_again_are_listed_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = Observations::open(directory.path()).unwrap();
    let (files, here) = ((0..9).collect(), (0..9).map(key).collect());
    make(&mut observations, &files, &here);
    let first = observations.unfilled(5, 99).unwrap();
    make(&mut observations, &files, &here);
    observations.forget_unfilled(&first).unwrap();
    assert_eq!(take_all(&mut observations, 2, 99).len(), 9);
}
