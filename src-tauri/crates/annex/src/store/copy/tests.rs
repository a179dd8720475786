use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use super::{LARGE, Onlooker, Source, Unfinished, copy, read_small, show};

#[test]
fn a_small_file_is_read_whole_whatever_size_was_expected() {
    let file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..200).collect();
    file.write_all_at(&content, 0).unwrap();
    for expected in [0, 1, 99, 199, 200, 201, 1000] {
        assert_eq!(read_small(&file, expected).unwrap(), content, "{expected}");
    }
}

#[test]
fn no_more_of_a_file_is_shown_than_was_asked_for() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&[1; 200], 0).unwrap();
    let onlooker = Onlooker {
        progress: &|_| {},
        cancelled: None,
    };
    for (size, expected) in [(0, 0), (120, 120), (200, 200), (201, 200)] {
        let mut seen = 0;
        let shown = show(&file, size, &mut |part| seen += part.len(), &onlooker).unwrap();
        assert_eq!((shown, seen as u64), (expected, expected), "{size}");
    }
}

/// Past the page cache everything goes in whole disk blocks; no size and no start may lose or double a byte.
#[test]
fn large_content_arrives_whole_whatever_its_size_and_where_it_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let onlooker = Onlooker {
        progress: &|_| {},
        cancelled: None,
    };
    for (size, start) in [
        (LARGE, 0),
        (LARGE + 1, 0),
        (LARGE + 4097, 0),
        (LARGE * 2, 4096),
        (LARGE * 2 + 5, 777),
    ] {
        let content: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        for is_object in [false, true] {
            let (from, to) = (directory.path().join("from"), directory.path().join("to"));
            std::fs::write(&from, &content).unwrap();
            std::fs::write(&to, &content[..start as usize]).unwrap();
            let source = File::open(&from).unwrap();
            let source = if is_object {
                Source::Object(&source)
            } else {
                Source::File(&source)
            };
            let dest = File::options().read(true).write(true).open(&to).unwrap();
            let mut seen = Vec::new();
            let mut absorb = |part: &[u8]| seen.extend_from_slice(part);
            assert_eq!(
                copy(source, &dest, start, size, Some(&mut absorb), &onlooker).unwrap(),
                size
            );
            assert!(
                seen == content[start as usize..],
                "{size} from {start}: what was hashed"
            );
            let mut arrived = Vec::new();
            File::open(&to).unwrap().read_to_end(&mut arrived).unwrap();
            assert!(arrived == content, "{size} from {start}: what was written");
            // The descriptor is as it was: unaligned writes go through it again.
            dest.write_all_at(b"x", 3).unwrap();
        }
    }
}

#[test]
fn a_full_disk_is_found_out_before_anything_is_copied() {
    const MIB: u64 = 1 << 20;
    let disk = tempfile::tempdir().unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"]).arg(disk.path());
    if !mount.status().is_ok_and(|status| status.success()) {
        return crate::skipped::lacks("mount", "nothing can be mounted here (it needs root)");
    }
    let copied = |start: u64, size: u64| {
        let source = tempfile::tempfile().unwrap();
        source.write_all_at(&vec![1; size as usize], 0).unwrap();
        let dest = tempfile::tempfile_in(disk.path()).unwrap();
        dest.write_all_at(&vec![1; start as usize], 0).unwrap();
        let moved = Cell::new(0);
        let onlooker = Onlooker {
            progress: &|reached| moved.set(moved.get() + reached.moved),
            cancelled: None,
        };
        let outcome = copy(Source::File(&source), &dest, start, size, None, &onlooker);
        (outcome.is_ok(), moved.get(), dest.metadata().unwrap().len())
    };
    let outcomes = (copied(8 * MIB, 16 * MIB), copied(MIB, 40 * MIB));
    let unmounted = Command::new("umount").arg(disk.path()).status().unwrap();
    assert!(unmounted.success());
    assert_eq!(outcomes, ((true, 8 * MIB, 16 * MIB), (false, 0, MIB)));
}

/// Whoever has them uses them in the ordinary way then.
#[test]
fn what_is_cancelled_leaves_both_files_as_they_were_opened() {
    let (source, dest) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    source.write_all_at(&vec![1; LARGE as usize * 2], 0).unwrap();
    let flags = |file: &File| rustix::fs::fcntl_getfl(file).unwrap();
    let before = (flags(&source), flags(&dest));
    let onlooker = Onlooker {
        progress: &|_| {},
        cancelled: Some(&AtomicBool::new(true)),
    };
    let outcome = copy(Source::Object(&source), &dest, 0, LARGE * 2, None, &onlooker);
    assert!(matches!(outcome, Err(Unfinished::Cancelled)), "{outcome:?}");
    assert_eq!((flags(&source), flags(&dest)), before);
}

/// A thread that ends early must end the others, not leave them waiting for its blocks.
#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn who_cannot_absorb_ends_it_all() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(LARGE * 4).unwrap();
    let onlooker = Onlooker {
        progress: &|_| {},
        cancelled: None,
    };
    let _ = show(&file, LARGE * 4, &mut |_| panic!("no more"), &onlooker);
}
