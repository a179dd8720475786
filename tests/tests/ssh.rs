//! Folders synced with another computer over a real ssh, whoever serves there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whole_system::asking::is_in_state;
use whole_system::clones::Actor;
use whole_system::laptops::{Scene, follows, run_status, serve_by};
use whole_system::skip::{needs_git_annex, needs_sshd};
use whole_system::sshd::{Login, Shell, no_ssh_is_left, ssh_processes};
use whole_system::{Engine, PATIENCE, Sandbox, Sshd, checks, eventually, run};

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

fn objects(repository: &Path) -> usize {
    let found = run(std::process::Command::new("find")
        .arg(repository.join("annex/objects"))
        .args(["-type", "f"]));
    found.lines().count()
}

#[test]
fn what_arrived_before_the_connection_broke_stays_and_is_logged() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    let [ann, ben] = &scene.laptops;
    run(&mut scene.sandbox.git(ann, ["config", "remote.server.annex-bwlimit", "4MB"]));
    let before = objects(&scene.server);
    let text = |number: usize| format!("{number} ").repeat(20_000);
    for number in 0..400 {
        fs::write(ann.join(format!("file {number}")), text(number)).unwrap();
    }
    let engine = Engine::start(&scene.sandbox, &[ann]);
    let arrived = |least: usize| {
        eventually(PATIENCE * 3, || match objects(&scene.server) - before {
            count if count >= least => Ok(()),
            count => Err(count),
        });
    };
    arrived(20);
    scene.sshd.cut();
    let kept = objects(&scene.server) - before;
    assert!(kept < 400, "the connection broke too late");
    arrived(kept + 20);
    scene.sshd.cut();
    run(&mut scene
        .sandbox
        .git(ann, ["config", "--unset", "remote.server.annex-bwlimit"]));
    arrived(400);
    is_in_state(&scene.sandbox, ann, "safe");
    engine.stop();
    // The server's log is right, and so is each content.
    checks::assert_whole(&scene.sandbox, &scene.server);
    Actor::Anabranch.sync(&scene.sandbox, ben);
    for number in 0..400 {
        assert!(fs::read_to_string(ben.join(format!("file {number}"))).unwrap() == text(number));
    }
    for laptop in &scene.laptops {
        checks::assert_whole(&scene.sandbox, laptop);
    }
}

/// A server that is ours is offered many files in one stream. One of git-annex is not, and neither is one that does not say so.
#[test]
fn files_are_offered_to_a_server_that_takes_offers() {
    if !needs_sshd() {
        return;
    }
    for (filter, word, other) in [("cat", "OFFER", "PUT"), ("grep -v anabranch", "PUT", "OFFER")] {
        let scene = Scene::new(Shell::Anabranch, true);
        let [ann, ben] = &scene.laptops;
        let said = scene.sandbox.path("said");
        fs::create_dir(&said).unwrap();
        serve_by(
            &scene,
            &format!(
                "[ \"$1\" != configlist ] || {{ \"$real\" \"$@\" | {filter}; exit; }}\n\
                 [ \"$1\" = p2pstdio ] || exec \"$real\" \"$@\"\ntee '{}/'$$ | \"$real\" \"$@\"\n",
                said.display()
            ),
        );
        let large = "a line of a large file\n".repeat(200_000);
        fs::write(ann.join("large"), &large).unwrap();
        fs::write(ann.join("empty"), "").unwrap();
        for number in 0..100 {
            fs::write(ann.join(format!("file {number}")), format!("file {number}")).unwrap();
        }
        Actor::Anabranch.sync(&scene.sandbox, ann);
        let said = fs::read_dir(&said)
            .unwrap()
            .map(|file| fs::read(file.unwrap().path()).unwrap());
        let said = said.collect::<Vec<_>>().concat();
        let count = |word: &str| {
            let lines = said.split(|&byte| byte == b'\n');
            lines
                .filter(|line| line.starts_with(format!("{word} ").as_bytes()))
                .count()
        };
        assert_eq!((count(word), count(other)), (102, 0));
        Actor::Anabranch.sync(&scene.sandbox, ben);
        assert!(fs::read_to_string(ben.join("large")).unwrap() == large);
        for repository in [ann, ben, &scene.server] {
            checks::assert_whole(&scene.sandbox, repository);
        }
    }
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

/// More folders than a server allows sessions at once, each with content that more than one session sends.
#[test]
fn many_folders_share_one_computer() {
    if !needs_sshd() {
        return;
    }
    let sandbox = Sandbox::new();
    let sshd = Sshd::start(&sandbox, "server", Shell::Anabranch, Login::Everything, &[]);
    let folders: Vec<PathBuf> = (0..6)
        .map(|number| {
            let server = sshd.home().join(format!("bare {number}"));
            run(sandbox.anabranch(["init"]).arg(&server));
            let folder = Actor::Anabranch.init(&sandbox, &format!("folder {number}"));
            let address = format!("server:{}", server.display());
            run(&mut sandbox.git(&folder, ["remote", "add", "server", &address]));
            for file in 0..40 {
                fs::write(folder.join(format!("{file}")), format!("{number} {file}")).unwrap();
            }
            folder
        })
        .collect();
    let engine = Engine::start(&sandbox, &folders.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    for folder in &folders {
        is_in_state(&sandbox, folder, "safe");
    }
    engine.stop();
    no_ssh_is_left(&sandbox);
}

#[test]
fn a_server_that_allows_one_session_at_a_time_is_synced_with() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    scene.sshd.allow_sessions(1);
    let [ann, ben] = &scene.laptops;
    let engine = Engine::start(&scene.sandbox, &[ann, ben]);
    for number in 0..40 {
        fs::write(ann.join(format!("file {number}")), format!("content {number}")).unwrap();
    }
    is_in_state(&scene.sandbox, ann, "safe");
    let told = run_status(&scene.sandbox, ann);
    assert!(!told.contains("MaxSessions"), "{told}");
    // Nobody tells of changes there, so they are asked for.
    run(scene.sandbox.anabranch(["sync"]).arg(ben));
    follows(ben, "file 39", "content 39");
    engine.stop();
    no_ssh_is_left(&scene.sandbox);
}

/// Renames a file of which no content travels, and expects the folder there to follow.
fn a_new_name_reaches_the_folder_there(sessions: Option<usize>, sync: impl Fn(&Scene)) {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, false);
    if let Some(sessions) = sessions {
        scene.sshd.allow_sessions(sessions);
    }
    let [ann, _] = &scene.laptops;
    fs::rename(ann.join("before"), ann.join("after")).unwrap();
    sync(&scene);
    follows(&scene.server, "after", "from before");
    assert!(!scene.server.join("before").exists());
}

#[test]
fn a_new_name_reaches_the_folder_there_with_one_sync() {
    a_new_name_reaches_the_folder_there(None, |scene| {
        Actor::Anabranch.sync(&scene.sandbox, &scene.laptops[0]);
        // It is there before the sync ends.
        assert!(
            scene.server.join("after").exists(),
            "{}",
            run_status(&scene.sandbox, &scene.laptops[0])
        );
    });
}

#[test]
fn a_new_name_reaches_the_folder_there_where_nobody_can_listen() {
    a_new_name_reaches_the_folder_there(Some(1), |scene| {
        let engine = Engine::start(&scene.sandbox, &[&scene.laptops[0]]);
        follows(&scene.server, "after", "from before");
        engine.stop();
    });
}

/// What a server says that lies: first to `configlist`, then to what is offered, and then for each content that it is sent.
struct Lie {
    takes_offers: bool,
    offered: &'static str,
    sent: &'static str,
}

#[test]
fn a_server_that_lies_takes_nothing_from_our_log() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    let [ann, _] = &scene.laptops;
    let lie = scene.sandbox.path("lie");
    // A server that has taken content reads as much of it as the file below has, and the line behind it.
    serve_by(
        &scene,
        &format!(
            "[ \"$1\" != configlist ] || {{ \"$real\" \"$@\" | grep -e uuid -e \"$(cat '{0}.offers')\"; exit; }}\n\
             [ \"$1\" = p2pstdio ] || exec \"$real\" \"$@\"\n\
             echo \"AUTH-SUCCESS $5\"\nwhile read -r word rest; do\ncase $word in\nVERSION) echo VERSION 1 ;;\n\
             PUT|OFFER) cat '{0}.offered' ;;\nDATA) head -c $((rest + 6)) > /dev/null; cat '{0}.sent' ;;\nesac\ndone\n",
            lie.display()
        ),
    );
    let endless = "x".repeat(100_000);
    let many = "STORED\n".repeat(1000);
    for (number, lie_told) in [
        Lie {
            takes_offers: false,
            offered: "PUT-FROM 99999999\n",
            sent: "",
        },
        Lie {
            takes_offers: true,
            offered: "WANTED 99999999\n",
            sent: "",
        },
        Lie {
            takes_offers: true,
            offered: "UNWANTED because\n",
            sent: "",
        },
        Lie {
            takes_offers: true,
            offered: "STORED\n",
            sent: "",
        },
        Lie {
            takes_offers: true,
            offered: "ENDLESS",
            sent: "",
        },
        Lie {
            takes_offers: true,
            offered: "WANTED 0\n",
            sent: "UNSTORED WRONG\n",
        },
        Lie {
            takes_offers: true,
            offered: "WANTED 0\n",
            sent: "PUT-FROM 0\n",
        },
        Lie {
            takes_offers: true,
            offered: "WANTED 0\nWANTED 0\nHELD\nSTORED\n",
            sent: "MANY",
        },
    ]
    .into_iter()
    .enumerate()
    {
        let told = |text: &str| text.replace("ENDLESS", &endless).replace("MANY", &many);
        fs::write(
            lie.with_extension("offers"),
            if lie_told.takes_offers {
                "anabranch.offers"
            } else {
                "nothing"
            },
        )
        .unwrap();
        fs::write(lie.with_extension("offered"), told(lie_told.offered)).unwrap();
        fs::write(lie.with_extension("sent"), told(lie_told.sent)).unwrap();
        let file = ann.join(format!("new {number}"));
        fs::write(&file, format!("something new {number}")).unwrap();
        // The file is not there afterwards, so it tells of failure.
        let _ = scene.sandbox.anabranch(["sync"]).arg(ann).output();
        let why = run(scene.sandbox.anabranch(["why"]).arg(&file));
        assert!(!why.contains("no known copy"), "{number}: {why}");
    }
    checks::assert_whole(&scene.sandbox, ann);
}

#[test]
fn a_server_that_tells_of_no_changes_is_asked_now_and_then() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    let [ann, _] = &scene.laptops;
    let calls = scene.sandbox.path("calls");
    serve_by(
        &scene,
        &format!(
            "[ \"$1\" != notifychanges ] || {{ echo >> '{}'; exit 1; }}\nexec \"$real\" \"$@\"\n",
            calls.display()
        ),
    );
    let engine = Engine::start(&scene.sandbox, &[ann]);
    is_in_state(&scene.sandbox, ann, "safe");
    std::thread::sleep(Duration::from_secs(8));
    engine.stop();
    let count = fs::read(&calls).unwrap().len();
    assert!((1..=3).contains(&count), "{count}");
}

#[test]
fn nothing_goes_to_another_repository_in_the_same_place() {
    if !needs_sshd() {
        return;
    }
    let scene = Scene::new(Shell::Anabranch, true);
    let [ann, _] = &scene.laptops;
    let engine = Engine::start(&scene.sandbox, &[ann]);
    fs::write(ann.join("earlier"), "written earlier").unwrap();
    eventually(PATIENCE, || {
        match run(&mut scene.sandbox.git(&scene.server, ["ls-tree", "synced/main"])) {
            files if files.contains("earlier") => Ok(()),
            files => Err(files),
        }
    });
    is_in_state(&scene.sandbox, ann, "safe");
    // As when its disk makes way for another.
    fs::rename(&scene.server, scene.server.with_extension("away")).unwrap();
    run(scene
        .sandbox
        .command("git")
        .args(["init", "--quiet", "--bare"])
        .arg(&scene.server));
    run(scene.sandbox.anabranch(["init"]).arg(&scene.server));
    fs::write(ann.join("later"), "written later").unwrap();
    let status = || run_status(&scene.sandbox, ann);
    eventually(PATIENCE, || match status() {
        told if told.contains("another repository now") => Ok(()),
        told => Err(told),
    });
    engine.stop();
    let refs = run(&mut scene.sandbox.git(&scene.server, ["for-each-ref"]));
    assert!(!refs.contains("synced/main"), "{refs}");
}
