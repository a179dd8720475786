use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;

use model::RepoPath;

use super::{Postponed, path};
use crate::scratch_repository::Scratch;
use crate::store::LARGE;

#[test]
fn a_file_whose_reading_is_cancelled_stays_as_it_is_and_is_taken_in_at_the_next_look() {
    for unlocked in [true, false] {
        let mut repo = Scratch::new();
        repo.unlocked = unlocked;
        repo.write("a", "a");
        repo.write("film", &"film".repeat(usize::try_from(LARGE / 2).unwrap()));
        let mode = || fs::symlink_metadata(repo.path("film")).unwrap().mode();
        let before = mode();
        // Asked just before it is read.
        let is_large = |asked: &RepoPath| {
            repo.cancelled.store(*asked == path("film"), Ordering::Relaxed);
            true
        };
        let intake = repo.ingest_deciding(repo.look(), &is_large).unwrap();
        assert_eq!(intake.postponed, [(path("film"), Postponed::Changed)]);
        assert_eq!((intake.counts.annexed, intake.commit.is_some()), (1, true));
        assert_eq!(mode(), before);
        let left = fs::read_dir(repo.annex.annex_file("othertmp")).unwrap();
        assert_eq!(left.count(), 0);

        let none = repo.ingest(repo.look()).unwrap();
        assert_eq!(none.postponed.len(), 1, "it is still cancelled");
        repo.cancelled.store(false, Ordering::Relaxed);
        assert_eq!(repo.sync().counts.annexed, 1);
        repo.check();
    }
}

/// Committed, the file would be gone for everybody until the next look.
#[test]
fn a_file_that_got_another_name_is_not_committed_as_gone_when_reading_is_cancelled() {
    let repo = Scratch::new();
    repo.write("a", "a");
    repo.sync();
    fs::rename(repo.path("a"), repo.path("z")).unwrap();
    repo.write("film", "film");
    let is_large = |asked: &RepoPath| {
        repo.cancelled.store(*asked == path("film"), Ordering::Relaxed);
        true
    };
    let intake = repo.ingest_deciding(repo.look(), &is_large).unwrap();
    assert_eq!((intake.counts.removed, intake.counts.renamed), (0, 0));
    assert!(
        intake.postponed.contains(&(path("a"), Postponed::Changed)),
        "{:?}",
        intake.postponed
    );
    assert!(repo.git(&["ls-files"]).to_string().lines().any(|name| name == "a"));

    repo.cancelled.store(false, Ordering::Relaxed);
    assert_eq!(repo.sync().counts.renamed, 1);
    repo.check();
}

#[test]
fn a_large_file_for_git_is_read_until_that_is_cancelled() {
    let repo = Scratch::new();
    let film = "film".repeat(usize::try_from(crate::objects::LARGE / 2).unwrap());
    repo.write("film", &film);
    let repo = &repo;
    let for_git = |is_cancelled| {
        move |_: &RepoPath| {
            repo.cancelled.store(is_cancelled, Ordering::Relaxed);
            false
        }
    };
    let intake = repo.ingest_deciding(repo.look(), &for_git(true)).unwrap();
    assert_eq!(intake.postponed, [(path("film"), Postponed::Changed)]);
    repo.cancelled.store(false, Ordering::Relaxed);
    let intake = repo.ingest_deciding(repo.look(), &for_git(false)).unwrap();
    assert_eq!((intake.counts.in_git, intake.postponed.len()), (1, 0));
    assert!(repo.staged()[0].1 == film, "it is as it was");
    repo.check();
}
