//! Bad days: what the desktop program does where something is missing, broken, full or in excess. In each it says so, and
//! whatever can still be kept in sync is.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it measured"
)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use whole_system::clones::{Actor, pictures};
use whole_system::drives::{Drive, ReadOnly, SmallDisk};
use whole_system::skip::{needs_desktop, needs_notification_server, needs_root, needs_window, or_skipped, skipped};
use whole_system::{
    Chance, Desktop, Engine, PATIENCE, Sandbox, Scene, TrayHost, ask, attempt, checks, eventually, run, trees,
};

/// A scene with one picture, and a clone of it.
fn with_clone() -> (Scene, PathBuf) {
    let scene = Scene::of_pictures(1);
    let clone = scene.cloned_to("clone");
    (scene, clone)
}

/// One more folder with one file, and a clone of it.
fn pair(sandbox: &Sandbox, name: &str, clone: &str) -> (PathBuf, PathBuf) {
    let folder = pictures(sandbox, name, 1);
    let clone = Actor::Anabranch.clone(sandbox, &folder, clone, false);
    (folder, clone)
}

/// Saves a file, which reaches the other folder.
#[track_caller]
fn travels(from: &Path, name: &str, to: &Path) {
    fs::write(from.join(name), format!("{name} of {}\n", from.display())).unwrap();
    eventually(PATIENCE, || trees::same(&[from, to]));
}

/// Waits until an entry of the menu has these words in it.
#[track_caller]
fn lists(tray: &TrayHost, words: &str) {
    eventually(PATIENCE, || {
        let labels = tray.labels();
        match labels.iter().any(|label| label.contains(words)) {
            true => Ok(()),
            false => Err(format!("no {words:?} in {labels:#?}")),
        }
    });
}

/// Waits until the window shows a page.
#[track_caller]
fn is_drawn(desktop: &Desktop) {
    eventually(PATIENCE, || {
        let colours: Vec<usize> = desktop
            .windows("Anabranch")
            .into_iter()
            .map(|window| desktop.colours(window))
            .collect();
        match colours[..] {
            [colours] if colours > 30 => Ok(()),
            _ => Err(format!("windows and their colours: {colours:?}")),
        }
    });
}

/// The settings of the user, before a program reads them or while it does.
fn write_settings(sandbox: &Sandbox, text: &str) {
    let directory = sandbox.path("home/.config/anabranch");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("new"), text).unwrap();
    fs::rename(directory.join("new"), directory.join("settings.toml")).unwrap();
}

fn folders(folders: &[&Path]) -> String {
    format!("folders = {folders:?}\n")
}

/// Where the programs of the web view are.
fn web_view() -> Option<PathBuf> {
    let output = Command::new("pkg-config")
        .args(["--variable=libdir", "webkit2gtk-4.1"])
        .output();
    let directory = String::from_utf8(output.ok()?.stdout).ok()?;
    let directory = Path::new(directory.trim()).join("webkit2gtk-4.1");
    directory.join("WebKitWebProcess").exists().then_some(directory)
}

#[test]
fn without_a_web_view_the_folders_are_kept_and_later_there_is_a_window() {
    if !needs_notification_server() || !needs_root() {
        return;
    }
    let Some(web_view) = web_view() else {
        return skipped("nobody says where the programs of the web view are");
    };
    let nothing = "mount -t tmpfs none \"$0\"";
    let broken = "mount --bind /bin/false \"$0/WebKitWebProcess\"";
    for hide in [nothing, broken] {
        let (scene, clone) = with_clone();
        let (notes, _) = pair(&scene.sandbox, "Notes", "copy");
        let tray = scene.tray();
        let dunst = scene.dunst();
        // The rest of the machine keeps its web view.
        let inner = scene.desktop.program(&scene.sandbox, &[&scene.photos, &notes]);
        let mut program = scene.sandbox.command("unshare");
        program.args(["--mount", "sh", "-c", &format!("{hide} && exec \"$@\"")]);
        program.arg(&web_view).arg(inner.get_program()).args(inner.get_args());
        scene.desktop.on(&mut program);
        let mut engine = Engine::spawn_program(program, scene.sandbox.path("desktop.log"));
        engine.wait_until_up(&scene.sandbox, &scene.photos);
        tray.click("Notes ▸ Pause");
        lists(&tray, "Notes ▸ Resume");

        tray.click("Open Anabranch");
        engine.says("Anabranch could not show its window: Anabranch still syncs your folders.");
        dunst.shows("NORMAL | Anabranch could not show its window | Anabranch still syncs your folders.");
        travels(&scene.photos, "b.jpg", &clone);
        lists(&tray, "Photos ▸ up to date (2 files)");
        lists(&tray, "Notes ▸ Resume");
        scene.desktop.has_windows(0);
        assert_eq!(engine.ended(), None);

        let shown = match hide == nothing {
            true => web_view.clone(),
            false => web_view.join("WebKitWebProcess"),
        };
        let id = engine.id().to_string();
        run(scene
            .sandbox
            .command("nsenter")
            .args(["-t", &id, "-m", "umount"])
            .arg(shown));
        tray.click("Open Anabranch");
        is_drawn(&scene.desktop);
        engine.stop();
    }
}

#[test]
fn a_window_whose_page_crashes_shows_it_again_and_then_closes() {
    if !needs_desktop() {
        return;
    }
    let (scene, clone) = with_clone();
    let tray = scene.tray();
    let engine = scene.run();
    let crash = || {
        let pages = engine.children("WebKitWebProcess");
        assert_eq!(pages.len(), 1);
        kill(pages[0], Signal::SIGKILL).unwrap();
        pages
    };
    tray.click("Settings");
    is_drawn(&scene.desktop);

    let crashed = crash();
    engine.says("the page is loaded again");
    eventually(PATIENCE, || match engine.children("WebKitWebProcess") {
        pages if pages.len() == 1 && pages != crashed => Ok(()),
        pages => Err(format!("{pages:?} after {crashed:?}")),
    });
    is_drawn(&scene.desktop);
    crash();
    scene.desktop.has_windows(0);
    engine.says("Anabranch could not show its window");
    travels(&scene.photos, "b.jpg", &clone);

    tray.click("Open Anabranch");
    is_drawn(&scene.desktop);
    engine.stop();
}

#[test]
fn where_nothing_can_be_written_at_home_folders_are_kept_and_changes_refused() {
    if !needs_window() || !needs_root() {
        return;
    }
    let (scene, clone) = with_clone();
    let (notes, copy) = pair(&scene.sandbox, "Notes", "copy");
    let new = scene.sandbox.path("New");
    fs::create_dir(&new).unwrap();
    fs::write(new.join("c.jpg"), "new\n").unwrap();
    let settings = folders(&[&notes]);
    write_settings(&scene.sandbox, &settings);
    let Some(home) = or_skipped("mount", ReadOnly::new(&scene.sandbox.path("home"))) else {
        return;
    };
    let window = scene.window();
    window.shows("Photos");
    travels(&scene.photos, "b.jpg", &clone);
    travels(&notes, "b.txt", &copy);

    window.click("Settings");
    window.choose("Show notifications");
    window.shows("could not be written, so nothing was changed");
    window.click("Folders");
    window.click("Add a folder…");
    window.shows("A path, such as ~/Photos.");
    window.fill("Folder", new.to_str().unwrap());
    window.shows("A folder with 1 file.");
    window.click("Protect this folder");
    window.shows("could not be written, so nothing was changed");
    assert_eq!(trees::files(&new).len(), 1, "a folder that was refused is as it was");
    assert!(!new.join(".git").exists());

    drop(home);
    window.click("Protect this folder");
    eventually(PATIENCE, || {
        match fs::read_to_string(scene.sandbox.path("home/.config/anabranch/settings.toml")) {
            Ok(text) if text.contains("New") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn fifty_folders_are_kept_by_one_program() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let make = |number| {
        let folder = Actor::Anabranch.init(&sandbox, &format!("Folder {number}"));
        let clone = Actor::Anabranch.clone(&sandbox, &folder, &format!("clone {number}"), false);
        (folder, clone)
    };
    let pairs: Vec<(PathBuf, PathBuf)> = std::thread::scope(|threads| {
        let made = [0..12, 12..25].map(|some| threads.spawn(move || some.map(make).collect::<Vec<_>>()));
        made.into_iter().flat_map(|some| some.join().unwrap()).collect()
    });
    let all: Vec<&Path> = pairs.iter().flat_map(|(folder, clone)| [&**folder, clone]).collect();
    write_settings(&sandbox, &folders(&all));
    let desktop = Desktop::start(&sandbox);
    let tray = TrayHost::start(&desktop);
    let mut engine = Engine::spawn_program(desktop.program(&sandbox, &[]), sandbox.path("desktop.log"));
    let in_step = |files: &str| {
        eventually(PATIENCE, || {
            let labels = tray.labels();
            let words = format!("▸ up to date ({files})]");
            match labels.iter().filter(|label| label.ends_with(&words)).count() {
                50 => Ok(()),
                other => Err(format!("{other} folders are up to date: {labels:#?}")),
            }
        })
    };
    engine.wait_until_up(&sandbox, all[0]);
    let start = in_step("0 files");
    let saved_at = Instant::now();
    for (number, (folder, clone)) in pairs.iter().enumerate() {
        let from = if number % 2 == 0 { folder } else { clone };
        fs::write(from.join("b.jpg"), format!("another picture of {number}\n")).unwrap();
    }
    for (folder, clone) in &pairs {
        eventually(PATIENCE, || trees::same(&[folder, clone]));
    }
    in_step("1 file");
    let step = saved_at.elapsed();

    let process = PathBuf::from(format!("/proc/{}", engine.id()));
    let descriptors = fs::read_dir(process.join("fd")).unwrap().count();
    let threads = || fs::read_dir(process.join("task")).unwrap().count();
    let at_work = threads();
    let status = fs::read_to_string(process.join("status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
    // When all has come to rest, nothing is done. Work has a thread each, so only then does their number say something: a few
    // for each folder.
    let ticks = || {
        let stat = fs::read_to_string(process.join("stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let mut before = ticks();
    eventually(PATIENCE, || {
        std::thread::sleep(Duration::from_secs(1));
        let used = ticks() - std::mem::replace(&mut before, ticks());
        match (used, threads()) {
            (0..=1, 0..150) => Ok(()),
            (_, threads) => Err(format!("{used} ticks in a second without work, {threads} threads")),
        }
    });
    let at_rest = threads();
    let asked_at = Instant::now();
    engine.stop();
    let stop = asked_at.elapsed();
    eprintln!(
        "50 folders: up to date after {start:?}, 25 files in {step:?}, {descriptors} descriptors, {at_work} threads \
         at work \
         and {at_rest} at rest, {memory} KiB, stopped in {stop:?}"
    );
    assert!(descriptors < 1000, "{descriptors} descriptors");
    assert!(memory < 400_000, "{memory} KiB");
    assert!(stop < Duration::from_secs(5), "stopped in {stop:?}");
}

/// A transfer that a limit holds back may take hours. However many there are, nothing else waits for them.
#[test]
fn slow_transfers_in_many_folders_hold_up_nothing_else() {
    let sandbox = Sandbox::new();
    let film = Chance::from_seed(4).bytes(2 << 20);
    let folders: Vec<PathBuf> = (0..17)
        .map(|number| {
            let folder = Actor::Anabranch.init(&sandbox, &format!("Folder {number}"));
            Actor::Anabranch.clone(&sandbox, &folder, &format!("clone {number}"), false);
            run(&mut sandbox.git(&folder, ["config", "annex.bwlimit-upload", "10kb"]));
            fs::write(folder.join("film.mkv"), &film).unwrap();
            folder
        })
        .collect();
    let all: Vec<&Path> = folders.iter().map(|folder| &**folder).collect();
    let engine = Engine::start(&sandbox, &all);
    for folder in &all {
        eventually(PATIENCE, || {
            let status = ask(folder, r#""status""#);
            match status.contains(r#""what":"film.mkv""#) {
                true => Ok(()),
                false => Err(status),
            }
        });
    }
    fs::write(all[0].join("letter.txt"), "Dear all").unwrap();
    eventually(PATIENCE, || {
        match run(&mut sandbox.git(all[0], ["ls-tree", "HEAD", "letter.txt"])).is_empty() {
            true => Err("it is not committed"),
            false => Ok(()),
        }
    });
    // A list of the window is answered too.
    assert!(ask(all[0], r#""conflicts""#).contains("conflicts"));
    engine.stop();
}

/// Whoever pauses does not wait until a film is read. It stays as it is, and is taken in when they resume.
#[test]
fn a_pause_ends_the_reading_of_a_large_file() {
    let sandbox = Sandbox::new();
    let photos = pictures(&sandbox, "Photos", 1);
    // Locked, it is read and not copied.
    run(&mut sandbox.git(&photos, ["config", "annex.addunlocked", "false"]));
    Actor::Anabranch.sync(&sandbox, &photos);
    let engine = Engine::start(&sandbox, &[&photos]);
    let (new, film) = (sandbox.path("new"), photos.join("film.mkv"));
    File::create(&new).unwrap().set_len(2 << 30).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&new, &film).unwrap();
    eventually(PATIENCE, || {
        let mut unfinished = fs::read_dir(photos.join(".git/annex/othertmp")).into_iter().flatten();
        unfinished.next().map(drop).ok_or("it is not read yet")
    });
    run(sandbox.anabranch(["pause"]).arg(&photos));
    assert_eq!(run(&mut sandbox.git(&photos, ["ls-files", "film.mkv"])), "");
    let found = fs::symlink_metadata(&film).unwrap();
    assert_eq!((found.len(), found.permissions().mode() & 0o777), (2 << 30, 0o644));

    run(sandbox.anabranch(["resume"]).arg(&photos));
    eventually(Duration::from_secs(120), || {
        match run(&mut sandbox.git(&photos, ["ls-tree", "HEAD", "film.mkv"])).starts_with("120000") {
            true => Ok(()),
            false => Err("it is not committed"),
        }
    });
    engine.stop();
    checks::git_fsck(&sandbox, &photos);
}

#[test]
fn a_folder_that_vanishes_is_not_deleted_and_comes_back() {
    if !needs_desktop() {
        return;
    }
    let (scene, clone) = with_clone();
    let tray = scene.tray();
    let engine = scene.desktop.run(&scene.sandbox, &[&scene.photos, &clone]);
    lists(&tray, "Photos ▸ up to date (1 file)");

    let elsewhere = scene.sandbox.path("elsewhere");
    fs::rename(&scene.photos, &elsewhere).unwrap();
    fs::write(clone.join("b.jpg"), "while it is away\n").unwrap();
    eventually(PATIENCE, || checks::is_clean(&scene.sandbox, &clone));
    lists(&tray, "is missing. Nothing was deleted elsewhere");
    assert_eq!(trees::files(&clone).len(), 2);
    fs::rename(&elsewhere, &scene.photos).unwrap();
    eventually(PATIENCE, || trees::same(&[&scene.photos, &clone]));
    travels(&scene.photos, "c.jpg", &clone);
    lists(&tray, "Photos ▸ up to date (3 files)");
    engine.stop();
}

#[test]
fn a_repository_of_another_version_is_refused_and_the_others_are_kept() {
    if !needs_desktop() {
        return;
    }
    let (scene, clone) = with_clone();
    let old = Actor::Anabranch.init(&scene.sandbox, "Old");
    run(&mut scene.sandbox.git(&old, ["config", "annex.version", "8"]));
    let settings = folders(&[&old, &scene.photos]);
    write_settings(&scene.sandbox, &settings);
    let tray = scene.tray();
    let engine = Engine::spawn_program(
        scene.desktop.program(&scene.sandbox, &[]),
        scene.sandbox.path("desktop.log"),
    );
    let refused = format!(
        "Anabranch does not sync {}: it has git-annex repository version 8",
        old.display()
    );
    lists(&tray, &refused);
    travels(&scene.photos, "b.jpg", &clone);

    run(&mut scene.sandbox.git(&old, ["config", "annex.version", "10"]));
    write_settings(&scene.sandbox, &format!("{settings}\n"));
    lists(&tray, "Old ▸ up to date");
    engine.stop();
}

#[test]
fn of_two_folders_in_each_other_one_is_refused() {
    if !needs_desktop() {
        return;
    }
    let sandbox = Sandbox::new();
    let inner = Actor::Anabranch.init(&sandbox, "outer/inner");
    let (outer, clone) = pair(&sandbox, "outer", "clone");
    let desktop = Desktop::start(&sandbox);
    let engine = Engine::start(&sandbox, &[&outer, &inner]);
    let refused = format!("Anabranch does not sync {}: it lies inside", inner.display());
    engine.says(&refused);
    engine.stop();
    write_settings(&sandbox, &folders(&[&inner]));
    let tray = TrayHost::start(&desktop);
    let engine = desktop.run(&sandbox, &[&outer]);
    lists(&tray, &refused);
    travels(&outer, "b.jpg", &clone);
    engine.stop();
}

#[test]
fn a_folder_that_is_named_and_refused_stops_no_other() {
    let sandbox = Sandbox::new();
    let (first, second) = pair(&sandbox, "first", "second");
    let old = Actor::Anabranch.init(&sandbox, "old");
    run(&mut sandbox.git(&old, ["config", "annex.version", "8"]));
    let output = attempt(sandbox.anabranch(["run"]).arg(&old));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = format!(
        "Anabranch does not sync {}: it has git-annex repository version 8",
        old.display()
    );
    assert!(!output.status.success() && said.contains(&refused), "{said}");

    let engine = Engine::spawn(&sandbox, &[&old, &first]);
    travels(&first, "b.jpg", &second);
    let said = engine.words();
    assert!(said.contains(&refused), "{said}");
    engine.stop();
}

#[test]
fn a_drive_that_is_full_is_told_and_goes_on_when_it_has_room() {
    if !needs_desktop() || !needs_root() {
        return;
    }
    let (scene, clone) = with_clone();
    let Some(disk) = or_skipped("mount", SmallDisk::new(&scene.sandbox, "small", 12)) else {
        return;
    };
    let full = scene.cloned_to("small/full");
    run(&mut scene.sandbox.git(&full, ["config", "annex.diskreserve", "1 MB"]));
    let tray = scene.tray();
    let engine = scene.run();
    lists(&tray, "Photos ▸ up to date (1 file)");

    fs::write(scene.photos.join("film.mkv"), Chance::from_seed(3).bytes(20 << 20)).unwrap();
    lists(&tray, "the disk is almost full");
    travels(&scene.photos, "b.jpg", &clone);
    eventually(PATIENCE, || match fs::read(full.join("b.jpg")) {
        Ok(bytes) if bytes == fs::read(scene.photos.join("b.jpg")).unwrap() => Ok(()),
        other => Err(format!("what has room did not come: {other:?}")),
    });
    disk.grow(100);
    eventually(Duration::from_secs(60), || trees::same(&[&scene.photos, &full]));
    lists(&tray, "Photos ▸ up to date (3 files)");
    engine.stop();
    checks::assert_whole(&scene.sandbox, &full);
}

#[test]
fn drive_that_is_read_only_is_told_and_goes_on_when_it_is_not() {
    if !needs_desktop() || !needs_root() {
        return;
    }
    let (scene, clone) = with_clone();
    let Some(drive) = or_skipped("mount", Drive::new(&scene.sandbox, "drive", 200)) else {
        return;
    };
    let on_drive = scene.cloned_to("drive/Photos");
    let carrier = Actor::Anabranch.clone(&scene.sandbox, &scene.photos, "drive/photos.git", true);
    for repository in [&on_drive, &carrier] {
        run(&mut scene.sandbox.git(repository, ["config", "annex.diskreserve", "1 MB"]));
    }
    let tray = scene.tray();
    drive.turn_read_only(true);
    let engine = scene.run();
    lists(&tray, "Photos ▸ 1 file left to copy to");
    eventually(PATIENCE, || {
        let status = attempt(scene.sandbox.anabranch(["status"]).arg(&scene.photos));
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        let is_told = |name: &str| {
            let mut lines = status
                .lines()
                .filter(|line| line.contains(&format!("waiting: 1 file left to copy to {name}:")));
            lines.any(|line| line.ends_with("its disk is read-only"))
        };
        match is_told("Photos") && is_told("photos") {
            true => Ok(()),
            false => Err(status),
        }
    });
    travels(&scene.photos, "b.jpg", &clone);
    drive.turn_read_only(false);
    eventually(Duration::from_secs(60), || trees::same(&[&scene.photos, &on_drive]));
    lists(&tray, "Photos ▸ up to date (2 files)");
    engine.stop();
    checks::assert_whole(&scene.sandbox, &on_drive);
    checks::assert_whole(&scene.sandbox, &carrier);
}

/// 64 contents at once, to each of two drives, are more than 1,024 open files.
#[test]
fn an_engine_may_open_as_many_files_as_the_system_lets_it() {
    let sandbox = Sandbox::new();
    let folder = Actor::Anabranch.init(&sandbox, "folder");
    let mut engine = sandbox.command("prlimit");
    engine
        .arg("--nofile=256:2000")
        .arg(whole_system::programs::anabranch())
        .arg("run")
        .arg(&folder);
    let mut engine = Engine::spawn_program(engine, sandbox.path("engine.log"));
    engine.wait_until_up(&sandbox, &folder);
    let limits = fs::read_to_string(format!("/proc/{}/limits", engine.id())).unwrap();
    let open = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(
        open.split_whitespace().skip(3).take(2).collect::<Vec<_>>(),
        ["2000", "2000"]
    );
    engine.stop();
}

/// A hook of somebody's may wait for an answer that never comes.
#[test]
fn an_engine_ends_though_a_hook_does_not() {
    let sandbox = Sandbox::new();
    let folder = pictures(&sandbox, "folder", 1);
    let bare = Actor::Anabranch.clone(&sandbox, &folder, "bare.git", true);
    Actor::Anabranch.sync(&sandbox, &folder);
    let (began, may_end) = (sandbox.path("began"), sandbox.path("may end"));
    let hook = bare.join("hooks/pre-receive");
    let text = format!(
        "#!/bin/sh\ntouch '{}'\nwhile ! [ -e '{}' ]; do sleep 0.1; done\n",
        began.display(),
        may_end.display()
    );
    fs::write(&hook, text).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let engine = Engine::start(&sandbox, &[&folder]);
    fs::write(folder.join("new.jpg"), "new\n").unwrap();
    eventually(PATIENCE, || match began.exists() {
        true => Ok(()),
        false => Err("the hook does not run".to_owned()),
    });
    engine.stop();
    File::create(&may_end).unwrap();
    fs::remove_file(&hook).unwrap();
    Actor::Anabranch.sync(&sandbox, &folder);
    let tip = |repository: &Path| run(&mut sandbox.git(repository, ["rev-parse", "main"]));
    assert_eq!(tip(&folder), tip(&bare));
}
