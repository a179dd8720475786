//! How long things take, for whoever changes them: `cargo test -p annex measures -- --ignored --nocapture`.

use std::fs;
use std::time::{Duration, Instant};

use model::{Key, Oid, RemoteName, RepoPath};

use crate::fixture::{Fixture, Leaves, file, leaves, pointer};
use crate::standins::put_object;
use crate::{CheckedOut, CheckoutOptions};

fn check_out(fixture: &Fixture, to: Oid) -> CheckedOut {
    fixture.annex.check_out(to, &CheckoutOptions::default()).unwrap()
}

fn pointer_to(key: &Key) -> crate::fixture::Leaf {
    pointer(&key.to_string())
}

#[test]
#[ignore = "measures"]
fn checking_out_five_thousand() {
    let fixture = Fixture::new();
    let keys: Vec<Key> = (0..5000)
        .map(|n| {
            let mut data = vec![0; 4096];
            data[..8].copy_from_slice(&u64::to_le_bytes(n));
            put_object(&fixture.annex, &data)
        })
        .collect();
    let away = |there: bool| {
        let (a, b) = (fixture.annex.annex_file("objects"), fixture.annex.annex_file("away"));
        if there { fs::rename(a, b) } else { fs::rename(b, a) }.unwrap();
    };
    let tree = |directory: &str| -> Leaves {
        keys.iter()
            .enumerate()
            .map(|(n, key)| (format!("{directory}/f{n}"), pointer_to(key)))
            .collect()
    };
    let base = fixture.start(&leaves([("x", file("x"))]));
    let first = fixture.commit(&tree("d"), &[base], "1");
    away(true);
    let time = |what: &str, work: &dyn Fn()| {
        std::thread::sleep(Duration::from_millis(500));
        let at = Instant::now();
        work();
        println!("{what}: {:?}", at.elapsed());
    };
    time("5,000 pointers checked out", &|| {
        assert_eq!(check_out(&fixture, first).changed, 5001);
    });
    away(false);
    let files: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| (RepoPath::parse(format!("d/f{n}").as_bytes()).unwrap(), key.clone()))
        .collect();
    time("5,000 populated", &|| {
        assert_eq!(fixture.annex.populate(&files, false).unwrap().len(), 5000);
    });
    let second = fixture.commit(&tree("e"), &[first], "2");
    time("5,000 renamed", &|| {
        assert_eq!(check_out(&fixture, second).changed, 5000);
    });
    let third = fixture.commit(&leaves([("x", file("x"))]), &[second], "3");
    time("5,000 deleted", &|| {
        assert_eq!(check_out(&fixture, third).changed, 5001);
    });
    let fourth = fixture.commit(&tree("f"), &[third], "4");
    time("5,000 checked out with content", &|| {
        assert_eq!(check_out(&fixture, fourth).changed, 5001);
    });
    let mut one = tree("f");
    one.insert("one".into(), file("one"));
    let fifth = fixture.commit(&one, &[fourth], "5");
    time("one more", &|| assert_eq!(check_out(&fixture, fifth).changed, 1));
    fixture.assert_clean();
}

#[test]
#[ignore = "measures"]
fn copying_objects() {
    for count in [9, 500, 13_000] {
        let (here, there) = (Fixture::new(), Fixture::new());
        let first = there.start(&leaves([("one", file("1"))]));
        crate::exchange::fetch(
            &here.annex,
            &there.path(),
            &RemoteName::parse("origin").unwrap(),
            "main",
        )
        .unwrap();
        let mut all = leaves([("one", file("1"))]);
        for n in 0..count - 2 {
            all.insert(format!("x{n}"), pointer(&format!("SHA256E-s4096--{n:060x}")));
        }
        let second = there.commit(&all, &[first], "many");
        there.set("refs/heads/main", second);
        for packed in [false, true] {
            if packed {
                there.git(&["gc", "-q"]);
            }
            let here = Fixture::new();
            crate::exchange::fetch(&here.annex, &there.path(), &RemoteName::parse("warm").unwrap(), "none").unwrap();
            let at = std::time::Instant::now();
            crate::exchange::fetch(
                &here.annex,
                &there.path(),
                &RemoteName::parse("origin").unwrap(),
                "main",
            )
            .unwrap();
            println!("{count} objects, packed {packed}: {:?}", at.elapsed());
        }
    }
}
