//! Places that only git reaches, or where git-annex is not: names and history travel through them, and no content.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use whole_system::asking::{is_in_state, status};
use whole_system::clones::Actor;
use whole_system::run::told;
use whole_system::skip::{needs_git_annex, needs_sshd};
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, Forge, PATIENCE, Sandbox, Sshd, attempt, checks, eventually, forge, run, trees};

const GIT_ONLY: &str = "git only: it gets names and history of all files, but no content";

/// Two laptops that do not know each other. Both know a place of git only, and a stick that holds content and no git.
struct Laptops {
    ann: PathBuf,
    ben: PathBuf,
    /// Who runs at the second one.
    theirs: Actor,
}

impl Laptops {
    /// The second one begins as a clone of the place.
    fn new(sandbox: &Sandbox, address: &str, theirs: Actor) -> Self {
        let stick = sandbox.path("stick");
        fs::create_dir(&stick).unwrap();
        let directory = format!("directory={}", stick.display());
        let ann = Actor::Anabranch.init(sandbox, "ann");
        let disk = ["type=directory", "encryption=none", &directory];
        run(&mut sandbox.git(&ann, [&["annex", "initremote", "stick"], &disk[..]].concat()));
        run(&mut sandbox.git(&ann, ["remote", "add", "desk", address]));
        fs::write(ann.join("before"), "from before").unwrap();
        Actor::Anabranch.sync(sandbox, &ann);
        let ben = sandbox.path("ben");
        match theirs {
            Actor::Anabranch => {
                run(sandbox.anabranch(["clone", address]).arg(&ben));
            }
            Actor::GitAnnex => {
                run(sandbox.command("git").args(["clone", "--quiet", address]).arg(&ben));
                run(&mut sandbox.git(&ben, ["config", "annex.addunlocked", "true"]));
                run(&mut sandbox.git(&ben, ["annex", "init", "--quiet", "ben"]));
            }
        }
        run(&mut sandbox.git(&ben, ["annex", "enableremote", "stick", &directory]));
        run(&mut sandbox.git(&ben, ["config", "remote.stick.annex-verified", "verified"]));
        Self { ann, ben, theirs }
    }

    /// One after the other, as they would be plugged in.
    fn sync(&self, sandbox: &Sandbox) {
        for _ in 0..2 {
            Actor::Anabranch.sync(sandbox, &self.ann);
            self.theirs.sync(sandbox, &self.ben);
        }
        trees::same(&[&self.ann, &self.ben]).unwrap();
    }
}

fn says(folder: &Path, name: &str, text: &str) {
    assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text, "{name}");
}

/// All that people do with files, through a place at `address`, whose repository is at `path`.
fn files_travel_through(sandbox: &Sandbox, address: &str, path: &Path, theirs: Actor) {
    let laptops = Laptops::new(sandbox, address, theirs);
    let Laptops { ann, ben, .. } = &laptops;
    laptops.sync(sandbox);
    says(ben, "before", "from before");
    // Added at both ends.
    fs::write(ann.join("letter"), "Dear Ben,\n").unwrap();
    fs::write(ben.join("picture.jpg"), "a picture").unwrap();
    laptops.sync(sandbox);
    says(ben, "letter", "Dear Ben,\n");
    says(ann, "picture.jpg", "a picture");
    // Changed, renamed, deleted.
    fs::write(ben.join("letter"), "Dear Ben,\nhow are you?\n").unwrap();
    fs::create_dir(ann.join("2026")).unwrap();
    fs::rename(ann.join("picture.jpg"), ann.join("2026/picture.jpg")).unwrap();
    fs::remove_file(ann.join("before")).unwrap();
    laptops.sync(sandbox);
    says(ann, "letter", "Dear Ben,\nhow are you?\n");
    says(ben, "2026/picture.jpg", "a picture");
    assert!(!ben.join("before").exists() && !ben.join("picture.jpg").exists());
    // Changed at both ends.
    fs::write(ann.join("letter"), "by Ann").unwrap();
    fs::write(ben.join("letter"), "by Ben").unwrap();
    laptops.sync(sandbox);
    let letters = fs::read_dir(ann).unwrap().map(|entry| entry.unwrap().path());
    let letters = letters.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("letter"));
    let mut letters: Vec<String> = letters.map(|path| fs::read_to_string(path).unwrap()).collect();
    letters.sort();
    assert_eq!(letters, ["by Ann", "by Ben"]);
    for laptop in [ann, ben] {
        let said = run(sandbox.anabranch(["sync"]).arg(laptop));
        assert!(said.contains(GIT_ONLY) && said.contains("up to date"), "{said}");
        checks::assert_whole(sandbox, laptop);
    }
    let refs = run(&mut sandbox.git(path, ["for-each-ref", "--format=%(refname)"]));
    let expected = ["git-annex", "main", "synced/git-annex", "synced/main"].map(|name| format!("refs/heads/{name}\n"));
    assert_eq!(refs, expected.concat());
    assert!(!path.join("annex").exists(), "it knows nothing of content");
}

#[test]
fn files_travel_through_git_on_another_computer() {
    if !needs_sshd() || !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (sshd, path) = server(&sandbox, Shell::Nobody);
    files_travel_through(&sandbox, &sshd.address(&path), &path, Actor::Anabranch);
}

#[test]
fn files_travel_through_a_forge() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let forge = Forge::start(&sandbox, forge::Login::Never);
    let (path, address) = forge.repository(&sandbox, "photos.git");
    files_travel_through(&sandbox, &address, &path, Actor::Anabranch);
}

#[test]
fn files_travel_through_a_forge_to_and_from_git_annex() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let forge = Forge::start(&sandbox, forge::Login::Never);
    let (path, address) = forge.repository(&sandbox, "photos.git");
    files_travel_through(&sandbox, &address, &path, Actor::GitAnnex);
}

#[test]
fn a_forge_takes_the_password_that_git_has_stored() {
    if !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let forge = Forge::start(&sandbox, forge::Login::Always);
    let (path, address) = forge.repository(&sandbox, "photos.git");
    let folder = Actor::Anabranch.init(&sandbox, "folder");
    run(&mut sandbox.git(&folder, ["remote", "add", "desk", &address]));
    let asks = "there is no terminal to ask you at";
    let program = sandbox.anabranch(["sync"]).get_program().to_owned();
    for (task, target, other) in [
        ("sync", &folder, None),
        ("clone", &sandbox.path("clone"), Some(&address)),
    ] {
        let mut alone = sandbox.command("setsid");
        alone.arg("--wait").arg(&program).arg(task).args(other).arg(target);
        let output = attempt(&mut alone);
        let said = told(&alone, &output);
        assert!(said.contains(asks), "{said}");
    }
    assert!(!sandbox.path("clone").exists());
    forge.store_password(&sandbox);
    files_travel_through(&sandbox, &address, &path, Actor::Anabranch);
}

#[test]
fn a_forge_that_never_answers_holds_nobody_up() {
    let sandbox = Sandbox::new();
    let forge = Forge::start(&sandbox, forge::Login::Never);
    let (_, address) = forge.repository(&sandbox, "photos.git");
    forge.set_silent(true);
    let folder = Actor::Anabranch.init(&sandbox, "folder");
    let clone = Actor::Anabranch.clone(&sandbox, &folder, "clone", false);
    run(&mut sandbox.git(&folder, ["remote", "add", "desk", &address]));
    let engine = Engine::start(&sandbox, &[&folder]);
    eventually(PATIENCE, || match engine.children("git").len() {
        1.. => Ok(()),
        0 => Err("it does not ask the forge"),
    });
    fs::write(folder.join("news"), "news").unwrap();
    eventually(PATIENCE, || match fs::read_to_string(clone.join("news")) {
        Ok(text) if text == "news" => Ok(()),
        other => Err(format!("{other:?}; {:?}", status(&sandbox, &folder))),
    });
    assert_eq!(engine.children("git").len(), 1, "it still waits for the forge");
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < Duration::from_secs(10));
    eventually(PATIENCE, || match processes_about(&address) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

/// The processes that have this in their command line.
fn processes_about(text: &str) -> Vec<String> {
    let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(text).then_some(line)
    });
    commands.collect()
}

/// A computer with an empty bare repository of git.
fn server(sandbox: &Sandbox, shell: Shell) -> (Sshd, PathBuf) {
    let sshd = Sshd::start(sandbox, "server", shell, Login::Everything, &[]);
    let path = sshd.home().join("photos.git");
    let mut init = sandbox.command("git");
    run(init
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&path));
    (sshd, path)
}

/// A folder with a file, and this place as its remote `desk`.
fn folder_with(sandbox: &Sandbox, address: &str) -> PathBuf {
    let folder = Actor::Anabranch.init(sandbox, "folder");
    fs::write(folder.join("letter"), "Dear all,\n").unwrap();
    run(&mut sandbox.git(&folder, ["remote", "add", "desk", address]));
    folder
}

fn contents(repository: &Path) -> usize {
    trees::files(&repository.join("annex/objects")).len()
}

fn settings(sandbox: &Sandbox, folder: &Path) -> String {
    let output = attempt(&mut sandbox.git(folder, ["config", "--get-regexp", r"^remote\.desk\.annex-"]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a running engine says of the place `desk`.
fn desk(sandbox: &Sandbox, folder: &Path) -> Result<String, String> {
    let status = status(sandbox, folder)?;
    let places = status["places"].as_array().cloned().unwrap_or_default();
    let desk = places.iter().find(|place| place["name"] == "desk");
    Ok(desk.ok_or_else(|| status.to_string())?.to_string())
}

#[test]
fn git_annex_that_is_installed_later_is_found_when_somebody_asks() {
    if !needs_sshd() {
        return;
    }
    let sandbox = Sandbox::new();
    let (sshd, path) = server(&sandbox, Shell::Nobody);
    let folder = folder_with(&sandbox, &sshd.address(&path));
    let engine = Engine::start(&sandbox, &[&folder]);
    is_in_state(&sandbox, &folder, "safe");
    let told = desk(&sandbox, &folder).unwrap();
    assert!(
        told.contains(GIT_ONLY) && told.contains("no git-annex-shell answers there"),
        "{told}"
    );
    assert_eq!(settings(&sandbox, &folder), "");
    sshd.install();
    Actor::Anabranch.sync(&sandbox, &folder);
    eventually(PATIENCE, || match contents(&path) {
        1 => Ok(()),
        count => Err(format!("{count} contents; {:?}", desk(&sandbox, &folder))),
    });
    is_in_state(&sandbox, &folder, "safe");
    let told = desk(&sandbox, &folder).unwrap();
    assert!(!told.contains("git only"), "{told}");
    engine.stop();
    assert!(settings(&sandbox, &folder).starts_with("remote.desk.annex-uuid "));
}

#[test]
fn a_repository_becomes_one_of_git_annex_once_it_has_its_branch() {
    if !needs_sshd() {
        return;
    }
    for shell in [Shell::Anabranch, Shell::GitAnnex] {
        if shell == Shell::GitAnnex && !needs_git_annex() {
            return;
        }
        let sandbox = Sandbox::new();
        let (sshd, path) = server(&sandbox, shell);
        let folder = folder_with(&sandbox, &sshd.address(&path));
        let said = Actor::Anabranch.sync(&sandbox, &folder);
        assert_eq!(contents(&path), 1, "{shell:?}: {said}");
    }
}

#[test]
fn each_place_without_git_annex_has_its_sentence() {
    if !needs_sshd() {
        return;
    }
    let sandbox = Sandbox::new();
    let (sshd, path) = server(&sandbox, Shell::Anabranch);
    let folder = folder_with(&sandbox, &sshd.address(&path));
    // So it never gets a git-annex branch.
    run(&mut sandbox.git(&folder, ["config", "remote.desk.annex-push", "false"]));
    let said = Actor::Anabranch.sync(&sandbox, &folder);
    assert!(
        said.contains("git only") && said.contains("does not use git-annex"),
        "{said}"
    );
    let nowhere = sshd.address(&path.with_file_name("nowhere"));
    run(&mut sandbox.git(&folder, ["remote", "set-url", "desk", &nowhere]));
    let said = Actor::Anabranch.sync(&sandbox, &folder);
    assert!(said.contains("there is no git repository at this address"), "{said}");
}

#[test]
fn a_guess_of_git_annex_is_tried_again_and_a_wish_of_the_user_is_not() {
    if !needs_sshd() || !needs_git_annex() {
        return;
    }
    let sandbox = Sandbox::new();
    let (sshd, path) = server(&sandbox, Shell::Nobody);
    let folder = folder_with(&sandbox, &sshd.address(&path));
    run(&mut sandbox.git(&folder, ["annex", "sync", "--no-content"]));
    let guessed = settings(&sandbox, &folder);
    assert!(
        guessed.contains("annex-ignore true") && guessed.contains("annex-ignore-auto true"),
        "{guessed}"
    );
    let said = Actor::Anabranch.sync(&sandbox, &folder);
    assert!(said.contains("no git-annex-shell answers there"), "{said}");
    assert_eq!(
        settings(&sandbox, &folder),
        guessed,
        "one more failure tells nothing new"
    );
    sshd.install();
    let said = Actor::Anabranch.sync(&sandbox, &folder);
    assert_eq!(contents(&path), 1, "{said}");
    let now = settings(&sandbox, &folder);
    assert!(now.contains("annex-uuid") && !now.contains("annex-ignore"), "{now}");

    // Nobody but the user has said that alone.
    run(&mut sandbox.git(&folder, ["config", "remote.desk.annex-ignore", "true"]));
    fs::write(folder.join("more"), "more").unwrap();
    let said = Actor::Anabranch.sync(&sandbox, &folder);
    assert!(
        said.contains("git only") && said.contains("annex-ignore is set for it"),
        "{said}"
    );
    assert_eq!(contents(&path), 1);
    let files = run(&mut sandbox.git(&path, ["ls-tree", "--name-only", "main"]));
    assert!(files.contains("more"), "{files}");
    assert!(settings(&sandbox, &folder).contains("annex-ignore true"));
}

#[test]
fn a_known_repository_whose_git_annex_is_gone_is_left_alone() {
    if !needs_sshd() {
        return;
    }
    let sandbox = Sandbox::new();
    let (sshd, path) = server(&sandbox, Shell::Anabranch);
    let folder = folder_with(&sandbox, &sshd.address(&path));
    Actor::Anabranch.sync(&sandbox, &folder);
    assert_eq!(contents(&path), 1);
    let refs = || run(&mut sandbox.git(&path, ["for-each-ref"]));
    let before = refs();
    fs::remove_file(sandbox.path("sshd of server/bin/git-annex-shell")).unwrap();
    fs::write(folder.join("more"), "more").unwrap();
    let mut sync = sandbox.anabranch(["sync"]);
    let output = attempt(sync.arg(&folder));
    let said = told(&sync, &output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no git-annex-shell answers on server any more"), "{said}");
    assert_eq!(refs(), before, "nobody knows what is there");
    sshd.install();
    run(sandbox.anabranch(["sync"]).arg(&folder));
    assert_eq!(contents(&path), 2);
}

#[test]
fn plain_git_on_this_computer_is_a_place_too() {
    let sandbox = Sandbox::new();
    for is_bare in [true, false] {
        let path = sandbox.path(format!("plain {is_bare}"));
        let mut init = sandbox.command("git");
        init.args(["init", "--quiet", "--initial-branch=main"])
            .args(is_bare.then_some("--bare"));
        run(init.arg(&path));
        let folder = Actor::Anabranch.init(&sandbox, &format!("folder {is_bare}"));
        fs::write(folder.join("letter"), "Dear all,\n").unwrap();
        run(&mut sandbox.git(&folder, ["remote", "add", "desk", path.to_str().unwrap()]));
        if !is_bare {
            // Only its owner moves a branch whose files are there.
            fs::write(path.join("own"), "own").unwrap();
            run(&mut sandbox.git(&path, ["add", "own"]));
            run(&mut sandbox.git(&path, ["commit", "--quiet", "--message", "own"]));
        }
        for _ in 0..2 {
            Actor::Anabranch.sync(&sandbox, &folder);
        }
        let said = run(sandbox.anabranch(["sync"]).arg(&folder));
        assert!(
            said.contains(GIT_ONLY) && said.contains("does not use git-annex"),
            "{said}"
        );
        let branch = if is_bare { "main" } else { "synced/main" };
        let files = run(&mut sandbox.git(&path, ["ls-tree", "--name-only", branch]));
        assert!(files.contains("letter"), "{files}");
        assert_eq!(folder.join("own").exists(), !is_bare);
        run(sandbox.anabranch(["init"]).arg(&path));
        run(sandbox.anabranch(["sync"]).arg(&folder));
        let objects = if is_bare { path } else { path.join(".git") };
        assert_eq!(contents(&objects), 1, "it has become one of git-annex");
    }
}

#[test]
fn a_clone_of_a_repository_of_git_alone_has_its_files() {
    let sandbox = Sandbox::new();
    let forge = Forge::start(&sandbox, forge::Login::Never);
    let (path, address) = forge.repository(&sandbox, "photos.git");
    let by_git = sandbox.path("by git");
    run(sandbox.command("git").args(["clone", "--quiet", &address]).arg(&by_git));
    fs::write(by_git.join("letter"), "Dear all,\n").unwrap();
    run(&mut sandbox.git(&by_git, ["add", "letter"]));
    run(&mut sandbox.git(&by_git, ["commit", "--quiet", "--message", "first"]));
    run(&mut sandbox.git(&by_git, ["push", "--quiet", "origin", "HEAD"]));
    run(&mut sandbox.anabranch(["clone", &address]));
    let clone = sandbox.path("photos");
    run(sandbox.anabranch(["sync"]).arg(&clone));
    says(&clone, "letter", "Dear all,\n");
    let refs = run(&mut sandbox.git(&path, ["for-each-ref"]));
    assert!(refs.contains("refs/heads/git-annex"), "{refs}");

    drop(forge);
    fs::write(clone.join("more"), "more").unwrap();
    let said = Actor::Anabranch.sync(&sandbox, &clone);
    let host = address.strip_suffix("/photos.git").unwrap().rsplit('/').next().unwrap();
    let away = format!("origin does not have all changes: it is not connected ({host} cannot be reached)");
    assert!(said.contains(&away), "{said}");
    let output = attempt(sandbox.anabranch(["clone", &address]).arg(sandbox.path("second")));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot be reached; nothing was made"), "{said}");
    assert!(!sandbox.path("second").exists());
}
