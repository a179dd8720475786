//! What was removed or replaced while an engine has it open.

use super::*;

#[test]
fn observations_removed_while_open_are_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path());
    commit_unlogged(&state, "one");
    observe(&state).unwrap();
    fs::remove_file(state.annex().own_dir().join("observations.db")).unwrap();
    let offer = Effect::Offer {
        id: Id(2),
        lots: Vec::new(),
        limit: 1,
    };
    // The readers notice.
    perform(&state, offer, &[]);
    assert!(state.take_renewed());
    assert_eq!(observe(&state).unwrap().len(), 1);
    assert!(state.reader().is_some());
}

#[test]
fn nothing_is_logged_in_a_repository_that_took_the_place_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("folder");
    fs::create_dir(&place).unwrap();
    let state = state(&place);
    commit_unlogged(&state, "one");
    observe(&state).unwrap();
    fs::rename(&place, directory.path().join("ours")).unwrap();
    fs::create_dir(&place).unwrap();
    let other = self::state(&place);
    let key = commit_unlogged(&other, "two");
    let failed = observe_failed(&state);
    assert!(matches!(failed, Failure::Gone(_)), "{failed:?}");
    assert!(other.annex().branch().locations(&key).unwrap().is_empty());
}

fn observe_failed(state: &FolderState) -> Failure {
    match perform(state, Effect::Observe { id: Id(1) }, &[]) {
        Event::Observed {
            classes: Err(failure), ..
        } => failure,
        other => panic!("{other:?}"),
    }
}
