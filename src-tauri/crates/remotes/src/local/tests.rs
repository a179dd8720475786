use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use annex::exchange::content::Wanted;
use annex::settings::{remotes, set};
use annex::{Annex, hash_directory};

use super::*;
use crate::Hosts;
use crate::askpass::Whom;

const HELLO: &str = "SHA256E-s5--2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const HELLO_MD5: &str = "MD5E-s5--5d41402abc4b2a76b9719d911017c592";

/// Two repositories, one of which has the content of a key.
struct Scene {
    _place: tempfile::TempDir,
    ours: Annex,
    theirs: Annex,
    key: Key,
    is_sent: bool,
}

/// The repository in which to set something.
#[derive(Clone, Copy)]
enum At {
    Here,
    There,
}
use At::{Here, There};

impl Scene {
    /// Stores `content` as the object of this key: here if it `is_sent`, else there.
    fn new(key: &str, content: &str, is_sent: bool) -> Self {
        let place = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let annex = annex::init::init(&place.path().join(name), Some(name), 1_700_000_000).unwrap();
            fs::create_dir_all(annex.own_dir()).unwrap();
            annex
        };
        let (ours, theirs) = (made("here"), made("there"));
        set(&ours, "remote.there.url", theirs.git_dir().to_str()).unwrap();
        let source = if is_sent { &ours } else { &theirs };
        let objects = source.git_dir().join("annex/objects");
        let parsed = Key::parse(key.as_bytes()).unwrap();
        let directory = objects.join(hash_directory::mixed(&parsed)).join(key);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(key), content).unwrap();
        Self {
            _place: place,
            ours,
            theirs,
            key: parsed,
            is_sent,
        }
    }

    fn set(&self, at: At, name: &str, value: &str) {
        let annex = match at {
            Here => &self.ours,
            There => &self.theirs,
        };
        set(annex, name, Some(value)).unwrap();
    }

    /// The outcome of the transfer.
    fn outcome(&self) -> String {
        let settings = remotes(&self.ours).unwrap().pop().unwrap();
        let reached = crate::reach(
            &self.ours,
            &settings,
            &[],
            None,
            &Hosts::new(
                Err("no other computers".to_owned()),
                PathBuf::new(),
                Whom::Everybody(Box::new(|| {})),
            ),
            &AtomicBool::new(false),
        )
        .unwrap();
        let contents = reached.contents().unwrap();
        let travel = Travel {
            wanted: &[Wanted {
                key: self.key.clone(),
                path: None,
            }],
            config: &BTreeMap::new(),
            progress: &|_, _| (),
            cancelled: &AtomicBool::new(false),
            files: &|_| Vec::new(),
        };
        let outcomes = match self.is_sent {
            true => contents.store(&self.ours, &travel),
            false => contents.retrieve(&self.ours, &travel),
        };
        format!("{:?}", outcomes[0].1)
    }
}

/// As in git-annex 10.20261026, received content is hashed unless the receiving repository disables that for all
/// content, or the transferring one disables it for the other.
#[test]
fn content_is_hashed_unless_either_setting_is_off() {
    const OWN: &str = "annex.verify";
    const REMOTE: &str = "remote.there.annex-verify";
    type Set = (At, &'static str, &'static str);
    let cases: [(&[Set], &str, &str); 7] = [
        (&[], "Corrupt", "Corrupt"),
        (&[(Here, REMOTE, "false")], "Stored", "Stored"),
        (&[(Here, OWN, "false")], "Stored", "Stored"),
        (&[(Here, OWN, "false"), (Here, REMOTE, "true")], "Stored", "Corrupt"),
        (&[(There, OWN, "false")], "Corrupt", "Stored"),
        (&[(There, OWN, "false"), (Here, REMOTE, "true")], "Corrupt", "Stored"),
        (&[(There, OWN, "true"), (Here, REMOTE, "false")], "Stored", "Stored"),
    ];
    for (number, (settings, got, sent)) in cases.into_iter().enumerate() {
        let outcome = |is_sent: bool| {
            let scene = Scene::new(HELLO, "HELLO", is_sent);
            for (at, name, value) in settings {
                scene.set(*at, name, value);
            }
            scene.outcome()
        };
        assert_eq!((&*outcome(false), &*outcome(true)), (got, sent), "{number}");
    }
}

#[test]
fn an_insecure_key_is_not_transferred_if_either_repository_forbids_it() {
    for is_sent in [false, true] {
        for at in [Here, There] {
            let scene = Scene::new(HELLO_MD5, "hello", is_sent);
            scene.set(at, "annex.securehashesonly", "true");
            let outcome = scene.outcome();
            assert!(
                outcome.contains("securehashesonly forbids keys of the backend MD5E"),
                "{outcome}"
            );
            scene.set(at, "annex.securehashesonly", "false");
            assert_eq!(scene.outcome(), "Stored");
            let secure = Scene::new(HELLO, "hello", is_sent);
            secure.set(at, "annex.securehashesonly", "true");
            assert_eq!(secure.outcome(), "Stored");
        }
    }
}
