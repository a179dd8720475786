mod merging;

use std::path::Path;

use git2::{Oid, Repository, Signature};
use model::{Key, Trust, Uuid};

use super::REF;
use crate::logs::{Presence, VectorClock, location_log};
use crate::objects::{Bulk, TreeEntry};
use crate::{Annex, Error};

const A: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const B: &str = "bbbbbbbb-0000-0000-0000-000000000000";
const C: &str = "cccccccc-0000-0000-0000-000000000000";
const D: &str = "dddddddd-0000-0000-0000-000000000000";
const ORIGIN: &str = "refs/remotes/origin/git-annex";

struct Place {
    directory: tempfile::TempDir,
    annex: Annex,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let repo = Repository::init(directory.path()).unwrap();
        let mut config = repo.config().unwrap();
        for (name, value) in [
            ("annex.uuid", A),
            ("annex.version", "10"),
            ("user.name", "T"),
            ("user.email", "t@e"),
        ] {
            config.set_str(name, value).unwrap();
        }
        let annex = Annex::open(directory.path()).unwrap();
        Self { directory, annex }
    }

    fn git(&self) -> Repository {
        Repository::open(self.directory.path()).unwrap()
    }

    fn config(&self, name: &str, value: &str) {
        self.git().config().unwrap().set_str(name, value).unwrap();
    }

    /// Commits exactly `files` on `reference`.
    fn commit(&self, reference: &str, parents: &[Oid], files: &[(&str, &str)]) -> Oid {
        self.commit_upon(None, reference, parents, files)
    }

    /// Commits a tree with `files` changed.
    fn commit_upon(&self, tree: Option<Oid>, reference: &str, parents: &[Oid], files: &[(&str, &str)]) -> Oid {
        let repo = self.git();
        let mut bulk = Bulk::begin(&repo).unwrap();
        let mut files = files.to_vec();
        files.sort_unstable();
        let paths: Vec<Vec<u8>> = files.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
        let tree = bulk
            .rewrite(tree, &paths, &mut |bulk, at, _| {
                Ok(Some(TreeEntry::file(bulk.blob(files[at].1.as_bytes())?)))
            })
            .unwrap()
            .unwrap();
        let who = Signature::new("X", "x@e", &git2::Time::new(1_577_836_800, 0)).unwrap();
        let id = bulk.commit(tree, parents, &who, "x").unwrap();
        drop(bulk.finish().unwrap());
        repo.reference(reference, id, true, "").unwrap();
        id
    }

    fn tip(&self) -> Oid {
        self.git().refname_to_id(REF).unwrap()
    }

    fn parents(&self) -> Vec<Oid> {
        self.git().find_commit(self.tip()).unwrap().parent_ids().collect()
    }

    fn subject(&self) -> String {
        self.git()
            .find_commit(self.tip())
            .unwrap()
            .summary()
            .unwrap()
            .unwrap()
            .to_owned()
    }

    fn read(&self, path: &str) -> Option<String> {
        let content = self.annex.branch().read(path.as_bytes()).unwrap();
        content.map(|content| String::from_utf8(content).unwrap())
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.annex.annex_file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn exists(&self, name: &str) -> bool {
        self.annex.annex_file(name).exists()
    }
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse(text).unwrap()
}

fn at(seconds: &str) -> VectorClock {
    VectorClock::parse(seconds.as_bytes()).unwrap()
}

fn key(number: usize) -> Key {
    Key::parse(format!("SHA256E-s1--{number:064x}").as_bytes()).unwrap()
}

fn log(number: usize) -> String {
    String::from_utf8(location_log(&key(number))).unwrap()
}

#[test]
fn the_first_record_makes_the_branch() {
    let place = Place::new();
    let branch = place.annex.branch();
    assert_eq!(branch.tip().unwrap(), None);
    assert_eq!(branch.fold().unwrap(), None);
    let merged = branch.merge().unwrap();
    assert_eq!((merged.tip, merged.changed), (None, false));
    branch.record_value("uuid.log", &uuid(A), "my folder", at("5")).unwrap();
    assert_eq!(place.subject(), "branch created");
    assert_eq!(place.read("uuid.log").unwrap(), format!("{A} my folder timestamp=5s\n"));
    branch.record_number("numcopies.log", 2, at("5")).unwrap();
    assert_eq!(place.subject(), "update");
    place.config("annex.commitmessage", "by me");
    branch.record_number("numcopies.log", 3, at("5")).unwrap();
    assert_eq!(
        (place.subject().as_str(), place.read("numcopies.log").unwrap().as_str()),
        ("by me", "6s 3\n")
    );
    let place = Place::new();
    place.config("annex.commitmessage", "by me");
    place.annex.branch().record_number("numcopies.log", 2, at("5")).unwrap();
    assert_eq!(place.subject(), "by me", "the first commit too, as git-annex does");
}

#[test]
fn several_values_are_recorded_together_or_not_at_all() {
    let place = Place::new();
    let branch = place.annex.branch();
    let (a, b) = (uuid(A), uuid(B));
    let wanted = "preferred-content.log";
    let bad = branch.record_values(&[("group.log", &a, "archive"), (wanted, &a, "two\nlines")], at("5"));
    assert!(matches!(bad, Err(Error::Refused(_))), "{bad:?}");
    assert_eq!(branch.tip().unwrap(), None);
    let values = [
        ("group.log", &a, "mine archive"),
        (wanted, &a, "standard"),
        ("group.log", &b, ""),
    ];
    let first = branch.record_values(&values, at("5")).unwrap();
    assert_eq!(branch.tip().unwrap(), Some(first));
    let groups = format!("{A} archive mine timestamp=5s\n{B}  timestamp=5s\n");
    assert_eq!(place.read("group.log").unwrap(), groups);
    assert_eq!(place.read(wanted).unwrap(), format!("{A} standard timestamp=5s\n"));
}

#[test]
fn a_value_that_is_recorded_again_becomes_the_newest_except_in_the_configuration() {
    let place = Place::new();
    let record = |log| {
        let branch = place.annex.branch();
        branch.record_field(log, "a", "b", at("5")).unwrap();
        branch.record_field(log, "a", "b", at("9")).unwrap();
        place.read(log).unwrap()
    };
    assert_eq!(record("group-preferred-content.log"), "9s a b\n");
    assert_eq!(record("config.log"), "5s a b\n");
}

#[test]
fn what_git_annex_could_not_read_back_is_refused() {
    let branch_of = Place::new();
    let branch = branch_of.annex.branch();
    for result in [
        branch.record_value("uuid.log", &uuid(A), "two\nlines", at("5")),
        branch.record_value("numcopies.log", &uuid(A), "2", at("5")),
        branch.record_value("own.log", &uuid(A), "2", at("5")),
        branch.record_field("config.log", "a b", "c", at("5")),
        branch.record_field("uuid.log", "a", "c", at("5")),
        branch.record_number("numcopies.log", 0, at("5")),
        branch.record_number("uuid.log", 1, at("5")),
    ] {
        assert!(matches!(result, Err(Error::Refused(_))), "{result:?}");
    }
    assert_eq!(branch.tip().unwrap(), None);
}

#[test]
fn odd_names_in_the_journal_are_left_alone() {
    let place = Place::new();
    let odd = [
        "_odd",
        "a__b_",
        "a_.._b",
        ".git_config",
        "uuid.log.tmp",
        ".hidden",
        "x~",
        "a_.git_b",
    ];
    for name in odd {
        place.write(&format!("journal/{name}"), "x\n");
    }
    std::fs::create_dir(place.annex.annex_file("journal/uuid.log")).unwrap();
    assert_eq!(place.annex.branch().fold().unwrap(), None);
    place.write("journal/a__b_c__d.log", "1s 1 x\n");
    place.annex.branch().fold().unwrap().unwrap();
    assert_eq!(place.read("a_b/c_d.log").as_deref(), Some("1s 1 x\n"));
    for name in odd {
        assert!(place.exists(&format!("journal/{name}")), "{name}");
    }
    assert!(!place.exists("journal/a__b_c__d.log"));
}

#[test]
fn what_waits_in_the_journal_is_seen() {
    let place = Place::new();
    let branch = place.annex.branch();
    assert!(!branch.has_journal());
    place.write("journal/uuid.log", "x\n");
    assert!(branch.has_journal());
    branch.fold().unwrap();
    assert!(!branch.has_journal());
    std::fs::remove_dir(place.annex.annex_file("journal")).unwrap();
    place.write("journal", "");
    assert!(
        branch.has_journal(),
        "the commit reports why the journal cannot be read"
    );
}

#[test]
fn a_branch_that_cannot_be_read_is_not_taken_for_none() {
    let place = Place::new();
    std::fs::write(place.git().path().join(REF), "damaged").unwrap();
    let branch = place.annex.branch();
    branch.tip().unwrap_err();
    branch.record_number("numcopies.log", 2, at("5")).unwrap_err();
}

#[test]
fn an_empty_journal_file_does_not_wipe_what_is_known() {
    let place = Place::new();
    let known = format!("5s 1 {A}\n");
    place.commit(REF, &[], &[(&log(1), &known)]);
    place.write(&format!("journal/{}", log(1).replace('/', "_")), "");
    place.annex.branch().fold().unwrap();
    assert_eq!(place.read(&log(1)), Some(known));
}

#[test]
fn records_take_the_journal_along_and_build_upon_it() {
    let place = Place::new();
    place.commit(REF, &[], &[(&log(1), "1s 1 x\n"), ("uuid.log", "u d timestamp=1s\n")]);
    let name = log(1).replace('/', "_");
    place.write(&format!("journal/{name}"), "2s 0 x\n");
    place.write("journal/unknown.log", "5 5\n");
    let old = place.tip();
    let changes = [(key(1), uuid(B), Presence::Present)];
    place.annex.branch().record_presence(&changes, at("9")).unwrap();
    assert_eq!(place.read(&log(1)), Some(format!("9s 1 {B}\n2s 0 x\n")));
    assert_eq!(place.read("unknown.log").as_deref(), Some("5 5\n"));
    assert_eq!(place.read("uuid.log").as_deref(), Some("u d timestamp=1s\n"));
    assert_eq!(place.parents(), [old]);
    assert!(!place.exists(&format!("journal/{name}")));
}

#[test]
fn a_location_in_the_journal_is_known_and_committed_with_the_next_record() {
    let place = Place::new();
    let branch = place.annex.branch();
    let journal = |numbers: &[usize], time| {
        let contents = numbers.iter().map(|number| (key(*number), uuid(A), Presence::Present));
        let contents: Vec<_> = contents.collect();
        branch.journal_presence(&contents, at(time)).unwrap();
    };
    let journaled = || {
        let mut found = Vec::new();
        branch
            .journaled_locations(&mut |key, holders| found.push((key, holders)))
            .unwrap();
        found.sort();
        found
    };
    // Without a branch, the record makes it.
    journal(&[1], "3");
    assert_eq!(
        (place.read(&log(1)), journaled()),
        (Some(format!("3s 1 {A}\n")), vec![])
    );

    branch
        .record_presence(&[(key(2), uuid(B), Presence::Present)], at("4"))
        .unwrap();
    let old = place.tip();
    journal(&[1, 2, 3, 3], "5");
    assert_eq!(place.tip(), old);
    let here = vec![uuid(A)];
    assert_eq!(branch.locations(&key(3)).unwrap(), here);
    let mut both = branch.locations(&key(2)).unwrap();
    both.sort();
    assert_eq!(both, [uuid(A), uuid(B)]);
    let expected = vec![(key(2), branch.locations(&key(2)).unwrap()), (key(3), here)];
    assert_eq!(journaled(), expected, "that the first is here was known");
    journal(&[2, 3], "6");
    assert_eq!(journaled(), expected);

    branch
        .record_presence(&[(key(3), uuid(B), Presence::Present)], at("7"))
        .unwrap();
    assert_eq!(place.parents(), [old], "one commit");
    assert_eq!(journaled(), []);
    assert_eq!(place.read(&log(3)), Some(format!("5s 1 {A}\n7s 1 {B}\n")));
    assert_eq!(place.read(&log(2)), Some(format!("5s 1 {A}\n4s 1 {B}\n")));
    place.annex.branch().fold_if_any().unwrap();
    assert_eq!(place.parents(), [old]);
}

#[test]
fn what_the_branch_got_while_a_location_was_in_the_journal_stays() {
    let place = Place::new();
    let old = place.commit(REF, &[], &[(&log(1), &format!("1s 1 {B}\n"))]);
    let branch = place.annex.branch();
    branch
        .journal_presence(&[(key(1), uuid(A), Presence::Present)], at("5"))
        .unwrap();
    // As a push by git moves it.
    let tree = place.git().find_commit(old).unwrap().tree_id();
    place.commit_upon(Some(tree), REF, &[old], &[(&log(1), &format!("3s 0 {B}\n"))]);
    branch.fold().unwrap();
    assert_eq!(place.read(&log(1)), Some(format!("5s 1 {A}\n3s 0 {B}\n")));
}

/// The branch moves first, and the journal goes then: somebody may look in between.
#[test]
fn a_journal_that_is_committed_already_hides_nothing() {
    let place = Place::new();
    place.commit(REF, &[], &[("uuid.log", "u d timestamp=1s\n")]);
    let branch = place.annex.branch();
    branch
        .journal_presence(&[(key(1), uuid(A), Presence::Present)], at("5"))
        .unwrap();
    let name = format!("journal/{}", log(1).replace('/', "_"));
    let journal = std::fs::read_to_string(place.annex.annex_file(&name)).unwrap();
    branch
        .record_presence(&[(key(1), uuid(B), Presence::Present)], at("6"))
        .unwrap();
    place.write(&name, &journal);
    let mut found = Vec::new();
    branch.journaled_locations(&mut |_, holders| found = holders).unwrap();
    found.sort();
    assert_eq!(found, [uuid(A), uuid(B)]);
}

#[test]
fn what_is_private_does_not_get_into_the_journal() {
    let place = Place::new();
    place.commit(REF, &[], &[("uuid.log", "u d timestamp=1s\n")]);
    let name = log(1).replace('/', "_");
    // Of a remote that is not configured any more.
    place.write(&format!("journal-private/{name}"), &format!("1s 1 {B}\n"));
    place
        .annex
        .branch()
        .journal_presence(&[(key(1), uuid(A), Presence::Present)], at("5"))
        .unwrap();
    let journal = std::fs::read_to_string(place.annex.annex_file("journal").join(name)).unwrap();
    assert_eq!(journal, format!("5s 1 {A}\n"));
}

#[test]
fn changes_are_those_between_two_tips() {
    let place = Place::new();
    let branch = place.annex.branch();
    let first = branch
        .record_presence(
            &[
                (key(1), uuid(A), Presence::Present),
                (key(1), uuid(B), Presence::Present),
                (key(2), uuid(A), Presence::Missing),
            ],
            at("5"),
        )
        .unwrap();
    let mut all = branch.changes(None, first).unwrap();
    all.locations.sort();
    let mut wanted = vec![(key(1), vec![uuid(A), uuid(B)]), (key(2), vec![])];
    wanted.sort();
    assert_eq!((all.locations, all.facts_changed), (wanted, false));

    let second = branch
        .record_presence(&[(key(2), uuid(B), Presence::Present)], at("5"))
        .unwrap();
    let third = branch.record_number("mincopies.log", 2, at("5")).unwrap();
    let some = branch.changes(Some(first), third).unwrap();
    assert_eq!(
        (some.locations, some.facts_changed),
        (vec![(key(2), vec![uuid(B)])], true)
    );
    assert_eq!(branch.changes(Some(second), second).unwrap(), super::Changes::default());
    // Backwards, as after a forget: what is not listed any more has no copies.
    let back = branch.changes(Some(third), first).unwrap();
    assert_eq!((back.locations, back.facts_changed), (vec![(key(2), vec![])], true));
    assert!(branch.changes(Some(model::Oid([7; 20])), third).is_err());
}

#[test]
fn facts_are_what_all_clones_agree_on() {
    let place = Place::new();
    let remote = format!("{B} name=usb&32;drive type=directory x=a&38;b&9 timestamp=5s\n");
    place.commit(
        REF,
        &[],
        &[
            (
                "uuid.log",
                &format!("{A} old timestamp=1s\n{A} new one timestamp=2s\n../x bad timestamp=1s\n"),
            ),
            (
                "trust.log",
                &format!("{A} 9 timestamp=1s\n{B} X timestamp=1s\n{C} 1 timestamp=1s\n{D} 0 timestamp=1s\n"),
            ),
            (
                "group.log",
                &format!("{A} client  backup timestamp=1s\n{B}  timestamp=1s\n"),
            ),
            (
                "preferred-content.log",
                &format!("{A} include=* timestamp=1s\n{B}  timestamp=1s\n"),
            ),
            ("required-content.log", &format!("{B} nothing timestamp=1s\n")),
            ("group-preferred-content.log", "1s client include=* and (\n1s x \n"),
            ("numcopies.log", "1s 2\n2s 3\n"),
            (
                "config.log",
                "1s annex.autocommit false\n2s annex.autocommit \n1s annex.foo a b\n",
            ),
            ("remote.log", &remote),
            (
                "activity.log",
                &format!(
                    "{A} Fsck timestamp=1700000000.5s\n{A} Fsck timestamp=9s\n{B} Slept timestamp=1s\n../x Fsck timestamp=1s\n"
                ),
            ),
        ],
    );
    place.write("journal/mincopies.log", "1s 2\n");
    let facts = place.annex.branch().facts().unwrap();
    assert_eq!(facts.descriptions, [(uuid(A), "new one".to_owned())].into());
    assert_eq!(
        facts.trust,
        [
            (uuid(A), Trust::Semitrusted),
            (uuid(B), Trust::Dead),
            (uuid(C), Trust::Trusted),
            (uuid(D), Trust::Untrusted)
        ]
        .into()
    );
    assert_eq!(
        facts.groups,
        [(uuid(A), ["backup".to_owned(), "client".to_owned()].into())].into()
    );
    assert_eq!(facts.preferred, [(uuid(A), "include=*".to_owned())].into());
    assert_eq!(facts.required, [(uuid(B), "nothing".to_owned())].into());
    assert_eq!(
        facts.group_preferred,
        [("client".to_owned(), "include=* and (".to_owned())].into()
    );
    assert_eq!((facts.numcopies, facts.mincopies), (Some(3), Some(2)));
    assert_eq!(facts.config, [("annex.foo".to_owned(), "a b".to_owned())].into());
    let special = &facts.special_remotes[&uuid(B)];
    assert_eq!(
        (special.name.as_str(), special.kind.as_str()),
        ("usb drive", "directory")
    );
    assert_eq!(special.settings["x"], "a&b&9");
    assert_eq!(facts.checked, [(uuid(A), 1_700_000_000)].into());
}

#[test]
fn nothing_about_a_private_remote_reaches_the_branch() {
    let place = Place::new();
    place.config("remote.secret.annex-private", "true");
    place.config("remote.secret.annex-uuid", B);
    let branch = place.annex.branch();
    let changes = [
        (key(1), uuid(A), Presence::Present),
        (key(1), uuid(B), Presence::Present),
    ];
    branch.record_presence(&changes, at("5")).unwrap();
    branch.record_value("uuid.log", &uuid(B), "secret", at("5")).unwrap();
    assert_eq!(branch.locations(&key(1)).unwrap(), [uuid(A), uuid(B)]);
    assert_eq!(
        branch.facts().unwrap().descriptions,
        [(uuid(B), "secret".to_owned())].into()
    );
    branch
        .record_presence(&[(key(1), uuid(B), Presence::Missing)], at("5"))
        .unwrap();
    assert_eq!(branch.locations(&key(1)).unwrap(), [uuid(A)]);
    branch.fold().unwrap();
    let git = place.git();
    let tree = git.find_commit(place.tip()).unwrap().tree_id();
    let bulk = Bulk::begin(&git).unwrap();
    let mut blobs = Vec::new();
    all_blobs(&bulk, tree, &mut blobs);
    assert_eq!(blobs, [format!("5s 1 {A}\n")]);
}

fn all_blobs(bulk: &Bulk<'_>, tree: Oid, found: &mut Vec<String>) {
    for (_, entry) in bulk.read_tree(tree).unwrap().entries() {
        if entry.is_directory() {
            all_blobs(bulk, entry.id, found);
        } else {
            found.push(String::from_utf8(bulk.read_blob(entry.id).unwrap()).unwrap());
        }
    }
}

#[test]
fn a_tuned_repository_is_not_opened() {
    let place = Place::new();
    place.config("annex.tune.objecthashlower", "false");
    assert!(Annex::open(place.directory.path()).is_ok());
    place.config("annex.tune.branchhash1", "true");
    assert!(matches!(Annex::open(place.directory.path()), Err(Error::Refused(_))));
}

#[test]
fn writers_wait_for_each_other_and_lose_nothing() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let annex = place.annex.clone();
            scope.spawn(move || {
                for round in 0..5 {
                    let changes = [(key(thread * 5 + round), uuid(A), Presence::Present)];
                    annex.branch().record_presence(&changes, at("5")).unwrap();
                }
            });
        }
    });
    let branch = place.annex.branch();
    let all = branch.changes(None, branch.tip().unwrap().unwrap()).unwrap();
    assert_eq!(all.locations.len(), 20);
    assert!(Path::new(&place.annex.annex_file("journal.lck")).exists());
}
