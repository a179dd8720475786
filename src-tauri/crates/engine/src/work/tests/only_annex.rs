//! `annex.synconlyannex`.

use assistant::Pushed;

use super::*;

#[test]
fn no_commit_is_pushed_with_synconlyannex() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    commit_unlogged(&state, "a");
    let push = || {
        let effect = Effect::Push {
            id: Id(1),
            remote: name.clone(),
        };
        match perform(&state, effect, &[]) {
            Event::Pushed {
                pushed: Pushed::Done(heads),
                ..
            } => heads,
            other => panic!("{other:?}"),
        }
    };
    let ours = state.refs().heads;
    let has_commits = || there.path().join("a").exists();
    configure(&state, "synconlyannex", "true");
    assert_eq!((push().annex, has_commits()), (ours.annex, false));
    assert!(!state.list_remotes()[0].abilities.tree);
    configure(&state, "synconlyannex", "false");
    assert_eq!((push(), has_commits()), (ours, true));
    assert!(state.list_remotes()[0].abilities.tree);

    observe(&state).unwrap();
    state.take_redescribed();
    let branch = state.annex().branch();
    let now = annex::VectorClock::now();
    branch
        .record_field("config.log", "annex.synconlyannex", "true", now)
        .unwrap();
    observe(&state).unwrap();
    assert!(state.take_redescribed(), "the remotes are to be listed again");
}
