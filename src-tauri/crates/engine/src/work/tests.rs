#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod costly;
mod dead;
mod journal;
mod links;
mod only_annex;
mod replaced;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use annex::{IntakeOptions, Scope};
use assistant::{Class, Direction, Effect, Event, Failure, Id, Looked, Lot, Outcome, Reach};
use model::{Key, Oid, RemoteName, RepoPath, Uuid};

use super::{FolderState, look_for_room, perform};
use crate::work::process::Process;

fn state(directory: &Path) -> FolderState {
    let annex = annex::init::init(directory, Some("here"), 1_700_000_000).unwrap();
    fs::create_dir_all(annex.own_dir()).unwrap();
    engine_state(annex, Arc::new(Process::new())).unwrap()
}

/// The state of an engine, which keeps its lock only until it is open.
pub(crate) fn engine_state(annex: annex::Annex, process: Arc<Process>) -> Result<FolderState, crate::Error> {
    let lock = annex.lock_engine("a test")?.unwrap();
    FolderState::open(annex, process, &lock)
}

/// Commits a new file like an ingest that is killed before it has logged the content.
pub(crate) fn commit_unlogged(state: &FolderState, name: &str) -> Key {
    let annex = state.annex();
    fs::write(annex.work_tree().unwrap().join(name), name).unwrap();
    let settings = state.settings().unwrap();
    let options = IntakeOptions {
        record: &|_| Ok(()),
        settings: &settings,
        is_large: &|_, _, _| Ok(None),
        is_unlocked: &|_, _, _| Ok(true),
        backend: &|_| Ok(None),
        message: "test",
        allow_removals: false,
        cancelled: &AtomicBool::new(false),
    };
    let look = annex.look(&Scope::Everything).unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    let mut intake = annex.ingest(look, &options, later).unwrap();
    intake.keys_added.pop().unwrap()
}

fn observe(state: &FolderState) -> Result<Vec<Class>, Failure> {
    match perform(state, Effect::Observe { id: Id(1) }, &[]) {
        Event::Observed { classes, heads, .. } => {
            assert_eq!(heads, state.refs().heads);
            classes
        }
        other => panic!("{other:?}"),
    }
}

/// Fills files whose content is here; false if there were none.
fn fill(state: &FolderState) -> bool {
    let is_due = super::fill::is_due(state);
    let filled = perform(state, Effect::Fill { id: Id(9) }, &[]);
    assert!(
        matches!(
            filled,
            Event::Filled {
                more: false,
                failed: None,
                ..
            }
        ),
        "{filled:?}"
    );
    is_due
}

#[test]
fn content_that_was_never_logged_is_logged_and_fills_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    let key = commit_unlogged(&state, "one");
    let here = state.annex().uuid().clone();
    assert!(state.annex().branch().locations(&key).unwrap().is_empty());
    // A checkout that came before the content leaves such a file.
    let file = directory.path().join("one");
    fs::write(&file, format!("/annex/objects/{key}\n")).unwrap();
    let classes = observe(&state).unwrap();
    assert!(fill(&state) && !fill(&state));
    assert_eq!(fs::read(&file).unwrap(), b"one");
    assert_eq!(
        state.annex().branch().locations(&key).unwrap(),
        std::slice::from_ref(&here)
    );
    assert_eq!((classes.len(), classes[0].keys), (1, 1));
    assert!(classes[0].have.contains(&here));
}

#[test]
fn observations_damaged_while_open_are_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    commit_unlogged(&state, "one");
    observe(&state).unwrap();
    let own = state.annex().own_dir();
    for name in ["observations.db", "observations.db-wal"] {
        let path = own.join(name);
        let length = fs::metadata(&path).unwrap().len().max(4096);
        fs::write(&path, vec![0xA5; usize::try_from(length).unwrap()]).unwrap();
    }
    commit_unlogged(&state, "two");
    // Cached pages may hide the damage for a while.
    let classes = observe(&state).and_then(|_| observe(&state)).unwrap();
    assert_eq!(classes.iter().map(|class| class.keys).sum::<u64>(), 2);
}

/// A rebase leaves such a state for a while.
#[test]
fn files_deleted_while_no_branch_was_checked_out_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    commit_unlogged(&state, "one");
    let first = state.refs().heads.tree.unwrap();
    commit_unlogged(&state, "two");
    observe(&state).unwrap();
    let head = directory.path().join(".git/HEAD");
    let branch = fs::read_to_string(&head).unwrap();
    fs::write(&head, format!("{first}\n")).unwrap();
    observe(&state).unwrap();
    let reference = branch.trim().strip_prefix("ref: ").unwrap();
    fs::write(directory.path().join(".git").join(reference), format!("{first}\n")).unwrap();
    fs::write(&head, &branch).unwrap();
    observe(&state).unwrap();
    let is_known = |name: &[u8]| {
        let path = RepoPath::parse(name).unwrap();
        state.reader().unwrap().file(&path).unwrap().is_some()
    };
    assert_eq!([b"one", b"two"].map(|name| is_known(name)), [true, false]);
}

/// Commits twice and goes back to the first commit, while the second was pushed here. Returns both, and the file of the
/// pushed ref.
fn with_incoming(state: &FolderState) -> (Oid, Oid, PathBuf) {
    let [first, second] = ["one", "two"].map(|name| {
        commit_unlogged(state, name);
        state.refs().heads.tree.unwrap()
    });
    let branch = state.annex().head().unwrap().branch;
    let heads = state.annex().git_dir().join("refs/heads");
    fs::write(heads.join(&branch), format!("{first}\n")).unwrap();
    let incoming = heads.join("synced").join(branch);
    fs::create_dir_all(incoming.parent().unwrap()).unwrap();
    fs::write(&incoming, format!("{second}\n")).unwrap();
    (first, second, incoming)
}

#[test]
fn a_held_commit_makes_a_merge_due_when_its_branch_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    let (first, second, incoming) = with_incoming(&state);
    assert!(state.refs().unmerged);
    state.hold_deletions([(Some(first), second)]);
    assert!(!state.refs().unmerged, "it waits for the user");
    fs::remove_file(&incoming).unwrap();
    assert!(state.refs().unmerged);
    let (id, partial, said) = (Id(1), false, None);
    match perform(&state, Effect::Merge { id, partial, said }, &[]) {
        Event::Merged { refs, held, .. } => assert_eq!((refs.unmerged, held), (false, None)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_merge_is_due_with_synconlyannex() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    with_incoming(&state);
    assert!(state.refs().unmerged);
    configure(&state, "synconlyannex", "true");
    assert!(!state.refs().unmerged);
}

/// A state with a connected remote, and the name of the remote.
fn workshop_with_a_remote(here: &Path, there: &Path) -> (FolderState, RemoteName) {
    let remote = annex::init::init(there, Some("there"), 1_700_000_000).unwrap();
    let state = state(here);
    annex::init::add_remote(state.annex(), &remote).unwrap();
    let name = state.list_remotes().pop().unwrap().name;
    let probe = Effect::Probe {
        id: Id(1),
        remote: name.clone(),
    };
    perform(&state, probe, &[]);
    (state, name)
}

/// The user makes the branches of a folder and a remote the same, in either repository.
#[test]
fn another_branch_checked_out_in_either_repository_is_noticed() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    state.examine_remote(&name);
    assert!(!state.examine_remote(&name));
    let check_out = |at: &Path| fs::write(at.join(".git/HEAD"), "ref: refs/heads/other\n").unwrap();
    check_out(there.path());
    assert!(state.examine_remote(&name));

    let ours = state.annex().head().unwrap().branch;
    state.remotes.set_other_branch(&name, Some((ours, "other".to_owned())));
    let is_news = || {
        let (events, _) = state.examine(&state.refs(), true);
        events.contains(&Event::RemoteRefsMoved(name.clone()))
    };
    assert!(!is_news());
    check_out(here.path());
    assert!(is_news());
}

/// Sends keys; returns the outcome of each.
fn send(state: &FolderState, remote: &RemoteName, keys: &[Key]) -> Vec<Outcome> {
    let effect = Effect::Transfer {
        id: Id(2),
        remote: remote.clone(),
        direction: Direction::Send,
        keys: keys.to_vec(),
    };
    let Event::Transferred { outcomes, .. } = perform(state, effect, &[]) else {
        panic!("a transfer ends as one")
    };
    let of = |key: &Key| {
        outcomes
            .iter()
            .find(|(of, _)| of == key)
            .map(|(_, outcome)| outcome.clone())
    };
    keys.iter().map(|key| of(key).unwrap()).collect()
}

fn configure(state: &FolderState, name: &str, value: &str) {
    let path = state.annex().git_dir().join("config");
    let mut config = fs::read_to_string(&path).unwrap();
    config += &format!("[annex]\n\t{name} = {value}\n");
    fs::write(path, config).unwrap();
}

/// There is no upper bound: the machine may be slow, but never faster than the limit.
#[test]
fn transfers_obey_the_bandwidth_limit() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    let keys = ["a".repeat(200), "b".repeat(200)].map(|file| commit_unlogged(&state, &file));
    observe(&state).unwrap();
    configure(&state, "bwlimit-upload", "1000 bytes");
    let begun_at = Instant::now();
    assert_eq!(send(&state, &name, &keys), [Outcome::Stored, Outcome::Stored]);
    assert!(
        begun_at.elapsed() >= Duration::from_millis(399),
        "{:?}",
        begun_at.elapsed()
    );
    configure(&state, "bwlimit-upload", "fast");
    let told = send(&state, &name, &keys);
    assert!(
        matches!(&told[0], Outcome::Failed(why) if why.contains("annex.bwlimit-upload")),
        "{told:?}"
    );
}

/// A pause or a stop may come before the thread of a transfer has begun.
#[test]
fn a_transfer_that_is_cancelled_before_it_begins_does_not_start() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    let keys = [commit_unlogged(&state, "one")];
    observe(&state).unwrap();
    state.transfers.announce(Id(2));
    state.transfers.cancel(Id(2), None);
    assert_eq!(send(&state, &name, &keys), [Outcome::Cancelled]);
    assert_eq!(send(&state, &name, &keys), [Outcome::Stored]);
}

/// Only keys that did not arrive are held back, only for their destination, and only if the user cancelled them.
#[test]
fn cancelled_keys_are_held_back_until_their_time_or_a_request() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    let keys = ["one", "two"].map(|file| commit_unlogged(&state, file));
    observe(&state).unwrap();
    let remote = state.remotes.get(&name).unwrap().uuid().unwrap().clone();
    let offered = || -> Vec<Key> {
        let classes = state.observations().classes().unwrap();
        let lots = classes.iter().map(|class| Lot {
            class: class.id,
            remote: name.clone(),
            direction: Direction::Send,
            source: state.annex().uuid().clone(),
            destination: remote.clone(),
        });
        let (id, lots, limit) = (Id(3), lots.collect(), 100);
        let Event::Offered { candidates, .. } = perform(&state, Effect::Offer { id, lots, limit }, &[]) else {
            panic!("an offer ends as one")
        };
        candidates.into_iter().map(|candidate| candidate.key).collect()
    };
    let cancel = |keys: &[Key], held_until| {
        state.transfers.announce(Id(2));
        state.transfers.cancel(Id(2), held_until);
        assert!(
            send(&state, &name, keys)
                .iter()
                .all(|outcome| *outcome == Outcome::Cancelled)
        );
    };
    cancel(&keys, None);
    assert_eq!(offered().len(), 2);
    let now = state.clock.now();
    cancel(&keys[..1], Some(now + Duration::from_secs(60)));
    assert_eq!(offered(), keys[1..]);
    let held = |uuid: &Uuid| state.priorities().held(uuid, now);
    assert_eq!(held(&remote).map(|held| held.files), Some(1));
    assert_eq!(held(state.annex().uuid()), None);
    state.retry_all();
    assert_eq!((offered().len(), held(&remote)), (2, None));
    cancel(&keys[..1], Some(state.clock.now()));
    assert_eq!(offered().len(), 2, "its time has come");
    cancel(&keys, Some(now + Duration::from_secs(60)));
    assert_eq!(send(&state, &name, &keys[..1]), [Outcome::Stored]);
    observe(&state).unwrap();
    assert_eq!(
        held(&remote).map(|held| held.files),
        Some(1),
        "what has arrived is not held back"
    );
}

#[test]
fn keys_that_found_a_full_disk_are_retried_when_there_is_space() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    configure(&state, "diskreserve", "0");
    let (name, here) = (RemoteName::parse("clone").unwrap(), state.annex().uuid().clone());
    for (size, has_room) in [(u64::MAX / 2, false), (1, true)] {
        let key = Key::parse(format!("SHA256E-s{size}--a").as_bytes()).unwrap();
        let full = [(key, Outcome::Full("no room".to_owned()))];
        state.failures().transferred(&name, Direction::Get, &here, &full);
        assert_eq!(look_for_room(&state), has_room, "{size}");
        assert_eq!(state.failures().lacks_room(&name, Direction::Get), !has_room);
    }
}

/// The rules may change between the plan and the start of a transfer.
#[test]
fn a_transfer_barred_by_new_rules_does_not_start() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    let keys = ["raw", "other"].map(|file| commit_unlogged(&state, file));
    observe(&state).unwrap();
    let transfer = || send(&state, &name, &keys);
    let rules = state.annex().own_dir().join(crate::rules::policy::FILE);
    fs::write(&rules, "[[rule]]\ndirectory = \"raw\"\nallow = \"content-down\"\n").unwrap();
    assert!(state.read_rules());
    assert_eq!(transfer(), [Outcome::Cancelled, Outcome::Stored]);
    fs::remove_file(&rules).unwrap();
    assert!(state.read_rules());
    assert_eq!(transfer(), [Outcome::Stored, Outcome::AlreadyThere]);
}

/// A remote that cannot be read is not a removed remote.
#[test]
fn a_vanished_repository_reports_no_changes() {
    let directory = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (directory.path().join("here"), directory.path().join("elsewhere"));
    fs::create_dir(&here).unwrap();
    let state = state(&here);
    let config = here.join(".git/config");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str("[remote \"clone\"]\n\turl = ../clone\n");
    fs::write(&config, text).unwrap();
    assert_eq!(state.list_remotes().len(), 1);
    let refs = state.refs();
    state.examine(&refs, true);
    fs::rename(&here, &elsewhere).unwrap();
    assert_eq!(state.examine(&refs, true).0, []);
    fs::rename(&elsewhere, &here).unwrap();
    assert_eq!(state.examine(&refs, true).0, []);
}

/// Probes a remote, with a file system of this type mounted at a place.
fn probe_on(state: &FolderState, name: &RemoteName, point: &Path, fs_type: &str) -> Reach {
    let mount = surroundings::Mount {
        point: point.to_owned(),
        device: "/dev/no device".into(),
        fs_type: fs_type.to_owned(),
        id: 1,
        device_number: (0, 0),
        root: "/".into(),
        read_only: false,
        layers: Vec::new(),
    };
    let (id, remote) = (Id(1), name.clone());
    match perform(state, Effect::Probe { id, remote }, &[mount]) {
        Event::Probed { reach, .. } => reach,
        other => panic!("{other:?}"),
    }
}

/// Anybody with a clone knows the uuids of all its places.
#[test]
fn a_place_on_another_disk_is_used_only_after_confirmation() {
    let directory = tempfile::tempdir().unwrap();
    let (state, name) = workshop_with_a_remote(&directory.path().join("here"), &directory.path().join("there"));
    let probe = || probe_on(&state, &name, directory.path(), "ext4");
    let known = || annex::settings::filesystems(state.annex(), &name).unwrap();
    assert_eq!(known(), [""; 0], "it was not found on any disk yet");
    assert!(matches!(probe(), Reach::Here(_)));
    let first = known();
    assert_eq!(first.len(), 1);
    assert!(matches!(probe(), Reach::Here(_)));
    assert_eq!(known(), first);

    // The disk that it was on before is away.
    let config = state.annex().git_dir().join("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(&first[0], "another")).unwrap();
    let is_held = |reach: Reach| {
        assert!(state.remotes.get(&name).is_none());
        matches!(reach, Reach::Away(assistant::Away::Unusable(why)) if why.contains("another disk"))
    };
    assert!(is_held(probe()));
    let asked = state.remotes.asks_about().unwrap();
    let text = asked.question().text;
    assert!(text.contains(name.as_str()) && text.contains("there"), "{text}");
    state.confirm(&asked, false).unwrap();
    assert!(is_held(probe()));
    assert_eq!(state.remotes.asks_about(), None, "it is asked once");
    state.confirm(&asked, true).unwrap();
    assert!(matches!(probe(), Reach::Here(_)));
    assert_eq!(known(), ["another".to_owned(), first[0].clone()]);
}

#[test]
fn the_user_is_asked_once_per_place_about_a_disk_without_an_id() {
    let directory = tempfile::tempdir().unwrap();
    let (state, name) = workshop_with_a_remote(&directory.path().join("here"), &directory.path().join("there"));
    let probe = |fs_type| probe_on(&state, &name, directory.path(), fs_type);
    assert!(matches!(probe("ext4"), Reach::Here(_)));
    assert!(matches!(probe("tmpfs"), Reach::Away(_)));
    state.confirm(&state.remotes.asks_about().unwrap(), true).unwrap();
    let known = annex::settings::filesystems(state.annex(), &name).unwrap();
    assert!(matches!(probe("tmpfs"), Reach::Here(_)));
    assert_eq!(state.remotes.asks_about(), None);
    assert_eq!(annex::settings::filesystems(state.annex(), &name).unwrap(), known);
}

#[test]
fn the_question_about_the_disk_of_a_removed_remote_is_withdrawn() {
    let directory = tempfile::tempdir().unwrap();
    let (state, name) = workshop_with_a_remote(&directory.path().join("here"), &directory.path().join("there"));
    let probe = |fs_type| probe_on(&state, &name, directory.path(), fs_type);
    assert!(matches!(probe("ext4"), Reach::Here(_)));
    assert!(matches!(probe("tmpfs"), Reach::Away(_)));
    state.list_remotes();
    assert!(state.remotes.asks_about().is_some());
    annex::settings::remove(state.annex(), &name).unwrap();
    state.list_remotes();
    assert_eq!(state.remotes.asks_about(), None);
}
/// Scans these paths and ingests the findings. Returns the names of postponed files.
fn look_and_ingest(state: &FolderState, id: u64, paths: &[&str]) -> Vec<String> {
    let paths = paths.iter().map(|path| RepoPath::parse(path.as_bytes()).unwrap());
    let scope = assistant::Scope::Paths(paths.collect());
    let look = Effect::Look {
        id: Id(id),
        scope,
        confirms: false,
    };
    match perform(state, look, &[]) {
        Event::Looked {
            looked: Looked::Found(_),
            ..
        } => {}
        other => panic!("{other:?}"),
    }
    let ingest = Effect::Ingest {
        id: Id(id + 1),
        look: Id(id),
        removals: true,
    };
    match perform(state, ingest, &[]) {
        Event::Ingested {
            postponed,
            failed: None,
            ..
        } => postponed.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// A stash or a revert by git leaves such a file.
#[test]
fn a_pointer_whose_content_is_here_is_filled_after_a_scan() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    let key = commit_unlogged(&state, "one");
    let file = directory.path().join("one");
    for (id, name) in [(1, "one"), (3, "moved")] {
        fs::rename(&file, directory.path().join(name)).unwrap();
        let file = directory.path().join(name);
        fs::write(&file, format!("/annex/objects/{key}\n")).unwrap();
        assert_eq!(look_and_ingest(&state, id, &["one", "moved"]), [""; 0]);
        assert!(fill(&state));
        assert_eq!(fs::read(&file).unwrap(), b"one", "{name}");
    }
}

#[test]
fn files_left_out_by_a_rule_are_added_when_it_is_corrected() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let path = |name: &str| RepoPath::parse(name.as_bytes()).unwrap();
    let is_in = |name: &str| state.annex().standing(&path(name)).unwrap() == annex::Standing::Tracked;
    write(".gitattributes", "* annex.largefiles=(nonsense\n");
    write("a", "a");
    write("b", "b");
    look_and_ingest(&state, 1, &[".gitattributes", "a", "b"]);
    assert!(!is_in("a"));
    let told = state.log.undecided();
    assert_eq!((told.len(), &told[0].1, told[0].2), (1, &path("a"), 2));
    assert!(state.log.left_out(&path("b")).unwrap().contains("nonsense"));

    let refs = state.refs();
    state.examine(&refs, true);
    assert_eq!(state.examine(&refs, true).0, []);
    configure(&state, "unknown", "other");
    assert!(state.examine(&refs, true).0.contains(&Event::CountLost(None)));

    write(".gitattributes", "* annex.largefiles=anything\n");
    look_and_ingest(&state, 5, &[".gitattributes"]);
    assert_eq!((is_in("a"), is_in("b")), (true, true));
    assert_eq!((state.log.undecided(), state.log.left_out(&path("b"))), (vec![], None));
}

#[test]
fn a_problem_disappears_with_its_cause() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    let key = commit_unlogged(&state, "one");
    let write = |name: &str| {
        let text = format!("/annex/objects/{key}\nand one line\n");
        fs::write(directory.path().join(name), text).unwrap();
    };
    let told = || state.log.unfit().into_keys().collect::<Vec<_>>();
    write("copy");
    write("other");
    look_and_ingest(&state, 1, &["copy", "other"]);
    assert_eq!(told(), ["copy", "other"]);
    fs::write(directory.path().join("copy"), "a content of its own").unwrap();
    look_and_ingest(&state, 3, &["copy"]);
    assert_eq!(told(), ["other"], "what was not looked at is still so");
    fs::remove_file(directory.path().join("other")).unwrap();
    look_and_ingest(&state, 5, &["other"]);
    assert_eq!(told(), [""; 0]);
}
