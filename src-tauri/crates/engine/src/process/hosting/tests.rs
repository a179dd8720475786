use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use contract::{Action, Answer, AtPlace, Command, PauseReason, Reply, Request, Setting, State, Status};

use crate::process::running::{Client, Engine, runtime};
use crate::process::settings::SettingsFile;

/// A program with a settings file of its own.
struct Program {
    place: tempfile::TempDir,
    engine: Engine,
    client: Client,
}

impl Program {
    fn start(settings: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config/settings.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let settings = settings.replace("HERE", place.path().canonicalize().unwrap().to_str().unwrap());
        fs::write(&file, settings).unwrap();
        Self::run(place, &[])
    }

    /// A program whose settings cannot be written: even root cannot create a file in `/proc`.
    fn with_fixed_settings(folder: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc", place.path().join("config")).unwrap();
        let folder = place.path().join(folder);
        crate::init(&folder, None).unwrap();
        Self::run(place, &[folder])
    }

    fn run(place: tempfile::TempDir, named: &[PathBuf]) -> Self {
        let file = SettingsFile::at(place.path().join("config/settings.toml"));
        let engine = Engine::start(named, Some(file)).unwrap();
        let client = engine.client();
        Self { place, engine, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().canonicalize().unwrap().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write_settings(&self, text: &str) {
        let text = text.replace("HERE", &self.shown(""));
        fs::write(self.path("config/new"), text).unwrap();
        fs::rename(self.path("config/new"), self.path("config/settings.toml")).unwrap();
    }

    async fn add(&self, name: &str) -> Answer {
        let path = self.shown(name);
        self.client.request(Request::Add { path }).await
    }

    /// Waits for a status with this property.
    async fn until(&mut self, what: &str, is: impl Fn(&Status) -> bool) -> Status {
        let wait = async {
            loop {
                let status = self.client.status().await;
                if is(&status) {
                    return status;
                }
                self.client.changed().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        waited.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    /// Waits until the only rule of the only folder allows this.
    async fn until_rule(&mut self, allow: &str) {
        let wait = async {
            loop {
                let folder = self.client.status().await.folders.remove(0).path;
                let rules = self.client.ask(&folder, Command::Rules).await;
                if serde_json::to_string(&rules).unwrap().contains(allow) {
                    return;
                }
                self.client.changed().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        waited.unwrap_or_else(|_| panic!("the rule {allow:?} did not come"));
    }
}

fn folders(status: &Status) -> Vec<&str> {
    let paths = status.folders.iter().map(|folder| Path::new(&folder.path));
    paths.filter_map(|path| path.file_name()?.to_str()).collect()
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done(_))
}

fn refusal(answer: Answer) -> String {
    let Answer::Refused(why) = answer else {
        panic!("{answer:?}")
    };
    why
}

#[test]
fn folders_are_added_adopted_cloned_and_left() {
    runtime().unwrap().block_on(async {
        let mut program = Program::start("");
        assert_eq!(folders(&program.client.status().await), [] as [&str; 0]);
        fs::create_dir(program.path("Photos")).unwrap();
        fs::write(program.path("Photos/a.jpg"), "a").unwrap();
        assert!(is_done(&program.add("Photos").await));
        let status = program
            .until("a safe folder", |status| {
                status
                    .folders
                    .iter()
                    .any(|folder| folder.keys == 1 && folder.state == State::Safe)
            })
            .await;
        assert_eq!((folders(&status), &status.problems), (vec!["Photos"], &Vec::new()));
        assert_eq!(fs::read_to_string(program.path("Photos/a.jpg")).unwrap(), "a");
        assert!(refusal(program.add("Photos").await).contains("already"));

        let copy = Request::CloneTo {
            folder: program.shown("Photos"),
            path: program.shown("elsewhere/Copy"),
        };
        assert!(is_done(&program.client.request(copy.clone()).await));
        program
            .until("the copy", |status| {
                folders(status) == ["Photos", "Copy"] && status.folders.iter().all(|folder| folder.state == State::Safe)
            })
            .await;
        assert_eq!(fs::read_to_string(program.path("elsewhere/Copy/a.jpg")).unwrap(), "a");
        assert!(refusal(program.client.request(copy).await).contains("nothing was changed"));

        let leave = |folder| Request::Leave { folder };
        assert!(is_done(&program.client.request(leave(program.shown("Photos"))).await));
        assert_eq!(folders(&program.client.status().await), ["Copy"]);
        assert!(program.path("Photos/a.jpg").exists() && program.path("Photos/.git").exists());
        refusal(program.client.request(leave(program.shown("Photos"))).await);
        // It can be added again at once.
        assert!(is_done(&program.add("Photos").await));
        program
            .until("it again", |status| folders(status) == ["Copy", "Photos"])
            .await;
        program.engine.stop().await;
    });
}

#[test]
fn without_writable_settings_requests_change_nothing() {
    runtime().unwrap().block_on(async {
        let program = Program::with_fixed_settings("Kept");
        fs::create_dir(program.path("Photos")).unwrap();
        fs::write(program.path("Photos/a.jpg"), "a").unwrap();
        let requests = [
            Request::Add {
                path: program.shown("Photos"),
            },
            Request::CloneTo {
                folder: program.shown("Kept"),
                path: program.shown("Copy"),
            },
            Request::Set(Setting::Notifications(false)),
        ];
        for request in requests {
            let why = refusal(program.client.request(request).await);
            assert!(why.contains("could not be written, so nothing was changed"), "{why}");
        }
        assert!(!program.path("Photos/.git").exists() && !program.path("Copy").exists());
        let status = program.client.status().await;
        assert_eq!((folders(&status), status.settings.notifications), (vec!["Kept"], true));
        program.engine.stop().await;
    });
}

#[test]
fn a_place_is_inspected_without_changing_it() {
    runtime().unwrap().block_on(async {
        let program = Program::start("");
        fs::create_dir_all(program.path("Music/live")).unwrap();
        fs::write(program.path("Music/live/b.ogg"), "b").unwrap();
        fs::write(program.path("file"), "").unwrap();
        crate::init(&program.path("Kept"), None).unwrap();
        crate::init(&program.path("Other"), None).unwrap();
        fs::create_dir(program.path("Kept/below")).unwrap();
        assert!(is_done(&program.add("Kept").await));
        let look = async |name: &str| {
            let path = program.shown(name);
            let answer = program.client.request(Request::Inspect { path }).await;
            let Answer::Found(found) = answer else {
                panic!("{answer:?}")
            };
            (found.what, found.files)
        };
        assert_eq!(look("new/folder").await, (AtPlace::Nothing, Some(0)));
        assert_eq!(look("Music").await, (AtPlace::Directory, Some(1)));
        assert_eq!(look("Kept").await, (AtPlace::Kept, None));
        assert_eq!(look("Other").await, (AtPlace::Annex, None));
        for (name, part) in [("file", "a file"), ("Kept/below", "syncs already"), ("", "is in it")] {
            let (what, _) = look(name).await;
            assert!(
                matches!(&what, AtPlace::Unusable(why) if why.contains(part)),
                "{name}: {what:?}"
            );
        }
        assert!(!program.path("new").exists(), "looking makes nothing");
        for name in ["file", "Kept/below", ""] {
            refusal(program.add(name).await);
        }
        let relative = Request::Add { path: "Music".into() };
        assert!(refusal(program.client.request(relative).await).contains("begins with"));
        program.engine.stop().await;
    });
}

#[test]
fn edited_settings_take_effect_and_a_mistake_keeps_the_old_ones() {
    runtime().unwrap().block_on(async {
        let mut program = Program::start("folders = [\"HERE/A\", \"HERE/gone\"]\n");
        let status = program.client.status().await;
        assert_eq!(folders(&status), [] as [&str; 0]);
        assert_eq!(status.problems.len(), 2, "{:?}", status.problems);
        crate::init(&program.path("A"), None).unwrap();
        crate::init(&program.path("A/inner"), None).unwrap_err();
        program.write_settings("folders = [\"HERE/A\"]\nlook = \"dark\"\n");
        let status = program
            .until("the folder", |status| {
                folders(status) == ["A"] && status.problems.is_empty()
            })
            .await;
        assert_eq!(status.settings.look, contract::Look::Dark);

        program.write_settings("folders = [\"HERE/A\"]\nlook = \"pink\"\n");
        let status = program.until("the mistake", |status| !status.problems.is_empty()).await;
        assert!(status.problems[0].what.contains("line 2"), "{:?}", status.problems);
        let path = program.path("config/settings.toml").display().to_string();
        assert_eq!(status.problems[0].action, Some(contract::Action::Show { path }));
        assert_eq!(
            (folders(&status), status.settings.look),
            (vec!["A"], contract::Look::Dark)
        );
        let set = Request::Set(Setting::Notifications(false));
        assert!(refusal(program.client.request(set.clone()).await).contains("correct it first"));

        program.write_settings("folders = []\n");
        let status = program.until("no folder", |status| status.folders.is_empty()).await;
        assert_eq!(status.problems, []);
        assert!(is_done(&program.client.request(set).await));
        assert!(!program.client.status().await.settings.notifications);
        program.engine.stop().await;
    });
}

#[test]
fn a_folder_that_cannot_be_opened_is_reported_and_can_be_left() {
    runtime().unwrap().block_on(async {
        let mut program = Program::start("folders = [\"HERE/A\", \"HERE/unplugged\"]\n");
        crate::init(&program.path("A"), None).unwrap();
        program.write_settings("folders = [\"HERE/A\", \"HERE/unplugged\"]\n\n");
        let status = program.until("the other", |status| folders(status) == ["A"]).await;
        let [refused] = &status.refused[..] else {
            panic!("{:?}", status.refused)
        };
        let folder = program.shown("unplugged");
        assert_eq!(refused.path, folder);
        let [problem] = &status.problems[..] else {
            panic!("{:?}", status.problems)
        };
        assert!(problem.what.contains(&folder) && problem.what.contains(&refused.why));
        assert_eq!(problem.action, Some(Action::Leave { folder: folder.clone() }));

        assert!(is_done(&program.client.request(Request::Leave { folder }).await));
        let status = program.client.status().await;
        assert_eq!((status.refused, status.problems), (Vec::new(), Vec::new()));
        let settings = fs::read_to_string(program.path("config/settings.toml")).unwrap();
        assert!(!settings.contains("unplugged"), "{settings}");
        program.engine.stop().await;
    });
}

#[test]
fn of_two_nested_folders_only_one_is_synced() {
    runtime().unwrap().block_on(async {
        let program = Program::start("folders = [\"HERE/outer/inner\", \"HERE/outer\"]\n");
        crate::init(&program.path("outer/inner"), None).unwrap();
        crate::init(&program.path("outer"), None).unwrap();
        program.write_settings("folders = [\"HERE/outer/inner\", \"HERE/outer\"]\n\n");
        let mut program = program;
        let status = program.until("the first", |status| folders(status) == ["inner"]).await;
        assert!(
            status.problems.iter().any(|one| one.what.contains("lies inside")),
            "{:?}",
            status.problems
        );
        program.engine.stop().await;
    });
}

#[test]
fn a_pause_ends_by_itself_and_with_a_sync() {
    runtime().unwrap().block_on(async {
        let mut program = Program::start("");
        assert!(is_done(&program.add("A").await));
        let folder = program.shown("A");
        program
            .until("rest", |status| {
                status.folders.iter().any(|one| one.state == State::Safe)
            })
            .await;
        let paused = |status: &Status| status.folders[0].pause.map(|pause| pause.reason) == Some(PauseReason::Asked);
        for until in [None, Some(u64::MAX)] {
            assert_eq!(program.client.ask(&folder, Command::Pause { until }).await, Reply::Done);
            let status = program.client.status().await;
            assert!(paused(&status) && status.folders[0].state == State::Paused);
            assert!(matches!(
                program.client.ask(&folder, Command::Sync).await,
                Reply::Status(_)
            ));
            assert_eq!(program.client.status().await.folders[0].pause, None);
        }
        let soon = Some(crate::clock::wall_clock() + 1);
        assert_eq!(
            program.client.ask(&folder, Command::Pause { until: soon }).await,
            Reply::Done
        );
        program
            .until("its end", |status| status.folders[0].pause.is_none())
            .await;
        program.engine.stop().await;
    });
}

#[test]
fn a_folder_named_by_two_paths_is_opened_once() {
    let place = tempfile::tempdir().unwrap();
    let (folder, link) = (place.path().join("A"), place.path().join("link"));
    crate::init(&folder, None).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    fs::create_dir(place.path().join("config")).unwrap();
    let settings = format!("folders = [{folder:?}]\n");
    fs::write(place.path().join("config/settings.toml"), settings).unwrap();
    runtime().unwrap().block_on(async {
        let program = Program::run(place, &[link.clone(), link]);
        let status = program.client.status().await;
        assert_eq!((folders(&status), &status.problems), (vec!["A"], &Vec::new()));
        program.engine.stop().await;
    });
}

#[test]
fn a_named_folder_that_cannot_be_opened_is_reported_and_the_others_are_synced() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("config")).unwrap();
    let [a, gone] = ["A", "gone"].map(|name| place.path().join(name));
    crate::init(&a, None).unwrap();
    runtime().unwrap().block_on(async {
        let program = Program::run(place, &[gone.clone(), a]);
        let status = program.client.status().await;
        assert_eq!(folders(&status), ["A"]);
        let folder = program.shown("gone");
        let paths: Vec<&String> = status.refused.iter().map(|refused| &refused.path).collect();
        assert_eq!(paths, [&folder]);
        assert!(status.problems[0].what.contains(&folder) && status.problems[0].action.is_none());
        assert!(refusal(program.client.request(Request::Leave { folder }).await).contains("until the program ends"));

        crate::init(&gone, None).unwrap();
        let set = Request::Set(Setting::Notifications(false));
        assert!(is_done(&program.client.request(set).await));
        let mut program = program;
        program
            .until("the other", |status| {
                folders(status) == ["A", "gone"] && status.refused.is_empty()
            })
            .await;
        program.engine.stop().await;
    });
}

#[test]
fn the_socket_of_a_folder_that_was_left_is_closed() {
    runtime().unwrap().block_on(async {
        let program = Program::start("");
        assert!(is_done(&program.add("A").await));
        let socket = fs::read_to_string(program.path("A/.git/anabranch/engine")).unwrap();
        let listens = || UnixStream::connect(socket.trim_end()).is_ok();
        assert!(listens());
        let folder = program.shown("A");
        assert!(is_done(&program.client.request(Request::Leave { folder }).await));
        let gone = async {
            while listens() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
        program.engine.stop().await;
    });
}

/// Some programs cannot read a split index, and Anabranch splits that of a large folder.
#[test]
fn the_index_of_a_large_folder_that_was_left_is_whole() {
    runtime().unwrap().block_on(async {
        let program = Program::start("");
        assert!(is_done(&program.add("A").await));
        let git = |arguments: &[&str], input: &str| {
            let mut git = process::Command::new("git");
            git.args(arguments)
                .current_dir(program.path("A"))
                .stdin(process::Stdio::piped());
            let mut git = git.spawn().unwrap();
            git.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            assert!(git.wait().unwrap().success(), "{arguments:?}");
        };
        let line = |number| format!("100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\tfile-{number}\n");
        let entries: String = (0..20_000).map(line).collect();
        git(&["update-index", "--index-info"], &entries);
        git(&["update-index", "--split-index"], "");
        let size = || fs::metadata(program.path("A/.git/index")).map_or(0, |index| index.len());
        assert!(size() < 100_000);
        let folder = program.shown("A");
        assert!(is_done(&program.client.request(Request::Leave { folder }).await));
        let whole = async {
            while size() < 1_000_000 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), whole).await.unwrap();
        program.engine.stop().await;
    });
}

#[test]
fn settings_and_rules_behind_links_take_effect_when_edited() {
    runtime().unwrap().block_on(async {
        let mut program = Program::start("");
        assert!(is_done(&program.add("A").await));
        fs::create_dir(program.path("dotfiles")).unwrap();
        let settings = |look: &str| format!("folders = [\"{}\"]\nlook = \"{look}\"\n", program.shown("A"));
        let (dark, light) = (settings("dark"), settings("light"));
        let (kept, new) = (program.path("dotfiles/settings.toml"), program.path("config/new"));
        fs::write(&kept, dark).unwrap();
        std::os::unix::fs::symlink(&kept, &new).unwrap();
        fs::rename(&new, program.path("config/settings.toml")).unwrap();
        let is = |look| move |status: &Status| status.settings.look == look;
        program.until("dark", is(contract::Look::Dark)).await;
        fs::write(&kept, light).unwrap();
        program.until("light", is(contract::Look::Light)).await;

        let (kept, new) = (
            program.path("dotfiles/rules.toml"),
            program.path("A/.git/anabranch/new"),
        );
        fs::write(&kept, "").unwrap();
        std::os::unix::fs::symlink(&kept, &new).unwrap();
        fs::rename(&new, program.path("A/.git/anabranch/policy.toml")).unwrap();
        for allow in ["nothing", "git-only"] {
            fs::write(&kept, format!("[[rule]]\nallow = {allow:?}\n")).unwrap();
            program.until_rule(allow).await;
        }
        program.engine.stop().await;
    });
}

/// Some programs move the old file away while saving; the folders must stay synced.
#[test]
fn a_briefly_missing_settings_file_stops_no_folder() {
    runtime().unwrap().block_on(async {
        let mut program = Program::start("folders = [\"HERE/A\"]\n");
        let folder = program.shown("A");
        crate::init(Path::new(&folder), None).unwrap();
        program.write_settings("folders = [\"HERE/A\"]\n\n");
        program.until("it", |status| folders(status) == ["A"]).await;
        assert_eq!(
            program.client.ask(&folder, Command::Pause { until: None }).await,
            Reply::Done
        );

        fs::rename(program.path("config/settings.toml"), program.path("config/backup")).unwrap();
        let left = program.until("nothing", |status| status.folders.is_empty());
        tokio::time::timeout(Duration::from_millis(500), left)
            .await
            .unwrap_err();
        program.write_settings("folders = [\"HERE/A\"]\nlook = \"dark\"\n");
        let status = program
            .until("the new ones", |status| status.settings.look == contract::Look::Dark)
            .await;
        assert!(status.folders[0].pause.is_some(), "it is the same folder as before");

        fs::remove_file(program.path("config/settings.toml")).unwrap();
        program.until("none", |status| status.folders.is_empty()).await;
        program.engine.stop().await;
    });
}
