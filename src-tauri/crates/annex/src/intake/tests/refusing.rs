//! What is not taken in, or not now.

use std::mem::MaybeUninit;

use rustix::fs::inotify;

use super::*;
use crate::intake::head::Head;

#[test]
fn an_index_that_cannot_be_read_deletes_nothing() {
    for damage in 0..3 {
        let repo = Scratch::new();
        repo.write("a", "a");
        repo.write("b", "b");
        repo.sync();
        let index = repo.path(".git/index");
        match damage {
            0 => File::options().write(true).open(&index).unwrap().set_len(100).unwrap(),
            1 => File::options().write(true).open(&index).unwrap().set_len(0).unwrap(),
            _ => fs::remove_file(&index).unwrap(),
        }
        let intake = repo.sync();
        assert!(intake.commit.is_none());
        assert_eq!(repo.path(".git/index.damaged").exists(), damage < 2);
        repo.check();
    }
}

#[test]
fn refuses_where_a_commit_is_not_the_users_wish() {
    let repo = Scratch::new();
    repo.write("a", "a");
    repo.sync();
    repo.write("b", "b");
    let refused = |what: &str| match repo.ingest(repo.look()) {
        Err(Error::Refused(message)) => assert!(message.contains("nothing is lost"), "{message}"),
        other => panic!("{what}: {other:?}"),
    };
    let head = repo.git(&["rev-parse", "HEAD"]).to_string();
    fs::write(repo.path(".git/MERGE_HEAD"), &head).unwrap();
    refused("merge");
    fs::remove_file(repo.path(".git/MERGE_HEAD")).unwrap();
    repo.git(&["checkout", "-q", "--detach"]);
    refused("detached");
    for branch in [
        "heads/adjusted/main(unlocked)",
        "heads/views/a",
        "heads/git-annex",
        "other/main",
    ] {
        repo.git(&["symbolic-ref", "HEAD", &format!("refs/{branch}")]);
        refused(branch);
    }
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("100644,{},c", repo.git(&["hash-object", "-w", "a"]).to_string().trim()),
    ]);
    let blob = repo.git(&["hash-object", "-w", "a"]).to_string();
    let conflict = format!("100644 {0} 1\tx\n100644 {0} 2\tx\n", blob.trim());
    fs::write(repo.folder.path().join("info"), conflict).unwrap();
    let command = format!(
        "git update-index --index-info < {}",
        repo.folder.path().join("info").display()
    );
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(repo.top())
            .status()
            .unwrap()
            .success()
    );
    refused("conflict");
    assert_eq!(repo.git(&["rev-parse", "HEAD"]).to_string(), head);
    assert!(!repo.path(".git/index.lock").exists());
}

#[test]
fn a_branch_that_cannot_be_read_is_not_taken_for_a_new_one() {
    let repo = Scratch::new();
    fs::write(repo.path(".git/refs/heads/main"), "damaged").unwrap();
    let read = Head::read(&repo.annex.git().unwrap());
    assert!(matches!(read, Err(Error::Git { .. })), "{read:?}");
}

#[test]
fn a_root_that_is_gone_deletes_nothing() {
    let repo = Scratch::new();
    repo.write("a", "a");
    repo.sync();
    fs::remove_file(repo.path("a")).unwrap();
    let look = repo.look();
    let away = repo.folder.path().join("away");
    fs::rename(repo.top(), &away).unwrap();
    assert_eq!(repo.look().root, RootState::Vanished);
    fs::create_dir(repo.top()).unwrap();
    assert_eq!(repo.look().root, RootState::Replaced);
    assert!(repo.ingest(look).is_err());
    fs::remove_dir(repo.top()).unwrap();
    fs::rename(&away, repo.top()).unwrap();
    let look = repo.look();
    assert_eq!((look.root, look.removed.len()), (RootState::Same, 1));
    repo.git(&["config", "annex.uuid", "00000000-0000-4000-8000-000000000000"]);
    assert_eq!(repo.look().root, RootState::Replaced);
}

#[test]
fn the_index_is_shared_with_git() {
    let repo = Scratch::new();
    repo.write("a", "a");
    fs::write(repo.path(".git/index.lock"), "").unwrap();
    assert!(matches!(repo.ingest(repo.look()), Err(Error::Busy(_))));
    // A lock of this program that no process holds was left by one that died.
    fs::write(
        repo.path(".git/index.lock"),
        "anabranch holds this while it edits the index\n",
    )
    .unwrap();
    repo.sync();
    repo.check();
}

#[test]
fn git_is_waited_for_while_it_has_the_index() {
    let repo = Scratch::new();
    repo.write("a", "a");
    let lock = repo.path(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let branches = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&branches, repo.path(".git/refs/heads"), inotify::WatchFlags::DELETE).unwrap();
    std::thread::scope(|scope| {
        let intake = scope.spawn(|| repo.ingest(repo.look()));
        // It had the branch, could not have the index, and has let the branch go.
        let (mut room, mut has_tried) = ([MaybeUninit::uninit(); 4096], false);
        while !has_tried && !intake.is_finished() {
            has_tried = inotify::Reader::new(&branches, &mut room).next().is_ok();
            std::thread::yield_now();
        }
        fs::remove_file(&lock).unwrap();
        assert!(intake.join().unwrap().unwrap().commit.is_some());
    });
    repo.check();
}

#[test]
fn a_backend_that_is_not_secure_is_refused_where_only_secure_ones_are_wanted() {
    let mut repo = Scratch::new();
    repo.settings.securehashesonly = true;
    repo.settings.backend = "MD5E".to_owned();
    repo.write("a", "a");
    let refused = repo.ingest(repo.look());
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    repo.settings.backend = "SHA512E".to_owned();
    assert_eq!(repo.sync().counts.annexed, 1);
    repo.settings.securehashesonly = false;
    repo.settings.backend = "MD5E".to_owned();
    repo.write("b", "b");
    assert_eq!(repo.sync().counts.annexed, 1);
}

#[test]
fn where_no_room_is_left_only_what_needs_none_is_taken_in() {
    let mut repo = Scratch::new();
    repo.settings.diskreserve = u64::MAX;
    repo.write("a", "a");
    let intake = repo.ingest(repo.look()).unwrap();
    assert!(
        matches!(&intake.postponed[..], [(_, Postponed::NotStored(_))]),
        "{:?}",
        intake.postponed
    );
    // The object is the file itself, of which a symlink takes the place.
    repo.unlocked = false;
    let file = fs::metadata(repo.path("a")).unwrap().ino();
    assert_eq!(repo.sync().counts.annexed, 1);
    assert_eq!(fs::metadata(repo.path("a")).unwrap().ino(), file);
}

#[test]
fn a_file_that_must_lie_still_waits() {
    let mut repo = Scratch::new();
    repo.settings.delayadd = Duration::from_secs(60);
    repo.write("a", "a");
    let intake = repo.ingest(repo.look()).unwrap();
    assert_eq!(
        intake.postponed,
        [(path("a"), Postponed::TooYoung(Duration::from_secs(60)))]
    );
}
