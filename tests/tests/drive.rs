//! A real ext4 drive on a loop device: plugged in, pulled out in mid-transfer, plugged in again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::disk_services::DiskServices;
use whole_system::drives::Drive;
use whole_system::skip::{needs_root, or_skipped};
use whole_system::{Chance, Engine, Sandbox, attempt, checks, eventually, run, trees};

/// How long content may take to reach a drive. The drive is a file on a disk to which other tests write as well, and its
/// journal waits for theirs.
const ON_A_DRIVE: Duration = Duration::from_secs(60);

/// A drive of some mebibytes, or the test is left out.
fn drive(sandbox: &Sandbox, mebibytes: u64) -> Option<Drive> {
    match needs_root() {
        true => or_skipped("mount", Drive::new(sandbox, "drive", mebibytes)),
        false => None,
    }
}

/// The drive itself: what was synced survives being pulled out, and nothing can be written meanwhile.
#[test]
fn drive_comes_back_with_what_was_on_the_disk() {
    let sandbox = Sandbox::new();
    let Some(mut drive) = drive(&sandbox, 16) else { return };
    let mut held = fs::File::create(drive.mount_point().join("held")).unwrap();
    held.write_all(b"synced").unwrap();
    held.sync_all().unwrap();
    drive.pull_out();
    assert!(
        held.write_all(b"more").and_then(|()| held.sync_all()).is_err(),
        "the drive was still there"
    );
    assert!(!drive.mount_point().join("held").exists());
    drop(held);
    drive.plug_in();
    assert_eq!(fs::read(drive.mount_point().join("held")).unwrap(), b"synced");
}

#[test]
fn drive_pulled_out_in_mid_transfer_goes_on_when_it_is_back() {
    let mut chance = Chance::new();
    let sandbox = Sandbox::new();
    let Some(mut drive) = drive(&sandbox, 400) else { return };
    let laptop = Actor::Anabranch.init(&sandbox, "laptop");
    // The reserve that git-annex keeps free is a quarter of this drive.
    let carrier = Actor::Anabranch.clone(&sandbox, &laptop, "drive/carrier", true);
    run(&mut sandbox.git(&carrier, ["config", "annex.diskreserve", "1 MB"]));
    whole_system::clones::connect(&sandbox, &laptop, "carrier", &carrier);
    let engine = Engine::start(&sandbox, &[&laptop]);
    let mut files = BTreeMap::new();
    let mut save = |chance: &mut Chance, name: String, length: usize| {
        let bytes = chance.bytes(length);
        fs::write(laptop.join(&name), &bytes).unwrap();
        files.insert(PathBuf::from(name), bytes);
        files.clone()
    };

    let first = save(&mut chance, "note.txt".to_owned(), 4_096);
    eventually(ON_A_DRIVE, || trees::stores(&carrier, &first));

    let partial = carrier.join("annex");
    for round in 0..3 {
        let before = bytes_below(&partial);
        save(&mut chance, format!("film {round}.mkv"), 60 << 20);
        for number in 0..20 {
            save(&mut chance, format!("photo {round} {number}.jpg"), 30_000);
        }
        // In mid-transfer: as soon as some bytes are on the drive, and a random moment more.
        eventually(Duration::from_secs(20), || {
            if bytes_below(&partial) > before {
                Ok(())
            } else {
                Err("nothing reaches the drive")
            }
        });
        std::thread::sleep(Duration::from_millis(chance.below(80) as u64));
        drive.pull_out();
        // While it is away the laptop goes on by itself, and loses nothing.
        let all = save(&mut chance, format!("away {round}.txt"), 2_000);
        eventually(Duration::from_secs(30), || {
            trees::holds(&laptop, &all).and_then(|()| checks::is_clean(&sandbox, &laptop))
        });
        drive.plug_in();
        eventually(ON_A_DRIVE, || trees::stores(&carrier, &all));
    }
    engine.stop();
    run(sandbox.anabranch(["sync"]).arg(&laptop));
    checks::assert_whole(&sandbox, &laptop);
    checks::assert_whole(&sandbox, &carrier);
}

/// The bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    trees::files(folder)
        .iter()
        .filter_map(|path| fs::metadata(folder.join(path)).ok())
        .map(|data| data.len())
        .sum()
}

/// A folder that lies on the drive itself: when the drive goes, its files are away, not deleted.
#[test]
fn drive_gone_from_under_a_folder_deletes_nothing() {
    let sandbox = Sandbox::new();
    let Some(mut drive) = drive(&sandbox, 64) else { return };
    let laptop = Actor::Anabranch.init(&sandbox, "laptop");
    let files: BTreeMap<PathBuf, Vec<u8>> = (0..30)
        .map(|number| (PathBuf::from(format!("file {number}.txt")), vec![number as u8; 500]))
        .collect();
    for (path, bytes) in &files {
        fs::write(laptop.join(path), bytes).unwrap();
    }
    Actor::Anabranch.sync(&sandbox, &laptop);
    let album = Actor::Anabranch.clone(&sandbox, &laptop, "drive/album", false);
    run(&mut sandbox.git(&album, ["config", "annex.diskreserve", "1 MB"]));
    connect_both(&sandbox, &laptop, &album);
    for is_pulled_out in [false, true] {
        // One for each round, as it says a thing once.
        let engine = Engine::start(&sandbox, &[&laptop, &album]);
        let told = || {
            engine
                .words()
                .matches("is missing. Nothing was deleted elsewhere")
                .count()
        };
        let before = told();
        eventually(Duration::from_secs(20), || trees::same(&[&laptop, &album]));
        if is_pulled_out {
            drive.pull_out();
        } else {
            drive.unmount();
        }
        // An empty folder stands where the drive was; nothing may be concluded from that.
        fs::write(laptop.join("while away.txt"), format!("pulled out: {is_pulled_out}\n")).unwrap();
        eventually(Duration::from_secs(20), || checks::is_clean(&sandbox, &laptop));
        // Who looks finds no folder, and says so; nothing more comes of it.
        eventually(Duration::from_secs(20), || match told() > before {
            true => Ok(()),
            false => Err(engine.words()),
        });
        assert_eq!(
            trees::files(&laptop).len(),
            files.len() + 1,
            "files were deleted because the drive went away"
        );
        drive.plug_in();
        eventually(Duration::from_secs(30), || trees::same(&[&laptop, &album]));
        engine.stop();
    }
    for clone in [&laptop, &album] {
        checks::assert_whole(&sandbox, clone);
    }
}

#[test]
fn drive_mounted_by_the_desktop_is_noticed() {
    let sandbox = Sandbox::new();
    let Some(drive) = drive(&sandbox, 64) else { return };
    let Some(disks) = or_skipped("UDisks2", DiskServices::start(&sandbox)) else {
        return;
    };
    drive.unmount();
    let mut trigger = Command::new("udevadm");
    trigger.args(["trigger", "--action=change", "--settle", drive.device()]);
    run(&mut trigger);
    // UDisks2 hears of it from udev, a moment later.
    eventually(Duration::from_secs(10), || {
        let output = attempt(
            disks
                .udisksctl(&sandbox)
                .args(["info", "--block-device", drive.device()]),
        );
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    });
    let mount = || {
        let mut mount = disks.udisksctl(&sandbox);
        mount.args(["mount", "--no-user-interaction", "--block-device", drive.device()]);
        let said = run(&mut mount);
        let place = said
            .trim()
            .rsplit_once(" at ")
            .map(|(_, place)| place.trim_end_matches('.').to_owned());
        PathBuf::from(place.unwrap_or_else(|| panic!("udisksctl said: {said}")))
    };
    let unmount = || {
        let mut unmount = disks.udisksctl(&sandbox);
        unmount.args([
            "unmount",
            "--force",
            "--no-user-interaction",
            "--block-device",
            drive.device(),
        ]);
        attempt(&mut unmount)
    };
    let place = mount();
    let laptop = Actor::Anabranch.init(&sandbox, "laptop");
    let carrier = place.join("carrier");
    run(sandbox.anabranch(["clone", "--bare"]).arg(&laptop).arg(&carrier));
    run(&mut sandbox.git(&carrier, ["config", "annex.diskreserve", "1 MB"]));
    whole_system::clones::connect(&sandbox, &laptop, "carrier", &carrier);
    assert!(unmount().status.success(), "the drive cannot be unmounted");

    let mut engine = Engine::spawn_with(&sandbox, &[&laptop], &[("DBUS_SYSTEM_BUS_ADDRESS", disks.bus())]);
    let file = b"written while the drive was away".to_vec();
    fs::write(laptop.join("letter.txt"), &file).unwrap();
    eventually(Duration::from_secs(20), || checks::is_clean(&sandbox, &laptop));
    assert!(engine.ended().is_none(), "{}", engine.words());
    assert_eq!(mount(), place);
    let files = BTreeMap::from([(PathBuf::from("letter.txt"), file)]);
    eventually(Duration::from_secs(20), || trees::stores(&carrier, &files));
    // Nobody keeps the drive busy: it can be taken out at once.
    eventually(Duration::from_secs(10), || {
        let output = unmount();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    });
    engine.stop();
    checks::assert_whole(&sandbox, &laptop);
}
