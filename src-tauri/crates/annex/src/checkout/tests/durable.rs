//! What is on disk, and when: a power cut may come at any moment.

use super::*;
use crate::checkout::act::FEW;
use crate::durable::told::{self, Synced};

/// Checks a commit out; what was made durable before the work tree changed, and between that and the index.
fn synced_by_checkout(fixture: &Fixture, from: Oid, to: Oid) -> (Vec<Synced>, Vec<Synced>) {
    let wanted = Marker {
        branch: "main".into(),
        from: Some(from),
        to,
    };
    let (mut made, mut placed) = (None, None);
    told::all();
    let done = fixture
        .annex
        .carry_out(&wanted, &CheckoutOptions::default(), false, &mut |step| {
            match step {
                Step::WorkTree => made = Some(told::all()),
                Step::Index => placed = Some(told::all()),
                Step::Marker | Step::File | Step::Branch | Step::Done => {}
            }
            Ok(())
        });
    assert_eq!(done.unwrap().waiting, []);
    (made.unwrap(), placed.unwrap())
}

#[test]
fn few_files_are_each_on_disk_before_one_gets_its_name() {
    let fixture = Fixture::new();
    let key = put_object(&fixture.annex, b"content");
    let tree = |content: &str| {
        leaves([
            (".gitattributes", file("*.txt text eol=crlf\n")),
            ("converted.txt", file(&format!("{content}\n"))),
            ("in git", file(content)),
        ])
    };
    let base = fixture.start(&tree("1"));
    let mut to = tree("2");
    to.insert("absent".into(), pointer("SHA256E-s5--absent"));
    to.insert("annexed".into(), pointer_to(&key));
    let next = fixture.commit(&to, &[base], "next");
    let (made, placed) = synced_by_checkout(&fixture, base, next);
    for path in ["converted.txt", "in git", "absent", "annexed"] {
        assert!(
            made.contains(&Synced::at(fixture.path().join(path))),
            "{path}: {made:?}"
        );
    }
    assert_eq!(placed, [], "nothing is written twice");
    assert!(!made.contains(&Synced::FileSystem), "{made:?}");
}

#[test]
fn many_files_are_on_disk_together_before_one_gets_its_name_and_so_are_the_names() {
    for (count, together) in [(FEW, false), (FEW + 1, true), (300, true)] {
        let fixture = Fixture::new();
        let base = fixture.start(&leaves([("a", file("1"))]));
        let mut to: Leaves = (0..count).map(|at| (format!("new/{at}"), file("new"))).collect();
        to.insert("a".into(), file("1"));
        let next = fixture.commit(&to, &[base], "next");
        let (made, placed) = synced_by_checkout(&fixture, base, next);
        let is_file = |synced: &Synced| matches!(synced, Synced::File(..));
        let files = made.iter().filter(|synced| is_file(synced)).count();
        let expected = if together {
            (0, [Synced::FileSystem].to_vec())
        } else {
            (count, vec![])
        };
        assert_eq!((files, placed), expected, "{count}");
        assert_eq!(made.last() == Some(&Synced::FileSystem), together, "{count}: {made:?}");
        assert_holds(&fixture, &to);
    }
}

/// A file that is renamed in one commit, and edited by the user just before that is followed, has its new name all the same:
/// it is made when all others are on disk already.
#[test]
fn a_file_that_is_made_late_is_on_disk_before_it_gets_its_name() {
    let fixture = Fixture::new();
    let base = fixture.start(&leaves([("old", file("moved"))]));
    let mut to: Leaves = (0..=FEW).map(|at| (at.to_string(), file("new"))).collect();
    to.insert("renamed".into(), file("moved"));
    let next = fixture.commit(&to, &[base], "next");
    let wanted = of_main(base, next);
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&wanted, &options, false, &mut |step| {
        if step == Step::WorkTree {
            fixture.write("old", b"mine");
            told::all();
        }
        Ok(())
    });
    assert_eq!(done.unwrap().waiting.len(), 1);
    let placed = told::all();
    assert_eq!(placed[0], Synced::at(fixture.path().join("renamed")), "{placed:?}");
    assert!(placed[1..].contains(&Synced::FileSystem), "{placed:?}");
}

#[test]
fn contents_that_come_later_are_on_disk_before_they_take_the_place_of_pointers() {
    for (count, together) in [(FEW, false), (FEW + 1, true)] {
        let fixture = Fixture::new();
        let content = b"content";
        let key = put_object(&Fixture::new().annex, content);
        let names: Vec<String> = (0..count).map(|at| at.to_string()).collect();
        fixture.start(&names.iter().map(|name| (name.clone(), pointer_to(&key))).collect());
        put_object(&fixture.annex, content);
        let files: Vec<_> = names
            .iter()
            .map(|name| (RepoPath::parse(name.as_bytes()).unwrap(), key.clone()))
            .collect();
        told::all();
        let mut made = None;
        let filled = fixture.annex.populate_by_steps(&files, false, &mut |step| {
            if step == Step::WorkTree {
                made = Some(told::all());
            }
            Ok(())
        });
        assert_eq!(filled.unwrap().len(), count);
        let each: Vec<Synced> = names.iter().map(|name| Synced::at(fixture.path().join(name))).collect();
        assert_eq!(made.unwrap(), if together { vec![Synced::FileSystem] } else { each });
    }
}
