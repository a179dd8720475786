//! Drives that just work: seen, taken into use, synced when they are back, ejected; with UDisks2 and without.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it measured"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contract::{Answer, Drive as Shown, Purpose, Request, Standing, Status};
use engine::{Client, Engine, SettingsFile};
use whole_system::alone::{Services, alone};
use whole_system::clones::Actor;
use whole_system::drives::{Drive, Format};
use whole_system::skip::{lacks, or_skipped};
use whole_system::{Sandbox, checks, eventually, run, trees};

const PATIENCE: Duration = Duration::from_secs(40);

/// An engine in this process.
struct Program {
    client: Client,
    runtime: tokio::runtime::Handle,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    fn start(folder: &Path) -> Program {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let folder = folder.to_owned();
        let thread = std::thread::spawn(move || {
            engine::runtime().unwrap().block_on(async {
                let engine = Engine::start(&[folder], SettingsFile::of_user()).unwrap();
                tell.send((engine.client(), tokio::runtime::Handle::current())).unwrap();
                // Also when the test has failed.
                let _ = stopped.await;
                engine.stop().await;
            });
        });
        let (client, runtime) = told.recv().unwrap();
        Program {
            client,
            runtime,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn status(&self) -> Status {
        self.runtime.block_on(self.client.status())
    }

    fn ask(&self, request: Request) -> Answer {
        self.runtime.block_on(self.client.request(request))
    }

    /// Waits until the drive with this label is as it should be.
    #[track_caller]
    fn until(&self, label: &str, is: impl Fn(&Shown) -> bool) -> Shown {
        let mut found = None;
        eventually(PATIENCE, || {
            let status = self.status();
            found = status.drives.iter().find(|drive| drive.name == label).cloned();
            match &found {
                Some(drive) if is(drive) => Ok(()),
                Some(_) | None => Err(format!("{:?}\n{:?}", status.drives, status.folders)),
            }
        });
        found.unwrap()
    }

    #[track_caller]
    fn use_it(&self, drive: &Shown, folder: &Path, purpose: Purpose) {
        let answer = self.ask(Request::UseDrive {
            drive: drive.id.clone(),
            folder: folder.to_str().unwrap().to_owned(),
            purpose,
        });
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }

    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(!matches!(ended, Some(Err(_))), "the engine panicked");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

fn is_new(drive: &Shown) -> bool {
    drive.standing == Standing::New
}

fn is_up_to_date(drive: &Shown) -> bool {
    matches!(drive.standing, Standing::InUse { up_to_date: true, .. })
}

/// A drive where desktops mount them, or the test is left out.
fn plug(sandbox: &Sandbox, format: Format, label: &str, mebibytes: u64) -> Option<Drive> {
    // Kernels without FAT are common, and that says nothing of the others.
    let needed = if format == Format::Fat { "vfat" } else { "mount" };
    let drive = or_skipped(needed, Drive::for_people(sandbox, format, label, mebibytes))?;
    drive.wait_for_udev();
    Some(drive)
}

/// A folder with some files, all of them added.
fn laptop(sandbox: &Sandbox) -> (PathBuf, BTreeMap<PathBuf, Vec<u8>>) {
    let laptop = Actor::Anabranch.init(sandbox, "Photos");
    let files: BTreeMap<PathBuf, Vec<u8>> = (0..20)
        .map(|number| (PathBuf::from(format!("file {number}.jpg")), vec![number; 3_000]))
        .collect();
    for (path, bytes) in &files {
        fs::write(laptop.join(path), bytes).unwrap();
    }
    Actor::Anabranch.sync(sandbox, &laptop);
    (laptop, files)
}

/// Everything fits on the small drives of these tests.
fn without_reserve(sandbox: &Sandbox, repository: &Path) {
    run(&mut sandbox.git(repository, ["config", "annex.diskreserve", "1 MB"]));
}

#[track_caller]
fn is_for(sandbox: &Sandbox, repository: &Path, group: &str) {
    if !sandbox.has_git_annex() {
        return;
    }
    for (what, expected) in [("group", group), ("wanted", "standard")] {
        let said = run(&mut sandbox.git(repository, ["annex", what, "here"]));
        assert_eq!(said.trim(), expected, "git annex {what} in {}", repository.display());
    }
}

#[track_caller]
fn words(answer: Answer) -> (bool, String) {
    let is_done = matches!(answer, Answer::Done(_));
    let (Answer::Done(words) | Answer::Refused(words)) = answer else {
        panic!("{answer:?}")
    };
    (is_done, words)
}

#[test]
fn drive_is_used_synced_ejected_and_synced_again_wherever_it_is_mounted() {
    alone(Services::UDisks2, |sandbox| {
        let (laptop, mut files) = laptop(sandbox);
        let program = Program::start(&laptop);
        let Some(mut drive) = plug(sandbox, Format::Ext4, "STICK", 256) else {
            return;
        };
        let shown = program.until("STICK", |drive| is_new(drive) && drive.can_eject);
        assert_eq!((shown.file_system.as_str(), shown.notes.len()), ("ext4", 0));
        assert!(shown.free > 100 << 20 && shown.free < shown.bytes, "{shown:?}");

        program.use_it(&shown, &laptop, Purpose::Backup);
        let copy = drive.mount_point().join("Photos");
        without_reserve(sandbox, &copy);
        eventually(PATIENCE, || trees::holds(&copy, &files));
        let used = program.until("STICK", is_up_to_date);
        assert!(used.free < shown.free, "the free room is not measured again");
        is_for(sandbox, &copy, "backup");
        checks::assert_whole(sandbox, &copy);

        let (done, said) = words(program.ask(Request::Eject {
            drive: shown.id.clone(),
        }));
        assert!(done && said.contains("safe to unplug"), "{said}");
        assert!(!drive.is_mounted());
        let gone = program.status().drives;
        assert!(gone.iter().all(|drive| drive.name != "STICK"), "{gone:?}");

        for place in ["STICK again", "elsewhere"] {
            let (name, bytes) = (PathBuf::from(format!("{place}.txt")), place.as_bytes().to_vec());
            fs::write(laptop.join(&name), &bytes).unwrap();
            files.insert(name.clone(), bytes);
            eventually(PATIENCE, || checks::is_clean(sandbox, &laptop));
            drive.move_to(place);
            let objects = drive.mount_point().join("Photos/.git/annex");
            let plugged_in_at = Instant::now();
            drive.plug_in();
            let before = fs::metadata(objects.join("tmp")).and_then(|tmp| tmp.modified()).ok();
            let copy = drive.mount_point().join("Photos");
            eventually(PATIENCE, || {
                let now = fs::metadata(objects.join("tmp")).and_then(|tmp| tmp.modified()).ok();
                let is_there = fs::read(copy.join(&name)).is_ok_and(|content| content == files[&name]);
                if now != before || is_there {
                    Ok(())
                } else {
                    Err("nothing reaches the drive")
                }
            });
            let took = plugged_in_at.elapsed();
            eprintln!("from the mount to the first byte: {took:?}");
            eventually(PATIENCE, || trees::holds(&copy, &files));
            program.until("STICK", is_up_to_date);
            let (done, said) = words(program.ask(Request::Eject {
                drive: shown.id.clone(),
            }));
            assert!(done && !drive.is_mounted(), "{said}");
        }
        program.stop();
    });
}

#[test]
fn drive_that_is_busy_stays_and_says_so() {
    alone(Services::UDisks2, |sandbox| {
        let (laptop, _) = laptop(sandbox);
        let program = Program::start(&laptop);
        let Some(drive) = plug(sandbox, Format::Ext4, "BUSY", 64) else {
            return;
        };
        let shown = program.until("BUSY", |drive| is_new(drive) && drive.can_eject);
        let open = fs::File::create(drive.mount_point().join("open")).unwrap();
        let (done, said) = words(program.ask(Request::Eject {
            drive: shown.id.clone(),
        }));
        assert!(
            !done && said.contains("in use") && said.contains("Nothing is lost"),
            "{said}"
        );
        assert!(drive.is_mounted());
        drop(open);
        let (done, said) = words(program.ask(Request::Eject { drive: shown.id }));
        assert!(done && !drive.is_mounted(), "{said}");
    });
}

#[test]
fn drive_without_links_becomes_a_bare_repository() {
    alone(Services::UDisks2, |sandbox| {
        let (laptop, files) = laptop(sandbox);
        let program = Program::start(&laptop);
        for (format, label, note) in [(Format::ExFat, "EXFAT", "no links"), (Format::Fat, "FAT", "4 GiB")] {
            let Some(drive) = plug(sandbox, format, label, 256) else {
                continue;
            };
            let shown = program.until(label, |drive| is_new(drive) && drive.can_eject);
            assert!(shown.notes.join(" ").contains(note), "{shown:?}");
            program.use_it(&shown, &laptop, Purpose::Backup);
            let copy = drive.mount_point().join("Photos.git");
            without_reserve(sandbox, &copy);
            eventually(PATIENCE, || trees::stores(&copy, &files));
            program.until(label, is_up_to_date);
            is_for(sandbox, &copy, "backup");
            // Nothing can be write-protected there.
            checks::git_fsck(sandbox, &copy);
            if sandbox.has_git_annex() {
                run(&mut sandbox.git(&copy, ["annex", "fsck", "--quiet", "--all"]));
            }
        }
        program.stop();
    });
}

#[test]
fn drive_without_udisks_is_used_all_the_same() {
    alone(Services::None, |sandbox| {
        let (laptop, files) = laptop(sandbox);
        let program = Program::start(&laptop);
        let Some(drive) = plug(sandbox, Format::Ext4, "PLAIN", 256) else {
            return;
        };
        let shown = program.until("PLAIN", is_new);
        assert!(!shown.can_eject);
        program.use_it(&shown, &laptop, Purpose::Carry);
        let copy = drive.mount_point().join("Photos.git");
        without_reserve(sandbox, &copy);
        eventually(PATIENCE, || {
            trees::stores(&copy, &files).map_err(|why| format!("{why}\n{:#?}", program.status().folders))
        });
        is_for(sandbox, &copy, "transfer");
        let (done, said) = words(program.ask(Request::Eject { drive: shown.id }));
        assert!(
            !done && said.contains("umount '") && said.contains("Nothing is lost"),
            "{said}"
        );
        assert!(drive.is_mounted());
    });
}

#[test]
fn drive_of_two_goes_in_mid_transfer_and_both_are_complete_in_the_end() {
    alone(Services::UDisks2, |sandbox| {
        let (laptop, mut files) = laptop(sandbox);
        let program = Program::start(&laptop);
        let Some(mut one) = plug(sandbox, Format::Ext4, "ONE", 400) else {
            return;
        };
        let Some(two) = plug(sandbox, Format::Ext4, "TWO", 400) else {
            return;
        };
        let mut copies = Vec::new();
        for (drive, label) in [(&one, "ONE"), (&two, "TWO")] {
            let shown = program.until(label, is_new);
            program.use_it(&shown, &laptop, Purpose::Archive);
            copies.push(drive.mount_point().join("Photos.git"));
            without_reserve(sandbox, copies.last().unwrap());
            program.until(label, is_up_to_date);
        }
        // An archive holds what no other archive has.
        let in_both = copies.iter().filter(|copy| trees::stores(copy, &files).is_ok()).count();
        assert_eq!(in_both, 1);
        // From now on both want everything.
        for copy in &copies {
            let uuid = run(&mut sandbox.git(copy, ["config", "annex.uuid"]));
            if sandbox.has_git_annex() {
                run(&mut sandbox.git(copy, ["annex", "wanted", uuid.trim(), "anything"]));
            }
        }
        if !sandbox.has_git_annex() {
            return lacks("git-annex", "git-annex is not installed");
        }
        // git-annex leaves it to the system when what it writes is on the drive.
        run(&mut std::process::Command::new("sync"));
        let film = (0..80 << 20).map(|at: u32| (at ^ (at >> 7)) as u8).collect::<Vec<u8>>();
        fs::write(laptop.join("film.mkv"), &film).unwrap();
        files.insert(PathBuf::from("film.mkv"), film);
        let partial = copies[0].join("annex");
        let before = bytes_below(&partial);
        eventually(PATIENCE, || {
            if bytes_below(&partial) > before {
                Ok(())
            } else {
                Err("nothing reaches the drive")
            }
        });
        one.pull_out();
        eventually(PATIENCE, || trees::stores(&copies[1], &files));
        program.until("TWO", is_up_to_date);
        assert!(program.status().drives.iter().all(|drive| drive.name != "ONE"));
        one.wait_for_udev();
        one.plug_in();
        eventually(PATIENCE, || trees::stores(&copies[0], &files));
        program.until("ONE", is_up_to_date);
        for copy in &copies {
            checks::assert_whole(sandbox, copy);
        }
        program.stop();
    });
}

fn bytes_below(folder: &Path) -> u64 {
    let lengths = trees::files(folder).into_iter();
    lengths
        .filter_map(|path| fs::metadata(folder.join(path)).ok())
        .map(|data| data.len())
        .sum()
}

#[test]
fn drive_copied_bit_by_bit_is_a_problem_and_nothing_reaches_the_copy() {
    alone(Services::UDisks2, |sandbox| {
        let (laptop, mut files) = laptop(sandbox);
        let program = Program::start(&laptop);
        let Some(mut drive) = plug(sandbox, Format::Ext4, "TWIN", 128) else {
            return;
        };
        let shown = program.until("TWIN", is_new);
        program.use_it(&shown, &laptop, Purpose::Backup);
        let copy = drive.mount_point().join("Photos");
        without_reserve(sandbox, &copy);
        program.until("TWIN", is_up_to_date);
        let twin = drive.copy().unwrap();
        twin.wait_for_udev();
        let problem = |next: &str| {
            eventually(PATIENCE, || {
                let problems = program.status().problems;
                let is_told = problems.iter().any(|problem| problem.next.contains(next));
                if is_told { Ok(()) } else { Err(format!("{problems:?}")) }
            });
        };
        problem(&format!("syncs only {}", copy.display()));
        let before = trees::objects(&twin.mount_point().join("Photos/.git"));
        fs::write(laptop.join("later.txt"), "later").unwrap();
        files.insert(PathBuf::from("later.txt"), b"later".to_vec());
        eventually(PATIENCE, || trees::holds(&copy, &files));
        assert_eq!(trees::objects(&twin.mount_point().join("Photos/.git")), before);
        // Neither is where the remote says: nobody can say which is meant.
        drive.unmount();
        drive.move_to("TWIN moved");
        twin.unmount();
        drive.plug_in();
        let twin_elsewhere = twin;
        twin_elsewhere.plug_in();
        problem("syncs neither");
        program.stop();
    });
}

#[test]
fn drive_with_a_clone_made_by_git_annex_is_connected_to_and_what_it_holds_stays_as_it_was() {
    alone(Services::UDisks2, |sandbox| {
        if !whole_system::skip::needs_git_annex() {
            return;
        }
        let (laptop, files) = laptop(sandbox);
        let Some(drive) = plug(sandbox, Format::Ext4, "OLD", 256) else {
            return;
        };
        let clone = drive.mount_point().join("my clone");
        run(sandbox
            .command("git")
            .args(["clone", "--quiet"])
            .arg(&laptop)
            .arg(&clone));
        run(&mut sandbox.git(&clone, ["annex", "init", "--quiet", "old clone"]));
        run(&mut sandbox.git(&clone, ["annex", "group", "here", "manual"]));
        run(&mut sandbox.git(&clone, ["annex", "wanted", "here", "include=*1.jpg"]));
        let program = Program::start(&laptop);
        let shown = program.until("OLD", |drive| is_new(drive) && !drive.notes.is_empty());
        assert!(shown.notes[0].contains("my clone"), "{shown:?}");
        without_reserve(sandbox, &clone);
        program.use_it(&shown, &laptop, Purpose::Backup);
        program.until("OLD", is_up_to_date);
        let (wanted, others): (BTreeMap<_, _>, BTreeMap<_, _>) = files
            .into_iter()
            .partition(|(path, _)| path.to_str().unwrap().ends_with("1.jpg"));
        assert!(wanted.len() == 2 && trees::stores(&clone.join(".git"), &wanted).is_ok());
        assert!(trees::stores(&clone.join(".git"), &others).is_err());
        let entries = drive.mount_point().read_dir().unwrap().flatten();
        let names: Vec<_> = entries
            .map(|entry| entry.file_name())
            .filter(|name| name != "lost+found")
            .collect();
        assert_eq!(names, ["my clone"], "no second repository is made");

        let declined = program.ask(Request::DeclineDrive { drive: shown.id });
        assert!(matches!(declined, Answer::Done(_)), "{declined:?}");
        assert_eq!(program.status().settings.declined[0].name, "OLD");
        program.until("OLD", |drive| matches!(drive.standing, Standing::InUse { .. }));
        program.stop();
    });
}
