//! A network that costs money.

use annex::settings::set;
use assistant::Away;
use contract::Settings;
use surroundings::Circumstances;

use super::*;

#[test]
fn other_computers_are_left_alone_while_the_network_costs_money() {
    let here = tempfile::tempdir().unwrap();
    let annex = annex::init::init(here.path(), Some("here"), 1_700_000_000).unwrap();
    fs::create_dir_all(annex.own_dir()).unwrap();
    set(&annex, "remote.desk.url", Some("ssh://desk.invalid/photos")).unwrap();
    // It would be asked if anything went there.
    set(&annex, "core.sshCommand", Some("exit 1;")).unwrap();
    let process = Arc::new(Process::new());
    let state = engine_state(annex, Arc::clone(&process)).unwrap();
    state.list_remotes();
    let why = |metered| {
        let settings = Settings {
            pause_on_metered: true,
            ..Settings::default()
        };
        process.follow(
            &settings,
            Circumstances {
                metered,
                ..Circumstances::default()
            },
        );
        let probe = Effect::Probe {
            id: Id(1),
            remote: RemoteName::parse("desk").unwrap(),
        };
        match perform(&state, probe, &[]) {
            Event::Probed {
                reach: Reach::Away(Away::Unusable(why)),
                ..
            } => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(why(true).contains("costs money"));
    assert!(!why(false).contains("costs money"));
}
