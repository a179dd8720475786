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
