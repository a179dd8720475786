//! A folder on another computer that cannot take what was pushed: does everybody hear why, and when it has caught up?

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use whole_system::asking::is_in_state;
use whole_system::clones::Actor;
use whole_system::laptops::{Scene, follows, run_status, serve_by};
use whole_system::skip::needs_sshd;
use whole_system::sshd::Shell;
use whole_system::{Engine, PATIENCE, eventually, run};

/// Has a file there that was changed and is not committed, and changes it here as well. Undone by [`undo_edit_there`].
fn edit_at_both_ends(scene: &Scene) {
    fs::write(scene.server.join("before"), "changed there").unwrap();
    fs::write(scene.laptops[0].join("before"), "changed here").unwrap();
}

fn undo_edit_there(scene: &Scene) {
    let edited = fs::read_to_string(scene.server.join("before")).unwrap();
    assert_eq!(edited, "changed there");
    run(&mut scene.sandbox.git(&scene.server, ["checkout", "--quiet", "before"]));
}

const IN_THE_WAY: &str = "the folder on server waits: before was changed there and is not committed";

#[test]
fn a_sync_tells_why_the_folder_there_waits_until_it_has_caught_up() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, false);
    let sync = |laptop: &Path| Actor::Anabranch.sync(&scene.sandbox, laptop);
    let [ann, ben] = &scene.laptops;
    edit_at_both_ends(&scene);
    for _ in 0..2 {
        let said = sync(ann);
        assert!(said.contains(IN_THE_WAY), "{said}");
    }
    // He has nothing to push but what is there already.
    for _ in 0..2 {
        let said = sync(ben);
        assert!(said.contains(IN_THE_WAY), "{said}");
    }
    undo_edit_there(&scene);
    let said = sync(ben);
    assert!(!said.contains("waits"), "{said}");
    follows(&scene.server, "before", "changed here");
    let said = sync(ann);
    assert!(!said.contains("waits"), "{said}");

    let lock = scene.server.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    fs::write(ann.join("before"), "changed again").unwrap();
    let said = sync(ann);
    assert!(
        said.contains("the folder on server waits: ") && said.contains("index.lock"),
        "{said}"
    );
    fs::remove_file(lock).unwrap();
    sync(ann);
    follows(&scene.server, "before", "changed again");
}

#[test]
fn engines_hear_why_the_folder_there_waits_until_it_has_caught_up() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, false);
    let [ann, ben] = &scene.laptops;
    let engine = Engine::start(&scene.sandbox, &[ann, ben]);
    follows(ben, "before", "from before");
    for laptop in [ann, ben] {
        is_in_state(&scene.sandbox, laptop, "safe");
    }
    edit_at_both_ends(&scene);
    for laptop in [ann, ben] {
        eventually(PATIENCE * 3, || match run_status(&scene.sandbox, laptop) {
            told if told.contains(IN_THE_WAY) => Ok(()),
            told => Err(told),
        });
    }
    undo_edit_there(&scene);
    follows(&scene.server, "before", "changed here");
    for laptop in [ann, ben] {
        is_in_state(&scene.sandbox, laptop, "safe");
        let told = run_status(&scene.sandbox, laptop);
        assert!(!told.contains("waits"), "{told}");
    }
    engine.stop();
}

#[test]
fn a_server_that_names_no_extension_gets_no_word_of_one() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, false);
    let [ann, _] = &scene.laptops;
    let heard = scene.sandbox.path("heard");
    // As git-annex answers.
    serve_by(
        &scene,
        &format!(
            "echo \"$@\" >> '{0}'\n[ \"$1\" != configlist ] || {{ \"$real\" \"$@\" | grep -v anabranch; exit; }}\n\
             [ \"$1\" = p2pstdio ] || exec \"$real\" \"$@\"\ntee -a '{0}' | \"$real\" \"$@\"\n",
            heard.display()
        ),
    );
    let engine = Engine::start(&scene.sandbox, &[ann]);
    is_in_state(&scene.sandbox, ann, "safe");
    fs::write(ann.join("new"), "something new").unwrap();
    follows(&scene.server, "new", "something new");
    is_in_state(&scene.sandbox, ann, "safe");
    engine.stop();
    Actor::Anabranch.sync(&scene.sandbox, ann);
    let heard = fs::read_to_string(heard).unwrap();
    for said in ["configlist", "notifychanges", "p2pstdio", "\nPUT "] {
        assert!(heard.contains(said), "{heard}");
    }
    for unknown in ["anabranch.", "MERGE", "OFFER"] {
        assert!(!heard.contains(unknown), "{unknown}: {heard}");
    }
}
