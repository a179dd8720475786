#![allow(clippy::print_stdout, reason = "a vector test reports how many cases it ran")]

mod bad;
mod durable;
mod receiving;
mod serving;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Key, RepoPath};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, flock};

use super::{Making, Store, found};
use crate::locks::LockFile;
use crate::{Annex, Backend, Error, Hasher};
pub(crate) use bad::overwrite;

/// A temporary directory that can be deleted although objects in it are locked down.
pub(crate) struct Top(tempfile::TempDir);

impl Top {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        fn unlock(directory: &Path) {
            let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    unlock(&entry.path());
                }
            }
        }
        unlock(self.path());
    }
}

/// A repository in `directory`, with these settings besides.
pub(crate) fn repository(directory: &Path, settings: &[(&str, &str)]) -> Annex {
    let git = git2::Repository::init(directory).unwrap();
    configure(&git, settings)
}

pub(crate) fn configure(git: &git2::Repository, settings: &[(&str, &str)]) -> Annex {
    let mut config = git.config().unwrap();
    config.set_str("annex.version", "10").unwrap();
    config
        .set_str("annex.uuid", "11111111-1111-4111-8111-111111111111")
        .unwrap();
    for (name, value) in settings {
        config.set_str(name, value).unwrap();
    }
    fs::create_dir_all(git.path().join("annex")).unwrap();
    Annex::open(git.workdir().unwrap_or(git.path())).unwrap()
}

pub(crate) fn key_of(content: &[u8]) -> Key {
    let mut hasher = Hasher::new(Backend::Sha256);
    hasher.update(content);
    Key::parse(format!("SHA256E-s{}--{}.dat", content.len(), hasher.finish()).as_bytes()).unwrap()
}

/// Content of `size` bytes in which no block is like another.
pub(crate) fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(crate) fn file_with(directory: &Path, content: &[u8]) -> File {
    let path = directory.join("source");
    let _ = fs::remove_file(&path);
    fs::write(&path, content).unwrap();
    File::open(&path).unwrap()
}

/// Stores `content` and returns its key.
pub(crate) fn put(annex: &Annex, content: &[u8]) -> Key {
    let outside = Top::new();
    let (key, store) = (key_of(content), annex.store());
    let incoming = store
        .copy_in(&file_with(outside.path(), content), &key, true, &|_| {})
        .unwrap();
    finish(&store, vec![(key.clone(), incoming)]);
    key
}

pub(crate) fn finish(store: &Store<'_>, entries: Vec<(Key, super::Incoming)>) {
    let mut batch = store.batch().unwrap();
    for (key, incoming) in entries {
        batch.add(&key, incoming);
    }
    for (key, outcome) in batch.finish() {
        assert!(outcome.is_ok(), "{key}: {outcome:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn entries(directory: &Path) -> Vec<String> {
    let Ok(found) = fs::read_dir(directory) else {
        return Vec::new();
    };
    found
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn an_object_is_stored_as_git_annex_stores_it() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let source = file_with(top.path(), b"hello\n");
    source.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
    source
        .set_modified(UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789))
        .unwrap();
    let store = annex.store();
    let made = store.ingest(&source, Backend::Sha256, Making::Copy, None).unwrap();
    assert_eq!(
        made.digest,
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    );
    assert_eq!((made.size, made.linked), (6, false));
    let key = key_of(b"hello\n");
    assert!(!store.is_present(&key));
    finish(&store, vec![(key.clone(), made.incoming)]);
    let object = store.find(&key).unwrap();
    assert_eq!(object, store.object_path(&key));
    assert_eq!(fs::read(&object).unwrap(), b"hello\n");
    let found = fs::metadata(&object).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o440, "what was kept from others stays so");
    assert_eq!((found.mtime(), found.mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!(mode(object.parent().unwrap()) & 0o222, 0);
    assert_ne!(mode(object.ancestors().nth(2).unwrap()) & 0o200, 0);
    assert_eq!(entries(&annex.annex_file("othertmp")), [""; 0]);
}

#[test]
fn a_shared_repository_stays_shared() {
    let top = Top::new();
    let annex = repository(top.path(), &[("core.sharedRepository", "0660")]);
    let key = put(&annex, b"hello\n");
    let object = annex.store().find(&key).unwrap();
    assert_eq!(mode(&object), 0o440);
    let directories: Vec<u32> = object.ancestors().skip(1).take(3).map(mode).collect();
    assert_eq!(directories, [0o2570, 0o2770, 0o2770]);
}

#[test]
fn objects_of_the_other_layout_count_and_symlinks_do_not() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let key = key_of(b"hello\n");
    let name = crate::store::file_name(&key);
    let elsewhere = annex.annex_file("objects").join(crate::hash_directory::lower(&key));
    let elsewhere = elsewhere.join(&name).join(name);
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::write(top.path().join("real"), b"hello\n").unwrap();
    symlink(top.path().join("real"), &elsewhere).unwrap();
    assert_eq!(store.find(&key), None);
    assert!(store.open(&key).is_err());
    fs::remove_file(&elsewhere).unwrap();
    fs::write(&elsewhere, b"hello\n").unwrap();
    assert_eq!(store.find(&key), Some(elsewhere.clone()));
    assert!(store.open(&key).is_ok());
    put(&annex, b"hello\n");
    assert_eq!(store.find(&key), Some(elsewhere), "it is not stored a second time");

    let bare = Top::new();
    let bare = configure(&git2::Repository::init_bare(bare.path()).unwrap(), &[]);
    let path = bare.store().object_path(&key);
    let hashed = crate::hash_directory::lower(&key);
    assert!(path.starts_with(bare.annex_file("objects").join(hashed)), "{path:?}");
}

#[test]
fn an_object_that_is_there_is_kept_and_a_thing_in_its_place_is_not_replaced() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let key = put(&annex, b"hello\n");
    let before = fs::metadata(store.find(&key).unwrap()).unwrap();
    put(&annex, b"hello\n");
    assert_eq!(fs::metadata(store.find(&key).unwrap()).unwrap().ino(), before.ino());

    let other = key_of(b"other\n");
    fs::create_dir_all(store.object_path(&other)).unwrap();
    let incoming = store
        .copy_in(&file_with(top.path(), b"other\n"), &other, true, &|_| {})
        .unwrap();
    let mut batch = store.batch().unwrap();
    batch.add(&other, incoming);
    let outcome = &batch.finish()[0].1;
    assert!(matches!(outcome, Err(Error::Io { .. })), "{outcome:?}");
    assert!(store.object_path(&other).is_dir());
    assert_eq!(entries(&annex.annex_file("othertmp")), [""; 0]);
}

#[test]
fn many_are_stored_together() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let contents: Vec<Vec<u8>> = (0..200).map(|seed| content(100, seed + 1)).collect();
    let incoming = contents.iter().map(|content| {
        let made = store
            .ingest(&file_with(top.path(), content), Backend::Sha256, Making::Copy, None)
            .unwrap();
        (key_of(content), made.incoming)
    });
    finish(&store, incoming.collect());
    for content in &contents {
        let object = store.find(&key_of(content)).unwrap();
        assert_eq!(&fs::read(&object).unwrap(), content);
        assert_eq!(mode(object.parent().unwrap()) & 0o222, 0);
    }
}

#[test]
fn content_of_every_size_passes_whole() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let mib = 1 << 20;
    for size in [0, 1, mib, mib + 1, 8 * mib - 1, 8 * mib, 17 * mib + 5] {
        let bytes = content(size, size as u64 + 1);
        let key = key_of(&bytes);
        let source = file_with(top.path(), &bytes);
        let made = store.ingest(&source, Backend::Sha256, Making::Copy, None).unwrap();
        assert!(key.name().starts_with(made.digest.as_bytes()), "{size}");
        assert_eq!(fs::read(made.incoming.path()).unwrap(), bytes, "{size}");
        let seen = Mutex::new(0);
        let received = store
            .copy_in(&source, &key, true, &|reached| *seen.lock().unwrap() = reached.there)
            .unwrap();
        assert_eq!(fs::read(received.path()).unwrap(), bytes, "{size}");
        assert_eq!(received.path() == store.partial_path(&key), size > mib, "{size}");
        assert_eq!(*seen.lock().unwrap(), size as u64);
        finish(&store, vec![(key.clone(), received)]);
        let copy = store.content_for_work_tree(&key, &any_path(), false, false).unwrap();
        assert_eq!(fs::read(copy.path()).unwrap(), bytes, "{size}");
        assert_ne!(mode(&copy.path()) & 0o200, 0);
    }
    assert_eq!(entries(&annex.annex_file("tmp")), [""; 0]);
}

fn any_path() -> RepoPath {
    RepoPath::parse(b"a file").unwrap()
}

#[test]
fn scratch_left_by_a_crash_is_removed_unless_somebody_works_there() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let scratch = annex.annex_file("othertmp");
    fs::create_dir_all(scratch.join("directory")).unwrap();
    fs::write(scratch.join("left"), b"x").unwrap();
    let other = LockFile::shared(&annex.annex_file("othertmp.lck")).unwrap();
    let store = annex.store();
    let source = file_with(top.path(), b"hello\n");
    drop(store.ingest(&source, Backend::Sha256, Making::Copy, None).unwrap());
    assert_eq!(entries(&scratch).len(), 2);
    drop(other);
    let kept = store.ingest(&source, Backend::Sha256, Making::Copy, None).unwrap();
    assert_eq!(entries(&scratch).len(), 1);
    assert!(
        LockFile::try_exclusive(&annex.annex_file("othertmp.lck"))
            .unwrap()
            .is_none()
    );
    drop(kept);
    assert!(
        LockFile::try_exclusive(&annex.annex_file("othertmp.lck"))
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_second_thread_makes_its_files_in_a_directory_of_its_own() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let of = |store: &Store<'_>| store.scratch_file(0o600).unwrap().1.path().parent().unwrap().to_owned();
    assert_eq!(of(&store.beside()), of(&store).join("beside"));
}

#[test]
fn linked_content_is_the_file_itself() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let source = file_with(top.path(), b"hello\n");
    let path = top.path().join("source");
    let made = store
        .ingest(&source, Backend::Sha256, Making::Link(&path), None)
        .unwrap();
    assert!(made.linked);
    let key = key_of(b"hello\n");
    finish(&store, vec![(key.clone(), made.incoming)]);
    assert_eq!(
        fs::metadata(store.find(&key).unwrap()).unwrap().ino(),
        fs::metadata(&path).unwrap().ino()
    );
    // A third file must not share the inode with the second: writing to one would change the other.
    let copy = store.content_for_work_tree(&key, &any_path(), true, false).unwrap();
    assert_eq!(fs::metadata(copy.path()).unwrap().nlink(), 1);
    fs::remove_file(&path).unwrap();
    let thin = store.content_for_work_tree(&key, &any_path(), true, false).unwrap();
    assert_eq!(fs::metadata(thin.path()).unwrap().nlink(), 2);
    fs::write(&path, b"other").unwrap();
    let replaced = store.ingest(&source, Backend::Sha256, Making::Link(&path), None);
    assert!(matches!(replaced, Err(Error::Busy(_))), "{replaced:?}");
}

#[test]
fn the_reserve_is_respected_and_a_missing_drive_is_not_made() {
    let top = Top::new();
    let place = top.path().join("annex");
    let git = git2::Repository::init_bare(&place).unwrap();
    let annex = configure(&git, &[]);
    let store = annex.store();
    assert!(store.check_reserve(1, 0).is_ok());
    let free = || match store.check_reserve(1, u64::MAX) {
        Err(Error::DiskReserve { free, .. }) => free,
        other => panic!("{other:?}"),
    };
    // All that is free may be stored; others use the disk meanwhile.
    let outcome = loop {
        let before = free();
        let outcome = store.check_reserve(before - 1, 1);
        if free() == before {
            break outcome;
        }
    };
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(matches!(
        store.check_reserve(1, u64::MAX),
        Err(Error::DiskReserve { need: 1, .. })
    ));
    fs::remove_dir_all(&place).unwrap();
    let source = file_with(top.path(), b"hello\n");
    assert!(store.ingest(&source, Backend::Sha256, Making::Copy, None).is_err());
    assert!(store.batch().is_err());
    assert!(!place.exists());
    // Content is not here where there is no repository; where something else is, nobody can tell.
    assert!(matches!(annex.store().find_directory("objects"), Ok(None)));
    fs::write(&place, "a file").unwrap();
    assert!(annex.store().find_directory("objects").is_err());
    let error = |kind: std::io::ErrorKind| Error::io("open", &place)(kind.into());
    assert!(matches!(
        found::<()>(Err(error(std::io::ErrorKind::NotFound))),
        Ok(None)
    ));
    assert!(found::<()>(Err(error(std::io::ErrorKind::PermissionDenied))).is_err());
}

/// The lists of `locks.json`, in which an outside process holds a lock or leaves a retention file and git-annex runs.
fn vectors(list: &str) -> Vec<serde_json::Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/locks.json");
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    vectors[list].as_array().unwrap().clone()
}

/// Another process that holds a lock, as in the vectors; dropped, it ends. In this process a POSIX lock would be lost as
/// soon as anybody closes a descriptor of the file.
struct Outsider(Child);

impl Outsider {
    fn lock(path: &Path, case: &serde_json::Value, kind: &str, exclusive: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["store::tests::outside_process", "--exact", "--nocapture"])
            .env("LOCK_OUTSIDE", path)
            .env("LOCK_KIND", format!("{kind} {exclusive}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("locked")), "{case}");
        Self(child)
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Not a test of its own: what [`Outsider`] runs.
#[test]
fn outside_process() {
    let Some(path) = std::env::var_os("LOCK_OUTSIDE") else {
        return;
    };
    let wanted = std::env::var("LOCK_KIND").unwrap();
    let (kind, exclusive) = wanted.split_once(' ').unwrap();
    let exclusive = exclusive == "true";
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    let lock_type = if exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
    let lock = libc::flock {
        l_type: lock_type as libc::c_short,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match kind {
        "none" => {}
        "posix" => drop(fcntl(&file, FcntlArg::F_SETLK(&lock)).unwrap()),
        "ofd" => drop(fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap()),
        "flock" if exclusive => flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap(),
        "flock" => flock(&file, FlockOperation::NonBlockingLockShared).unwrap(),
        other => panic!("unknown kind of lock {other}"),
    }
    println!("\nlocked");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn content_is_removed_only_when_git_annex_would_remove_it() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let cases = vectors("content_lock");
    for case in &cases {
        let key = put(&annex, case.to_string().as_bytes());
        let object = store.find(&key).unwrap();
        let directory = object.parent().unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        let lock = directory.join(format!("{key}.lck"));
        let held = Outsider::lock(
            &lock,
            case,
            case["lock_on_KEY.lck"].as_str().unwrap(),
            case["exclusive"].as_bool().unwrap(),
        );
        fs::set_permissions(directory, fs::Permissions::from_mode(0o555)).unwrap();
        let removed = store.set_bad(&key).unwrap();
        assert_eq!(object.exists(), case["object_left"].as_bool().unwrap(), "{case}");
        assert_eq!(removed, !object.exists(), "{case}");
        drop(held);
    }
    let retention = vectors("retention");
    for case in &retention {
        let key = put(&annex, case.to_string().as_bytes());
        let object = store.find(&key).unwrap();
        let directory = object.parent().unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let text = match case["KEY.rtm"].as_str().unwrap() {
            "in the future" => format!("{}s", now + 1000),
            "in the past" => format!("{}s", now - 10),
            "fractional, future" => format!("{}.5s", now + 1000),
            "no s, future" => format!("{}", now + 1000),
            "garbage" => "abc".to_owned(),
            "empty" => String::new(),
            other => panic!("unknown retention {other}"),
        };
        fs::write(directory.join(format!("{key}.rtm")), text).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o555)).unwrap();
        store.set_bad(&key).unwrap();
        assert_eq!(object.exists(), case["object_left"].as_bool().unwrap(), "{case}");
        assert_eq!(directory.exists(), case["dir_left"].as_bool().unwrap(), "{case}");
    }
    println!(
        "locks.json: {} content_lock and {} retention run",
        cases.len(),
        retention.len()
    );
}

#[test]
fn lock_files_are_respected_as_git_annex_respects_them() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let (mut run, mut not_yet) = (0, 0);
    for case in vectors("annex_dir_locks") {
        let (file, kind) = (case["file"].as_str().unwrap(), case["exclusive_lock"].as_str().unwrap());
        let blocks = case["git_annex_add_blocks"].as_bool().unwrap();
        if !blocks && kind != "flock" {
            // Which commands use which of these files is for those who write the files.
            not_yet += 1;
            continue;
        }
        let held = Outsider::lock(&annex.annex_file(file), &case, kind, true);
        let path = annex.annex_file(file);
        assert_eq!(LockFile::try_exclusive(&path).unwrap().is_none(), blocks, "{case}");
        assert_eq!(LockFile::try_shared(&path).unwrap().is_none(), blocks, "{case}");
        if file == "othertmp.lck" {
            let source = file_with(top.path(), b"hello\n");
            let (done, waiting) = mpsc::channel();
            std::thread::scope(|scope| {
                let annex = &annex;
                scope.spawn(move || {
                    let made = annex.store().ingest(&source, Backend::Sha256, Making::Copy, None);
                    done.send(made.is_ok()).unwrap();
                });
                let early = waiting.recv_timeout(Duration::from_millis(if blocks { 200 } else { 10_000 }));
                assert_eq!(early.is_err(), blocks, "{case}");
                drop(held);
                assert!(early.unwrap_or_else(|_| waiting.recv().unwrap()));
            });
        }
        run += 1;
    }
    println!("locks.json: {run} annex_dir_locks run, {not_yet} not yet concerned");
}
