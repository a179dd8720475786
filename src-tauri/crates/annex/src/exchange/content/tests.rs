#![allow(clippy::wildcard_enum_match_arm, reason = "any other outcome fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::slice::from_ref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::{Key, RepoPath};
use rustix::fs::inotify;

use super::destination::{Destination, TOGETHER, TOGETHER_BYTES, TOGETHER_LOCKED, Together};
use super::{Arrivals, CopyOutcome, Terms, Wanted, transfer};
use crate::locks::LockFile;
use crate::store::SMALL;
use crate::store::tests::{Top, configure, content, key_of, overwrite, put, repository};
use crate::{Annex, Error, Presence, Reached};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// Those of repositories in which nothing is set, but for the reserve.
const TERMS: Terms = Terms {
    reserve: 0,
    verify: true,
    secure_hashes_only: false,
};

struct Two {
    _top: Top,
    source: Annex,
    dest: Annex,
}

fn two() -> Two {
    let top = Top::new();
    let source = repository(&top.path().join("source"), &[]);
    let git = git2::Repository::init_bare(top.path().join("annex")).unwrap();
    let dest = configure(&git, &[("annex.uuid", OTHER)]);
    Two {
        source,
        dest,
        _top: top,
    }
}

fn wanted(keys: &[Key]) -> Vec<Wanted> {
    let one = |key: &Key| Wanted {
        key: key.clone(),
        path: Some(RepoPath::parse(b"some file").unwrap()),
    };
    keys.iter().map(one).collect()
}

fn run(two: &Two, keys: &[Key]) -> Vec<(Key, CopyOutcome)> {
    transfer(
        &two.source,
        &two.dest,
        &wanted(keys),
        TERMS,
        &|_, _| {},
        &AtomicBool::new(false),
    )
}

fn lock_path(annex: &Annex, below: &str, key: &Key) -> std::path::PathBuf {
    annex.annex_file("transfer").join(below).join(format!("lck.{key}"))
}

fn files_below(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let count = |entry: fs::DirEntry| {
        if entry.path().is_dir() {
            files_below(&entry.path())
        } else {
            1
        }
    };
    entries.map(|entry| count(entry.unwrap())).sum()
}

#[test]
fn every_size_and_number_arrives() {
    let two = two();
    let mut contents: Vec<Vec<u8>> = (0..100).map(|seed| content(200, seed + 1)).collect();
    contents.extend([content(0, 1), content(3 << 20, 2), content(9 << 20, 3)]);
    let keys: Vec<Key> = contents.iter().map(|content| put(&two.source, content)).collect();
    // Few at a time and many at once go different ways.
    for part in [&keys[..3], &keys[..]] {
        for (key, outcome) in run(&two, part) {
            let expected_present = part.len() > 3 && keys[..3].contains(&key);
            match outcome {
                CopyOutcome::Stored => assert!(!expected_present),
                CopyOutcome::AlreadyPresent => assert!(expected_present),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
    for (key, content) in keys.iter().zip(&contents) {
        assert_eq!(&fs::read(two.dest.store().find(key).unwrap()).unwrap(), content);
    }
    for place in ["transfer", "tmp", "othertmp"] {
        assert_eq!(files_below(&two.dest.annex_file(place)), 0, "{place}");
        assert_eq!(files_below(&two.source.annex_file(place)), 0, "{place}");
    }
}

#[test]
fn what_is_stored_together_has_limits() {
    let is_full = |sizes: &[(usize, u64)], next: u64| {
        let mut together = Together::default();
        for (count, size) in sizes {
            (0..*count).for_each(|_| together.add(*size, *size > SMALL));
        }
        together.is_full(next)
    };
    assert!(!is_full(&[(TOGETHER - 1, 1)], 1) && is_full(&[(TOGETHER, 1)], 1));
    assert!(!is_full(&[(1, SMALL), (TOGETHER_LOCKED - 1, SMALL + 1)], 1));
    assert!(is_full(&[(TOGETHER_LOCKED, SMALL + 1)], 1));
    let most = TOGETHER_BYTES - 12;
    assert!(!is_full(&[(2, 6), (1, most)], 0) && is_full(&[(2, 6), (1, most)], 1));
    assert!(!is_full(&[(2, 5), (1, most)], 2) && is_full(&[(2, 5), (1, most)], 3));
}

#[test]
fn among_many_only_what_is_not_small_is_locked_and_shown() {
    let two = two();
    let mut keys: Vec<Key> = (0..20).map(|seed| put(&two.source, &content(50, seed + 1))).collect();
    let small = usize::try_from(SMALL).unwrap();
    keys.extend([small, small + 1].map(|size| put(&two.source, &content(size, 1))));
    let few = [small, small + 1].map(|size| put(&two.source, &content(size, 2)));
    let shown = two
        .dest
        .annex_file("transfer/download")
        .join(two.source.uuid().as_str());
    let seen = |keys: &[Key]| {
        let (locked, told) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
        let look = |key: &Key, _: Reached| {
            if lock_path(&two.dest, "download/lck", key).exists() {
                locked.lock().unwrap().insert(key.clone());
            }
            if shown.join(key.to_string()).exists() {
                told.lock().unwrap().insert(key.clone());
            }
        };
        let none = AtomicBool::new(false);
        transfer(&two.source, &two.dest, &wanted(keys), TERMS, &look, &none);
        (locked.into_inner().unwrap(), told.into_inner().unwrap())
    };
    let set = |keys: &[Key]| keys.iter().cloned().collect();
    assert_eq!(seen(&keys), (set(&keys[21..]), set(&keys[21..])));
    assert_eq!(seen(&few), (set(&few), set(&few[1..])), "few are locked in any case");
}

#[test]
fn an_object_of_the_destination_that_is_another_is_replaced() {
    let two = two();
    let key = put(&two.source, b"good");
    put(&two.dest, b"good");
    for other in [&b"GOOD"[..], b""] {
        overwrite(&two.dest.store(), &key, other);
        let outcomes = run(&two, from_ref(&key));
        assert!(matches!(outcomes[0].1, CopyOutcome::Stored), "{outcomes:?}");
        assert_eq!(fs::read(two.dest.store().find(&key).unwrap()).unwrap(), b"good");
        assert!(matches!(run(&two, from_ref(&key))[0].1, CopyOutcome::AlreadyPresent));
    }
}

#[test]
fn an_object_of_the_destination_that_is_another_is_logged_as_missing_if_none_replaces_it() {
    let two = two();
    let key = put(&two.dest, b"content");
    let here = two.dest.uuid().clone();
    let now = crate::VectorClock::now();
    two.dest
        .branch()
        .record_presence(&[(key.clone(), here, Presence::Present)], now)
        .unwrap();
    overwrite(&two.dest.store(), &key, b"changed");
    let outcomes = run(&two, from_ref(&key));
    assert!(matches!(outcomes[0].1, CopyOutcome::SourceMissing), "{outcomes:?}");
    assert_eq!(two.dest.branch().locations(&key).unwrap(), []);
}

#[test]
fn what_the_source_lacks_or_has_wrong_is_told_and_not_stored() {
    let two = two();
    let missing = key_of(b"missing");
    let good = put(&two.source, b"good");
    let bad = put(&two.source, b"bad!");
    let object = two.source.store().find(&bad).unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, b"BAD!").unwrap();
    let outcomes = run(&two, &[missing.clone(), good.clone(), bad.clone()]);
    for (key, outcome) in outcomes {
        match outcome {
            CopyOutcome::SourceMissing => assert_eq!(key, missing),
            CopyOutcome::Stored => assert_eq!(key, good),
            CopyOutcome::Corrupt => assert_eq!(key, bad),
            other => panic!("{key}: {other:?}"),
        }
    }
    assert!(!two.dest.store().is_present(&bad));
    assert_eq!(fs::read(&object).unwrap(), b"BAD!");
}

#[test]
fn a_running_download_of_another_program_is_left_alone() {
    let two = two();
    let keys: Vec<Key> = (0..40).map(|seed| put(&two.source, &content(50, seed + 1))).collect();
    let large = put(&two.source, &content(2 << 20, 1));
    let one = [large.clone()];
    let locks = [&keys[0], &large].map(|key| LockFile::exclusive(&lock_path(&two.dest, "download/lck", key)).unwrap());
    // Left behind by a crash: held by nobody.
    drop(LockFile::exclusive(&lock_path(&two.dest, "download/lck", &keys[1])).unwrap());
    let busy = |keys: &[Key]| {
        let outcomes = run(&two, keys);
        let busy = outcomes
            .into_iter()
            .filter(|(_, outcome)| matches!(outcome, CopyOutcome::Busy));
        busy.map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(busy(&keys[..2]), [keys[0].clone()]);
    assert_eq!(busy(&keys), [keys[0].clone()]);
    assert_eq!(busy(&one), one);
    drop(locks);
    let upload = format!("upload/{OTHER}");
    let lock = LockFile::exclusive(&lock_path(&two.source, &upload, &large)).unwrap();
    assert_eq!(busy(&one), one);
    drop(lock);
    assert!(busy(&[keys[0].clone(), large]).is_empty());
}

#[test]
fn a_transfer_is_visible_to_git_annex_while_it_runs() {
    let two = two();
    let key = put(&two.source, &content(10 << 20, 1));
    let files = [
        two.dest
            .annex_file("transfer/download")
            .join(two.source.uuid().as_str()),
        two.source.annex_file("transfer/upload").join(OTHER),
    ];
    let seen = Mutex::new(Vec::new());
    let look = |key: &Key, reached: Reached| {
        if reached.there < 10 << 20 && seen.lock().unwrap().is_empty() {
            // Progress is not written down more often than this.
            std::thread::sleep(Duration::from_millis(250));
        }
        let removable = two.source.store().try_lock_content_exclusive(key).unwrap();
        assert!(removable.is_none(), "nobody is kept from removing it");
        let read = |directory: &std::path::PathBuf| fs::read_to_string(directory.join(key.to_string())).unwrap();
        seen.lock().unwrap().push(files.each_ref().map(read));
    };
    transfer(
        &two.source,
        &two.dest,
        &wanted(&[key]),
        TERMS,
        &look,
        &AtomicBool::new(false),
    );
    let seen = seen.into_inner().unwrap();
    for text in seen.iter().flatten() {
        let mut lines = text.lines();
        let first = lines.next().unwrap();
        assert!(first.split(' ').next().unwrap().ends_with('s'), "{text:?}");
        assert_eq!(lines.next(), Some("some file"), "{text:?}");
        assert_eq!(lines.next(), None);
    }
    let with_bytes = |texts: &[String; 2]| texts.iter().all(|text| text.lines().next().unwrap().contains(' '));
    assert!(seen.iter().any(with_bytes), "{seen:?}");
}

#[test]
fn cancelled_content_is_resumed_later() {
    let two = two();
    let bytes = content(20 << 20, 1);
    let key = put(&two.source, &bytes);
    let cancelled = AtomicBool::new(false);
    let stop = |_: &Key, reached: Reached| {
        if reached.there >= 5 << 20 {
            cancelled.store(true, Ordering::Relaxed);
        }
    };
    let outcomes = transfer(
        &two.source,
        &two.dest,
        &wanted(from_ref(&key)),
        TERMS,
        &stop,
        &cancelled,
    );
    assert!(matches!(outcomes[0].1, CopyOutcome::Cancelled), "{outcomes:?}");
    assert!(!two.dest.store().is_present(&key));
    let left = fs::metadata(two.dest.store().partial_path(&key)).unwrap().len();
    assert!((5 << 20..20 << 20).contains(&left), "{left}");
    assert!(matches!(run(&two, from_ref(&key))[0].1, CopyOutcome::Stored));
    assert_eq!(fs::read(two.dest.store().find(&key).unwrap()).unwrap(), bytes);
}

/// A limit counts what is moved: neither twice, nor what an earlier transfer has left.
#[test]
fn what_is_moved_is_told_once() {
    let two = two();
    let contents = [content(10, 1), content(3 << 20, 2), content(9 << 20, 3)];
    let keys = contents.each_ref().map(|bytes| put(&two.source, bytes));
    let partial = two.dest.store().partial_path(&keys[2]);
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, &contents[2][..8 << 20]).unwrap();
    let moved = AtomicU64::new(0);
    let count = |_: &Key, reached: Reached| {
        moved.fetch_add(reached.moved, Ordering::Relaxed);
    };
    let outcomes = transfer(
        &two.source,
        &two.dest,
        &wanted(&keys),
        TERMS,
        &count,
        &AtomicBool::new(false),
    );
    assert!(
        outcomes
            .iter()
            .all(|(_, outcome)| matches!(outcome, CopyOutcome::Stored)),
        "{outcomes:?}"
    );
    let moved = moved.into_inner();
    // What shares blocks with its source moves nothing.
    assert!((10..=10 + (4 << 20)).contains(&moved), "{moved}");
}

#[test]
fn the_reserve_of_the_destination_stays_free() {
    let two = two();
    let keys: Vec<Key> = (0..3).map(|seed| put(&two.source, &content(50, seed + 1))).collect();
    let none = AtomicBool::new(false);
    let terms = Terms {
        reserve: u64::MAX,
        ..TERMS
    };
    let outcomes = transfer(&two.source, &two.dest, &wanted(&keys), terms, &|_, _| {}, &none);
    assert_eq!(outcomes.len(), 3);
    for (key, outcome) in outcomes {
        assert!(
            matches!(outcome, CopyOutcome::DiskFull { need: 50 }),
            "{key}: {outcome:?}"
        );
    }
    let large = put(&two.source, &content(9 << 20, 1));
    let full = || {
        transfer(
            &two.source,
            &two.dest,
            &wanted(from_ref(&large)),
            terms,
            &|_, _| {},
            &none,
        )
    };
    assert!(matches!(full()[0].1, CopyOutcome::DiskFull { need: 9_437_184 }));
    run(&two, from_ref(&large));
    assert!(matches!(full()[0].1, CopyOutcome::AlreadyPresent), "it needs no room");
}

#[test]
fn a_file_system_in_trouble_or_without_the_repository_is_gone() {
    let two = two();
    let store = two.dest.store();
    let is_gone_after = |code: i32| {
        let dest = Destination::new(&store, two.source.uuid(), TERMS);
        let error = std::io::Error::from_raw_os_error(code);
        dest.failure(Error::io("write", two.dest.git_dir())(error), 1);
        dest.is_gone.into_inner()
    };
    fs::create_dir_all(two.dest.annex_dir()).unwrap();
    assert!(is_gone_after(nix::libc::EIO) && !is_gone_after(nix::libc::ENOENT));
    fs::remove_dir_all(two.dest.annex_dir()).unwrap();
    assert!(is_gone_after(nix::libc::ENOENT));
}

#[test]
fn a_drive_that_is_pulled_out_fails_and_nothing_is_made_in_its_place() {
    let two = two();
    let keys: Vec<Key> = (0..30)
        .map(|seed| put(&two.source, &content(2 << 20, seed + 1)))
        .collect();
    let place = two.dest.git_dir().to_owned();
    let pulled = |_: &Key, _: Reached| drop(fs::remove_dir_all(&place));
    let outcomes = transfer(
        &two.source,
        &two.dest,
        &wanted(&keys),
        TERMS,
        &pulled,
        &AtomicBool::new(false),
    );
    assert_eq!(outcomes.len(), keys.len());
    for (key, outcome) in outcomes {
        assert!(matches!(outcome, CopyOutcome::Failed(_)), "{key}: {outcome:?}");
        assert!(two.source.store().is_present(&key));
    }
    assert!(!place.exists());
}

#[test]
fn a_second_engine_waits_for_its_turn() {
    let two = two();
    let key = put(&two.source, b"hello\n");
    let turn = two
        .dest
        .git_dir()
        .join("anabranch")
        .join(format!("from-{}.lck", two.source.uuid()));
    let first = LockFile::exclusive(&turn).unwrap();
    let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&opened, &turn, inotify::WatchFlags::OPEN).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| run(&two, from_ref(&key)));
        // The second try shows that it waits for its turn.
        let (mut room, mut tries) = ([MaybeUninit::uninit(); 4096], 0);
        while tries < 2 && !second.is_finished() {
            let mut events = inotify::Reader::new(&opened, &mut room);
            while events.next().is_ok() {
                tries += 1;
            }
            std::thread::yield_now();
        }
        assert!(!two.dest.store().is_present(&key));
        drop(first);
        assert!(matches!(second.join().unwrap()[0].1, CopyOutcome::Stored));
    });
}

/// Receives contents, each in two parts, and says what came of them.
fn arrive(arrivals: &mut Arrivals<'_>, contents: &[(Key, Vec<u8>)]) -> Vec<(Key, CopyOutcome)> {
    let mut outcomes = Vec::new();
    for (wanted, (key, bytes)) in wanted(&contents.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>())
        .iter()
        .zip(contents)
    {
        let arrival = arrivals
            .wants(key)
            .and_then(|offset| arrivals.receive(wanted, offset, bytes.len() as u64));
        match arrival {
            Ok(mut arrival) => {
                for part in bytes.chunks(bytes.len() / 2 + 1) {
                    arrival.write(part).unwrap();
                }
                outcomes.extend(arrivals.arrived(arrival, true));
            }
            Err(outcome) => outcomes.push((key.clone(), outcome)),
        }
    }
    outcomes.extend(arrivals.finish());
    outcomes
}

#[test]
fn contents_that_arrive_are_stored_together_unless_they_are_wrong() {
    let two = two();
    let store = two.dest.store();
    let right = |size: usize, seed| (key_of(&content(size, seed)), content(size, seed));
    let mut contents: Vec<_> = (0..30).map(|seed| right(50, seed + 1)).collect();
    contents.extend([right(0, 1), right(2 << 20, 1)]);
    let wrong = [
        (key_of(&content(60, 1)), content(60, 2)),
        (key_of(&content(2 << 20, 3)), content(2 << 20, 4)),
    ];
    let longer = (key_of(&content(60, 5)), content(61, 5));
    let all = [&contents[..], &wrong, std::slice::from_ref(&longer)].concat();
    for count in [1, all.len()] {
        let mut arrivals = Arrivals::new(&store, two.source.uuid(), TERMS);
        arrivals.expect(count);
        for (key, outcome) in arrive(&mut arrivals, &all) {
            match (outcome, contents.iter().any(|(right, _)| *right == key)) {
                (CopyOutcome::Stored, true) => assert_eq!(count, 1),
                (CopyOutcome::AlreadyPresent, true) => assert_ne!(count, 1),
                (CopyOutcome::Corrupt, false) => {}
                other => panic!("{key}: {other:?}"),
            }
        }
    }
    for (key, bytes) in &contents {
        assert_eq!(&fs::read(store.find(key).unwrap()).unwrap(), bytes);
    }
    for place in ["transfer", "tmp", "othertmp"] {
        assert_eq!(files_below(&two.dest.annex_file(place)), 0, "{place}");
    }
}

#[test]
fn contents_that_another_engine_receives_are_locked_one_by_one() {
    let two = two();
    let store = two.dest.store();
    let contents = [(key_of(b"one"), b"one".to_vec())];
    let mut first = Arrivals::new(&store, two.source.uuid(), TERMS);
    first.expect(100);
    let mut second = Arrivals::new(&store, two.source.uuid(), TERMS);
    second.expect(100);
    let locked = lock_path(&two.dest, "download/lck", &contents[0].0);
    let begun = first.receive(&wanted(&[contents[0].0.clone()])[0], 0, 3).unwrap();
    assert!(!locked.exists());
    drop(begun);
    let begun = second.receive(&wanted(&[contents[0].0.clone()])[0], 0, 3).unwrap();
    assert!(locked.exists());
    drop(begun);
    assert!(matches!(arrive(&mut second, &contents)[0].1, CopyOutcome::Stored));
}
