//! Where git's configuration says that a remote is: is it fetched from there, and pushed to where git pushes?

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use whole_system::clones::Actor;
use whole_system::run::told;
use whole_system::{Sandbox, attempt, run, trees};

/// A folder with one file, and a bare clone of it that is up to date.
fn folder_and_mirror(sandbox: &Sandbox, mirror: &str) -> (PathBuf, PathBuf) {
    let folder = Actor::Anabranch.init(sandbox, "folder");
    fs::write(folder.join("letter"), "Dear all,\n").unwrap();
    Actor::Anabranch.sync(sandbox, &folder);
    let mirror = Actor::Anabranch.clone(sandbox, &folder, mirror, true);
    Actor::Anabranch.sync(sandbox, &folder);
    (folder, mirror)
}

fn remote(sandbox: &Sandbox, folder: &Path) -> String {
    run(&mut sandbox.git(folder, ["remote"])).trim().to_owned()
}

fn tip(sandbox: &Sandbox, repository: &Path) -> String {
    run(&mut sandbox.git(repository, ["rev-parse", "main"]))
}

/// How many contents are in a repository.
fn contents(repository: &Path) -> usize {
    let objects = trees::files(&repository.join("annex/objects"));
    objects.len()
}

#[test]
fn a_place_is_reached_by_every_address_that_git_reaches_it_by() {
    let sandbox = Sandbox::new();
    let (folder, mirror) = folder_and_mirror(&sandbox, "old mirror.git");
    let url = format!("remote.{}.url", remote(&sandbox, &folder));
    let without_git = mirror.to_str().unwrap().strip_suffix(".git").unwrap().to_owned();
    let percent = without_git.replace(' ', "%20");
    for (number, address) in [
        without_git,
        format!("file://{percent}.git"),
        format!("file://localhost{percent}"),
        "../old mirror.git".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        run(&mut sandbox.git(&folder, ["config", &url, &address]));
        run(&mut sandbox.git(&folder, ["fetch", "-q", "--all"]));
        fs::write(folder.join(format!("news {number}")), address).unwrap();
        run(sandbox.anabranch(["sync"]).arg(&folder));
        assert_eq!(tip(&sandbox, &folder), tip(&sandbox, &mirror));
        assert_eq!(contents(&mirror), number + 2);
    }
}

#[test]
fn pushes_go_to_the_pushurl_and_the_place_fetched_from_is_left_alone() {
    let sandbox = Sandbox::new();
    let (folder, mirror) = folder_and_mirror(&sandbox, "mirror.git");
    let upstream = sandbox.path("upstream.git");
    run(sandbox.command("cp").arg("-r").args([&mirror, &upstream]));
    let pushurl = format!("remote.{}.pushurl", remote(&sandbox, &folder));
    run(&mut sandbox.git(&folder, ["config", &pushurl, upstream.to_str().unwrap()]));
    let before = tip(&sandbox, &mirror);
    fs::write(folder.join("news"), "news\n").unwrap();
    for _ in 0..2 {
        Actor::Anabranch.sync(&sandbox, &folder);
    }
    assert_eq!(tip(&sandbox, &upstream), tip(&sandbox, &folder));
    assert_eq!(tip(&sandbox, &mirror), before);
    assert_eq!(contents(&mirror), 1, "contents go where commits go");
    let said = Actor::Anabranch.sync(&sandbox, &folder);
    let words = "gets no content: git pushes to another address than it fetches from";
    assert!(said.contains(words), "{said}");

    run(&mut sandbox.git(&folder, ["config", &pushurl, "ssh://elsewhere.example/mirror.git"]));
    fs::write(folder.join("more"), "more\n").unwrap();
    let mut sync = sandbox.anabranch(["sync"]);
    let output = attempt(sync.arg(&folder));
    let said = told(&sync, &output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let words =
        "sends pushes to ssh://elsewhere.example/mirror.git, which is not on this computer and not supported yet";
    assert!(said.contains(words) && said.contains("'git push "), "{said}");
    assert_eq!(tip(&sandbox, &mirror), before);
}
