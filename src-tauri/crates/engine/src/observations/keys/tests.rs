use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::observations::schema;

fn key(text: &str) -> Key {
    Key::parse(text.as_bytes()).unwrap()
}

/// Keys of the usual form, almost such keys, and any others.
fn keys() -> impl Strategy<Value = Key> {
    let backend = "SHA(1|224|256|512)E?|MD5E?|WORM|URL|X";
    let field = prop_oneof![
        (0..3u64).prop_map(|size| format!("-s{size}")),
        any::<u64>().prop_map(|size| format!("-s{size}")),
        (MOST - 1..MOST + 2).prop_map(|size| format!("-s{size}")),
        "(-s[0-9]{1,25})?(-m[0-9])?(-S[0-9])?(-C[0-9])?",
    ];
    let digest = prop_oneof![
        proptest::sample::select(vec![31, 32, 33, 40, 64, 128]).prop_flat_map(|length| {
            let letters = prop_oneof![9 => Just("[0-9a-f]"), 1 => Just("[0-9a-fA-F]"), 1 => Just("[0-9a-g]")];
            letters
                .prop_flat_map(move |letter| proptest::string::string_regex(&format!("{letter}{{{length}}}")).unwrap())
        }),
        "[0-9a-f/%.-]{0,8}",
    ]
    .prop_map(String::into_bytes);
    let extension = prop_oneof![
        Just(Vec::new()),
        Just(b".txt".to_vec()),
        prop::collection::vec(any::<u8>(), 0..9)
    ];
    let text = (backend, field, digest, extension).prop_map(|(backend, field, digest, extension)| {
        [format!("{backend}{field}--").as_bytes(), &digest, &extension].concat()
    });
    text.prop_filter_map("not a key", |text| Key::parse(&text).ok())
}

proptest! {
    #[test]
    fn a_stored_key_is_read_back(key in keys()) {
        prop_assert_eq!(parse(&stored(&key), size(&key)), Some(key));
    }

    #[test]
    fn whatever_is_stored_is_no_other_key(stored in prop::collection::vec(any::<u8>(), 0..80), size in any::<i64>()) {
        if let Some(key) = parse(&stored, size) {
            prop_assert_eq!(parse(&super::stored(&key), super::size(&key)), Some(key));
        }
    }
}

#[test]
fn a_usual_key_is_stored_in_half_the_space() {
    let digest = "0123456789abcdef".repeat(4);
    let usual = key(&format!("SHA256E-s1234567--{digest}.tar.gz"));
    assert_eq!(stored(&usual).len(), 1 + 32 + 7);
    // These must not become the same as a key in lower case, or one with another size.
    for other in [
        format!("SHA256E-s1234567--{}.tar.gz", digest.to_uppercase()),
        format!("SHA256E--{digest}.tar.gz"),
        format!("SHA256E-s1234567-m1--{digest}.tar.gz"),
        format!("SHA256E-s{}--{digest}.tar.gz", MOST + 1),
        format!("SHA256E-s1234567--{}", &digest[1..]),
        format!("SHA3_256E-s1234567--{digest}.tar.gz"),
    ] {
        assert_eq!(stored(&key(&other)), [&[TEXT], other.as_bytes()].concat());
    }
}

#[test]
fn keys_with_the_same_first_bytes_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (db, _): (Connection, _) = schema::open(&directory.path().join("db"), 0).unwrap();
    let start = "00".repeat(20);
    let digests = (0..9).map(|number| format!("{start}{number:024}"));
    let usual = digests.flat_map(|digest| [1, 2].map(|size| key(&format!("SHA256-s{size}--{digest}"))));
    let others = (0..9).map(|number| key(&format!("WORM-s5-m9--file{number}")));
    let all: Vec<Key> = usual.chain(others).collect();
    for (row, key) in (1..).zip(&all) {
        assert_eq!(find(&db, key).unwrap(), None);
        let values = params![row, stored(key), size(key), 7];
        db.execute("INSERT INTO keys VALUES (?1, ?2, ?3, ?4)", values).unwrap();
    }
    for (row, key) in (1..).zip(&all) {
        assert_eq!(find(&db, key).unwrap(), Some((row, 7)), "{key}");
    }
}

#[test]
fn a_key_is_found_by_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let (db, _) = schema::open(&directory.path().join("db"), 0).unwrap();
    for (query, index) in [(FIND_USUAL, "keys_by_digest"), (FIND_TEXT, "keys_by_text")] {
        let plan: String = db
            .query_row(
                &format!("EXPLAIN QUERY PLAN {query}"),
                params![b"\x01".to_vec(), 1],
                |row| row.get(3),
            )
            .unwrap();
        assert!(plan.contains("SEARCH") && plan.contains(index), "{plan}");
    }
}
