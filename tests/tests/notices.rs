//! The desktop program and a real notification server: what is shown, what its buttons do, and what without one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "notices/dunst.rs"]
mod dunst;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dunst::Dunst;
use whole_system::clones::Actor;
use whole_system::drives::SmallDisk;
use whole_system::skip::{needs_notification_server, needs_root, skipped};
use whole_system::{Desktop, Sandbox, attempt, eventually, run, trees};

const PATIENCE: Duration = Duration::from_secs(20);
const FILES: u32 = 10;
const QUESTION: &str = "CRITICAL | Photos: a question waits for your answer | ";

/// A folder that is in step.
fn photos(sandbox: &Sandbox) -> PathBuf {
    let photos = Actor::Anabranch.init(sandbox, "Photos");
    for number in 0..FILES {
        fs::write(photos.join(format!("{number}.jpg")), format!("picture {number}\n")).unwrap();
    }
    Actor::Anabranch.sync(sandbox, &photos);
    photos
}

fn delete_many(photos: &Path) {
    for number in 1..FILES {
        fs::remove_file(photos.join(format!("{number}.jpg"))).unwrap();
    }
}

/// Waits until the folder is in a state.
#[track_caller]
fn is(sandbox: &Sandbox, photos: &Path, state: &str) {
    eventually(PATIENCE, || {
        let answer = attempt(sandbox.anabranch(["status", "--json"]).arg(photos));
        let folder: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        match folder["state"] == state {
            true => Ok(()),
            false => Err(folder.to_string()),
        }
    });
}

#[test]
fn a_question_is_shown_and_answered() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    is(&sandbox, &photos, "safe");
    assert_eq!(dunst.ever(), "", "a folder that is in step is no news");

    delete_many(&photos);
    dunst.shows(&format!("{QUESTION}9 of 10 files are gone from this folder."));
    dunst.has(1);
    // Answered elsewhere it is taken back.
    assert!(
        attempt(sandbox.anabranch(["answer", "no"]).arg(&photos))
            .status
            .success()
    );
    dunst.has(0);
    is(&sandbox, &photos, "safe");

    delete_many(&photos);
    dunst.has(1);
    dunst.click("Bring them back");
    is(&sandbox, &photos, "safe");
    assert_eq!(fs::read_to_string(photos.join("9.jpg")).unwrap(), "picture 9\n");
    dunst.has(0);
    assert_eq!(dunst.ever().matches(QUESTION).count(), 2, "{}", dunst.ever());
    engine.stop();
}

#[test]
fn a_button_opens_the_window() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    delete_many(&photos);
    dunst.has(1);
    assert!(desktop.windows("Anabranch").is_empty());
    dunst.click("Review…");
    eventually(PATIENCE, || match desktop.windows("Anabranch").len() {
        1 => Ok(()),
        count => Err(format!("{count} windows")),
    });
    dunst.has(0);
    engine.stop();
}

#[test]
fn a_server_that_is_absent_late_or_gone_is_lived_with() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = photos(&sandbox);
    let desktop = Desktop::start(&sandbox);
    let engine = desktop.run(&sandbox, &[&photos]);
    delete_many(&photos);
    is(&sandbox, &photos, "needs-you");
    // What is true when it comes is shown, also by the next after one that crashed.
    for _ in 0..2 {
        let dunst = Dunst::start(&sandbox, &desktop);
        dunst.shows(QUESTION);
    }
    assert!(!engine.words().contains("notification"), "{}", engine.words());
    // A program that ends takes its notifications with it.
    let dunst = Dunst::start(&sandbox, &desktop);
    dunst.has(1);
    engine.stop();
    dunst.has(0);
}

#[test]
fn two_versions_that_are_kept_are_told() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = photos(&sandbox);
    let clone = Actor::Anabranch.clone(&sandbox, &photos, "clone", false);
    Actor::Anabranch.sync(&sandbox, &photos);
    fs::write(photos.join("0.jpg"), "the folder's\n").unwrap();
    fs::write(clone.join("0.jpg"), "the clone's\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &clone);
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    dunst.shows("NORMAL | Photos: both versions were kept | A file was changed in two places at the same time.");
    engine.stop();
}

#[test]
fn the_first_time_in_step_is_told_once() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = photos(&sandbox);
    let clone = Actor::Anabranch.clone(&sandbox, &photos, "clone", false);
    let away = sandbox.path("away");
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    for (start, file) in ["a.jpg", "b.jpg"].into_iter().enumerate() {
        fs::rename(&clone, &away).unwrap();
        fs::write(photos.join(file), file).unwrap();
        let engine = desktop.run(&sandbox, &[&photos]);
        is(&sandbox, &photos, "waiting");
        // It has seen that something is missing.
        let record = sandbox.path("home/.local/state/anabranch/notices.json");
        eventually(PATIENCE, || match fs::read_to_string(&record).unwrap_or_default() {
            text if text.contains(r#""lacks_since":[[["#) => Ok(()),
            text => Err(text),
        });
        fs::rename(&away, &clone).unwrap();
        Actor::Anabranch.sync(&sandbox, &photos);
        is(&sandbox, &photos, "safe");
        assert!(clone.join(file).exists());
        dunst.shows("LOW | Photos is in step | ");
        engine.stop();
        assert_eq!(dunst.ever().lines().count(), 1, "start {start}: {}", dunst.ever());
    }
}

#[test]
fn versions_that_were_kept_elsewhere_are_told_until_one_is_left() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = photos(&sandbox);
    let clone = Actor::Anabranch.clone(&sandbox, &photos, "clone", false);
    save(&clone, "as the clone has it");
    save(&photos, "as it is here");
    Actor::Anabranch.sync(&sandbox, &photos);
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    is(&sandbox, &photos, "safe");
    assert!(!dunst.ever().contains("both versions"), "{}", dunst.ever());

    // It merges there, and comes here as a merge that is done.
    Actor::Anabranch.sync(&sandbox, &clone);
    let text = "A file was changed in two places at the same time. Both versions are in the folder.";
    dunst.shows(&format!("NORMAL | Photos: both versions were kept | {text}"));
    let versions: Vec<PathBuf> = trees::files(&photos)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".variant-"))
        .collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
    fs::remove_file(photos.join(&versions[0])).unwrap();
    eventually(PATIENCE, || {
        let answer = attempt(sandbox.anabranch(["status", "--json"]).arg(&photos));
        let folder: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        match folder["conflicts"] == 0 {
            true => Ok(()),
            false => Err(folder.to_string()),
        }
    });
    engine.stop();
    assert_eq!(
        dunst.ever().matches("both versions were kept").count(),
        1,
        "{}",
        dunst.ever()
    );
}

/// As an editor does: by another file in the place of the old.
fn save(clone: &Path, text: &str) {
    fs::write(clone.join(".git/new"), text).unwrap();
    fs::rename(clone.join(".git/new"), clone.join("0.jpg")).unwrap();
}

#[test]
fn a_full_disk_is_told_once() {
    if !needs_notification_server() || !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let disk = match SmallDisk::new(&sandbox, "small", 12) {
        Ok(disk) => disk,
        Err(reason) => return skipped(&format!("no disk in memory can be mounted here: {reason}")),
    };
    let photos = photos(&sandbox);
    Actor::Anabranch.clone(&sandbox, &photos, "small/clone", false);
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    dunst.shows("NORMAL | Photos: no room left | There is no room for files on clone.");
    dunst.has(1);
    disk.grow(200);
    Actor::Anabranch.sync(&sandbox, &photos);
    dunst.shows("LOW | Photos is in step | ");
    engine.stop();
    assert_eq!(dunst.ever().lines().count(), 2, "{}", dunst.ever());
}

#[test]
fn damage_is_told_as_danger() {
    if !needs_notification_server() {
        return;
    }
    let sandbox = Sandbox::new();
    let photos = Actor::Anabranch.init(&sandbox, "Photos");
    // The object is the only copy.
    run(&mut sandbox.git(&photos, ["config", "annex.addunlocked", "false"]));
    fs::write(photos.join("a.jpg"), "a picture\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &photos);
    let objects = trees::objects(&photos.join(".git"));
    let object = objects.values().next().expect("the file has an object");
    fs::set_permissions(object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(object, "a pictuRe\n").unwrap();
    Actor::Anabranch.clone(&sandbox, &photos, "clone", false);
    let desktop = Desktop::start(&sandbox);
    let dunst = Dunst::start(&sandbox, &desktop);
    let engine = desktop.run(&sandbox, &[&photos]);
    dunst.shows("CRITICAL | Photos: damage was found | The content of a file is damaged.");
    engine.stop();
}

mod refusing {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use tokio::runtime::Runtime;
    use whole_system::clones::Actor;
    use whole_system::skip::needs_desktop;
    use whole_system::{Desktop, Sandbox, eventually};
    use zbus::zvariant::Value;
    use zbus::{connection, fdo, interface};

    use super::{PATIENCE, delete_many, photos, save};

    /// A notification server that refuses the first, as one does that was asked for too many by others.
    struct Refusing {
        /// The titles of what it was asked to show.
        asked: Arc<Mutex<Vec<String>>>,
    }

    #[interface(name = "org.freedesktop.Notifications")]
    impl Refusing {
        fn get_capabilities(&self) -> Vec<String> {
            Vec::new()
        }

        #[allow(clippy::too_many_arguments, reason = "the desktops' specification has so many")]
        fn notify(
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
            let mut asked = self.asked.lock().unwrap();
            asked.push(title.to_owned());
            match asked.len() {
                1 => Err(fdo::Error::LimitsExceeded("too many notifications".to_owned())),
                number => Ok(u32::try_from(number).unwrap()),
            }
        }

        fn close_notification(&self, _id: u32) {}
    }

    #[test]
    fn a_server_that_refuses_one_is_brought_the_next() {
        if !needs_desktop() {
            return;
        }
        let sandbox = Sandbox::new();
        let photos = photos(&sandbox);
        let clone = Actor::Anabranch.clone(&sandbox, &photos, "clone", false);
        Actor::Anabranch.sync(&sandbox, &photos);
        save(&photos, "the folder's");
        save(&clone, "the clone's");
        Actor::Anabranch.sync(&sandbox, &clone);
        let desktop = Desktop::start(&sandbox);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Refusing { asked: asked.clone() };
        let runtime = Runtime::new().unwrap();
        let _bus = runtime.block_on(async {
            let bus = connection::Builder::address(desktop.bus()).unwrap();
            let bus = bus.name("org.freedesktop.Notifications").unwrap();
            let bus = bus.serve_at("/org/freedesktop/Notifications", server).unwrap();
            bus.build().await.unwrap()
        });
        let is_asked = |titles: &[&str]| {
            eventually(PATIENCE, || {
                let asked = asked.lock().unwrap();
                match *asked == titles {
                    true => Ok(()),
                    false => Err(format!("{asked:?}")),
                }
            });
        };
        let engine = desktop.run(&sandbox, &[&photos]);
        let kept = "Photos: both versions were kept";
        is_asked(&[kept]);
        delete_many(&photos);
        is_asked(&[kept, "Photos: a question waits for your answer"]);
        let words = engine.words();
        assert!(words.contains("too many notifications"), "{words}");
        engine.stop();
    }
}
