#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use annex::{Annex, VectorClock};
use assistant::Direction;
use assistant::content::Policy;
use contract::{Amount, Branch, Keeps, Page, Purpose, Which};
use model::{Key, RemoteName, RepoPath, Uuid};

use super::{files, preview, shown, tree};
use crate::observations::{Demand, Described};
use crate::work::FolderState;

/// A folder with one remote.
pub(crate) struct Scene {
    _place: tempfile::TempDir,
    pub(crate) state: FolderState,
    pub(crate) remote: (RemoteName, Uuid),
}

pub(crate) fn scene() -> Scene {
    let place = tempfile::tempdir().unwrap();
    let init = |name: &str| annex::init::init(&place.path().join(name), Some(name), 1_700_000_000).unwrap();
    let (here, there): (Annex, Annex) = (init("here"), init("there"));
    annex::init::add_remote(&here, &there).unwrap();
    std::fs::create_dir_all(here.own_dir()).unwrap();
    let process = std::sync::Arc::new(crate::work::process::Process::new());
    let state = crate::work::tests::engine_state(here, process).unwrap();
    let name = state.list_remotes().pop().unwrap().name;
    Scene {
        _place: place,
        state,
        remote: (name, there.uuid().clone()),
    }
}

impl Scene {
    /// Observes files of ten bytes, given as path, whether they are here, and whether they are at the remote. Both
    /// repositories want everything, and files in `barred` may not be sent.
    pub(crate) fn observe(&self, all: impl IntoIterator<Item = (Vec<u8>, bool, bool)>) {
        let here = self.state.annex().uuid().clone();
        let want = BTreeSet::from([here.clone(), self.remote.1.clone()]);
        let mut observations = self.state.observations();
        let mut update = observations.update().unwrap();
        for (at, (path, is_here, is_there)) in all.into_iter().enumerate() {
            let key = Key::parse(format!("SHA256E-s10--{at}").as_bytes()).unwrap();
            let here = is_here.then(|| here.clone());
            let there = is_there.then(|| self.remote.1.clone());
            update.located(&key, here.into_iter().chain(there).collect()).unwrap();
            update
                .named(&RepoPath::parse(&path).unwrap(), false, Some(&key))
                .unwrap();
        }
        let way = (self.remote.0.clone(), Direction::Send);
        let barred = RepoPath::parse(b"barred").unwrap();
        let classified = update.classify(None, |touched| Demand {
            want: want.clone(),
            barred: match touched.paths.iter().all(|path| path.is_within(&barred)) {
                true => BTreeSet::from([way.clone()]),
                false => BTreeSet::new(),
            },
            spare: None,
        });
        classified.unwrap();
        update.commit(&Described::default()).unwrap();
    }

    fn files(&self, which: &Which) -> Page {
        files(&self.state, which, 0, 100).unwrap()
    }
}

fn names(page: &Page) -> Vec<&str> {
    page.files.iter().map(|file| file.path.shown.as_str()).collect()
}

const NOT_TEXT: &[u8] = b"b/\xff\xfe.JPG";

pub(crate) fn some() -> Vec<(Vec<u8>, bool, bool)> {
    let file = |path: &[u8], is_here, is_there| (path.to_vec(), is_here, is_there);
    vec![
        file(b"a", true, true),
        file(b"b-/x", true, false),
        file(b"b/c/d/y.jpg", false, true),
        file(NOT_TEXT, true, false),
        file(b"barred/z", true, false),
    ]
}

#[test]
fn each_list_is_ordered_by_path() {
    let scene = scene();
    scene.observe(some());
    let all = scene.files(&Which::All);
    assert_eq!(
        names(&all),
        ["a", "b-/x", "b/c/d/y.jpg", "b/\u{fffd}\u{fffd}.JPG", "barred/z"]
    );
    assert_eq!(all.total, 5);
    let told: Vec<_> = all
        .files
        .iter()
        .map(|file| (file.bytes, file.is_here, file.copies))
        .collect();
    assert_eq!(told[0], (Some(10), true, 2));
    assert_eq!(told[2], (Some(10), false, 1));
    assert_eq!(all.files[3].path.bytes, hex::encode(NOT_TEXT));

    let named = |part: &str| names(&scene.files(&Which::Named(part.to_owned()))).len();
    assert_eq!(
        [named("JPG"), named("jpg"), named("C/d"), named("nothing"), named("")],
        [2, 2, 1, 0, 5]
    );
    let place = scene.remote.0.to_string();
    assert_eq!(
        names(&scene.files(&Which::WantedBy(place))),
        ["b-/x", "b/\u{fffd}\u{fffd}.JPG"]
    );
    assert_eq!(names(&scene.files(&Which::WantedHere)), ["b/c/d/y.jpg"]);
    let unknown = files(&scene.state, &Which::WantedBy("attic".to_owned()), 0, 1).unwrap_err();
    assert!(unknown.to_string().contains("attic"));

    let part = files(&scene.state, &Which::All, 1, 2).unwrap();
    assert_eq!((names(&part), part.total), (vec!["b-/x", "b/c/d/y.jpg"], 5));
    let past = files(&scene.state, &Which::All, u64::MAX, u64::MAX).unwrap();
    assert_eq!((past.files.len(), past.total), (0, 5));
}

#[test]
fn files_with_fewer_copies_than_numcopies_are_listed() {
    let scene = scene();
    scene.observe(some());
    assert_eq!(scene.files(&Which::FewCopies).total, 0);
    let branch = scene.state.annex().branch();
    branch.record_number("numcopies.log", 2, VectorClock::now()).unwrap();
    let few = scene.files(&Which::FewCopies);
    assert_eq!(
        names(&few),
        ["b-/x", "b/c/d/y.jpg", "b/\u{fffd}\u{fffd}.JPG", "barred/z"]
    );
}

#[test]
fn copies_in_untrusted_repositories_do_not_count() {
    let scene = scene();
    scene.observe(some());
    let copies = || {
        let seen = preview(&scene.state, Policy::default(), &[]).unwrap();
        (scene.files(&Which::All).files[0].copies, seen.fewest_copies)
    };
    assert_eq!(copies(), (2, Some(2)));
    let annex = scene.state.annex();
    // Nothing is received from a dead repository either.
    for (level, fewest) in [("X", 0), ("0", 1)] {
        let now = VectorClock::now();
        annex
            .branch()
            .record_value("trust.log", &scene.remote.1, level, now)
            .unwrap();
        assert_eq!(copies(), (1, Some(fewest)), "{level}");
    }
    let setting = format!("remote.{}.annex-trustlevel", scene.remote.0);
    annex::settings::set(annex, &setting, Some("semitrusted")).unwrap();
    scene.state.list_remotes();
    assert_eq!(copies(), (2, Some(2)));
}

#[test]
fn a_tree_lists_directories_with_everything_below_them() {
    let scene = scene();
    scene.observe(some());
    let branch = |path: &[u8], files: u64, has_directories| Branch {
        path: shown(&RepoPath::parse(path).unwrap()),
        holds: Amount {
            files,
            bytes: 10 * files,
        },
        has_directories,
    };
    let below = |directory: &[u8]| tree(&scene.state, RepoPath::parse(directory).ok().as_ref()).unwrap();
    let top = [
        branch(b"b", 2, true),
        branch(b"b-", 1, false),
        branch(b"barred", 1, false),
    ];
    assert_eq!(below(b""), top);
    assert_eq!(below(b"b"), [branch(b"b/c", 1, true)]);
    assert_eq!(below(b"b/c"), [branch(b"b/c/d", 1, false)]);
    assert_eq!(below(b"b/c/d"), []);
    assert_eq!(below(b"nowhere"), []);
}

#[test]
fn a_preview_applies_the_given_rules() {
    let scene = scene();
    scene.observe(some());
    let look = |text: &str| {
        let rules: Vec<contract::Rule> = serde_json::from_str(text).unwrap();
        let seen = preview(&scene.state, crate::rules::policy::understood(&rules).unwrap(), &[]).unwrap();
        let travel = &seen.travels[0];
        let counts = [travel.up, travel.down, travel.held_back].map(|amount| {
            assert_eq!(amount.bytes, 10 * amount.files);
            amount.files
        });
        (counts, seen.fewest_copies, seen.files_with_fewest)
    };
    assert_eq!(look("[]"), ([3, 1, 0], Some(2), 5));
    assert_eq!(
        look(r#"[{"place": null, "directory": "b", "allow": "git-only"}]"#),
        ([2, 0, 2], Some(1), 2)
    );
    assert_eq!(
        look(r#"[{"place": null, "directory": null, "allow": "nothing"}]"#),
        ([0, 0, 4], Some(1), 4)
    );
}

#[test]
fn a_preview_applies_what_places_would_keep() {
    let scene = scene();
    scene.observe(some());
    let keeping = |wanted: &str| contract::Keeping {
        place: scene.remote.0.to_string(),
        before: Keeps::All { groups: Vec::new() },
        after: Keeps::Own {
            groups: Vec::new(),
            wanted: wanted.to_owned(),
        },
    };
    let up = |wanted: &str| {
        let seen = preview(&scene.state, Policy::default(), &[keeping(wanted)]).unwrap();
        (seen.travels[0].up.files, seen.fewest_copies)
    };
    assert_eq!(up("anything"), (3, Some(2)));
    assert_eq!(up("include=barred/*"), (1, Some(1)));
    assert_eq!(up("nothing"), (0, Some(1)));
    // Another clone changes it meanwhile.
    crate::rules::preferred_content::record(
        scene.state.annex(),
        &[(scene.remote.1.clone(), Keeps::For(Purpose::Archive))],
    )
    .unwrap();
    let seen = preview(&scene.state, Policy::default(), &[]).unwrap();
    assert_eq!(seen.travels[0].up.files, 3);
    let refused = preview(&scene.state, Policy::default(), &[keeping("nothing")]).unwrap_err();
    assert!(refused.to_string().contains("got another setting"), "{refused}");
}

#[test]
fn without_files_lists_are_empty() {
    let scene = scene();
    assert_eq!(scene.files(&Which::All).total, 0);
    assert_eq!(tree(&scene.state, None).unwrap(), []);
    let seen = preview(&scene.state, Policy::default(), &[]).unwrap();
    assert_eq!((seen.fewest_copies, seen.files_with_fewest), (None, 0));
}

/// A page of many files must be quick even while another thread holds the writing connection.
#[test]
fn ten_thousand_files_are_listed_quickly_while_others_write() {
    let scene = scene();
    scene.observe((0..10_000).map(|at| (format!("d{}/file {at}.jpg", at % 100).into_bytes(), true, at % 2 == 0)));
    let mut observations = scene.state.observations();
    let mut update = observations.update().unwrap();
    update.clear().unwrap();
    let quickest = (0..5).map(|_| {
        let begun_at = Instant::now();
        let page = files(&scene.state, &Which::Named("file 9".to_owned()), 500, 10_000).unwrap();
        assert_eq!((page.total, page.files.len()), (1111, 500));
        begun_at.elapsed()
    });
    let quickest = quickest.min().unwrap();
    println!("a page of 10,000 files: {quickest:?}");
    // Twenty times the usual duration, since the machine may be busy.
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
}
