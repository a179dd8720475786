//! Dead remotes.

use annex::VectorClock;
use annex::settings::set;

use super::*;

#[test]
fn a_dead_remote_is_left_alone() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    let uuid = state.remotes.get(&name).unwrap().uuid().unwrap().clone();
    commit_unlogged(&state, "a");
    let is_used = || {
        let is_listed = !state.list_remotes().is_empty();
        let classes = observe(&state).unwrap();
        (is_listed, classes.iter().any(|class| class.want.contains(&uuid)))
    };
    assert_eq!(is_used(), (true, true));
    let level = format!("remote.{name}.annex-trustlevel");
    let choose = |trust: Option<&str>| set(state.annex(), &level, trust).unwrap();
    choose(Some("dead"));
    assert_eq!(is_used(), (false, false));
    choose(None);
    assert_eq!(is_used(), (true, true));

    let record = |trust: &str| {
        let branch = state.annex().branch();
        branch
            .record_value("trust.log", &uuid, trust, VectorClock::now())
            .unwrap();
        observe(&state).unwrap();
        assert!(state.take_redescribed(), "the remotes are to be listed again");
    };
    record("X");
    assert_eq!(is_used(), (false, false));
    choose(Some("semitrusted"));
    assert_eq!(is_used(), (true, true));
    choose(None);
    assert_eq!(is_used(), (false, false));
    record("?");
    assert_eq!(is_used(), (true, true));
}
