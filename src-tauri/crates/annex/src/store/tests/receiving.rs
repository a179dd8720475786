//! Content of a known key that comes from elsewhere.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::store::{Onlooker, Unfinished};

#[test]
fn a_partial_transfer_resumes_and_a_wrong_one_starts_again() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    let bytes = content((12 << 20) + 3, 7);
    let key = key_of(&bytes);
    let source = file_with(top.path(), &bytes);
    let partial = store.partial_path(&key);
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    let mut wrong = bytes.clone();
    wrong[5] ^= 1;
    let longer = [&bytes[..], b"x"].concat();
    for (left, continued) in [
        (&bytes[..9 << 20], true),
        (&bytes, true),
        (&wrong[..9 << 20], false),
        (&longer, false),
    ] {
        fs::write(&partial, left).unwrap();
        let before = fs::metadata(&partial).unwrap().ino();
        let seen = Mutex::new(Vec::new());
        let received = store
            .copy_in(&source, &key, true, &|reached| seen.lock().unwrap().push(reached))
            .unwrap();
        assert_eq!(fs::read(received.path()).unwrap(), bytes);
        assert_eq!(received.path(), partial);
        assert_eq!(fs::metadata(&partial).unwrap().ino(), before);
        let seen = seen.into_inner().unwrap();
        let restarted = seen.windows(2).filter(|pair| pair[1].there < pair[0].there).count();
        assert_eq!(restarted == 0, continued || left.len() > bytes.len(), "{seen:?}");
        if continued {
            // What shares blocks moves nothing.
            let moved: u64 = seen.iter().map(|reached| reached.moved).sum();
            assert!(moved <= (bytes.len() - left.len()) as u64, "{seen:?}");
        }
        received.discard();
    }
    symlink(top.path().join("elsewhere"), &partial).unwrap();
    store.copy_in(&source, &key, true, &|_| {}).unwrap();
    assert!(!top.path().join("elsewhere").exists());
}

#[test]
fn what_is_left_of_a_cancelled_transfer_can_be_written_by_who_goes_on_with_it() {
    for crippled in ["false", "true"] {
        let top = Top::new();
        let annex = repository(top.path(), &[("annex.crippledfilesystem", crippled)]);
        let bytes = content(2 << 20, 9);
        let key = key_of(&bytes);
        let onlooker = Onlooker {
            progress: &|_| {},
            cancelled: Some(&AtomicBool::new(true)),
        };
        let source = file_with(top.path(), &bytes);
        source.set_permissions(fs::Permissions::from_mode(0o444)).unwrap();
        let store = annex.store();
        let outcome = store.copy_in_watched(&source, &key, false, &onlooker);
        assert!(matches!(outcome, Err(Unfinished::Cancelled)), "{outcome:?}");
        assert_eq!(mode(&store.partial_path(&key)), 0o644, "{crippled}");
    }
}

#[test]
fn what_does_not_match_its_key_is_not_stored() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for size in [100, 2 << 20, 9 << 20] {
        let bytes = content(size, 3);
        let mut wrong = bytes.clone();
        wrong[size - 1] ^= 1;
        for wrong in [&wrong[..], &bytes[..size - 1]] {
            let outcome = store.copy_in(&file_with(top.path(), wrong), &key_of(&bytes), true, &|_| {});
            assert!(matches!(outcome, Err(Error::Damaged(_))), "{size}: {outcome:?}");
        }
    }
    assert_eq!(entries(&annex.annex_file("tmp")), [""; 0]);
    assert_eq!(entries(&annex.annex_file("othertmp")), [""; 0]);
}

#[test]
fn what_is_not_to_be_verified_has_the_size_that_its_key_says() {
    let top = Top::new();
    let annex = repository(top.path(), &[]);
    let store = annex.store();
    for size in [100, 2 << 20, 9 << 20] {
        let bytes = content(size, 3);
        let mut other = bytes.clone();
        other[size - 1] ^= 1;
        let copy = |bytes: &[u8], of: &[u8]| {
            let received = store.copy_in(&file_with(top.path(), bytes), &key_of(of), false, &|_| {});
            received.map(|received| {
                let stored = fs::read(received.path()).unwrap();
                received.discard();
                stored
            })
        };
        assert_eq!(copy(&other, &bytes).unwrap(), other, "{size}");
        let shorter = copy(&bytes[..size - 1], &bytes);
        assert!(matches!(shorter, Err(Error::Damaged(_))), "{size}: {shorter:?}");
    }
    // Nobody knows where the first part of it came from.
    let bytes = content(9 << 20, 3);
    let key = key_of(&bytes);
    let partial = store.partial_path(&key);
    fs::write(&partial, vec![0; 2 << 20]).unwrap();
    let source = file_with(top.path(), &bytes);
    let received = store.copy_in(&source, &key, false, &|_| {}).unwrap();
    assert_eq!(fs::read(received.path()).unwrap(), bytes);
}
