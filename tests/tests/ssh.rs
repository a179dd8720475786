//! Folders synced with another computer over a real ssh, whoever serves there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use whole_system::asking::is_in_state;
use whole_system::clones::Actor;
use whole_system::skip::{needs_git_annex, needs_sshd};
use whole_system::sshd::{Login, Shell};
use whole_system::{Engine, PATIENCE, Sandbox, Sshd, checks, eventually, run};

/// A server with a repository, and two laptops that have it as a remote and do not know each other.
struct Scene {
    sandbox: Sandbox,
    sshd: Sshd,
    server: PathBuf,
    laptops: [PathBuf; 2],
}

impl Scene {
    fn new(shell: Shell, is_bare: bool) -> Self {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "server", shell, Login::Everything, &[]);
        let server = sshd.home().join("photos");
        let mut init = sandbox.command("git");
        init.args(["init", "--quiet", "--initial-branch=main"])
            .args(is_bare.then_some("--bare"));
        run(init.arg(&server));
        run(sandbox.command("ssh").args([
            "server",
            &format!("git-annex-shell configlist '{}' -- autoinit=1 --", server.display()),
        ]));
        let address = sshd.address(&server);
        let ann = Actor::Anabranch.init(&sandbox, "ann");
        run(&mut sandbox.git(&ann, ["remote", "add", "server", &address]));
        // The other one begins with what the first has brought there.
        fs::write(ann.join("before"), "from before").unwrap();
        Actor::Anabranch.sync(&sandbox, &ann);
        let ben = sandbox.path("ben");
        run(sandbox.anabranch(["clone", &address]).arg(&ben));
        let laptops = [ann, ben];
        Self {
            sandbox,
            sshd,
            server,
            laptops,
        }
    }
}

fn follows(folder: &Path, name: &str, text: &str) {
    eventually(PATIENCE, || match fs::read_to_string(folder.join(name)) {
        Ok(found) if found == text => Ok(()),
        found => Err(format!("{}: {found:?}", folder.join(name).display())),
    });
}

fn two_laptops_sync_through(shell: Shell, is_bare: bool) {
    if !needs_sshd() || shell == Shell::GitAnnex && !needs_git_annex() {
        return;
    }
    let scene = Scene::new(shell, is_bare);
    let [ann, ben] = &scene.laptops;
    let engine = Engine::start(&scene.sandbox, &[ann, ben]);
    follows(ben, "before", "from before");
    fs::write(ben.join("back"), "from ben").unwrap();
    follows(ann, "back", "from ben");
    let large = "content of a large file\n".repeat(200_000);
    fs::write(ann.join("large"), &large).unwrap();
    follows(ben, "large", &large);
    fs::remove_file(ben.join("before")).unwrap();
    eventually(PATIENCE, || match ann.join("before").exists() {
        true => Err("it is still there".to_owned()),
        false => Ok(()),
    });
    for laptop in &scene.laptops {
        is_in_state(&scene.sandbox, laptop, "safe");
    }
    engine.stop();
    // git-annex leaves the files of a folder there to whoever syncs it.
    if !is_bare && shell == Shell::Anabranch {
        follows(&scene.server, "back", "from ben");
        follows(&scene.server, "large", &large);
    }
    for laptop in &scene.laptops {
        checks::assert_whole(&scene.sandbox, laptop);
    }
}

#[test]
fn two_laptops_sync_through_a_bare_repository_of_anabranch() {
    two_laptops_sync_through(Shell::Anabranch, true);
}

#[test]
fn two_laptops_sync_through_a_folder_of_anabranch() {
    two_laptops_sync_through(Shell::Anabranch, false);
}

#[test]
fn two_laptops_sync_through_a_bare_repository_of_git_annex() {
    two_laptops_sync_through(Shell::GitAnnex, true);
}

#[test]
fn two_laptops_sync_through_a_folder_of_git_annex() {
    two_laptops_sync_through(Shell::GitAnnex, false);
}

/// The processes of ssh that a sandbox has started.
fn ssh_processes(sandbox: &Sandbox) -> Vec<String> {
    let mark = sandbox.path("ssh_config");
    let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(mark.to_str()?).then_some(line)
    });
    commands.collect()
}

fn no_ssh_is_left(sandbox: &Sandbox) {
    eventually(PATIENCE, || match ssh_processes(sandbox) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

#[test]
fn a_transfer_goes_on_where_the_connection_broke() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    let [ann, ben] = &scene.laptops;
    run(&mut scene.sandbox.git(ann, ["config", "remote.server.annex-bwlimit", "4MB"]));
    let engine = Engine::start(&scene.sandbox, &[ann]);
    let large: Vec<u8> = (0..40_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(ann.join("film"), &large).unwrap();
    let partial = || {
        let files = fs::read_dir(scene.server.join("annex/tmp"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|file| file.metadata().ok())
            .map(|found| found.len())
            .max()
            .unwrap_or(0)
    };
    eventually(PATIENCE, || match partial() {
        8_000_000.. => Ok(()),
        size => Err(size),
    });
    scene.sshd.cut();
    let kept = partial();
    assert!(kept >= 8_000_000, "{kept}");
    run(&mut scene
        .sandbox
        .git(ann, ["config", "--unset", "remote.server.annex-bwlimit"]));
    eventually(PATIENCE * 3, || match partial() {
        0 => Ok(()),
        size => Err(size),
    });
    is_in_state(&scene.sandbox, ann, "safe");
    engine.stop();
    no_ssh_is_left(&scene.sandbox);
    Actor::Anabranch.sync(&scene.sandbox, ben);
    assert!(fs::read(ben.join("film")).unwrap() == large);
}

#[test]
fn an_engine_that_is_killed_leaves_no_connection() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    let [ann, _] = &scene.laptops;
    let engine = Engine::start(&scene.sandbox, &[ann]);
    eventually(PATIENCE, || match ssh_processes(&scene.sandbox).len() {
        // The login, and the one that listens.
        2.. => Ok(()),
        count => Err(count),
    });
    engine.kill();
    no_ssh_is_left(&scene.sandbox);
}
