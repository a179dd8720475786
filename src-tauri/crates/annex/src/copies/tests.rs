use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use model::{Key, RepoPath, Trust, Uuid};

use super::{Confirmed, CopiesProof, Fewest, FewestCopies, RELIED_ON, SEEN_FOR, TooFew};
use crate::scratch_repository::Scratch;

fn uuid(name: &str) -> Uuid {
    Uuid::parse(name).unwrap()
}

fn key() -> Key {
    Key::parse(b"WORM-s1--a").unwrap()
}

fn fewest(numcopies: u32, mincopies: u32) -> Fewest {
    Fewest { numcopies, mincopies }
}

/// Gathers for `here`. Each letter of `logged` is a repository: `t` is trusted, `u` untrusted, `d` dead, `h` here; capital
/// letters have no copy after all. Returns the repositories that were asked, too.
fn gather(fewest: Fewest, logged: &str) -> (Result<CopiesProof, TooFew>, String) {
    let names: Vec<Uuid> = logged.chars().map(|name| uuid(&name.to_string())).collect();
    let trust: BTreeMap<Uuid, Trust> = [("t", Trust::Trusted), ("u", Trust::Untrusted), ("d", Trust::Dead)]
        .map(|(name, trust)| (uuid(name), trust))
        .into();
    let mut asked = String::new();
    let proof = CopiesProof::gather(&key(), &uuid("h"), fewest, &trust, &names, &mut |uuid| {
        asked.push_str(uuid.as_str());
        let is_there = uuid.as_str().chars().all(char::is_lowercase);
        is_there.then(|| match uuid.as_str() {
            "s" => Confirmed::Seen,
            "k" => Confirmed::Kept(Box::new(())),
            _ => Confirmed::Locked(Box::new(())),
        })
    });
    (proof, asked)
}

#[test]
fn only_copies_that_are_confirmed_elsewhere_count() {
    for (numcopies, mincopies, logged, expected, asked) in [
        (1, 1, "h", Err((0, 1)), ""),
        (1, 1, "ha", Ok(()), "a"),
        (1, 1, "ab", Ok(()), "a"),
        (1, 1, "Ab", Ok(()), "Ab"),
        (1, 1, "A", Err((0, 1)), "A"),
        (1, 1, "hud", Err((0, 1)), ""),
        (1, 1, "t", Ok(()), ""),
        (1, 1, "s", Ok(()), "s"),
        (2, 1, "ab", Ok(()), "ab"),
        (2, 1, "aa", Err((1, 2)), "a"),
        (2, 1, "ta", Ok(()), "a"),
        (2, 1, "tt", Err((1, 2)), ""),
        (1, 2, "ab", Ok(()), "ab"),
        (1, 2, "a", Err((1, 2)), "a"),
        (2, 2, "sa", Ok(()), "sa"),
        // Nobody can ask for less than one.
        (0, 0, "h", Err((0, 1)), ""),
        (0, 0, "a", Ok(()), "a"),
    ] {
        let (proof, were_asked) = gather(fewest(numcopies, mincopies), logged);
        let found = proof.map(drop).map_err(|few| (few.confirmed, few.needed));
        let case = format!("{numcopies} {mincopies} {logged}");
        assert_eq!((found, were_asked.as_str()), (expected, asked), "{case}");
    }
}

#[test]
fn a_proof_is_for_one_copy_and_expires_with_what_other_computers_keep() {
    let (proof, _) = gather(fewest(1, 1), "k");
    let mut proof = proof.unwrap();
    assert!(proof.covers(&key(), &uuid("h")));
    assert!(!proof.covers(&key(), &uuid("a")));
    assert!(!proof.covers(&Key::parse(b"WORM-s1--b").unwrap(), &uuid("h")));
    let until = proof.until.unwrap();
    assert!(until <= Instant::now() + RELIED_ON);
    proof.until = Some(Instant::now().checked_sub(Duration::from_secs(1)).unwrap());
    assert!(!proof.covers(&key(), &uuid("h")));
    // What is locked on this computer, or trusted, is not relied on by any clock; what was only seen for a moment.
    for logged in ["a", "t"] {
        assert_eq!(gather(fewest(1, 1), logged).0.unwrap().until, None);
    }
    let until = gather(fewest(2, 1), "sk").0.unwrap().until.unwrap();
    assert!(until <= Instant::now() + SEEN_FOR);
}

#[test]
fn attributes_ask_for_copies_and_the_most_of_all_files_counts() {
    let scratch = Scratch::new();
    let text = "*.raw annex.numcopies=3\n*.raw annex.mincopies=2\nodd annex.numcopies=3x\nzero annex.numcopies=0\n";
    scratch.write(".gitattributes", text);
    let annex = &scratch.annex;
    let of = |names: &[&str]| {
        let paths: BTreeSet<RepoPath> = names
            .iter()
            .map(|name| RepoPath::parse(name.as_bytes()).unwrap())
            .collect();
        let found = FewestCopies::of(annex, fewest(2, 1)).unwrap().for_files(&paths);
        found.map(|found| (found.numcopies, found.mincopies))
    };
    let check = || {
        assert_eq!(of(&[]).unwrap(), (2, 1));
        assert_eq!(of(&["a"]).unwrap(), (2, 1));
        assert_eq!(of(&["a.raw"]).unwrap(), (3, 2));
        assert_eq!(of(&["a", "a.raw", "zero"]).unwrap(), (3, 2));
        assert_eq!(of(&["zero"]).unwrap(), (1, 1));
        let why = of(&["a", "odd"]).unwrap_err().to_string();
        assert!(why.contains("\"3x\" copies of odd"), "{why}");
    };
    check();
    // What was deleted and is still staged counts, as for git.
    scratch.git(&["add", ".gitattributes"]);
    fs::remove_file(scratch.path(".gitattributes")).unwrap();
    check();
}
