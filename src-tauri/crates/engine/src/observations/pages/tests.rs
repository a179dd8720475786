use std::collections::BTreeMap;

use model::Uuid;
use proptest::prelude::*;

use super::*;
use crate::observations::{Demand, Described, Observations};

/// The keys by path: the key decides the size and the class.
type Model = BTreeMap<String, u8>;

fn key(number: u8) -> Key {
    Key::parse(format!("SHA256E-s{number}--{number}").as_bytes()).unwrap()
}

fn change(observations: &mut Observations, files: &mut Model, changes: &[(String, Option<u8>)]) {
    let mut update = observations.update().unwrap();
    for (name, new) in changes {
        let path = RepoPath::parse(name.as_bytes()).unwrap();
        let old = match new {
            Some(new) => files.insert(name.clone(), *new),
            None => files.remove(name),
        };
        update.named(&path, old.is_some(), new.map(key).as_ref()).unwrap();
    }
    let demand = |number: u64| {
        let want = Uuid::parse(&format!("want-{}", number % 3)).into_iter().collect();
        Demand {
            want,
            ..Demand::default()
        }
    };
    update
        .classify(None, |touched| demand(touched.key.size().unwrap()))
        .unwrap();
    update.commit(&Described::default()).unwrap();
}

fn check(reader: &Reader, files: &Model, part: &str, skip: u64, count: u64) {
    let classes = reader.classes().unwrap();
    let of = |number: u8| {
        let want = Uuid::parse(&format!("want-{}", number % 3)).unwrap();
        classes
            .values()
            .find(|class| class.want.contains(&want))
            .map(|class| class.id)
    };
    let wanted: BTreeSet<ClassId> = [of(0), of(1)].into_iter().flatten().collect();
    let filters = [
        Filter::All,
        Filter::Named(part.as_bytes().to_ascii_lowercase()),
        Filter::Classes(wanted),
        Filter::Classes(BTreeSet::new()),
    ];
    for filter in filters {
        let is_chosen = |path: &str, number: u8| match &filter {
            Filter::All => true,
            Filter::Named(_) => path.to_lowercase().contains(&part.to_lowercase()),
            Filter::Classes(classes) => of(number).is_some_and(|class| classes.contains(&class)),
        };
        let all: Vec<(&String, &u8)> = files
            .iter()
            .filter(|(path, number)| is_chosen(path, **number))
            .collect();
        let (total, rows) = reader.page(&filter, skip, count).unwrap();
        assert_eq!(total, all.len() as u64);
        let page = all.into_iter().skip(skip as usize).take(count as usize);
        let page: Vec<Row> = page
            .map(|(path, number)| Row {
                path: RepoPath::parse(path.as_bytes()).unwrap(),
                key: key(*number),
                class: of(*number).unwrap(),
            })
            .collect();
        assert_eq!(rows, page);
    }
}

fn check_directories(reader: &Reader, files: &Model) {
    let mut sums: BTreeMap<String, BTreeMap<String, DirectorySum>> = BTreeMap::new();
    for (path, number) in files {
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for (depth, end) in ends.iter().enumerate() {
            let above = depth.checked_sub(1).map_or("", |depth| &path[..ends[depth]]);
            let sum = sums.entry(above.to_owned()).or_default().entry(path[..*end].to_owned());
            let sum = sum.or_insert_with(|| DirectorySum {
                path: RepoPath::parse(&path.as_bytes()[..*end]).unwrap(),
                files: 0,
                bytes: 0,
                has_directories: false,
            });
            sum.files += 1;
            sum.bytes += u64::from(*number);
            sum.has_directories |= depth + 1 < ends.len();
        }
    }
    assert_eq!(
        reader.directories(None).unwrap(),
        sums.remove("").map_or(vec![], |sums| sums.into_values().collect())
    );
    for (above, sums) in sums {
        let above = RepoPath::parse(above.as_bytes()).unwrap();
        let expected: Vec<DirectorySum> = sums.into_values().collect();
        assert_eq!(reader.directories(Some(&above)).unwrap(), expected);
    }
    assert_eq!(
        reader.directories(Some(&RepoPath::parse(b"none").unwrap())).unwrap(),
        []
    );
}

proptest! {
    #[test]
    fn pages_and_sums_are_those_of_all_files(
        bursts in prop::collection::vec(
            prop::collection::vec(("[ab](/[aB]){0,3}", prop::option::weighted(0.7, 0u8..9)), 0..20), 1..6),
        part in "[aAb/]{0,2}",
        skip in 0u64..8,
        count in 0u64..8,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut observations = Observations::open(directory.path()).unwrap();
        let mut files = Model::new();
        for burst in bursts {
            // A path is a file or a directory, and changes once in an update.
            let changes: BTreeMap<String, Option<u8>> = burst.into_iter().map(|(path, key)| (path + ".f", key)).collect();
            let changes: Vec<_> = changes.into_iter().collect();
            change(&mut observations, &mut files, &changes);
            let reader = Reader::open(directory.path()).unwrap();
            check(&reader, &files, &part, skip, count);
            check_directories(&reader, &files);
        }
    }
}

#[test]
fn a_page_of_many_keys_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut observations = Observations::open(directory.path()).unwrap();
    let many = FEW_KEYS + 100;
    let mut update = observations.update().unwrap();
    for number in (0..many).rev() {
        let path = RepoPath::parse(format!("{number:05}").as_bytes()).unwrap();
        let key = Key::parse(format!("SHA256E-s1--{number}").as_bytes()).unwrap();
        update.named(&path, false, Some(&key)).unwrap();
    }
    update.classify(None, |_| Demand::default()).unwrap();
    update.commit(&Described::default()).unwrap();
    let reader = Reader::open(directory.path()).unwrap();
    let all = Filter::Classes(reader.classes().unwrap().into_keys().collect());
    let (total, rows) = reader.page(&all, many - 2, 5).unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.path.to_string()).collect();
    assert_eq!(
        (total, names),
        (many, vec![format!("{:05}", many - 2), format!("{:05}", many - 1)])
    );
}
