use model::{Key, Oid};

use super::{Annexed, TreeChange};
use crate::fixture::{Fixture, Leaf, file, leaves, link, pointer};

const A: &str = "SHA256E-s5--aaaa.txt";
const B: &str = "SHA256E-s5--bbbb.txt";

fn locked(key: &str) -> Leaf {
    link(&format!(".git/annex/objects/xx/yy/{key}/{key}"))
}

fn changes(fixture: &Fixture, from: Option<Oid>, to: Oid) -> Vec<String> {
    let mut found = Vec::new();
    let shown = |side: Option<Annexed>| {
        side.map_or("-".into(), |side| {
            format!("{}{}", side.key, if side.locked { " locked" } else { "" })
        })
    };
    let refused = fixture
        .annex
        .tree_changes(from, to, &mut |TreeChange {
                                          path,
                                          old,
                                          new,
                                          is_there,
                                      }| {
            let here = if is_there || new.is_some() { "" } else { " (gone)" };
            found.push(format!("{path}: {} > {}{here}", shown(old), shown(new)));
        })
        .unwrap();
    assert_eq!(refused, []);
    found.sort();
    found
}

#[test]
fn reports_what_is_annexed_and_changed() {
    let fixture = Fixture::new();
    let first = leaves([
        ("same", pointer(A)),
        ("deep/same/x", locked(A)),
        ("key", pointer(A)),
        ("form", locked(A)),
        ("gone", locked(B)),
        ("to git", pointer(A)),
        ("git", file("1")),
        ("bit", pointer(A)),
        ("d", pointer(A)),
    ]);
    let mut second = first.clone();
    second.remove("gone");
    second.remove("d");
    for (path, leaf) in [
        ("key", pointer(B)),
        ("form", pointer(A)),
        ("to git", file("now in git")),
        ("git", file("2")),
        ("bit", Leaf::Executable(format!("/annex/objects/{A}\n").into_bytes())),
        ("d/x", pointer(A)),
        ("from git", locked(B)),
        (
            "large",
            Leaf::File([b"/annex/objects/".to_vec(), vec![b'x'; 40_000]].concat()),
        ),
    ] {
        second.insert(path.into(), leaf);
    }
    let from = fixture.commit(&first, &[], "1");
    let to = fixture.commit(&second, &[from], "2");
    assert_eq!(
        changes(&fixture, Some(from), to),
        [
            format!("d/x: - > {A}"),
            format!("d: {A} > - (gone)"),
            format!("form: {A} locked > {A}"),
            format!("from git: - > {B} locked"),
            format!("gone: {B} locked > - (gone)"),
            format!("key: {A} > {B}"),
            "large: - > -".to_owned(),
            format!("to git: {A} > -"),
        ]
    );
    assert_eq!(changes(&fixture, None, from).len(), 9);
    assert_eq!(changes(&fixture, Some(to), to), Vec::<String>::new());
    assert!(Key::parse(A.as_bytes()).is_ok());
}

#[test]
fn heads_are_named_and_other_states_refused() {
    let fixture = Fixture::new();
    let head = fixture.annex.head().unwrap();
    assert_eq!((head.branch.as_str(), head.commit), ("main", None));
    assert_eq!(head.reference(), "refs/heads/main");
    let commit = fixture.start(&leaves([("a", file("1"))]));
    assert_eq!(fixture.annex.head().unwrap().commit, Some(commit));
    for other in [
        format!("{commit}\n"),
        "ref: refs/heads/adjusted/main(unlocked)\n".into(),
        "ref: refs/heads/views/main(tag)\n".into(),
        "ref: refs/heads/synced/main\n".into(),
        "ref: refs/heads/git-annex\n".into(),
        "ref: refs/tags/x\n".into(),
    ] {
        fixture.write(".git/HEAD", other.as_bytes());
        assert!(fixture.annex.head().is_err(), "{other}");
    }
}
