//! The desktop program and a real notification server: what is shown, what its buttons do, and what without one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use whole_system::asking::status;
use whole_system::clones::Actor;
use whole_system::drives::SmallDisk;
use whole_system::edits::save;
use whole_system::skip::{needs_desktop, needs_notification_server, needs_root, or_skipped};
use whole_system::{PATIENCE, Scene, attempt, eventually, run, trees};

const FILES: u32 = 10;
const QUESTION: &str = "CRITICAL | Photos: a question waits for your answer | ";

#[test]
fn a_question_is_shown_and_answered() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let dunst = scene.dunst();
    let engine = scene.run();
    scene.is("safe");
    assert_eq!(dunst.ever(), "", "a folder that is up to date is no news");

    scene.delete_pictures(&engine);
    dunst.shows(&format!("{QUESTION}9 of 10 files are gone from this folder."));
    dunst.has(1);
    // Answered elsewhere it is taken back.
    assert!(
        attempt(scene.sandbox.anabranch(["answer", "no"]).arg(&scene.photos))
            .status
            .success()
    );
    dunst.has(0);
    scene.is("safe");

    scene.delete_pictures(&engine);
    dunst.has(1);
    dunst.click("Bring them back");
    scene.is("safe");
    assert_eq!(fs::read_to_string(scene.photos.join("9.jpg")).unwrap(), "picture 9\n");
    dunst.has(0);
    assert_eq!(dunst.ever().matches(QUESTION).count(), 2, "{}", dunst.ever());
    engine.stop();
}

#[test]
fn a_button_opens_the_window() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let dunst = scene.dunst();
    let engine = scene.run();
    scene.delete_pictures(&engine);
    dunst.has(1);
    assert!(scene.desktop.windows("Anabranch").is_empty());
    dunst.click("Review…");
    scene.desktop.has_windows(1);
    dunst.has(0);
    engine.stop();
}

#[test]
fn a_server_that_is_absent_late_or_gone_is_lived_with() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let engine = scene.run();
    scene.delete_pictures(&engine);
    scene.is("needs-you");
    // What is true when it comes is shown, also by the next after one that crashed.
    for _ in 0..2 {
        let dunst = scene.dunst();
        dunst.shows(QUESTION);
    }
    assert!(!engine.words().contains("notification"), "{}", engine.words());
    // A program that ends takes its notifications with it.
    let dunst = scene.dunst();
    dunst.has(1);
    engine.stop();
    dunst.has(0);
}

#[test]
fn how_long_something_is_so_is_written_down_without_a_server_too() {
    if !needs_desktop() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let clone = scene.cloned_to("clone");
    let away = scene.sandbox.path("away");
    fs::rename(&clone, &away).unwrap();
    let engine = scene.run();
    scene.is("waiting");
    let record = scene.sandbox.path("home/.local/state/anabranch/notices.json");
    let lacks = |is_lacking: bool| {
        eventually(PATIENCE, || match fs::read_to_string(&record).unwrap_or_default() {
            text if !text.is_empty() && text.contains(r#""lacks_since":[[["#) == is_lacking => Ok(()),
            text => Err(text),
        });
    };
    lacks(true);
    fs::rename(&away, &clone).unwrap();
    scene.sync();
    scene.is("safe");
    lacks(false);
    engine.stop();
}

#[test]
fn two_versions_that_are_kept_are_told() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let clone = scene.cloned_to("clone");
    scene.sync();
    fs::write(scene.photos.join("0.jpg"), "the folder's\n").unwrap();
    fs::write(clone.join("0.jpg"), "the clone's\n").unwrap();
    Actor::Anabranch.sync(&scene.sandbox, &clone);
    let dunst = scene.dunst();
    let engine = scene.run();
    dunst.shows("NORMAL | Photos: both versions kept | A file was changed in two places at the same time.");
    engine.stop();
}

#[test]
fn the_first_time_in_step_is_told_once() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let clone = scene.cloned_to("clone");
    let away = scene.sandbox.path("away");
    let dunst = scene.dunst();
    for (start, file) in ["a.jpg", "b.jpg"].into_iter().enumerate() {
        fs::rename(&clone, &away).unwrap();
        fs::write(scene.photos.join(file), file).unwrap();
        let engine = scene.run();
        scene.is("waiting");
        // It has seen that something is missing.
        let record = scene.sandbox.path("home/.local/state/anabranch/notices.json");
        eventually(PATIENCE, || match fs::read_to_string(&record).unwrap_or_default() {
            text if text.contains(r#""lacks_since":[[["#) => Ok(()),
            text => Err(text),
        });
        fs::rename(&away, &clone).unwrap();
        scene.sync();
        scene.is("safe");
        assert!(clone.join(file).exists());
        dunst.shows("LOW | Photos is up to date | ");
        engine.stop();
        assert_eq!(dunst.ever().lines().count(), 1, "start {start}: {}", dunst.ever());
    }
}

#[test]
fn versions_that_were_kept_elsewhere_are_told_until_one_is_left() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let clone = scene.cloned_to("clone");
    save(&clone, "0.jpg", "as the clone has it");
    save(&scene.photos, "0.jpg", "as it is here");
    scene.sync();
    let dunst = scene.dunst();
    let engine = scene.run();
    // The clone has its own, and nobody tends it.
    scene.is("waiting");
    assert!(!dunst.ever().contains("both versions"), "{}", dunst.ever());

    // It merges there, and comes here as a merge that is done.
    Actor::Anabranch.sync(&scene.sandbox, &clone);
    let text = "A file was changed in two places at the same time. Both versions are in the folder.";
    dunst.shows(&format!("NORMAL | Photos: both versions kept | {text}"));
    let versions: Vec<PathBuf> = trees::files(&scene.photos)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".variant-"))
        .collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
    fs::remove_file(scene.photos.join(&versions[0])).unwrap();
    eventually(PATIENCE, || match status(&scene.sandbox, &scene.photos)? {
        folder if folder["conflicts"] == 0 => Ok(()),
        folder => Err(folder.to_string()),
    });
    engine.stop();
    assert_eq!(
        dunst.ever().matches("both versions kept").count(),
        1,
        "{}",
        dunst.ever()
    );
}

#[test]
fn a_full_disk_is_told_once() {
    if !needs_notification_server() || !needs_root() {
        return;
    }
    let scene = Scene::of_pictures(FILES);
    let Some(disk) = or_skipped("mount", SmallDisk::new(&scene.sandbox, "small", 12)) else {
        return;
    };
    scene.cloned_to("small/clone");
    let dunst = scene.dunst();
    let engine = scene.run();
    dunst.shows("NORMAL | Photos: disk full | clone is full.");
    dunst.has(1);
    disk.grow(200);
    scene.sync();
    dunst.shows("LOW | Photos is up to date | ");
    engine.stop();
    assert_eq!(dunst.ever().lines().count(), 2, "{}", dunst.ever());
}

#[test]
fn damage_is_told_as_danger() {
    if !needs_notification_server() {
        return;
    }
    let scene = Scene::of_pictures(0);
    // The object is the only copy.
    run(&mut scene
        .sandbox
        .git(&scene.photos, ["config", "annex.addunlocked", "false"]));
    fs::write(scene.photos.join("a.jpg"), "a picture\n").unwrap();
    scene.sync();
    let objects = trees::objects(&scene.photos.join(".git"));
    let object = objects.values().next().expect("the file has an object");
    fs::set_permissions(object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(object, "a pictuRe\n").unwrap();
    scene.cloned_to("clone");
    let dunst = scene.dunst();
    let engine = scene.run();
    dunst.shows("CRITICAL | Photos: damaged files | The content of a file is damaged.");
    engine.stop();
}

mod refusing {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use tokio::runtime::Runtime;
    use whole_system::clones::Actor;
    use whole_system::dunst::DRIVE;
    use whole_system::skip::needs_desktop;
    use whole_system::{Scene, eventually};
    use zbus::zvariant::Value;
    use zbus::{connection, fdo, interface};

    use super::{FILES, PATIENCE, save};

    /// A notification server that does not show the first.
    struct Refusing {
        /// It does not answer; otherwise it refuses, as one does that was asked for too many by others.
        hangs: bool,
        /// The titles of what it was asked to show.
        asked: Arc<Mutex<Vec<String>>>,
    }

    #[interface(name = "org.freedesktop.Notifications")]
    impl Refusing {
        fn get_capabilities(&self) -> Vec<String> {
            Vec::new()
        }

        #[allow(clippy::too_many_arguments, reason = "the desktops' specification has so many")]
        async fn notify(
            &self,
            _program: &str,
            _replaces: u32,
            _icon: &str,
            title: &str,
            _body: &str,
            _actions: Vec<&str>,
            _hints: HashMap<&str, Value<'_>>,
            _expires: i32,
        ) -> fdo::Result<u32> {
            let number = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(title.to_owned());
                asked.len()
            };
            match number {
                1 if self.hangs => std::future::pending().await,
                1 => Err(fdo::Error::LimitsExceeded("too many notifications".to_owned())),
                number => Ok(u32::try_from(number).unwrap()),
            }
        }

        fn close_notification(&self, _id: u32) {}
    }

    #[test]
    fn a_server_that_refuses_one_is_brought_the_next() {
        is_brought_the_next(false, "too many notifications");
    }

    #[test]
    fn a_server_that_never_answers_holds_nothing_back() {
        is_brought_the_next(true, "the notification server does not answer");
    }

    fn is_brought_the_next(hangs: bool, why: &str) {
        if !needs_desktop() {
            return;
        }
        let scene = Scene::of_pictures(FILES);
        let clone = scene.cloned_to("clone");
        scene.sync();
        save(&scene.photos, "0.jpg", "the folder's");
        save(&clone, "0.jpg", "the clone's");
        Actor::Anabranch.sync(&scene.sandbox, &clone);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Refusing {
            hangs,
            asked: asked.clone(),
        };
        let runtime = Runtime::new().unwrap();
        let _bus = runtime.block_on(async {
            let bus = connection::Builder::address(scene.desktop.bus()).unwrap();
            let bus = bus.name("org.freedesktop.Notifications").unwrap();
            let bus = bus.serve_at("/org/freedesktop/Notifications", server).unwrap();
            bus.build().await.unwrap()
        });
        let is_asked = |titles: &[&str]| {
            eventually(PATIENCE, || {
                let asked = asked.lock().unwrap();
                // Others may plug in drives meanwhile.
                let asked: Vec<&str> = asked
                    .iter()
                    .map(String::as_str)
                    .filter(|title| !title.starts_with(DRIVE))
                    .collect();
                match asked == titles {
                    true => Ok(()),
                    false => Err(format!("{asked:?}")),
                }
            });
        };
        let engine = scene.run();
        let kept = "Photos: both versions kept";
        is_asked(&[kept]);
        scene.delete_pictures(&engine);
        is_asked(&[kept, "Photos: a question waits for your answer"]);
        let words = engine.words();
        assert!(words.contains(why), "{words}");
        engine.stop();
    }
}
