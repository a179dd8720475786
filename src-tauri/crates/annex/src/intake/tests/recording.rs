use model::Key;

use super::{HELLO, key};
use crate::Error;
use crate::scratch_repository::Scratch;

#[test]
fn keys_are_recorded_when_their_content_is_here_and_a_failure_of_that_is_told() {
    let repo = Scratch::new();
    repo.write("a", "hello");
    let look = repo.look();
    let is_here = |keys: &[Key]| keys.iter().all(|key| repo.annex.store().is_present(key));
    let refused = repo.ingest_by(look, &|_| true, &|keys| {
        assert!(keys == [key(HELLO)] && is_here(keys));
        Err(Error::Refused("no".to_owned()))
    });
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    // What was staged stays so: the next look at everything finds nothing, and observing finds what was not recorded.
    assert!(repo.look().is_clean());
    repo.check();
}

#[test]
fn git_commands_of_the_user_work_while_contents_are_recorded() {
    let repo = Scratch::new();
    repo.write("a", "hello");
    let look = repo.look();
    // What was staged at first knows nothing of these.
    let beside = |_: &[Key]| {
        for number in 0..20 {
            repo.write("own", &"x".repeat(number));
            repo.git(&["-c", "filter.annex.clean=", "add", "own"]);
        }
        Ok(())
    };
    let intake = repo.ingest_by(look, &|path| path.as_bytes() == b"a", &beside).unwrap();
    assert!(intake.commit.is_some() && intake.postponed.is_empty(), "{intake:?}");
    assert_eq!(repo.names(), ["a", "own"]);
    assert_eq!(repo.git(&["show", "HEAD:own"]).len(), 19);
    assert!(repo.look().is_clean());
    repo.check();
}

#[test]
fn a_commit_of_the_user_while_contents_are_recorded_comes_first() {
    let repo = Scratch::new();
    repo.write("a", "hello");
    let look = repo.look();
    let beside = |_: &[Key]| {
        repo.write("own", "mine");
        repo.git(&["-c", "filter.annex.clean=", "add", "own"]);
        repo.git(&["commit", "--quiet", "--message=own", "--", "own"]);
        Ok(())
    };
    let intake = repo.ingest_by(look, &|path| path.as_bytes() == b"a", &beside).unwrap();
    assert!(intake.commit.is_some(), "{intake:?}");
    assert_eq!(repo.git(&["log", "--format=%s"]), "git-annex in test\nown\n");
    repo.check();
}
