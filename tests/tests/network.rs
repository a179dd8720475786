//! Another computer over a network that changes, stalls and breaks.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells on standard error"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use whole_system::asking::is_in_state;
use whole_system::clones::Actor;
use whole_system::network::Quality;
use whole_system::skip::{needs_root, needs_sshd};
use whole_system::sshd::{Shell, no_ssh_is_left, ssh_processes};
use whole_system::{Chance, Engine, Network, PATIENCE, Sandbox, Sshd, attempt, checks, eventually, run};

/// A laptop that syncs with a server over a network.
struct Scene {
    sandbox: Sandbox,
    sshd: Sshd,
    laptop: PathBuf,
    server: PathBuf,
    /// Let go of last, as the others are at its ends.
    network: Network,
}

impl Scene {
    fn new() -> Option<Self> {
        if !needs_sshd() || !needs_root() {
            return None;
        }
        // It may have to be built, which needs the machine's own network.
        let sandbox = Sandbox::new();
        let network = Network::new();
        network.set_address(Some(2));
        let sshd = Sshd::start_far(&sandbox, "server", Shell::Anabranch, &network);
        let server = sshd.home().join("photos");
        run(sandbox.command("git").args(["init", "--quiet", "--bare"]).arg(&server));
        run(sandbox.anabranch(["init"]).arg(&server));
        let laptop = Actor::Anabranch.init(&sandbox, "laptop");
        let address = sshd.address(&server);
        run(&mut sandbox.git(&laptop, ["remote", "add", "server", &address]));
        fs::write(laptop.join("before"), "from before").unwrap();
        Some(Self {
            sandbox,
            sshd,
            laptop,
            server,
            network,
        })
    }

    /// Starts an engine, and waits until everything is there.
    fn begin(&self) -> Engine {
        let engine = Engine::start(&self.sandbox, &[&self.laptop]);
        is_in_state(&self.sandbox, &self.laptop, "safe");
        engine
    }

    /// Waits until the server has a file; returns how long that took.
    fn arrives(&self, name: &str) -> Duration {
        let begun = Instant::now();
        eventually(PATIENCE, || {
            let listed = attempt(&mut self.sandbox.git(&self.server, ["ls-tree", "synced/main"]));
            match String::from_utf8_lossy(&listed.stdout) {
                files if files.contains(name) => Ok(()),
                files => Err(files.into_owned()),
            }
        });
        begun.elapsed()
    }

    fn end(self, engine: Engine) {
        engine.stop();
        checks::assert_whole(&self.sandbox, &self.laptop);
        no_ssh_is_left(&self.sandbox);
    }
}

/// How many logins stand, by the sandbox's processes of ssh.
fn logins(sandbox: &Sandbox) -> usize {
    ssh_processes(sandbox)
        .iter()
        .filter(|line| line.contains(" -N -M "))
        .count()
}

#[test]
fn a_connection_from_an_address_that_is_gone_is_replaced_at_once() {
    let Some(scene) = Scene::new() else { return };
    let engine = scene.begin();
    scene.network.set_address(Some(3));
    fs::write(scene.laptop.join("moved"), "after the move").unwrap();
    let took = scene.arrives("moved");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(logins(&scene.sandbox), 1);
    scene.end(engine);
}

#[test]
fn a_computer_that_was_away_is_tried_when_the_network_comes() {
    let Some(scene) = Scene::new() else { return };
    scene.network.set_address(None);
    let engine = Engine::start(&scene.sandbox, &[&scene.laptop]);
    eventually(PATIENCE, || match status(&scene.sandbox, &scene.laptop) {
        told if told.contains("cannot be reached") => Ok(()),
        told => Err(told),
    });
    scene.network.set_address(Some(2));
    let took = scene.arrives("before");
    assert!(took < Duration::from_secs(10), "{took:?}");
    scene.end(engine);
}

fn status(sandbox: &Sandbox, folder: &Path) -> String {
    let output = sandbox.anabranch(["status"]).arg(folder).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Nothing tells of it but that no answer comes: what is sent is not confirmed.
#[test]
fn a_connection_that_swallows_everything_is_replaced_within_seconds() {
    let Some(scene) = Scene::new() else { return };
    let engine = scene.begin();
    scene.network.set(Quality {
        is_cut: true,
        ..Quality::default()
    });
    fs::write(scene.laptop.join("swallowed"), "sent into a hole").unwrap();
    eventually(PATIENCE * 2, || match logins(&scene.sandbox) {
        0 => Ok(()),
        count => Err(count),
    });
    scene.network.set(Quality::default());
    // No event tells that it is back.
    run(scene.sandbox.anabranch(["sync"]).arg(&scene.laptop));
    scene.arrives("swallowed");
    scene.end(engine);
}

#[test]
fn a_folder_answers_while_a_connection_has_to_prove_itself() {
    let Some(scene) = Scene::new() else { return };
    let engine = scene.begin();
    scene.network.set(Quality {
        is_cut: true,
        ..Quality::default()
    });
    scene.network.add_address(3);
    let begun = Instant::now();
    eventually(PATIENCE, || {
        let asked = Instant::now();
        let told = status(&scene.sandbox, &scene.laptop);
        let took = asked.elapsed();
        assert!(
            took < Duration::from_secs(2),
            "{took:?} after {:?}: {told}",
            begun.elapsed()
        );
        match begun.elapsed() > Duration::from_secs(7) {
            true => Ok(()),
            false => Err(told),
        }
    });
    scene.network.set(Quality::default());
    scene.end(engine);
}

/// The slow ones: everything arrives both ways, and not much more than that passes.
struct Transfers {
    scene: Scene,
    /// A folder on the other computer.
    far: PathBuf,
    engine: Engine,
}

impl Transfers {
    fn begin() -> Option<Self> {
        let scene = Scene::new()?;
        let far = scene.sandbox.path("far");
        Actor::Anabranch.sync(&scene.sandbox, &scene.laptop);
        run(scene.sandbox.anabranch(["clone"]).args([&scene.server, &far]));
        let engine = scene.begin();
        Some(Self { scene, far, engine })
    }

    /// Sends a file of this size, then gets one. `meanwhile` is called over and over until each has arrived.
    fn both_ways(self, bytes: usize, mut meanwhile: impl FnMut(&Scene, Duration)) {
        let scene = &self.scene;
        for (way, name) in ["sent", "fetched"].into_iter().enumerate() {
            let content = large(bytes + way);
            let before = scene.network.passed()[way];
            let (from, to) = match way {
                0 => (&scene.laptop, &self.far),
                _ => (&self.far, &scene.laptop),
            };
            fs::write(from.join(name), &content).unwrap();
            if way == 1 {
                Actor::Anabranch.sync(&scene.sandbox, &self.far);
            }
            let begun = Instant::now();
            loop {
                std::thread::sleep(Duration::from_millis(500));
                meanwhile(scene, begun.elapsed());
                if way == 0 {
                    let _ = scene.sandbox.anabranch(["sync"]).arg(&self.far).output();
                }
                match fs::read(to.join(name)) {
                    Ok(found) if found == content => break,
                    _ => assert!(begun.elapsed() < LONG, "{}", status(&scene.sandbox, &scene.laptop)),
                }
            }
            let passed = scene.network.passed()[way] - before;
            eprintln!("{name}: {bytes} bytes in {:?}, {passed} on the wire", begun.elapsed());
            // Logins and git take a little each time.
            assert!(passed < (bytes as u64) * 11 / 10 + 150_000, "{passed}");
        }
        self.scene.network.set(Quality::default());
        is_in_state(&self.scene.sandbox, &self.scene.laptop, "safe");
        self.scene.end(self.engine);
    }
}

/// A server of which a client has vanished waits for it for a minute.
const LONG: Duration = Duration::from_secs(120);

/// Content of which no part can be guessed from another.
fn large(bytes: usize) -> Vec<u8> {
    let mut chance = Chance::from_seed(bytes as u64);
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        content.extend_from_slice(&chance.number().to_ne_bytes());
    }
    content.truncate(bytes);
    content
}

fn over(quality: Quality, bytes: usize) {
    let Some(transfers) = Transfers::begin() else { return };
    transfers.scene.network.set(quality);
    transfers.both_ways(bytes, |_, _| {});
}

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_of_1_mbit() {
    let rate = Some(125_000);
    over(
        Quality {
            rate,
            ..Quality::default()
        },
        4_000_000,
    );
}

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_of_300_ms() {
    let delay = Duration::from_millis(150);
    over(
        Quality {
            delay,
            ..Quality::default()
        },
        20_000_000,
    );
}

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_of_2_s() {
    let delay = Duration::from_secs(1);
    over(
        Quality {
            delay,
            ..Quality::default()
        },
        1_000_000,
    );
}

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_that_loses_30_of_100() {
    over(
        Quality {
            loss: 30,
            ..Quality::default()
        },
        100_000,
    );
}

/// Half a megabyte in a second.
const BROAD: Quality = Quality {
    delay: Duration::from_millis(10),
    rate: Some(500_000),
    loss: 0,
    is_cut: false,
};

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_that_breaks_every_10_s() {
    let Some(transfers) = Transfers::begin() else { return };
    transfers.scene.network.set(BROAD);
    let mut last = Duration::ZERO;
    transfers.both_ways(12_000_000, |scene, elapsed| {
        last = last.min(elapsed);
        if elapsed - last > Duration::from_secs(10) {
            scene.sshd.cut();
            last = elapsed;
        }
    });
}

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_with_a_black_hole_in_the_middle_of_a_file() {
    let Some(transfers) = Transfers::begin() else { return };
    transfers.both_ways(8_000_000, |scene, elapsed| {
        scene.network.set(Quality {
            is_cut: (5..35).contains(&elapsed.as_secs()),
            ..BROAD
        });
    });
}

#[test]
#[ignore = "because it takes minutes; tests/README.md says how to run it"]
fn slow_link_whose_address_changes_in_the_middle_of_a_file() {
    let Some(transfers) = Transfers::begin() else { return };
    transfers.scene.network.set(BROAD);
    let mut address = 2;
    transfers.both_ways(8_000_000, |scene, elapsed| {
        let due = if elapsed < Duration::from_secs(5) { 2 } else { 3 };
        if std::mem::replace(&mut address, due) != due {
            scene.network.set_address(Some(due));
        }
    });
}
