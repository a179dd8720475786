//! What nobody should trust: names, trees, links, pointers, damaged files, full disks.
//!
//! Each ends in a message and a repository that is whole; never in a crash, a write outside, or a lost file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::drives::SmallDisk;
use whole_system::run::told;
use whole_system::skip::{needs_git_annex, needs_root, or_skipped};
use whole_system::trees::{self, Entry};
use whole_system::{Chance, Engine, PATIENCE, Sandbox, attempt, checks, eventually, run};

/// Two clones of ours that know each other.
fn two(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let first = Actor::Anabranch.init(sandbox, "first");
    fs::write(first.join("ordinary.txt"), "an ordinary file\n").unwrap();
    Actor::Anabranch.sync(sandbox, &first);
    let second = Actor::Anabranch.clone(sandbox, &first, "second", false);
    connect_both(sandbox, &first, &second);
    Actor::Anabranch.sync(sandbox, &second);
    trees::same(&[&first, &second]).unwrap();
    (first, second)
}

/// Syncs; it may refuse or wait, with a message, but not crash.
fn sync(sandbox: &Sandbox, repository: &Path) -> (Output, String) {
    let mut command = sandbox.anabranch(["sync"]);
    command.arg(repository);
    let output = attempt(&mut command);
    let text = told(&command, &output);
    if !output.status.success() {
        assert!(
            !output.stderr.is_empty() || !output.stdout.is_empty(),
            "it failed without a word: {text}"
        );
    }
    (output, text)
}

#[test]
fn strange_names_cross_unchanged() {
    strange_names(&Sandbox::without_git_annex());
}

/// With git-annex's filter in place of ours.
///
/// Left out are names that git-annex itself does not get through, seen without us: after one with a newline its filter
/// is out of step, so that `git status` finds changes where none are; one that is not UTF-8 `git annex add` leaves.
#[test]
fn strange_names_cross_unchanged_beside_git_annex() {
    if needs_git_annex() {
        strange_names(&Sandbox::new());
    }
}

fn strange_names(sandbox: &Sandbox) {
    let (first, second) = two(sandbox);
    let long = "n".repeat(255);
    let names: Vec<Vec<u8>> = [
        &b"new\nline"[..],
        b"tab\there",
        b"-rf",
        b"--help",
        b"not utf-8 \xff\xfe\x80",
        b"quote\"back\\slash",
        b"'; rm -rf ~",
        b"*",
        b"[a-z]?",
        b" leading and trailing ",
        b"\x01\x02\x1b[31m",
        b"$HOME",
        b"%s%n",
        b"CON",
        b"a:b",
        b"..almost",
        b"...",
        b"~",
        b"e\xcc\x81 decomposed",
        b"\xc3\xa9 composed",
        b".hidden",
        b"K&a%b",
        long.as_bytes(),
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect();
    let mut expected = BTreeMap::from([(PathBuf::from("ordinary.txt"), b"an ordinary file\n".to_vec())]);
    let with_all = !sandbox.has_git_annex();
    let is_simple = |name: &[u8]| !name.contains(&b'\n') && std::str::from_utf8(name).is_ok();
    let folder = if with_all { "-folder\n" } else { "-folder\t" };
    for (number, name) in names.iter().enumerate().filter(|(_, name)| with_all || is_simple(name)) {
        for path in [
            PathBuf::from(OsStr::from_bytes(name)),
            Path::new(folder).join(OsStr::from_bytes(name)),
        ] {
            let bytes = format!("{number} {}", path.display()).into_bytes();
            fs::create_dir_all(first.join(&path).parent().unwrap()).unwrap();
            fs::write(first.join(&path), &bytes).unwrap();
            expected.insert(path, bytes);
        }
    }
    let (output, text) = sync(sandbox, &first);
    assert!(output.status.success(), "{text}");
    sync(sandbox, &second);
    trees::holds(&first, &expected).unwrap();
    trees::holds(&second, &expected).unwrap();
    for clone in [&first, &second] {
        checks::assert_whole(sandbox, clone);
    }
}

/// Git cannot hold a folder named `.git` in any case; it is left alone and named, and the rest crosses.
#[test]
fn names_that_git_cannot_hold_are_left_alone_and_named() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    for name in [".GIT", "below/.Git", "below/.giT"] {
        fs::create_dir_all(first.join(name)).unwrap();
        fs::write(
            first.join(name).join("config"),
            "[core]\n\tfsmonitor = touch /tmp/owned\n",
        )
        .unwrap();
    }
    fs::write(first.join("beside.txt"), "crosses\n").unwrap();
    let (_, text) = sync(&sandbox, &first);
    assert!(text.contains(".GIT"), "the name that cannot cross is not told: {text}");
    sync(&sandbox, &second);
    assert_eq!(fs::read_to_string(second.join("beside.txt")).unwrap(), "crosses\n");
    assert!(!second.join(".GIT").exists() && !second.join("below/.Git").exists());
    assert!(
        first.join(".GIT/config").exists(),
        "the file that cannot cross was removed"
    );
    for clone in [&first, &second] {
        checks::git_fsck(&sandbox, clone);
    }
}

#[test]
fn a_symlink_out_of_the_folder_is_carried_and_never_followed() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    let outside = sandbox.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "not for sharing").unwrap();
    symlink(&outside, first.join("way out")).unwrap();
    symlink("../outside/secret", first.join("to a file")).unwrap();
    symlink("loop", first.join("loop")).unwrap();
    sync(&sandbox, &first);
    sync(&sandbox, &second);
    assert_eq!(
        trees::entry(&second.join("way out")),
        Some(Entry::Symlink(outside.clone()))
    );
    assert_eq!(
        trees::entry(&second.join("to a file")),
        Some(Entry::Symlink("../outside/secret".into()))
    );
    let secret = trees::digest(b"not for sharing");
    let keys: String = trees::objects(&second.join(".git")).into_keys().collect();
    assert!(!keys.contains(&secret), "what lies outside was stored");

    // The link becomes a folder over there: nothing may be written through the link that still stands here.
    fs::remove_file(first.join("way out")).unwrap();
    fs::create_dir(first.join("way out")).unwrap();
    fs::write(first.join("way out/secret"), "written through").unwrap();
    sync(&sandbox, &first);
    sync(&sandbox, &second);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "not for sharing");
    trees::same(&[&first, &second]).unwrap();
}

#[test]
fn pointers_made_to_escape_stay_what_they_are() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    let outside = sandbox.path("outside");
    fs::write(&outside, "outside").unwrap();
    let pointers: &[&[u8]] = &[
        b"/annex/objects/../../../../outside\n",
        b"/annex/objects/SHA256E-s7--../../../../outside\n",
        b"/annex/objects/SHA256E-s7--%2e%2e%2f\n",
        b"/annex/objects/WORM-s7-m1--..\n",
        b"/annex/objects/SHA256E-s18446744073709551616--00\n",
        b"/annex/objects/SHA256E-s7--00\0\n",
        b"/annex/objects/URL--file:///etc/passwd\n",
        b"/annex/objects/-\n",
        b"/annex/objects/\n",
        b"/annex/objects/XUNKNOWN-s1--abc\n",
    ];
    let mut plain = sandbox.git(
        &first,
        ["-c", "filter.annex.clean=", "-c", "filter.annex.process=", "add", "."],
    );
    for (number, pointer) in pointers.iter().enumerate() {
        fs::write(first.join(format!("pointer {number}")), pointer).unwrap();
        let target = OsStr::from_bytes(pointer.trim_ascii_end().strip_prefix(b"/").unwrap());
        if !target.as_bytes().contains(&0) {
            symlink(Path::new(".git").join(target), first.join(format!("link {number}"))).unwrap();
        }
    }
    run(&mut plain);
    run(&mut sandbox.git(&first, ["commit", "--quiet", "--message", "hostile"]));
    for clone in [&first, &second, &first, &second] {
        sync(&sandbox, clone);
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
    fs::write(first.join("after.txt"), "still works\n").unwrap();
    sync(&sandbox, &first);
    sync(&sandbox, &second);
    assert_eq!(fs::read_to_string(second.join("after.txt")).unwrap(), "still works\n");
    for clone in [&first, &second] {
        checks::git_fsck(&sandbox, clone);
        trees::objects_are_whole(&clone.join(".git")).unwrap();
    }
}

/// Trees that no git would make, put into a repository by hand and pulled by us.
#[test]
fn trees_made_to_escape_are_refused() {
    let sandbox = Sandbox::new();
    for (number, name) in [".git", "..", ".", "a/b", "../outside", ".GIT", "", ".git\u{200c}"]
        .iter()
        .enumerate()
    {
        let first = Actor::Anabranch.init(&sandbox, &format!("first {number}"));
        fs::write(first.join("ordinary.txt"), "ordinary\n").unwrap();
        Actor::Anabranch.sync(&sandbox, &first);
        let second = Actor::Anabranch.clone(&sandbox, &first, &format!("second {number}"), false);
        Actor::Anabranch.sync(&sandbox, &second);
        let hooks = second.join(".git/hooks");
        let before = (trees::files(&hooks), fs::read(second.join(".git/config")).unwrap());

        // A tree entry is `mode name NUL id`; the evil one is a folder that holds a hook, or a file.
        let blob = put(&sandbox, &first, "blob", b"#!/bin/sh\ntouch /tmp/owned\n");
        let mut inner = b"100755 post-checkout\0".to_vec();
        inner.extend(hex(&blob));
        let inner = put(&sandbox, &first, "tree", &inner);
        let mut outer = format!("40000 {name}\0").into_bytes();
        outer.extend(hex(&inner));
        let ordinary = run(&mut sandbox.git(&first, ["rev-parse", "main:ordinary.txt"]));
        outer.extend(b"100644 ordinary.txt\0");
        outer.extend(hex(ordinary.trim()));
        let outer = put(&sandbox, &first, "tree", &outer);
        let commit = run(&mut sandbox.git(&first, ["commit-tree", &outer, "-p", "main", "-m", "evil"]));
        run(&mut sandbox.git(&first, ["update-ref", "refs/heads/main", commit.trim()]));

        let (_, text) = sync(&sandbox, &second);
        let after = (trees::files(&hooks), fs::read(second.join(".git/config")).unwrap());
        assert_eq!(before.0, after.0, "a hook came in by a tree entry {name:?}: {text}");
        assert_eq!(
            before.1, after.1,
            "the settings changed by a tree entry {name:?}: {text}"
        );
        assert!(!sandbox.path("post-checkout").exists() && !sandbox.path("outside").exists());
        assert_eq!(
            fs::read_to_string(second.join("ordinary.txt")).unwrap(),
            "ordinary\n",
            "{name:?}: {text}"
        );
    }
}

/// Writes an object that git would not, and returns its id.
fn put(sandbox: &Sandbox, repository: &Path, kind: &str, bytes: &[u8]) -> String {
    let mut command = sandbox.git(repository, ["hash-object", "-w", "--literally", "-t", kind, "--stdin"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn hex(id: &str) -> Vec<u8> {
    (0..id.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn corrupt_content_is_not_passed_on_and_is_told() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    // Locked in the first, so that the object is the only copy there.
    run(&mut sandbox.git(&first, ["config", "annex.addunlocked", "false"]));
    run(&mut sandbox.git(&first, ["config", "remote.second.annex-ignore", "true"]));
    run(&mut sandbox.git(&first, ["config", "remote.second.annex-sync", "false"]));
    let bytes = Chance::from_seed(5).bytes(50_000);
    fs::write(first.join("photo.jpg"), &bytes).unwrap();
    sync(&sandbox, &first);
    let digest = trees::digest(&bytes);
    let object = trees::objects(&first.join(".git"))
        .into_iter()
        .find_map(|(key, path)| key.contains(&digest).then_some(path))
        .expect("the first clone holds the photo");
    let mut damaged = bytes;
    damaged[25_000] ^= 0x40;
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, &damaged).unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o444)).unwrap();

    let (output, text) = sync(&sandbox, &second);
    assert_eq!(
        output.status.code(),
        Some(2),
        "what did not arrive is still waiting: {text}"
    );
    trees::objects_are_whole(&second.join(".git")).unwrap();
    assert_ne!(
        trees::entry(&second.join("photo.jpg")),
        Some(Entry::Content(trees::digest(&damaged)))
    );
    let words = [
        "photo.jpg",
        &digest,
        "corrupt",
        "damaged",
        "does not match",
        "set aside",
    ];
    assert!(
        words.iter().any(|word| text.contains(word)),
        "that a content is damaged is not told: {text}"
    );
}

/// Damages to our own and git's files; each is put right or told, and no file is lost.
#[test]
fn truncated_files_of_the_repository_do_not_stop_it() {
    let mut chance = Chance::new();
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    let mut expected = BTreeMap::from([(PathBuf::from("ordinary.txt"), b"an ordinary file\n".to_vec())]);
    let mut step = 0;
    let mut goes_on = |what: &str| {
        step += 1;
        let bytes = format!("after {what}, {step}\n").into_bytes();
        fs::write(first.join(format!("step {step}.txt")), &bytes).unwrap();
        expected.insert(format!("step {step}.txt").into(), bytes);
        for clone in [&first, &second, &first] {
            let (output, text) = sync(&sandbox, clone);
            assert!(output.status.success(), "after {what}: {text}");
        }
        trees::holds(&first, &expected).unwrap_or_else(|fault| panic!("after {what}: {fault}"));
        trees::holds(&second, &expected).unwrap_or_else(|fault| panic!("after {what}: {fault}"));
    };
    goes_on("nothing");
    let observations = first.join(".git/anabranch");
    for damage in [Damage::Half, Damage::Empty, Damage::Noise, Damage::Gone] {
        for path in trees::files(&observations) {
            // The locks and what the person chose are no observations.
            if path
                .extension()
                .is_some_and(|extension| extension == "toml" || extension == "lock")
            {
                continue;
            }
            damage.apply(&mut chance, &observations.join(&path));
            goes_on(&format!("{damage:?} {}", path.display()));
        }
    }
    for damage in [Damage::Gone, Damage::Empty, Damage::Half] {
        damage.apply(&mut chance, &first.join(".git/annex/index"));
        goes_on(&format!("{damage:?} .git/annex/index"));
    }
    fs::create_dir_all(first.join(".git/annex/journal")).unwrap();
    fs::write(first.join(".git/annex/journal/uuid.log"), "").unwrap();
    fs::write(first.join(".git/annex/journal/not_a_key.log"), [0xff, 0x00, 0x0a]).unwrap();
    goes_on("a truncated journal");
    for clone in [&first, &second] {
        checks::assert_whole(&sandbox, clone);
    }
}

/// Git's own index is the person's: a damaged one is reported, or made again; either way no file and no commit is lost.
#[test]
fn a_truncated_git_index_loses_nothing() {
    let sandbox = Sandbox::new();
    let (first, second) = two(&sandbox);
    let commits = checks::commits(&sandbox, &first);
    Damage::Half.apply(&mut Chance::from_seed(1), &first.join(".git/index"));
    fs::write(first.join("new.txt"), "new\n").unwrap();
    let (output, text) = sync(&sandbox, &first);
    assert_eq!(
        fs::read_to_string(first.join("ordinary.txt")).unwrap(),
        "an ordinary file\n",
        "{text}"
    );
    if !output.status.success() {
        assert!(text.contains("index"), "it refused without saying why: {text}");
        assert_eq!(checks::commits(&sandbox, &first), commits);
        fs::remove_file(first.join(".git/index")).unwrap();
        run(&mut sandbox.git(&first, ["reset", "--quiet"]));
    }
    for clone in [&first, &second] {
        let (output, text) = sync(&sandbox, clone);
        assert!(output.status.success(), "{text}");
    }
    trees::same(&[&first, &second]).unwrap();
    assert_eq!(trees::files(&second).len(), 2);
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Half,
    Empty,
    Noise,
    Gone,
}

impl Damage {
    fn apply(self, chance: &mut Chance, path: &Path) {
        let Ok(bytes) = fs::read(path) else { return };
        match self {
            Damage::Half => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            Damage::Empty => fs::write(path, b"").unwrap(),
            Damage::Noise => fs::write(path, chance.bytes(bytes.len())).unwrap(),
            Damage::Gone => fs::remove_file(path).unwrap(),
        }
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_no_half_content() {
    if !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let Some(disk) = or_skipped("mount", SmallDisk::new(&sandbox, "small", 12)) else {
        return;
    };
    let first = Actor::Anabranch.init(&sandbox, "first");
    fs::write(first.join("ordinary.txt"), "an ordinary file\n").unwrap();
    Actor::Anabranch.sync(&sandbox, &first);
    let second = Actor::Anabranch.clone(&sandbox, &first, "small/second", false);
    connect_both(&sandbox, &first, &second);
    fs::write(first.join("film.mkv"), Chance::from_seed(3).bytes(20 << 20)).unwrap();
    fs::write(first.join("note.txt"), "small enough\n").unwrap();

    // With git-annex's reserve of 100 MB nothing may be stored there at all; without it the disk runs full.
    for (reserve, room) in [("100 MB", "the reserve"), ("0", "the disk")] {
        run(&mut sandbox.git(&second, ["config", "annex.diskreserve", reserve]));
        for clone in [&first, &second] {
            let (output, text) = sync(&sandbox, clone);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{room}: the film is still waiting: {text}"
            );
            let text = text.to_lowercase();
            let is_told = ["space", "room", "full", "reserve"]
                .iter()
                .any(|word| text.contains(word));
            assert!(is_told, "{room} is not named as the reason: {text}");
        }
        trees::objects_are_whole(&second.join(".git")).unwrap();
        checks::git_fsck(&sandbox, &second);
        assert_eq!(trees::entry(&second.join("film.mkv")), Some(Entry::Absent), "{room}");
    }
    disk.grow(100);
    for clone in [&first, &second] {
        sync(&sandbox, clone);
    }
    trees::same(&[&first, &second]).unwrap();
    checks::assert_whole(&sandbox, &second);
}

#[test]
fn a_file_without_room_for_its_object_waits_alone_until_there_is_room() {
    if !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let Some(disk) = or_skipped("mount", SmallDisk::new(&sandbox, "small", 14)) else {
        return;
    };
    let first = Actor::Anabranch.init(&sandbox, "small/first");
    run(&mut sandbox.git(&first, ["config", "annex.diskreserve", "1 MB"]));
    let second = Actor::Anabranch.clone(&sandbox, &first, "second", false);
    let engine = Engine::start(&sandbox, &[&first, &second]);
    fs::write(first.join("film.mkv"), Chance::from_seed(3).bytes(8 << 20)).unwrap();
    let problems = || whole_system::asking::status(&sandbox, &first).map(|folder| folder["problems"].to_string());
    eventually(PATIENCE, || match problems()? {
        told if told.contains("Anabranch does not sync film.mkv") => Ok(()),
        told => Err(told),
    });
    let has = |name: &str| match second.join(name).metadata() {
        Ok(found) if found.len() > 1000 || name == "note.txt" => Ok(()),
        found => Err(format!("{name}: {found:?}")),
    };
    fs::write(first.join("note.txt"), "small enough\n").unwrap();
    eventually(PATIENCE, || has("note.txt"));
    disk.grow(100);
    eventually(Duration::from_secs(60), || has("film.mkv"));
    eventually(PATIENCE, || match problems()? {
        none if none == "[]" => Ok(()),
        told => Err(told),
    });
    engine.stop();
    checks::assert_whole(&sandbox, &second);
}

/// A version that is not ours to touch is refused with its number.
#[test]
fn another_version_is_refused() {
    let sandbox = Sandbox::new();
    let first = Actor::Anabranch.init(&sandbox, "first");
    for version in ["8", "11", "ten", ""] {
        run(&mut sandbox.git(&first, ["config", "annex.version", version]));
        fs::write(first.join("new.txt"), version).unwrap();
        let (output, text) = sync(&sandbox, &first);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(version), "the version is not named: {text}");
    }
}
