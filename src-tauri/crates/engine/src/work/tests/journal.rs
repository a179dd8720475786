use assistant::{Effect, Event, Id};

use super::super::{FolderState, perform};
use super::{look_and_ingest, observe, workshop_with_a_remote};

/// One commit of the git-annex branch tells of both ends of a transfer.
#[test]
fn where_a_new_file_is_becomes_known_at_once_and_is_committed_before_a_push_or_at_rest() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, name) = workshop_with_a_remote(here.path(), there.path());
    let has = |state: &FolderState| {
        let classes = observe(state).unwrap();
        let of_here = classes.iter().filter(|class| class.have.contains(state.annex().uuid()));
        of_here.map(|class| class.keys).sum::<u64>()
    };
    let before = has(&state);
    for (number, at_rest) in [(10, false), (20, true)] {
        let annex = state.refs().heads.annex;
        let file = format!("file-{number}");
        std::fs::write(here.path().join(&file), &file).unwrap();
        assert_eq!(look_and_ingest(&state, number, &[&file]), [""; 0]);
        assert_eq!(has(&state), before + number / 10);
        assert_eq!(state.refs().heads.annex, annex, "not committed yet");
        state.examine(&state.refs(), false);
        assert_eq!(state.refs().heads.annex, annex, "there is more to do");
        match at_rest {
            true => _ = state.examine(&state.refs(), true),
            false => {
                let effect = Effect::Push {
                    id: Id(1),
                    remote: name.clone(),
                };
                let Event::Pushed { refs, pushed, .. } = perform(&state, effect, &[]) else {
                    panic!();
                };
                assert_eq!(pushed, assistant::Pushed::Done(refs.heads));
            }
        }
        assert_ne!(state.refs().heads.annex, annex);
        assert!(!state.annex().branch().has_journal());
        assert_eq!(has(&state), before + number / 10);
    }
}
