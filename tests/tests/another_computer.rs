//! Making places on other computers, over a real ssh.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use whole_system::asking::{is_in_state, status};
use whole_system::clones::Actor;
use whole_system::skip::{needs_git_annex, needs_sshd};
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, PATIENCE, Sandbox, Sshd, attempt, checks, eventually, run};

/// A folder with a file and another computer.
fn scene(shell: Shell, login: Login) -> (Sandbox, Sshd, PathBuf) {
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox, "desk", shell, login, &[]);
    let folder = Actor::Anabranch.init(&sandbox, "photos");
    fs::write(folder.join("picture"), "a picture").unwrap();
    Actor::Anabranch.sync(&sandbox, &folder);
    (sandbox, sshd, folder)
}

/// `anabranch add`, and what it says.
fn add(sandbox: &Sandbox, folder: &Path, address: &str, more: &[&str]) -> String {
    let mut add = sandbox.anabranch(["add"]);
    run(add.arg(folder).arg(address).args(more))
}

/// `anabranch add` that does not succeed, and what it says.
fn refused(sandbox: &Sandbox, folder: &Path, address: &str) -> String {
    let mut add = sandbox.anabranch(["add"]);
    let output = attempt(add.arg(folder).arg(address));
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

fn remotes(sandbox: &Sandbox, folder: &Path) -> String {
    run(&mut sandbox.git(folder, ["remote"]))
}

/// The objects of content in a repository.
fn contents(sandbox: &Sandbox, git_dir: &Path) -> usize {
    let mut find = sandbox.command("find");
    run(find.arg(git_dir).args(["-path", "*/annex/objects/*", "-type", "f"]))
        .lines()
        .count()
}

/// Waits until the other computer has done what it does when a connection ends, and checks a repository there.
#[track_caller]
fn is_whole(sandbox: &Sandbox, repository: &Path) {
    eventually(PATIENCE, || {
        let output = attempt(&mut sandbox.git(repository, ["fsck", "--strict", "--no-progress"]));
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{output:?}")),
        }
    });
    checks::assert_whole(sandbox, repository);
}

#[test]
fn a_folder_is_made_there_and_filled() {
    if !needs_sshd() {
        return;
    }
    let (sandbox, sshd, folder) = scene(Shell::Anabranch, Login::Everything);
    let said = add(&sandbox, &folder, "desk:pictures of ann/2026", &[]);
    assert!(said.contains("was made for"), "{said}");
    Actor::Anabranch.sync(&sandbox, &folder);
    let there = sshd.home().join("pictures of ann/2026");
    assert_eq!(fs::read_to_string(there.join("picture")).unwrap(), "a picture");
    assert_eq!(remotes(&sandbox, &folder), "desk\n");
    is_whole(&sandbox, &there);
    // Safe to repeat.
    let said = add(&sandbox, &folder, "desk:pictures of ann/2026", &[]);
    assert!(
        said.contains("is connected to") && !said.contains("no longer"),
        "{said}"
    );
    assert_eq!(remotes(&sandbox, &folder), "desk\n");
    let said = add(&sandbox, &folder, &sshd.address(&there), &[]);
    assert!(said.contains("no longer leads to desk:pictures of ann/2026"), "{said}");
    assert_eq!(remotes(&sandbox, &folder), "desk\n");
}

#[test]
fn a_computer_with_two_addresses_is_one_place_and_each_takes_over_for_the_other() {
    if !needs_sshd() {
        return;
    }
    let (sandbox, sshd, folder) = scene(Shell::Anabranch, Login::Everything);
    add(&sandbox, &folder, "desk:photos", &[]);
    let there = sshd.home().join("photos");
    let lan = sshd.listen_also(&sandbox, "lan");
    for _ in 0..2 {
        let said = add(&sandbox, &folder, "lan:photos", &[]);
        assert!(said.contains("its name here is lan. desk leads there too"), "{said}");
    }
    assert_eq!(remotes(&sandbox, &folder), "desk\nlan\n");
    // So nothing is left to send by the one that happens to connect first.
    Actor::Anabranch.sync(&sandbox, &folder);
    run(&mut sandbox.git(&folder, ["config", "remote.lan.annex-cost", "150"]));
    let engine = Engine::start(&sandbox, &[&folder]);
    is_in_state(&sandbox, &folder, "safe");
    let places = || status(&sandbox, &folder).unwrap()["places"].clone();
    let arrives = |name: &str| {
        fs::write(folder.join(name), name).unwrap();
        eventually(PATIENCE, || match fs::read_to_string(there.join(name)) {
            Ok(text) if text == name => Ok(()),
            found => Err(format!("{found:?}; {}", places())),
        });
    };
    arrives("by either");
    is_in_state(&sandbox, &folder, "safe");
    eventually(PATIENCE, || {
        let places = places();
        let way = &places[0]["other_ways"][0];
        match places[0]["name"] == "lan" && way["name"] == "desk" && way["contact"] == "here" {
            true => Ok(()),
            false => Err(places.to_string()),
        }
    });
    assert_eq!(places().as_array().unwrap().len(), 1);
    assert_eq!(places()[0]["round_trip"], 0, "less than a millisecond");
    let told = attempt(sandbox.anabranch(["status"]).arg(&folder));
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("lan: up to date; less than 1 ms away; also connected as desk"),
        "{told}"
    );
    // The first may have gone by the one that connected first.
    arrives("by lan again");
    eventually(PATIENCE, || {
        let recent = status(&sandbox, &folder)?["recent"].clone();
        let newest = recent.as_array().into_iter().flatten().find(|done| {
            let what = done["what"].as_str().unwrap_or_default();
            what.starts_with("sent ")
        });
        match newest.is_some_and(|done| done["what"] == "sent 1 file to lan") {
            true => Ok(()),
            false => Err(recent.to_string()),
        }
    });
    drop(lan);
    arrives("by another network");
    is_in_state(&sandbox, &folder, "safe");
    let place = &places()[0];
    assert_eq!(
        (place["name"].as_str(), &place["other_ways"][0]["name"]),
        (Some("desk"), &"lan".into())
    );
    assert!(place["other_ways"][0]["contact"]["away"].is_string(), "{place}");
    // With neither, what waits is counted once.
    drop(sshd);
    fs::write(folder.join("alone"), "alone").unwrap();
    eventually(PATIENCE, || {
        let status = status(&sandbox, &folder)?;
        let waiting = status["waiting"].as_array().cloned().unwrap_or_default();
        let says = |part: &str| {
            waiting
                .iter()
                .filter(|why| why.as_str().unwrap().contains(part))
                .count()
        };
        match says("1 file left to copy to") {
            1 if status["state"] == "waiting" && waiting.len() == 1 && status["places"][0]["round_trip"].is_null() => {
                Ok(())
            }
            _ => Err(status.to_string()),
        }
    });
    engine.stop();
}

#[test]
fn a_bare_repository_is_made_there_and_filled() {
    if !needs_sshd() || !needs_git_annex() {
        return;
    }
    for shell in [Shell::Anabranch, Shell::GitAnnex] {
        let (sandbox, sshd, folder) = scene(shell, Login::Everything);
        add(&sandbox, &folder, "desk:~/photos.git", &["--bare"]);
        Actor::Anabranch.sync(&sandbox, &folder);
        let there = sshd.home().join("photos.git");
        assert_eq!(contents(&sandbox, &there), 1, "{shell:?}");
        is_whole(&sandbox, &there);
    }
}

/// The clone may have been made by others, with settings of its own.
#[test]
fn a_clone_that_is_there_is_connected_and_keeps_what_it_wants() {
    if !needs_sshd() || !needs_git_annex() {
        return;
    }
    let (sandbox, sshd, folder) = scene(Shell::GitAnnex, Login::Everything);
    let there = sshd.home().join("photos");
    run(sandbox
        .command("git")
        .args(["clone", "--quiet"])
        .arg(&folder)
        .arg(&there));
    run(&mut sandbox.git(&there, ["annex", "init", "--quiet", "desk"]));
    run(&mut sandbox.git(&there, ["annex", "wanted", "here", "exclude=*"]));
    let said = add(&sandbox, &folder, "desk:photos", &[]);
    assert!(said.contains("is connected to"), "{said}");
    Actor::Anabranch.sync(&sandbox, &folder);
    assert_eq!(contents(&sandbox, &there.join(".git")), 0, "it wants none");
}

#[test]
fn a_place_with_git_only_stays_one_remote_when_it_is_added_again() {
    if !needs_sshd() {
        return;
    }
    let (sandbox, sshd, folder) = scene(Shell::Nobody, Login::Everything);
    for _ in 0..2 {
        let said = add(&sandbox, &folder, "desk:photos", &[]);
        assert!(
            said.contains("its name here is desk.") && said.contains("Install one of them there"),
            "{said}"
        );
    }
    sshd.install();
    add(&sandbox, &folder, "desk:photos", &[]);
    assert_eq!(remotes(&sandbox, &folder), "desk\n");
}

#[test]
fn only_git_annex_may_be_run_there() {
    if !needs_sshd() {
        return;
    }
    let (sandbox, sshd, folder) = scene(Shell::Anabranch, Login::GitAnnexShell);
    let there = sshd.home().join("photos.git");
    run(sandbox.command("git").args(["init", "--quiet", "--bare"]).arg(&there));
    add(&sandbox, &folder, "desk:photos.git", &[]);
    Actor::Anabranch.sync(&sandbox, &folder);
    assert_eq!(contents(&sandbox, &there), 1);
}

#[test]
fn places_that_are_added_at_once_are_all_there() {
    if !needs_sshd() {
        return;
    }
    let (sandbox, _sshd, folder) = scene(Shell::Anabranch, Login::Everything);
    let begin = |address| {
        let mut add = sandbox.anabranch(["add"]);
        add.arg(&folder).arg(address).spawn().unwrap()
    };
    for mut adding in ["desk:one", "desk:two"].map(begin) {
        assert!(adding.wait().unwrap().success());
    }
    assert_eq!(remotes(&sandbox, &folder), "desk\ndesk-2\n");
}

#[test]
fn what_cannot_be_a_place_is_refused_and_left_as_it_is() {
    if !needs_sshd() {
        return;
    }
    let (sandbox, sshd, folder) = scene(Shell::Anabranch, Login::Everything);
    let at = |name: &str| sshd.home().join(name);
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/letter"), "a letter").unwrap();
    fs::write(at("file"), "a file").unwrap();
    let other = Actor::Anabranch.init(&sandbox, "other");
    fs::write(other.join("else"), "something else").unwrap();
    Actor::Anabranch.sync(&sandbox, &other);
    run(sandbox.anabranch(["clone"]).arg(&other).arg(at("other")));
    run(sandbox
        .command("git")
        .args(["init", "--quiet", "-b", "trunk"])
        .arg(at("code")));
    run(&mut sandbox.git(&at("code"), ["commit", "--quiet", "--allow-empty", "-m", "code"]));
    let before = run(&mut sandbox.git(&folder, ["for-each-ref"]));
    for (address, why) in [
        ("desk:full", "there is something at full on desk already"),
        ("desk:file", "there is something at file on desk already"),
        ("desk:other", "holds another repository"),
        ("desk:code", "holds another repository"),
        ("elsewhere.invalid:photos", "cannot be reached"),
        ("not an address", "is not an address for ssh"),
    ] {
        let said = refused(&sandbox, &folder, address);
        assert!(said.contains(why), "{said}");
        assert!(said.contains("nothing was changed"), "{said}");
    }
    assert_eq!(remotes(&sandbox, &folder), "");
    assert_eq!(run(&mut sandbox.git(&folder, ["for-each-ref"])), before);
    assert_eq!(fs::read_dir(at("full")).unwrap().count(), 1);
}
